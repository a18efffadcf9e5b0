/**
 * proofs: every statement that a key of this system signs, in one place. Each has its context's name; none can be mistaken for
 * another.  Spec: PROTOCOL.md "Signatures".  (pure)
 */

import { type Bytes, utf8 } from "../core/bytes.ts";
import { type DeviceId, idBytes } from "../core/ids.ts";
import { signContext, type SigningKey, verifyContext } from "./device_key.ts";

const contexts = {
  start: "shoal v1 start",
  auth: "shoal v1 auth",
  device: "shoal v1 device of account",
  transfer: "shoal v1 transfer",
} as const;

/** A known device asks to log in: over the cookie (fresh, bound to the address), the account and KE1. */
export function proveStart(device: SigningKey, cookie: Uint8Array, account: string, ke1: Uint8Array): Bytes {
  return signContext(device, contexts.start, cookie, utf8(account), ke1);
}

export function verifyStart(
  deviceId: DeviceId,
  signature: Uint8Array,
  cookie: Uint8Array,
  account: string,
  ke1: Uint8Array,
): boolean {
  return verifyContext(idBytes(deviceId), signature, contexts.start, cookie, utf8(account), ke1);
}

/** A device takes part in this login: over the hash of its transcript, and the key by which it logs in from now on. */
export function proveAuth(device: SigningKey, transcript: Uint8Array, loginKey: Uint8Array): Bytes {
  return signContext(device, contexts.auth, transcript, loginKey);
}

export function verifyAuth(
  deviceId: DeviceId,
  signature: Uint8Array,
  transcript: Uint8Array,
  loginKey: Uint8Array,
): boolean {
  return verifyContext(idBytes(deviceId), signature, contexts.auth, transcript, loginKey);
}

/** An account says that a device is its own: over the account's name and the device's key. */
export function signDevice(accountKey: SigningKey, account: string, deviceId: DeviceId): Bytes {
  return signContext(accountKey, contexts.device, utf8(account), idBytes(deviceId));
}

export function verifyDevice(
  accountPublicKey: Uint8Array,
  signature: Uint8Array,
  account: string,
  deviceId: DeviceId,
): boolean {
  return verifyContext(accountPublicKey, signature, contexts.device, utf8(account), idBytes(deviceId));
}

/**
 * A fetching device opens a transfer: over the SHA-256 of the holder's certificate (so that it serves at no other holder), the
 * holder's nonce (so that it serves once) and the ticket.
 */
export function proveTransfer(
  device: SigningKey,
  certificateHash: Uint8Array,
  nonce: Uint8Array,
  ticket: Uint8Array,
): Bytes {
  return signContext(device, contexts.transfer, certificateHash, nonce, ticket);
}

export function verifyTransfer(
  deviceId: DeviceId,
  signature: Uint8Array,
  certificateHash: Uint8Array,
  nonce: Uint8Array,
  ticket: Uint8Array,
): boolean {
  return verifyContext(idBytes(deviceId), signature, contexts.transfer, certificateHash, nonce, ticket);
}
