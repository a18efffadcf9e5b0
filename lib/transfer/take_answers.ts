/**
 * take_answers: answers TAKEs: small contents, each by a ticket of its own, over a connection that a HELLO has proven. Laws: 1) each TAKE
 * gets one answer, in the order of asking: DATA with all of the content, or MISSING;  2) what is there when an answer is ready goes out
 * with it: many small files cost one write, and they are compressed where that pays;  3) they wait for a slot and for their turn in the limits as ranges do.
 * Spec: PROTOCOL.md "Small contents".  (I/O: by what is passed in)
 */

import type { Bytes } from "../core/bytes.ts";
import { errorCodes, ShoalError } from "../core/errors.ts";
import { limits } from "../core/limits.ts";
import { dataHeaderBytes, encodeFrame, writeDataHeader, writeZdataHeader, zdataHeaderBytes } from "../wire/frame.ts";
import { compress, compressedForMs } from "./compression.ts";
import { CompressionChoice, type SentFrame, shareMax } from "./compression_choice.ts";
import type { ServedContent } from "./upload.ts";

/** A content that a TAKE asks for: whole, and of one piece. */
export interface TakenContent {
  readonly bytes: number;
  readonly source: ServedContent;
}

export interface TakeLine {
  /** The ticket of the next TAKE, if one is here. */
  readonly next: () => Bytes | undefined;
  /** Opens what a ticket names, or answers why not; so may its reading throw. The code goes out as MISSING. */
  readonly open: (ticket: Bytes) => TakenContent | ShoalError;
  /** Waits for a slot; undefined where there is one, false if the other side is done before. */
  readonly slot: () => Promise<boolean> | undefined;
  readonly nowMs: () => number;
  /** Uploads that are sent to at the moment. */
  readonly uploads: () => number;
  /** Waits for the turn of so many bytes; undefined where it is now, false if the other side is done before. */
  readonly turn: (bytes: number) => Promise<boolean> | undefined;
  /** Writes the answers to so many TAKEs. */
  readonly write: (frames: Bytes, answers: number, contentBytes: number) => Promise<void>;
}

const nothingPacked = { bytes: 0, tookMs: 0, isTried: false };

/** Answers the TAKEs of one connection. */
export class TakeAnswers {
  readonly #line: TakeLine;
  readonly #choice = new CompressionChoice();
  #buffer: Bytes = new Uint8Array(0);
  #filled = 0;
  #answers = 0;
  #contentBytes = 0;
  /** What the contents in the buffer were compressed to. */
  #packed = nothingPacked;
  /** Content bytes of the answer that is not kept yet, and what they were compressed to. */
  #newBytes = 0;
  #newPacked: { readonly bytes: number; readonly tookMs: number } | undefined;
  /** What went out last, until it is noted, and how long the line took for it. */
  #sent: Pick<SentFrame, "bytes" | "packed" | "wireBytes"> | undefined;
  #lineMs = 0;

  constructor(line: TakeLine) {
    this.#line = line;
  }

