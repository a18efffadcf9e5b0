/**
 * session_id: ids that the coordinator recognises as its own without keeping them, also after a restart. Laws: 1) an id is four random
 * bytes and four of their MAC;  2) a reset token is a MAC of the id: only who was told it in a sealed answer believes it.
 * @see RFC 9000 §10.3. Spec: PROTOCOL.md "Sessions".  (pure)
 */

import { type Bytes, concatBytes, parseHex, utf8 } from "../../core/bytes.ts";
import { keyedHash, numberOf } from "../../session/keyed_hash.ts";
import type { Random } from "../../session/random.ts";
import { envelopeSizes } from "../../wire/envelope.ts";

export class SessionIds {
  readonly #key: Uint8Array;
  readonly #random: Random;

  constructor(key: Uint8Array, random: Random) {
    this.#key = key;
    this.#random = random;
  }

  /** Makes an id that `isTaken` does not know. */
  create(isTaken: (id: bigint) => boolean): bigint {
    for (;;) {
      const bytes = this.#random(4);
      const high = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
      const id = BigInt(high) << 32n | BigInt(this.#mark(high));
      if (!isTaken(id)) return id;
    }
  }

  /** Tells whether an id was made with our key. */
  isOurs(id: bigint): boolean {
    return Number(id & 0xffff_ffffn) === this.#mark(Number(id >> 32n));
  }

  /** The 16 bytes that end the session of this id. */
  resetToken(id: bigint): Bytes {
    const data = new Uint8Array(8);
    new DataView(data.buffer).setBigUint64(0, id);
    const mac = keyedHash(this.#key, concatBytes(utf8("reset"), data));
    return parseHex(mac.slice(0, 2 * envelopeSizes.resetToken))!;
  }

  #mark(high: number): number {
    return numberOf(keyedHash(this.#key, Uint8Array.of(high >>> 24, high >>> 16, high >>> 8, high)));
  }
}
