/**
 * fetch_run: one fetch from a look at the disk to the finished file. Laws: 1) what is already there is not fetched;  2) it holds a place
 * only while there is somebody to fetch from, and gives it up to others after a while without a byte;  3) however it ends, its
 * place is given back, and part and journal stay.  (I/O through its parts)
 */

import { join } from "@std/path";
import { findFetched } from "../content/final_name.ts";
import type { SharedFile } from "../content/library.ts";
import type { Manifest } from "../content/manifest.ts";
import { discardPart, type LeftPart } from "../content/part_discard.ts";
import { PartFile } from "../content/part_file.ts";
import { ShoalError, StoreError, UsageError } from "../core/errors.ts";
import type { Content } from "../core/ids.ts";
import { limits } from "../core/limits.ts";
import type { FetchIdentity } from "../transfer/holder_talk.ts";
import { fetchContent, type Fetched, type Located } from "../transfer/fetch.ts";
import type { Lane } from "../transfer/lane.ts";
import type { OpenParts } from "../transfer/open_parts.ts";
import { systemTimers } from "../transfer/timers.ts";
import type { VerifiedHolder } from "../transfer/verified_holder.ts";
import type { Queued } from "../wire/frame.ts";
import type { ReportReason } from "../wire/message.ts";
import type { DownFlows } from "./bandwidth.ts";
import type { FetchPlaces, Waiter } from "./fetch_places.ts";
import type { FetchWish } from "./fetch_store.ts";
import type { ReceiptHolder } from "./receipt.ts";
import { filesToReuse } from "./reuse_files.ts";
import { untilAborted } from "./until_aborted.ts";

/** What fetching needs of the rest of the peer. */
export interface FetchRunDeps {
  /** `offer`: tells others that this peer serves what it has of it. */
  readonly locate: (content: Content, offer: boolean) => Promise<Located>;
  /** Tells that this peer has no part of it to serve any more. */
  readonly withdraw: (content: Content) => void;
  /** The file that this device itself shares with a content. */
  readonly ownFile: (content: Content) => SharedFile | undefined;
  /** Paths of files that this device shares and that may have much in common with a content of this name, likeliest first. */
  readonly sharedAlike: (name: string, manifest: Manifest) => readonly string[];
  readonly identity: () => FetchIdentity;
  readonly lane: Lane;
  /** Where parts are served from while they are fetched. */
  readonly parts: OpenParts;
  /** Tells the coordinator what a holder did. */
  readonly report: (holder: VerifiedHolder, reason: ReportReason) => void;
  readonly journalFolder: string;
  /** Milliseconds on a clock that no one sets. */
  readonly nowMs: () => number;
  /** Opens the parts of a fetch in this peer's limits, by its number; nothing is limited without it. */
  readonly openDownload?: (number: number) => DownFlows;
}

export interface FetchRunOptions {
  /** No other that runs has it. */
  readonly number: number;
  readonly wish: FetchWish;
  /** Gives up after this long without a byte, in milliseconds; Infinity: never. */
  readonly timeoutMs: () => number;
  readonly places: FetchPlaces;
  /** Who takes the place. */
  readonly waiter: Waiter;
  readonly signal: AbortSignal;
  /** Told when it begins to wait, and for what (nothing: for a place), and when it runs. */
  readonly onState: (state: "waiting" | "running", why: string) => void;
  /** Told of each verified piece; `doneBytes` counts those of earlier runs too. */
  readonly onProgress: (doneBytes: number, bytesPerSecond: number, holders: number) => void;
  readonly note: (message: string) => void;
}

export interface FetchRunResult extends Omit<Fetched, "holders"> {
  readonly holders: readonly ReceiptHolder[];
  readonly tookMs: number;
}

/**
 * Runs a fetch to its end.
 * @throws {ShoalError} `unfinished`, if nothing moved for `timeoutMs`; `interrupted`, if `signal` was aborted; else why it failed.
 */
export async function runFetch(deps: FetchRunDeps, options: FetchRunOptions): Promise<FetchRunResult> {
  const place = new Place(options, deps.nowMs);
  try {
    await place.take(options.signal);
    return await runInPlace(deps, options, place);
  } finally {
    place.giveBack();
  }
}

