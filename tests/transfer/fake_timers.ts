/** fake_timers: time that only the test moves. */

import type { Timers } from "../../lib/transfer/timers.ts";

export class FakeTimers implements Timers {
  #nowMs = 0;
  readonly #timers = new Map<number, { readonly atMs: number; readonly run: () => void }>();
  #lastId = 0;

  nowMs(): number {
    return this.#nowMs;
  }

  start(afterMs: number, run: () => void): () => void {
    const id = ++this.#lastId;
    this.#timers.set(id, { atMs: this.#nowMs + afterMs, run });
    return () => this.#timers.delete(id);
  }

  /** Moves on, timer by timer, letting what each one starts settle. */
  async advance(byMs: number): Promise<void> {
    const untilMs = this.#nowMs + byMs;
    for (;;) {
      await settle();
      const due = [...this.#timers].filter(([, { atMs }]) => atMs <= untilMs).sort((a, b) => a[1].atMs - b[1].atMs)[0];
      if (due === undefined) break;
      this.#timers.delete(due[0]);
      this.#nowMs = Math.max(this.#nowMs, due[1].atMs);
      due[1].run();
    }
    this.#nowMs = untilMs;
    await settle();
  }

  /** Moves the clock without running what is due, as a process that stood still. */
  jump(byMs: number): void {
    this.#nowMs += byMs;
  }

  /** How many timers wait. */
  get pending(): number {
    return this.#timers.size;
  }
}

/** Lets everything run that waits for nothing but its turn. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 50; i++) await Promise.resolve();
  await new Promise((resolve) => setTimeout(resolve, 0));
}
