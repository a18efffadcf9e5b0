/**
 * postgres_search: what is found, in PostgreSQL. Laws: as sqlite_search.ts; 4) the index of names is read block by block of growing
 * numbers, so that neither a frequent word nor a table of any size makes an answer cost more than its bound;  5) what was come by is
 * looked at in batches that grow: each costs a way to the database and back.
 */

import type { Bytes } from "../../core/bytes.ts";
import { contentIdFrom, idBytes, parseContentId } from "../../core/ids.ts";
import { limits } from "../../core/limits.ts";
import { foldAccount } from "../../session/opaque.ts";
import type { SearchQuery } from "../../wire/search_query.ts";
import { compileQuery, type QueryPattern } from "../role/query_pattern.ts";
import type { FoundRow, SearchPlace, StoreOperations } from "../role/store_effects.ts";
import { seenBy } from "./postgres_audiences.ts";
import type { Sql, SqlValue } from "./postgres_database.ts";
import { blockFiles } from "./postgres_schema.ts";
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

type Ask = StoreOperations["search"]["ask"];
type Answer = StoreOperations["search"]["answer"];

/** Sizes that one id is looked up with: an id has one, unless somebody lies. */
const sizesMax = 64;
/** Blocks that one answer looks at: two million files, at some 20 µs a block where a word is rare. */
const blocksMax = 256;
/** Parts of the words that the index is asked for. */
const literalsMax = 4;
/** Candidates looked at together at first, and how many times as many each time. */
const firstBatch = 64;
const batchGrowth = 4;

const fileColumns = "f.file, f.name, f.bytes, f.described";

/** Gives the next candidates behind a file, at most `count` of them. */
type Walk = (after: number, count: number) => Promise<{
  /** In order. */
  readonly candidates: readonly Candidate[];
  /** Where the next ones begin, behind this file; undefined at the end. */
  readonly next: number | undefined;
  /** Whether one answer has looked far enough. */
  readonly isFar?: boolean;
}>;

/** What counts of a file. */
interface Counted {
  readonly file: number;
  readonly holders: number;
  readonly sharedAtMs: number;
  readonly share: number;
  readonly number: number;
  readonly id: Bytes;
}

/** Which shares count, but for who asks. */
interface Scope {
  readonly asker: number;
  readonly offline: boolean;
  /** Numbers; empty: any. */
  readonly accounts: readonly number[];
  readonly groups: readonly number[];
}

export class PostgresSearch {
  readonly #candidatesMax: number;
  readonly #sortedMax: number;
  readonly #indexed: RegExp;

  /** @param hasLetters Whether the database's locale knows letters beyond a to z, so that its index has them. */
  constructor(candidatesMax: number, hasLetters: boolean) {
    this.#candidatesMax = candidatesMax;
    this.#sortedMax = Math.min(candidatesMax, limits.sortedCandidatesMax);
    this.#indexed = hasLetters ? /[\p{L}\p{N}]{3}/u : /[a-z0-9]{3}/;
  }

