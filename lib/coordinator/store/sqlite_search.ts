/**
 * sqlite_search: what is found, in SQLite. Laws: 1) a share counts if it is not withdrawn, its device is online (or those that are not are
 * asked for), the asker may see it, and the filter's accounts and groups have it; a file is found if one counts;  2) one answer looks
 * at a bounded number of candidates and characters, and says where the next goes on;  3) the order is whole: a place in it means the
 * same however the candidates are come by;  4) user text is a parameter, or a quoted string of FTS5's query language.
 */

import type { DatabaseSync, SQLInputValue } from "node:sqlite";
import type { Bytes } from "../../core/bytes.ts";
import { type ContentId, contentIdFrom, idBytes, parseContentId } from "../../core/ids.ts";
import { limits } from "../../core/limits.ts";
import { foldAccount } from "../../session/opaque.ts";
import type { SearchQuery } from "../../wire/search_query.ts";
import type { FileRow, FoundRow, SearchPlace, StoreOperations } from "../role/store_effects.ts";
import { compileQuery, type QueryPattern } from "../role/query_pattern.ts";
import {
  type Candidate,
  comparison,
  type Hit,
  type IndexedOrder,
  keyOf,
  nothingFound,
  partBegins,
  placeIn,
  placeOf,
} from "./search_order.ts";
import { prepareQuery, type Query } from "./sqlite_query.ts";
import { countedFrom, parametersOf, type Scope, shapeOf, walks, ways, wholeSql } from "./sqlite_search_sql.ts";

type Ask = StoreOperations["search"]["ask"];
type Answer = StoreOperations["search"]["answer"];

/** What counts of a file. */
interface Counted {
  readonly holders: number;
  readonly sharedAtMs: number;
  /** The number of the first share. */
  readonly share: number;
  /** The content's number, and its id. */
  readonly number: number;
  readonly id: Bytes;
}

/** A candidate that is found, with what counts of it. */
interface Whole extends Candidate {
  readonly holders: number;
  /** Null where nothing counts. */
  readonly sharedAtMs: number | null;
  /** In hex: the engine writes it in less time than it hands bytes over. */
  readonly id: ContentId;
}

export class SqliteSearch {
  readonly #db: DatabaseSync;
  readonly #candidatesMax: number;
  readonly #sortedMax: number;
  readonly #account: Query<{ readonly account: number }>;
  readonly #accountByKey: Query<{ readonly account: number }>;
  readonly #groupByKey: Query<{ readonly grp: number }>;
  /** Whether there are shares that are not for everyone of the files up to one. */
  readonly #restricted: Query<{ readonly file: number }>;
  readonly #lastShare: Query<{ readonly share: number }>;
  readonly #shareFrom: Query<{ readonly share: number; readonly shared_at: number }>;
  readonly #ways = new Map<string, Query<Candidate>>();
  readonly #wholes = new Map<string, Query<Whole>>();
  /** The last candidate that a search looks at; none where it looks at all there are. */
  readonly #lastCandidate: Query<{ readonly file: number }>;
  readonly #counts = new Map<string, Query<Counted>>();
  readonly #descriptions = new Map<string, Query<{ readonly description: string }>>();

