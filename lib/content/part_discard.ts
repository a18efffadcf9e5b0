/**
 * part_discard: takes away what an unfinished download left: its partial file and its journal. Laws: 1) only a part that the journal
 * names, of the size that is fetched, and a regular file, goes;  2) one that somebody is writing stays, and says so.  (I/O: files)
 */

import { dirname, join } from "node:path";
import { storeErrorFrom } from "../core/errors.ts";
import type { Content } from "../core/ids.ts";
import { Journal } from "./journal.ts";
import { lockedByOther, lstatOrUndefined, openLocked } from "./locked_file.ts";
import type { SafePath } from "./safe_path.ts";
import { numberedName, TargetFolder } from "./target_folder.ts";

/** Which download: as it was opened. */
export interface LeftPart {
  readonly folder: string;
  readonly name: SafePath;
  readonly content: Content;
  readonly journalFolder: string;
}

/**
 * Removes the part and the journal of a download that is not running; nothing, where it left none.
 * @throws {StoreError} With code `exists`, if it is running, here or in another process; `io`, if the disk fails.
 */
export function discardPart({ folder, name, content, journalFolder }: LeftPart): void {
  // Looking must not make the folders.
  if (lstatOrUndefined(dirname(join(folder, name))) === undefined) return;
  const target = TargetFolder.open(folder, name);
  const finalPath = target.pathOf(target.fileName);
  if (!Journal.isThere(journalFolder, finalPath, content)) return;
  const journal = Journal.open(journalFolder, finalPath, content);
  if (journal === undefined) throw lockedByOther(finalPath);
  try {
    if (journal.isResumed) {
      removePart(target.pathOf(`${numberedName(target.fileName, journal.partNumber)}.part`), content);
    }
  } catch (error) {
    journal.close();
    throw error;
  }
  journal.remove();
}

function removePart(path: string, content: Content): void {
  const there = lstatOrUndefined(path);
  if (there === undefined || !there.isFile || there.size !== content.bytes) return;
  const locked = openLocked(path, 0o666);
  if (locked === undefined) throw lockedByOther(path);
  using _file = locked.file;
  try {
    Deno.removeSync(path);
  } catch (error) {
    throw storeErrorFrom(error, "remove", path);
  }
}
