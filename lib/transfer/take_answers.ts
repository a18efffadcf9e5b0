/**
 * take_answers: answers the TAKEs of one connection that a HELLO has proven: small contents, by tickets for sets of them. Laws: 1) each
 * content gets one answer, in the order of asking: DATA with all of it, or MISSING;  2) what is there when an answer is ready goes
 * out with it: many small files cost one write, and they are compressed where that pays;  3) they wait for a slot and for their turn in
 * the limits as ranges do, in steps as short as the limits want them, so that nobody is taken for dead.
 * Spec: PROTOCOL.md "Small contents".  (I/O: by what is passed in)
 */

import type { Bytes } from "../core/bytes.ts";
import { errorCodes, ShoalError } from "../core/errors.ts";
import { dataHeaderBytes, encodeFrame } from "../wire/frame.ts";
import type { ServedContent, TakenContent, TakenWish } from "./admission.ts";
import { compressedForMs } from "./compression.ts";
import { CompressionChoice, type SentFrame } from "./compression_choice.ts";
import { contentOf, type DataFrame, giveBackRoom, makeDataFrame, takeRoom } from "./data_frame.ts";

export interface TakeLine {
  /** The next, if one is here. */
  readonly next: () => TakenWish | undefined;
  /** Opens what is wished, or answers why not; so may its reading throw. The code goes out as MISSING. */
  readonly open: (wish: TakenWish) => TakenContent | ShoalError;
  /** Waits for a slot; undefined where there is one, false if the other side is done before. */
  readonly slot: () => Promise<boolean> | undefined;
  readonly nowMs: () => number;
  /** Uploads that are sent to at the moment. */
  readonly uploads: () => number;
  /** Bytes of a content that are to be sent in one step at the most. */
  readonly stepBytes: () => number;
  /** Waits for the turn of so many bytes; undefined where it is now, false if the other side is done before. */
  readonly turn: (bytes: number) => Promise<boolean> | undefined;
  /** Writes frames that end so many answers. */
  readonly write: (frames: Bytes, answers: number, contentBytes: number) => Promise<void>;
}

/** A frame behind those that go out. */
interface AddedFrame extends DataFrame {
  readonly contentBytes: number;
  /** Whether it is the last of its answer. */
  readonly isLast: boolean;
}

const noBuffer: Bytes = new Uint8Array(0);

export class TakeAnswers {
  readonly #line: TakeLine;
  readonly #choice = new CompressionChoice();
  #buffer = noBuffer;
  /** The frames in the buffer. */
  #kept: AddedFrame[] = [];
  #filled = 0;
  /** What went out last, until it is noted, and how long the line took for it. */
  #sent: Pick<SentFrame, "bytes" | "packed" | "wireBytes"> | undefined;
  #lineMs = 0;

  constructor(line: TakeLine) {
    this.#line = line;
  }