  /** @param db With the present schema and the temporary table `online`. */
  constructor(db: DatabaseSync, candidatesMax: number) {
    this.#db = db;
    this.#candidatesMax = candidatesMax;
    this.#sortedMax = Math.min(candidatesMax, limits.sortedCandidatesMax);
    this.#lastCandidate = prepareQuery(
      db,
      `SELECT rowid AS file FROM names WHERE names MATCH ? AND rowid > ? ORDER BY rowid
       LIMIT 1 OFFSET ${candidatesMax - 1}`,
    );
    this.#account = prepareQuery(db, "SELECT account FROM devices WHERE device = ?");
    this.#accountByKey = prepareQuery(db, "SELECT account FROM accounts WHERE name_key = ?");
    this.#restricted = prepareQuery(
      db,
      "SELECT file FROM shares INDEXED BY shares_restricted WHERE audience <> 0 AND file <= ? LIMIT 1",
    );
    this.#lastShare = prepareQuery(db, "SELECT max(share) AS share FROM shares");
    this.#shareFrom = prepareQuery(db, "SELECT share, shared_at FROM shares WHERE share >= ? ORDER BY share LIMIT 1");
    this.#groupByKey = prepareQuery(
      db,
      `SELECT g.grp FROM account_groups g JOIN group_members m ON m.grp = g.grp
       WHERE g.name_key = ?1 AND m.account = ?2`,
    );
  }

  search(ask: Ask): Answer {
    const { query, order, after } = ask;
    const scope = this.#scopeOf(ask);
    // No name has NUL, and SQL's texts end there.
    if (scope === undefined || query.terms.some(({ pattern }) => pattern.includes("\0"))) return nothingFound;
    const run = new Run(this, ask, scope, compileQuery(query));
    const way = this.#wayTo(query, run.pattern);
    if (way === undefined) return nothingFound;
    if (order === "found") {
      const answer = this.#inOrderOfFinding(run, way, after?.row ?? 0);
      return after === null && this.#isForAll(scope, answer) ? { ...answer, isForAll: true } : answer;
    }
    const some = this.#fewCandidates(way, order === "holders" ? after?.part ?? 0 : 0);
    if (order === "holders" || some.length <= this.#sortedMax) return this.#sorted(run, some, after);
    return this.#walked(run, order, after);
  }

  /** The numbers that the asker and the filter's names mean; undefined where one means nobody, so that nothing is found. */
  #scopeOf({ device, offline, query: { filter } }: Ask): Scope | undefined {
    const asker = this.#account.get(device)?.account;
    if (asker === undefined) return undefined;
    const accounts = filter.accounts.flatMap((name) => this.#accountByKey.get(foldAccount(name))?.account ?? []);
    // A group that the asker is not in is to him as one that is not there.
    const groups = filter.groups.flatMap((name) => this.#groupByKey.get(foldAccount(name), asker)?.grp ?? []);
    if (accounts.length === 0 && filter.accounts.length > 0) return undefined;
    if (groups.length === 0 && filter.groups.length > 0) return undefined;
    return {
      asker,
      offline,
      accounts: filter.accounts.length === 0 ? undefined : JSON.stringify(accounts),
      groups: filter.groups.length === 0 ? undefined : JSON.stringify(groups),
    };
  }

  /** Whether nothing in a first answer depends on who asks: no file that it looked at, nor any other up to there, is for some alone. */
  #isForAll({ accounts, groups }: Scope, { next }: Answer): boolean {
    if ((accounts ?? groups) !== undefined) return false;
    return this.#restricted.get(next?.row ?? Number.MAX_SAFE_INTEGER) === undefined;
  }

  /** The cheapest way to all candidates; undefined where there can be none. */
  #wayTo({ terms }: SearchQuery, { literals }: QueryPattern): Way | undefined {
    const [id, ...others] = terms.filter(({ mode }) => mode === "id").map(({ pattern }) => parseContentId(pattern));
    if (others.some((one) => one !== id)) return undefined;
    if (terms.some(({ mode }) => mode === "id")) return id && { kind: "content", what: idBytes(id) };
    const name = terms.find(({ mode }) => mode === "name");
    if (name !== undefined) return { kind: "name", what: name.pattern };
    if (literals.length === 0) return { kind: "files" };
    return { kind: "trigrams", what: matchOf(literals), cover: matchOf(literals.flatMap(coverOf)) };
  }

  #inOrderOfFinding(run: Run, way: Way, after: number): Answer {
    if (way.kind === "trigrams" && run.pattern.isExact) return this.#inOneGo(run, way, after);
    const { limit } = run.ask;
    const rows: FoundRow[] = [];
    let looked = 0;
    for (const candidate of this.#candidates(way, after, this.#candidatesMax)) {
      looked++;
      const hit = run.found(candidate);
      if (hit !== undefined && rows.push({ ...hit.row, place: placeOf(0, candidate.file) }) === limit) {
        return { rows, next: rows.at(-1)!.place };
      }
      if (run.isTired || looked === this.#candidatesMax) return { rows, next: placeOf(0, candidate.file) };
    }
    return { rows, next: null };
  }

  /**
   * Where the index alone says what matches, one statement finds and counts. First few candidates, all of them, of those that hold every
   * third trigram: they are come by in half the time. Where these are fewer than that, there are no more, and nothing has to look for the
   * end. Then those that count, as many as it takes.
   */
  #inOneGo(run: Run, { what: literals, cover }: Trigrams, after: number): Answer {
    const { limit } = run.ask;
    const { minBytes, maxBytes } = run.ask.query.filter;
    const { asker, accounts = null, groups = null } = run.scope;
    const rows: FoundRow[] = [];
    const take = (row: Whole) => {
      const hit = run.foundWhole(row);
      return hit !== undefined && rows.push({ ...hit, place: placeOf(0, row.file) }) === limit;
    };
    const few = Math.min(fewFor(limit), this.#candidatesMax);
    let looked = 0;
    let last = after;
    for (const row of this.#whole(run.scope, few, false).iterate(last, asker, accounts, groups, cover)) {
      looked++;
      last = row.file;
      if (row.sharedAtMs !== null && row.bytes >= minBytes && row.bytes <= maxBytes && take(row)) {
        return { rows, next: rows.at(-1)!.place };
      }
    }
    if (looked < few) return { rows, next: null };
    if (few === this.#candidatesMax) return { rows, next: placeOf(0, last) };
    const rest = this.#whole(run.scope, this.#candidatesMax, true);
    for (const row of rest.iterate(last, asker, accounts, groups, literals, minBytes, maxBytes)) {
      if (take(row)) return { rows, next: rows.at(-1)!.place };
    }
    const end = this.#lastCandidate.get(literals, last)?.file;
    return { rows, next: end === undefined ? null : placeOf(0, end) };
  }

  #whole(scope: Scope, candidatesMax: number, onlyCounted: boolean): Query<Whole> {
    const key = `${shapeOf(scope)} ${candidatesMax} ${onlyCounted}`;
    return memo(this.#wholes, key, () => prepareQuery<Whole>(this.#db, wholeSql(scope, candidatesMax, onlyCounted)));
  }

  /** The candidates behind one, and one more than are sorted at once where there are so many. */
  #fewCandidates(way: Way, after: number): readonly Candidate[] {
    return [...this.#candidates(way, after, this.#sortedMax + 1)];
  }

  /** Sorts all candidates at once; in the order of holders one part after the other. */
  #sorted(run: Run, candidates: readonly Candidate[], after: SearchPlace | null): Answer {
    const { order, descending, limit } = run.ask;
    const part = after?.part ?? 0;
    const isWhole = candidates.length <= this.#sortedMax;
    const some = isWhole ? candidates : candidates.slice(0, this.#sortedMax);
    const compare = comparison(descending);
    const rows: FoundRow[] = [];
    for (const candidate of some) {
      const hit = run.found(candidate);
      if (hit === undefined) continue;
      const place = { ...placeIn(order, hit), part: order === "holders" ? part : 0 };
      if (after === null || after.key === partBegins || compare(place, after) > 0) rows.push({ ...hit.row, place });
    }
    rows.sort((a, b) => compare(a.place, b.place));
    const page = rows.slice(0, limit);
    if (rows.length > limit) return { rows: page, next: page.at(-1)!.place };
    // The next part begins before any place in it.
    return { rows: page, next: isWhole ? null : { key: partBegins, row: 0, part: some.at(-1)!.file } };
  }

  /** Goes along an index of the order, and looks at each file on it. */
  #walked(run: Run, order: IndexedOrder, after: SearchPlace | null): Answer {
    const { descending, limit } = run.ask;
    const begin = after ?? { key: this.#firstKey(run.ask), row: firstRow(order, descending) };
    const { sinceMs } = run.ask.query.filter;
    const oldest = order === "age" && descending && sinceMs > 0 ? this.#firstShareSince(sinceMs) : 0;
    const sql = walks[order][descending ? "down" : "up"];
    const rows: FoundRow[] = [];
    let looked = 0;
    let last: SearchPlace | undefined;
    for (const candidate of this.#along(sql, begin)) {
      looked++;
      if (candidate.at < oldest) return { rows, next: null };
      const hit = run.found(candidate);
      last = placeOf(keyOf(order, candidate), order === "age" ? 0 : candidate.at);
      const isItsPlace = order !== "age" || hit?.share === candidate.at;
      if (hit !== undefined && isItsPlace && rows.push({ ...hit.row, place: last }) === limit) {
        return { rows, next: last };
      }
      if (run.isTired || looked === this.#candidatesMax) return { rows, next: last };
    }
    return { rows, next: null };
  }

  *#along(steps: readonly string[], { key, row }: { readonly key: SQLInputValue; readonly row: number }) {
    for (const sql of steps) yield* this.#query(sql, this.#candidatesMax).iterate(key, row);
  }

  /** Before every key of an order: SQLite has any blob behind all texts. */
  #firstKey({ order, descending, query: { filter } }: Ask): SQLInputValue {
    if (order === "name") return descending ? new Uint8Array(0) : "";
    if (order === "size") return descending ? filter.maxBytes : filter.minBytes;
    if (descending) return Number.MAX_SAFE_INTEGER;
    return order === "age" && filter.sinceMs > 0 ? this.#firstShareSince(filter.sinceMs) - 1 : 0;
  }

  /** The number from which on shares were made at a time or later: by halves, for times grow with numbers. */
  #firstShareSince(sinceMs: number): number {
    let low = 0;
    let high = this.#lastShare.get()?.share ?? 0;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      const found = this.#shareFrom.get(middle + 1);
      if (found === undefined || found.shared_at >= sinceMs) high = middle;
      else low = found.share;
    }
    return low + 1;
  }

  #candidates(way: Way, after: number, max: number): IterableIterator<Candidate> {
    const query = this.#query(ways[way.kind], max);
    return way.kind === "files" ? query.iterate(after) : query.iterate(after, way.what);
  }

  /** The statement for so many candidates. Their number stands in it: as a parameter it costs a third more. */
  #query(sql: string, max: number): Query<Candidate> {
    const limit = `LIMIT ${max}`;
    const whole = sql.includes("$LIMIT") ? sql.replace("$LIMIT", limit) : `${sql} ${limit}`;
    return memo(this.#ways, whole, () => prepareQuery(this.#db, whole));
  }

  /** What counts of a file; undefined where nothing does. */
  count(file: number, scope: Scope): Counted | undefined {
    const query = memo(this.#counts, shapeOf(scope), () =>
      prepareQuery(
        this.#db,
        `SELECT count(o.device) AS holders, min(s.shared_at) AS sharedAtMs, min(s.share) AS share,
           s.content AS number, (SELECT c.id FROM contents c WHERE c.content = s.content) AS id
         ${countedFrom(scope)} HAVING count(*) > 0`,
      ));
    return query.get(file, ...parametersOf(scope));
  }

  /** The descriptions of what counts of a file, the newest first. */
  descriptions(file: number, scope: Scope): readonly string[] {
    const query = memo(this.#descriptions, shapeOf(scope), () =>
      prepareQuery<{ readonly description: string }>(
        this.#db,
        `SELECT s.description ${countedFrom(scope)} AND s.description <> ''
         ORDER BY s.share DESC LIMIT ${limits.descriptionsPerFileMax}`,
      ));
    return query.all(file, ...parametersOf(scope)).map(({ description }) => description);
  }
}

