/**
 * try_buckets: how often passwords may be tried. Laws: 1) strangers share limits.loginTriesPerMinute at an account, and one
 * address block gets at most half of them;  2) a device that the account knows has an allowance of its own, so guessing never locks
 * the owner out;  3) tables are of a fixed size and keyed by a MAC: names that are no account's spend alike, nobody can aim
 * at another's bucket.  Spec: PROTOCOL.md "Tries".  (pure)
 */

import { createHmac } from "node:crypto";
import type { DeviceId } from "../../core/ids.ts";
import { limits } from "../../core/limits.ts";
import { TokenBuckets } from "./token_buckets.ts";

const minuteMs = 60_000;
const blockTriesPerMinute = limits.loginTriesPerMinute / 2;

/** A try that was spent, to be given back when the password proves right. */
export interface Try {
  readonly kind: "device" | "stranger";
  readonly bucket: number;
  readonly blockBucket: number;
}

/** Who tries: a folded account name from an address block, or one of its devices. */
export interface Trier {
  readonly account: string;
  readonly block: string;
  /** A device that proved its key and that the account knows; null for a stranger. */
  readonly deviceId: DeviceId | null;
}

function perMinute(tries: number): TokenBuckets {
  return new TokenBuckets({ count: limits.tryBucketsMax, capacity: tries, tokenMs: minuteMs / tries });
}

export class TryBuckets {
  readonly #key: Uint8Array;
  readonly #accounts = perMinute(limits.loginTriesPerMinute);
  readonly #blocks = perMinute(blockTriesPerMinute);
  readonly #devices = perMinute(limits.deviceTriesPerMinute);

  /** `key`: 32 random bytes, of this run alone. */
  constructor(key: Uint8Array) {
    this.#key = key;
  }

  /** How long until this trier may try, in milliseconds; 0 for now. */
  waitMs(trier: Trier, nowMs: number): number {
    const { kind, bucket, blockBucket } = this.#find(trier);
    if (kind === "device") return this.#devices.waitMs(bucket, nowMs);
    return Math.max(this.#accounts.waitMs(bucket, nowMs), this.#blocks.waitMs(blockBucket, nowMs));
  }

  /** Spends a try; undefined where there is none left. */
  take(trier: Trier, nowMs: number): Try | undefined {
    if (this.waitMs(trier, nowMs) > 0) return undefined;
    const spent = this.#find(trier);
    if (spent.kind === "device") {
      this.#devices.take(spent.bucket, nowMs);
    } else {
      this.#accounts.take(spent.bucket, nowMs);
      this.#blocks.take(spent.blockBucket, nowMs);
    }
    return spent;
  }

  giveBack(spent: Try): void {
    if (spent.kind === "device") {
      this.#devices.giveBack(spent.bucket);
    } else {
      this.#accounts.giveBack(spent.bucket);
      this.#blocks.giveBack(spent.blockBucket);
    }
  }

  #find({ account, block, deviceId }: Trier): Try {
    // The parts hold no zero byte but as the separator: a name with one folds into a bucket like any other name.
    const who = deviceId ?? block;
    const mac = createHmac("sha256", this.#key).update(`${account}\0${who}`).digest();
    const pair = mac.readUInt32BE(0) % limits.tryBucketsMax;
    if (deviceId !== null) return { kind: "device", bucket: pair, blockBucket: pair };
    const own = createHmac("sha256", this.#key).update(account).digest();
    return { kind: "stranger", bucket: own.readUInt32BE(0) % limits.tryBucketsMax, blockBucket: pair };
  }
}
