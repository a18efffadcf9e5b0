/**
 * noise_ik: the handshake Noise_IK_25519_ChaChaPoly_SHA256 of the Noise Protocol Framework, revision 34: who begins knows the other's
 * static key, and shows its own under it. Laws: 1) the first message proves nothing fresh by itself: what must be fresh belongs into
 * the prologue;  2) bytes that do not open give undefined and change nothing;  3) each private ephemeral key serves one handshake.
 * Spec: PROTOCOL.md "Login by key".  @see Noise §5, §7.5  (pure, randomness passed in)
 *
 *     ← s                        known before
 *     → e, es, s, ss, payload    32 + 48 + n + 16 bytes
 *     ← e, ee, se, payload       32 + n + 16 bytes
 */

import { createCipheriv, createDecipheriv, createHash, hkdfSync } from "node:crypto";
import { type Bytes, concatBytes, copyBytes, utf8 } from "../core/bytes.ts";
import { agree, type DhKey } from "./dh_key.ts";

const protocolName = "Noise_IK_25519_ChaChaPoly_SHA256";
const cipher = "chacha20-poly1305";
const tagOption = { authTagLength: 16 };
const keyBytes = 32;
const tagBytes = 16;
const nothing = new Uint8Array(0);
/** Each key of this handshake seals once, under the nonce 0. */
const nonce = new Uint8Array(12);

/** What both sides have in the end. */
export interface Established {
  /** The hash of all that was said: 32 bytes that name this handshake. */
  readonly hash: Bytes;
  readonly toResponder: Bytes;
  readonly toInitiator: Bytes;
}

/** The first message, and how the second one is read. */
export interface Initiated {
  readonly message: Bytes;
  /** Reads the answer; undefined where it is not by the owner of the static key that was meant, or to another message. */
  readonly read: (message: Uint8Array) => { readonly payload: Bytes; readonly established: Established } | undefined;
}

/** A first message that opened. */
export interface Received {
  readonly payload: Bytes;
  /** Who says to have begun; proven fresh by what comes under the keys. */
  readonly remoteStatic: Bytes;
  /** Makes the answer; undefined where no key can be agreed on. `ephemeral`: a new one. */
  readonly answer: (
    ephemeral: DhKey,
    payload: Uint8Array,
  ) => { readonly message: Bytes; readonly established: Established } | undefined;
}

/**
 * Begins a handshake with the owner of `remoteStatic`; undefined where no key can be agreed on with it.
 * @param keys `ephemeral`: a new one.
 */
export function initiate(
  prologue: Uint8Array,
  { own, ephemeral, remoteStatic }: {
    readonly own: DhKey;
    readonly ephemeral: DhKey;
    readonly remoteStatic: Uint8Array;
  },
  payload: Uint8Array,
): Initiated | undefined {
  const state = new SymmetricState(prologue, remoteStatic);
  state.mixHash(ephemeral.publicKey);
  if (!state.mixKey(agree(ephemeral, remoteStatic))) return undefined;
  const sealedStatic = state.seal(own.publicKey);
  if (!state.mixKey(agree(own, remoteStatic))) return undefined;
  const message = concatBytes(ephemeral.publicKey, sealedStatic, state.seal(payload));
  return {
    message,
    read(answer) {
      if (answer.length < keyBytes + tagBytes) return undefined;
      const after = state.clone(); // A forged answer must not spoil the genuine one.
      const remoteEphemeral = answer.subarray(0, keyBytes);
      after.mixHash(remoteEphemeral);
      if (!after.mixKey(agree(ephemeral, remoteEphemeral))) return undefined;
      if (!after.mixKey(agree(own, remoteEphemeral))) return undefined;
      const opened = after.open(answer.subarray(keyBytes));
      return opened && { payload: opened, established: after.split() };
    },
  };
}

/** Reads a first message to the owner of `own`; undefined where it does not open. Takes two agreements at the most. */
export function receive(prologue: Uint8Array, own: DhKey, message: Uint8Array): Received | undefined {
  const staticEnd = keyBytes + keyBytes + tagBytes;
  if (message.length < staticEnd + tagBytes) return undefined;
  const state = new SymmetricState(prologue, own.publicKey);
  const remoteEphemeral = copyBytes(message.subarray(0, keyBytes));
  state.mixHash(remoteEphemeral);
  if (!state.mixKey(agree(own, remoteEphemeral))) return undefined;
  const remoteStatic = state.open(message.subarray(keyBytes, staticEnd));
  if (remoteStatic === undefined || !state.mixKey(agree(own, remoteStatic))) return undefined;
  const payload = state.open(message.subarray(staticEnd));
  if (payload === undefined) return undefined;
  return {
    payload,
    remoteStatic,
    answer(ephemeral, told) {
      const after = state.clone();
      after.mixHash(ephemeral.publicKey);
      if (!after.mixKey(agree(ephemeral, remoteEphemeral))) return undefined;
      if (!after.mixKey(agree(ephemeral, remoteStatic))) return undefined;
      const message = concatBytes(ephemeral.publicKey, after.seal(told));
      return { message, established: after.split() };
    },
  };
}

/** Noise §5.2, with the CipherState of §5.1 in it. */
class SymmetricState {
  #hash: Bytes;
  #chainingKey: Bytes;
  #key: Bytes = nothing;

  constructor(prologue: Uint8Array, responderStatic: Uint8Array) {
    // A name of 32 bytes is its own hash.
    this.#hash = copyBytes(utf8(protocolName));
    this.#chainingKey = this.#hash;
    this.mixHash(prologue);
    this.mixHash(responderStatic);
  }

  mixHash(data: Uint8Array): void {
    this.#hash = new Uint8Array(createHash("sha256").update(this.#hash).update(data).digest());
  }

  /** False where there was nothing agreed on. */
  mixKey(shared: Uint8Array | undefined): boolean {
    if (shared === undefined) return false;
    [this.#chainingKey, this.#key] = this.#derive(shared);
    return true;
  }

  seal(plaintext: Uint8Array): Bytes {
    const sealing = createCipheriv(cipher, this.#key, nonce, tagOption);
    sealing.setAAD(this.#hash, { plaintextLength: plaintext.length });
    const sealed = concatBytes(sealing.update(plaintext), sealing.final(), sealing.getAuthTag());
    this.mixHash(sealed);
    return sealed;
  }

  open(sealed: Uint8Array): Bytes | undefined {
    const split = sealed.length - tagBytes;
    const opening = createDecipheriv(cipher, this.#key, nonce, tagOption);
    opening.setAAD(this.#hash, { plaintextLength: split });
    opening.setAuthTag(sealed.subarray(split));
    let plaintext: Bytes;
    try {
      plaintext = concatBytes(opening.update(sealed.subarray(0, split)), opening.final());
    } catch {
      return undefined; // A wrong tag.
    }
    this.mixHash(sealed);
    return plaintext;
  }

  split(): Established {
    const [toResponder, toInitiator] = this.#derive(nothing);
    return { hash: this.#hash, toResponder, toInitiator };
  }

  clone(): SymmetricState {
    const copy = new SymmetricState(nothing, nothing);
    // Each of these is replaced, never changed.
    copy.#hash = this.#hash;
    copy.#chainingKey = this.#chainingKey;
    copy.#key = this.#key;
    return copy;
  }

  /** HKDF of Noise §4.3, which is RFC 5869 without an info. */
  #derive(input: Uint8Array): [Bytes, Bytes] {
    const both = new Uint8Array(hkdfSync("sha256", input, this.#chainingKey, nothing, 64));
    return [both.slice(0, 32), both.slice(32)];
  }
}
