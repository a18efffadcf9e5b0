/**
 * damage: makes hostile bytes out of good ones. Law: the same generator gives the same damage.  (pure)
 */

import type { Bytes } from "../../lib/core/bytes.ts";
import { concatBytes } from "../../lib/core/bytes.ts";
import type { Seeded } from "../../tests/sim/seeded.ts";

/** Bytes and integers at which length and head parsers go wrong. */
const awkward = [
  0x00,
  0x17,
  0x18,
  0x19,
  0x1a,
  0x1b,
  0x1f,
  0x40,
  0x5f,
  0x7f,
  0x80,
  0x9f,
  0xbf,
  0xc0,
  0xf5,
  0xf6,
  0xfb,
  0xff,
];

/** Up to `max` random bytes. */
export function randomBytes(random: Seeded, max: number): Bytes {
  return random.bytes(random.below(max + 1));
}

/** Damages a copy: flipped bits, awkward bytes, cut, extended, spliced with another, a part repeated; now and then nothing at all. */
export function damage(random: Seeded, good: Uint8Array, other: Uint8Array): Bytes {
  const copy = new Uint8Array(good);
  const at = random.below(copy.length + 1);
  switch (random.below(8)) {
    case 0:
      return copy;
    case 1:
      return copy.slice(0, at);
    case 2:
      return concatBytes(copy, randomBytes(random, 64));
    case 3:
      return concatBytes(copy.subarray(0, at), other.subarray(Math.min(at, other.length)));
    case 4:
      return concatBytes(copy.subarray(0, at), copy.subarray(random.below(at + 1)));
    case 5:
      return concatBytes(copy.subarray(0, at), randomBytes(random, 8), copy.subarray(at));
    case 6:
      for (let i = random.below(3); i >= 0 && copy.length > 0; i--) {
        copy[random.below(copy.length)] = random.pick(awkward);
      }
      return copy;
    default:
      for (let i = random.below(8); i >= 0 && copy.length > 0; i--) {
        copy[random.below(copy.length)]! ^= 1 << random.below(8);
      }
      return copy;
  }
}
