/**
 * merkle: the hash tree that names a content, exactly as BitTorrent v2 defines "pieces root", so that any v2 tool can
 * check us. Laws: 1) leaves are SHA-256 of 16 KiB blocks (the last may be shorter), leaves beyond the end are 32 zero
 * bytes, the tree is as high as the file's own blocks need;  2) the piece size follows from the file's size alone and
 * never travels;  3) a root alone names no content: the 64 bytes left‖right of a tree's top have the same root, hence
 * the pair (id, bytes).  Spec: PROTOCOL.md "Content ids and pieces", BEP 52.  (pure)
 */

import { Buffer } from "node:buffer";
import { hash } from "node:crypto";
import type { Bytes } from "../core/bytes.ts";
import { type Content, contentIdFrom, emptyContentId, idBytes } from "../core/ids.ts";
import { limits, mib } from "../core/limits.ts";
import { hashPairs, hashWords } from "./pair_hash.ts";

/** Bytes of a hash in the tree and of each entry of a piece layer. */
export const hashBytes = 32;

/** A file's name-giving tree, cut off at the pieces. */
export interface HashedContent {
  readonly content: Content;
  /** The roots of the pieces in order, 32 bytes each; nothing for an empty file. */
  readonly layer: Bytes;
}

/** Where a piece lies in its file. */
export interface PieceRange {
  readonly offset: number;
  readonly bytes: number;
}

/**
 * Chooses the piece size of a file of `bytes` bytes: the smallest power of two times 256 KiB that gives at most 1,024
 * pieces, and at most 16 MiB. Normative: both sides compute it.
 * @throws {RangeError} If `bytes` is not an integer 0 … `limits.fileBytesMax`.
 */
export function pieceBytesFor(bytes: number): number {
  if (!Number.isSafeInteger(bytes) || bytes < 0 || bytes > limits.fileBytesMax) {
    throw new RangeError(`Not a file size: ${bytes}`);
  }
  let pieceBytes: number = limits.pieceBytesMin;
  while (bytes / pieceBytes > limits.piecesWanted && pieceBytes < limits.pieceBytesMax) pieceBytes *= 2;
  return pieceBytes;
}

/** Counts the pieces of a file of `bytes` bytes: 0 for an empty one, at most 2^20. */
export function pieceCount(bytes: number): number {
  return Math.ceil(bytes / pieceBytesFor(bytes));
}

/** Finds piece `index` of a file of `bytes` bytes. @throws {RangeError} If there is no such piece. */
export function pieceRange(bytes: number, index: number): PieceRange {
  if (!Number.isSafeInteger(index) || index < 0 || index >= pieceCount(bytes)) {
    throw new RangeError(`A file of ${bytes} bytes has no piece ${index}`);
  }
  const pieceBytes = pieceBytesFor(bytes);
  const offset = index * pieceBytes;
  return { offset, bytes: Math.min(pieceBytes, bytes - offset) };
}

/**
 * Hashes one piece of a file of `fileBytes` bytes to its entry in the piece layer: the last piece of several is padded
 * to a whole subtree, a file's only piece to the height that its own blocks need. Four fifths as fast as flat SHA-256.
 * @throws {RangeError} If `piece` is empty or larger than a piece of such a file.
 */
export function hashPiece(piece: Uint8Array, fileBytes: number): Bytes {
  return hashSubtree(piece, layerHeight(fileBytes));
}

/** Hashes the blocks of one piece, or of a part of it that begins with a block: its leaves in the tree, 32 bytes each. */
export function hashBlocks(piece: Uint8Array): Bytes {
  return blocks.read(putBlocks(piece));
}

/**
 * Folds the leaves of one piece to its entry in the piece layer, as `hashPiece` finds it from the bytes. Leaves may come from a liar.
 * @throws {RangeError} If there are none, or more than a piece of such a file has.
 */
export function foldLeaves(leaves: Uint8Array, fileBytes: number): Bytes {
  const height = layerHeight(fileBytes);
  const count = leaves.length / hashBytes;
  if (!Number.isInteger(count) || count === 0 || count > 2 ** height) {
    throw new RangeError(`Not the leaves of a piece: ${leaves.length} bytes`);
  }
  for (let i = 0; i < count; i++) blocks.put(i, leaves.subarray(i * hashBytes, (i + 1) * hashBytes));
  return blocks.fold(count, 0, height);
}

/**
 * Computes the root over a piece layer. The layer may come from a liar; what its root is says whether to believe it.
 * @throws {RangeError} If the layer has not one entry for each piece of a file of `fileBytes` bytes.
 */
export function rootFromLayer(layer: Uint8Array, fileBytes: number): Bytes {
  const count = pieceCount(fileBytes);
  if (layer.length !== count * hashBytes) {
    throw new RangeError(`Not the piece layer of a file of ${fileBytes} bytes: ${layer.length} bytes`);
  }
  if (count === 0) return idBytes(emptyContentId);
  const nodes = new Nodes(count);
  for (let i = 0; i < count; i++) nodes.put(i, layer.subarray(i * hashBytes, (i + 1) * hashBytes));
  const height = layerHeight(fileBytes);
  return nodes.fold(count, height, height + ceilLog2(count));
}

/**
 * Builds a file's piece layer and id from its bytes in order, step by step, so that whoever feeds it can let others run
 * between steps even where pieces are large.
 */
export class LayerBuilder {
  /** What each `add` takes, in bytes; only the file's last step is shorter. At most 1 MiB: 0.7 ms of hashing. */
  readonly stepBytes: number;
  readonly #bytes: number;
  readonly #stepHeight: number;
  readonly #layerHeight: number;
  readonly #stepsPerPiece: number;
  /** The steps of the unfinished piece. */
  readonly #steps: Nodes;
  readonly #layer: Bytes;
  #added = 0;
  #stepCount = 0;
  #layerCount = 0;

