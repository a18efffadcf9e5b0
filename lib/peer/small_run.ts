/**
 * small_run: fetches many small contents together: one connection to a holder for all that it has of them, tickets by the handful, files
 * written and named in groups. Laws: 1) it only hurries: what it does not get, for whatever reason, is left to a run of its own
 * (fetch_run), which waits, asks again and says why;  2) every job is done or left, once;  3) a job whose signal is aborted
 * gets no file.  (I/O through its parts)
 */

import { SmallFiles, type SmallPart, type SmallTarget } from "../content/small_files.ts";
import { ContentError, type ErrorCode, ProtocolError, RemoteError, ShoalError, TimeoutError } from "../core/errors.ts";
import type { Content, DeviceId } from "../core/ids.ts";
import { limits } from "../core/limits.ts";
import type { FetchIdentity } from "../transfer/holder_talk.ts";
import type { Located } from "../transfer/fetch.ts";
import { type Connect, dial } from "../transfer/lane.ts";
import { takeFrom } from "../transfer/take_from.ts";
import { systemTimers } from "../transfer/timers.ts";
import type { VerifiedHolder } from "../transfer/verified_holder.ts";
import type { ReportReason } from "../wire/message.ts";
import type { DownFlows } from "./bandwidth.ts";
import type { Control } from "./control.ts";
import type { FetchPlaces, Waiter } from "./fetch_places.ts";
import { type FetchRunResult, forgetDownload, placeText, thereAlready } from "./fetch_run.ts";
import { PacedTakes } from "./paced_takes.ts";
import { TicketLine } from "./ticket_line.ts";

/** One small file that is wanted. */
export interface SmallJob extends SmallTarget {
  readonly signal: AbortSignal;
  /** How long it bears that nothing moves, in milliseconds. */
  readonly timeoutMs: number;
  /** Told when a holder is asked for it, and while it waits in the holder's queue: its place there, for people. */
  readonly onAsked: (place?: string) => void;
}

/** What a small run needs of the rest of the peer. */
export interface SmallRunDeps {
  readonly control: Pick<Control, "request">;
  readonly locate: (content: Content, offer: boolean) => Promise<Located>;
  readonly identity: () => FetchIdentity;
  readonly connect: Connect;
  /** Tells of a holder that lied or broke a rule. */
  readonly blame: (holder: VerifiedHolder, reason: ReportReason) => void;
  readonly journalFolder: string;
  /** Opens the run's part in this peer's limits. */
  readonly openDownload: (() => DownFlows) | undefined;
  readonly places: FetchPlaces;
  /** Who takes the place of all. */
  readonly waiter: Waiter;
}

export type SmallDone<J extends SmallJob> = readonly [job: J, result: FetchRunResult];

/** Whether a content is one that can be fetched so. */
export function isSmall({ bytes }: Content): boolean {
  return bytes > 0 && bytes <= limits.takenBytesMax;
}

/** Holders that are asked at once. */
const holdersAtOnce = 4;
/** Files that get their names together, and files that may wait for that, each of them open. */
const groupMax = 128;
const unnamedMax = 256;
/** How long files are gathered for a group, in milliseconds: each costs a transaction of its own. */
const gatherMs = 20;
/** So long one stands still in a holder's queue, in milliseconds: what is asked of it another holder may have. */
const standMsMax = 3 * limits.progressMs;
/** Searches in a row that bring nothing, after which the rest is left. */
const fruitlessMax = 3;

interface Small<J extends SmallJob> {
  readonly job: J;
  readonly content: Content;
  /** Who has not got it, or did not give it. */
  readonly triedBy: Set<DeviceId>;
  /** `waiting` is in the pool; `asked` is with a holder's line; `written` waits for its name; `ended` is done or left. */
  state: "waiting" | "asked" | "written" | "ended";
  startedAtMs: number;
  readonly settle: (result: FetchRunResult | undefined) => void;
}

interface Delivered<J extends SmallJob> {
  readonly small: Small<J>;
  readonly part: SmallPart<J>;
  readonly holder: VerifiedHolder;
  readonly wireBytes: number;
}

export class SmallRun<J extends SmallJob> {
  readonly #deps: SmallRunDeps;
  readonly #onDone: (done: readonly SmallDone<J>[]) => void;
  readonly #stop = new AbortController();
  readonly #excluded = new Set<DeviceId>();
  /** Those that are not ended. */
  #live = 0;
  /** Files that got their names. */
  #doneCount = 0;
  #pool: Small<J>[] = [];
  #files: SmallFiles<J> | undefined;
  #unnamed: Delivered<J>[] = [];
  #naming: Promise<void> | undefined;

  /** @param onDone Told of files as they get their names, in groups, each before its own promise resolves. */
  constructor(deps: SmallRunDeps, onDone: (done: readonly SmallDone<J>[]) => void) {
    this.#deps = deps;
    this.#onDone = onDone;
  }

