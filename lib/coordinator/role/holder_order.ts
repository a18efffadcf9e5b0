/**
 * holder_order: in which order LOCATE names holders, and where a page goes on. Laws: 1) fewer reports come first; among equals whole
 * holders before partial ones;  2) whole holders that nobody reported, of which there may be very many, come as a round by their
 * numbers in the store, begun at a random one of them; the others, which the role knows, are dealt by the question's seed;
 * 3) a place fixes the order of what is behind it, whoever comes or goes meanwhile.  Spec: PROTOCOL.md "LOCATE".  (pure)
 */

/** Where a list goes on: what a cursor holds, in this order. */
export interface HolderPlace {
  /** Random, of the question. */
  readonly seed: number;
  /** The device at which the round of whole holders begins; 0 before the store has chosen it. */
  readonly start: number;
  /** Rank and number of the device named or passed last; the number is 0 before the first. */
  readonly rank: number;
  readonly device: number;
}

/** Numbers in a place. */
export const placeNumbers = 4;

/** A device that does not come in the round. */
export interface Ranked {
  readonly device: number;
  /** At least 1. */
  readonly rank: number;
}

/** The rank of a holder: 0 for those of the round. */
export function rankOf(reports: number, partial: boolean): number {
  return 2 * reports + Number(partial);
}

/** Reads a place from a cursor's numbers; undefined where a list begins. */
export function placeFrom([seed, start, rank, device]: readonly number[]): HolderPlace | undefined {
  if (seed === undefined || start === undefined || rank === undefined || device === undefined) return undefined;
  return { seed, start, rank, device };
}

export function numbersOf({ seed, start, rank, device }: HolderPlace): readonly number[] {
  return [seed, start, rank, device];
}

/** Sorts those that come behind a place; the first `count` of them. */
export function behind(place: HolderPlace, devices: readonly Ranked[], count = Infinity): readonly Ranked[] {
  const last = keyed(place, place.seed);
  const found: Keyed[] = [];
  for (const device of devices) {
    const one = keyed(device, place.seed);
    if (place.rank > 0 && compare(one, last) <= 0) continue;
    // Of many only few are wanted, so most are behind the last one found.
    if (found.length >= count && compare(one, found.at(-1)!) > 0) continue;
    found.splice(found.findLastIndex((other) => compare(one, other) > 0) + 1, 0, one);
    if (found.length > count) found.pop();
  }
  return found;
}

function keyed({ device, rank }: Ranked, seed: number): Keyed {
  return { device, rank, dealt: deal(device, seed) };
}

type Keyed = Ranked & { readonly dealt: number };

function compare(a: Keyed, b: Keyed): number {
  return a.rank - b.rank || a.dealt - b.dealt || a.device - b.device;
}

/** Shuffles device numbers: MurmurHash3's finalizer, which is one to one. */
function deal(device: number, seed: number): number {
  let mixed = (device ^ seed) | 0;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85eb_ca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2_ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
