/**
 * data_writer: writes ranges of one content to one connection, as DATA or ZDATA. Laws: 1) it compresses where that pays
 * (compression_choice.ts);  2) a frame has its turn in the limits by what goes over the wire.
 * Spec: PROTOCOL.md "ZDATA".  (I/O: over a stream that is passed in)
 */

import type { Bytes } from "../core/bytes.ts";
import { dataHeaderBytes } from "../wire/frame.ts";
import { compressedForMs } from "./compression.ts";
import { CompressionChoice } from "./compression_choice.ts";
import { contentOf, giveBackRoom, makeDataFrame, takeRoom } from "./data_frame.ts";
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
    const room = takeRoom();
    const isWanted = await this.#writeIn(room.subarray(0, dataHeaderBytes + bytes), offset, bytes);
    giveBackRoom(room);
    return isWanted;
  }

  async #writeIn(frame: Bytes, offset: number, bytes: number): Promise<boolean> {
    const { frames, read, haveTurn, timers, uploads } = this.#options;
    read(offset, contentOf(frame));
    const { wireBytes, packed } = makeDataFrame(frame, offset, this.#choice.wants(bytes));
    if (!await haveTurn(wireBytes)) return false;
    await frames.write(frame.subarray(0, wireBytes));
    const nowMs = timers.nowMs();
    const compressedMs = compressedForMs();
    // What this thread compressed meanwhile, for others too, is not the line's doing.
    const lineMs = Math.max(0, nowMs - this.#endedAtMs - (compressedMs - this.#compressedMs));
    [this.#endedAtMs, this.#compressedMs] = [nowMs, compressedMs];
    this.#choice.note({ bytes, packed, wireBytes, lineMs, uploads: uploads() });
    return true;
  }
}
