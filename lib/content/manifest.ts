/**
 * manifest: a content and the piece layer that proves each of its pieces. Laws: 1) a manifest exists only after its
 * layer's root was checked against the content, so whoever holds one can tell any wrong piece, and its sender;
 * 2) layers come from untrusted holders: any bytes give a result, never a throw.  Spec: PROTOCOL.md "MANIFEST".  (pure)
 */

import { type Bytes, bytesEqual, copyBytes } from "../core/bytes.ts";
import { fail, ok, type Result } from "../core/errors.ts";
import { type Content, idBytes } from "../core/ids.ts";
import { limits } from "../core/limits.ts";
import {
  foldLeaves,
  hashBytes,
  hashPiece,
  pieceBytesFor,
  pieceCount,
  type PieceRange,
  pieceRange,
  rootFromLayer,
} from "./merkle.ts";

export interface Manifest {
  readonly content: Content;
  readonly pieceBytes: number;
  readonly pieceCount: number;
  /** The pieces' hashes in order, 32 bytes each; not to be written to. */
  readonly layer: Bytes;
  /** Where piece `index` lies. @throws {RangeError} If there is no such piece. */
  pieceRange(index: number): PieceRange;
  /** Tells whether `bytes` are piece `index`, whole and exact; false for any other bytes and any other index. */
  verifyPiece(index: number, bytes: Uint8Array): boolean;
  /** Tells whether `leaves` are the hashes of piece `index`'s blocks, all of them; false for any other bytes and any other index. */
  verifyLeaves(index: number, leaves: Uint8Array): boolean;
}

/** Bytes of the piece layer of a file of `bytes` bytes: what a holder may send as one, and no more. */
export function layerBytesFor(bytes: number): number {
  return pieceCount(bytes) * hashBytes;
}

/** Bytes of the leaves of piece `index` of a file of `bytes` bytes. @throws {RangeError} If there is no such piece. */
export function leavesBytesFor(bytes: number, index: number): number {
  return Math.ceil(pieceRange(bytes, index).bytes / limits.blockBytes) * hashBytes;
}

/** Checks a received layer against the content that was asked for. The layer is copied. */
export function manifestFrom(content: Content, layer: Uint8Array): Result<Manifest> {
  const { id, bytes } = content;
  if (!Number.isSafeInteger(bytes) || bytes < 0 || bytes > limits.fileBytesMax) return fail("no file has this size");
  if (layer.length !== layerBytesFor(bytes)) return fail("the layer has another length than the size needs");
  if (!bytesEqual(rootFromLayer(layer, bytes), idBytes(id))) return fail("the layer's root is not the content's id");
  const kept = copyBytes(layer);
  const count = pieceCount(bytes);
  const isPiece = (index: number) => Number.isSafeInteger(index) && index >= 0 && index < count;
  const isHash = (index: number, hash: Bytes) =>
    bytesEqual(hash, kept.subarray(index * hashBytes, (index + 1) * hashBytes));
  return ok({
    content,
    pieceBytes: pieceBytesFor(bytes),
    pieceCount: count,
    layer: kept,
    pieceRange: (index) => pieceRange(bytes, index),
    verifyPiece(index, piece) {
      if (!isPiece(index) || piece.length !== pieceRange(bytes, index).bytes) return false;
      return isHash(index, hashPiece(piece, bytes));
    },
    verifyLeaves(index, leaves) {
      if (!isPiece(index) || leaves.length !== leavesBytesFor(bytes, index)) return false;
      return isHash(index, foldLeaves(leaves, bytes));
    },
  });
}
