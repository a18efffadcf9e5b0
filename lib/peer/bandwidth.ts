/**
 * bandwidth: the limits of a peer, up and down, and what sets them. Laws: 1) what a person sets while it runs goes before the schedule,
 * until the schedule next changes that limit or the peer ends; the schedule goes before the options;  2) who is in the own network
 * is exempt only if that was asked for, and from the limits of the whole peer alone: a transfer's own limit holds for everybody;
 * 3) uploads share by account, downloads by file.  (pure: clock and timers are passed in)
 */

import type { Endpoint } from "../core/transport.ts";
import { isOwnNetwork } from "../net/address.ts";
import { type Flow, RateLimiter } from "../transfer/rate_limiter.ts";
import type { Timers } from "../transfer/timers.ts";
import { TokenBucket } from "../transfer/token_bucket.ts";
import { type Direction, entryAt, type ScheduleEntry } from "./limit_schedule.ts";

/** What the program was told. */
export interface BandwidthOptions {
  /** Bytes a second outside of the schedule; undefined is no limit. */
  readonly up: number | undefined;
  readonly down: number | undefined;
  /** Whether transfers within the own network are exempt. */
  readonly lanUnlimited: boolean;
  readonly schedule: readonly ScheduleEntry[];
}

export const unlimited: BandwidthOptions = { up: undefined, down: undefined, lanUnlimited: false, schedule: [] };

/** A limit of the whole peer, and who set it. */
export interface LimitInForce {
  readonly bytesPerSecond: number | undefined;
  readonly by: "option" | "schedule" | "command";
  /** The window of the schedule. */
  readonly window: string | undefined;
}

/** The parts that one download has in the limits; it is disposed with the download. */
export interface DownFlows extends Disposable {
  /** The one that counts for what comes from an address. */
  from(ip: string): Flow;
}

/** How often the schedule is looked at, in milliseconds: the shortest window. */
const lookMs = 60_000;

/** One direction. */
interface Side {
  readonly limiter: RateLimiter;
  entry: ScheduleEntry | undefined;
  /** What a person set. */
  set: { readonly bytesPerSecond: number | undefined } | undefined;
}

export class Bandwidth implements Disposable {
  readonly #options: BandwidthOptions;
  readonly #timers: Timers;
  readonly #now: () => Date;
  readonly #sides: Readonly<Record<Direction, Side>>;
  /** Where transfers are that the limits of the whole peer do not count. */
  readonly #exempt: RateLimiter;
  readonly #downloads = new Map<number, DownTransfer>();
  /** Limits of single downloads, by number; those that wait or are paused have theirs too. */
  readonly #downLimits = new Map<number, number>();
  #cancelLook: () => void = () => {};

  /** @param now The local wall clock. */
  constructor(options: BandwidthOptions, timers: Timers, now: () => Date) {
    this.#options = options;
    this.#timers = timers;
    this.#now = now;
    this.#exempt = new RateLimiter(timers);
    const side = (): Side => ({ limiter: new RateLimiter(timers), entry: undefined, set: undefined });
    this.#sides = { up: side(), down: side() };
    this.#look();
    for (const direction of ["up", "down"] as const) this.#apply(direction);
  }

  get lanUnlimited(): boolean {
    return this.#options.lanUnlimited;
  }

  /** The limit of the whole peer that holds now. */
  inForce(direction: Direction): LimitInForce {
    const { set, entry } = this.#sides[direction];
    if (set !== undefined) return { ...set, by: "command", window: undefined };
    if (entry !== undefined) return { bytesPerSecond: entry.bytesPerSecond, by: "schedule", window: entry.window };
    return { bytesPerSecond: this.#options[direction], by: "option", window: undefined };
  }

  /** Sets the limit of the whole peer; undefined is none. */
  limit(direction: Direction, bytesPerSecond: number | undefined): void {
    this.#sides[direction].set = { bytesPerSecond };
    this.#apply(direction);
  }

  /** A download's own limit, by its number. */
  downLimit(number: number): number | undefined {
    return this.#downLimits.get(number);
  }

  /** Limits one download, also one that has not begun. */
  limitDownload(number: number, bytesPerSecond: number | undefined): void {
    if (bytesPerSecond === undefined) this.#downLimits.delete(number);
    else this.#downLimits.set(number, bytesPerSecond);
    this.#downloads.get(number)?.limit(bytesPerSecond);
  }

  /** Opens the part of an upload. */
  openUpload(account: string, to: Endpoint | undefined): Flow {
    return (this.#isExempt(to?.ip) ? this.#exempt : this.#sides.up.limiter).open(account);
  }

  /** Opens the parts of a download, whose number no other that runs has. */
  openDownload(number: number): DownFlows {
    const own = new TokenBucket(this.#downLimits.get(number), this.#timers.nowMs());
    const flows = {
      counted: this.#sides.down.limiter.open(String(number), own),
      exempt: this.#exempt.open(String(number), own),
    };
    const download = new DownTransfer(flows, (ip) => this.#isExempt(ip), () => this.#downloads.delete(number));
    this.#downloads.set(number, download);
    return download;
  }

  [Symbol.dispose](): void {
    this.#cancelLook();
  }

  #isExempt(ip: string | undefined): boolean {
    return this.#options.lanUnlimited && ip !== undefined && isOwnNetwork(ip);
  }

  /** Takes over what the schedule says now, and comes back in the next minute. */
  #look(): void {
    if (this.#options.schedule.length === 0) return;
    const now = this.#now();
    for (const direction of ["up", "down"] as const) {
      const side = this.#sides[direction];
      const entry = entryAt(this.#options.schedule, direction, now);
      if (entry === side.entry) continue;
      side.entry = entry;
      side.set = undefined;
      this.#apply(direction);
    }
    this.#cancelLook = this.#timers.start(lookMs - now.getTime() % lookMs, () => this.#look());
  }

  #apply(direction: Direction): void {
    const { limiter } = this.#sides[direction];
    const { bytesPerSecond } = this.inForce(direction);
    if (limiter.bytesPerSecond !== bytesPerSecond) limiter.bytesPerSecond = bytesPerSecond;
  }
}

class DownTransfer implements DownFlows {
  readonly #flows: { readonly counted: Flow; readonly exempt: Flow };
  readonly #isExempt: (ip: string) => boolean;
  readonly #onEnd: () => void;

  constructor(
    flows: { readonly counted: Flow; readonly exempt: Flow },
    isExempt: (ip: string) => boolean,
    onEnd: () => void,
  ) {
    this.#flows = flows;
    this.#isExempt = isExempt;
    this.#onEnd = onEnd;
  }

  from(ip: string): Flow {
    return this.#isExempt(ip) ? this.#flows.exempt : this.#flows.counted;
  }

  /** Both at once: their bucket is one. */
  limit(bytesPerSecond: number | undefined): void {
    this.#flows.counted.bytesPerSecond = bytesPerSecond;
    this.#flows.exempt.bytesPerSecond = bytesPerSecond;
  }

  [Symbol.dispose](): void {
    this.#flows.counted[Symbol.dispose]();
    this.#flows.exempt[Symbol.dispose]();
    this.#onEnd();
  }
}
