/**
 * sharing: what this device offers: the library, opened for uploads, kept true, and announced. Laws: 1) a file that is no longer
 * what was shared is never served as it: it is hashed and announced anew, or withdrawn if it is gone;  2) each file is announced only
 * when the library has it on disk.  (I/O: files; Control through the announcer)
 */

import type { Content } from "../core/ids.ts";
import { NetworkError, RemoteError, ShoalError, StoreError } from "../core/errors.ts";
import { Library, type SharedFile } from "../content/library.ts";
import type { Manifest } from "../content/manifest.ts";
import { SharedSource } from "../content/shared_source.ts";
import { shareHash } from "../session/share_digest.ts";
import type { ServedContent } from "../transfer/admission.ts";
import type { Audience } from "../core/audience.ts";
import type { ShareEntry } from "../wire/message.ts";
import type { AnnouncedLibrary, Announcer } from "./announcer.ts";
import type { PeerEvent } from "./commands.ts";
import { errorEvent } from "./error_event.ts";
import type { HomeFolders } from "./home_folders.ts";
import { ProgressPace } from "./progress_pace.ts";
import { untilAborted } from "./until_aborted.ts";

/** Files announced together while a folder is being hashed. */
const announceTogether = 512;
/** A file that is written to while it is hashed is hashed again after this, in milliseconds, doubled from the first to the last. */
const writtenFirstMs = 100;
const writtenMaxMs = 30_000;

/** What somebody wants shared. */
export interface ShareWish {
  readonly paths: readonly string[];
  /** Undefined: as it was, at first everyone. */
  readonly audience: Audience | undefined;
  readonly description: string | undefined;
}

export class Sharing implements AnnouncedLibrary, Disposable {
  readonly #library: Library;
  readonly #note: (message: string) => void;
  /** Set once the control plane is there. */
  announcer: Announcer | undefined;
  /** Names that are being hashed anew, so that many uploads of one changed file start it once. */
  readonly #refreshing = new Set<string>();
  readonly #ended = new AbortController();

