/**
 * fetches: the downloads of this peer: what a `fetch` means, a bounded number at a time, and what `transfers` shows of
 * them. Laws: 1) what fails does not stop the rest; the command ends with the first failure's code;  2) of two wanted names that would be
 * one file here the second is refused;  3) what is already there is not fetched.  (I/O through its parts)
 */

import { findFetched } from "../content/final_name.ts";
import type { SharedFile } from "../content/library.ts";
import { PartFile } from "../content/part_file.ts";
import { foldName, type SafePath, safePath, unsafeName } from "../content/safe_path.ts";
import { ShoalError, UsageError } from "../core/errors.ts";
import type { Content } from "../core/ids.ts";
import { limits } from "../core/limits.ts";
import { connectTls } from "../net/tls.ts";
import type { FetchIdentity } from "../transfer/download.ts";
import { fetchContent, type Located } from "../transfer/fetch.ts";
import type { PieceCheck } from "../transfer/piece_check.ts";
import { systemTimers } from "../transfer/timers.ts";
import type { Command, PeerEvent } from "./commands.ts";
import type { Control } from "./control.ts";
import { Doors } from "./doors.ts";
import { errorEvent } from "./error_event.ts";
import { ProgressPace } from "./progress_pace.ts";
import { resolveTarget, type WantedFile } from "./resolve.ts";
import { untilAborted } from "./until_aborted.ts";

/** What fetching needs of the rest of the peer. */
export interface FetchDeps {
  readonly control: Control;
  readonly locate: (content: Content) => Promise<Located>;
  /** The file that this device itself shares with a content. */
  readonly ownFile: (content: Content) => SharedFile | undefined;
  readonly identity: () => FetchIdentity;
  readonly check: PieceCheck;
  readonly journalFolder: string;
}

type FetchCommand = Extract<Command, { readonly command: "fetch" }>;
type Emit = (event: PeerEvent) => void;

/** A wanted file whose name may be used here. */
interface SafeFile extends WantedFile {
  readonly path: SafePath;
}

/** One download as `transfers` shows it. */
interface Running {
  readonly number: number;
  readonly file: WantedFile;
  doneBytes: number;
  bytesPerSecond: number;
  state: "waiting" | "running";
}

export class Fetches {
  readonly #deps: FetchDeps;
  readonly #doors = new Doors(connectTls);
  readonly #running = new Set<Running>();
  readonly #waitingForSlot: (() => void)[] = [];
  #slotsTaken = 0;
  #nextNumber = 1;

  constructor(deps: FetchDeps) {
    this.#deps = deps;
  }

  /** Downloads that run or wait for a slot. */
  get running(): number {
    return this.#running.size;
  }

  /** The downloads as events. */
  *list(): Generator<PeerEvent> {
    for (const { number, file, doneBytes, bytesPerSecond, state } of this.#running) {
      yield {
        type: "transfer",
        number,
        direction: "down",
        name: file.name,
        id: file.content.id,
        account: "",
        device: "",
        doneBytes,
        totalBytes: file.content.bytes,
        bytesPerSecond,
        state,
      };
    }
  }

