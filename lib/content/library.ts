/**
 * library: what this peer shares, kept across restarts. Laws: 1) a name stands for one file; sharing it again replaces
 * it, and says so;  2) an entry is synced before it is reported as shared;  3) every name passed safe_path and every path
 * is a real one, without symbolic links;  4) an entry says what the file was when it was hashed: whoever serves it checks
 * again (shared_source).  (I/O: files)
 */

import type { DatabaseSync, StatementSync } from "node:sqlite";
import { bytesEqual, xorBytes } from "../core/bytes.ts";
import { ShoalError, StoreError, storeErrorFrom } from "../core/errors.ts";
import type { Content, ContentId } from "../core/ids.ts";
import { mib } from "../core/limits.ts";
import type { Audience } from "../core/audience.ts";
import { openDatabase, type Schema, transact } from "./database.ts";
import { type HashedFile, hashFile, type HashOptions } from "./file_hash.ts";
import { type FileStamp, sameStamp, stampFrom } from "./file_stamp.ts";
import { HashCache } from "./hash_cache.ts";
import type { Manifest } from "./manifest.ts";
import { hashBytes, pieceBytesFor } from "./merkle.ts";
import type { SafePath } from "./safe_path.ts";
import { walkShare } from "./share_walk.ts";

/** One shared file. */
export interface SharedFile {
  /** What others call it; unique in the library. */
  readonly name: SafePath;
  /** Where it lies: absolute and real. */
  readonly path: string;
  readonly content: Content;
  /** What it looked like when it was hashed. */
  readonly stamp: FileStamp;
  readonly audience: Audience;
  /** What its owner says of it; empty for nothing. */
  readonly description: string;
}

/** What `share` tells, file by file. */
export type ShareEvent =
  | {
    readonly kind: "shared";
    readonly file: SharedFile;
    /** What the name stood for before, if that was another content or another file. */
    readonly replaced: SharedFile | undefined;
  }
  | { readonly kind: "skipped"; readonly path: string; readonly reason: string };

export interface ShareOptions {
  /** For whom; what is not told stays as it was, and is everyone at first. */
  readonly audience?: Audience | undefined;
  /** What is said of it; what is not told stays as it was. */
  readonly description?: string | undefined;
  /** The name to share a file under, or the one to put before a folder's names; else the path's last component. */
  readonly name?: string | undefined;
  /** Aborting rejects with the signal's reason; what was reported as shared stays shared. */
  readonly signal?: AbortSignal | undefined;
  /** Called with a file's shared name after each step of at most 1 MiB that is hashed; files found in the cache are not. */
  readonly onProgress?: ((name: SafePath, doneBytes: number, totalBytes: number) => void) | undefined;
}

export interface LibraryOptions {
  /** Holds `library.db`. */
  readonly stateFolder: string;
  /** Holds `hashes.db`. */
  readonly cacheFolder: string;
  /** Hashes one announced entry to the 32 bytes that `digest` combines; both ends of the control plane use the same. */
  readonly entryHash: (file: SharedFile) => Uint8Array;
}

/** A file that was hashed and is to be kept. */
interface Fresh extends Pick<SharedFile, "name" | "path" | "content" | "stamp"> {
  readonly layer: Uint8Array;
  /** Undefined: as before. */
  readonly audience: Audience | undefined;
  readonly description: string | undefined;
}

/** What no longer is as it was shared. */
export interface Stale {
  readonly file: SharedFile;
  /** `vanished` also if something other than a regular file has its place, or nobody may look at it any more. */
  readonly kind: "changed" | "vanished";
}

