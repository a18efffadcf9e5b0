/**
 * rate_limiter: the bytes of one direction of a peer, dealt out to its transfers. Laws: 1) what goes is paid first, to the limit of all and
 * to the flow's own (token_bucket.ts);  2) groups share equally, whatever the number of their flows, which take turns: one who
 * opens many connections gets no more;  3) who does not ask leaves its part to the others;  4) without a limit nothing is counted,
 * kept or waited for.  (pure: the clock and the timers are passed in)
 */

import { ShoalError } from "../core/errors.ts";
import { limits } from "../core/limits.ts";
import type { Timers } from "./timers.ts";
import { TokenBucket } from "./token_bucket.ts";

/** One transfer's part of a limit. */
export interface Flow extends Disposable {
  /**
   * Asks to send or fetch so many bytes. Undefined: they may go now, which costs nothing; else a promise that resolves when they may.
   * Those of one flow are served in their order. Rejects with the signal's reason, and with `interrupted` once the flow is disposed.
   */
  take(bytes: number, signal?: AbortSignal): Promise<void> | undefined;
  /** Takes back bytes that were asked for and did not have to go. */
  giveBack(bytes: number): void;
  /** How much to take at once: little where the limit is low, so that the other side is never left without a byte for long. */
  readonly stepBytes: number;
  /** The flow's own limit beside that of all; undefined is none. Holds at once, for those who wait too. */
  bytesPerSecond: number | undefined;
}

/** How long a step takes by the limit alone, in milliseconds. */
const stepMs = 100;
/** How long a flow waits for its next step where all of them ask at once; the other side gives up after `progressMs`. */
const turnMs = limits.progressMs / 3;
/** Less is not worth a frame. */
const stepBytesMin = 256;

/** Flows that count as one where the limit is shared: those of one account. */
interface Group {
  readonly key: string;
  readonly flows: Set<LimitedFlow>;
  /** What it has had, in bytes; whoever has had least is next. Those who did not ask are taken to have had as much as the others. */
  hadBytes: number;
}

interface Taker {
  readonly bytes: number;
  readonly resolve: () => void;
  readonly reject: (reason: unknown) => void;
}

export class RateLimiter {
  readonly #timers: Timers;
  readonly #bucket: TokenBucket;
  readonly #groups = new Map<string, Group>();
  /** The flows that somebody waits for. */
  readonly #waiting = new Set<LimitedFlow>();
  /** How much the group that was served last had had before. */
  #clockBytes = 0;
  #cancelWake: () => void = () => {};

  /** Starts with nothing saved up. @param bytesPerSecond Undefined is no limit. */
  constructor(timers: Timers, bytesPerSecond?: number) {
    this.#timers = timers;
    this.#bucket = new TokenBucket(bytesPerSecond, timers.nowMs());
  }

  get bytesPerSecond(): number | undefined {
    return this.#bucket.bytesPerSecond;
  }

  /** Changes the limit of all; who waits is served by the new one from now on. */
  set bytesPerSecond(limit: number | undefined) {
    this.#bucket.change(limit, this.#timers.nowMs());
    this.#serve();
  }

  /**
   * Begins a flow; it ends when it is disposed.
   * @param groupKey Who it counts for.
   * @param own The bucket of its own limit, if it is shared with a flow of another limiter.
   */
  open(groupKey: string, own: TokenBucket = new TokenBucket(undefined, this.#timers.nowMs())): Flow {
    let group = this.#groups.get(groupKey);
    if (group === undefined) {
      group = { key: groupKey, flows: new Set(), hadBytes: this.#clockBytes };
      this.#groups.set(groupKey, group);
    }
    const flow: LimitedFlow = new LimitedFlow(group, own, {
      take: (bytes, signal) => this.#take(flow, bytes, signal),
      giveBack: (bytes) => {
        this.#bucket.giveBack(bytes);
        own.giveBack(bytes);
        group.hadBytes -= bytes;
        this.#serve();
      },
      stepBytes: () => this.#stepBytes(flow),
      change: (limit) => {
        own.change(limit, this.#timers.nowMs());
        this.#serve();
      },
      close: () => this.#close(flow),
    });
    group.flows.add(flow);
    return flow;
  }

  #take(flow: LimitedFlow, bytes: number, signal: AbortSignal | undefined): Promise<void> | undefined {
    if (flow.isClosed) return Promise.reject(ended());
    if (
      this.#bucket.bytesPerSecond === undefined && flow.own.bytesPerSecond === undefined && !this.#waiting.has(flow)
    ) {
      return undefined;
    }
    if (signal?.aborted) return Promise.reject(signal.reason);
    if (this.#waiting.size === 0) {
      const nowMs = this.#timers.nowMs();
      this.#bucket.fill(nowMs, 0);
      flow.own.fill(nowMs, 0);
      if (this.#bucket.waitMs(bytes) === 0 && flow.own.waitMs(bytes) === 0) {
        this.#pay(flow, bytes);
        return undefined;
      }
    }
    return this.#wait(flow, bytes, signal);
  }

  #wait(flow: LimitedFlow, bytes: number, signal: AbortSignal | undefined): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const taker: Taker = { bytes, resolve, reject };
    const abort = () => this.#abandon(flow, taker, signal!.reason);
    signal?.addEventListener("abort", abort, { once: true });
    const forget = () => signal?.removeEventListener("abort", abort);
    // Both ways: whoever has gone away meanwhile has no use for the reason.
    promise.then(forget, forget);
    flow.takers.push(taker);
    this.#waiting.add(flow);
    this.#serve();
    return promise;
  }

  #abandon(flow: LimitedFlow, taker: Taker, reason: unknown): void {
    const place = flow.takers.indexOf(taker);
    if (place < 0) return;
    flow.takers.splice(place, 1);
    if (flow.takers.length === 0) this.#waiting.delete(flow);
    taker.reject(reason);
    this.#serve();
  }

