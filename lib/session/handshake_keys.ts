/**
 * handshake_keys: a session's keys from its login. Law: both sides derive them from OPAQUE's session key salted with the hash of every
 * cleartext byte of the handshake.  Spec: PROTOCOL.md "Login".  (pure)
 */

import { createHash, hkdfSync } from "node:crypto";
import type { Bytes } from "../core/bytes.ts";
import type { SessionKeys } from "./sealed_channel.ts";

/** Hashes a handshake's cleartext datagrams: START, REPLY, and KE3. */
export function transcriptHash(start: Uint8Array, reply: Uint8Array, ke3: Uint8Array): Bytes {
  return new Uint8Array(createHash("sha256").update(start).update(reply).update(ke3).digest());
}

/** Derives the session's keys (HKDF-SHA256, RFC 5869): salt is the transcript's hash, one info text a direction. */
export function deriveSessionKeys(sessionKey: Uint8Array, transcript: Uint8Array): SessionKeys {
  const derive = (info: string) => new Uint8Array(hkdfSync("sha256", sessionKey, transcript, info, 32));
  return { toCoordinator: derive("shoal v1 to coordinator"), toPeer: derive("shoal v1 to peer") };
}
