/**
 * reuse: takes blocks of a content that is fetched out of other files on this disk, from the very place where the content has them.
 * Laws: 1) nothing that a file says counts before it was hashed against the content's own tree, and files may change at any time;
 * 2) no file is read ahead of the pieces that are asked for, so that one that has nothing in common costs little and memory does not
 * grow with the file;  3) a file that cannot be read is left out.  (I/O: files)
 */

import { type Bytes, bytesEqual } from "../core/bytes.ts";
import { StoreError } from "../core/errors.ts";
import { limits } from "../core/limits.ts";
import type { Manifest } from "./manifest.ts";
import { hashBlocks, hashBytes, type PieceRange } from "./merkle.ts";
import { RegularFile } from "./regular_file.ts";

/** Pieces without a block in common before some are not looked at, and how many are left out at most before the next look. */
const missesFree = 4;
const skippedMax = 64;

/** What files here have in the place of one piece. */
export interface PieceHere {
  readonly index: number;
  /** The whole piece, right as it is; undefined, if no file has that. Good until the next look. */
  readonly whole: Bytes | undefined;
  /** The files' blocks. */
  readonly blocks: readonly FileBlocks[];
}

/** What one file has in the place of a piece. */
interface FileBlocks {
  readonly file: RegularFile;
  readonly leaves: Bytes;
}

/** Blocks that a file has, at their place in the content. */
interface BlocksHere extends PieceRange {
  readonly file: RegularFile;
}

/** How a piece is put together. */
export interface PiecePlan {
  /** What is not here, in order; neighbours are one. */
  readonly missing: readonly PieceRange[];
  readonly here: readonly BlocksHere[];
}

export class Reuse implements Disposable {
  readonly #manifest: Manifest;
  readonly #files: Set<RegularFile>;
  readonly #buffer: Bytes;
  /** Pieces in a row that had nothing in common, and how many are still left out for that. */
  #misses = 0;
  #skip = 0;

  private constructor(manifest: Manifest, files: readonly RegularFile[]) {
    this.#manifest = manifest;
    this.#files = new Set(files);
    this.#buffer = new Uint8Array(Math.min(manifest.pieceBytes, manifest.content.bytes));
  }

  /** Opens the files that can be read; undefined if there are none. */
  static open(paths: readonly string[], manifest: Manifest): Reuse | undefined {
    const files = paths.flatMap((path) => {
      try {
        return RegularFile.open(path);
      } catch (error) {
        if (!(error instanceof StoreError)) throw error;
        return [];
      }
    });
    return files.length === 0 ? undefined : new Reuse(manifest, files);
  }

  /** Looks at what is here in the place of a piece; undefined if there is nothing, or if it is not worth a look. */
  async look(index: number): Promise<PieceHere | undefined> {
    if (this.#skip > 0) {
      this.#skip--;
      return undefined;
    }
    const { offset, bytes } = this.#manifest.pieceRange(index);
    const blocks: FileBlocks[] = [];
    for (const file of this.#files) {
      const found = this.#buffer.subarray(0, await this.#read(file, offset, this.#buffer.subarray(0, bytes)));
      if (found.length === 0) continue;
      const leaves = hashBlocks(found);
      blocks.push({ file, leaves });
      if (found.length < bytes || !this.#manifest.verifyLeaves(index, leaves)) continue;
      this.#noteHit();
      return { index, whole: found, blocks };
    }
    return blocks.length === 0 ? undefined : { index, whole: undefined, blocks };
  }

  /** Plans how a piece is put together. @param leaves The hashes of its blocks, which were checked. */
  plan({ index, blocks }: PieceHere, leaves: Bytes): PiecePlan {
    const { offset, bytes } = this.#manifest.pieceRange(index);
    const missing: PieceRange[] = [];
    const here: BlocksHere[] = [];
    for (let at = 0; at < leaves.length; at += hashBytes) {
      const from = at / hashBytes * limits.blockBytes;
      const block = { offset: offset + from, bytes: Math.min(limits.blockBytes, bytes - from) };
      const has = blocks.find((one) =>
        bytesEqual(one.leaves.subarray(at, at + hashBytes), leaves.subarray(at, at + hashBytes))
      );
      if (has === undefined) append(missing, block);
      else append(here, { ...block, file: has.file });
    }
    if (here.length > 0) this.#noteHit();
    else this.#noteMiss();
    return { missing, here };
  }

  /** Reads the blocks that are here into a buffer of the whole piece, which is to be hashed then: the files may have changed. */
  async fill(index: number, { here }: PiecePlan, piece: Bytes): Promise<void> {
    const { offset } = this.#manifest.pieceRange(index);
    for (const { file, offset: from, bytes } of here) {
      await this.#read(file, from, piece.subarray(from - offset, from - offset + bytes));
    }
  }

  [Symbol.dispose](): void {
    for (const file of this.#files) file.close();
    this.#files.clear();
  }

  /** Answers how many bytes came; none of a file that cannot be read, which is left out from then on. */
  async #read(file: RegularFile, offset: number, buffer: Bytes): Promise<number> {
    if (!this.#files.has(file)) return 0;
    try {
      return await file.readAhead(offset, buffer);
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      this.#files.delete(file);
      file.close();
      return 0;
    }
  }

  #noteHit(): void {
    this.#misses = this.#skip = 0;
  }

  #noteMiss(): void {
    this.#misses++;
    if (this.#misses >= missesFree) this.#skip = Math.min(skippedMax, 2 ** (this.#misses - missesFree));
  }
}

/** Adds a range behind the last one, or makes that longer. */
function append<T extends PieceRange & { readonly file?: RegularFile }>(ranges: T[], range: T): void {
  const last = ranges.at(-1);
  const isNeighbour = last !== undefined && last.offset + last.bytes === range.offset && last.file === range.file;
  if (isNeighbour) ranges[ranges.length - 1] = { ...last, bytes: last.bytes + range.bytes };
  else ranges.push(range);
}