const schema: Schema = {
  synchronous: "FULL",
  migrations: [
    `CREATE TABLE entries (
    name TEXT PRIMARY KEY, path TEXT NOT NULL, id TEXT NOT NULL, bytes INTEGER NOT NULL, mtimeMs INTEGER NOT NULL,
    ctimeMs INTEGER NOT NULL, inode INTEGER NOT NULL, layer BLOB NOT NULL
  ) STRICT;
  CREATE INDEX entriesById ON entries (id)`,
    // The audience is JSON; NULL is everyone.
    `ALTER TABLE entries ADD COLUMN audience TEXT;
  ALTER TABLE entries ADD COLUMN description TEXT NOT NULL DEFAULT ''`,
  ],
};

/** Entries that wait for one sync, and bytes hashed since the last: few syncs for many files, none late for large ones. */
const batchEntries = 64;
const batchBytes = 64 * mib;
/** Entries that are looked at for ones alike, a few milliseconds of this thread, and how many of a kind are answered. */
const comparedMax = 20_000;
const alikeMax = 16;

export class Library implements Disposable {
  readonly #db: DatabaseSync;
  readonly #cache: HashCache;
  readonly #entryHash: LibraryOptions["entryHash"];
  readonly #put: StatementSync;
  readonly #drop: StatementSync;
  readonly #get: StatementSync;
  readonly #all: StatementSync;
  readonly #byContent: StatementSync;
  readonly #layer: StatementSync;
  readonly #byLastName: StatementSync;
  readonly #bySize: StatementSync;
  /** Kept up to date from the first `digest` on. */
  #digest: Uint8Array | undefined;

