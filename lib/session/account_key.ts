/**
 * account_key: the key that says which devices are an account's. Made by the peer at the first login; the coordinator keeps it
 * sealed under OPAQUE's export key, which it never learns. Laws: 1) the seal is bound to the account's name;  2) a key that
 * does not open is never replaced silently.  Spec: PROTOCOL.md "Account keys".  (pure)
 */

import { createCipheriv, createDecipheriv, hkdfSync } from "node:crypto";
import { type Bytes, bytesEqual, concatBytes, copyBytes, utf8 } from "../core/bytes.ts";
import { type SigningKey, signingKeyFrom } from "./device_key.ts";
import type { Random } from "./random.ts";

const cipher = "chacha20-poly1305";
const tagOption = { authTagLength: 16 };

function sealingKey(exportKey: Uint8Array): Uint8Array {
  return new Uint8Array(hkdfSync("sha256", exportKey, new Uint8Array(0), "shoal v1 account key", 32));
}

/** Seals an account key's seed: nonce (12), seed (32), tag (16): 60 bytes. */
export function sealAccountKey(exportKey: Uint8Array, account: string, key: SigningKey, random: Random): Bytes {
  const nonce = random(12);
  const sealing = createCipheriv(cipher, sealingKey(exportKey), nonce, tagOption);
  sealing.setAAD(utf8(account), { plaintextLength: key.seed.length });
  return concatBytes(nonce, sealing.update(key.seed), sealing.final(), sealing.getAuthTag());
}

/** Opens one, and checks that it is the key of `publicKey`; undefined where it is not, or was sealed for another password or account. */
export function openAccountKey(
  exportKey: Uint8Array,
  account: string,
  stored: { readonly publicKey: Uint8Array; readonly sealed: Uint8Array },
): SigningKey | undefined {
  if (stored.sealed.length !== 60) return undefined;
  const opening = createDecipheriv(cipher, sealingKey(exportKey), stored.sealed.subarray(0, 12), tagOption);
  opening.setAAD(utf8(account), { plaintextLength: 32 });
  opening.setAuthTag(stored.sealed.subarray(44));
  let seed: Uint8Array;
  try {
    seed = concatBytes(opening.update(stored.sealed.subarray(12, 44)), opening.final());
  } catch {
    return undefined; // A wrong tag: altered, or of another password.
  }
  const key = signingKeyFrom(copyBytes(seed));
  return bytesEqual(key.publicKey, stored.publicKey) ? key : undefined;
}

const consonants = "bdfghjklmnprstvz";
const vowels = "aiou";

/**
 * Writes the first 128 bits of SHA-256-like key material as eight pronounceable words, to be read aloud and compared.
 * @see D. Wilkerson, "A Proposal for Proquints" (arXiv:0901.4016).
 */
export function formatFingerprint(publicKey: Uint8Array): string {
  const words: string[] = [];
  for (let at = 0; at < 16; at += 2) {
    const bits = publicKey[at]! << 8 | publicKey[at + 1]!;
    words.push(
      consonants[bits >> 12]! + vowels[bits >> 10 & 3]! + consonants[bits >> 6 & 15]! + vowels[bits >> 4 & 3]! +
        consonants[bits & 15]!,
    );
  }
  return words.join("-");
}