  constructor(folders: HomeFolders, note: (message: string) => void) {
    this.#library = Library.open({
      stateFolder: folders.state,
      cacheFolder: folders.cache,
      entryHash: (file) => shareHash(entryOf(file)),
    });
    this.#note = note;
  }

  [Symbol.dispose](): void {
    this.#ended.abort();
    this.#library.close();
  }

  get count(): number {
    return this.#library.list().length;
  }

  list(): readonly SharedFile[] {
    return this.#library.list();
  }

  /** The file that this device shares with this content, if any. */
  fileOf(content: Content): SharedFile | undefined {
    return this.#library.find(content)[0];
  }

  /** Paths of shared files that may have much in common with a content that is to be fetched under this name, likeliest first. */
  alike(name: string, manifest: Manifest): readonly string[] {
    return this.#library.alike(name, manifest).map(({ path }) => path);
  }

  /** Whether this device shares something under this name. */
  has(name: string): boolean {
    return this.#library.get(name) !== undefined;
  }

  /** Whether this device shares a content under this name. */
  shares(name: string, { id, bytes }: Content): boolean {
    const known = this.#library.get(name)?.content;
    return known?.id === id && known.bytes === bytes;
  }

  entries(): readonly ShareEntry[] {
    return this.#library.list().map(entryOf);
  }

  digest() {
    return new Uint8Array(this.#library.digest());
  }

  drop(names: readonly string[]): void {
    this.#library.remove(names);
  }

  /**
   * Shares paths and announces them; tells each file when it is known to the coordinator. A path that cannot be shared is
   * told as an error, and the others are shared.
   * @throws {ShoalError} If the coordinator refuses or is out of reach.
   */
  async *share(
    { paths, audience, description }: ShareWish,
    signal: AbortSignal,
    emit: (event: PeerEvent) => void,
  ): AsyncGenerator<PeerEvent> {
    for (const path of paths) {
      try {
        yield* this.#sharePath(path, { audience, description, signal }, emit);
      } catch (error) {
        const isOfPath = error instanceof ShoalError &&
          !(error instanceof NetworkError || error instanceof RemoteError);
        if (!isOfPath) throw error;
        yield errorEvent(error);
      }
    }
  }

  async *#sharePath(
    path: string,
    options: Pick<ShareWish, "audience" | "description"> & { readonly signal: AbortSignal },
    emit: (event: PeerEvent) => void,
  ): AsyncGenerator<PeerEvent> {
    const { signal } = options;
    let fresh: SharedFile[] = [];
    let count = 0;
    const pace = new ProgressPace();
    const onProgress = (name: string, doneBytes: number, totalBytes: number) => {
      if (pace.isDue()) emit({ type: "progress", name, doneBytes, totalBytes, activity: "hash" });
    };
    for await (const event of this.#library.share(path, { ...options, onProgress })) {
      if (event.kind === "skipped") {
        yield { type: "note", message: `Not shared: ${event.path}: ${event.reason}` };
        continue;
      }
      if (event.replaced !== undefined) {
        yield { type: "note", message: `${event.file.name} stood for another file before; it means this one now` };
      }
      count++;
      fresh.push(event.file);
      if (fresh.length >= announceTogether) {
        yield* this.#announce(fresh, signal);
        fresh = [];
      }
    }
    yield* this.#announce(fresh, signal);
    if (count === 0) throw new StoreError("notFound", "share", path, "there is no file in it that can be shared");
  }

  async *#announce(fresh: readonly SharedFile[], signal: AbortSignal): AsyncGenerator<PeerEvent> {
    if (fresh.length === 0) return;
    await untilAborted(this.announcer!.share(fresh.map(entryOf)), signal);
    for (const { name, content, audience } of fresh) {
      const shared = { type: "shared", name, bytes: content.bytes, id: content.id } as const;
      yield audience === null ? shared : { ...shared, audience };
    }
  }

  /** Opens a content for an upload; undefined if it is not shared. @throws {ContentError} With code `changed`. */
  openContent(content: Content): ServedContent | undefined {
    let refused: ShoalError | undefined;
    const layer = () => this.#library.layer(content);
    const files = this.#library.find(content);
    if (files.length === 0) return undefined;
    // The same content may be shared under several names; one that is intact is enough.
    for (const file of files) {
      try {
        const source = SharedSource.open(file);
        return {
          readLayer: layer,
          read: (offset, buffer) => source.read(offset, buffer),
          [Symbol.dispose]: () => source.close(),
        };
      } catch (error) {
        if (!(error instanceof ShoalError)) throw error;
        refused = error;
        this.refresh(content);
      }
    }
    throw refused!;
  }

  /** Looks again at the files of a content that turned out changed: hashes them anew, or withdraws those that are gone. */
  refresh(content: Content): void {
    for (const file of this.#library.find(content)) this.#refreshFile(file);
  }

  /** At start: what changed or vanished while this peer was away is announced as it is now; what is being written to later. */
  async refreshAll(signal: AbortSignal): Promise<void> {
    for (const { file } of await this.#library.refresh(signal)) {
      if (!await this.#hashAgain(file, signal)) this.#refreshFile(file);
    }
    this.#reconcile();
  }

  async #refreshFile(file: SharedFile): Promise<void> {
    if (this.#refreshing.has(file.name)) return;
    this.#refreshing.add(file.name);
    const { signal } = this.#ended;
    let waitMs = writtenFirstMs;
    while (!await this.#hashAgain(file, signal)) {
      await pause(waitMs, signal);
      waitMs = Math.min(2 * waitMs, writtenMaxMs);
    }
    this.#refreshing.delete(file.name);
    if (!signal.aborted) this.#reconcile();
  }

  #reconcile(): void {
    this.announcer?.reconcile(() => {
      // The coordinator is out of reach: the next keep-alive notices the difference.
    });
  }

  /** Shares a file as it is now, or withdraws it; false if it is being written to. */
  async #hashAgain(file: SharedFile, signal: AbortSignal): Promise<boolean> {
    try {
      signal.throwIfAborted();
      for await (const event of this.#library.share(file.path, { name: file.name, signal })) {
        if (event.kind === "shared" && event.replaced !== undefined) {
          this.#note(`${file.name} has changed; it is shared as it is now`);
        }
      }
    } catch (error) {
      if (signal.aborted) return true;
      if (!(error instanceof ShoalError)) throw error;
      if (error.code === "changed") return false;
      this.#library.remove([file.name]);
      this.#note(`${file.name} is not shared any more: ${error.message}. To share it again: share ${file.path}`);
    }
    return true;
  }
}

/** Waits, at the longest until the signal is aborted. */
function pause(waitMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, waitMs);
    signal.addEventListener("abort", end);
    if (signal.aborted) end();
  });
}

function entryOf(file: SharedFile): ShareEntry {
  const { name, content: { id, bytes }, audience, description } = file;
  return { name, id, bytes, audience, description };
}
