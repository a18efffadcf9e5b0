/**
 * replay_window: which packet numbers a session has seen, as a ring of bits. Laws: 1) a number is accepted once;  2)
 * numbers more than the window behind the highest are refused;  3) checking changes nothing, so that only an authentic packet marks.
 * @see RFC 6479. Spec: PROTOCOL.md "Sealing".  (pure)
 */

import { limits } from "../core/limits.ts";

/** Eight numbers a byte, and one byte more: those of the highest number's byte that are above it are not seen yet. */
const ringBytes = limits.replayWindow / 8 + 1;

export class ReplayWindow {
  /** Bytes that a window keeps its numbers in. */
  static readonly bytes = ringBytes;

  #seen: Uint8Array;
  readonly #at: number;
  /** The highest number marked so far; -1 before the first. */
  #highest = -1;

  /** @param seen Has zeros from `at` on, which the window makes its own. */
  constructor(seen: Uint8Array = new Uint8Array(ringBytes), at = 0) {
    this.#seen = seen;
    this.#at = at;
  }

  /** Goes on in another array, which has a copy of its ring at the same place. */
  moveTo(seen: Uint8Array): void {
    this.#seen = seen;
  }

  get highest(): number {
    return this.#highest;
  }

  /** Tells whether a number is new and inside the window. */
  isFresh(packetNumber: number): boolean {
    if (packetNumber > this.#highest) return true;
    if (packetNumber + limits.replayWindow <= this.#highest) return false;
    return (this.#seen[this.#at + Math.floor(packetNumber / 8) % ringBytes]! & (1 << (packetNumber % 8))) === 0;
  }

  /** Marks a fresh number as seen. Call after the packet was authenticated, never before. */
  mark(packetNumber: number): void {
    const byte = Math.floor(packetNumber / 8);
    if (packetNumber > this.#highest) {
      const current = this.#highest < 0 ? -1 : Math.floor(this.#highest / 8);
      for (let i = Math.max(current + 1, byte - ringBytes + 1); i <= byte; i++) {
        this.#seen[this.#at + i % ringBytes] = 0;
      }
      this.#highest = packetNumber;
    }
    this.#seen[this.#at + byte % ringBytes]! |= 1 << (packetNumber % 8);
  }
}
