/**
 * address_rates: how much is done for one proven address (an IPv6 /64), and for the block that it is of (IPv4 /24, IPv6 /48). Laws: 1) only who has shown that he receives
 * at an address spends its tokens: a forged sender punishes nobody;  2) logins and requests are apart, so strangers behind an address
 * take nothing from members behind it;  3) at ease the bounds are wide, and all prices rise with the load;  4) tables are of a fixed size
 * and keyed.  Spec: PROTOCOL.md "Under load".  (pure)
 */

import { limits } from "../../core/limits.ts";
import { addressBlock, singleAddress, wideAddressBlock } from "./address.ts";
import { KeyedTable } from "./keyed_table.ts";
import type { Shedding } from "./shedding.ts";
import { TokenBuckets } from "./token_buckets.ts";

/** Where an address and its block have their buckets. */
export interface AddressPlaces {
  readonly address: number;
  readonly block: number;
}

interface Rate {
  readonly addresses: TokenBuckets;
  readonly blocks: TokenBuckets;
}

export class AddressRates {
  readonly #shedding: Shedding;
  readonly #table: KeyedTable;
  readonly #logins = rate(limits.addressLoginsPerSecond);
  readonly #requests = rate(limits.addressRequestsPerSecond);

  readonly #probes = new TokenBuckets({
    count: limits.addressBucketsMax,
    capacity: limits.addressProbesMax,
    tokenMs: 1000 / limits.addressProbesPerSecond,
  });

  /** @param key 32 random bytes, of this run alone. */
  constructor(shedding: Shedding, key: Uint8Array) {
    this.#shedding = shedding;
    this.#table = new KeyedTable(key, limits.addressBucketsMax);
  }

  placesOf(ip: string): AddressPlaces {
    const block = ip.includes(":") ? wideAddressBlock(ip) : addressBlock(ip);
    return { address: this.#table.placeOf(singleAddress(ip)), block: this.#table.placeOf(`${block}\0`) };
  }

  /** Spends a login by password; 0, or how long until the next may begin, in milliseconds. */
  spendLogin(ip: string, nowMs: number): number {
    return this.#spend(this.#logins, this.placesOf(ip), this.#shedding.price(limits.loginPriceMax, nowMs), nowMs);
  }

  /** Spends a request of a session; 0, or how long until its address may ask again, in milliseconds. */
  spendRequest(places: AddressPlaces, nowMs: number): number {
    return this.#spend(this.#requests, places, this.#shedding.memberPrice(limits.requestPriceMax), nowMs);
  }

  /** Spends a dial-back to an address; false where there were too many. */
  spendProbe(places: AddressPlaces, nowMs: number): boolean {
    return this.#probes.take(places.address, nowMs);
  }

  #spend({ addresses, blocks }: Rate, places: AddressPlaces, tokens: number, nowMs: number): number {
    const waitMs = Math.max(
      addresses.waitMs(places.address, nowMs, tokens),
      blocks.waitMs(places.block, nowMs, tokens),
    );
    if (waitMs > 0) return Math.ceil(waitMs);
    addresses.take(places.address, nowMs, tokens);
    blocks.take(places.block, nowMs, tokens);
    return 0;
  }
}

/** Of one address so many a second, a second's worth at once; of a block four times that. */
function rate(perSecond: number): Rate {
  const buckets = (times: number) =>
    new TokenBuckets({
      count: limits.addressBucketsMax,
      capacity: times * perSecond,
      tokenMs: 1000 / (times * perSecond),
    });
  return { addresses: buckets(1), blocks: buckets(4) };
}
