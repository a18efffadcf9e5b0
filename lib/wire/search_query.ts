/**
 * search_query: what is searched for, as fields: words, bounds and the order, never text to be parsed again. Laws: 1) every word must be
 * there, and every bound hold;  2) a query without words means all that the bounds leave.
 * Spec: PROTOCOL.md "Search".  (pure)
 */

import { limits } from "../core/limits.ts";
import { choice, list, record, text, uint, type ValueOf } from "./cbor.ts";

/** What a word is compared with. `name` is the whole name; `id` is 64 hex digits. */
export const searchModes = ["substring", "glob", "name", "id"] as const;
/** `found`: as the coordinator has them, which costs least. */
export const searchOrders = ["found", "name", "size", "age", "holders"] as const;

const term = record({ mode: choice(searchModes), pattern: text(limits.nameBytesMax, 1) });
const names = list(text(limits.accountBytesMax, 1), limits.filterNamesMax);

/** Bounds of a file; both ends of a range belong to it. */
const filter = record({
  minBytes: uint(limits.fileBytesMax),
  maxBytes: uint(limits.fileBytesMax),
  /** Without the dot; a name ends in one of them. None: any. */
  extensions: list(text(limits.extensionBytesMax, 1), limits.filterNamesMax),
  /** When it was shared, in coordinator time. */
  sinceMs: uint(),
  untilMs: uint(),
  /** Accounts that share it. None: any. */
  accounts: names,
  /** Groups that it is shared with. None: any, and everyone's. */
  groups: names,
});

export const searchQuery = record({ terms: list(term, limits.searchTermsMax), filter });

export type SearchMode = typeof searchModes[number];
export type SearchOrder = typeof searchOrders[number];
export type SearchTerm = ValueOf<typeof term>;
export type SearchFilter = ValueOf<typeof filter>;
export type SearchQuery = ValueOf<typeof searchQuery>;

/** Every file passes it. */
export const noFilter: SearchFilter = {
  minBytes: 0,
  maxBytes: limits.fileBytesMax,
  extensions: [],
  sinceMs: 0,
  untilMs: Number.MAX_SAFE_INTEGER,
  accounts: [],
  groups: [],
};

/** A search as SEARCH asks it, but for the cursor. */
export interface SearchQuestion {
  readonly query: SearchQuery;
  readonly order: SearchOrder;
  readonly descending: boolean;
  /** Whether files count that only devices share which are away. */
  readonly offline: boolean;
}

/** The plain search for one word. */
export function searchFor(mode: SearchMode, pattern: string): SearchQuestion {
  return { query: { terms: [{ mode, pattern }], filter: noFilter }, order: "found", descending: false, offline: false };
}
