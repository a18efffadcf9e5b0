/**
 * ids: the identifiers that could be swapped by mistake, branded, and how they are written. A content is the pair
 * (id, bytes): a Merkle root alone also names the 64 bytes left‖right of the tree's top.  (pure)
 */

import { formatHex, parseHex } from "./bytes.ts";

/** 64 lower-case hex digits: a BEP 52 pieces root; for the empty file SHA-256 of nothing. */
export type ContentId = string & { readonly __brand: "ContentId" };

/** 64 lower-case hex digits: a device's Ed25519 public key. A device is its key. */
export type DeviceId = string & { readonly __brand: "DeviceId" };

/** What a file is, apart from its name. Compared as a pair everywhere. */
export interface Content {
  readonly id: ContentId;
  /** Size in bytes, 0 … `limits.fileBytesMax`. */
  readonly bytes: number;
}

/** SHA-256 of nothing: the id of the empty file, to which BEP 52 gives no root. */
export const emptyContentId = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" as ContentId;

/** Parses 64 hex digits as a content id; undefined for anything else. */
export function parseContentId(text: string): ContentId | undefined {
  return /^[0-9a-fA-F]{64}$/.test(text) ? text.toLowerCase() as ContentId : undefined;
}

/** Writes a 32-byte root as a content id. */
export function contentIdFrom(root: Uint8Array): ContentId {
  if (root.length !== 32) throw new RangeError("A content id has 32 bytes");
  return formatHex(root) as ContentId;
}

/** Writes a 32-byte Ed25519 public key as a device id. */
export function deviceIdFrom(publicKey: Uint8Array): DeviceId {
  if (publicKey.length !== 32) throw new RangeError("A device id has 32 bytes");
  return formatHex(publicKey) as DeviceId;
}

/** The 32 bytes of an id. */
export function idBytes(id: ContentId | DeviceId): Uint8Array<ArrayBuffer> {
  return parseHex(id)!;
}

/** A key for maps and sets that tells apart contents with one root and different sizes. */
export function contentKey(content: Content): string {
  return `${content.id}:${content.bytes}`;
}
