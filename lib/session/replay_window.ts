/**
 * replay_window: which packet numbers a session has seen, as a ring of words. Laws: 1) a number is accepted once;  2)
 * numbers more than the window behind the highest are refused;  3) checking changes nothing, so that only an authentic packet marks.
 * @see RFC 6479. Spec: PROTOCOL.md "Sealing".  (pure)
 */

import { limits } from "../core/limits.ts";

const words = limits.replayWindow / 32 + 1;

export class ReplayWindow {
  readonly #seen = new Uint32Array(words);
  /** The highest number marked so far; -1 before the first. */
  #highest = -1;

  get highest(): number {
    return this.#highest;
  }

  /** Tells whether a number is new and inside the window. */
  isFresh(packetNumber: number): boolean {
    if (packetNumber > this.#highest) return true;
    if (packetNumber + limits.replayWindow <= this.#highest) return false;
    return (this.#seen[Math.floor(packetNumber / 32) % words]! & (1 << (packetNumber % 32))) === 0;
  }

  /** Marks a fresh number as seen. Call after the packet was authenticated, never before. */
  mark(packetNumber: number): void {
    const word = Math.floor(packetNumber / 32);
    if (packetNumber > this.#highest) {
      const current = this.#highest < 0 ? word - words : Math.floor(this.#highest / 32);
      for (let i = Math.max(current + 1, word - words + 1); i <= word; i++) this.#seen[i % words] = 0;
      this.#highest = packetNumber;
    }
    this.#seen[word % words]! |= 1 << (packetNumber % 32);
  }
}
