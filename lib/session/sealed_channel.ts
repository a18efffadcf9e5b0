/**
 * sealed_channel: one end of a session: seals payloads to the other end and opens what comes from it. Laws: 1) one key a
 * direction; the nonce is the packet number and is never used twice;  2) a packet opens once (replay window);  3) failure
 * changes nothing and says nothing.  ChaCha20-Poly1305 (RFC 8439). Spec: PROTOCOL.md "Sealing".  (pure)
 */

import { createCipheriv, createDecipheriv } from "node:crypto";
import type { Bytes } from "../core/bytes.ts";
import { envelopeSizes, finishHeader, sealedHeader } from "../wire/envelope.ts";
import { ReplayWindow } from "./replay_window.ts";

const cipher = "chacha20-poly1305";
const tagOption = { authTagLength: envelopeSizes.tag };

/** The two keys of a session, each 32 bytes. */
export interface SessionKeys {
  readonly toCoordinator: Uint8Array;
  readonly toPeer: Uint8Array;
}

const nonce = new Uint8Array(12);
const nonceView = new DataView(nonce.buffer);

/** The nonce of a packet number, in the one buffer that ciphers copy it from: this runs twice a datagram. */
function nonceOf(packetNumber: bigint): Uint8Array {
  nonceView.setBigUint64(4, packetNumber);
  return nonce;
}

/** What a datagram opens to. */
export interface Opened {
  readonly payload: Bytes;
  /** Whether this is the highest packet number so far: only such a packet may move a session to a new address. */
  readonly newest: boolean;
}

export class SealedChannel {
  readonly sessionId: bigint;
  readonly #sealKey: Uint8Array;
  readonly #openKey: Uint8Array;
  readonly #window = new ReplayWindow();
  #nextPacketNumber = 0;

  constructor(sessionId: bigint, keys: SessionKeys, side: "peer" | "coordinator") {
    this.sessionId = sessionId;
    this.#sealKey = side === "peer" ? keys.toCoordinator : keys.toPeer;
    this.#openKey = side === "peer" ? keys.toPeer : keys.toCoordinator;
  }

  /** Seals a payload into a SEALED datagram under the next packet number. */
  seal(payload: Uint8Array): Bytes {
    const packetNumber = BigInt(this.#nextPacketNumber++);
    return this.#sealUnder(sealedHeader(this.sessionId, packetNumber), packetNumber, payload);
  }

  /** Seals a payload into a FINISH datagram, which carries KE3 in its authenticated header. */
  sealFinish(ke3: Uint8Array, payload: Uint8Array): Bytes {
    const packetNumber = BigInt(this.#nextPacketNumber++);
    return this.#sealUnder(finishHeader(this.sessionId, packetNumber, ke3), packetNumber, payload);
  }

  #sealUnder(header: Uint8Array, packetNumber: bigint, payload: Uint8Array): Bytes {
    const sealing = createCipheriv(cipher, this.#sealKey, nonceOf(packetNumber), tagOption);
    sealing.setAAD(header, { plaintextLength: payload.length });
    const body = sealing.update(payload);
    sealing.final();
    const datagram = new Uint8Array(header.length + body.length + envelopeSizes.tag);
    datagram.set(header);
    datagram.set(body, header.length);
    datagram.set(sealing.getAuthTag(), header.length + body.length);
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
    const opening = createDecipheriv(cipher, this.#openKey, nonceOf(envelope.packetNumber), tagOption);
    opening.setAuthTag(envelope.sealed.subarray(split));
    opening.setAAD(envelope.header, { plaintextLength: split });
    let payload: Uint8Array;
    try {
      payload = opening.update(envelope.sealed.subarray(0, split));
      opening.final();
    } catch {
      // The one thing that final() throws for is a wrong tag: not for us, or altered on the way.
      return undefined;
    }
    const newest = packetNumber > this.#window.highest;
    this.#window.mark(packetNumber);
    return { payload: new Uint8Array(payload), newest };
  }
}
