/**
 * cookie: proves that whoever sends a START receives at its address, before any cost or state. Laws: 1) nothing is kept:
 * a cookie is a keyed MAC over time slot, address, port and nonce;  2) it is good in its slot and the next.
 * @see RFC 9147 §5.1. Spec: PROTOCOL.md "Login".  (pure)
 */

import { type Bytes, bytesEqual, concatBytes, parseHex, utf8 } from "../../core/bytes.ts";
import { limits } from "../../core/limits.ts";
import type { Endpoint } from "../../core/transport.ts";
import { keyedHash } from "../../session/keyed_hash.ts";
import { envelopeSizes } from "../../wire/envelope.ts";

export class Cookies {
  readonly #key: Uint8Array;

  constructor(key: Uint8Array) {
    this.#key = key;
  }

  /** Makes the cookie of this address and nonce. */
  make(to: Endpoint, nonce: Uint8Array, nowMs: number): Bytes {
    return this.#mac(slotOf(nowMs), to, nonce);
  }

  /** Tells whether a cookie was made for this address and nonce in this slot or the one before. */
  isGood(cookie: Uint8Array, from: Endpoint, nonce: Uint8Array, nowMs: number): boolean {
    const slot = slotOf(nowMs);
    return bytesEqual(cookie, this.#mac(slot, from, nonce)) || bytesEqual(cookie, this.#mac(slot - 1, from, nonce));
  }

  #mac(slot: number, { ip, port }: Endpoint, nonce: Uint8Array): Bytes {
    const head = new Uint8Array(10);
    const numbers = new DataView(head.buffer);
    numbers.setFloat64(0, slot);
    numbers.setUint16(8, port);
    // The address comes last: it alone has no fixed length.
    const mac = keyedHash(this.#key, concatBytes(head, nonce, utf8(ip)));
    return parseHex(mac.slice(0, 2 * envelopeSizes.cookie))!;
  }
}

function slotOf(nowMs: number): number {
  return Math.floor(nowMs / limits.cookieSlotMs);
}
