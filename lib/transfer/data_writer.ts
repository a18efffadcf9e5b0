/**
 * data_writer: writes ranges of one content to one connection, as DATA or ZDATA. Laws: 1) it compresses where that pays
 * (compression_choice.ts), and never sends more than the bytes themselves;  2) a frame has its turn in the limits by what goes over the
 * wire.  Spec: PROTOCOL.md "ZDATA".  (I/O: over a stream that is passed in)
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
  readonly contentBytes: number;
  /** Reads into all of a buffer. @throws {ShoalError} */
  readonly read: (offset: number, buffer: Uint8Array) => void;
  /** Waits for the turn of so many bytes; false if they are not wanted any more. */
  readonly haveTurn: (wireBytes: number) => Promise<boolean>;
  /** Uploads that are sent to at the moment. */
  readonly uploads: () => number;
}

export class DataWriter {
  readonly #options: DataWriterOptions;
  readonly #choice = new CompressionChoice();
  readonly #frame: Bytes;
  readonly #packed: Bytes;
  #endedAtMs: number;
  #compressedMs: number;

  constructor(options: DataWriterOptions) {
    this.#options = options;
    const bytes = Math.min(limits.frameBytesMax, options.contentBytes);
    this.#frame = new Uint8Array(dataHeaderBytes + bytes);
    this.#packed = new Uint8Array(zdataHeaderBytes + Math.floor(bytes * shareMax));
    this.#endedAtMs = options.timers.nowMs();
    this.#compressedMs = compressedForMs();
  }

  /** Writes one frame; false if it is not wanted any more. @param bytes At most `frameBytesMax`. */
  async write(offset: number, bytes: number): Promise<boolean> {
    const { frames, read, haveTurn, timers, uploads } = this.#options;
    const raw = this.#frame.subarray(0, dataHeaderBytes + bytes);
    const content = raw.subarray(dataHeaderBytes);
    read(offset, content);
    const packed = this.#choice.wants(bytes) ? pack(content) : undefined;
    let frame = raw;
    if (packed !== undefined && packed.bytes.length <= shareMax * bytes) {
      frame = this.#packed.subarray(0, zdataHeaderBytes + packed.bytes.length);
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
