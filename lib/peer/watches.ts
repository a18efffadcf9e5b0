/**
 * watches: the standing searches of this peer, kept over restarts. Laws: 1) the coordinator has them for a session alone, so each login
 * registers them anew, and one search tells what was shared meanwhile;  2) each file is told once: what was told lately is remembered
 * with the time of the latest;  3) they belong to one account at one coordinator.
 * Spec: PROTOCOL.md "Standing searches".  (I/O: one 0600 file; Control)
 */

import { join } from "@std/path";
import * as v from "valibot";
import { RemoteError, ShoalError } from "../core/errors.ts";
import { limits } from "../core/limits.ts";
import { foldAccount } from "../session/opaque.ts";
import type { FileEntry, MessageBody } from "../wire/message.ts";
import type { FetchNumbers, PeerEvent, Wanted, WatchChange, WatchEvent } from "./commands.ts";
import type { Control } from "./control.ts";
import { files } from "./pages.ts";
import { fileEvent } from "./resolve.ts";
import { readStateFile, writeStateFile } from "./state_file.ts";
import { queryOf } from "./wanted.ts";

/** Files that are remembered as told; more that were shared in one moment may be told again. */
const toldMax = 256;
/** Files that a return tells of one watch; of more it says so. */
const missedMax = 1_000;

const storedWatch = v.object({
  network: v.string(),
  account: v.string(),
  number: v.pipe(v.number(), v.safeInteger(), v.minValue(1)),
  words: v.array(v.string()),
  wanted: v.custom<Wanted>((value) => typeof value === "object" && value !== null && "terms" in value),
  sinceMs: v.number(),
  told: v.array(v.string()),
});
const fileContent = v.object({ watches: v.array(storedWatch) });

type Stored = v.InferOutput<typeof storedWatch>;

interface Watch extends Stored {
  /** When the latest that was told was shared, in coordinator time. */
  sinceMs: number;
  /** What was told last. */
  told: string[];
  state: WatchEvent["state"];
  why: string | undefined;
}

export interface WatchesOptions {
  readonly stateFolder: string;
  readonly request: Control["request"];
  /** Whether this device shares it itself: that is no news. */
  readonly isOurs: (entry: FileEntry) => boolean;
  /** Coordinator time. */
  readonly nowMs: () => number;
  readonly emit: (event: PeerEvent) => void;
}

export class Watches {
  readonly #options: WatchesOptions;
  readonly #path: string;
  readonly #watches: Watch[];
  #network = "";
  #account = "";
  /** Searches for what was missed, one after the other. */
  #catchingUp: Promise<void> = Promise.resolve();

  private constructor(options: WatchesOptions, path: string, watches: Watch[]) {
    this.#options = options;
    this.#path = path;
    this.#watches = watches;
  }

  /** Reads the file of a state folder. @throws {StoreError} If it is damaged, or a newer program wrote it. */
  static open(options: WatchesOptions): Watches {
    const path = join(options.stateFolder, "watches.json");
    const found = readStateFile({
      path,
      content: fileContent,
      what: "the standing searches",
      hint: "Restore it, or remove it and watch anew",
    });
    const watches = (found?.watches ?? []).map((one): Watch => ({ ...one, state: "waiting", why: undefined }));
    return new Watches(options, path, watches);
  }