async function runInPlace(deps: FetchRunDeps, options: FetchRunOptions, place: Place): Promise<FetchRunResult> {
  const { wish, signal, onProgress, note } = options;
  const { name, content, path, folder, onExists, sync } = wish;
  const { identity, journalFolder, lane } = deps;
  const there = await findFetched({ folder, name: path, content, onExists, signal });
  if (there !== undefined) {
    forgetDownload({ folder, name: path, content, journalFolder });
    return thereAlready(there);
  }
  const startedAtMs = performance.now();
  const search = new HolderSearch(deps, options, place);
  let startBytes: number | undefined;
  using opened = new DisposableStack();
  const flows = deps.openDownload?.(options.number);
  if (flows !== undefined) opened.use(flows);
  const fetched = await fetchContent({
    name,
    content,
    locate: (stopped, offer) => search.locate(stopped, offer),
    openPart: async (manifest, stopped) => {
      const partOptions = { manifest, folder, name: path, onExists, journalFolder, signal: stopped };
      const opening = await PartFile.open(partOptions);
      if (opening.kind === "part") {
        opened.use(deps.parts.add(opening.part));
        opened.defer(() => deps.withdraw(content));
        startBytes = opening.part.doneBytes;
        onProgress(startBytes, 0, 0);
        const percent = Math.floor(100 * startBytes / content.bytes);
        if (startBytes > 0) note(`${name}: goes on from ${percent} %, every piece of it checked again`);
      }
      return opening;
    },
    alike: (manifest) => filesToReuse(join(folder, path), manifest, () => deps.sharedAlike(name, manifest)),
    sync,
    identity: identity(),
    lane,
    flow: flows === undefined ? undefined : (ip) => flows.from(ip),
    onBlame: (holder, reason) => {
      deps.report(holder, reason);
      note(`${name}: ${holder.account} (${holder.label}) ${blameText[reason]}`);
    },
    timers: systemTimers,
    random: (size) => crypto.getRandomValues(new Uint8Array(size)),
    timeoutMs: options.timeoutMs(),
    signal,
    onProgress: (doneBytes, holders) => {
      place.moved();
      onProgress(doneBytes, rate(doneBytes - (startBytes ?? doneBytes), startedAtMs), holders);
    },
    onQueued: (holder, queued) => {
      // One that has given its place here away waits for that first.
      if (!place.isTaken) return;
      options.onState("waiting", placeText(holder, queued));
    },
  });
  const holders = fetched.holders.map((holder) => ({ ...holder, deviceId: search.deviceIdOf(holder) }));
  return { ...fetched, holders, tookMs: Math.round(performance.now() - startedAtMs) };
}

/** Takes away what a download left that was cut off after its file had its name, or whose file came there another way. */
export function forgetDownload(left: LeftPart): void {
  try {
    discardPart(left);
  } catch (error) {
    // What cannot be taken away now is in nobody's way: the file is there.
    if (!(error instanceof StoreError)) throw error;
  }
}

/** The result of a fetch whose file was there before. */
export function thereAlready(path: string): FetchRunResult {
  return { path, holders: [], fetchedBytes: 0, wireBytes: 0, reusedBytes: 0, refetchedBytes: 0, tookMs: 0 };
}

/** A place in a holder's queue, for people. */
export function placeText({ account }: VerifiedHolder, { place, expectedMs }: Queued): string {
  return `place ${place} at ${account}, in about ${Math.ceil(expectedMs / 1000)} s`;
}

/** What a person is told of a holder. */
export const blameText: Readonly<Record<ReportReason, string>> = {
  wrongPiece: "sent a wrong piece; nothing more is asked of it",
  wrongManifest: "sent hashes that are not the file's; nothing more is asked of it",
  protocol: "broke a rule; nothing more is asked of it",
  stalled: "has fallen silent",
};

/** The place of one fetch, which it may lose and take again. */
class Place {
  readonly #options: FetchRunOptions;
  readonly #nowMs: () => number;
  #isTaken = false;
  #movedAtMs = 0;
  #onMoved: () => void = () => {};

