/**
 * answer_cache: makes a repeated request take effect once. Laws: 1) transactions only grow; what falls out of the cache raises
 * the floor, and a transaction under the floor is refused;  2) a request that is still being worked on is dropped when it
 * comes again.  Bounded: limits.answersKeptMax answers of one datagram each, none of them longer than it can be asked for.  Spec: PROTOCOL.md "Requests".  (pure)
 */

import { limits } from "../core/limits.ts";

/** What to do with a request that arrived. */
export type Arrival =
  | { readonly kind: "new" }
  | { readonly kind: "working" }
  | { readonly kind: "repeat"; readonly payload: Uint8Array }
  | { readonly kind: "stale" };

export class AnswerCache {
  /** In order of arrival, which Map keeps; undefined where nothing is kept, as in most sessions at most times. */
  #answers: Map<number, Uint8Array | undefined> | undefined;
  #floor = 1;
  #newest = 0;
  #arrivedAtMs = 0;

  /** Notes a request's arrival and tells whether it is new. */
  arrive(transaction: number, nowMs: number): Arrival {
    if (this.#answers?.has(transaction)) {
      const payload = this.#answers.get(transaction);
      return payload === undefined ? { kind: "working" } : { kind: "repeat", payload };
    }
    if (transaction < this.#floor) return { kind: "stale" };
    const answers = this.#answers ??= new Map();
    answers.set(transaction, undefined);
    this.#newest = Math.max(this.#newest, transaction);
    this.#arrivedAtMs = nowMs;
    if (answers.size > limits.answersKeptMax) {
      const oldest = answers.keys().next().value!;
      answers.delete(oldest);
      this.#floor = Math.max(this.#floor, oldest + 1);
    }
    return { kind: "new" };
  }

  /** Keeps the answer of a request that arrived; one that fell out meanwhile is not kept. */
  answer(transaction: number, payload: Uint8Array): void {
    if (this.#answers?.has(transaction)) this.#answers.set(transaction, payload);
  }

  /** Lets all fall out once no request has arrived for so long that their askers have given up. */
  forgetOld(nowMs: number): void {
    if (this.#answers === undefined || nowMs < this.#arrivedAtMs + limits.answersKeptMs) return;
    this.#answers = undefined;
    this.#floor = Math.max(this.#floor, this.#newest + 1);
  }
}
