/** timers: the one shape of deadlines, passed in so that tests own the time.  (the system's own: I/O) */

export interface Timers {
  /** Milliseconds of a clock that never goes back. */
  nowMs(): number;
  /** Runs `run` once after `afterMs`, unless the answer is called before. */
  start(afterMs: number, run: () => void): () => void;
}

/** The system's clock and timers. */
export const systemTimers: Timers = {
  nowMs: () => performance.now(),
  start(afterMs, run) {
    const timer = setTimeout(run, afterMs);
    return () => clearTimeout(timer);
  },
};