  constructor(options: FetchRunOptions, nowMs: () => number) {
    this.#options = options;
    this.#nowMs = nowMs;
  }

  get isTaken(): boolean {
    return this.#isTaken;
  }

  /** Takes a place, unless it is held. @throws {ShoalError} `interrupted`. */
  async take(signal: AbortSignal): Promise<void> {
    if (this.#isTaken) return;
    const { places, waiter, onState } = this.#options;
    onState("waiting", "");
    await places.take(waiter, signal);
    this.#isTaken = true;
    this.#movedAtMs = this.#nowMs();
    onState("running", "");
  }

  /** Waits for another place, or for a byte: a connection that still stands may bring what it needs no place for. */
  async takeAgain(signal: AbortSignal): Promise<void> {
    const moved = new AbortController();
    this.#onMoved = () => moved.abort();
    try {
      await this.take(AbortSignal.any([signal, moved.signal]));
    } catch (error) {
      if (signal.aborted || !moved.signal.aborted) throw error;
    } finally {
      this.#onMoved = () => {};
    }
  }

  /** Safe to call twice. */
  giveBack(): void {
    if (!this.#isTaken) return;
    this.#isTaken = false;
    this.#options.places.giveBack();
  }

  moved(): void {
    this.#movedAtMs = this.#nowMs();
    this.#onMoved();
  }

  /** Whether others wait for a place while this one gets nothing. */
  get isIdle(): boolean {
    return this.#isTaken && this.#options.places.isWanted && this.#nowMs() - this.#movedAtMs > limits.progressMs;
  }
}

/** Asks who has the content, and holds the place only while somebody has it. */
class HolderSearch {
  readonly #deps: FetchRunDeps;
  readonly #options: FetchRunOptions;
  readonly #place: Place;
  readonly #devices = new Map<string, string>();
  #isAlone = false;

  constructor(deps: FetchRunDeps, options: FetchRunOptions, place: Place) {
    this.#deps = deps;
    this.#options = options;
    this.#place = place;
  }

  /** As `FetchOptions.locate`. */
  async locate(stopped: AbortSignal, offer: boolean): Promise<Located> {
    const located = await this.#ask(stopped, offer);
    for (const { account, label, deviceId } of located.holders) this.#devices.set(`${account}\0${label}`, deviceId);
    if (located.holders.length === 0) {
      this.#waitFor("for a holder");
      return located;
    }
    this.#isAlone = false;
    if (this.#place.isIdle) this.#place.giveBack();
    if (this.#place.isTaken) return located;
    await this.#place.takeAgain(stopped);
    // What was found before the wait may be gone by now.
    return this.#place.isTaken ? await this.locate(stopped, offer) : located;
  }

  deviceIdOf({ account, device }: { readonly account: string; readonly device: string }): string {
    return this.#devices.get(`${account}\0${device}`) ?? "";
  }

  /** Who has it; that only this device itself has it is told at once. */
  async #ask(stopped: AbortSignal, offer: boolean): Promise<Located> {
    const { name, content } = this.#options.wish;
    try {
      const located = await untilAborted(this.#deps.locate(content, offer), stopped);
      const nobody = located.holders.length + located.refused.length === 0;
      const own = nobody ? this.#deps.ownFile(content) : undefined;
      if (own === undefined) return located;
      throw new UsageError(`Cannot fetch ${JSON.stringify(name)}: nobody shares it but this device itself`, {
        hint: `It is here: ${own.path}`,
      });
    } catch (error) {
      if (error instanceof ShoalError && error.retryable && !stopped.aborted) this.#waitFor("for the coordinator");
      throw error;
    }
  }

  #waitFor(why: string): void {
    const { onState, note, wish } = this.#options;
    this.#place.giveBack();
    onState("waiting", why);
    if (this.#isAlone) return;
    this.#isAlone = true;
    note(`${wish.name}: waits ${why}`);
  }
}

function rate(bytes: number, sinceMs: number): number {
  const seconds = (performance.now() - sinceMs) / 1000;
  return seconds > 0 ? Math.round(bytes / seconds) : 0;
}
