/**
 * bytes: the few things everybody does to byte arrays. Laws: 1) nothing here allocates more than its answer;
 * 2) comparing secrets is constant-time in the contents.  (pure)
 */

import { Buffer } from "node:buffer";
import { timingSafeEqual } from "node:crypto";

/** A byte array over an ordinary (not shared) buffer, which is what Deno's and node:crypto's types want. */
export type Bytes = Uint8Array<ArrayBuffer>;

/** Joins parts into one new array. */
export function concatBytes(...parts: readonly Uint8Array[]): Bytes {
  let total = 0;
  for (const part of parts) total += part.length;
  const joined = new Uint8Array(total);
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

/** Compares two arrays in time that depends on their lengths alone. */
export function bytesEqual(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}

/** Formats bytes as lower-case hex. */
export function formatHex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex");
}

/** Parses lower- or upper-case hex. Returns undefined unless every character is a hex digit and they come in pairs. */
export function parseHex(text: string): Bytes | undefined {
  if (text.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(text)) return undefined;
  return new Uint8Array(Buffer.from(text, "hex"));
}

/** Encodes text as UTF-8 (`Buffer.from` is several times faster than TextEncoder under Deno). Lone surrogates become U+FFFD. */
export function utf8(text: string): Bytes {
  return Buffer.from(text, "utf8") as unknown as Bytes;
}

/** Copies a view into an array of its own, so that the caller's buffer can be used again. */
export function copyBytes(bytes: Uint8Array): Bytes {
  return new Uint8Array(bytes);
}

/** Combines two equally long arrays by exclusive or, into a new one. */
export function xorBytes(a: Uint8Array, b: Uint8Array): Bytes {
  if (a.length !== b.length) throw new RangeError("Cannot xor arrays of different lengths");
  const out = new Uint8Array(a.length);
  for (let i = 0; i < a.length; i++) out[i] = a[i]! ^ b[i]!;
  return out;
}
