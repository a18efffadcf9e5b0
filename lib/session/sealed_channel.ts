/**
 * sealed_channel: one end of a session: seals payloads to the other end and opens what comes from it. Laws: 1) one key a
 * direction; the nonce is the packet number and is never used twice;  2) a packet opens once (replay window);  3) failure
 * changes nothing and says nothing.  ChaCha20-Poly1305 (RFC 8439). Spec: PROTOCOL.md "Sealing".  (pure)
 */

import type { Buffer } from "node:buffer";
import { createCipheriv, createDecipheriv } from "node:crypto";
import type { Bytes } from "../core/bytes.ts";
import { envelopeSizes, finishHeader, writeSealedHeader } from "../wire/envelope.ts";
import { ReplayWindow } from "./replay_window.ts";

const cipher = "chacha20-poly1305";
const keyBytes = 32;
const tagOption = { authTagLength: envelopeSizes.tag };

/** The two keys of a session, each 32 bytes. */
export interface SessionKeys {
  readonly toCoordinator: Uint8Array;
  readonly toPeer: Uint8Array;
}

const nonce = new Uint8Array(12);

/** The nonce of a packet number, in the one buffer that ciphers copy it from: this runs twice a datagram. */
function nonceOf(packetNumber: number): Uint8Array {
  for (let i = 11, rest = packetNumber; i >= 4; i--, rest = Math.floor(rest / 256)) nonce[i] = rest % 256;
  return nonce;
}

const cipherKey = new Uint8Array(keyBytes);

/** The key that begins there, likewise: a view of it would cost more than the copy. */
function keyAt(state: Uint8Array, from: number): Uint8Array {
  for (let i = 0; i < keyBytes; i++) cipherKey[i] = state[from + i]!;
  return cipherKey;
}

/** What a datagram opens to. */
export interface Opened {
  /** Copy what is kept for long: it lies in memory that is larger. */
  readonly payload: Bytes;
  /** Whether this is the highest packet number so far: only such a packet may move a session to a new address. */
  readonly newest: boolean;
}

export class SealedChannel {
  readonly sessionId: bigint;
  /** Bytes that a channel keeps its state in: the key to seal with, the key to open with, the window's ring. */
  static readonly stateBytes = 2 * keyBytes + ReplayWindow.bytes;

  #state: Uint8Array = new Uint8Array(SealedChannel.stateBytes);
  readonly #window = new ReplayWindow(this.#state, 2 * keyBytes);
  #nextPacketNumber = 0;

  constructor(sessionId: bigint, keys: SessionKeys, side: "peer" | "coordinator") {
    this.sessionId = sessionId;
    this.#state.set(side === "peer" ? keys.toCoordinator : keys.toPeer);
    this.#state.set(side === "peer" ? keys.toPeer : keys.toCoordinator, keyBytes);
  }

  /** Goes on in the first bytes of an array whose others are the caller's: where there are many, each array less counts. */
  moveTo(bytes: Uint8Array): void {
    bytes.set(this.#state.subarray(0, SealedChannel.stateBytes));
    this.#state = bytes;
    this.#window.moveTo(bytes);
  }

  /** Seals a payload into a SEALED datagram under the next packet number. */
  seal(payload: Uint8Array): Bytes {
    const packetNumber = this.#nextPacketNumber++;
    const datagram = new Uint8Array(envelopeSizes.sealedHeader + payload.length + envelopeSizes.tag);
    writeSealedHeader(datagram, this.sessionId, BigInt(packetNumber));
    return this.#sealInto(datagram, envelopeSizes.sealedHeader, packetNumber, payload);
  }

  /** Seals a payload into a FINISH datagram, which carries KE3 in its authenticated header. */
  sealFinish(ke3: Uint8Array, payload: Uint8Array): Bytes {
    const packetNumber = this.#nextPacketNumber++;
    const header = finishHeader(this.sessionId, BigInt(packetNumber), ke3);
    const datagram = new Uint8Array(header.length + payload.length + envelopeSizes.tag);
    datagram.set(header);
    return this.#sealInto(datagram, header.length, packetNumber, payload);
  }

  /** Fills a datagram that has its header. */
  #sealInto(datagram: Bytes, headerBytes: number, packetNumber: number, payload: Uint8Array): Bytes {
    const sealing = createCipheriv(cipher, keyAt(this.#state, 0), nonceOf(packetNumber), tagOption);
    sealing.setAAD(datagram.subarray(0, headerBytes), { plaintextLength: payload.length });
    datagram.set(sealing.update(payload), headerBytes);
    sealing.final();
    datagram.set(sealing.getAuthTag(), headerBytes + payload.length);
    return datagram;
  }

  /** Opens a SEALED or FINISH datagram of this session. Returns undefined for a replay and for anything not authentic. */
  open(
    envelope: { readonly packetNumber: bigint; readonly header: Uint8Array; readonly sealed: Uint8Array },
  ): Opened | undefined {
    if (envelope.packetNumber > BigInt(Number.MAX_SAFE_INTEGER)) return undefined;
    const packetNumber = Number(envelope.packetNumber);
    if (!this.#window.isFresh(packetNumber)) return undefined;
    const split = envelope.sealed.length - envelopeSizes.tag;
    const opening = createDecipheriv(cipher, keyAt(this.#state, keyBytes), nonceOf(packetNumber), tagOption);
    opening.setAuthTag(envelope.sealed.subarray(split));
    opening.setAAD(envelope.header, { plaintextLength: split });
    let payload: Buffer;
    try {
      payload = opening.update(envelope.sealed.subarray(0, split));
      opening.final();
    } catch {
      // The one thing that final() throws for is a wrong tag: not for us, or altered on the way.
      return undefined;
    }
    const newest = packetNumber > this.#window.highest;
    this.#window.mark(packetNumber);
    // A view of memory that nobody else has: not a Buffer, whose slices are views, and not another copy.
    return { payload: new Uint8Array(payload.buffer as ArrayBuffer, payload.byteOffset, payload.length), newest };
  }
}
