/**
 * loop_lag: how late this thread's timers ring, which is how long a datagram waits before anybody looks at it. Law: what is told is the
 * worst of the last 15 to 30 s, whoever asks and however often.  (I/O: timers)
 */

const everyMs = 500;
const windowMs = 15_000;

export class LoopLag implements Disposable {
  readonly #timer: ReturnType<typeof setInterval>;
  #dueAtMs: number;
  #windowEndsAtMs: number;
  #worstMs = 0;
  #worstBeforeMs = 0;

  constructor() {
    const nowMs = performance.now();
    this.#dueAtMs = nowMs + everyMs;
    this.#windowEndsAtMs = nowMs + windowMs;
    this.#timer = setInterval(() => this.#ring(), everyMs);
  }

  /** The longest delay of late, in milliseconds. */
  get worstMs(): number {
    return Math.max(this.#worstMs, this.#worstBeforeMs);
  }

  #ring(): void {
    const nowMs = performance.now();
    if (nowMs >= this.#windowEndsAtMs) {
      this.#windowEndsAtMs = nowMs + windowMs;
      this.#worstBeforeMs = this.#worstMs;
      this.#worstMs = 0;
    }
    this.#worstMs = Math.max(this.#worstMs, nowMs - this.#dueAtMs);
    this.#dueAtMs = nowMs + everyMs;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}
