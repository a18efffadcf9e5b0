/**
 * request_queue: what a fetching side has asked for and was not sent yet. Laws: 1) a range is legal before it is kept: within the
 * content, not empty, and all that is unsent together bounded, so that a million small ranges cost the asker its connection and us
 * nothing;  2) what is asked for is served in that order.  (pure)
 */

import { ProtocolError, type ShoalError } from "../core/errors.ts";
import { limits } from "../core/limits.ts";
import type { Content } from "../core/ids.ts";
import { pieceCount } from "../content/merkle.ts";
import type { BlockRange } from "../wire/frame.ts";
import type { SetGrant, TakenWish } from "./admission.ts";

/** A range of a content in bytes. */
export interface ByteRange {
  readonly offset: number;
  readonly bytes: number;
}

/** What is sent next: a range of the connection's content, the hashes of the blocks of one of its pieces, or all of a small content. */
export type Wanted = ByteRange | { readonly leavesOf: number } | TakenWish;

const noSet: readonly TakenWish[] = [];

export class RequestQueue {
  readonly #contentBytes: number;
  #wanted: Wanted[] = [];
  #unsentBytes = 0;
  #leavesWaiting = 0;
  /** What the last SET named. */
  #set = noSet;
  #takes = 0;
  /** LEAVES so far, in pieces. */
  #leaves = 0;
  #end: { readonly error?: ShoalError } | undefined;
  #wake: () => void = () => {};

  constructor(contentBytes: number) {
    this.#contentBytes = contentBytes;
  }

  /** Takes the ranges of one REQUEST. @throws {ProtocolError} If one is illegal or they are too much. */
  add(ranges: readonly BlockRange[]): void {
    const blocks = Math.ceil(this.#contentBytes / limits.blockBytes);
    if (ranges.length === 0) throw illegal("a REQUEST without ranges");
    for (const { first, count } of ranges) {
      if (first + count > blocks) throw illegal("a range beyond the end");
      const offset = first * limits.blockBytes;
      const bytes = Math.min(count * limits.blockBytes, this.#contentBytes - offset);
      if (this.#unsentBytes + bytes > limits.outstandingBytesMax) throw illegal("more asked ahead than allowed");
      this.#unsentBytes += bytes;
      this.#wanted.push({ offset, bytes });
    }
    this.#wake();
  }

  /**
   * Takes the pieces of one LEAVES. Each may be asked for once: hashing costs us more than asking costs the other side.
   * @throws {ProtocolError} If there is no such piece, or they are too many.
   */
  addLeaves(pieces: readonly number[]): void {
    const count = pieceCount(this.#contentBytes);
    if (pieces.length === 0) throw illegal("LEAVES without pieces");
    this.#leaves += pieces.length;
    if (this.#leaves > count) throw illegal("LEAVES of more pieces than there are");
    this.#leavesWaiting += pieces.length;
    if (this.#leavesWaiting > limits.leavesMax) throw illegal("more asked ahead than allowed");
    for (const leavesOf of pieces) {
      if (leavesOf >= count) throw illegal("LEAVES of a piece beyond the end");
      this.#wanted.push({ leavesOf });
    }
    this.#wake();
  }

  /** Takes the contents of a SET, in place of those of the last one. */
  setTo(contents: readonly Content[], grant: SetGrant): void {
    this.#set = contents.map((content) => ({ content, grant }));
  }

  /** Takes the places of one TAKE. @throws {ProtocolError} If the SET before it has no such place, or they are too many. */
  addTake(places: readonly number[]): void {
    this.#takes += places.length;
    if (this.#takes > limits.takesMax) throw illegal("more asked ahead than allowed");
    for (const place of places) {
      const wish = this.#set[place];
      if (wish === undefined) throw illegal("a TAKE of what no SET has named");
      this.#wanted.push(wish);
    }
    this.#wake();
  }

  /** Whether nothing is asked for at the moment. */
  get isEmpty(): boolean {
    return this.#wanted.length === 0;
  }

  /** Waits for what is next; undefined once the other side is done. @throws {ShoalError} What `fail` was called with. */
  async next(): Promise<Wanted | undefined> {
    for (;;) {
      if (this.#end?.error !== undefined) throw this.#end.error;
      if (this.#end !== undefined) return undefined;
      const wanted = this.#wanted.shift();
      if (wanted !== undefined) {
        if ("leavesOf" in wanted) this.#leavesWaiting--;
        return wanted;
      }
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }

  /** The next, if that was asked for by TAKE and is here already. */
  nextTake(): TakenWish | undefined {
    const [wanted] = this.#wanted;
    if (wanted === undefined || !("grant" in wanted)) return undefined;
    this.#wanted.shift();
    return wanted;
  }

  /**
   * Waits for a turn; false if the other side is done before it comes, and wants nothing more.
   * @throws {ShoalError} What `fail` was called with.
   */
  async areWantedAfter(turn: Promise<void>): Promise<boolean> {
    let isTurn = false;
    const came = turn.then(() => void (isTurn = true));
    // Once the other side is done, nobody hears of a turn that ends with its flow.
    came.catch(() => {});
    while (!isTurn && this.#end === undefined) {
      await Promise.race([came, new Promise<void>((resolve) => this.#wake = resolve)]);
    }
    if (this.#end?.error !== undefined) throw this.#end.error;
    return this.#end === undefined;
  }

  /** Notes that so many bytes of ranges are no longer unsent. */
  sent(bytes: number): void {
    this.#unsentBytes -= bytes;
  }

  /** Notes that so many that were asked for by TAKE are answered. */
  taken(count: number): void {
    this.#takes -= count;
  }

  /** The other side is done: what it asked for and has not got it no longer wants. */
  end(): void {
    this.#end ??= {};
    this.#wake();
  }

  fail(error: ShoalError): void {
    this.#end ??= { error };
    this.#wake();
  }
}

function illegal(reason: string): ProtocolError {
  return new ProtocolError(`Cannot serve this: ${reason}`);
}
