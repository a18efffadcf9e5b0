/**
 * fetch: gets one content from everybody who has it at once, until it is whole or nothing moves any more. Laws: 1) a holder that lied,
 * broke a rule or no longer has it is not asked again in this fetch; one that could not be reached is, at the endpoint where it is by
 * then;  2) who has it is asked anew while it runs, so that holders come and go;  3) only the time without a byte counts, never the
 * time of the whole;  4) however it ends, the part and its journal stay for the next run.  (I/O: through what is passed in)
 */

import { ContentError, NetworkError, ProtocolError, RemoteError, ShoalError } from "../core/errors.ts";
import { type Content, type DeviceId } from "../core/ids.ts";
import { limits, mib } from "../core/limits.ts";
import { type Manifest, manifestFrom } from "../content/manifest.ts";
import { pieceCount as pieceCountOf } from "../content/merkle.ts";
import type { OpenedPart } from "../content/part_file.ts";
import type { Random } from "../session/random.ts";
import type { FetchIdentity } from "./holder_talk.ts";
import type { Lane } from "./lane.ts";
import { threadedFromBytes } from "./lane_threads.ts";
import { PacedSource, Turns } from "./paced_source.ts";
import { PiecePicker, type Seat } from "./piece_picker.ts";
import type { Flow } from "./rate_limiter.ts";
import type { Queued } from "../wire/frame.ts";
import type { ReportReason } from "../wire/message.ts";
import type { Timers } from "./timers.ts";
import type { VerifiedHolder } from "./verified_holder.ts";

/** What a LOCATE found: who may be asked, and why others may not. */
export interface Located {
  readonly holders: readonly VerifiedHolder[];
  readonly refused: readonly ShoalError[];
}

export interface FetchOptions {
  /** What a person calls it, for messages. */
  readonly name: string;
  readonly content: Content;
  /**
   * Asks who has the content now. `offer`: this side has a part by now, and serves what it has.
   * @throws {ShoalError} Retryable, if asking again may help.
   */
  readonly locate: (signal: AbortSignal, offer: boolean) => Promise<Located>;
  /** Opens the part that the content is written to; called once. */
  readonly openPart: (manifest: Manifest, signal: AbortSignal) => Promise<OpenedPart>;
  /** Paths of files on this disk that may have blocks of it, at the same places; asked once, when the part is open. */
  readonly alike?: ((manifest: Manifest) => readonly string[]) | undefined;
  /** Whether file and name are to survive a loss of power when this resolves. */
  readonly sync: boolean;
  readonly identity: FetchIdentity;
  /** Runs the connections. */
  readonly lane: Lane;
  /** What an address may send counts in this peer's limits; nothing is limited without it. */
  readonly flow?: ((ip: string) => Flow) | undefined;
  /** Told of a holder that lied, broke a rule or said nothing, to whom and why; it is not asked again if it lied. */
  readonly onBlame?: ((holder: VerifiedHolder, reason: ReportReason) => void) | undefined;
  readonly timers: Timers;
  readonly random: Random;
  /** Gives up after this long without a byte. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  /** Told of each verified piece; `doneBytes` counts those of earlier runs too; `holders`: who is asked at the moment. */
  readonly onProgress: (doneBytes: number, holders: number) => void;
  /** Told of a place in a holder's queue, while there is no connection that does not wait in one. */
  readonly onQueued?: ((holder: VerifiedHolder, queued: Queued) => void) | undefined;
}

/** A finished fetch. */
export interface Fetched {
  readonly path: string;
  /** Who delivered verified pieces, and how much. Nobody, if the content was there already. */
  readonly holders: readonly { readonly account: string; readonly device: string; readonly bytes: number }[];
  /** Bytes that this run fetched. */
  readonly fetchedBytes: number;
  /** Bytes that came over the network for them: fewer where holders compressed, more where pieces came twice. */
  readonly wireBytes: number;
  /** Bytes that this run took from other files on this disk. */
  readonly reusedBytes: number;
  /** Of these, bytes that an earlier run had asked for and not noted as verified. */
  readonly refetchedBytes: number;
}