  /** Adds a job, before `run`; answers how it was done, or undefined if it is left to a run of its own. */
  add(job: J): Promise<FetchRunResult | undefined> {
    const { promise, resolve } = Promise.withResolvers<FetchRunResult | undefined>();
    const leave = () => {
      if (small.state === "waiting" || small.state === "asked") this.#end(small, undefined);
    };
    const small: Small<J> = {
      job,
      content: job.content,
      triedBy: new Set(),
      state: "waiting",
      startedAtMs: performance.now(),
      settle: (result) => {
        job.signal.removeEventListener("abort", leave);
        resolve(result);
      },
    };
    job.signal.addEventListener("abort", leave, { once: true });
    this.#pool.push(small);
    this.#live++;
    return promise;
  }

  /** Does what it can; every job is done or left by then. Never throws for what others or the disk did. */
  async run(): Promise<void> {
    const { places, waiter, journalFolder, openDownload } = this.#deps;
    let isPlaceTaken = false;
    try {
      await places.take(waiter, this.#stop.signal);
      isPlaceTaken = true;
      using files = new SmallFiles<J>(journalFolder);
      this.#files = files;
      await this.#lookAll(files);
      using flows = openDownload?.();
      for (let fruitless = 0; fruitless < fruitlessMax;) {
        const first = this.#pool.find(({ state }) => state === "waiting");
        if (first === undefined) break;
        const before = this.#doneCount;
        const wasAsked = await this.#round(first, flows);
        if (this.#doneCount > before) fruitless = 0;
        else if (++fruitless < fruitlessMax && !wasAsked) this.#end(first, undefined);
      }
    } catch (error) {
      if (!(error instanceof ShoalError) && !this.#stop.signal.aborted) throw error;
    } finally {
      if (isPlaceTaken) places.giveBack();
      for (const small of this.#pool) this.#end(small, undefined);
    }
  }

  /** Finds out which files are there already, and leaves those whose places are taken. */
  async #lookAll(files: SmallFiles<J>): Promise<void> {
    const free: Small<J>[] = [];
    for (const small of this.#pool) {
      if (small.state === "ended") continue;
      try {
        const found = await files.look(small.job, small.job.signal);
        if (found === "free") free.push(small);
        else {
          forgetDownload({ ...small.job, name: small.job.path, journalFolder: this.#deps.journalFolder });
          this.#done([[small, thereAlready(found.there)]]);
        }
      } catch (error) {
        if (!(error instanceof ShoalError) && !small.job.signal.aborted) throw error;
        this.#end(small, undefined);
      }
    }
    this.#pool = free.filter(({ state }) => state === "waiting");
  }

  /** Asks those who have the first of what is left for all that they have of it; false if there is nobody to ask. */
  async #round(first: Small<J>, flows: DownFlows | undefined): Promise<boolean> {
    const { holders } = await this.#deps.locate(first.job.content, false);
    const asked = holders.filter(({ whole, deviceId }) => {
      return whole && !this.#excluded.has(deviceId) && !first.triedBy.has(deviceId);
    });
    await Promise.all(asked.slice(0, holdersAtOnce).map((holder) => this.#askHolder(holder, first, flows)));
    await this.#naming;
    return asked.length > 0;
  }

  /** Takes all that a holder has of what is left. @param first Whose ticket the holder is shown. */
  async #askHolder(holder: VerifiedHolder, first: Small<J>, flows: DownFlows | undefined): Promise<void> {
    const asked = new Set<Small<J>>();
    const line = new TicketLine<Small<J>>({
      control: this.#deps.control,
      deviceId: holder.deviceId,
      choose: (count) => this.#choose(holder, count).map((small) => (asked.add(small), small)),
      isWanted: ({ state }) => state === "asked",
      onNone: (small) => {
        asked.delete(small);
        this.#giveBack(small, holder);
      },
    });
    const { identity, connect, blame } = this.#deps;
    const queue = new QueuePatience(Math.min(first.job.timeoutMs, standMsMax));
    let delivered = 0;
    try {
      const stream = await dial(holder, connect, this.#stop.signal);
      const flow = stream.remote && flows?.from(stream.remote.ip);
      const paced = new PacedTakes(line, flow, this.#stop.signal);
      await takeFrom(stream, {
        holder,
        identity: identity(),
        timers: systemTimers,
        signal: this.#stop.signal,
        take: () => paced.take(),
        more: () => paced.more(),
        onTaken: ({ wish: small }, bytes, wireBytes) => {
          delivered++;
          asked.delete(small);
          if (queue.leave()) asked.forEach(({ job }) => job.onAsked());
          return this.#write(small, bytes, { holder, wireBytes });
        },
        onMissing: ({ wish: small }) => {
          asked.delete(small);
          this.#giveBack(small, holder);
        },
        onQueued: (queued) => {
          for (const { job } of asked) job.onAsked(placeText(holder, queued));
          queue.note(queued.place);
        },
      });
    } catch (error) {
      if (!(error instanceof ShoalError)) throw error;
      const isLiar = error instanceof ContentError || error instanceof ProtocolError;
      if (isLiar) blame(holder, error instanceof ContentError ? "wrongPiece" : "protocol");
      // One that gave something may have been cut off, and is worth another connection; so is one that has the first no more.
      if (error instanceof RemoteError && isOfContent(error.code)) first.triedBy.add(holder.deviceId);
      else if (isLiar || error.code === "timeout" || delivered === 0) this.#excluded.add(holder.deviceId);
    } finally {
      await line.close();
      for (const small of asked) this.#giveBack(small, undefined);
    }
  }

  /** Takes jobs out of the pool for a holder. */
  #choose(holder: VerifiedHolder, count: number): readonly Small<J>[] {
    const chosen: Small<J>[] = [];
    const rest: Small<J>[] = [];
    for (const small of this.#pool) {
      if (small.state === "ended") continue;
      if (chosen.length < count && !small.triedBy.has(holder.deviceId)) chosen.push(small);
      else rest.push(small);
    }
    this.#pool = rest;
    if (chosen.length === 0) return chosen;
    try {
      this.#files!.announce(chosen.map(({ job }) => job));
    } catch (error) {
      if (!(error instanceof ShoalError)) throw error;
      for (const small of chosen) this.#end(small, undefined);
      return [];
    }
    for (const small of chosen) {
      Object.assign(small, { state: "asked", startedAtMs: performance.now() });
      small.job.onAsked();
    }
    return chosen;
  }

  /** Puts a job that was not delivered back. @param by Who has not got it. */
  #giveBack(small: Small<J>, by: VerifiedHolder | undefined): void {
    if (small.state !== "asked") return;
    if (by !== undefined) small.triedBy.add(by.deviceId);
    small.state = "waiting";
    this.#pool.push(small);
  }

  async #write(small: Small<J>, bytes: Uint8Array, from: Pick<Delivered<J>, "holder" | "wireBytes">): Promise<void> {
    if (small.state !== "asked") return;
    try {
      this.#unnamed.push({ small, part: this.#files!.write(small.job, bytes), ...from });
      small.state = "written";
    } catch (error) {
      if (!(error instanceof ShoalError)) throw error;
      return this.#end(small, undefined);
    }
    this.#naming ??= this.#nameAll().finally(() => this.#naming = undefined);
    if (this.#unnamed.length >= unnamedMax) await this.#naming;
  }

  /** Gives what is written its names, a group at a time. */
  async #nameAll(): Promise<void> {
    const files = this.#files!;
    while (this.#unnamed.length > 0) {
      if (this.#unnamed.length < groupMax) await new Promise((resolve) => setTimeout(resolve, gatherMs));
      const group = new Map<J, Delivered<J>>();
      for (const delivered of this.#unnamed.splice(0, groupMax)) {
        if (!delivered.small.job.signal.aborted) group.set(delivered.small.job, delivered);
        else {
          files.drop(delivered.part);
          this.#end(delivered.small, undefined);
        }
      }
      const named = await files.finish([...group.values()].map(({ part }) => part));
      this.#done(named.flatMap(({ target, result }) => {
        const delivered = group.get(target)!;
        const { small } = delivered;
        if (typeof result === "string") return [[small, resultOf(delivered, result)] as const];
        this.#end(small, undefined);
        return [];
      }));
    }
  }

  #done(done: readonly (readonly [Small<J>, FetchRunResult])[]): void {
    if (done.length === 0) return;
    this.#doneCount += done.length;
    this.#onDone(done.map(([{ job }, result]) => [job, result]));
    for (const [small, result] of done) this.#end(small, result);
  }

  #end(small: Small<J>, result: FetchRunResult | undefined): void {
    if (small.state === "ended") return;
    small.state = "ended";
    small.settle(result);
    if (--this.#live === 0) this.#stop.abort();
  }
}

/** How long one bears to stand still in a holder's queue. */
class QueuePatience {
  readonly #timeoutMs: number;
  #movedAtMs = performance.now();
  #place = Infinity;

  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
  }

