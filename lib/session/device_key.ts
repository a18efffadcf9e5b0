/**
 * device_key: Ed25519 keys (RFC 8032) of devices and accounts, made from 32-byte seeds. Laws: 1) every signature is over a named
 * context, so that none made for one purpose serves another;  2) seeds stay in the process and in 0600 files.  (pure)
 */

import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from "node:crypto";
import { type Bytes, concatBytes, copyBytes, utf8 } from "../core/bytes.ts";

/** PKCS #8 and SubjectPublicKeyInfo prefixes of Ed25519 (RFC 8410 §7, §4): the 32 key bytes follow. */
const pkcs8Prefix = new Uint8Array([0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20]);
const spkiPrefix = new Uint8Array([0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0]);

/** A private Ed25519 key and its public half. */
export interface SigningKey {
  readonly seed: Bytes;
  /** 32 bytes. */
  readonly publicKey: Bytes;
  readonly privateKey: KeyObject;
}

/** Makes the key of a 32-byte seed. */
export function signingKeyFrom(seed: Uint8Array): SigningKey {
  if (seed.length !== 32) throw new RangeError("A seed has 32 bytes");
  const privateKey = createPrivateKey({ key: pkcs8From(seed) as never, format: "der", type: "pkcs8" });
  const spki = createPublicKey(privateKey).export({ format: "der", type: "spki" });
  return { seed: copyBytes(seed), publicKey: copyBytes(spki.subarray(spkiPrefix.length)), privateKey };
}

/** The PKCS #8 form (DER) of a seed, as TLS libraries want it. */
export function pkcs8From(seed: Uint8Array): Bytes {
  return concatBytes(pkcs8Prefix, seed);
}

/** What is signed: the context's name, a zero byte, and the parts, each with its length so that no two lists read alike. */
function contextBytes(context: string, parts: readonly Uint8Array[]): Bytes {
  const framed: Uint8Array[] = [utf8(context), new Uint8Array(1)];
  for (const part of parts) {
    const length = new Uint8Array(4);
    new DataView(length.buffer).setUint32(0, part.length);
    framed.push(length, part);
  }
  return concatBytes(...framed);
}

/** Signs parts under a named context; 64 bytes. */
export function signContext(key: SigningKey, context: string, ...parts: readonly Uint8Array[]): Bytes {
  return copyBytes(sign(null, contextBytes(context, parts), key.privateKey));
}

/** Verifies such a signature; false for anything malformed. */
export function verifyContext(
  publicKey: Uint8Array,
  signature: Uint8Array,
  context: string,
  ...parts: readonly Uint8Array[]
): boolean {
  if (publicKey.length !== 32 || signature.length !== 64) return false;
  try {
    const key = createPublicKey({ key: concatBytes(spkiPrefix, publicKey) as never, format: "der", type: "spki" });
    return verify(null, contextBytes(context, parts), key, signature);
  } catch {
    // A point that is no key: the signature cannot be right.
    return false;
  }
}