/** Pauses before who has it is asked again, in milliseconds, where nobody is connected: doubled, with jitter, begun anew when bytes come. */
const pauseMinMs = 100;
const pauseMaxMs = 2_000;
/** And where somebody is: soon for others who begin now, then seldom, doubled from the first to the last. */
const lookAroundMinMs = 300;
const lookAroundMaxMs = 5_000;
/** How often seats that wait look at what others are slow with, in milliseconds. */
const impatientMs = 500;
/** A holder that denies or does not know the content is asked once more, with a new ticket. */
const strikesMax = 2;
/** What may be held of pieces for connections that look into files here, in bytes: with large pieces few do. */
const reuseBytesMax = 64 * mib;
/** Connections to an only holder of a large file: each has a thread to receive, check and write. */
const lanesAtOne = 2;

/** Connections at once to holders of parts: at most one for each piece, and one more in place of one that stands still. */
export function lanesMaxOf({ bytes }: Content): number {
  return Math.min(limits.lanesMax, pieceCountOf(bytes) + 1);
}

/**
 * Fetches one content whole.
 * @throws {ShoalError} `unfinished`, if nothing moved for `timeoutMs`; `interrupted`, if `signal` was aborted.
 * @throws {ContentError} `integrity` or `changed`, if no holder is left and that is why.
 * @throws {StoreError} If the disk failed.
 */
export async function fetchContent(options: FetchOptions): Promise<Fetched> {
  const fetch = new Fetch(options);
  try {
    return await fetch.run();
  } catch (error) {
    if (!options.signal.aborted) throw error;
    throw new ShoalError("interrupted", `Cannot finish fetching ${JSON.stringify(options.name)}: it was interrupted`, {
      cause: error,
      hint: "Run the same command again to go on from there",
    });
  } finally {
    fetch.close();
  }
}

/** What is known of one holder in this fetch. */
interface HolderState {
  /** As the last LOCATE told it. */
  holder: VerifiedHolder;
  /** Verified bytes that it delivered. */
  bytes: number;
  /** Connections that failed since it last delivered a piece. */
  failures: number;
  /** Refusals that a new ticket may mend. */
  strikes: number;
  /** Why it is not asked again. */
  excluded: ShoalError | undefined;
  /** The best place in its queue that it has told since the last byte. */
  place: number;
}

/** One connection, until it has ended. */
interface RunningLane {
  readonly state: HolderState;
  readonly sinceMs: number;
  /** Ends it alone. */
  readonly stop: AbortController;
  /** Once the holder has said what it has. */
  seat: Seat | undefined;
  /** Bytes of the pieces that it has brought since the last look. */
  bytes: number;
  /** Whether it waits in the holder's queue, and since when it has not come forward there. */
  isQueued: boolean;
  placeSinceMs: number;
  ended: Promise<void>;
}

class Fetch {
  readonly #options: FetchOptions;
  readonly #states = new Map<DeviceId, HolderState>();
  readonly #lanes = new Set<RunningLane>();
  /** Ends the connections. */
  readonly #stop = new AbortController();
  #opening: Promise<OpenedPart> | undefined;
  #opened: OpenedPart | undefined;
  #picker: PiecePicker | undefined;
  #fetchedBytes = 0;
  #wireBytes = 0;
  #reusedBytes = 0;
  #alike: readonly string[] | undefined;
  #movedAtMs: number;
  #locateAtMs: number;
  #pauseMs = pauseMinMs;
  #lookMs = lookAroundMinMs;
  #lastError: ShoalError | undefined;
  /** What no holder can mend. */
  #fatal: { readonly error: unknown } | undefined;
  /** The question who has it, while it is under way. */
  #looking: Promise<void> | undefined;
  #isOpening = false;
  /** By flow: those of our limits that count for some holders, and not for others. */
  readonly #turns = new Map<Flow, Turns>();
  /** What has been told of holders. */
  readonly #blamed = new Set<string>();
  #wake: () => void = () => {};