  /** Serves all who can be by now, and comes back for the next one. */
  #serve(): void {
    this.#cancelWake();
    this.#cancelWake = () => {};
    const nowMs = this.#timers.nowMs();
    let wantedBytes = 0;
    for (const { own, takers } of this.#waiting) {
      const { bytes } = takers[0]!;
      own.fill(nowMs, bytes);
      // Whom its own limit holds back must not let the others save up.
      if (own.waitMs(bytes) === 0) wantedBytes = Math.max(wantedBytes, bytes);
    }
    this.#bucket.fill(nowMs, wantedBytes);
    while (this.#waiting.size > 0) {
      const { flow, waitMs } = this.#next();
      if (waitMs > 0) {
        this.#cancelWake = this.#timers.start(waitMs, () => this.#serve());
        return;
      }
      const { bytes, resolve } = flow.takers.shift()!;
      // The flows of a group take turns.
      this.#waiting.delete(flow);
      if (flow.takers.length > 0) this.#waiting.add(flow);
      this.#pay(flow, bytes);
      resolve();
    }
  }

  /** The next to be served, and in how many milliseconds it can be. Whom its own limit holds back holds back nobody else. */
  #next(): { readonly flow: LimitedFlow; readonly waitMs: number } {
    let free: LimitedFlow | undefined;
    let first: LimitedFlow | undefined;
    let firstMs = Infinity;
    for (const flow of this.#waiting) {
      const ownMs = flow.own.waitMs(flow.takers[0]!.bytes);
      if (ownMs > 0 && ownMs < firstMs) [first, firstMs] = [flow, ownMs];
      if (ownMs === 0 && (free === undefined || flow.group.hadBytes < free.group.hadBytes)) free = flow;
    }
    if (free === undefined) return { flow: first!, waitMs: firstMs };
    return { flow: free, waitMs: this.#bucket.waitMs(free.takers[0]!.bytes) };
  }

  #pay(flow: LimitedFlow, bytes: number): void {
    const { group } = flow;
    this.#bucket.pay(bytes);
    flow.own.pay(bytes);
    // Who did not ask for a time has nothing to make up for.
    this.#clockBytes = Math.max(this.#clockBytes, group.hadBytes);
    group.hadBytes = this.#clockBytes + bytes;
  }

  #stepBytes({ own, group }: LimitedFlow): number {
    const all = this.#bucket.bytesPerSecond ?? Infinity;
    const part = all / (this.#groups.size * group.flows.size);
    const bytes = Math.min((own.bytesPerSecond ?? Infinity) * stepMs, all * stepMs, part * turnMs) / 1000;
    return Math.floor(Math.min(limits.frameBytesMax, Math.max(stepBytesMin, bytes)));
  }

  #close(flow: LimitedFlow): void {
    this.#waiting.delete(flow);
    flow.group.flows.delete(flow);
    if (flow.group.flows.size === 0) this.#groups.delete(flow.group.key);
    for (const { reject } of flow.takers.splice(0)) reject(ended());
    this.#serve();
  }
}

/** What a flow asks of its limiter. */
interface Moves {
  readonly take: (bytes: number, signal: AbortSignal | undefined) => Promise<void> | undefined;
  readonly giveBack: (bytes: number) => void;
  readonly stepBytes: () => number;
  readonly change: (limit: number | undefined) => void;
  readonly close: () => void;
}

class LimitedFlow implements Flow {
  readonly group: Group;
  readonly own: TokenBucket;
  readonly takers: Taker[] = [];
  isClosed = false;
  readonly #moves: Moves;

  constructor(group: Group, own: TokenBucket, moves: Moves) {
    this.group = group;
    this.own = own;
    this.#moves = moves;
  }

  take(bytes: number, signal?: AbortSignal): Promise<void> | undefined {
    return this.#moves.take(bytes, signal);
  }

  giveBack(bytes: number): void {
    this.#moves.giveBack(bytes);
  }

  get stepBytes(): number {
    return this.#moves.stepBytes();
  }

  get bytesPerSecond(): number | undefined {
    return this.own.bytesPerSecond;
  }

  set bytesPerSecond(limit: number | undefined) {
    this.#moves.change(limit);
  }

  [Symbol.dispose](): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.#moves.close();
  }
}

function ended(): ShoalError {
  return new ShoalError("interrupted", "Cannot go on with a transfer: it has ended");
}