/** Queries of the index: for all literals, and for trigrams that have every character of them; the second finds more. */
interface Trigrams {
  readonly kind: "trigrams";
  readonly what: string;
  readonly cover: string;
}

/** A way to candidates, and what it needs. */
type Way =
  | Trigrams
  | { readonly kind: "files" }
  | { readonly kind: "name"; readonly what: string }
  | { readonly kind: "content"; readonly what: Uint8Array };

/** One search under way: what it looks at, and how much it has looked at. */
class Run {
  readonly ask: Ask;
  readonly pattern: QueryPattern;
  readonly scope: Scope;
  readonly #search: SqliteSearch;
  #looksLeft: number = limits.searchLooksMax;

  constructor(search: SqliteSearch, ask: Ask, scope: Scope, pattern: QueryPattern) {
    this.#search = search;
    this.ask = ask;
    this.scope = scope;
    this.pattern = pattern;
  }

  /** A row that the index has found, perhaps by trigrams that are apart, or by a description that does not count here. */
  foundWhole({ file, name, bytes, described, holders, sharedAtMs, id }: Whole): FileRow | undefined {
    const { sinceMs, untilMs } = this.ask.query.filter;
    if (sharedAtMs === null || sharedAtMs < sinceMs || sharedAtMs > untilMs) return undefined;
    const descriptions = described === 0 ? [] : this.#search.descriptions(file, this.scope);
    if (!this.pattern.matches(name, descriptions)) return undefined;
    const content = { id, bytes };
    const description = descriptions[0] ?? "";
    return { row: file, name, content, holders, withdrawn: false, sharedAtMs, description, audience: null };
  }

