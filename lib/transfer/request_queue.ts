/**
 * request_queue: what a fetching side has asked for and was not sent yet. Laws: 1) a range is legal before it is kept: within the
 * content, not empty, and all that is unsent together bounded, so that a million small ranges cost the asker its connection and us
 * nothing;  2) ranges are served in the order in which they were asked for.  (pure)
 */

import { ProtocolError, type ShoalError } from "../core/errors.ts";
import { limits } from "../core/limits.ts";
import type { BlockRange } from "../wire/frame.ts";

/** A range of a content in bytes. */
export interface ByteRange {
  readonly offset: number;
  readonly bytes: number;
}

export class RequestQueue {
  readonly #contentBytes: number;
  #ranges: ByteRange[] = [];
  #unsentBytes = 0;
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
      this.#ranges.push({ offset, bytes });
    }
    this.#wake();
  }

  /** Whether nothing is asked for at the moment. */
  get isEmpty(): boolean {
    return this.#ranges.length === 0;
  }

  /** Waits for the next range; undefined once the other side is done. @throws {ShoalError} What `fail` was called with. */
  async next(): Promise<ByteRange | undefined> {
    for (;;) {
      if (this.#end?.error !== undefined) throw this.#end.error;
      if (this.#end !== undefined) return undefined;
      const range = this.#ranges.shift();
      if (range !== undefined) return range;
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }

  /**
   * Waits for a turn; false if the other side is done before it comes, and wants nothing more.
   * @throws {ShoalError} What `fail` was called with.
   */
  async areWantedAfter(turn: Promise<void>): Promise<boolean> {
    let isTurn = false;
    const came = turn.then(() => void (isTurn = true));
    while (!isTurn && this.#end === undefined) {
      await Promise.race([came, new Promise<void>((resolve) => this.#wake = resolve)]);
    }
    if (this.#end?.error !== undefined) throw this.#end.error;
    return this.#end === undefined;
  }

  /** Notes that so many bytes are no longer unsent. */
  sent(bytes: number): void {
    this.#unsentBytes -= bytes;
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
