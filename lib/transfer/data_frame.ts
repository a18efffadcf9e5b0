/**
 * data_frame: bytes of a content as one frame: DATA, or ZDATA where that is wanted and worth it; and the memory in which frames are made.
 * Laws: 1) a frame is never larger than the DATA that it stands for;  2) memory is held while a frame is made and written, so that a
 * thousand connections that wait cost next to nothing.  Spec: PROTOCOL.md "ZDATA".  (pure, but for the memory that is used again)
 */

import type { Bytes } from "../core/bytes.ts";
import { limits } from "../core/limits.ts";
import { dataHeaderBytes, writeDataHeader, writeZdataHeader, zdataHeaderBytes } from "../wire/frame.ts";
import { compress, compressedForMs } from "./compression.ts";
import { type SentFrame, shareMax } from "./compression_choice.ts";

/** A frame in the place in which its content was read. */
export interface DataFrame {
  readonly wireBytes: number;
  /** What the content was compressed to, if that was tried. */
  readonly packed: SentFrame["packed"];
}

/** Room for the largest frame, where nothing is made now: as many as there ever were at once, which the upload slots bound. */
const freeRooms: Bytes[] = [];

export function takeRoom(): Bytes {
  return freeRooms.pop() ?? new Uint8Array(dataHeaderBytes + limits.frameBytesMax);
}

/** Gives room back for others. Not where a write failed: the system may still be reading it. */
export function giveBackRoom(room: Bytes): void {
  freeRooms.push(room);
}

/** Where the bytes of a content belong in a DATA frame. */
export function contentOf(frame: Bytes): Bytes {
  return frame.subarray(dataHeaderBytes);
}

/** Makes a frame of content that is in its place in `frame`. @param isPacking Whether to compress it, if that makes it short enough. */
export function makeDataFrame(frame: Bytes, offset: number, isPacking: boolean): DataFrame {
  const content = contentOf(frame);
  const fromMs = compressedForMs();
  const bytes = isPacking ? compress(content) : undefined;
  const packed = bytes && { bytes: bytes.length, tookMs: compressedForMs() - fromMs };
  if (bytes === undefined || bytes.length > shareMax * content.length) {
    writeDataHeader(frame, offset, content.length);
    return { wireBytes: frame.length, packed };
  }
  writeZdataHeader(frame, offset, content.length, bytes.length);
  frame.set(bytes, zdataHeaderBytes);
  return { wireBytes: zdataHeaderBytes + bytes.length, packed };
}
