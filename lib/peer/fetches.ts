/**
 * fetches: the downloads of this peer, as things that a person can handle: each has a number; they wait, run, are paused, gone on with and
 * cancelled. Laws: 1) what fails does not stop the rest; the command ends with the first failure's code;  2) no file is fetched twice
 * at once;  3) a peer that stays keeps each fetch before it begins, until it is done, cancelled or
 * failed for good, and goes on with it when it starts again;  4) a command that is stopped leaves its fetches paused, unless the
 * program ends.  (I/O through its parts)
 */

import { discardPart } from "../content/part_discard.ts";
import { ShoalError } from "../core/errors.ts";
import { limits } from "../core/limits.ts";
import type { Command, FetchNumbers, FetchPriority, PeerEvent, TransferEvent } from "./commands.ts";
import type { Control } from "./control.ts";
import { errorEvent } from "./error_event.ts";
import { FetchGroup } from "./fetch_group.ts";
import { FetchPlaces } from "./fetch_places.ts";
import { blameText, type FetchRunDeps, type FetchRunResult, runFetch } from "./fetch_run.ts";
import type { FetchStore, FetchWish } from "./fetch_store.ts";
import { readWishes } from "./fetch_wishes.ts";
import { isSmall, type SmallJob, SmallRun, type SmallRunDeps } from "./small_run.ts";
import { leaving } from "./leaving.ts";
import {
  alreadyFetched,
  eventOf,
  type FetchState,
  interrupted,
  keyOf,
  OneFetch,
  Patience,
  type Watcher,
} from "./one_fetch.ts";
import { ProgressPace } from "./progress_pace.ts";
import type { Connect } from "../transfer/lane.ts";

export interface FetchDeps extends FetchRunDeps {
  readonly control: Pick<Control, "request">;
  /** Dials holders of many small files. */
  readonly connect: Connect;
  readonly store: FetchStore;
  /** Whether this peer outlives its commands: then fetches are kept, and gone on with. */
  readonly stays: boolean;
  /** The coordinator's long-term key in hex: a fetch belongs to the network in which it was asked for. */
  readonly network: () => string;
  /** The coordinator as a numeric endpoint, for receipts. */
  readonly coordinator: string;
  /** Says what belongs to no command. */
  readonly note: (message: string) => void;
}

type FetchCommand = Extract<Command, { readonly command: "fetch" }>;
type Emit = (event: PeerEvent) => void;

/** Finished ones that `transfers` still shows. */
const finishedMax = 32;
/** So many small files that begin at once are fetched together. */
const togetherMin = 3;

interface JobOf extends SmallJob {
  readonly one: OneFetch;
}

export class Fetches {
  readonly #deps: FetchDeps;
  readonly #places: FetchPlaces;
  /** By number; finished ones for a while. */
  readonly #all = new Map<number, OneFetch>();
  /** The unfinished ones by key. */
  readonly #unfinished = new Map<string, OneFetch>();
  readonly #finished: OneFetch[] = [];
  #nextNumber = 1;
  /** Whether anything may begin. */
  #isClosing = false;
  /** Whether the store may be written to. */
  #isOpen = true;

  constructor(deps: FetchDeps, placesMax: number = limits.downloadsMax) {
    this.#deps = deps;
    this.#places = new FetchPlaces(placesMax);
  }

  /** Downloads that run or wait. */
  get running(): number {
    return [...this.#unfinished.values()].filter(({ run }) => run !== undefined).length;
  }

  /**
   * Takes up what an earlier run of this peer left, and goes on with it if this peer stays; answers how much of it goes on and how much
   * is paused.
   */
  restore(): { readonly goesOn: number; readonly paused: number } {
    const { store, stays, network } = this.#deps;
    this.#nextNumber = Math.max(this.#nextNumber, store.lastNumber() + 1);
    const counts = { goesOn: 0, paused: 0 };
    const begun: OneFetch[] = [];
    for (const { number, wish, isPaused, doneBytes } of store.fetchesOf(network())) {
      const one = this.#add(new OneFetch(number, wish));
      one.isKept = true;
      one.state = isPaused ? "paused" : "waiting";
      one.doneBytes = doneBytes;
      if (isPaused) counts.paused++;
      else if (stays) begun.push(one);
      else one.why = "for a peer that stays";
    }
    this.#startAll(begun);
    counts.goesOn = begun.length;
    return counts;
  }

  /** Stops everything; what is kept goes on at the next start. */
  async close(): Promise<void> {
    this.#isClosing = true;
    await Promise.all([...this.#unfinished.values()].map(async (one) => {
      const ran = one.run !== undefined;
      await this.#stop(one);
      if (ran && one.isUnfinished && one.isKept) this.#keepIfOpen(one);
      one.watcher?.settle(interrupted(one));
    }));
    this.#isOpen = false;
  }