  /** Answers a TAKE and those that wait behind it; false if the other side is done before. */
  async answer(first: Bytes): Promise<boolean> {
    if (this.#buffer.length === 0) this.#buffer = new Uint8Array(dataHeaderBytes + limits.frameBytesMax);
    const { next, slot, turn } = this.#line;
    for (let ticket: Bytes | undefined = first; ticket !== undefined; ticket = next()) {
      if (!await this.#flushDuring(slot())) return false;
      const frameBytes = await this.#add(ticket);
      const wait = turn(frameBytes);
      if (wait !== undefined && !await this.#timed(() => this.#flushDuring(wait))) return false;
      this.#keep(frameBytes);
    }
    await this.#timed(() => this.#flush());
    return true;
  }

  /** Puts an answer behind the others, which may have to go out before; answers the length of its frame. */
  async #add(ticket: Bytes): Promise<number> {
    const taken = this.#line.open(ticket);
    if (taken instanceof ShoalError) return await this.#addMissing(taken);
    const { bytes, source } = taken;
    using _source = source;
    await this.#makeRoom(dataHeaderBytes + bytes);
    const frame = this.#buffer.subarray(this.#filled, this.#filled + dataHeaderBytes + bytes);
    const content = frame.subarray(dataHeaderBytes);
    try {
      source.read(0, content);
    } catch (error) {
      if (!(error instanceof ShoalError)) throw error;
      return await this.#addMissing(error);
    }
    this.#newBytes = bytes;
    this.#newPacked = undefined;
    return this.#pack(frame, content) ?? (writeDataHeader(frame, 0, bytes), frame.length);
  }

  /** Turns a frame into ZDATA, if that is worth it; answers its length then. */
  #pack(frame: Bytes, content: Bytes): number | undefined {
    if (!this.#choice.wants(content.length)) return undefined;
    const fromMs = compressedForMs();
    const packed = compress(content);
    this.#newPacked = { bytes: Math.min(packed.length, content.length), tookMs: compressedForMs() - fromMs };
    // The platform's buffer is another one, and the frame may have less room than it.
    if (packed.length > shareMax * content.length || zdataHeaderBytes + packed.length > frame.length) return undefined;
    const length = zdataHeaderBytes + packed.length;
    writeZdataHeader(frame, 0, content.length, packed.length);
    frame.set(packed, zdataHeaderBytes);
    return length;
  }

  async #addMissing({ code }: ShoalError): Promise<number> {
    const frame = encodeFrame({ kind: "missing", code: errorCodes[code].wire });
    await this.#makeRoom(frame.length);
    this.#buffer.set(frame, this.#filled);
    this.#newBytes = 0;
    this.#newPacked = undefined;
    return frame.length;
  }

  async #makeRoom(bytes: number): Promise<void> {
    if (this.#filled + bytes > this.#buffer.length) await this.#timed(() => this.#flush());
  }

  /** Takes the answer that was added last among those that go out. */
  #keep(frameBytes: number): void {
    this.#filled += frameBytes;
    this.#contentBytes += this.#newBytes;
    const { bytes = this.#newBytes, tookMs = 0 } = this.#newPacked ?? {};
    const { isTried, ...packed } = this.#packed;
    this.#packed = {
      bytes: packed.bytes + bytes,
      tookMs: packed.tookMs + tookMs,
      isTried: isTried || this.#newPacked !== undefined,
    };
    this.#answers++;
  }

  /** Flushes where there is something to wait for, so that nobody waits for what is ready; answers what was waited for. */
  async #flushDuring(wait: Promise<boolean> | undefined): Promise<boolean> {
    if (wait === undefined) return true;
    // Together: both fail with the connection, and neither may do so unheard.
    const [isWanted] = await Promise.all([wait, this.#flush()]);
    return isWanted;
  }

  async #flush(): Promise<void> {
    if (this.#answers === 0) return;
    // What was added and not kept stays where it is.
    const [filled, answers, contentBytes] = [this.#filled, this.#answers, this.#contentBytes];
    await this.#line.write(this.#buffer.subarray(0, filled), answers, contentBytes);
    const packed = this.#packed.isTried ? this.#packed : undefined;
    this.#sent = { bytes: contentBytes, packed, wireBytes: filled };
    this.#packed = nothingPacked;
    this.#buffer.copyWithin(0, filled);
    this.#filled = this.#answers = this.#contentBytes = 0;
  }

  /** Counts a wait as the line's, but for what this thread compressed meanwhile. */
  async #timed<T>(wait: () => Promise<T>): Promise<T> {
    const { nowMs, uploads } = this.#line;
    const [fromMs, compressedMs] = [nowMs(), compressedForMs()];
    const result = await wait();
    this.#lineMs += Math.max(0, nowMs() - fromMs - (compressedForMs() - compressedMs));
    if (this.#sent !== undefined) this.#choice.note({ ...this.#sent, lineMs: this.#lineMs, uploads: uploads() });
    if (this.#sent !== undefined) this.#lineMs = 0;
    this.#sent = undefined;
    return result;
  }
}