  private constructor(db: DatabaseSync, cache: HashCache, entryHash: LibraryOptions["entryHash"]) {
    this.#db = db;
    this.#cache = cache;
    this.#entryHash = entryHash;
    // The layer stands last and is not read with the rest: it may be large.
    const columns = "name, path, id, bytes, mtimeMs, ctimeMs, inode, audience, description";
    this.#put = db.prepare(
      `INSERT OR REPLACE INTO entries (${columns}, layer) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#drop = db.prepare("DELETE FROM entries WHERE name = ?");
    this.#get = db.prepare(`SELECT ${columns} FROM entries WHERE name = ?`);
    this.#all = db.prepare(`SELECT ${columns} FROM entries ORDER BY name`);
    this.#byContent = db.prepare(`SELECT ${columns} FROM entries WHERE id = ? AND bytes = ? ORDER BY name`);
    this.#layer = db.prepare("SELECT layer FROM entries WHERE id = ? AND bytes = ? LIMIT 1");
    const some = `SELECT ${columns} FROM (SELECT ${columns} FROM entries LIMIT ${comparedMax})`;
    this.#byLastName = db.prepare(
      `${some} WHERE name = ?1 OR substr(name, -1 - length(?1)) = '/' || ?1 LIMIT ${alikeMax}`,
    );
    this.#bySize = db.prepare(
      `${some} WHERE bytes BETWEEN ?1 / 2 AND ?1 * 2 ORDER BY abs(bytes - ?1) LIMIT ${alikeMax}`,
    );
  }

  /** Opens the library, making it if need be. @throws {StoreError} If it cannot, or a newer program wrote it. */
  static open(options: LibraryOptions): Library {
    // First what may be refused: a cache of the newer program that wrote both would be begun anew.
    const db = openDatabase(options.stateFolder, "library.db", schema);
    let cache: HashCache | undefined;
    try {
      cache = HashCache.open(options.cacheFolder);
      return new Library(db, cache, options.entryHash);
    } catch (error) {
      cache?.close();
      db.close();
      throw error;
    }
  }

  /**
   * Shares a file, or every file of a folder, and tells each once it is kept. In a folder, what cannot be shared is
   * skipped and told; a path that is itself a file must be shareable.
   * @throws {StoreError} If `path` is missing, unreadable, or neither file nor folder.
   * @throws {ContentError} With code `changed`, if `path` is a file that changed while it was hashed.
   * @throws {ShoalError} With code `unsafeName`, if its name cannot be shared.
   */
  async *share(path: string, options: ShareOptions = {}): AsyncGenerator<ShareEvent, void, undefined> {
    const { name, signal, onProgress, audience, description } = options;
    let batch: Fresh[] = [];
    let hashedBytes = 0;
    for await (const found of walkShare(path, name)) {
      signal?.throwIfAborted();
      if (found.kind === "skipped") {
        yield found;
        continue;
      }
      try {
        const hashed = await this.#hash(found.path, {
          signal,
          onProgress: (doneBytes, totalBytes) => onProgress?.(found.name, doneBytes, totalBytes),
        });
        const { content, stamp, layer } = hashed;
        batch.push({ name: found.name, path: found.path, content, stamp, layer, audience, description });
        hashedBytes += content.bytes;
      } catch (error) {
        signal?.throwIfAborted();
        if (!(error instanceof ShoalError) || found.isRoot) throw error;
        yield { kind: "skipped", path: found.path, reason: error.message };
      }
      if (batch.length >= batchEntries || hashedBytes >= batchBytes) {
        yield* this.#keep(batch);
        batch = [];
        hashedBytes = 0;
      }
    }
    yield* this.#keep(batch);
  }

  /** Stops sharing names; answers the entries that there were. */
  remove(names: readonly string[]): SharedFile[] {
    return this.#transact("remove from", () => {
      const removed: SharedFile[] = [];
      for (const name of names) {
        const file = this.get(name);
        if (file === undefined) continue;
        this.#drop.run(name);
        this.#fold(file);
        removed.push(file);
      }
      return removed;
    });
  }

  /** The entry with this name. */
  get(name: string): SharedFile | undefined {
    const row = this.#get.get(name);
    return row === undefined ? undefined : fileFrom(row);
  }

  /** Every entry, in the order of names. */
  list(): SharedFile[] {
    return this.#all.all().map(fileFrom);
  }

  /** The entries that have this content. */
  find(content: Content): SharedFile[] {
    return this.#byContent.all(content.id, content.bytes).map(fileFrom);
  }

  /** The piece layer of a shared content; undefined if none has it. */
  layer(content: Content): Uint8Array | undefined {
    return this.#layer.get(content.id, content.bytes)?.["layer"] as Uint8Array | undefined;
  }

  /**
   * Finds files that may have much in common with a content that is to be fetched under a name: those with that content, with that
   * name or its last component, and those with pieces of it in the same places. Likeliest first, and each once.
   */
  alike(name: string, { content, pieceBytes, layer }: Manifest): SharedFile[] {
    const lastName = name.slice(name.lastIndexOf("/") + 1);
    const named = [this.get(name), ...this.#byLastName.all(lastName).map(fileFrom)].filter((file) =>
      file !== undefined
    );
    const near = this.#bySize.all(content.bytes).map(fileFrom)
      .filter((file) => pieceBytesFor(file.content.bytes) === pieceBytes)
      .map((file) => ({ file, pieces: piecesInCommon(layer, this.layer(file.content)) }))
      .filter(({ pieces }) => pieces > 0)
      .toSorted((a, b) => b.pieces - a.pieces);
    const files = [...this.find(content), ...named, ...near.map(({ file }) => file)];
    return [...new Map(files.map((file) => [file.path, file])).values()];
  }

  /** 32 bytes that differ when the entries' names or contents do: the exclusive or of their hashes, zeros for none. */
  digest(): Uint8Array {
    if (this.#digest === undefined) {
      this.#digest = new Uint8Array(32);
      for (const row of this.#all.iterate()) this.#fold(fileFrom(row));
    }
    return this.#digest.slice();
  }

  /** Finds the entries whose file changed or vanished since it was hashed; sharing or removing them is the caller's. */
  async refresh(signal?: AbortSignal): Promise<Stale[]> {
    const stale: Stale[] = [];
    for (const file of this.list()) {
      signal?.throwIfAborted();
      try {
        const stat = await Deno.lstat(file.path);
        if (!stat.isFile) stale.push({ file, kind: "vanished" });
        else if (!sameStamp(stampFrom(stat), file.stamp)) stale.push({ file, kind: "changed" });
      } catch {
        // Whatever keeps this one file from being looked at must not keep the peer from serving the others.
        stale.push({ file, kind: "vanished" });
      }
    }
    return stale;
  }

  /** Safe to call twice. */
  close(): void {
    if (this.#db.isOpen) this.#db.close();
    this.#cache.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async #hash(path: string, options: HashOptions): Promise<HashedFile> {
    const stat = await lookAt(path);
    const stamp = stampFrom(stat);
    const known = stat.isFile ? this.#cache.find(path, stamp) : undefined;
    if (known !== undefined) return { content: known.content, layer: known.layer, stamp };
    const hashed = await hashFile(path, options);
    this.#cache.keep(path, hashed);
    return hashed;
  }

  /** Keeps a batch in one transaction and answers what to tell about it. */
  #keep(batch: readonly Fresh[]): ShareEvent[] {
    if (batch.length === 0) return [];
    return this.#transact("write to", () =>
      batch.map(({ layer, audience, description, ...hashed }): ShareEvent => {
        const before = this.get(hashed.name);
        const { content, stamp } = hashed;
        const file: SharedFile = {
          ...hashed,
          audience: audience === undefined ? before?.audience ?? null : audience,
          description: description ?? before?.description ?? "",
        };
        if (before !== undefined) this.#fold(before);
        this.#put.run(
          file.name,
          file.path,
          content.id,
          content.bytes,
          stamp.mtimeMs,
          stamp.ctimeMs,
          stamp.inode,
          file.audience === null ? null : JSON.stringify(file.audience),
          file.description,
          layer,
        );
        this.#fold(file);
        const isSame = before?.path === file.path && before.content.id === content.id &&
          before.content.bytes === content.bytes;
        return { kind: "shared", file, replaced: isSame ? undefined : before };
      }));
  }

  /** Puts an entry into the digest, or takes it out again. */
  #fold(file: SharedFile): void {
    if (this.#digest === undefined) return;
    this.#digest = xorBytes(this.#digest, this.#entryHash(file));
  }

  /** Runs one transaction; if it is undone, so is what it did to the digest. */
  #transact<T>(operation: string, work: () => T): T {
    const before = this.#digest;
    try {
      return transact(this.#db, work);
    } catch (error) {
      this.#digest = before;
      throw storeErrorFrom(error, operation, this.#db.location() ?? "library.db");
    }
  }
}

/** Counts the places at which two piece layers agree. */
function piecesInCommon(a: Uint8Array, b: Uint8Array | undefined): number {
  if (b === undefined) return 0;
  let count = 0;
  for (let at = 0; at + hashBytes <= Math.min(a.length, b.length); at += hashBytes) {
    if (bytesEqual(a.subarray(at, at + hashBytes), b.subarray(at, at + hashBytes))) count++;
  }
  return count;
}

/** Looks at a file to be shared; a folder on its way may have been swapped for a link since the walk found it. */
async function lookAt(path: string): Promise<Deno.FileInfo> {
  try {
    const stat = await Deno.lstat(path);
    if (await Deno.realPath(path) === path) return stat;
    throw new StoreError("io", "share", path, "a symbolic link came in its way");
  } catch (error) {
    throw storeErrorFrom(error, "share", path);
  }
}

function fileFrom(row: Record<string, unknown>): SharedFile {
  const bytes = row["bytes"] as number;
  return {
    name: row["name"] as SafePath,
    path: row["path"] as string,
    content: { id: row["id"] as ContentId, bytes },
    stamp: {
      bytes,
      mtimeMs: row["mtimeMs"] as number,
      ctimeMs: row["ctimeMs"] as number,
      inode: row["inode"] as number,
    },
    audience: row["audience"] === null ? null : JSON.parse(row["audience"] as string) as Audience,
    description: row["description"] as string,
  };
}
