/**
 * file_hash: takes a file on disk to its content id and piece layer. Laws: 1) the answer is of one state of the file:
 * one that changes while it is hashed is refused;  2) other work runs between steps of at most 1 MiB, and the next step
 * is read meanwhile.  (I/O: files)
 */

import { setImmediate } from "node:timers";
import { ContentError, StoreError } from "../core/errors.ts";
import { limits } from "../core/limits.ts";
import { type FileStamp, sameStamp } from "./file_stamp.ts";
import { type HashedContent, LayerBuilder } from "./merkle.ts";
import { RegularFile } from "./regular_file.ts";

export interface HashOptions {
  /** Aborting rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Called after each step of at most 1 MiB, and before the first. */
  readonly onProgress?: ((doneBytes: number, totalBytes: number) => void) | undefined;
}

export interface HashedFile extends HashedContent {
  /** What the file looked like before and after. */
  readonly stamp: FileStamp;
}

/**
 * A write in the same tick of the kernel's clock (at most 10 ms) as an earlier one leaves no trace in the times. A file
 * that was written this recently is given that long first, so that any later write shows.
 */
const settleMs = 20;

/**
 * Hashes the file at `path`.
 * @throws {StoreError} If it cannot be read, is no regular file, or is larger than `limits.fileBytesMax`.
 * @throws {ContentError} With code `changed`, if it changed meanwhile.
 */
export async function hashFile(path: string, options: HashOptions = {}): Promise<HashedFile> {
  const { signal, onProgress } = options;
  using file = RegularFile.open(path);
  if (Math.abs(Date.now() - (file.stamp()?.mtimeMs ?? 0)) < settleMs) {
    await new Promise((resolve) => setTimeout(resolve, settleMs));
  }
  const stamp = file.stamp();
  if (stamp === undefined) throw changed(path);
  const { bytes } = stamp;
  if (bytes > limits.fileBytesMax) throw new StoreError("limit", "hash", path, "it is larger than 16 TiB");

  const builder = new LayerBuilder(bytes);
  const { stepBytes } = builder;
  const stepAt = (buffer: Uint8Array, offset: number) => buffer.subarray(0, Math.min(buffer.length, bytes - offset));
  let current = new Uint8Array(Math.min(stepBytes, bytes));
  let next = new Uint8Array(bytes > stepBytes ? stepBytes : 0);
  let reading = file.readAhead(0, current);
  for (let offset = 0; offset < bytes; offset += stepBytes) {
    const step = stepAt(current, offset);
    // Awaited before anything may throw: the file must not be closed under a read. And a read that is done at once
    // would let nobody else have a turn.
    const [count] = await Promise.all([reading, new Promise((resolve) => setImmediate(resolve))]);
    signal?.throwIfAborted();
    onProgress?.(offset, bytes);
    if (count < step.length) throw changed(path);
    const nextOffset = offset + stepBytes;
    if (nextOffset < bytes) reading = file.readAhead(nextOffset, stepAt(next, nextOffset));
    builder.add(step);
    [current, next] = [next, current];
  }
  await reading;
  onProgress?.(bytes, bytes);
  const after = file.stamp();
  if (after === undefined || !sameStamp(after, stamp)) throw changed(path);
  return { ...builder.finish(), stamp };
}

function changed(path: string): ContentError {
  return new ContentError("changed", `Cannot hash ${path}: it changed meanwhile`, {
    hint: "Run the same command again when nothing writes to the file",
  });
}
