/**
 * small_files: many downloads of one piece each on their way to disk, without a journal for each. Laws: 1) only bytes that the caller
 * has verified are written;  2) a final name appears by one rename, after its file is whole and, with `sync`, on the disk; who may write
 * to the folder can replace it before as after;  3) whatever is out of the ordinary (a name that is taken, a disk that is full) is left
 * to PartFile, which chooses or says what is wrong;  4) what a crash leaves is taken away by the next run (small_leftovers).
 * (I/O: files)
 */

import { existsSync } from "node:fs";
import { type ShoalError, StoreError, storeErrorFrom } from "../core/errors.ts";
import type { Content } from "../core/ids.ts";
import { hashFile } from "./file_hash.ts";
import { lstatOrUndefined } from "./locked_file.ts";
import type { SafePath } from "./safe_path.ts";
import { SmallLeftovers } from "./small_leftovers.ts";
import { TargetFolder } from "./target_folder.ts";

/** Where a content is to appear. */
export interface SmallTarget {
  /** Absolute. */
  readonly folder: string;
  readonly path: SafePath;
  readonly content: Content;
  /** Whether file and name are to survive a loss of power once they are finished. */
  readonly sync: boolean;
}

/** A file that is written and has not its name yet. */
export interface SmallPart<T extends SmallTarget> {
  readonly target: T;
  /** Open where it is to be synced. */
  readonly file: Deno.FsFile | undefined;
  readonly folder: TargetFolder;
  readonly partPath: string;
  readonly finalPath: string;
}

/** A file that has its name; or why it has not. */
export interface FinishedSmall<T extends SmallTarget> {
  readonly target: T;
  readonly result: string | ShoalError;
}

/** A folder that files appear in. */
interface SeenFolder {
  readonly target: TargetFolder;
  /** Whether there was nothing in it when it was seen first: no place in it is taken then. */
  readonly wasEmpty: boolean;
}

export class SmallFiles<T extends SmallTarget> implements Disposable {
  readonly #leftovers: SmallLeftovers;
  /** The folders that files appear in, by their paths. */
  readonly #folders = new Map<string, SeenFolder>();

  /** @throws {StoreError} If the list of what is being written cannot be made in `journalFolder`. */
  constructor(journalFolder: string) {
    this.#leftovers = SmallLeftovers.begin(journalFolder);
  }

  /**
   * Looks at the place of a file: the path of one that has the content already, "free" where there is nothing.
   * @throws {StoreError} `exists`, where there is something else; and what PartFile would.
   */
  async look({ folder, path, content }: T, signal: AbortSignal): Promise<{ readonly there: string } | "free"> {
    const seen = this.#folderOf(folder, path);
    if (seen.wasEmpty) return "free";
    const finalPath = this.#finalPath(folder, path);
    const found = lstatOrUndefined(finalPath);
    if (found === undefined) return "free";
    if (found.isFile && found.size === content.bytes) {
      const hashed = await hashFile(finalPath, { signal });
      if (hashed.content.id === content.id) return { there: finalPath };
    }
    throw taken(finalPath);
  }

  /** Notes files that are to be written. @throws {StoreError} If the disk fails. */
  announce(targets: readonly T[]): void {
    this.#leftovers.note(targets.map(({ folder, path }) => this.#partPath(this.#finalPath(folder, path))));
  }

  /** Writes all of a file that was announced, under its partial name. @throws {StoreError} If the disk fails. */
  write(target: T, bytes: Uint8Array): SmallPart<T> {
    const finalPath = this.#finalPath(target.folder, target.path);
    const partPath = this.#partPath(finalPath);
    const folder = this.#folderOf(target.folder, target.path).target;
    let file: Deno.FsFile | undefined;
    try {
      if (target.sync) file = writeOpen(partPath, bytes);
      else Deno.writeFileSync(partPath, bytes, { createNew: true });
      return { target, file, folder, partPath, finalPath };
    } catch (error) {
      if (!(error instanceof Deno.errors.AlreadyExists)) removeQuietly(partPath);
      throw storeErrorFrom(error, "write", partPath);
    }
  }

