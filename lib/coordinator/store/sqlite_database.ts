/**
 * sqlite_database: opens the file behind the store. Laws: 1) one connection, WAL, synchronous=FULL: a commit is an fsync;  2) a file
 * that was not closed is checked before it is used;  3) what SQLite throws becomes a StoreError here.
 */

import { DatabaseSync } from "node:sqlite";
import { type ErrorCode, ShoalError, StoreError, storeErrorFrom } from "../../core/errors.ts";
import { checkSchema, migrate } from "./sqlite_schema.ts";

/**
 * Opens a database file, making it (mode 0600) or bringing it to the present schema if need be, with an empty table `online`.
 * @throws {StoreError} If it is damaged, of a newer schema, another program's, or the disk fails.
 */
export function openDatabase(path: string): DatabaseSync {
  try {
    const existed = createPrivately(path);
    const unclean = existed && fileExists(`${path}-wal`);
    const db = new DatabaseSync(path, { enableForeignKeyConstraints: true });
    try {
      db.exec("PRAGMA busy_timeout = 5000");
      checkSchema(db, path);
      db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
      // 32 MiB of cache: with twice that, searches of a million names take as long, for the system has the file in memory too. The log is
      // written back every 32 MiB, which a burst of shares gains a third by.
      db.exec("PRAGMA temp_store = MEMORY; PRAGMA cache_size = -32768; PRAGMA wal_autocheckpoint = 8000");
      db.exec("PRAGMA journal_size_limit = 67108864");
      if (unclean) checkWhole(db, path);
      migrate(db);
      db.exec("CREATE TEMP TABLE online (device INTEGER PRIMARY KEY) STRICT");
      return db;
    } catch (error) {
      db.close();
      throw error;
    }
  } catch (error) {
    throw sqliteError(error, "open", path);
  }
}

/** Turns what SQLite threw into a StoreError. Its result codes do not always come along, its messages do (sqlite3_errstr). */
export function sqliteError(error: unknown, operation: string, path: string): ShoalError {
  if (error instanceof ShoalError) return error;
  const text = error instanceof Error ? error.message : String(error);
  const because = (code: ErrorCode, reason: string, hint?: string) =>
    new StoreError(code, operation, path, reason, { cause: error, ...(hint === undefined ? {} : { hint }) });
  if (/database or disk is full/.test(text)) return because("diskFull", "the disk is full", "Free some space");
  if (/database (table )?is locked/.test(text)) return because("io", "another program uses it");
  if (/readonly database/.test(text)) return because("io", "it is read-only");
  if (/not a database|malformed/.test(text)) {
    return because(
      "integrity",
      "it is damaged or no database",
      "Restore it from a backup, or move it away to begin anew",
    );
  }
  return storeErrorFrom(error, operation, path);
}

/** Makes the file if it is not there, readable by its owner alone; tells whether it was there. */
function createPrivately(path: string): boolean {
  try {
    Deno.openSync(path, { createNew: true, write: true, mode: 0o600 }).close();
    return false;
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return true;
    throw error;
  }
}

function fileExists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** @throws {StoreError} If the pages do not fit together. */
function checkWhole(db: DatabaseSync, path: string): void {
  const found = String(db.prepare("PRAGMA quick_check(1)").get()!.quick_check);
  if (found !== "ok") {
    throw new StoreError("integrity", "open", path, `it is damaged (${found})`, {
      hint: "Restore it from a backup, or move it away to begin anew",
    });
  }
}
