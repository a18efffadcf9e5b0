/**
 * shared_source: reads a shared file for those who fetch it. Laws: 1) a byte is answered only if the file, after it was
 * read, still is what was hashed at SHARE (size, mtime, ctime, inode) and its path still leads to it; since both are
 * compared with the time of SHARE, that holds for any change before the read as well;  2) otherwise `changed`, which is
 * nobody's fault: the holder announces anew;  3) a path that was swapped for a symbolic link since is never followed.
 * (I/O: files)
 */

import { ContentError, ShoalError } from "../core/errors.ts";
import { sameStamp } from "./file_stamp.ts";
import type { SharedFile } from "./library.ts";
import { RegularFile } from "./regular_file.ts";

export class SharedSource implements Disposable {
  readonly file: SharedFile;
  readonly #file: RegularFile;

  private constructor(file: SharedFile, opened: RegularFile) {
    this.file = file;
    this.#file = opened;
  }

  /**
   * Opens a shared file.
   * @throws {ContentError} With code `changed`, if it is no longer what was shared.
   * @throws {StoreError} If it cannot be read.
   */
  static open(file: SharedFile): SharedSource {
    let opened: RegularFile;
    try {
      opened = RegularFile.open(file.path);
    } catch (error) {
      const isGone = error instanceof ShoalError && error.code === "notFound";
      throw isGone || !isRegular(file.path) ? changed(file, error) : error;
    }
    const source = new SharedSource(file, opened);
    try {
      source.#check();
      return source;
    } catch (error) {
      opened.close();
      throw error;
    }
  }

  /**
   * Reads into all of `buffer` from `offset` on.
   * @throws {ContentError} With code `changed`, if the file is no longer what was shared; the buffer's bytes are then void.
   * @throws {RangeError} If the range leaves the file.
   * @throws {StoreError} If the disk fails.
   */
  read(offset: number, buffer: Uint8Array): void {
    if (!Number.isSafeInteger(offset) || offset < 0 || offset + buffer.length > this.file.content.bytes) {
      throw new RangeError(`No range of this file: ${offset} … ${offset + buffer.length}`);
    }
    if (this.#file.read(offset, buffer) < buffer.length) throw changed(this.file);
    this.#check();
  }

  #check(): void {
    const stamp = this.#file.stamp();
    if (stamp === undefined || !sameStamp(stamp, this.file.stamp)) throw changed(this.file);
  }

  /** Safe to call twice. */
  close(): void {
    this.#file.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

function isRegular(path: string): boolean {
  try {
    return Deno.lstatSync(path).isFile;
  } catch {
    return false;
  }
}

function changed(file: SharedFile, cause?: unknown): ContentError {
  return new ContentError("changed", `Cannot serve ${file.path}: it is no longer the file that was shared`, {
    contentId: file.content.id,
    cause,
  });
}
