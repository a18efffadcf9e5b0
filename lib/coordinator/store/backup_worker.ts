/**
 * backup_worker: the thread behind backup.ts. Law: it reads what is committed as it begins, by a connection of its own, while the
 * store goes on writing.  (a worker's entry)
 */

import { backup, DatabaseSync } from "node:sqlite";
import { storeErrorFrom } from "../../core/errors.ts";
import { sqliteError } from "./sqlite_database.ts";
import type { BackupCall, BackupReply } from "./backup.ts";

/** More than a database has. */
const pagesMax = 2 ** 31 - 1;

declare const self: { onmessage: (event: MessageEvent<BackupCall>) => void; postMessage(reply: BackupReply): void };

self.onmessage = async ({ data: { from, draft } }) => {
  try {
    await copy(from, draft);
    self.postMessage({ ok: true, value: null });
  } catch (error) {
    const { code, message, hint } = storeErrorFrom(sqliteError(error, "write", draft), "write", draft);
    self.postMessage({ ok: false, error: { code, message, hint } });
  }
};

async function copy(from: string, draft: string): Promise<void> {
  // SQLite writes into an empty file that is there, which is ours alone to read.
  using file = Deno.openSync(draft, { createNew: true, read: true, write: true, mode: 0o600 });
  const db = new DatabaseSync(from, { readOnly: true });
  try {
    // All in one step: between two, a write by the store would make it begin anew.
    await backup(db, draft, { rate: pagesMax });
  } finally {
    db.close();
  }
  file.syncSync();
}