  /** Gives files their names, those that are to be synced after they are on the disk. Answers for each, and closes it. */
  async finish(parts: readonly SmallPart<T>[]): Promise<readonly FinishedSmall<T>[]> {
    const failed = new Map<SmallPart<T>, ShoalError>();
    await Promise.all(parts.map(async (part) => {
      try {
        await part.file?.syncData();
      } catch (error) {
        failed.set(part, storeErrorFrom(error, "sync", part.partPath));
      }
    }));
    // From here on nothing waits, so that nothing else of this process comes between.
    const folders = new Map<TargetFolder, ShoalError | undefined>();
    for (const { folder } of parts) if (!folders.has(folder)) folders.set(folder, faultOf(() => folder.check()));
    const results = parts.map((part) => {
      const fault = failed.get(part) ?? folders.get(part.folder) ?? faultOf(() => giveName(part));
      if (fault === undefined) part.file?.close();
      else this.drop(part);
      return { target: part.target, result: fault ?? part.finalPath };
    });
    const synced = new Set(parts.filter(({ target }) => target.sync).map(({ folder }) => folder));
    const unsynced = new Map([...synced].map((folder) => [folder, faultOf(() => folder.sync())]));
    return results.map(({ target, result }, i) => ({ target, result: unsynced.get(parts[i]!.folder) ?? result }));
  }

  /** Takes a file back that will not be finished. */
  drop({ file, partPath }: SmallPart<T>): void {
    file?.close();
    removeQuietly(partPath);
  }

  /** All that was written is finished or dropped by then. */
  [Symbol.dispose](): void {
    this.#leftovers[Symbol.dispose]();
  }

  #finalPath(folder: string, path: SafePath): string {
    return this.#folderOf(folder, path).target.pathOf(path.slice(path.lastIndexOf("/") + 1));
  }

  #partPath(finalPath: string): string {
    return `${finalPath}${this.#leftovers.suffix}`;
  }

  #folderOf(folder: string, path: SafePath): SeenFolder {
    const key = `${folder}\0${path.slice(0, path.lastIndexOf("/") + 1)}`;
    let seen = this.#folders.get(key);
    if (seen === undefined) {
      const target = TargetFolder.open(folder, path);
      this.#folders.set(key, seen = { target, wasEmpty: isEmpty(target.path) });
    }
    return seen;
  }
}

/** @throws {ShoalError} If the name was taken meanwhile, or the file is gone. */
function giveName({ partPath, finalPath }: SmallPart<SmallTarget>): void {
  try {
    // A link that leads nowhere is not seen by this, which takes a tenth of the time of a look that does; `look` saw it.
    if (existsSync(finalPath)) throw taken(finalPath);
    Deno.renameSync(partPath, finalPath);
  } catch (error) {
    throw storeErrorFrom(error, "finish", partPath);
  }
}

/** Whether there is nothing in a folder; not, if that cannot be seen. */
function isEmpty(path: string): boolean {
  try {
    for (const _ of Deno.readDirSync(path)) return false;
    return true;
  } catch {
    return false;
  }
}

function taken(path: string): StoreError {
  return new StoreError("exists", "write", path, "another file has its place");
}

function writeOpen(path: string, bytes: Uint8Array): Deno.FsFile {
  const file = Deno.openSync(path, { write: true, createNew: true });
  try {
    for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
    return file;
  } catch (error) {
    file.close();
    throw error;
  }
}

function removeQuietly(path: string): void {
  try {
    Deno.removeSync(path);
  } catch {
    // Nothing more can be done about it here.
  }
}

/** What a step throws. */
function faultOf(step: () => void): ShoalError | undefined {
  try {
    step();
    return undefined;
  } catch (error) {
    return storeErrorFrom(error, "finish", "");
  }
}