  /** Whether it has compared as much as one answer may. */
  get isTired(): boolean {
    return this.#looksLeft < 0;
  }

  /** A candidate as a row, if it is found. */
  found({ file, name, bytes, described }: Candidate): Hit | undefined {
    const { minBytes, maxBytes, sinceMs, untilMs } = this.ask.query.filter;
    if (bytes < minBytes || bytes > maxBytes) return undefined;
    this.#looksLeft -= this.pattern.looks * name.length;
    if (described === 0 && !this.pattern.matches(name, [])) return undefined;
    const counted = this.#search.count(file, this.scope);
    if (counted === undefined || counted.sharedAtMs < sinceMs || counted.sharedAtMs > untilMs) return undefined;
    const descriptions = described === 0 ? [] : this.#search.descriptions(file, this.scope);
    if (described !== 0) {
      this.#looksLeft -= descriptions.reduce((sum, one) => sum + this.pattern.looks * one.length, 0);
      if (!this.pattern.matches(name, descriptions)) return undefined;
    }
    const { holders, sharedAtMs, share, number, id } = counted;
    const content = { id: contentIdFrom(id), bytes };
    const description = descriptions[0] ?? "";
    const row = { row: file, name, content, holders, withdrawn: false, sharedAtMs, description, audience: null };
    return { row, share, number };
  }
}

/** The query of the index for all of these texts. */
function matchOf(literals: readonly string[]): string {
  // Inside a quoted string only the quote itself means something, doubled.
  return literals.map((one) => `"${one.replaceAll('"', '""')}"`).join(" AND ");
}

/** Trigrams side by side, and the last one. */
function coverOf(literal: string): readonly string[] {
  const characters = [...literal];
  const starts = Array.from({ length: Math.floor(characters.length / 3) }, (_, i) => 3 * i);
  if (characters.length % 3 > 0) starts.push(characters.length - 3);
  return starts.map((start) => characters.slice(start, start + 3).join(""));
}

/** More than a page of rows, so that a page is most often filled by these alone. */
function fewFor(limit: number): number {
  return limit <= 16 ? 24 : 400;
}

function memo<T>(known: Map<string, T>, key: string, make: () => T): T {
  const found = known.get(key) ?? make();
  known.set(key, found);
  return found;
}

/** Before every number behind that key. */
function firstRow(order: IndexedOrder, descending: boolean): number {
  if (order === "age") return 0;
  return descending ? Number.MAX_SAFE_INTEGER : -1;
}
