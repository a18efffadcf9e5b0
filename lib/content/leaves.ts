/**
 * leaves: the hashes of a piece's blocks, for those who have some of the blocks already. Law: they are found a step at a time, and
 * others run in between: who asks for them costs this peer time on one core, and never its attention.  Spec: PROTOCOL.md "LEAVES and
 * LEAF_HASHES".  (I/O through the read that is passed in)
 */

import { setImmediate } from "node:timers";
import type { Bytes } from "../core/bytes.ts";
import type { Content } from "../core/ids.ts";
import { kib, limits } from "../core/limits.ts";
import { leavesBytesFor } from "./manifest.ts";
import { hashBlocks, hashBytes, pieceRange } from "./merkle.ts";

/** What is read and hashed at once: 0.15 ms. */
const stepBytes = 256 * kib;

/** Hashes the blocks of a piece. @throws {ShoalError} As `read`. */
export async function leavesOf(
  content: Content,
  piece: number,
  read: (offset: number, buffer: Uint8Array) => void,
): Promise<Bytes> {
  const { offset, bytes } = pieceRange(content.bytes, piece);
  const leaves = new Uint8Array(leavesBytesFor(content.bytes, piece));
  const buffer = new Uint8Array(Math.min(stepBytes, bytes));
  for (let at = 0; at < bytes; at += stepBytes) {
    const step = buffer.subarray(0, Math.min(stepBytes, bytes - at));
    read(offset + at, step);
    leaves.set(hashBlocks(step), at / limits.blockBytes * hashBytes);
    await new Promise((resolve) => setImmediate(resolve));
  }
  return leaves;
}
