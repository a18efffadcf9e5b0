/**
 * hash_worker: the other thread of piece_check: hashes pieces in the order in which they come, and gives their buffers back. It is started
 * by piece_check alone.  (I/O: messages)
 */

import type { Bytes } from "../core/bytes.ts";
import { hashPiece } from "../content/merkle.ts";

/** A piece to hash: `bytes` bytes at the start of the buffer, of a file of `fileBytes`. The buffer is transferred. */
export interface HashRequest {
  readonly buffer: ArrayBuffer;
  readonly bytes: number;
  readonly fileBytes: number;
}

/** The piece's entry in the layer, and its buffer back; answers come in the order of requests. */
export interface HashAnswer {
  readonly hash: Bytes;
  readonly buffer: ArrayBuffer;
}

/** What the worker says: first null, that it is there. */
export type HashMessage = HashAnswer | null;

/** What a worker's global scope has, of which the default types know nothing. */
interface WorkerScope {
  onmessage: (event: MessageEvent<HashRequest>) => void;
  postMessage(message: HashMessage, transfer: readonly ArrayBuffer[]): void;
}

const scope = globalThis as unknown as WorkerScope;
scope.onmessage = ({ data: { buffer, bytes, fileBytes } }) => {
  const hash = hashPiece(new Uint8Array(buffer, 0, bytes), fileBytes);
  scope.postMessage({ hash, buffer }, [buffer]);
};
scope.postMessage(null, []);
