/** progress_pace: lets progress through at most ten times a second.  (reads the monotonic clock) */

const paceMs = 100;

export class ProgressPace {
  #nextAtMs = 0;

  /** True at most ten times a second. */
  isDue(): boolean {
    const nowMs = performance.now();
    if (nowMs < this.#nextAtMs) return false;
    this.#nextAtMs = nowMs + paceMs;
    return true;
  }
}
