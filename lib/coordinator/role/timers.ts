/**
 * timers: when each session is due next: a binary heap that knows each session's place, so that moving and removing one costs
 * log n and nothing dead stays in it. Laws: 1) a session is in it at most once;  2) `due` gives each session at most once a
 * call, in the order of their times.  (pure)
 */

import type { Session } from "./session.ts";

export class Timers {
  readonly #heap: Session[] = [];

  get wakeAtMs(): number {
    return this.#heap[0]?.timerAtMs ?? Infinity;
  }

  /** Sets when a session is due; Infinity takes it out. */
  set(session: Session, atMs: number): void {
    if (atMs === session.timerAtMs) return;
    session.timerAtMs = atMs;
    if (atMs === Infinity) {
      this.#remove(session);
    } else if (session.timerIndex < 0) {
      this.#heap.push(session);
      this.#rise(session, this.#heap.length - 1);
    } else {
      this.#settle(session, session.timerIndex);
    }
  }

  /** Makes a session due no later than that. */
  setNoLater(session: Session, atMs: number): void {
    if (atMs < session.timerAtMs) this.set(session, atMs);
  }

  /** Takes out the next session that is due. */
  takeDue(nowMs: number): Session | undefined {
    const first = this.#heap[0];
    if (first === undefined || first.timerAtMs > nowMs) return undefined;
    this.set(first, Infinity);
    return first;
  }

  #remove(session: Session): void {
    const index = session.timerIndex;
    if (index < 0) return;
    session.timerIndex = -1;
    const last = this.#heap.pop()!;
    if (last !== session) this.#settle(last, index);
  }

  #settle(session: Session, index: number): void {
    const parent = this.#heap[(index - 1) >> 1];
    if (index > 0 && parent!.timerAtMs > session.timerAtMs) this.#rise(session, index);
    else this.#sink(session, index);
  }

  #rise(session: Session, index: number): void {
    while (index > 0) {
      const up = (index - 1) >> 1;
      const parent = this.#heap[up]!;
      if (parent.timerAtMs <= session.timerAtMs) break;
      this.#put(parent, index);
      index = up;
    }
    this.#put(session, index);
  }

  #sink(session: Session, index: number): void {
    for (;;) {
      let down = 2 * index + 1;
      const left = this.#heap[down];
      if (left === undefined) break;
      const right = this.#heap[down + 1];
      if (right !== undefined && right.timerAtMs < left.timerAtMs) down++;
      const child = this.#heap[down]!;
      if (child.timerAtMs >= session.timerAtMs) break;
      this.#put(child, index);
      index = down;
    }
    this.#put(session, index);
  }

  #put(session: Session, index: number): void {
    this.#heap[index] = session;
    session.timerIndex = index;
  }
}
