/**
 * regular_file: reads a file of ours that others may write to, truncate or swap meanwhile. Laws: 1) only a regular file
 * is opened, never through a symbolic link at its last component, and never a pipe that would block;  2) `stamp` speaks
 * for the bytes read before it: it is of the open file, and undefined once the path leads elsewhere.  (I/O: files)
 */

import * as fs from "node:fs";
import { StoreError, storeErrorFrom } from "../core/errors.ts";
import { type FileStamp, stampFrom } from "./file_stamp.ts";

/** Absent on Windows, where a reparse point is found by lstat alone. */
const openFlags = fs.constants.O_RDONLY | (fs.constants.O_NOFOLLOW ?? 0) | (fs.constants.O_NONBLOCK ?? 0);

export class RegularFile implements Disposable {
  readonly path: string;
  readonly #fd: number;
  readonly #device: number;
  readonly #inode: number;
  #closed = false;

  private constructor(path: string, fd: number, stat: fs.Stats) {
    this.path = path;
    this.#fd = fd;
    this.#device = stat.dev;
    this.#inode = stat.ino;
  }

  /** Opens `path`. @throws {StoreError} If it is missing, unreadable, or no regular file. */
  static open(path: string): RegularFile {
    try {
      if (!Deno.lstatSync(path).isFile) throw new StoreError("io", "read", path, "it is not a regular file");
      const fd = fs.openSync(path, openFlags);
      const stat = fs.fstatSync(fd);
      if (stat.isFile()) return new RegularFile(path, fd, stat);
      fs.closeSync(fd);
      throw new StoreError("io", "read", path, "it is not a regular file");
    } catch (error) {
      throw storeErrorFrom(error, "read", path);
    }
  }

  /** Takes the file's stamp; undefined if the path no longer leads to the open file. */
  stamp(): FileStamp | undefined {
    try {
      // While the file is open its inode cannot be used for another one, so this is the same file or none of ours.
      const stat = Deno.lstatSync(this.path);
      if (stat.dev !== this.#device || (stat.ino ?? 0) !== this.#inode) return undefined;
      return stampFrom(stat);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return undefined;
      throw storeErrorFrom(error, "read", this.path);
    }
  }

  /**
   * Reads into all of `buffer` from `offset` on, at once: the fastest way for what the page cache has. Returns the count,
   * less than the buffer's length only at the end of the file.
   */
  read(offset: number, buffer: Uint8Array): number {
    try {
      let count = 0;
      while (count < buffer.length) {
        const got = fs.readSync(this.#fd, buffer, count, buffer.length - count, offset + count);
        if (got === 0) break;
        count += got;
      }
      return count;
    } catch (error) {
      throw storeErrorFrom(error, "read", this.path);
    }
  }

  /** As `read`, on another thread. The buffer and the file belong to the read until the promise settles. */
  async readAhead(offset: number, buffer: Uint8Array): Promise<number> {
    try {
      let count = 0;
      while (count < buffer.length) {
        const got = await readOnThread(this.#fd, buffer, count, buffer.length - count, offset + count);
        if (got === 0) break;
        count += got;
      }
      return count;
    } catch (error) {
      throw storeErrorFrom(error, "read", this.path);
    }
  }

  /** Safe to call twice. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    fs.closeSync(this.#fd);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

function readOnThread(fd: number, buffer: Uint8Array, at: number, length: number, position: number): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.read(fd, buffer, at, length, position, (error, count) => error ? reject(error) : resolve(count ?? 0));
  });
}
