/**
 * database: opens an SQLite file of the peer's own. Laws: 1) the folder is 0700 and the file 0600: what somebody shares
 * is nobody else's business;  2) a schema newer than ours is refused and left as it is.  (I/O: files)
 */

import { DatabaseSync } from "node:sqlite";
import { StoreError, storeErrorFrom } from "../core/errors.ts";

export interface Schema {
  /** 1 … ; kept in SQLite's user_version, which is 0 in a new file. */
  readonly version: number;
  /** Statements that make the tables in a new file. */
  readonly sql: string;
  /** FULL: a commit is synced before it returns. NORMAL: the last commits may be lost with the power, never the file. */
  readonly synchronous: "FULL" | "NORMAL";
}

/** Opens `folder/fileName`, making both if need be. @throws {StoreError} If it cannot, or a newer version wrote it. */
export function openDatabase(folder: string, fileName: string, schema: Schema): DatabaseSync {
  const path = `${folder}/${fileName}`;
  let db: DatabaseSync | undefined;
  try {
    Deno.mkdirSync(folder, { recursive: true, mode: 0o700 });
    Deno.openSync(path, { write: true, create: true, mode: 0o600 }).close();
    db = new DatabaseSync(path);
    db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = ${schema.synchronous};`);
    const version = Number(db.prepare("PRAGMA user_version").get()?.["user_version"]);
    if (version > schema.version) {
      throw new StoreError("version", "open", path, "a newer version of this program wrote it", {
        hint: "Update this program, or choose another home with --home",
      });
    }
    if (version === 0) {
      db.exec(`BEGIN IMMEDIATE; ${schema.sql}; PRAGMA user_version = ${schema.version}; COMMIT;`);
    }
    return db;
  } catch (error) {
    db?.close();
    throw storeErrorFrom(error, "open", path);
  }
}

/** Runs `work` in one transaction, committed when it returns and undone when it throws. */
export function transact<T>(db: DatabaseSync, work: () => T): T {
  db.exec("BEGIN IMMEDIATE");
  try {
    const value = work();
    db.exec("COMMIT");
    return value;
  } catch (error) {
    if (db.isTransaction) db.exec("ROLLBACK");
    throw error;
  }
}
