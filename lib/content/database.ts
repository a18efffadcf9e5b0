/**
 * database: opens an SQLite file of the peer's own. Laws: 1) the folder is 0700 and the file 0600: what somebody shares
 * is nobody else's business;  2) an older schema becomes the present one, a newer one is refused and left as it is;  3) a migration,
 * once released, never changes.  (I/O: files)
 */

import { DatabaseSync } from "node:sqlite";
import { newerSchema, storeErrorFrom } from "../core/errors.ts";

export interface Schema {
  /** The n-th takes schema n (SQLite's user_version, 0 in a new file) to n + 1. */
  readonly migrations: readonly string[];
  /** FULL: a commit is synced before it returns. NORMAL: the last commits may be lost with the power, never the file. */
  readonly synchronous: "FULL" | "NORMAL";
}

/** Opens `folder/fileName`, making both if need be. @throws {StoreError} If it cannot, or a newer program wrote it. */
export function openDatabase(folder: string, fileName: string, schema: Schema): DatabaseSync {
  const path = `${folder}/${fileName}`;
  let db: DatabaseSync | undefined;
  try {
    Deno.mkdirSync(folder, { recursive: true, mode: 0o700 });
    Deno.openSync(path, { write: true, create: true, mode: 0o600 }).close();
    db = new DatabaseSync(path);
    const found = Number(db.prepare("PRAGMA user_version").get()?.["user_version"]);
    const present = schema.migrations.length;
    if (found > present) throw newerSchema(path, found, present);
    db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = ${schema.synchronous};`);
    if (found < present) {
      const steps = [...schema.migrations.slice(found), `PRAGMA user_version = ${present}`];
      transact(db, () => steps.forEach((step) => db!.exec(step)));
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
