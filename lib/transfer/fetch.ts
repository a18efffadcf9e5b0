/**
 * fetch: gets one content from whoever has it, until it is whole or nothing moves any more. Laws: 1) a holder that lied, broke a rule or no
 * longer has it is not asked again in this fetch; one that could not be reached is, at the endpoint where it is by then;  2) only
 * the time without a byte counts, never the time of the whole;  3) however it ends, the part and its journal stay for the next run.
 * (I/O: through what is passed in)
 */

import { ContentError, NetworkError, ProtocolError, RemoteError, ShoalError } from "../core/errors.ts";
import { type Content, type DeviceId } from "../core/ids.ts";
import { limits } from "../core/limits.ts";
import type { ByteStream, Endpoint } from "../core/transport.ts";
import { type Manifest, manifestFrom } from "../content/manifest.ts";
import type { OpenedPart } from "../content/part_file.ts";
import type { Random } from "../session/random.ts";
import { downloadFrom, type FetchIdentity, type PieceWork } from "./download.ts";
import type { PieceCheck } from "./piece_check.ts";
import { PieceQueue } from "./piece_queue.ts";
import type { Timers } from "./timers.ts";
import type { VerifiedHolder } from "./verified_holder.ts";

/** What a LOCATE found: who may be asked, and why others may not. */
export interface Located {
  readonly holders: readonly VerifiedHolder[];
  readonly refused: readonly ShoalError[];
}

/** Dials one endpoint and accepts one certificate; `net`'s connectTls is one. */
export type Connect = (
  options: {
    readonly endpoint: Endpoint;
    readonly certificate: Uint8Array;
    readonly timeoutMs: number;
    readonly signal: AbortSignal;
  },
) => Promise<ByteStream>;

export interface FetchOptions {
  /** What a person calls it, for messages. */
  readonly name: string;
  readonly content: Content;
  /** Asks who has the content now. @throws {ShoalError} Retryable, if asking again may help. */
  readonly locate: (signal: AbortSignal) => Promise<Located>;
  /** Opens the part that the content is written to; called once. */
  readonly openPart: (manifest: Manifest, signal: AbortSignal) => Promise<OpenedPart>;
  /** Whether file and name are to survive a loss of power when this resolves. */
  readonly sync: boolean;
  readonly identity: FetchIdentity;
  readonly connect: Connect;
  readonly check: PieceCheck;
  readonly timers: Timers;
  readonly random: Random;
  /** Gives up after this long without a byte. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  /** Told of each verified piece; `doneBytes` counts those of earlier runs too. */
  readonly onProgress: (doneBytes: number) => void;
}

/** A finished fetch. */
export interface Fetched {
  readonly path: string;
  /** Who delivered verified pieces, and how much. Nobody, if the content was there already. */
  readonly holders: readonly { readonly account: string; readonly device: string; readonly bytes: number }[];
  /** Bytes of the pieces that this run fetched. */
  readonly fetchedBytes: number;
  /** Of these, bytes that an earlier run had asked for and not noted as verified. */
  readonly refetchedBytes: number;
}

/** Pauses between rounds, in milliseconds: doubled from the first to the last, with jitter, begun anew when bytes come. */
const pauseMinMs = 100;
const pauseMaxMs = 2_000;
/** A holder that denies or does not know the content is asked once more, with a new ticket. */
const strikesMax = 2;

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
}

class Fetch {
  readonly #options: FetchOptions;
  readonly #states = new Map<DeviceId, HolderState>();
  #opened: OpenedPart | undefined;
  #work: PieceWork | undefined;
  #fetchedBytes = 0;
  #movedAtMs: number;
  #pauseMs = pauseMinMs;
  #lastError: ShoalError | undefined;

  constructor(options: FetchOptions) {
    this.#options = options;
    this.#movedAtMs = options.timers.nowMs();
  }

