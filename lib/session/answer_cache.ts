/**
 * answer_cache: makes a repeated request take effect once. Laws: 1) transactions only grow; what falls out of the cache raises
 * the floor, and a transaction under the floor is refused;  2) a request that is still being worked on is dropped when it
 * comes again.  Bounded: limits.answersKeptMax answers of one datagram each.  Spec: PROTOCOL.md "Requests".  (pure)
 */

import { limits } from "../core/limits.ts";

/** What to do with a request that arrived. */
export type Arrival =
  | { readonly kind: "new" }
  | { readonly kind: "working" }
  | { readonly kind: "repeat"; readonly payload: Uint8Array }
  | { readonly kind: "stale" };

export class AnswerCache {
  /** In order of arrival, which Map keeps. */
  readonly #answers = new Map<number, Uint8Array | undefined>();
  #floor = 1;

  /** Notes a request's arrival and tells whether it is new. */
  arrive(transaction: number): Arrival {
    if (this.#answers.has(transaction)) {
      const payload = this.#answers.get(transaction);
      return payload === undefined ? { kind: "working" } : { kind: "repeat", payload };
    }
    if (transaction < this.#floor) return { kind: "stale" };
    this.#answers.set(transaction, undefined);
    if (this.#answers.size > limits.answersKeptMax) {
      const oldest = this.#answers.keys().next().value!;
      this.#answers.delete(oldest);
      this.#floor = Math.max(this.#floor, oldest + 1);
    }
    return { kind: "new" };
  }

  /** Keeps the answer of a request that arrived; one that fell out meanwhile is not kept. */
  answer(transaction: number, payload: Uint8Array): void {
    if (this.#answers.has(transaction)) this.#answers.set(transaction, payload);
  }
}
