/**
 * share_digest: a 32-byte summary of a device's share list that both ends keep up to date in constant time: the XOR of
 * one hash an entry. It tells whether two lists are the same; a device that forges it fools itself alone.
 * Spec: PROTOCOL.md "Presence and shares".  (pure)
 */

import { hash } from "node:crypto";
import { type Bytes, concatBytes, utf8 } from "../core/bytes.ts";
import { idBytes } from "../core/ids.ts";
import { audienceKinds } from "../core/audience.ts";
import type { ShareEntry } from "../wire/message.ts";

/** The digest of the empty list. */
export function emptyShareDigest(): Bytes {
  return new Uint8Array(32);
}

/**
 * Hashes one entry: SHA-256 of id (32), size (8, big-endian) and the name's UTF-8; where it has a description or is not for everyone then
 * 0, the description, and for an audience 0 and for each member its kind as a digit, its name and 0. None of these texts holds a zero.
 */
export function shareHash({ id, bytes, name, audience, description }: ShareEntry): Uint8Array {
  const size = new Uint8Array(8);
  new DataView(size.buffer).setBigUint64(0, BigInt(bytes));
  const members = audience?.map(({ kind, name }) => `${audienceKinds.indexOf(kind)}${name}\0`).join("");
  const isPlain = audience === null && description === "";
  const text = isPlain ? name : `${name}\0${description}${members === undefined ? "" : `\0${members}`}`;
  return hash("sha256", concatBytes(idBytes(id), size, utf8(text)), "buffer");
}

/** Adds an entry to a digest, or takes it away again: the same operation, in place. */
export function toggleShare(digest: Uint8Array, entry: ShareEntry): void {
  const hashed = shareHash(entry);
  for (let i = 0; i < 32; i++) digest[i]! ^= hashed[i]!;
}
