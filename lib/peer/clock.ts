/**
 * clock: the coordinator's time, as keep-alives tell it, carried on by this machine's monotonic clock: a wrong or jumping wall
 * clock here neither opens nor closes anything.  (reads the monotonic clock)
 */

export class CoordinatorClock {
  #toldMs = 0;
  #atMs = 0;

  /** Takes the time that a keep-alive told. */
  set(timeMs: number): void {
    this.#toldMs = timeMs;
    this.#atMs = performance.now();
  }

  nowMs(): number {
    return this.#toldMs + Math.floor(performance.now() - this.#atMs);
  }
}
