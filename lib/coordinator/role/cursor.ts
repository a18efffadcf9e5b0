/**
 * cursor: where the next page of a list begins, sealed: the last row's number, or what else of numbers the list's order needs, and in
 * the order of names a name. Laws: 1) a cursor is good for the account and the query it was made for, at any coordinator with the same
 * key;  2) it names rows, never an offset: rows that come or go meanwhile shift nothing;  3) nobody reads it: a search may stop behind
 * a file that the asker may not see.  Spec: PROTOCOL.md "Pages".  (pure)
 *
 *     offset size
 *        0   8 n   numbers, big-endian; a query has always as many     } under AES-256-CTR, from the
 *      8 n     m   text in UTF-8                                       } last 16 bytes as counter on
 *    8 n+m    16   HMAC-SHA256(key, numbers ‖ text ‖ account ‖ 0 ‖ query), its first bytes
 */

import { createCipheriv, createHmac } from "node:crypto";
import { type Bytes, bytesEqual, concatBytes, utf8 } from "../../core/bytes.ts";

const macBytes = 16;
/** No numbers begin like this, so that it is the MAC of no cursor. */
const sealingContext = utf8("shoal v1 cursor sealing");

/** What a cursor holds. */
export interface CursorPlace {
  readonly numbers: readonly number[];
  readonly text: string;
}

/** Bytes of a cursor of so many numbers and bytes of text. */
export function cursorBytes(numbers: number, textBytes = 0): number {
  return 8 * numbers + textBytes + macBytes;
}

export class Cursors {
  readonly #key: Uint8Array;
  readonly #sealingKey: Uint8Array;

  constructor(key: Uint8Array) {
    this.#key = key;
    this.#sealingKey = createHmac("sha256", key).update(sealingContext).digest();
  }

  /** Makes the cursor of a place in this account's query. */
  make(account: string, query: string, ...numbers: readonly number[]): Bytes {
    return this.makeAt(account, query, { numbers, text: "" });
  }

  makeAt(account: string, query: string, { numbers, text }: CursorPlace): Bytes {
    const head = new Uint8Array(8 * numbers.length);
    const view = new DataView(head.buffer);
    for (const [i, number] of numbers.entries()) view.setBigUint64(8 * i, BigInt(number));
    const body = concatBytes(head, utf8(text));
    const mac = this.#mac(body, account, query);
    return concatBytes(this.#crypt(body, mac), mac);
  }

  /** Reads the numbers of a cursor: none for the first page; undefined for one of another account or query, or a forged one. */
  read(cursor: Uint8Array, account: string, query: string): readonly number[] | undefined {
    if (cursor.length === 0) return [];
    if (cursor.length % 8 !== 0) return undefined;
    return this.readAt(cursor, account, query, (cursor.length - macBytes) / 8)?.numbers;
  }

  /** Reads a cursor of so many numbers, and a text behind them. */
  readAt(cursor: Uint8Array, account: string, query: string, count: number): CursorPlace | undefined {
    if (count < 1 || cursor.length < cursorBytes(count)) return undefined;
    const mac = cursor.subarray(cursor.length - macBytes);
    const body = this.#crypt(cursor.subarray(0, cursor.length - macBytes), mac);
    if (!bytesEqual(mac, this.#mac(body, account, query))) return undefined;
    const view = new DataView(body.buffer, body.byteOffset);
    const numbers = Array.from({ length: count }, (_, i) => Number(view.getBigUint64(8 * i)));
    return { numbers, text: new TextDecoder().decode(body.subarray(8 * count)) };
  }

  /** Seals or opens: the MAC is as good as a nonce, for what is equal may look equal. */
  #crypt(body: Uint8Array, mac: Uint8Array): Bytes {
    const cipher = createCipheriv("aes-256-ctr", this.#sealingKey, mac);
    return concatBytes(cipher.update(body), cipher.final());
  }

  #mac(body: Uint8Array, account: string, query: string): Bytes {
    const mac = createHmac("sha256", this.#key).update(body).update(utf8(`${account}\0${query}`)).digest();
    return concatBytes(mac.subarray(0, macBytes));
  }
}