  constructor(options: FetchOptions) {
    this.#options = options;
    this.#movedAtMs = this.#locateAtMs = options.timers.nowMs();
  }

  async run(): Promise<Fetched> {
    const { content, timers, timeoutMs, signal } = this.#options;
    const interrupt = () => {
      this.#stop.abort();
      this.#wake();
    };
    signal.addEventListener("abort", interrupt, { once: true });
    if (signal.aborted) interrupt();
    try {
      // What one can say of an empty file without asking anybody.
      if (content.bytes === 0) await this.#open(emptyManifest(content));
      while (!this.#isWhole()) {
        signal.throwIfAborted();
        if (this.#fatal !== undefined) throw this.#fatal.error;
        if (this.#looking === undefined && timers.nowMs() >= this.#locateAtMs) this.#startLooking();
        // What is held back here is nobody's silence: the part that is hashed again, and our own limits.
        if (this.#isOpening || [...this.#turns.values()].some(({ isComing }) => isComing)) {
          this.#movedAtMs = timers.nowMs();
        }
        // A connection gets the time that it may be silent: nobody has a byte for us, if none brings one.
        const silenceMs = this.#lanes.size === 0 ? timeoutMs : Math.max(timeoutMs, limits.progressMs);
        const isSilent = timers.nowMs() - this.#movedAtMs >= silenceMs;
        if (isSilent && this.#looking === undefined) throw this.#unfinished();
        await this.#news();
      }
    } finally {
      signal.removeEventListener("abort", interrupt);
      this.#stop.abort();
      await Promise.all([...[...this.#lanes].map(({ ended }) => ended), this.#looking]);
    }
    return await this.#finish();
  }

  close(): void {
    if (this.#opened?.kind === "part") this.#opened.part.close();
  }

  #isWhole(): boolean {
    const opened = this.#opened;
    return opened?.kind === "complete" || opened?.part.doneBytes === this.#options.content.bytes;
  }

  #startLooking(): void {
    this.#looking = this.#lookAround().catch((error) => {
      if (!this.#stop.signal.aborted) this.#fatal ??= { error };
    }).finally(() => {
      this.#looking = undefined;
      this.#wake();
    });
  }

  /** Connects to whoever has it and is not connected yet. */
  async #lookAround(): Promise<void> {
    const states = await this.#locate();
    if (this.#stop.signal.aborted) return;
    const lanesEach = states.length === 1 && this.#options.content.bytes >= threadedFromBytes ? lanesAtOne : 1;
    if (lanesEach === 1) this.#retireSeconds();
    for (const state of states) {
      // Many who have a part, and soon leave, must not keep out who has it whole and was too busy a moment ago.
      const lanesMax = state.holder.whole ? limits.lanesMax : lanesMaxOf(this.#options.content);
      while (this.#lanesOf(state) < lanesEach && this.#lanes.size < lanesMax) this.#startLane(state);
    }
    if (states.some((state) => this.#lanesOf(state) === 0)) this.#endSlowest();
    this.#locateAtMs = this.#after(this.#lanes.size > 0 ? this.#nextLookMs() : this.#nextPauseMs());
  }

  /** Where there are others, one connection to each is enough: what is asked of a slow one over two cannot be had elsewhere. */
  #retireSeconds(): void {
    const met = new Set<HolderState>();
    for (const { state, seat } of this.#lanes) {
      if (seat === undefined) continue;
      if (met.has(state)) seat.retire();
      met.add(state);
    }
  }

  #lanesOf(state: HolderState): number {
    let count = 0;
    for (const lane of this.#lanes) if (lane.state === state) count++;
    return count;
  }

  /**
   * Makes room for somebody else where all lanes are taken: of those that had their time, the one that brought least goes. One that
   * comes forward in a queue has had none yet, and would lose its place.
   */
  #endSlowest(): void {
    const nowMs = this.#options.timers.nowMs();
    const old = [...this.#lanes].filter(({ sinceMs, isQueued, placeSinceMs }) =>
      nowMs - (isQueued ? placeSinceMs : sinceMs) >= limits.progressMs
    );
    old.sort((a, b) => a.bytes - b.bytes)[0]?.stop.abort();
    for (const lane of this.#lanes) lane.bytes = 0;
  }

  #nextLookMs(): number {
    const lookMs = this.#lookMs;
    this.#lookMs = Math.min(this.#lookMs * 2, lookAroundMaxMs);
    return lookMs;
  }

  #nextPauseMs(): number {
    const pauseMs = this.#pauseMs;
    this.#pauseMs = Math.min(this.#pauseMs * 2, pauseMaxMs);
    return pauseMs;
  }

  /** Waits until a connection ended, the content is whole, or it is time to look again. */
  async #news(): Promise<void> {
    const { timers } = this.#options;
    const waitMs = this.#looking === undefined ? Math.max(0, this.#locateAtMs - timers.nowMs()) : impatientMs;
    await new Promise<void>((resolve) => {
      const cancel = timers.start(this.#lanes.size > 0 ? Math.min(waitMs, impatientMs) : waitMs, () => this.#wake());
      this.#wake = () => {
        cancel();
        resolve();
      };
      if (this.#stop.signal.aborted) this.#wake();
    });
    this.#picker?.wake();
  }

  /** Asks who has it now. @throws {ShoalError} If all who have it are out of the question, with the most telling reason. */
  async #locate(): Promise<readonly HolderState[]> {
    let located: Located;
    try {
      located = await this.#options.locate(this.#stop.signal, this.#opened?.kind === "part");
    } catch (error) {
      if (!(error instanceof ShoalError) || !error.retryable) throw error;
      this.#lastError = error;
      return [];
    }
    const states = located.holders.map((holder) => this.#stateOf(holder));
    const usable = states.filter(({ excluded }) => excluded === undefined);
    // Whoever has been met counts, listed still or not: one whose file changed is listed with another content by now.
    const met = [...this.#states.values()];
    const reason = mostTelling([...met.flatMap(({ excluded }) => excluded ?? []), ...located.refused]);
    // Those who only have a part say nothing about those who have all of it.
    const isMet = met.length === 0 || met.some(({ holder }) => holder.whole);
    if (isMet && met.every(({ excluded }) => excluded !== undefined) && reason !== undefined) throw reason;
    if (usable.length === 0) this.#lastError = located.refused[0] ?? this.#lastError;
    return usable.sort((a, b) => a.failures - b.failures);
  }

  #stateOf(holder: VerifiedHolder): HolderState {
    const known = this.#states.get(holder.deviceId);
    if (known !== undefined) {
      known.holder = holder;
      return known;
    }
    const state = { holder, bytes: 0, failures: 0, strikes: 0, excluded: undefined, place: Infinity };
    this.#states.set(holder.deviceId, state);
    return state;
  }

  #startLane(state: HolderState): void {
    const lane: RunningLane = {
      state,
      sinceMs: this.#options.timers.nowMs(),
      stop: new AbortController(),
      seat: undefined,
      bytes: 0,
      isQueued: false,
      placeSinceMs: 0,
      ended: Promise.resolve(),
    };
    this.#lanes.add(lane);
    lane.ended = this.#runLane(lane).catch((error) => {
      this.#fatal ??= { error };
      this.#stop.abort();
    }).finally(() => {
      this.#lanes.delete(lane);
      if (this.#lanes.size === 0) this.#locateAtMs = Math.min(this.#locateAtMs, this.#after(this.#nextPauseMs()));
      this.#wake();
    });
  }

  /** A time from now: 50–100 % of it, so that many who lost one holder do not come back in step. */
  #after(waitMs: number): number {
    const { timers, random } = this.#options;
    return timers.nowMs() + waitMs * (0.5 + random(1)[0]! / 510);
  }

  /** Fetches what one holder gives over one connection. @throws {ShoalError} For what is not the holder's doing. */
  async #runLane(lane: RunningLane): Promise<void> {
    const { state } = lane;
    const { holder } = state;
    const { content, identity, timers, onProgress } = this.#options;
    const signal = AbortSignal.any([this.#stop.signal, lane.stop.signal]);
    let turns: Turns | undefined;
    try {
      await this.#options.lane({
        content,
        holder,
        identity,
        timers,
        signal,
        begin: async (manifest, has) => {
          lane.isQueued = false;
          const opened = await this.#open(manifest);
          const seat = lane.seat = this.#picker!.join(has);
          const { pieceBytes } = manifest;
          const flow = this.#options.flow?.(holder.endpoints[0]!.ip);
          if (flow !== undefined) turns = this.#turnsOf(flow, pieceBytes);
          const source = turns === undefined ? seat : new PacedSource(seat, turns);
          return { source, part: opened.kind === "part" ? opened.part : undefined, alike: this.#alikeFor(manifest) };
        },
        onReceived: () => {
          lane.isQueued = false;
          state.place = Infinity;
          lane.seat?.heard();
          this.#moved();
        },
        onQueued: (queued) => {
          if (!lane.isQueued || queued.place < state.place) lane.placeSinceMs = this.#options.timers.nowMs();
          lane.isQueued = true;
          this.#queued(state, queued);
        },
        onPiece: (piece, bytes, reusedBytes, wireBytes) => {
          state.failures = 0;
          lane.bytes += bytes;
          this.#wireBytes += wireBytes;
          if (reusedBytes > 0) turns?.giveBack(reusedBytes);
          this.#moved();
          if (lane.seat!.delivered(piece)) {
            state.bytes += bytes - reusedBytes;
            this.#fetchedBytes += bytes - reusedBytes;
            this.#reusedBytes += reusedBytes;
          }
          if (this.#opened?.kind !== "part") return;
          if (this.#options.sync) this.#opened.part.flushBehind();
          onProgress(this.#opened.part.doneBytes, this.#holders());
          if (this.#isWhole()) this.#wake();
        },
      });
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      if (signal.aborted) {
        // It had its time; others go first now.
        state.failures++;
        return;
      }
      if (!(error instanceof ShoalError)) throw error;
      this.#blame(holder, error, lane.seat !== undefined);
      this.#judge(state, error);
    } finally {
      lane.seat?.leave();
    }
  }

  #holders(): number {
    return new Set([...this.#lanes].map(({ state }) => state)).size;
  }

  /** Tells what a holder did, once of each kind. A dial that nobody answers may be our own network's doing. */
  #blame(holder: VerifiedHolder, error: ShoalError, isMet: boolean): void {
    const reason = blameFor(error);
    const key = `${holder.deviceId} ${reason}`;
    if (reason === undefined || reason === "stalled" && !isMet || this.#blamed.has(key)) return;
    this.#blamed.add(key);
    this.#options.onBlame?.(holder, reason);
  }

  #turnsOf(flow: Flow, pieceBytes: number): Turns {
    const turns = this.#turns.get(flow) ?? new Turns(flow, pieceBytes, this.#stop.signal);
    this.#turns.set(flow, turns);
    return turns;
  }

  /** Opens the part, once for all connections. */
  #open(manifest: Manifest): Promise<OpenedPart> {
    return this.#opening ??= this.#openNow(manifest);
  }

  async #openNow(manifest: Manifest): Promise<OpenedPart> {
    const { openPart, signal, random, timers } = this.#options;
    this.#isOpening = true;
    const opened = await openPart(manifest, signal).finally(() => this.#isOpening = false);
    this.#opened = opened;
    if (opened.kind === "part") this.#alike = this.#options.alike?.(manifest);
    this.#moved();
    const { pieceCount } = manifest;
    const missing = opened.kind === "part" ? opened.part.missing() : [];
    const draw = (below: number) => new DataView(random(4).buffer).getUint32(0) % below;
    this.#picker = new PiecePicker({ pieceCount, missing, draw, nowMs: () => timers.nowMs() });
    return opened;
  }

  /** Says what a failed connection means for its holder. @throws {ShoalError} What no other holder can mend. */
  #judge(state: HolderState, error: ShoalError): void {
    this.#lastError = error;
    state.failures++;
    if (error instanceof RemoteError) {
      if (error.code === "busy") return;
      const mayBeTicket = error.code === "denied" || error.code === "notFound";
      // Who has a part has it only for a while.
      if (mayBeTicket && !state.holder.whole) return;
      if (mayBeTicket && ++state.strikes < strikesMax) return;
      state.excluded = error;
    } else if (error instanceof ContentError || error instanceof ProtocolError || error.code === "version") {
      state.excluded = error;
    } else if (!(error instanceof NetworkError)) {
      throw error;
    }
  }

  /** The files to look into: each connection that does so holds another piece. */
  #alikeFor({ pieceBytes }: Manifest): readonly string[] | undefined {
    return this.#lanes.size * pieceBytes <= reuseBytesMax ? this.#alike : undefined;
  }

  /** To come forward in a queue counts as a byte: it is what one who waits there gets. To stand still in it does not. */
  #queued(state: HolderState, queued: Queued): void {
    if (queued.place < state.place) this.#movedAtMs = this.#options.timers.nowMs();
    state.place = Math.min(state.place, queued.place);
    if ([...this.#lanes].every(({ isQueued }) => isQueued)) this.#options.onQueued?.(state.holder, queued);
  }

  #moved(): void {
    this.#movedAtMs = this.#options.timers.nowMs();
    this.#pauseMs = pauseMinMs;
  }

  async #finish(): Promise<Fetched> {
    const opened = this.#opened!;
    const path = opened.kind === "complete" ? opened.path : await opened.part.finish({ sync: this.#options.sync });
    const deliverers = [...this.#states.values()].filter(({ bytes }) => bytes > 0);
    return {
      path,
      holders: deliverers.map(({ holder, bytes }) => ({ account: holder.account, device: holder.label, bytes })),
      fetchedBytes: this.#fetchedBytes,
      wireBytes: this.#wireBytes,
      reusedBytes: this.#reusedBytes,
      refetchedBytes: opened.kind === "complete" ? 0 : opened.part.refetchedBytes,
    };
  }

  #unfinished(): ShoalError {
    const { name, timeoutMs } = this.#options;
    const waits = [...this.#lanes].find(({ isQueued }) => isQueued);
    const why = waits !== undefined
      ? `place ${waits.state.place} in the queue of ${waits.state.holder.account}`
      : this.#lastError?.message ?? "nobody who has it is online";
    // One that was only to be tried has not waited.
    const silence = timeoutMs > 0 ? `no byte came for ${timeoutMs} ms (${why})` : why;
    return new ShoalError(
      "unfinished",
      `Cannot finish fetching ${JSON.stringify(name)}: ${silence}`,
      { cause: this.#lastError, hint: "Run the same command again to go on from there" },
    );
  }
}

/** What is to be told of a holder whose connection failed so; undefined if it is not to blame. */
function blameFor(error: ShoalError): ReportReason | undefined {
  if (error instanceof ContentError && error.code === "integrity") {
    return error.piece === undefined ? "wrongManifest" : "wrongPiece";
  }
  if (error instanceof ProtocolError) return "protocol";
  return error.code === "timeout" ? "stalled" : undefined;
}

function emptyManifest(content: Content): Manifest {
  const manifest = manifestFrom(content, new Uint8Array(0));
  if (manifest.ok) return manifest.value;
  throw new ContentError("integrity", `Cannot fetch ${content.id}: no empty file has this id`, {
    contentId: content.id,
  });
}

/** Lies first, then distrust, then what changed; of retryable reasons that are nobody's decision none. */
function mostTelling(reasons: readonly ShoalError[]): ShoalError | undefined {
  for (const code of ["integrity", "untrusted", "changed"] as const) {
    const reason = reasons.find((one) => one.code === code);
    if (reason !== undefined) return reason;
  }
  return reasons.find((one) => !one.retryable);
}
