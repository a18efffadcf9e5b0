/**
 * keyed_table: where in a table of fixed size a name has its place. Laws: 1) the place is a MAC with a key of this run: nobody can aim at
 * another's;  2) a table of places has no eviction, so nobody gets a new one by pushing his own out.  (pure)
 */

import { utf8 } from "../../core/bytes.ts";
import { keyedHash, numberOf } from "../../session/keyed_hash.ts";

export class KeyedTable {
  readonly #key: Uint8Array;
  readonly size: number;

  /** @param key 32 random bytes, of this run alone. */
  constructor(key: Uint8Array, size: number) {
    this.#key = key;
    this.size = size;
  }

  placeOf(name: string): number {
    return numberOf(keyedHash(this.#key, utf8(name))) % this.size;
  }
}
