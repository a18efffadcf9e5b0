/**
 * standing: what an account may do here and how often, for all its sessions together. Laws: 1) a change holds from the next request on,
 * in sessions that are there too;  2) who logs out and in again has spent no less: standings outlive sessions, the oldest goes first;
 * 3) memory is bounded.  Spec: PROTOCOL.md "Roles and rates".  (pure)
 */

import { limits } from "../../core/limits.ts";
import type { Role } from "../../wire/message.ts";
import { TokenBuckets } from "./token_buckets.ts";

const writesBucket = 0;
const readsBucket = 1;

/** One account's. */
export class Standing {
  role: Role = "member";
  /** Requests a second, of those that change something and of the others each. */
  #rate: number = limits.accountRequestsPerSecond;
  /** Made when first needed: most sessions only keep alive. */
  #requests: TokenBuckets | undefined;
  #changes: TokenBuckets | undefined;

  set(role: Role, rate: number): void {
    this.role = role;
    if (rate !== this.#rate) this.#requests = undefined;
    this.#rate = rate;
  }

  /** Spends a request at its price; 0, or how long until the account may ask again, in milliseconds. */
  spend(isWrite: boolean, nowMs: number, price = 1): number {
    this.#requests ??= new TokenBuckets({
      count: 2,
      capacity: this.#rate * limits.accountBurstSeconds,
      tokenMs: 1000 / this.#rate,
    });
    return spendOf(this.#requests, isWrite ? writesBucket : readsBucket, nowMs, price);
  }

  /** Spends a change of the password, which is a try at the old one; 0, or how long until the next one counts, in milliseconds. */
  spendChange(nowMs: number): number {
    const perMinute = limits.passwordChangesPerMinute;
    this.#changes ??= new TokenBuckets({ count: 1, capacity: perMinute, tokenMs: 60_000 / perMinute });
    return spendOf(this.#changes, 0, nowMs);
  }
}

export class Standings {
  readonly #standings = new Map<string, Standing>();
  readonly #rate: number;
  readonly #hasSession: (foldedAccount: string) => boolean;

  /** @param rate Requests a second of an account that has no rate of its own. */
  constructor(rate: number, hasSession: (foldedAccount: string) => boolean) {
    this.#rate = rate;
    this.#hasSession = hasSession;
  }

  get size(): number {
    return this.#standings.size;
  }

  /** The standing of an account that logs in, as the store has it now. */
  begin(foldedAccount: string, role: Role, rate: number | null): Standing {
    const standing = this.#standings.get(foldedAccount) ?? new Standing();
    standing.set(role, rate ?? this.#rate);
    this.#standings.delete(foldedAccount);
    this.#standings.set(foldedAccount, standing);
    this.#forget();
    return standing;
  }

  /** Changes the standing of an account that is here. */
  change(foldedAccount: string, role: Role, rate: number | null): void {
    this.#standings.get(foldedAccount)?.set(role, rate ?? this.#rate);
  }

  /**
   * Forgets the oldest if they are too many; those that have a session are as old as the newest. It looks at two, for each one that
   * came: so in the end no more are kept than have a session, and limits.accountRatesMax.
   */
  #forget(): void {
    if (this.#standings.size <= limits.accountRatesMax) return;
    for (const [account, standing] of this.#standings.entries().take(2)) {
      this.#standings.delete(account);
      if (this.#hasSession(account)) this.#standings.set(account, standing);
    }
  }
}

function spendOf(buckets: TokenBuckets, bucket: number, nowMs: number, tokens = 1): number {
  const waitMs = buckets.waitMs(bucket, nowMs, tokens);
  if (waitMs === 0) buckets.take(bucket, nowMs, tokens);
  return Math.ceil(waitMs);
}
