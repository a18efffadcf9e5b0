/** wanted: what somebody looks for as a query of the coordinator's: ages become times of its clock.  (pure) */

import { noFilter, type SearchQuery } from "../wire/search_query.ts";
import type { Wanted } from "./commands.ts";

/** @param nowMs Coordinator time. */
export function queryOf(wanted: Wanted, nowMs: number): SearchQuery {
  const { terms, minBytes, maxBytes, extensions, youngerMs, olderMs, accounts, groups } = wanted;
  return {
    terms,
    filter: {
      minBytes: minBytes ?? noFilter.minBytes,
      maxBytes: Math.min(maxBytes ?? Infinity, noFilter.maxBytes),
      extensions: extensions ?? [],
      sinceMs: youngerMs === undefined ? noFilter.sinceMs : Math.max(0, nowMs - youngerMs),
      untilMs: olderMs === undefined ? noFilter.untilMs : Math.max(0, nowMs - olderMs),
      accounts: accounts ?? [],
      groups: groups ?? [],
    },
  };
}
