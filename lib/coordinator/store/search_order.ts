/**
 * search_order: the orders in which a search answers, and places in them. Law: an order is whole: a place in it means the same however the
 * candidates are come by, and whatever the engine.  (pure)
 */

import { Buffer } from "node:buffer";
import type { SearchOrder } from "../../wire/search_query.ts";
import type { FileRow, SearchPlace, StoreOperations } from "../role/store_effects.ts";

/** The orders that an index has. */
export type IndexedOrder = "size" | "name" | "age";

/** A candidate, as every way to them selects it. */
export interface Candidate {
  readonly file: number;
  readonly name: string;
  readonly bytes: number;
  readonly described: number | boolean;
  /** Its number in the order that it was come by. */
  readonly at: number;
}

/** What is found, and what its place in an order is made of. */
export interface Hit {
  readonly row: FileRow;
  /** The number of the first share that counts. */
  readonly share: number;
  /** The content's number. */
  readonly number: number;
}

/** Less than any number of holders in either direction: no place has it as its key. */
export const partBegins = "";
export const nothingFound: StoreOperations["search"]["answer"] = { rows: [], next: null };

/** A hit's place in an order that is sorted at once. */
export function placeIn(order: SearchOrder, { row, share, number }: Hit): SearchPlace {
  switch (order) {
    case "name":
      return placeOf(row.name, number);
    case "size":
      return placeOf(row.content.bytes, row.row);
    case "age":
      return placeOf(share, 0);
    default:
      return placeOf(row.holders, row.row);
  }
}

/** A candidate's key in the order of an index. */
export function keyOf(order: IndexedOrder, { name, bytes, at }: Candidate): number | string {
  return order === "name" ? name : order === "size" ? bytes : at;
}

export function placeOf(key: number | string, row: number): SearchPlace {
  return { key, row, part: 0 };
}

/** Compares places as the indexes do: texts by their code points. */
export function comparison(descending: boolean): (a: SearchPlace, b: SearchPlace) => number {
  const sign = descending ? -1 : 1;
  return (a, b) => sign * (compareKeys(a.key, b.key) || a.row - b.row);
}

function compareKeys(a: number | string, b: number | string): number {
  if (typeof a === "number" && typeof b === "number") return a - b;
  return Buffer.compare(Buffer.from(String(a)), Buffer.from(String(b)));
}
