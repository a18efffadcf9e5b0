/**
 * hash_cache: remembers what files hashed to, so that sharing a large folder again costs a stat a file. Laws: 1) an entry
 * answers only for the very stamp that it was taken with;  2) it is a cache: a damaged or lost one costs time and nothing
 * else; each entry is checked against its own root before it is believed.  (I/O: files)
 */

import type { DatabaseSync, StatementSync } from "node:sqlite";
import { ShoalError } from "../core/errors.ts";
import { parseContentId } from "../core/ids.ts";
import { openDatabase, type Schema } from "./database.ts";
import type { HashedFile } from "./file_hash.ts";
import type { FileStamp } from "./file_stamp.ts";
import { manifestFrom } from "./manifest.ts";
import type { HashedContent } from "./merkle.ts";

/** Files remembered; the oldest entries go first. About 200 bytes each for small files. */
const entriesMax = 1_000_000;

const schema: Schema = {
  synchronous: "NORMAL",
  migrations: [`CREATE TABLE hashes (
    path TEXT PRIMARY KEY, bytes INTEGER NOT NULL, mtimeMs INTEGER NOT NULL, ctimeMs INTEGER NOT NULL,
    inode INTEGER NOT NULL, id TEXT NOT NULL, layer BLOB NOT NULL
  ) STRICT`],
};

export class HashCache implements Disposable {
  readonly #db: DatabaseSync;
  readonly #find: StatementSync;
  readonly #keep: StatementSync;

  private constructor(db: DatabaseSync) {
    this.#db = db;
    db.exec(`DELETE FROM hashes WHERE rowid <= (SELECT max(rowid) FROM hashes) - ${entriesMax}`);
    this.#find = db.prepare(
      "SELECT id, layer FROM hashes WHERE path = ? AND bytes = ? AND mtimeMs = ? AND ctimeMs = ? AND inode = ?",
    );
    this.#keep = db.prepare("INSERT OR REPLACE INTO hashes VALUES (?, ?, ?, ?, ?, ?, ?)");
  }

  /** Opens `folder/hashes.db`; a damaged one, or a later version's, is begun anew. @throws {StoreError} If it cannot. */
  static open(folder: string): HashCache {
    try {
      return HashCache.#openOnce(folder);
    } catch (error) {
      if (!(error instanceof Error) || !isUseless(error)) throw error;
      for (const suffix of ["", "-wal", "-shm"]) removeIfThere(`${folder}/hashes.db${suffix}`);
      return HashCache.#openOnce(folder);
    }
  }

  static #openOnce(folder: string): HashCache {
    const db = openDatabase(folder, "hashes.db", schema);
    try {
      return new HashCache(db);
    } catch (error) {
      db.close();
      throw error;
    }
  }

  /** Finds what the file at `path` hashed to when it had this stamp. */
  find(path: string, stamp: FileStamp): HashedContent | undefined {
    const row = this.#orNothing(() => this.#find.get(path, stamp.bytes, stamp.mtimeMs, stamp.ctimeMs, stamp.inode));
    const id = parseContentId(String(row?.["id"]));
    const layer = row?.["layer"];
    if (id === undefined || !(layer instanceof Uint8Array)) return undefined;
    const manifest = manifestFrom({ id, bytes: stamp.bytes }, layer);
    return manifest.ok ? manifest.value : undefined;
  }

  /** Remembers a hashed file in place of what `path` hashed to before. */
  keep(path: string, hashed: HashedFile): void {
    const { stamp, content, layer } = hashed;
    this.#orNothing(() =>
      this.#keep.run(path, stamp.bytes, stamp.mtimeMs, stamp.ctimeMs, stamp.inode, content.id, layer)
    );
  }

  /** A cache that fails (full disk, damage found late) must not fail what it serves. */
  #orNothing<T>(work: () => T): T | undefined {
    try {
      return work();
    } catch (error) {
      if ((error as { code?: unknown }).code === "ERR_SQLITE_ERROR") return undefined;
      throw error;
    }
  }

  /** Safe to call twice. */
  close(): void {
    if (this.#db.isOpen) this.#db.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

function isUseless(error: Error): boolean {
  if (error instanceof ShoalError && error.code === "version") return true;
  return /file is not a database|database disk image is malformed/.test(error.message);
}

function removeIfThere(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
