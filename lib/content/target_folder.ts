/**
 * target_folder: the folder in which a download appears, and what keeps it the one that was meant. Laws: 1) the way from
 * the download folder to the file leads through real folders alone, never a symbolic link;  2) each is remembered and
 * looked at again before a name is made final, so that a parent swapped meanwhile is noticed. Deno cannot open relative to
 * a folder, so between the last look and the rename a local attacker who may write there has microseconds.  (I/O: files)
 */

import { resolve } from "node:path";
import { StoreError, storeErrorFrom } from "../core/errors.ts";
import type { SafePath } from "./safe_path.ts";

interface KnownFolder {
  readonly path: string;
  readonly device: number;
  readonly inode: number;
}

export class TargetFolder {
  /** Where the file appears: absolute, without symbolic links. */
  readonly path: string;
  /** The name's last component. */
  readonly fileName: string;
  readonly #known: readonly KnownFolder[];

  private constructor(known: readonly KnownFolder[], fileName: string) {
    this.#known = known;
    this.path = known[known.length - 1]!.path;
    this.fileName = fileName;
  }

  /**
   * Makes the folders that `name` needs below the download folder (which the user chose, so it may be a link itself).
   * @throws {StoreError} If one cannot be made, is no folder, or is a symbolic link.
   */
  static open(downloadFolder: string, name: SafePath): TargetFolder {
    const components = name.split("/");
    const fileName = components.pop()!;
    try {
      makeFolder(downloadFolder);
      let path = Deno.realPathSync(resolve(downloadFolder));
      const known = [look(path)];
      for (const component of components) {
        path = childOf(path, component);
        try {
          Deno.mkdirSync(path);
        } catch (error) {
          if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
        }
        known.push(look(path));
      }
      return new TargetFolder(known, fileName);
    } catch (error) {
      throw storeErrorFrom(error, "use the folder", downloadFolder);
    }
  }

  /** The absolute path of a file here. */
  pathOf(fileName: string): string {
    return childOf(this.path, fileName);
  }

  /** Looks at every folder on the way again. @throws {StoreError} If one was swapped. */
  check(): void {
    for (const folder of this.#known) {
      const now = look(folder.path);
      if (now.device !== folder.device || now.inode !== folder.inode) {
        throw new StoreError("io", "use the folder", folder.path, "it was replaced meanwhile");
      }
    }
  }

  /** Makes what happened in the folder survive a loss of power. */
  sync(): void {
    if (Deno.build.os === "windows") return; // A folder cannot be opened there, and NTFS journals its names.
    try {
      using folder = Deno.openSync(this.path);
      folder.syncSync();
    } catch (error) {
      throw storeErrorFrom(error, "sync", this.path);
    }
  }
}

/** Numbers a file name as people know it: "name (1).ext"; 0 is the name itself. */
export function numberedName(fileName: string, number: number): string {
  if (number === 0) return fileName;
  const dot = fileName.lastIndexOf(".");
  const stem = dot > 0 ? fileName.slice(0, dot) : fileName;
  return `${stem} (${number})${fileName.slice(stem.length)}`;
}

/** Makes a folder with its parents. @throws {StoreError} If a file has its place. */
function makeFolder(path: string): void {
  try {
    Deno.mkdirSync(path, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    throw new StoreError("exists", "use the folder", path, "it is not a folder", { cause: error });
  }
}

function childOf(folder: string, component: string): string {
  return folder.endsWith("/") ? `${folder}${component}` : `${folder}/${component}`;
}

function look(path: string): KnownFolder {
  let stat: Deno.FileInfo;
  try {
    stat = Deno.lstatSync(path);
  } catch (error) {
    throw storeErrorFrom(error, "use the folder", path);
  }
  if (stat.isSymlink) {
    throw new StoreError("io", "use the folder", path, "it is a symbolic link", {
      hint: "Remove the link or choose another folder with --dir",
    });
  }
  if (!stat.isDirectory) throw new StoreError("exists", "use the folder", path, "it is not a folder");
  return { path, device: stat.dev, inode: stat.ino ?? 0 };
}
