/**
 * cursor: where the next page of a list begins: the last row's number under a MAC. Laws: 1) a cursor is good for the account
 * and the query it was made for, at any coordinator with the same key;  2) it is a row's number, never an offset: rows that
 * come or go meanwhile shift nothing.  Spec: PROTOCOL.md "Pages".  (pure)
 *
 *     offset size
 *        0     8   row, big-endian
 *        8    16   HMAC-SHA256(key, row ‖ account ‖ 0 ‖ query), its first bytes
 */

import { createHmac } from "node:crypto";
import { type Bytes, bytesEqual, concatBytes, utf8 } from "../../core/bytes.ts";

/** Bytes of a cursor. */
export const cursorBytes = 24;

export class Cursors {
  readonly #key: Uint8Array;

  constructor(key: Uint8Array) {
    this.#key = key;
  }

  /** Makes the cursor behind a row of this account's query. */
  make(account: string, query: string, row: number): Bytes {
    const head = new Uint8Array(8);
    new DataView(head.buffer).setBigUint64(0, BigInt(row));
    const mac = createHmac("sha256", this.#key).update(head).update(utf8(`${account}\0${query}`)).digest();
    return concatBytes(head, mac.subarray(0, cursorBytes - 8));
  }

  /** Reads the row that a page begins behind: 0 for the first page; undefined for a cursor of another account or query, or a forged one. */
  read(cursor: Uint8Array, account: string, query: string): number | undefined {
    if (cursor.length === 0) return 0;
    if (cursor.length !== cursorBytes) return undefined;
    const row = new DataView(cursor.buffer, cursor.byteOffset).getBigUint64(0);
    if (row > BigInt(Number.MAX_SAFE_INTEGER)) return undefined;
    return bytesEqual(cursor, this.make(account, query, Number(row))) ? Number(row) : undefined;
  }
}
