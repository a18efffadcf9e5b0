/**
 * search_place: where a search goes on, as the parts of a cursor. Law: an order has always the same parts, so that none is read as
 * another's.  Spec: PROTOCOL.md "Search", "Pages".  (pure)
 */

import type { SearchOrder } from "../../wire/search_query.ts";
import type { CursorPlace } from "./cursor.ts";
import type { SearchPlace } from "./store_effects.ts";

/** Numbers in a cursor of each order; that of names holds a name besides. */
export const searchNumbers: { readonly [O in SearchOrder]: number } = {
  found: 1,
  name: 1,
  size: 2,
  age: 2,
  holders: 3,
};

export function cursorOfPlace(order: SearchOrder, { key, row, part }: SearchPlace): CursorPlace {
  if (typeof key === "string" && order === "name") return { numbers: [row], text: key };
  // The beginning of a part has no key; its number of holders is one that no file has.
  const number = typeof key === "number" ? key : Number.MAX_SAFE_INTEGER;
  return { numbers: [row, number, part].slice(0, searchNumbers[order]), text: "" };
}

export function placeOfCursor(order: SearchOrder, { numbers, text }: CursorPlace): SearchPlace {
  const [row = 0, key = 0, part = 0] = numbers;
  if (order === "name") return { key: text, row, part: 0 };
  return { key: order === "holders" && key === Number.MAX_SAFE_INTEGER ? "" : key, row, part };
}