  /** Answers one wish and those that wait behind it; false if the other side is done before. */
  async answer(first: TakenWish): Promise<boolean> {
    for (let wish: TakenWish | undefined = first; wish !== undefined; wish = this.#line.next()) {
      if (!await this.#flushDuring(this.#line.slot())) return false;
      if (!await this.#answerOne(wish)) return false;
    }
    await this.#timed(() => this.#flush());
    giveBackRoom(this.#buffer);
    this.#buffer = noBuffer;
    return true;
  }

  async #answerOne(wish: TakenWish): Promise<boolean> {
    if (this.#buffer === noBuffer) this.#buffer = takeRoom();
    const taken = this.#line.open(wish);
    if (taken instanceof ShoalError) return await this.#send(await this.#addMissing(taken));
    const { bytes, source } = taken;
    using _source = source;
    for (let at = 0; at < bytes;) {
      const step = Math.min(this.#line.stepBytes(), bytes - at);
      const added = await this.#add(source, at, step, at + step === bytes);
      if (!await this.#send(added)) return false;
      if (added.isLast) return true;
      at += step;
    }
    return true;
  }

  /** Lets a frame go out with the others when its turn has come. */
  async #send(added: AddedFrame): Promise<boolean> {
    const wait = this.#line.turn(added.wireBytes);
    if (wait !== undefined && !await this.#timed(() => this.#flushDuring(wait))) return false;
    this.#kept.push(added);
    this.#filled += added.wireBytes;
    return true;
  }

  /** Puts bytes of a content behind the others, which may have to go out before; or MISSING, where they cannot be read. */
  async #add(source: ServedContent, offset: number, bytes: number, isLast: boolean): Promise<AddedFrame> {
    await this.#makeRoom(dataHeaderBytes + bytes);
    const frame = this.#buffer.subarray(this.#filled, this.#filled + dataHeaderBytes + bytes);
    try {
      source.read(offset, contentOf(frame));
    } catch (error) {
      if (!(error instanceof ShoalError)) throw error;
      return await this.#addMissing(error);
    }
    return { ...makeDataFrame(frame, offset, this.#choice.wants(bytes)), contentBytes: bytes, isLast };
  }

  async #addMissing({ code }: ShoalError): Promise<AddedFrame> {
    const frame = encodeFrame({ kind: "missing", code: errorCodes[code].wire });
    await this.#makeRoom(frame.length);
    this.#buffer.set(frame, this.#filled);
    return { wireBytes: frame.length, packed: undefined, contentBytes: 0, isLast: true };
  }

  async #makeRoom(bytes: number): Promise<void> {
    if (this.#filled + bytes > this.#buffer.length) await this.#timed(() => this.#flush());
  }

  /** Flushes where there is something to wait for, so that nobody waits for what is ready; answers what was waited for. */
  async #flushDuring(wait: Promise<boolean> | undefined): Promise<boolean> {
    if (wait === undefined) return true;
    // Together: both fail with the connection, and neither may do so unheard.
    const [isWanted] = await Promise.all([wait, this.#flush()]);
    return isWanted;
  }

  async #flush(): Promise<void> {
    if (this.#filled === 0) return;
    // What was added and not kept stays where it is.
    const [filled, kept] = [this.#filled, this.#kept];
    const contentBytes = kept.reduce((sum, frame) => sum + frame.contentBytes, 0);
    await this.#line.write(this.#buffer.subarray(0, filled), kept.filter(({ isLast }) => isLast).length, contentBytes);
    this.#sent = { bytes: contentBytes, packed: packedOf(kept), wireBytes: filled };
    this.#buffer.copyWithin(0, filled);
    this.#filled = 0;
    this.#kept = [];
  }

  /** Counts a wait as the line's, but for what this thread compressed meanwhile. */
  async #timed<T>(wait: () => Promise<T>): Promise<T> {
    const { nowMs, uploads } = this.#line;
    const [fromMs, compressedMs] = [nowMs(), compressedForMs()];
    const result = await wait();
    this.#lineMs += Math.max(0, nowMs() - fromMs - (compressedForMs() - compressedMs));
    if (this.#sent === undefined) return result;
    if (this.#sent.bytes > 0) this.#choice.note({ ...this.#sent, lineMs: this.#lineMs, uploads: uploads() });
    this.#sent = undefined;
    this.#lineMs = 0;
    return result;
  }
}

/** What frames together were compressed to, and in what time; undefined where it was tried with none. */
function packedOf(frames: readonly AddedFrame[]): SentFrame["packed"] {
  if (frames.every(({ packed }) => packed === undefined)) return undefined;
  const all = frames.map(({ packed, contentBytes }) => packed ?? { bytes: contentBytes, tookMs: 0 });
  return {
    bytes: all.reduce((sum, { bytes }) => sum + bytes, 0),
    tookMs: all.reduce((sum, { tookMs }) => sum + tookMs, 0),
  };
}