  constructor(bytes: number) {
    const pieceBytes = pieceBytesFor(bytes);
    this.#bytes = bytes;
    this.stepBytes = Math.min(pieceBytes, mib);
    this.#layerHeight = layerHeight(bytes);
    this.#stepHeight = Math.min(this.#layerHeight, ceilLog2(this.stepBytes / limits.blockBytes));
    this.#stepsPerPiece = pieceBytes / this.stepBytes;
    this.#steps = new Nodes(this.#stepsPerPiece);
    this.#layer = new Uint8Array(pieceCount(bytes) * hashBytes);
  }

  /** Takes the next step. @throws {RangeError} If it is not exactly the bytes that come next. */
  add(step: Uint8Array): void {
    if (step.length === 0 || step.length !== Math.min(this.stepBytes, this.#bytes - this.#added)) {
      throw new RangeError(`Not the next step of the file: ${step.length} bytes`);
    }
    this.#steps.put(this.#stepCount, hashSubtree(step, this.#stepHeight));
    this.#stepCount++;
    this.#added += step.length;
    if (this.#stepCount < this.#stepsPerPiece && this.#added < this.#bytes) return;
    const piece = this.#steps.fold(this.#stepCount, this.#stepHeight, this.#layerHeight);
    this.#layer.set(piece, this.#layerCount * hashBytes);
    this.#layerCount++;
    this.#stepCount = 0;
  }

  /** Answers the content and its layer. @throws {RangeError} If bytes are still missing. */
  finish(): HashedContent {
    if (this.#added !== this.#bytes) throw new RangeError(`${this.#bytes - this.#added} bytes are still missing`);
    const id = contentIdFrom(rootFromLayer(this.#layer, this.#bytes));
    return { content: { id, bytes: this.#bytes }, layer: this.#layer };
  }
}

/** A row of sibling hashes, held as big-endian words in the way that hashPairs wants them. */
class Nodes {
  readonly #words: Int32Array;
  readonly #bytes: Buffer;

  /** Makes room for `count` hashes, and one of padding. */
  constructor(count: number) {
    this.#words = new Int32Array((count + 1) * hashWords);
    this.#bytes = Buffer.from(this.#words.buffer);
  }

  /** Puts a hash in its place: its bytes or, which is the cheapest form that the one-shot hash answers, its hex digits. */
  put(index: number, hash: Uint8Array | string): void {
    const at = index * hashBytes;
    if (typeof hash === "string") this.#bytes.write(hash, at, "hex");
    else this.#bytes.set(hash, at);
  }

  /** The first `count` hashes as they were put. */
  read(count: number): Bytes {
    return new Uint8Array(this.#bytes.subarray(0, count * hashBytes));
  }

  /**
   * Folds the first `count` hashes to their one ancestor, from one height over the blocks to another; siblings that are
   * missing are subtrees of zeros. What was put is gone then.
   */
  fold(count: number, fromHeight: number, toHeight: number): Bytes {
    toNative(this.#bytes.subarray(0, count * hashBytes));
    for (let height = fromHeight; height < toHeight; height++) {
      if (count % 2 === 1) this.#words.set(zeroHashes[height]!, count * hashWords);
      count = Math.ceil(count / 2);
      hashPairs(this.#words, count);
    }
    const root = this.#bytes.subarray(0, hashBytes);
    toNative(root);
    return new Uint8Array(root);
  }
}

/** Levels between the blocks and the largest possible file's root. */
const heightMax = ceilLog2(limits.fileBytesMax / limits.blockBytes);

/** The root of a subtree of nothing but zero leaves, in words, by its height. */
const zeroHashes: readonly Int32Array[] = (() => {
  const hashes = [new Int32Array(hashWords)];
  for (let height = 0; height < heightMax; height++) {
    const pair = new Int32Array(2 * hashWords);
    pair.set(hashes[height]!);
    pair.set(hashes[height]!, hashWords);
    hashPairs(pair, 1);
    hashes.push(pair.subarray(0, hashWords));
  }
  return hashes;
})();

/** Room for the blocks of the largest piece; hashing is synchronous, so one is enough. */
const blocks = new Nodes(limits.pieceBytesMax / limits.blockBytes);

/** Turns big-endian words into this machine's, and back. */
const toNative = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1
  ? (bytes: Buffer) => bytes.swap32()
  : (bytes: Buffer) => bytes;

/** The height of the piece layer's entries over the blocks. */
function layerHeight(fileBytes: number): number {
  return ceilLog2(Math.ceil(Math.min(pieceBytesFor(fileBytes), fileBytes) / limits.blockBytes));
}

/** Hashes bytes to the root of a subtree of 2^height blocks. */
function hashSubtree(bytes: Uint8Array, height: number): Bytes {
  const count = Math.ceil(bytes.length / limits.blockBytes);
  if (count === 0 || count > 2 ** height) throw new RangeError(`Not a piece: ${bytes.length} bytes`);
  putBlocks(bytes);
  return blocks.fold(count, 0, height);
}

/** Puts the hashes of the blocks of `bytes`, at most the largest piece, into `blocks`; answers their count. */
function putBlocks(bytes: Uint8Array): number {
  const count = Math.ceil(bytes.length / limits.blockBytes);
  for (let i = 0; i < count; i++) {
    const block = bytes.subarray(i * limits.blockBytes, (i + 1) * limits.blockBytes);
    blocks.put(i, hash("sha256", block, "hex"));
  }
  return count;
}

/** The smallest h with 2^h ≥ n, for n up to 2^30. */
function ceilLog2(n: number): number {
  return n <= 1 ? 0 : 32 - Math.clz32(n - 1);
}
