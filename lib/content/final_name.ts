/**
 * final_name: what to do about a file that already stands where a download is to appear. Laws: 1) the same content there
 * is the download, done: found by hashing, never by name or time;  2) nothing is overwritten unless asked, and nothing
 * but a file or a link then;  3) `rename` takes "name (1).ext" and so on.  Spec: docs/cli.md "fetch".  (I/O: files)
 */

import { StoreError } from "../core/errors.ts";
import type { Content } from "../core/ids.ts";
import { hashFile } from "./file_hash.ts";
import { isLocked, lockedByOther, lstatOrUndefined } from "./locked_file.ts";
import { numberedName, TargetFolder } from "./target_folder.ts";
import type { SafePath } from "./safe_path.ts";

/** What to do where the name is taken by something else. */
export type OnExists = "refuse" | "overwrite" | "rename";

export interface Destination {
  /** The download folder; made if it is missing. */
  readonly folder: string;
  /** Where in it. */
  readonly name: SafePath;
  readonly content: Content;
  readonly onExists: OnExists;
  readonly signal?: AbortSignal | undefined;
}

/** Numbers that `rename` tries. */
export const nameNumberMax = 999;

/**
 * Looks for the content at its destination, before anything is asked of the network. Answers the path of a file that has
 * it already; undefined if there is something to fetch.
 * @throws {StoreError} With code `exists`, if the name is taken and must stay; `diskFull`, if there is no room.
 */
export async function findFetched(destination: Destination): Promise<string | undefined> {
  const target = TargetFolder.open(destination.folder, destination.name);
  return await findFetchedIn(target, destination);
}

/** As `findFetched`, in a folder that is open already. */
export async function findFetchedIn(
  target: TargetFolder,
  destination: Pick<Destination, "content" | "onExists" | "signal">,
): Promise<string | undefined> {
  const { content, onExists, signal } = destination;
  const last = onExists === "rename" ? nameNumberMax : 0;
  for (let number = 0; number <= last; number++) {
    const path = target.pathOf(numberedName(target.fileName, number));
    const there = lstatOrUndefined(path);
    if (there === undefined) return undefined;
    if (there.isFile && there.size === content.bytes) {
      const hashed = await hashFile(path, { signal });
      if (hashed.content.id === content.id && hashed.content.bytes === content.bytes) return path;
    }
  }
  if (onExists !== "rename") chooseFinalPath(target, onExists);
  return undefined;
}

/**
 * Chooses the path that a finished download gets.
 * @throws {StoreError} With code `exists`, if the name is taken and must stay.
 */
export function chooseFinalPath(target: TargetFolder, onExists: OnExists): string {
  const last = onExists === "rename" ? nameNumberMax : 0;
  for (let number = 0; number <= last; number++) {
    const path = target.pathOf(numberedName(target.fileName, number));
    const there = lstatOrUndefined(path);
    if (there === undefined) return path;
    if (onExists === "overwrite" && there.isSymlink) return path;
    if (onExists === "overwrite" && there.isFile) {
      // It may be the partial file of another download, for "a.part" is a legal name.
      if (isLocked(path)) throw lockedByOther(path);
      return path;
    }
  }
  const path = target.pathOf(target.fileName);
  if (onExists === "overwrite") {
    throw new StoreError("exists", "write", path, "something other than a file has its place");
  }
  throw new StoreError("exists", "write", path, "another file has its place", {
    hint: onExists === "rename" ? "Choose another folder with --dir" : "Run it again with --overwrite or --rename",
  });
}
