/**
 * backup: a copy of the store as it is now, while it goes on. Laws: 1) under its name it is whole and synced, or not there; a file that
 * is there already stays;  2) only its owner can read it.  (I/O)
 */

import { dirname } from "@std/path";
import { type ErrorCode, type Result, ShoalError, StoreError, storeErrorFrom } from "../../core/errors.ts";
import { startWorker } from "../../core/worker.ts";
import type { StorePlace } from "./store.ts";

/** What goes to the thread, and what comes back. */
export interface BackupCall {
  readonly from: string;
  readonly draft: string;
}
export type BackupReply = Result<
  null,
  { readonly code: ErrorCode; readonly message: string; readonly hint: string | undefined }
>;

/**
 * Writes a backup of a store, whether it is open or not.
 * @param file Absolute.
 * @returns Its size in bytes.
 * @throws {ShoalError} If there is such a file, the disk fails, or the store is a database that has its own way.
 */
export async function backUp(place: StorePlace, file: string): Promise<number> {
  if (typeof place !== "string") {
    throw new ShoalError("usage", `Cannot write ${file}: the store is a PostgreSQL database`, {
      hint: "Run pg_dump on it, and keep the key file of a coordinator with what it writes",
    });
  }
  if (await exists(file)) {
    throw new StoreError("exists", "write", file, "it already exists", { hint: "Choose another name" });
  }
  const draft = `${file}.new`;
  try {
    await removeIfThere(draft); // Left by a crash.
    await copyOnThread({ from: place, draft });
    const { size } = await Deno.stat(draft);
    await Deno.rename(draft, file);
    using folder = await Deno.open(dirname(file), { read: true });
    await folder.sync();
    return size;
  } catch (error) {
    await removeIfThere(draft).catch(() => {}); // The failure before it is the one to tell.
    throw storeErrorFrom(error, "write", file);
  }
}

async function copyOnThread(call: BackupCall): Promise<void> {
  const worker = startWorker(new URL("./backup_worker.ts", import.meta.url));
  try {
    const reply = await new Promise<BackupReply>((resolve, reject) => {
      worker.onmessage = ({ data }: MessageEvent<BackupReply>) => resolve(data);
      worker.onerror = (event) => {
        event.preventDefault();
        reject(new ShoalError("io", `Cannot write ${call.draft}: its thread died (${event.message})`));
      };
      worker.postMessage(call);
    });
    if (reply.ok) return;
    const { code, message, hint } = reply.error;
    throw new ShoalError(code, message, hint === undefined ? {} : { hint });
  } finally {
    worker.terminate();
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.lstat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw storeErrorFrom(error, "read", path);
  }
}

async function removeIfThere(path: string): Promise<void> {
  try {
    await Deno.remove(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
