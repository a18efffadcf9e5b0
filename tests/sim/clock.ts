/**
 * clock: a fake clock and what is due on it. Laws: 1) acts run in the order of their times, those of one time in the order in
 * which they were asked for;  2) one act at a time: an act that answers a promise is awaited before the next.  (pure)
 */

/** Whatever is done when its time has come. */
export type Act = () => void | Promise<void>;

interface Due {
  readonly atMs: number;
  readonly order: number;
  readonly act: Act;
}

export class Clock {
  #nowMs: number;
  #asked = 0;
  /** A binary heap. */
  readonly #heap: Due[] = [];

  constructor(startMs: number) {
    this.#nowMs = startMs;
  }

  get nowMs(): number {
    return this.#nowMs;
  }

  /** Has something done at a time; at once, if that is past. */
  at(atMs: number, act: Act): void {
    this.#push({ atMs: Math.max(Math.ceil(atMs), this.#nowMs), order: this.#asked++, act });
  }

  /** Lets time pass, until `isDone` if that comes first; tells whether it came. */
  async run(ms: number, isDone: () => boolean = () => false): Promise<boolean> {
    const untilMs = this.#nowMs + ms;
    while (!isDone()) {
      const next = this.#heap[0];
      if (next === undefined || next.atMs > untilMs) {
        this.#nowMs = untilMs;
        return false;
      }
      this.#pop();
      this.#nowMs = next.atMs;
      const pending = next.act();
      if (pending !== undefined) await pending;
    }
    return true;
  }

  #push(due: Due): void {
    const heap = this.#heap;
    let at = heap.length;
    while (at > 0) {
      const up = (at - 1) >> 1;
      if (!isBefore(due, heap[up]!)) break;
      heap[at] = heap[up]!;
      at = up;
    }
    heap[at] = due;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      let down = 2 * at + 1;
      if (down >= heap.length) break;
      if (down + 1 < heap.length && isBefore(heap[down + 1]!, heap[down]!)) down++;
      if (!isBefore(heap[down]!, last)) break;
      heap[at] = heap[down]!;
      at = down;
    }
    heap[at] = last;
  }
}

function isBefore(a: Due, b: Due): boolean {
  return a.atMs < b.atMs || a.atMs === b.atMs && a.order < b.order;
}
