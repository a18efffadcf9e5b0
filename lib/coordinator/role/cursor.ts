/**
 * cursor: where the next page of a list begins, under a MAC: the last row's number, or what else of numbers the list's order needs.
 * Laws: 1) a cursor is good for the account and the query it was made for, at any coordinator with the same key;  2) it names rows,
 * never an offset: rows that come or go meanwhile shift nothing.  Spec: PROTOCOL.md "Pages".  (pure)
 *
 *     offset size
 *        0   8 n   numbers, big-endian; a query has always as many
 *      8 n    16   HMAC-SHA256(key, numbers ‖ account ‖ 0 ‖ query), its first bytes
 */

import { createHmac } from "node:crypto";
import { type Bytes, bytesEqual, concatBytes, utf8 } from "../../core/bytes.ts";

const macBytes = 16;

/** Bytes of a cursor of so many numbers. */
export function cursorBytes(numbers: number): number {
  return 8 * numbers + macBytes;
}

export class Cursors {
  readonly #key: Uint8Array;

  constructor(key: Uint8Array) {
    this.#key = key;
  }

  /** Makes the cursor of a place in this account's query. */
  make(account: string, query: string, ...numbers: readonly number[]): Bytes {
    const head = new Uint8Array(8 * numbers.length);
    const view = new DataView(head.buffer);
    for (const [i, number] of numbers.entries()) view.setBigUint64(8 * i, BigInt(number));
    const mac = createHmac("sha256", this.#key).update(head).update(utf8(`${account}\0${query}`)).digest();
    return concatBytes(head, mac.subarray(0, macBytes));
  }

  /** Reads the numbers of a cursor: none for the first page; undefined for one of another account or query, or a forged one. */
  read(cursor: Uint8Array, account: string, query: string): readonly number[] | undefined {
    if (cursor.length === 0) return [];
    if (cursor.length < cursorBytes(1) || cursor.length % 8 !== 0) return undefined;
    const view = new DataView(cursor.buffer, cursor.byteOffset);
    const numbers: number[] = [];
    for (let at = 0; at < cursor.length - macBytes; at += 8) {
      const number = view.getBigUint64(at);
      if (number > BigInt(Number.MAX_SAFE_INTEGER)) return undefined;
      numbers.push(Number(number));
    }
    return bytesEqual(cursor, this.make(account, query, ...numbers)) ? numbers : undefined;
  }
}