  /** The downloads as events, the unfinished ones first, by their numbers. */
  *list(): Generator<TransferEvent> {
    const places = new Map([...this.#places.waiting()].map((waiter, index) => [waiter, index + 1]));
    const all = [...this.#all.values()];
    for (const one of all.filter(({ isUnfinished }) => isUnfinished)) yield eventOf(one, places.get(one));
    for (const one of all.filter(({ isUnfinished }) => !isUnfinished)) yield eventOf(one);
  }

  /**
   * Runs a `fetch`: finds out what is meant, then fetches all of it that is clear; names that mean several contents are told.
   */
  async run(command: FetchCommand, signal: AbortSignal, emit: Emit): Promise<void> {
    const report = (error: unknown) => {
      if (!(error instanceof ShoalError)) throw error;
      emit(errorEvent(error));
    };
    const wishes = await readWishes(command, this.#deps.control, signal, emit);
    const group = wishes.length > 1 ? new FetchGroup(asked(command), wishes, emit, this.#deps.nowMs) : undefined;
    try {
      const begun = this.#begin(wishes, watcherOf(command, group?.emit ?? emit), report);
      await this.#untilEnded(begun, signal, report);
    } finally {
      group?.end();
    }
  }

  /** Stops fetches until they are resumed; each when it moves no more. */
  async *pause(numbers: FetchNumbers): AsyncGenerator<PeerEvent> {
    for (const one of this.#chosen(numbers, "pause", ({ state }) => state === "waiting" || state === "running")) {
      if (one instanceof ShoalError) yield errorEvent(one);
      else yield await this.#pause(one);
    }
  }

  /** Goes on with fetches that are paused or failed. */
  async *resume(numbers: FetchNumbers): AsyncGenerator<PeerEvent> {
    const isPaused = ({ state }: OneFetch) => state === "paused" || (state === "failed" && numbers !== "all");
    for (const one of this.#chosen(numbers, "resume", isPaused)) {
      if (one instanceof ShoalError) yield errorEvent(one);
      else yield await this.#resume(one);
    }
  }

  /** Ends fetches for good, with part and journal gone. */
  async *cancel(numbers: FetchNumbers): AsyncGenerator<PeerEvent> {
    for (const one of this.#chosen(numbers, "cancel", ({ isUnfinished }) => isUnfinished)) {
      if (one instanceof ShoalError) yield errorEvent(one);
      else yield* this.#cancel(one);
    }
  }

  /** Lets fetches go before or after others that wait. */
  *prioritize(numbers: FetchNumbers, priority: FetchPriority): Generator<PeerEvent> {
    for (const one of this.#chosen(numbers, "prioritize", ({ isUnfinished }) => isUnfinished)) {
      if (one instanceof ShoalError) yield errorEvent(one);
      else {
        one.wish = { ...one.wish, priority };
        this.#places.reorder(one);
        if (one.isKept) this.#keep([one]);
        yield eventOf(one);
      }
    }
  }

  /** The fetches that are meant, and why others are not. */
  *#chosen(
    numbers: FetchNumbers,
    verb: string,
    fits: (one: OneFetch) => boolean,
  ): Generator<OneFetch | ShoalError> {
    if (numbers === "all") {
      yield* [...this.#all.values()].filter(fits);
      return;
    }
    for (const number of new Set(numbers)) {
      const one = this.#all.get(number);
      if (one !== undefined && fits(one)) {
        yield one;
        continue;
      }
      const reason = one === undefined ? "there is no such fetch" : `it is ${one.state}`;
      yield new ShoalError("notFound", `Cannot ${verb} fetch ${number}: ${reason}`, { hint: "See: transfers" });
    }
  }

  /** Begins fetches that a command waits for: new ones, and those that are here already and that nobody waits for. */
  #begin(
    wishes: readonly FetchWish[],
    watcher: (settle: (error: unknown) => void) => Watcher,
    refuse: (reason: ShoalError) => void,
  ): readonly (readonly [OneFetch, Promise<void>])[] {
    const chosen: { readonly one: OneFetch; readonly wish: FetchWish; readonly isFresh: boolean }[] = [];
    for (const wish of wishes) {
      const known = this.#unfinished.get(keyOf(wish));
      if (known?.watcher !== undefined) refuse(alreadyFetched(known));
      else chosen.push({ one: known ?? new OneFetch(this.#nextNumber++, wish), wish, isFresh: known === undefined });
    }
    if (this.#deps.stays) this.#keep(chosen.flatMap(({ one, isFresh }) => isFresh ? one : []));
    const begun = chosen.map(({ one, wish, isFresh }) => {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      one.watcher = watcher((error) => {
        one.watcher = undefined;
        if (error === undefined) resolve();
        else reject(error);
      });
      if (isFresh) this.#add(one);
      else this.#takeUp(one, wish);
      return [one, promise] as const;
    });
    this.#startAll(chosen.flatMap(({ one, isFresh }) => isFresh ? one : []));
    return begun;
  }

  /** Goes on with one that is here, as a new command wants it. */
  async #takeUp(one: OneFetch, wish: FetchWish): Promise<void> {
    await this.#stop(one);
    if (!one.isUnfinished) return;
    one.wish = { ...wish, askedAtMs: one.wish.askedAtMs };
    one.state = "waiting";
    if (one.isKept) this.#keepIfOpen(one);
    this.#start(one);
  }

  /** Waits for the end of fetches; tells of each why it failed, or that the command was stopped. */
  async #untilEnded(
    begun: readonly (readonly [OneFetch, Promise<void>])[],
    signal: AbortSignal,
    report: (error: unknown) => void,
  ): Promise<void> {
    // One listener for all: thousands on one signal cost more than what they wait for.
    const unended = new Set(begun.map(([one]) => one));
    const stop = () => unended.forEach((one) => void this.#interrupt(one, signal.reason));
    signal.addEventListener("abort", stop, { once: true });
    if (signal.aborted) stop();
    try {
      await Promise.all(begun.map(([one, ended]) => ended.finally(() => unended.delete(one)).catch(report)));
    } finally {
      signal.removeEventListener("abort", stop);
    }
  }

  /** Stops a fetch whose command is stopped. */
  async #interrupt(one: OneFetch, reason: unknown): Promise<void> {
    const { watcher } = one;
    await this.#stop(one);
    if (!one.isUnfinished) return;
    if (!one.isKept) this.#drop(one);
    else {
      Object.assign(one, { state: reason === leaving ? "waiting" : "paused", why: "", bytesPerSecond: 0 });
      this.#keepIfOpen(one);
    }
    watcher?.settle(interrupted(one));
  }

  async #pause(one: OneFetch): Promise<PeerEvent> {
    await this.#stop(one);
    // It may have been done in that moment.
    if (one.isUnfinished) {
      Object.assign(one, { state: "paused", why: "", bytesPerSecond: 0 });
      if (one.isKept) this.#keep([one]);
    }
    return eventOf(one);
  }

  async #resume(one: OneFetch): Promise<PeerEvent> {
    await one.run?.ended;
    const other = this.#unfinished.get(one.key);
    if (other !== undefined && other !== one) return errorEvent(alreadyFetched(other));
    Object.assign(one, { state: "waiting", why: "" });
    this.#unfinished.set(one.key, one);
    if (one.isKept || this.#deps.stays) this.#keep([one]);
    if (this.#deps.stays || one.watcher !== undefined) this.#start(one);
    else one.why = "for a peer that stays";
    return eventOf(one);
  }

  async *#cancel(one: OneFetch): AsyncGenerator<PeerEvent> {
    await this.#stop(one);
    if (!one.isUnfinished) {
      yield eventOf(one);
      return;
    }
    this.#drop(one);
    Object.assign(one, { state: "cancelled", why: "", bytesPerSecond: 0 });
    const { name, path, folder, content } = one.wish;
    one.watcher?.settle(new ShoalError("interrupted", `Fetch ${one.number} of ${JSON.stringify(name)} was cancelled`));
    try {
      if (one.isKept) this.#deps.store.forget(one.number);
      discardPart({ folder, name: path, content, journalFolder: this.#deps.journalFolder });
    } catch (error) {
      if (!(error instanceof ShoalError)) throw error;
      yield errorEvent(error);
    }
    yield eventOf(one);
  }

  #add(one: OneFetch): OneFetch {
    this.#all.set(one.number, one);
    this.#unfinished.set(one.key, one);
    return one;
  }

  #drop(one: OneFetch): void {
    this.#all.delete(one.number);
    this.#unfinished.delete(one.key);
  }

  #keep(some: readonly OneFetch[]): void {
    const rows = some.map(({ number, wish, state, doneBytes }) => ({
      ...{ number, wish, doneBytes },
      isPaused: state === "paused",
    }));
    this.#deps.store.keep(this.#deps.network(), rows);
    for (const one of some) one.isKept = true;
  }

  /** Notes how one stands where that must not fail what is being done. */
  #keepIfOpen(one: OneFetch): void {
    try {
      if (this.#isOpen) this.#keep([one]);
    } catch (error) {
      if (!(error instanceof ShoalError)) throw error;
      this.#deps.note(error.message);
    }
  }

  /** Begins fetches; the small ones together, if they are many. */
  #startAll(all: readonly OneFetch[]): void {
    const small = all.filter(({ wish }) => isSmall(wish.content));
    if (small.length < togetherMin) return all.forEach((one) => this.#start(one));
    // A number of its own: each of them may yet run by itself.
    const openDownload = this.#deps.openDownload?.bind(undefined, this.#nextNumber++);
    const blame: SmallRunDeps["blame"] = (holder, reason) => {
      this.#deps.report(holder, reason);
      this.#deps.note(`${holder.account} (${holder.label}) ${blameText[reason]}`);
    };
    const deps = { ...this.#deps, openDownload, places: this.#places, waiter: small[0]!, blame };
    const together = new SmallRun<JobOf>(deps, (done) => this.#keepReceipts(done.map(([{ one }, it]) => [one, it])));
    for (const one of all) this.#start(one, isSmall(one.wish.content) ? together : undefined);
    together.run().catch((error) => this.#deps.note(`Small files could not be fetched together: ${String(error)}`));
  }

  #start(one: OneFetch, together?: SmallRun<JobOf>): void {
    if (one.run !== undefined || this.#isClosing) return;
    const controller = new AbortController();
    one.state = "waiting";
    const ended = this.#work(one, controller.signal, together).finally(() => one.run = undefined);
    one.run = { controller, ended };
  }

  /** Stops what runs of a fetch; what it is then, the caller says. */
  async #stop(one: OneFetch): Promise<void> {
    // Another command may have begun it anew meanwhile.
    while (one.run !== undefined) {
      one.run.controller.abort();
      await one.run.ended;
    }
  }

  async #work(one: OneFetch, signal: AbortSignal, together: SmallRun<JobOf> | undefined): Promise<void> {
    const timeoutMs = () => one.watcher?.patience.leftMs ?? one.wish.timeoutMs ?? Infinity;
    try {
      const { wish } = one;
      const onAsked = (place?: string) => {
        Object.assign(one, place === undefined ? { state: "running", why: "" } : { state: "waiting", why: place });
      };
      const early = await together?.add({ ...wish, signal, timeoutMs: timeoutMs(), onAsked, one });
      if (early !== undefined) return this.#done(one, early);
      const result = await this.#run(one, timeoutMs, signal);
      this.#keepReceipts([[one, result]]);
      this.#done(one, result);
    } catch (error) {
      // What it is then, whoever stopped it says.
      if (!signal.aborted) this.#failed(one, error);
    }
  }

  async #run(one: OneFetch, timeoutMs: () => number, signal: AbortSignal): Promise<FetchRunResult> {
    const pace = new ProgressPace();
    const { name, content: { bytes: totalBytes } } = one.wish;
    return await runFetch(this.#deps, {
      number: one.number,
      wish: one.wish,
      timeoutMs,
      places: this.#places,
      waiter: one,
      signal,
      onState: (state, why) => {
        if (!signal.aborted) Object.assign(one, { state, why, bytesPerSecond: 0 });
      },
      onProgress: (doneBytes, bytesPerSecond, holders) => {
        Object.assign(one, { doneBytes, bytesPerSecond, ...(signal.aborted ? {} : { state: "running", why: "" }) });
        if (bytesPerSecond > 0) one.watcher?.patience.moved();
        if (!pace.isDue() && doneBytes < totalBytes) return;
        const figures = { doneBytes, totalBytes, bytesPerSecond, holders };
        one.watcher?.emit({ type: "progress", name, activity: "fetch", path: "direct", ...figures });
      },
      note: (message) => one.watcher?.emit({ type: "note", message }),
    });
  }

  #keepReceipts(done: readonly (readonly [OneFetch, FetchRunResult])[]): void {
    const { coordinator, note, store } = this.#deps;
    const finishedAtMs = Date.now();
    try {
      store.finish(done.map(([{ number, wish: { name, content, askedAtMs } }, { path, holders, fetchedBytes }]) => {
        const times = { startedAtMs: askedAtMs, finishedAtMs };
        return { number, receipt: { name, path, content, holders, fetchedBytes, ...times, coordinator } };
      }));
    } catch (error) {
      // The files are there all the same.
      if (!(error instanceof ShoalError)) throw error;
      for (const [{ wish: { name } }] of done) note(`There is no receipt for ${name}: ${error.message}`);
    }
  }

  #done(one: OneFetch, result: FetchRunResult): void {
    const { name, content } = one.wish;
    const { note } = this.#deps;
    const { path, holders, fetchedBytes, reusedBytes, wireBytes, tookMs, refetchedBytes } = result;
    one.watcher?.patience.moved();
    one.doneBytes = content.bytes;
    this.#finish(one, "done", "");
    if (one.watcher === undefined) note(`Fetched ${name}: it is in ${path}`);
    one.watcher?.emit({
      type: "fetched",
      name,
      path,
      bytes: content.bytes,
      id: content.id,
      holders: holders.map(({ account, device, bytes }) => ({ account, device, bytes })),
      refetchedBytes,
      fetchedBytes,
      reusedBytes,
      wireBytes,
      tookMs,
    });
    one.watcher?.settle(undefined);
  }

  #failed(one: OneFetch, error: unknown): void {
    if (error instanceof ShoalError && error.code === "unfinished") one.watcher?.patience.over();
    const message = error instanceof Error ? error.message : String(error);
    this.#finish(one, "failed", message);
    try {
      if (one.isKept) this.#deps.store.forget(one.number);
    } catch {
      // The disk that fails here is why it failed, or is told by the next that needs it.
    }
    one.isKept = false;
    if (one.watcher === undefined) this.#deps.note(`Fetch ${one.number} failed: ${message}`);
    one.watcher?.settle(error);
  }

  /** Shows a finished one for a while. */
  #finish(one: OneFetch, state: FetchState, why: string): void {
    Object.assign(one, { state, why, bytesPerSecond: 0 });
    this.#unfinished.delete(one.key);
    this.#finished.push(one);
    const oldest = this.#finished.length > finishedMax ? this.#finished.shift() : undefined;
    if (oldest !== undefined && !oldest.isUnfinished) this.#all.delete(oldest.number);
  }
}

/** What was asked for, as it was typed. */
function asked({ targets }: FetchCommand): string {
  return targets.map((target) => "file" in target ? target.file.name : target.pattern).join(" ");
}

function watcherOf(command: FetchCommand, emit: Emit): (settle: (error: unknown) => void) => Watcher {
  const mayWait = command.inBackground === true && command.timeoutTold !== true;
  const patience = new Patience(mayWait ? Infinity : command.timeoutMs);
  return (settle) => ({ emit, patience, settle });
}