  /**
   * Runs a `fetch`: finds out what is meant, then fetches all of it that is clear; names that mean several contents are told.
   */
  async run(command: FetchCommand, signal: AbortSignal, emit: Emit): Promise<void> {
    const report = (error: unknown) => {
      if (!(error instanceof ShoalError)) throw error;
      emit(errorEvent(error));
    };
    const resolving = command.targets.map((target) => resolveTarget(this.#deps.control, target));
    const resolved = (await untilAborted(Promise.allSettled(resolving), signal)).flatMap((result) => {
      if (result.status === "fulfilled") return result.value;
      report(result.reason);
      return [];
    });
    const files = safeFiles(resolved.flatMap((one) => one.files), report);
    for (const { name, choices } of resolved.flatMap((one) => one.ambiguous)) {
      emit({ type: "ambiguous", name, choices });
      const message = `Cannot fetch ${JSON.stringify(name)}: it means several contents`;
      emit(errorEvent(new UsageError(message, { hint: "Fetch one of them by its id" })));
    }
    await Promise.all(files.map((file) => this.#fetch(file, command, signal, emit).catch(report)));
  }

  async #fetch(file: SafeFile, command: FetchCommand, signal: AbortSignal, emit: Emit): Promise<void> {
    const running: Running = { number: this.#nextNumber++, file, doneBytes: 0, bytesPerSecond: 0, state: "waiting" };
    this.#running.add(running);
    try {
      await this.#takeSlot(signal);
      try {
        running.state = "running";
        await this.#fetchNow(file, command, running, signal, emit);
      } finally {
        this.#freeSlot();
      }
    } finally {
      this.#running.delete(running);
    }
  }

  async #fetchNow(
    file: SafeFile,
    command: FetchCommand,
    running: Running,
    signal: AbortSignal,
    emit: Emit,
  ): Promise<void> {
    const { name, content, path } = file;
    const { folder, onExists, timeoutMs, sync } = command;
    const { identity, journalFolder, check } = this.#deps;
    const done = { type: "fetched", name, bytes: content.bytes, id: content.id } as const;
    const there = await findFetched({ folder, name: path, content, onExists, signal });
    if (there !== undefined) {
      emit({ ...done, path: there, holders: [], refetchedBytes: 0, fetchedBytes: 0, tookMs: 0 });
      return;
    }
    const pace = new ProgressPace();
    const startedAtMs = performance.now();
    let startBytes: number | undefined;
    const fetched = await fetchContent({
      name,
      content,
      locate: (stopped) => untilAborted(this.#locate(file), stopped),
      openPart: async (manifest, stopped) => {
        const options = { manifest, folder, name: path, onExists, journalFolder, signal: stopped };
        const opened = await PartFile.open(options);
        if (opened.kind === "part" && opened.part.doneBytes > 0) {
          const percent = Math.floor(100 * opened.part.doneBytes / content.bytes);
          emit({ type: "note", message: `${name}: goes on from ${percent} %, every piece of it checked again` });
        }
        return opened;
      },
      sync,
      identity: identity(),
      connect: this.#doors.connect,
      check,
      timers: systemTimers,
      random: (size) => crypto.getRandomValues(new Uint8Array(size)),
      timeoutMs,
      signal,
      onProgress: (doneBytes) => {
        startBytes ??= doneBytes;
        running.doneBytes = doneBytes;
        running.bytesPerSecond = rate(doneBytes - startBytes, startedAtMs);
        if (!pace.isDue() && doneBytes < content.bytes) return;
        emit({
          type: "progress",
          name,
          doneBytes,
          totalBytes: content.bytes,
          activity: "fetch",
          bytesPerSecond: running.bytesPerSecond,
          holders: 1,
          path: "direct",
        });
      },
    });
    emit({ ...done, ...fetched, tookMs: Math.round(performance.now() - startedAtMs) });
  }

  /** Who has it; that only this device itself has it is told at once. */
  async #locate(file: WantedFile): Promise<Located> {
    const located = await this.#deps.locate(file.content);
    const own = located.holders.length + located.refused.length === 0 ? this.#deps.ownFile(file.content) : undefined;
    if (own !== undefined) {
      throw new UsageError(`Cannot fetch ${JSON.stringify(file.name)}: nobody shares it but this device itself`, {
        hint: `It is here: ${own.path}`,
      });
    }
    return located;
  }

  async #takeSlot(signal: AbortSignal): Promise<void> {
    if (this.#slotsTaken < limits.downloadsMax) {
      this.#slotsTaken++;
      return;
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waitingForSlot.push(resolve);
    signal.addEventListener("abort", () => resolve(), { once: true });
    await promise;
    if (!signal.aborted) return;
    const place = this.#waitingForSlot.indexOf(resolve);
    if (place >= 0) this.#waitingForSlot.splice(place, 1);
    else this.#freeSlot();
    throw new ShoalError("interrupted", "Interrupted while waiting for other fetches");
  }

  /** Hands the slot to whoever waits longest. */
  #freeSlot(): void {
    const next = this.#waitingForSlot.shift();
    if (next === undefined) this.#slotsTaken--;
    else next();
  }
}

/** The files whose names may be used here; tells why the others may not: an unsafe name, or one that is another's here. */
function safeFiles(wanted: readonly WantedFile[], refuse: (reason: ShoalError) => void): readonly SafeFile[] {
  const files = new Map<string, SafeFile>();
  for (const file of wanted) {
    const path = safePath(file.name);
    if (!path.ok) {
      refuse(unsafeName(file.name, path.error));
      continue;
    }
    const folded = foldName(path.value);
    const other = files.get(folded);
    if (other === undefined) files.set(folded, { ...file, path: path.value });
    else if (other.content.id !== file.content.id || other.content.bytes !== file.content.bytes) {
      refuse(twins(file.name, other.name));
    }
  }
  return [...files.values()];
}

function twins(name: string, other: string): ShoalError {
  return new ShoalError(
    "exists",
    `Cannot fetch ${JSON.stringify(name)} beside ${JSON.stringify(other)}: they are one name on some disks`,
    { hint: "Fetch it by itself into another folder with --dir" },
  );
}

function rate(bytes: number, sinceMs: number): number {
  const seconds = (performance.now() - sinceMs) / 1000;
  return seconds > 0 ? Math.round(bytes / seconds) : 0;
}