  async search(sql: Sql, ask: Ask): Promise<Answer> {
    const { query, order, after } = ask;
    const scope = await scopeOf(sql, ask);
    // No name has NUL, and SQL's texts cannot hold it.
    if (scope === undefined || query.terms.some(({ pattern }) => pattern.includes("\0"))) return nothingFound;
    const pattern = compileQuery(query);
    const walk = await this.#wayTo(sql, query, pattern);
    if (walk === undefined) return nothingFound;
    const run = new Run(sql, ask, scope, pattern);
    if (order === "found") return await this.#inOrderOfFinding(run, walk, after?.row ?? 0);
    const some = await fewCandidates(walk, order === "holders" ? after?.part ?? 0 : 0, this.#sortedMax + 1);
    if (order === "holders" || some.length <= this.#sortedMax) return await this.#sorted(run, some, after);
    return await this.#walked(sql, run, order, after);
  }

  /** The cheapest way to all candidates; undefined where there can be none. */
  async #wayTo(sql: Sql, { terms }: SearchQuery, { literals }: QueryPattern): Promise<Walk | undefined> {
    const ids = terms.filter(({ mode }) => mode === "id").map(({ pattern }) => parseContentId(pattern));
    if (ids.length > 0) {
      const [id] = ids;
      if (id === undefined || ids.some((one) => one !== id)) return undefined;
      const sizes = `SELECT content FROM contents WHERE id = $3 ORDER BY content LIMIT ${sizesMax}`;
      return walkFiles(sql, `f.content IN (${sizes}) AND`, idBytes(id));
    }
    const name = terms.find(({ mode }) => mode === "name");
    if (name !== undefined) return walkFiles(sql, "f.name = $3 AND", name.pattern);
    // The index knows three letters or digits side by side.
    const indexed = literals.filter((one) => this.#indexed.test(one)).slice(0, literalsMax);
    return indexed.length > 0 ? await walkIndex(sql, indexed) : walkFiles(sql, "");
  }

  async #inOrderOfFinding(run: Run, walk: Walk, after: number): Promise<Answer> {
    const { limit } = run.ask;
    const rows: FoundRow[] = [];
    let left = this.#candidatesMax;
    for (let count = firstBatch, from: number | undefined = after; from !== undefined; count *= batchGrowth) {
      const { candidates, next, isFar } = await walk(from, Math.min(count, left));
      const { hits, looked } = await run.found(candidates);
      for (const { row } of hits) {
        if (rows.push({ ...row, place: placeOf(0, row.row) }) === limit) return { rows, next: rows.at(-1)!.place };
      }
      left -= candidates.length;
      if (run.isTired || left === 0) return { rows, next: placeOf(0, candidates[looked - 1]!.file) };
      if (isFar) return { rows, next: placeOf(0, next!) };
      from = next;
    }
    return { rows, next: null };
  }

  /** Sorts all candidates at once; in the order of holders one part after the other. */
  async #sorted(run: Run, candidates: readonly Candidate[], after: SearchPlace | null): Promise<Answer> {
    const { order, descending, limit } = run.ask;
    const part = after?.part ?? 0;
    const isWhole = candidates.length <= this.#sortedMax;
    const some = isWhole ? candidates : candidates.slice(0, this.#sortedMax);
    const compare = comparison(descending);
    const rows: FoundRow[] = [];
    for (const hit of await run.foundAll(some)) {
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
  async #walked(sql: Sql, run: Run, order: IndexedOrder, after: SearchPlace | null): Promise<Answer> {
    const { limit } = run.ask;
    const rows: FoundRow[] = [];
    let left = this.#candidatesMax;
    let last = after;
    for (let count = firstBatch;; count *= batchGrowth) {
      const wanted = Math.min(count, left);
      const candidates = await alongIndex(sql, run.ask, order, last, wanted);
      const { hits, looked } = await run.found(candidates);
      const byFile = new Map(hits.map((hit) => [hit.row.row, hit]));
      for (const candidate of candidates.slice(0, looked)) {
        last = placeOf(keyOf(order, candidate), order === "age" ? 0 : candidate.at);
        const hit = byFile.get(candidate.file);
        // A file comes at each of its shares; the first that counts is its place.
        if (hit === undefined || (order === "age" && hit.share !== candidate.at)) continue;
        if (rows.push({ ...hit.row, place: last }) === limit) return { rows, next: last };
      }
      left -= candidates.length;
      if (run.isTired || left === 0) return { rows, next: last };
      if (candidates.length < wanted) return { rows, next: null };
    }
  }
}

/** The numbers that the asker and the filter's names mean; undefined where one means nobody, so that nothing is found. */
async function scopeOf(sql: Sql, { device, offline, query: { filter } }: Ask): Promise<Scope | undefined> {
  const asker = (await sql.rows<{ account: number }>("SELECT account FROM devices WHERE device = $1", device))[0]
    ?.account;
  if (asker === undefined) return undefined;
  const accounts = filter.accounts.length === 0 ? [] : await sql.rows<{ readonly row: number }>(
    "SELECT account AS row FROM accounts WHERE name_key = ANY ($1)",
    filter.accounts.map(foldAccount),
  );
  // A group that the asker is not in is to him as one that is not there.
  const groups = filter.groups.length === 0 ? [] : await sql.rows<{ readonly row: number }>(
    `SELECT g.grp AS row FROM account_groups g JOIN group_members m ON m.grp = g.grp
     WHERE g.name_key = ANY ($1) AND m.account = $2`,
    filter.groups.map(foldAccount),
    asker,
  );
  if (accounts.length === 0 && filter.accounts.length > 0) return undefined;
  if (groups.length === 0 && filter.groups.length > 0) return undefined;
  return { asker, offline, accounts: accounts.map(({ row }) => row), groups: groups.map(({ row }) => row) };
}

/** Walks the files that a condition leaves, by the index that fits it. */
function walkFiles(sql: Sql, condition: string, ...parameters: readonly SqlValue[]): Walk {
  const text =
    `SELECT ${fileColumns}, f.file AS at FROM files f WHERE ${condition} f.file > $1 ORDER BY f.file LIMIT $2`;
  return async (after, count) => {
    const candidates = await sql.rows<Candidate>(text, after, count, ...parameters);
    return { candidates, next: candidates.length === count ? candidates.at(-1)!.file : undefined };
  };
}

/** Walks the index of names, a block at first, then more at once: a word that the first does not have is rare. */
async function walkIndex(sql: Sql, literals: readonly string[]): Promise<Walk> {
  const [newest] = await sql.rows<{ readonly file: number }>("SELECT coalesce(max(file), 0) AS file FROM files");
  const last = Math.floor(newest!.file / blockFiles);
  const likes = literals.map((_, i) => `folded LIKE $${i + 5}`).join(" AND ");
  // The sum keeps the primary key out: it would be read to the end for a word that is rare.
  const text = `SELECT ${fileColumns}, f.file AS at
    FROM generate_series($1::integer, $2::integer) AS b CROSS JOIN LATERAL (
      SELECT * FROM files WHERE block = b AND ${likes} AND file + 0 > $3 ORDER BY file LIMIT $4) f
    ORDER BY f.file LIMIT $4`;
  const patterns = literals.map((literal) => `%${literal.replaceAll(/[\\%_]/g, "\\$&")}%`);
  let span = 1;
  let blocksLeft = blocksMax;
  return async (after, count) => {
    const first = Math.floor((after + 1) / blockFiles);
    const end = Math.min(first + span - 1, last);
    const candidates = await sql.rows<Candidate>(text, first, end, after, count, ...patterns);
    if (candidates.length === count) return { candidates, next: candidates.at(-1)!.file };
    blocksLeft -= span;
    span = Math.min(span * 4, blocksMax);
    const next = end >= last ? undefined : (end + 1) * blockFiles - 1;
    return { candidates, next, isFar: next !== undefined && blocksLeft <= 0 };
  };
}

/** The first candidates behind one, however far they are. */
async function fewCandidates(walk: Walk, after: number, max: number): Promise<readonly Candidate[]> {
  const found: Candidate[] = [];
  for (let from: number | undefined = after; from !== undefined && found.length < max;) {
    const { candidates, next } = await walk(from, max - found.length);
    found.push(...candidates);
    from = next;
  }
  return found;
}

/** The next candidates of an order, behind a place in it. */
function alongIndex(
  sql: Sql,
  { descending, query: { filter } }: Ask,
  order: IndexedOrder,
  after: SearchPlace | null,
  count: number,
): Promise<Candidate[]> {
  const [columns, at, from] = {
    size: [["f.bytes", "f.file"], "f.file", "files f"],
    name: [["f.name", "f.content"], "f.content", "files f"],
    age: [["s.share"], "s.share", "shares s JOIN files f ON f.file = s.file"],
  }[order] as [string[], string, string];
  const keys = after === null ? [] : order === "age" ? [after.key] : [after.key, after.row];
  const behind = keys.map((_, i) => `$${i + 2}`).join(", ");
  const conditions = after === null ? [] : [`(${columns.join(", ")}) ${descending ? "<" : ">"} (${behind})`];
  if (order === "age" && filter.sinceMs > 0) {
    // Times grow with numbers.
    const first = "SELECT share FROM shares WHERE shared_at >= $" + (keys.length + 2);
    conditions.push(`s.share >= (${first} ORDER BY shared_at, share LIMIT 1)`);
    keys.push(filter.sinceMs);
  }
  const where = conditions.length === 0 ? "" : `WHERE ${conditions.join(" AND ")}`;
  const sorted = columns.map((column) => descending ? `${column} DESC` : column).join(", ");
  const text = `SELECT ${fileColumns}, ${at} AS at FROM ${from} ${where} ORDER BY ${sorted} LIMIT $1`;
  return sql.rows<Candidate>(text, count, ...keys);
}

/** One search under way: what it looks at, and how much it has looked at. */
class Run {
  readonly ask: Ask;
  readonly #sql: Sql;
  readonly #scope: Scope;
  readonly #pattern: QueryPattern;
  #looksLeft: number = limits.searchLooksMax;

  constructor(sql: Sql, ask: Ask, scope: Scope, pattern: QueryPattern) {
    this.#sql = sql;
    this.ask = ask;
    this.#scope = scope;
    this.#pattern = pattern;
  }

  /** Whether it has compared as much as one answer may. */
  get isTired(): boolean {
    return this.#looksLeft < 0;
  }

  /** Those candidates that are found, in order, of as many as were looked at before it was tired. */
  async found(candidates: readonly Candidate[]): Promise<{ readonly hits: readonly Hit[]; readonly looked: number }> {
    const possible: Candidate[] = [];
    let looked = 0;
    for (const candidate of candidates) {
      looked++;
      if (this.#isPossible(candidate)) possible.push(candidate);
      if (this.isTired) break;
    }
    return { hits: await this.#countAll(possible), looked };
  }

  /** The same, tired or not. */
  async foundAll(candidates: readonly Candidate[]): Promise<readonly Hit[]> {
    return await this.#countAll(candidates.filter((candidate) => this.#isPossible(candidate)));
  }

  /** What a candidate says of itself: whether it may be found. */
  #isPossible({ name, bytes, described }: Candidate): boolean {
    const { minBytes, maxBytes } = this.ask.query.filter;
    if (bytes < minBytes || bytes > maxBytes) return false;
    this.#looksLeft -= this.#pattern.looks * name.length;
    return Boolean(described) || this.#pattern.matches(name, []);
  }

  async #countAll(possible: readonly Candidate[]): Promise<readonly Hit[]> {
    if (possible.length === 0) return [];
    const described = possible.filter((one) => Boolean(one.described));
    const [counts, texts] = await Promise.all([
      this.#counts([...new Set(possible.map(({ file }) => file))]),
      this.#descriptions(described.map(({ file }) => file)),
    ]);
    return possible.flatMap((candidate) => {
      const { file, name, bytes } = candidate;
      const counted = counts.get(file);
      if (counted === undefined) return [];
      const { holders, sharedAtMs, share, number, id } = counted;
      const { sinceMs, untilMs } = this.ask.query.filter;
      if (sharedAtMs < sinceMs || sharedAtMs > untilMs) return [];
      const descriptions = texts.get(file) ?? [];
      if (candidate.described) {
        this.#looksLeft -= descriptions.reduce((sum, one) => sum + this.#pattern.looks * one.length, 0);
        if (!this.#pattern.matches(name, descriptions)) return [];
      }
      const content = { id: contentIdFrom(id), bytes };
      const description = descriptions[0] ?? "";
      const row = { row: file, name, content, holders, withdrawn: false, sharedAtMs, description, audience: null };
      return [{ row, share, number }];
    });
  }

  /** What counts of each file. */
  async #counts(files: readonly number[]): Promise<ReadonlyMap<number, Counted>> {
    const rows = await this.#sql.rows<Counted>(
      `SELECT w.file, k.holders, k."sharedAtMs", k.share, k.number, c.id
       FROM unnest($1::bigint[]) AS w (file) CROSS JOIN LATERAL (
           SELECT count(o.device) AS holders, min(s.shared_at) AS "sharedAtMs", min(s.share) AS share,
             min(s.content) AS number ${this.#counted} HAVING count(*) > 0) k
         JOIN contents c ON c.content = k.number`,
      files,
      ...this.#parameters,
    );
    return new Map(rows.map((row) => [row.file, row]));
  }

  /** The descriptions of what counts of each file, the newest first. */
  async #descriptions(files: readonly number[]): Promise<ReadonlyMap<number, readonly string[]>> {
    if (files.length === 0) return new Map();
    const rows = await this.#sql.rows<{ readonly file: number; readonly descriptions: readonly string[] }>(
      `SELECT w.file, ARRAY(SELECT s.description ${this.#counted} AND s.description <> ''
         ORDER BY s.share DESC LIMIT ${limits.descriptionsPerFileMax}) AS descriptions
       FROM unnest($1::bigint[]) AS w (file)`,
      files,
      ...this.#parameters,
    );
    return new Map(rows.map(({ file, descriptions }) => [file, descriptions]));
  }

  /** The shares of the file `w.file` that count. */
  get #counted(): string {
    const { offline, accounts, groups } = this.#scope;
    return `FROM shares s ${offline ? "LEFT" : ""} JOIN online o ON o.device = s.device
      WHERE s.file = w.file AND NOT s.withdrawn AND ${seenBy("s", "$2")}` +
      (accounts.length === 0
        ? ""
        : " AND s.device IN (SELECT d.device FROM devices d WHERE d.account = ANY ($3::bigint[]))") +
      (groups.length === 0
        ? ""
        : ` AND s.audience IN (SELECT m.audience FROM audience_members m WHERE m.grp = ANY ($${
          accounts.length === 0 ? 3 : 4
        }::bigint[]))`);
  }

  get #parameters(): readonly SqlValue[] {
    const { asker, accounts, groups } = this.#scope;
    return [asker, ...[accounts, groups].filter((list) => list.length > 0)];
  }
}
