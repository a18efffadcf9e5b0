/**
 * shedding: what a coordinator does less of when it has too much to do, and in which order: the one place where that is decided. Laws:
 * 1) load is one number from 0 to 1: the fullest of the queues behind the role, each against its bound, or how long the datagram
 * loop has been behind lately, whichever is more;  2) work is given up in the order of `bands`, each a share at a time; presence, LEAVE and logins by
 * key are in none of them;  3) at ease nothing is given up.  Spec: PROTOCOL.md "Under load".  (pure)
 */

import { limits } from "../../core/limits.ts";
import type { Request } from "../../wire/message.ts";
import type { Queue } from "./outbox.ts";

interface Band {
  /** At this load all of it is still done, and at `to` none but `least`. */
  readonly from: number;
  readonly to: number;
  readonly least: number;
}

/** What is given up, the first first. Of strangers some get through always: who is behind a HELLO is not known, and a flood must not shut the door. */
const bands = {
  hello: { from: 0.3, to: 0.6, least: 1 / 8 },
  registration: { from: 0.4, to: 0.7, least: 1 / 16 },
  passwordLogin: { from: 0.5, to: 0.8, least: 1 / 16 },
  search: { from: 0.85, to: 0.95, least: 0 },
  write: { from: 0.9, to: 1, least: 0 },
} as const satisfies Readonly<Record<string, Band>>;

export type Work = keyof typeof bands;
export const works = Object.keys(bands) as readonly Work[];

/** What each request is given up as; null for never. */
const workOf: Readonly<Record<Request["kind"], Work | null>> = {
  auth: null,
  status: null,
  leave: null,
  enrol: "write",
  share: "write",
  remove: "write",
  report: "write",
  revokeDevice: "write",
  changePassword: "write",
  setPassword: "write",
  watch: "search",
  unwatch: null,
  audience: "search",
  listPeers: "search",
  listFiles: "search",
  search: "search",
  devices: "search",
  // What a fetch under way needs goes on as long as what changes something.
  locate: "write",
  setTicket: "write",
  account: "write",
  register: "registration",
  registerRecord: "registration",
};

/** What strangers cause is load of so much at the most: it makes strangers fewer, never what members ask. */
const opaqueLoad = 0.8;
const behindLoad = 0.75;

/** What each queue behind the role holds, and the load that it is when it is full; the driver answers `busy` above that. */
const queues = [
  { queue: "opaque", size: limits.opaqueQueueMax, full: opaqueLoad },
  { queue: "writes", size: limits.storeWritesMax, full: 1 },
  { queue: "searches", size: limits.searchesMax, full: 1 },
  { queue: "reads", size: limits.storeReadsMax, full: 1 },
] as const;

/** How much each note of it adds; and how long it takes to be forgotten, in milliseconds. */
const behindStep = 0.1;
const recoveredMs = 5_000;
/** Load from which on a request costs its asker more, and where it costs most. */
const dearFrom = 0.5;
const dearTo = 0.9;
/** What whoever is told `busy` waits, in milliseconds: at the load where that begins, and at most. */
const retryMs = { least: 1_000, most: 5_000 };

export class Shedding {
  readonly #underWay: Readonly<Record<Queue, number>>;
  readonly #shed = Object.fromEntries(works.map((work) => [work, 0])) as Record<Work, number>;
  /** What of the next one is admitted already: shares are kept by adding them up. */
  readonly #credit = Object.fromEntries(works.map((work) => [work, 0])) as Record<Work, number>;
  #behind = 0;
  #notedAtMs = 0;

  /** @param underWay The questions that the role has asked and that are not answered yet. */
  constructor(underWay: Readonly<Record<Queue, number>>) {
    this.#underWay = underWay;
  }

  /** How often each was given up. */
  get shed(): Readonly<Record<Work, number>> {
    return this.#shed;
  }

  /** Notes that the loop has found a datagram waiting nearly each time that it looked. */
  noteBehind(nowMs: number): void {
    this.#behind = Math.min(behindLoad, this.#behindAt(nowMs) + behindStep);
    this.#notedAtMs = nowMs;
  }

  /** 0 at ease, 1 where everything is full. */
  load(nowMs: number): number {
    return Math.max(this.#behindAt(nowMs), this.#queued());
  }

  /** How full the fullest queue is. */
  #queued(): number {
    let load = 0;
    for (const { queue, size, full } of queues) load = Math.max(load, full * Math.min(1, this.#underWay[queue] / size));
    return load;
  }

  /** Tells whether this is done; counts it where it is not. */
  admits(work: Work, nowMs: number): boolean {
    const { from, to, least } = bands[work];
    const share = Math.max(least, Math.min(1, (to - this.load(nowMs)) / (to - from)));
    if (share >= 1) return true;
    this.#credit[work] += share;
    if (this.#credit[work] >= 1) {
      this.#credit[work]--;
      return true;
    }
    this.#shed[work]++;
    return false;
  }

  /** The same for a request of a session. */
  admitsRequest(kind: Request["kind"], nowMs: number): boolean {
    const work = workOf[kind];
    return work === null || this.admits(work, nowMs);
  }

  /** What a stranger's message costs its sender now: 1 at ease, `most` when all is full. */
  price(most: number, nowMs: number): number {
    return priceAt(this.load(nowMs), most);
  }

  /** The same for a member's request: by the queues alone, for a loop that is behind makes members no fewer. */
  memberPrice(most: number): number {
    return priceAt(this.#queued(), most);
  }

  /** How long somebody who is told `busy` waits, in milliseconds. */
  retryAfterMs(nowMs: number): number {
    return Math.round(retryMs.least + this.load(nowMs) * (retryMs.most - retryMs.least));
  }

  #behindAt(nowMs: number): number {
    return Math.max(0, this.#behind - (nowMs - this.#notedAtMs) / recoveredMs * behindLoad);
  }
}

function priceAt(load: number, most: number): number {
  return 1 + Math.max(0, Math.min(1, (load - dearFrom) / (dearTo - dearFrom))) * (most - 1);
}
