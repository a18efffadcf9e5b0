/**
 * data_writer: writes ranges of one content to one connection, as DATA or ZDATA. Laws: 1) it compresses where that pays
 * (compression_choice.ts), and never sends more than the bytes themselves;  2) a frame has its turn in the limits by what goes over the
 * wire;  3) memory for a frame is held while one is written, so that a thousand connections that wait cost next to nothing.
 * Spec: PROTOCOL.md "ZDATA".  (I/O: over a stream that is passed in)
 */

import type { Bytes } from "../core/bytes.ts";
import { limits } from "../core/limits.ts";
import { dataHeaderBytes, writeDataHeader, writeZdataHeader, zdataHeaderBytes } from "../wire/frame.ts";
import { compress, compressedForMs } from "./compression.ts";
import { CompressionChoice, shareMax } from "./compression_choice.ts";
import type { FrameStream } from "./frame_stream.ts";
import type { Timers } from "./timers.ts";

export interface DataWriterOptions {
  readonly frames: FrameStream;
  readonly timers: Timers;
  /** Reads into all of a buffer. @throws {ShoalError} */
  readonly read: (offset: number, buffer: Uint8Array) => void;
  /** Waits for the turn of so many bytes; false if they are not wanted any more. */
  readonly haveTurn: (wireBytes: number) => Promise<boolean>;
  /** Uploads that are sent to at the moment. */
  readonly uploads: () => number;
}

/** Room for one frame. */
class Room {
  readonly raw = new Uint8Array(dataHeaderBytes + limits.frameBytesMax);
  readonly packed = new Uint8Array(zdataHeaderBytes + Math.floor(limits.frameBytesMax * shareMax));
}

/** Rooms where nothing is written now: as many as there ever were writes at once, which the slots bound. */
const freeRooms: Room[] = [];

export class DataWriter {
  readonly #options: DataWriterOptions;
  readonly #choice = new CompressionChoice();
  #endedAtMs: number;
  #compressedMs: number;

  constructor(options: DataWriterOptions) {
    this.#options = options;
    this.#endedAtMs = options.timers.nowMs();
    this.#compressedMs = compressedForMs();
  }

  /** Writes one frame; false if it is not wanted any more. @param bytes At most `frameBytesMax`. */
  async write(offset: number, bytes: number): Promise<boolean> {
    const room = freeRooms.pop() ?? new Room();
    const isWanted = await this.#writeIn(room, offset, bytes);
    // One whose write failed the system may still be reading.
    freeRooms.push(room);
    return isWanted;
  }

  async #writeIn(room: Room, offset: number, bytes: number): Promise<boolean> {
    const { frames, read, haveTurn, timers, uploads } = this.#options;
    const raw = room.raw.subarray(0, dataHeaderBytes + bytes);
    const content = raw.subarray(dataHeaderBytes);
    read(offset, content);
    const packed = this.#choice.wants(bytes) ? pack(content) : undefined;
    let frame: Bytes = raw;
    if (packed !== undefined && packed.bytes.length <= shareMax * bytes) {
      frame = room.packed.subarray(0, zdataHeaderBytes + packed.bytes.length);
      writeZdataHeader(frame, offset, bytes, packed.bytes.length);
      frame.set(packed.bytes, zdataHeaderBytes);
    } else writeDataHeader(raw, offset, bytes);
    if (!await haveTurn(frame.length)) return false;
    await frames.write(frame);
    const nowMs = timers.nowMs();
    const compressedMs = compressedForMs();
    // What this thread compressed meanwhile, for others too, is not the line's doing.
    const lineMs = Math.max(0, nowMs - this.#endedAtMs - (compressedMs - this.#compressedMs));
    [this.#endedAtMs, this.#compressedMs] = [nowMs, compressedMs];
    this.#choice.note({
      bytes,
      packed: packed && { bytes: packed.bytes.length, tookMs: packed.tookMs },
      wireBytes: frame.length,
      lineMs,
      uploads: uploads(),
    });
    return true;
  }
}

function pack(content: Uint8Array): { readonly bytes: Uint8Array; readonly tookMs: number } {
  const fromMs = compressedForMs();
  const bytes = compress(content);
  return { bytes, tookMs: compressedForMs() - fromMs };
}
