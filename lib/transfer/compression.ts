/**
 * compression: the bytes of one DATA frame as one zstd frame, and back. Laws: 1) what is sent fits the window that every reader has, a
 * frame's own size;  2) a reader believes no size that a frame tells: window and result are bounded before a byte of either is kept;
 * 3) what is not the whole of what was promised, or more, is nothing.  Spec: PROTOCOL.md "ZDATA".  (pure, but for the clock that tells
 * how long this thread has compressed)
 */

import { constants, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { limits } from "../core/limits.ts";

/** Level 1 makes a log as small as the default, 3, does, and code a tenth larger, in two thirds of the time and less. */
const level = 1;
const windowLog = Math.log2(limits.frameBytesMax);

const compressing = { [constants.ZSTD_c_compressionLevel]: level, [constants.ZSTD_c_windowLog]: windowLog };
const decompressing = { [constants.ZSTD_d_windowLogMax]: windowLog };

/** The platform takes no smaller buffer. */
const chunkBytesMin = 64;

let spentMs = 0;

/** How long this thread has compressed so far, for whomever, in milliseconds. */
export function compressedForMs(): number {
  return spentMs;
}

/** Compresses at most `frameBytesMax` bytes. */
export function compress(bytes: Uint8Array): Uint8Array {
  const fromMs = performance.now();
  const packed = zstdCompressSync(bytes, { params: compressing });
  spentMs += performance.now() - fromMs;
  return packed;
}

/** Decompresses what must become exactly `bytes` bytes; undefined if it does not. */
export function decompress(packed: Uint8Array, bytes: number): Uint8Array | undefined {
  try {
    // One buffer of the right size. With room left in it the platform would not look at what follows the frame.
    const options = { maxOutputLength: bytes, chunkSize: Math.max(chunkBytesMin, bytes), params: decompressing };
    const whole = zstdDecompressSync(packed, options);
    return whole.length === bytes ? whole : undefined;
  } catch {
    // Junk, cut short, of a larger window, or more than was promised.
    return undefined;
  }
}