  /** Notes that something came; whether that ends a wait. */
  leave(): boolean {
    const wasQueued = this.#place !== Infinity;
    this.#movedAtMs = performance.now();
    this.#place = Infinity;
    return wasQueued;
  }

  /** To come forward is to move. @throws {TimeoutError} If it has stood still for too long. */
  note(place: number): void {
    const nowMs = performance.now();
    if (place < this.#place) {
      this.#place = place;
      this.#movedAtMs = nowMs;
    }
    const stoodMs = nowMs - this.#movedAtMs;
    if (stoodMs < this.#timeoutMs) return;
    throw new TimeoutError(`Cannot go on: place ${place} in the queue for ${Math.round(stoodMs)} ms`, stoodMs, 1);
  }
}

/** Whether a holder refuses one content, not who asks. */
function isOfContent(code: ErrorCode): boolean {
  return code === "notFound" || code === "changed" || code === "io";
}

function resultOf({ small, holder, wireBytes }: Delivered<SmallJob>, path: string): FetchRunResult {
  const { content: { bytes }, startedAtMs } = small;
  const { account, label, deviceId } = holder;
  return {
    path,
    holders: [{ account, device: label, deviceId, bytes }],
    fetchedBytes: bytes,
    reusedBytes: 0,
    wireBytes,
    refetchedBytes: 0,
    tookMs: Math.round(performance.now() - startedAtMs),
  };
}
