/**
 * locked_file: opens a file that one process, and in it one user, writes at a time. Laws: 1) a symbolic link is never
 * followed, and nothing but a regular file opened;  2) the lock is taken on the file that the path leads to: one that was
 * removed or renamed between opening and locking is not mistaken for it;  3) the lock ends with the file's closing, a
 * SIGKILL included.  (I/O: files)
 */

import { StoreError, storeErrorFrom } from "../core/errors.ts";

/** An open file under an exclusive lock. Closing it releases the lock. */
export interface LockedFile {
  readonly file: Deno.FsFile;
  /** Whether it was made just now. */
  readonly isFresh: boolean;
}

/** A file can only be swapped under us so often before something is wrong. */
const attemptsMax = 10;

/**
 * Opens `path` for reading and writing, making it with `mode` (less the umask) if it is missing; undefined if somebody
 * else has it locked.
 * @throws {StoreError} If it cannot, or if something other than a regular file is there.
 */
export function openLocked(path: string, mode: number): LockedFile | undefined {
  try {
    for (let attempt = 0; attempt < attemptsMax; attempt++) {
      const opened = openOnce(path, mode);
      if (opened === undefined) continue;
      if (!opened.file.tryLockSync(true)) {
        opened.file.close();
        return undefined;
      }
      if (isOpenAt(opened.file, path)) return opened;
      opened.file.close();
    }
  } catch (error) {
    throw storeErrorFrom(error, "open", path);
  }
  throw new StoreError("io", "open", path, "it is replaced all the time");
}

/** Tells whether somebody has the file at `path` locked. One that may not be read cannot be told, and is not. */
export function isLocked(path: string): boolean {
  try {
    using file = Deno.openSync(path);
    return !file.tryLockSync(true);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.PermissionDenied) return false;
    throw storeErrorFrom(error, "open", path);
  }
}

/** The error for a file that somebody else has locked: only downloads lock files. */
export function lockedByOther(path: string): StoreError {
  return new StoreError("exists", "write", path, "another fetch is writing it now", {
    hint: "Wait until it is done, or end it",
  });
}

/** Tells whether `path` still leads to the open file. */
export function isOpenAt(file: Deno.FsFile, path: string): boolean {
  const there = lstatOrUndefined(path);
  const here = file.statSync();
  return there !== undefined && there.dev === here.dev && there.ino === here.ino;
}

/** What is at `path`, without following a link; undefined if nothing is. */
export function lstatOrUndefined(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.lstatSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw storeErrorFrom(error, "open", path);
  }
}

/** Opens what is there or makes what is not; undefined if it came or went meanwhile. */
function openOnce(path: string, mode: number): LockedFile | undefined {
  const there = lstatOrUndefined(path);
  if (there !== undefined && !there.isFile) {
    throw new StoreError("exists", "open", path, "it is not a regular file", { hint: "Move it away" });
  }
  const isFresh = there === undefined;
  try {
    return { file: Deno.openSync(path, { read: true, write: true, createNew: isFresh, mode }), isFresh };
  } catch (error) {
    const isRace = isFresh ? error instanceof Deno.errors.AlreadyExists : error instanceof Deno.errors.NotFound;
    if (isRace) return undefined;
    throw error;
  }
}
