/**
 * take_answers: answers TAKEs: small contents, each by a ticket of its own, over a connection that a HELLO has proven. Laws: 1) each TAKE
 * gets one answer, in the order of asking: DATA with all of the content, or MISSING;  2) what is there when an answer is ready goes out
 * with it: many small files cost one write;  3) they wait for a slot and for their turn in the limits as ranges do.
 * Spec: PROTOCOL.md "Small contents".  (I/O: by what is passed in)
 */

import type { Bytes } from "../core/bytes.ts";
import { errorCodes, ShoalError } from "../core/errors.ts";
import { limits } from "../core/limits.ts";
import { dataHeaderBytes, encodeFrame, writeDataHeader } from "../wire/frame.ts";
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
  /** Waits for the turn of so many bytes; undefined where it is now, false if the other side is done before. */
  readonly turn: (bytes: number) => Promise<boolean> | undefined;
  /** Writes the answers to so many TAKEs. */
  readonly write: (frames: Bytes, answers: number, contentBytes: number) => Promise<void>;
}

/** Answers a TAKE and those that wait behind it; false if the other side is done before. */
export async function answerTakes(first: Bytes, line: TakeLine): Promise<boolean> {
  const answers = new JoinedAnswers(line);
  for (let ticket: Bytes | undefined = first; ticket !== undefined; ticket = line.next()) {
    if (!await answers.flushDuring(line.slot())) return false;
    const frameBytes = await answers.add(ticket);
    if (!await answers.flushDuring(line.turn(frameBytes))) return false;
    answers.keep(frameBytes);
  }
  await answers.flush();
  return true;
}

/** Answers that go out together. */
class JoinedAnswers {
  readonly #line: TakeLine;
  readonly #buffer = new Uint8Array(dataHeaderBytes + limits.frameBytesMax);
  #filled = 0;
  #answers = 0;
  #contentBytes = 0;
  /** Content bytes of the answer that is not kept yet. */
  #newBytes = 0;

  constructor(line: TakeLine) {
    this.#line = line;
  }

  /** Puts an answer behind the others, which may have to go out before; answers the length of its frame. */
  async add(ticket: Bytes): Promise<number> {
    const taken = this.#line.open(ticket);
    if (taken instanceof ShoalError) return await this.#addMissing(taken);
    const { bytes, source } = taken;
    using _source = source;
    const length = dataHeaderBytes + bytes;
    await this.#makeRoom(length);
    const frame = this.#buffer.subarray(this.#filled, this.#filled + length);
    try {
      source.read(0, frame.subarray(dataHeaderBytes));
    } catch (error) {
      if (!(error instanceof ShoalError)) throw error;
      return await this.#addMissing(error);
    }
    writeDataHeader(frame, 0, bytes);
    this.#newBytes = bytes;
    return length;
  }

  async #addMissing({ code }: ShoalError): Promise<number> {
    const frame = encodeFrame({ kind: "missing", code: errorCodes[code].wire });
    await this.#makeRoom(frame.length);
    this.#buffer.set(frame, this.#filled);
    this.#newBytes = 0;
    return frame.length;
  }

  async #makeRoom(bytes: number): Promise<void> {
    if (this.#filled + bytes > this.#buffer.length) await this.flush();
  }

  /** Takes the answer that was added last among those that go out. */
  keep(frameBytes: number): void {
    this.#filled += frameBytes;
    this.#contentBytes += this.#newBytes;
    this.#answers++;
  }

  /** Flushes where there is something to wait for, so that nobody waits for what is ready; answers what was waited for. */
  async flushDuring(wait: Promise<boolean> | undefined): Promise<boolean> {
    if (wait === undefined) return true;
    // Together: both fail with the connection, and neither may do so unheard.
    const [isWanted] = await Promise.all([wait, this.flush()]);
    return isWanted;
  }

  async flush(): Promise<void> {
    if (this.#answers === 0) return;
    // What was added and not kept stays where it is.
    const [filled, answers, contentBytes] = [this.#filled, this.#answers, this.#contentBytes];
    await this.#line.write(this.#buffer.subarray(0, filled), answers, contentBytes);
    this.#buffer.copyWithin(0, filled);
    this.#filled = this.#answers = this.#contentBytes = 0;
  }
}
