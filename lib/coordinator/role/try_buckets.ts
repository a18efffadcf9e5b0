/**
 * try_buckets: how often passwords may be tried. Laws: 1) in no minute do strangers have more than limits.loginTriesPerMinute at an
 * account, from however many addresses, all coordinators of one database together;  2) some of these are for who comes from a block of
 * addresses, and from a wide one, that has not failed here for an hour: so a crowd of guessers does not take them all;
 * 3) a device that the account knows has an allowance of its own, so guessing never locks the owner out;
 * 4) tables are of a fixed size and keyed: names that are no account's spend alike.  Spec: PROTOCOL.md "Tries".  (pure)
 */

import type { DeviceId } from "../../core/ids.ts";
import { limits } from "../../core/limits.ts";
import { KeyedTable } from "./keyed_table.ts";
import { TokenBuckets } from "./token_buckets.ts";

const minuteMs = 60_000;

/** Whom a try at an account is for: anybody; who comes from a fresh block; from a fresh wide block. */
const pools = ["any", "block", "wide"] as const;
type Pool = typeof pools[number];

/** In which order an account's tries are dealt to the pools. */
const dealing: readonly Pool[] = ["any", "wide", "block", "any", "wide", "any", "wide", "any", "wide", "block"];

/** Who tries: a folded account name from an address block, or one of its devices. */
export interface Trier {
  readonly account: string;
  readonly block: string;
  readonly wideBlock: string;
  /** A device that proved its key and that the account knows; null for a stranger. */
  readonly deviceId: DeviceId | null;
}

/** A try that was spent, to be given back when the password proves right. */
export type Try = readonly { readonly buckets: TokenBuckets; readonly bucket: number }[];

export class TryBuckets {
  readonly #table: KeyedTable;
  #accounts!: Readonly<Record<Pool, TokenBuckets | undefined>>;
  #devices!: TokenBuckets;
  /** One token a block in an hour: who still has it is fresh. */
  readonly #fresh = { block: freshness(), wide: freshness() };

  /** @param key 32 random bytes, of this run alone. */
  constructor(key: Uint8Array) {
    this.#table = new KeyedTable(key, limits.tryBucketsMax);
    this.divide(1);
  }

  /**
   * Leaves each of so many coordinators its part from now on. Strangers' tries come back anew then: what was spent was spent of another
   * part. Known devices go on at once.
   */
  divide(coordinators: number, nowMs?: number): void {
    const own = Math.floor(limits.loginTriesPerMinute / coordinators);
    const slowness = Math.max(1, coordinators / limits.loginTriesPerMinute);
    const dealt = dealing.slice(0, Math.max(1, own));
    const poolOf = (pool: Pool) => {
      const tries = dealt.filter((one) => one === pool).length;
      return tries === 0 ? undefined : perMinute(tries, slowness, nowMs);
    };
    this.#accounts = { any: poolOf("any"), block: poolOf("block"), wide: poolOf("wide") };
    const ofDevice = limits.deviceTriesPerMinute / coordinators;
    this.#devices = perMinute(Math.max(1, Math.floor(ofDevice)), Math.max(1, 1 / ofDevice));
  }

  /** How long until this trier may try, in milliseconds; 0 for now. */
  waitMs(trier: Trier, nowMs: number): number {
    return Math.min(...this.#ways(trier).map((way) => waitMs(way, nowMs)));
  }

  /** Spends a try; undefined where there is none left. */
  take(trier: Trier, nowMs: number): Try | undefined {
    const way = this.#ways(trier).find((one) => waitMs(one, nowMs) === 0);
    for (const { buckets, bucket } of way ?? []) buckets.take(bucket, nowMs);
    return way;
  }

  giveBack(spent: Try): void {
    for (const { buckets, bucket } of spent) buckets.giveBack(bucket);
  }

  /** The ways to a try, those first that are for more: each needs a token of all of its buckets. */
  #ways({ account, block, wideBlock, deviceId }: Trier): readonly Try[] {
    const table = this.#table;
    if (deviceId !== null) return [[{ buckets: this.#devices, bucket: table.placeOf(`${account}\0${deviceId}`) }]];
    const bucket = table.placeOf(account);
    const fresh = {
      any: [],
      block: [{ buckets: this.#fresh.block, bucket: table.placeOf(`\0${block}`) }],
      wide: [{ buckets: this.#fresh.wide, bucket: table.placeOf(`\0${wideBlock}`) }],
    };
    return pools.flatMap((pool) => {
      const buckets = this.#accounts[pool];
      return buckets === undefined ? [] : [[{ buckets, bucket }, ...fresh[pool]]];
    });
  }
}

function waitMs(way: Try, nowMs: number): number {
  return Math.max(...way.map(({ buckets, bucket }) => buckets.waitMs(bucket, nowMs)));
}

/** So many in any minute, and no more: half of them at once, and the others spread over the rest of it. */
function perMinute(tries: number, slowness: number, emptyAtMs?: number): TokenBuckets {
  const capacity = Math.ceil(tries / 2);
  const tokenMs = slowness * minuteMs / (tries - capacity + 1);
  return new TokenBuckets({ count: limits.tryBucketsMax, capacity, tokenMs, emptyAtMs });
}

function freshness(): TokenBuckets {
  return new TokenBuckets({ count: limits.tryBucketsMax, capacity: 1, tokenMs: 60 * minuteMs });
}
