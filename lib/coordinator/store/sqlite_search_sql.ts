/**
 * sqlite_search_sql: the statements of a search. Laws: 1) a scope's values are parameters, its shape alone is in the text, so that there are
 * few statements;  2) every way to candidates is in an order that an index has.  (pure)
 */

import type { SQLInputValue } from "node:sqlite";
import { seenBy } from "./sqlite_audiences.ts";

/** Sizes that one id is looked up with: an id has one, unless somebody lies. */
const sizesMax = 64;

/** Which shares count, but for who asks. */
export interface Scope {
  readonly asker: number;
  readonly offline: boolean;
  /** Numbers as JSON; undefined: any. */
  readonly accounts: string | undefined;
  readonly groups: string | undefined;
}

const fileColumns = "f.file, f.name, f.bytes, f.described";

/** The ways to candidates. `?1` is where it goes on, `?2` what else it needs. */
export const ways = {
  files: `SELECT ${fileColumns}, f.file AS at FROM files f WHERE f.file > ?1 ORDER BY f.file`,
  name: `SELECT ${fileColumns}, f.file AS at FROM files f WHERE f.name = ?2 AND f.file > ?1 ORDER BY f.file`,
  content: `SELECT ${fileColumns}, f.file AS at FROM files f
    WHERE f.content IN (SELECT content FROM contents WHERE id = ?2 LIMIT ${sizesMax}) AND f.file > ?1 ORDER BY f.file`,
  trigrams: `SELECT ${fileColumns}, f.file AS at
    FROM (SELECT rowid AS file FROM names WHERE names MATCH ?2 AND rowid > ?1 ORDER BY rowid $LIMIT) k
    CROSS JOIN files f ON f.file = k.file`,
} as const;

/** Along an index: behind the key `?1` and the number `?2`. */
export const walks = {
  size: {
    // Two steps, or all files of one size would be looked at again for each page of them.
    up: [
      `SELECT ${fileColumns}, f.file AS at FROM files f WHERE f.bytes = ?1 AND f.file > ?2 ORDER BY f.file`,
      `SELECT ${fileColumns}, f.file AS at FROM files f WHERE f.bytes > ?1 AND ?2 = ?2 ORDER BY f.bytes, f.file`,
    ],
    down: [
      `SELECT ${fileColumns}, f.file AS at FROM files f WHERE f.bytes = ?1 AND f.file < ?2 ORDER BY f.file DESC`,
      `SELECT ${fileColumns}, f.file AS at FROM files f WHERE f.bytes < ?1 AND ?2 = ?2
       ORDER BY f.bytes DESC, f.file DESC`,
    ],
  },
  name: {
    up: [`SELECT ${fileColumns}, f.content AS at FROM files f WHERE (f.name, f.content) > (?1, ?2)
      ORDER BY f.name, f.content`],
    down: [`SELECT ${fileColumns}, f.content AS at FROM files f WHERE (f.name, f.content) < (?1, ?2)
      ORDER BY f.name DESC, f.content DESC`],
  },
  // A file comes at each of its shares; the first that counts is its place.
  age: {
    up: [`SELECT ${fileColumns}, s.share AS at FROM shares s CROSS JOIN files f ON f.file = s.file
      WHERE s.share > ?1 AND ?2 = 0 ORDER BY s.share`],
    down: [`SELECT ${fileColumns}, s.share AS at FROM shares s CROSS JOIN files f ON f.file = s.file
      WHERE s.share < ?1 AND ?2 = 0 ORDER BY s.share DESC`],
  },
} as const;

export function shapeOf({ offline, accounts, groups }: Scope): string {
  return `${offline} ${accounts !== undefined} ${groups !== undefined}`;
}

/** Candidates of the index with what counts of them; or only those of a size between `?6` and `?7` of which a share counts. */
export function wholeSql(scope: Scope, candidatesMax: number, onlyCounted: boolean): string {
  const counted = countedFrom(scope, "f.file");
  return `SELECT ${fileColumns}, 0 AS at, lower(hex(c.id)) AS id, (SELECT count(o.device) ${counted}) AS holders,
      (SELECT min(s.shared_at) ${counted}) AS sharedAtMs
    FROM (SELECT rowid AS file FROM names WHERE names MATCH ?5 AND rowid > ?1 ORDER BY rowid LIMIT ${candidatesMax}) k
      CROSS JOIN files f ON f.file = k.file CROSS JOIN contents c ON c.content = f.content` +
    (onlyCounted ? ` WHERE f.bytes BETWEEN ?6 AND ?7 AND EXISTS (SELECT 1 ${counted})` : "");
}

/** The shares of a file that count for the account `?2`. */
export function countedFrom({ offline, accounts, groups }: Scope, file = "?1"): string {
  return `FROM shares s ${offline ? "LEFT" : ""} JOIN online o ON o.device = s.device
    WHERE s.file = ${file} AND s.withdrawn = 0 AND ${seenBy("s", "?2")}` +
    (accounts === undefined
      ? ""
      : " AND s.device IN (SELECT d.device FROM devices d JOIN json_each(?3) j ON d.account = j.value)") +
    (groups === undefined
      ? ""
      : " AND s.audience IN (SELECT m.audience FROM audience_members m JOIN json_each(?4) j ON m.grp = j.value)");
}

export function parametersOf({ asker, accounts, groups }: Scope): readonly SQLInputValue[] {
  return [
    asker,
    ...(accounts ?? groups) === undefined ? [] : [accounts ?? null, ...groups === undefined ? [] : [groups]],
  ];
}
