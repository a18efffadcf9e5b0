/**
 * audit_command: `coordinator audit`: what the audit log of a data folder holds, the oldest first, whether its coordinator runs or not.
 * Law: a line that is no entry is passed over: a crash may have cut it.  (I/O: files)
 */

import { storeErrorFrom } from "../core/errors.ts";
import { escapeName } from "../core/escape.ts";
import { auditPaths } from "./audit.ts";
import { dataPaths } from "./data_folder.ts";

/** One entry as it was written. */
export interface StoredEntry {
  readonly time: string;
  readonly event: string;
  readonly [field: string]: unknown;
}

/**
 * Reads the entries from a time on.
 * @param sinceMs Milliseconds since 1970; 0 for all.
 * @throws {StoreError} If there is no such folder, or a file cannot be read.
 */
export function* readAudit(dataFolder: string, sinceMs: number): Iterable<StoredEntry> {
  try {
    Deno.statSync(dataFolder);
  } catch (error) {
    throw storeErrorFrom(error, "read the audit log of", dataFolder);
  }
  for (const path of auditPaths(dataPaths(dataFolder).audit).reverse()) {
    for (const line of readLines(path)) {
      const entry = parseEntry(line);
      if (entry !== undefined && Date.parse(entry.time) >= sinceMs) yield entry;
    }
  }
}

/** Formats an entry for people: names are somebody's own, so they are escaped. */
export function formatEntryText({ time, event, ...fields }: StoredEntry): string {
  const words = Object.entries(fields).map(([name, value]) => `${escapeName(name)}=${escapeName(String(value))}`);
  return [escapeName(time), escapeName(event), ...words].join(" ");
}

function parseEntry(line: string): StoredEntry | undefined {
  try {
    const entry = JSON.parse(line) as Partial<StoredEntry> | null;
    if (typeof entry?.time === "string" && typeof entry.event === "string") return entry as StoredEntry;
  } catch {
    // Cut by a crash.
  }
  return undefined;
}

function readLines(path: string): readonly string[] {
  try {
    return Deno.readTextFileSync(path).split("\n").filter((line) => line !== "");
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw storeErrorFrom(error, "read", path);
  }
}
