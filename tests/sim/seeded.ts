/**
 * seeded: randomness that can be had again: the same seed gives the same bytes and choices. Not for secrets.  (pure)
 */

import type { Bytes } from "../../lib/core/bytes.ts";

export interface Seeded {
  /** Random bytes, in the shape that roles are given. */
  bytes(size: number): Bytes;
  /** A number 0 ≤ x < 1. */
  unit(): number;
  /** An integer 0 … count − 1. */
  below(count: number): number;
  /** True in `share` of the cases, 0 … 1. */
  chance(share: number): boolean;
  /** One of the values. */
  pick<T>(values: readonly T[]): T;
}

/** Makes a generator from a 32-bit seed (mulberry32 by T. Ettinger, public domain). */
export function seeded(seed: number): Seeded {
  let state = seed >>> 0;
  const next = (): number => {
    state = state + 0x6d2b79f5 | 0;
    let mixed = Math.imul(state ^ state >>> 15, state | 1);
    mixed ^= mixed + Math.imul(mixed ^ mixed >>> 7, mixed | 61);
    return (mixed ^ mixed >>> 14) >>> 0;
  };
  const unit = () => next() / 2 ** 32;
  const below = (count: number) => Math.floor(unit() * count);
  return {
    bytes(size) {
      const bytes = new Uint8Array(size);
      for (let at = 0; at < size; at += 4) {
        const word = next();
        for (let i = 0; i < 4 && at + i < size; i++) bytes[at + i] = word >>> 8 * i & 255;
      }
      return bytes;
    },
    unit,
    below,
    chance: (share) => unit() < share,
    pick: (values) => values[below(values.length)]!,
  };
}

/** The seed of this run: the environment's `SIM_SEED`, else a new one. Whoever uses it says it when something fails. */
export function runSeed(): number {
  const given = Deno.env.get("SIM_SEED");
  if (given !== undefined && /^\d{1,10}$/.test(given)) return Number(given);
  return crypto.getRandomValues(new Uint32Array(1))[0]!;
}