  async run(): Promise<Fetched> {
    const { content, timers, timeoutMs, signal } = this.#options;
    // What one can say of an empty file without asking anybody.
    if (content.bytes === 0) await this.#begin(emptyManifest(content));
    while (!this.#isWhole()) {
      for (const state of await this.#locate()) {
        await this.#fetchFrom(state);
        if (this.#isWhole()) break;
      }
      if (this.#isWhole()) break;
      if (timers.nowMs() - this.#movedAtMs >= timeoutMs) throw this.#unfinished();
      await this.#pause();
      signal.throwIfAborted();
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

  /** Asks who has it now. @throws {ShoalError} If all who have it are out of the question, with the most telling reason. */
  async #locate(): Promise<readonly HolderState[]> {
    let located: Located;
    try {
      located = await this.#options.locate(this.#options.signal);
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
    if (met.every(({ excluded }) => excluded !== undefined) && reason !== undefined) throw reason;
    if (usable.length === 0) this.#lastError = located.refused[0] ?? this.#lastError;
    return usable.sort((a, b) => a.failures - b.failures);
  }

  #stateOf(holder: VerifiedHolder): HolderState {
    const known = this.#states.get(holder.deviceId);
    if (known !== undefined) {
      known.holder = holder;
      return known;
    }
    const state = { holder, bytes: 0, failures: 0, strikes: 0, excluded: undefined };
    this.#states.set(holder.deviceId, state);
    return state;
  }

  /** Fetches what one holder gives. @throws {ShoalError} For what is not the holder's doing. */
  async #fetchFrom(state: HolderState): Promise<void> {
    const { holder } = state;
    const { content, identity, check, timers, signal, onProgress } = this.#options;
    try {
      await downloadFrom(await this.#dial(holder), {
        content,
        holder,
        identity,
        check,
        timers,
        signal,
        begin: (manifest) => this.#begin(manifest),
        onReceived: () => this.#moved(),
        onPiece: (bytes) => {
          state.bytes += bytes;
          state.failures = 0;
          this.#fetchedBytes += bytes;
          if (this.#opened?.kind !== "part") return;
          if (this.#options.sync) this.#opened.part.flushBehind();
          onProgress(this.#opened.part.doneBytes);
        },
      });
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof ShoalError)) throw error;
      this.#judge(state, error);
    }
  }

  /** Tries the holder's endpoints in turn. */
  async #dial({ endpoints, certificate }: VerifiedHolder): Promise<ByteStream> {
    const { connect, signal } = this.#options;
    let failure: unknown;
    for (const endpoint of endpoints) {
      try {
        return await connect({ endpoint, certificate, timeoutMs: limits.connectMs, signal });
      } catch (error) {
        if (!(error instanceof NetworkError)) throw error;
        failure = error;
      }
    }
    throw failure;
  }

  /** Opens the part, once for all connections. */
  async #begin(manifest: Manifest): Promise<PieceWork> {
    if (this.#work !== undefined) return this.#work;
    const opened = await this.#options.openPart(manifest, this.#options.signal);
    this.#opened = opened;
    this.#moved();
    const missing = opened.kind === "part" ? opened.part.missing() : [];
    this.#work = { queue: new PieceQueue(missing), sink: opened.kind === "part" ? opened.part : noSink };
    return this.#work;
  }

  /** Says what a failed connection means for its holder. @throws {ShoalError} What no other holder can mend. */
  #judge(state: HolderState, error: ShoalError): void {
    this.#lastError = error;
    state.failures++;
    if (error instanceof RemoteError) {
      if (error.code === "busy") return;
      const mayBeTicket = error.code === "denied" || error.code === "notFound";
      if (mayBeTicket && ++state.strikes < strikesMax) return;
      state.excluded = error;
    } else if (error instanceof ContentError || error instanceof ProtocolError || error.code === "version") {
      state.excluded = error;
    } else if (!(error instanceof NetworkError)) {
      throw error;
    }
  }

  #moved(): void {
    this.#movedAtMs = this.#options.timers.nowMs();
    this.#pauseMs = pauseMinMs;
  }

  /** Waits before the next round, 50–100 % of the pause, so that many who lost one holder do not come back in step. */
  async #pause(): Promise<void> {
    const { timers, random, signal } = this.#options;
    const waitMs = this.#pauseMs * (0.5 + random(1)[0]! / 510);
    this.#pauseMs = Math.min(this.#pauseMs * 2, pauseMaxMs);
    await new Promise<void>((resolve) => {
      const end = () => {
        cancel();
        signal.removeEventListener("abort", end);
        resolve();
      };
      const cancel = timers.start(waitMs, end);
      signal.addEventListener("abort", end);
      if (signal.aborted) end();
    });
  }

  async #finish(): Promise<Fetched> {
    const opened = this.#opened!;
    const path = opened.kind === "complete" ? opened.path : await opened.part.finish({ sync: this.#options.sync });
    const deliverers = [...this.#states.values()].filter(({ bytes }) => bytes > 0);
    return {
      path,
      holders: deliverers.map(({ holder, bytes }) => ({ account: holder.account, device: holder.label, bytes })),
      fetchedBytes: this.#fetchedBytes,
      refetchedBytes: opened.kind === "complete" ? 0 : opened.part.refetchedBytes,
    };
  }

  #unfinished(): ShoalError {
    const { name, timeoutMs } = this.#options;
    const why = this.#lastError === undefined ? "nobody who has it is online" : this.#lastError.message;
    return new ShoalError(
      "unfinished",
      `Cannot finish fetching ${JSON.stringify(name)}: no byte came for ${timeoutMs} ms (${why})`,
      { cause: this.#lastError, hint: "Run the same command again to go on from there" },
    );
  }
}

/** Where no piece is missing nothing is written. */
const noSink = {
  asked() {},
  writeVerified() {},
};

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
