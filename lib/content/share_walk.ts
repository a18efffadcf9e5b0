/**
 * share_walk: finds what a path that the user named shares. Laws: 1) only regular files are found, and from a folder only
 * those that lie in it: a symbolic link inside counts if it leads to a file of the same folder, one that leads out is
 * skipped, links to folders are never followed;  2) the path itself may be a link to a regular file, which the user then
 * named; a link to a folder is refused, because `share *` must not walk out through one;  3) `.part` files are found only
 * if named themselves;  4) whatever is left out is said.  (I/O: files)
 */

import { basename, resolve } from "node:path";
import { StoreError, storeErrorFrom } from "../core/errors.ts";
import { type SafePath, safePath, unsafeName } from "./safe_path.ts";

/** One file to share, by its real path; or what is left out and why. */
export type Found =
  | {
    readonly kind: "file";
    readonly path: string;
    readonly name: SafePath;
    /** Whether it is what the user named itself, not an entry of a folder. */
    readonly isRoot: boolean;
  }
  | { readonly kind: "skipped"; readonly path: string; readonly reason: string };

/**
 * Walks `path`, in the order of names. A file is named `name`, or as its path ends; a folder's files are named by their
 * relative paths, with "/", below the folder's own name.
 * @throws {StoreError} If `path` is missing, unreadable, or neither file nor folder.
 * @throws {ShoalError} With code `unsafeName`, if the name is one that others could not take.
 */
export async function* walkShare(path: string, name?: string): AsyncGenerator<Found, void, undefined> {
  let real: string;
  let isFolder: boolean;
  try {
    const stat = await Deno.lstat(path);
    real = await Deno.realPath(path);
    const target = stat.isSymlink ? await Deno.stat(real) : stat;
    isFolder = target.isDirectory;
    if (stat.isSymlink && isFolder) {
      throw new StoreError("usage", "share", path, "it is a symbolic link to a folder", {
        hint: "Name the folder itself",
      });
    }
    if (!isFolder && !target.isFile) throw new StoreError("io", "share", path, "it is neither a file nor a folder");
  } catch (error) {
    throw storeErrorFrom(error, "share", path);
  }
  const wanted = name ?? basename(resolve(path));
  const safe = safePath(wanted);
  if (!safe.ok) throw unsafeName(wanted, safe.error);
  if (!isFolder) {
    yield { kind: "file", path: real, name: safe.value, isRoot: true };
    return;
  }
  yield* walkFolder(real, real, safe.value, new Set());
}

/** Walks one folder below `root`. `seen` holds the names found so far, since two spellings of one may lie side by side. */
async function* walkFolder(
  root: string,
  folder: string,
  folderName: SafePath,
  seen: Set<SafePath>,
): AsyncGenerator<Found, void, undefined> {
  const skipped = (path: string, reason: string): Found => ({ kind: "skipped", path, reason });
  let entries: Deno.DirEntry[];
  try {
    entries = await Array.fromAsync(Deno.readDir(folder));
  } catch (error) {
    const failure = storeErrorFrom(error, "list", folder);
    if (folder === root) throw failure;
    yield skipped(folder, failure.message);
    return;
  }
  entries.sort((a, b) => a.name < b.name ? -1 : 1);
  for (const entry of entries) {
    const path = `${folder === "/" ? "" : folder}/${entry.name}`;
    const name = safePath(`${folderName}/${entry.name}`);
    if (!name.ok) {
      yield skipped(path, `its name cannot be shared: ${name.error}`);
    } else if (entry.isDirectory) {
      yield* walkFolder(root, path, name.value, seen);
    } else if (entry.name.endsWith(".part")) {
      yield skipped(path, "it is an unfinished download; share it by its own path if you mean it");
    } else if (seen.has(name.value)) {
      yield skipped(path, "another file has the same name in another Unicode form");
    } else if (entry.isFile) {
      seen.add(name.value);
      yield { kind: "file", path, name: name.value, isRoot: false };
    } else if (entry.isSymlink) {
      const target = await linkTarget(root, path);
      if ("reason" in target) {
        yield skipped(path, target.reason);
      } else {
        seen.add(name.value);
        yield { kind: "file", path: target.path, name: name.value, isRoot: false };
      }
    } else {
      yield skipped(path, "it is not a regular file");
    }
  }
}

/** Follows a symbolic link to the end; only a regular file below `root` is an answer. */
async function linkTarget(
  root: string,
  link: string,
): Promise<{ readonly path: string } | { readonly reason: string }> {
  try {
    const path = await Deno.realPath(link);
    if (!path.startsWith(`${root}/`)) return { reason: "it is a symbolic link that leads out of the shared folder" };
    const stat = await Deno.lstat(path);
    if (!stat.isFile) return { reason: "it is a symbolic link to something other than a file" };
    if (path.endsWith(".part")) return { reason: "it is a symbolic link to an unfinished download" };
    return { path };
  } catch (error) {
    return { reason: storeErrorFrom(error, "follow", link).message };
  }
}
