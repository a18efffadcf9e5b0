/**
 * piece_check: who hashes the pieces that fetches receive. Hashing takes as long as receiving; beside it, on another thread, a large file
 * arrives a fifth faster (measured on two cores). Small files are not worth the way there.  (I/O: starts a worker)
 */

import { type Bytes, bytesEqual } from "../core/bytes.ts";
import { mib } from "../core/limits.ts";
import { startWorker } from "../core/worker.ts";
import type { Manifest } from "../content/manifest.ts";
import { hashBytes } from "../content/merkle.ts";
import type { HashAnswer, HashMessage, HashRequest } from "./hash_worker.ts";

/**
 * Tells whether `piece` is piece `index`; it begins at its buffer's start. The whole buffer belongs to the check until it settles, and
 * comes back with the answer, maybe as another object: it may have been on another thread meanwhile.
 */
export type PieceCheck = (manifest: Manifest, index: number, piece: Bytes) => Promise<CheckedPiece>;

export interface CheckedPiece {
  readonly isRight: boolean;
  readonly piece: Bytes;
}

/** From this size of a file on its pieces go to the other thread. */
const elsewhereFromBytes = 32 * mib;

/** Hashes on the calling thread. */
export const checkPieceHere: PieceCheck = (manifest, index, piece) =>
  Promise.resolve({ isRight: manifest.verifyPiece(index, piece), piece });

/** Hashes the pieces of all fetches of a process; disposed of when none runs any more. */
export class PieceChecker implements Disposable {
  #worker: Worker | undefined;
  /** Starting it takes a while, in which pieces are hashed here. */
  #isReady = false;
  /** Where no worker can be started (its module is not there), all is hashed here. */
  #isBroken = false;
  /** Whom the worker owes an answer, in order. */
  readonly #owed: { readonly resolve: (answer: HashAnswer) => void; readonly reject: (error: Error) => void }[] = [];

  readonly check: PieceCheck = async (manifest, index, piece) => {
    const isWorth = manifest.content.bytes >= elsewhereFromBytes && !this.#isBroken;
    if (isWorth) this.#worker ??= this.#start();
    if (!isWorth || !this.#isReady) return await checkPieceHere(manifest, index, piece);
    const bytes = piece.length;
    const { hash, buffer } = await this.#hash({ buffer: piece.buffer, bytes, fileBytes: manifest.content.bytes });
    const expected = manifest.layer.subarray(index * hashBytes, (index + 1) * hashBytes);
    return { isRight: bytesEqual(hash, expected), piece: new Uint8Array(buffer, 0, bytes) };
  };

  /** Ends the other thread; checks that run reject. */
  [Symbol.dispose](): void {
    this.#end(new Error("Cannot check a piece: the program ends"));
  }

  #hash(request: HashRequest): Promise<HashAnswer> {
    return new Promise((resolve, reject) => {
      this.#owed.push({ resolve, reject });
      this.#worker!.postMessage(request, [request.buffer]);
    });
  }

  #start(): Worker {
    const worker = startWorker(new URL("./hash_worker.ts", import.meta.url));
    worker.onmessage = ({ data }: MessageEvent<HashMessage>) => {
      if (data === null) this.#isReady = true;
      else this.#owed.shift()?.resolve(data);
    };
    worker.onerror = (event) => {
      event.preventDefault();
      this.#isBroken = true;
      this.#end(new Error(`Cannot check a piece: the hashing thread failed: ${event.message}`));
    };
    return worker;
  }

  #end(error: Error): void {
    this.#worker?.terminate();
    this.#worker = undefined;
    this.#isReady = false;
    for (const { reject } of this.#owed.splice(0)) reject(error);
  }
}
