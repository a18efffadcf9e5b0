/**
 * paced_takes: gives the next small content to ask for when the limits of this peer let it come. Law: a turn that was waited for and not
 * used is kept.  (pure over what is passed in)
 */

import type { Flow } from "../transfer/rate_limiter.ts";
import type { Takeable } from "../transfer/take_from.ts";

/** Where contents to take come from. */
export interface TakeQueue<T extends Takeable> {
  /** The next, without taking it. */
  peek(): T | undefined;
  shift(): void;
  /** Waits until there may be one; false once there will be none. */
  more(): Promise<boolean>;
}

export class PacedTakes<T extends Takeable> {
  readonly #queue: TakeQueue<T>;
  readonly #flow: Flow | undefined;
  readonly #signal: AbortSignal;
  /** Bytes that were waited for and are not used. */
  #turnBytes = 0;
  #turn: Promise<void> | undefined;
  /** Whether none will come any more: the run has ended. */
  #isOver = false;

  constructor(queue: TakeQueue<T>, flow: Flow | undefined, signal: AbortSignal) {
    this.#queue = queue;
    this.#flow = flow;
    this.#signal = signal;
  }

  /** The next to ask for; undefined if there is none at the moment, or its turn has not come. */
  take(): T | undefined {
    if (this.#turn !== undefined || this.#isOver) return undefined;
    const next = this.#queue.peek();
    if (next === undefined) return undefined;
    const missing = next.content.bytes - this.#turnBytes;
    if (missing > 0) {
      const turn = this.#flow?.take(missing, this.#signal);
      this.#turnBytes += missing;
      if (turn !== undefined) {
        this.#turn = turn.catch(() => void (this.#isOver = true)).finally(() => this.#turn = undefined);
        return undefined;
      }
    }
    this.#turnBytes -= next.content.bytes;
    this.#queue.shift();
    return next;
  }

  /** Waits until there may be one; false once there will be none. */
  async more(): Promise<boolean> {
    if (this.#isOver) return false;
    if (this.#turn === undefined) return await this.#queue.more();
    await this.#turn;
    return !this.#isOver;
  }
}