  /**
   * Takes a login: every watch is registered anew, and what was shared meanwhile is told.
   * @param stays Whether somebody hears of it; else it waits for the next login.
   */
  online(network: string, account: string, stays: boolean): void {
    this.#network = network;
    this.#account = foldAccount(account);
    if (!stays) return;
    for (const watch of this.#own()) {
      watch.state = "waiting";
      this.#inTurn(async () => {
        if (!await this.#register(watch)) return;
        await this.#catchUp(watch);
      });
    }
  }

  /** Does what is asked; without a change it lists them. @throws {ShoalError} If it cannot be done. */
  async *change(change: WatchChange | null): AsyncGenerator<PeerEvent> {
    if (change === null) { for (const watch of this.#own()) yield eventOf(watch); }
    else if (change.kind === "add") yield await this.add(change.wanted, change.words);
    else yield* this.remove(change.watches);
  }

  /** Begins a watch. @throws {ShoalError} If there are too many, or the coordinator refuses it. */
  async add(wanted: Wanted, words: readonly string[]): Promise<WatchEvent> {
    const own = this.#own();
    if (own.length >= limits.watchesPerSessionMax) {
      throw new ShoalError("limit", `Cannot watch more: a peer has at most ${limits.watchesPerSessionMax} watches`, {
        hint: "End one with: watch remove <number>",
      });
    }
    const watch: Watch = {
      network: this.#network,
      account: this.#account,
      number: Math.max(0, ...own.map(({ number }) => number)) + 1,
      words: [...words],
      wanted,
      sinceMs: this.#options.nowMs(),
      told: [],
      state: "waiting",
      why: undefined,
    };
    // At once, so that another that is begun meanwhile has another number.
    this.#watches.push(watch);
    try {
      const query = queryOf(wanted, watch.sinceMs);
      await this.#options.request({ kind: "watch", watch: watch.number, query });
    } catch (error) {
      this.#watches.splice(this.#watches.indexOf(watch), 1);
      throw error;
    }
    watch.state = "watching";
    this.#save();
    return eventOf(watch);
  }

  /** Ends watches; tells each. @throws {ShoalError} If there is none of a number. */
  async *remove(numbers: FetchNumbers): AsyncGenerator<PeerEvent> {
    const meant = numbers === "all" ? this.#own().map(({ number }) => number) : numbers;
    for (const number of meant) {
      const watch = this.#own().find((one) => one.number === number);
      if (watch === undefined) {
        throw new ShoalError("notFound", `Cannot end watch ${number}: there is none of that number`, {
          hint: "See the numbers with: watch list",
        });
      }
      this.#watches.splice(this.#watches.indexOf(watch), 1);
      this.#save();
      yield { type: "unwatched", number, words: watch.words };
      // What is not there any more is gone with the session at the latest.
      await this.#options.request({ kind: "unwatch", watch: number }).catch(ignoreFailure);
    }
  }

  /** Takes what the coordinator tells. */
  found({ watch: number, files: entries, more }: MessageBody<"found">): void {
    const watch = this.#own().find((one) => one.number === number);
    if (watch === undefined) return;
    // Where there is more, the time goes on only with the search that finds it all.
    if (more) return this.#inTurn(() => this.#catchUp(watch));
    for (const entry of entries) this.#tell(watch, entry);
    this.#save();
  }

  /** Ends with the peer: waits for the searches under way. */
  async close(): Promise<void> {
    await this.#catchingUp;
  }

  #own(): Watch[] {
    return this.#watches.filter((one) => one.network === this.#network && one.account === this.#account);
  }

  async #register(watch: Watch): Promise<boolean> {
    try {
      const query = queryOf(watch.wanted, this.#options.nowMs());
      await this.#options.request({ kind: "watch", watch: watch.number, query });
      watch.state = "watching";
      watch.why = undefined;
      return true;
    } catch (error) {
      ignoreFailure(error);
      if (error instanceof RemoteError && !error.retryable) {
        watch.state = "refused";
        watch.why = error.message;
      }
      return false;
    }
  }

  /** Tells what was shared since the latest that was told. */
  async #catchUp(watch: Watch): Promise<void> {
    const { terms, filter } = queryOf(watch.wanted, this.#options.nowMs());
    const query = { terms, filter: { ...filter, sinceMs: Math.max(filter.sinceMs, watch.sinceMs) } };
    let count = 0;
    try {
      const question = { kind: "search", query, order: "age", descending: false, offline: false } as const;
      for await (const entry of files(this.#options, question)) {
        if (++count > missedMax) {
          this.#options.emit({
            type: "note",
            message: `Watch ${watch.number} has missed more than ${missedMax} files`,
          });
          watch.sinceMs = this.#options.nowMs();
          break;
        }
        this.#tell(watch, entry);
      }
    } catch (error) {
      ignoreFailure(error); // The next login tries again.
    }
    if (count > 0) this.#save();
  }

  #tell(watch: Watch, entry: FileEntry): void {
    const key = `${entry.name}\0${entry.id}\0${entry.bytes}`;
    watch.sinceMs = Math.max(watch.sinceMs, entry.sharedAtMs);
    if (watch.told.includes(key) || this.#options.isOurs(entry)) return;
    watch.told.push(key);
    if (watch.told.length > toldMax) watch.told.shift();
    this.#options.emit({ ...fileEvent(entry), type: "found", watch: watch.number });
  }

  #inTurn(work: () => Promise<void>): void {
    this.#catchingUp = this.#catchingUp.then(work);
  }

  #save(): void {
    const watches = this.#watches.map(({ state: _, why: __, ...stored }) => stored);
    writeStateFile(this.#path, { watches });
  }
}

function eventOf({ number, words, state, why }: Watch): WatchEvent {
  return { type: "watch", number, words, state, ...(why === undefined ? {} : { why }) };
}

/** The coordinator is out of reach, or refuses: nothing is lost but the time until the next login. */
function ignoreFailure(error: unknown): void {
  if (!(error instanceof ShoalError)) throw error; // A mistake of ours: not to be hidden here.
}
