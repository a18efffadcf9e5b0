/**
 * dh_key: X25519 keys (RFC 7748), made from 32 secret bytes, and what two of them agree on. Laws: 1) a point of low order, with which
 * everybody agrees on the same, agrees on nothing;  2) a device's is derived from its Ed25519 seed, so that one file is
 * the whole device.  Spec: PROTOCOL.md "Login by key".  (pure)
 */

import { createPrivateKey, createPublicKey, diffieHellman, hkdfSync, type KeyObject } from "node:crypto";
import { type Bytes, concatBytes, copyBytes } from "../core/bytes.ts";
import type { SigningKey } from "./device_key.ts";

/** PKCS #8 and SubjectPublicKeyInfo prefixes of X25519 (RFC 8410 §7, §4): the 32 key bytes follow. */
const pkcs8Prefix = new Uint8Array([0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x6e, 4, 0x22, 4, 0x20]);
const spkiPrefix = new Uint8Array([0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x6e, 3, 0x21, 0]);

/** A private X25519 key and its public half. */
export interface DhKey {
  /** 32 bytes. */
  readonly publicKey: Bytes;
  readonly privateKey: KeyObject;
}

/** Makes the key of 32 secret bytes. */
export function dhKeyFrom(secret: Uint8Array): DhKey {
  if (secret.length !== 32) throw new RangeError("An X25519 secret has 32 bytes");
  const der = concatBytes(pkcs8Prefix, secret);
  const privateKey = createPrivateKey({ key: der as never, format: "der", type: "pkcs8" });
  const spki = createPublicKey(privateKey).export({ format: "der", type: "spki" });
  return { publicKey: copyBytes(spki.subarray(spkiPrefix.length)), privateKey };
}

/** The key by which a device logs in. */
export function deviceLoginKey(device: SigningKey): DhKey {
  return dhKeyFrom(new Uint8Array(hkdfSync("sha256", device.seed, new Uint8Array(0), "shoal v1 device login", 32)));
}

/** The 32 bytes on which two keys agree; undefined where the public one is of low order. */
export function agree({ privateKey }: DhKey, publicKey: Uint8Array): Uint8Array | undefined {
  const spki = concatBytes(spkiPrefix, publicKey);
  try {
    const key = createPublicKey({ key: spki as never, format: "der", type: "spki" });
    const shared = diffieHellman({ privateKey, publicKey: key });
    return shared.every((byte) => byte === 0) ? undefined : shared;
  } catch {
    return undefined; // The library refuses an agreement on zeros by itself.
  }
}
