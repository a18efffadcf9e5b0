/**
 * sqlite_catalog: who shares what, as it is asked for, in SQLite. Laws: 1) rows come in the order of growing numbers, and a bounded
 * number of them is looked at: a search with more to look at says where it goes on;  2) a search shows what an online device
 * shares now;  3) user text is a parameter, or a quoted string of FTS5's query language.
 */

import type { DatabaseSync } from "node:sqlite";
import type { Bytes } from "../../core/bytes.ts";
import { contentIdFrom, deviceIdFrom, idBytes, parseContentId } from "../../core/ids.ts";
import { limits } from "../../core/limits.ts";
import type { FileRow, StoreOperations } from "../role/store_effects.ts";
import { globPattern, type Pattern, substringPattern } from "./pattern.ts";
import { prepareQuery } from "./sqlite_query.ts";

type Ask<O extends keyof StoreOperations> = StoreOperations[O]["ask"];
type Answer<O extends keyof StoreOperations> = StoreOperations[O]["answer"];

/** Sizes that one id is looked up with: an id has one, unless somebody lies. */
const sizesMax = 64;

interface CatalogRow {
  readonly file: number;
  readonly name: string;
  readonly id: Bytes;
  readonly bytes: number;
  readonly holders: number;
}

interface HolderRow {
  readonly device: number;
  readonly share: number;
  readonly account: string;
  readonly label: string;
  readonly deviceId: Bytes;
  readonly accountKey: Bytes;
  readonly deviceSignature: Bytes;
  readonly certificate: Bytes;
}

/** Online devices with this content under this name. */
const online = `FROM shares h JOIN online o ON o.device = h.device WHERE h.file = f.file AND h.withdrawn = 0`;
const holders = `(SELECT count(*) ${online})`;

/** Found files with an online holder: candidates are bounded inside, so that a common word nobody serves costs no more. */
const found = (candidates: string, candidatesMax: number) => `
  SELECT f.file, f.name, c.id, c.bytes, ${holders} AS holders
  FROM (${candidates} LIMIT ${candidatesMax}) k
    CROSS JOIN files f ON f.file = k.file CROSS JOIN contents c ON c.content = f.content
  WHERE EXISTS (SELECT 1 ${online})`;

const candidates = {
  name: "SELECT file FROM files WHERE name = ? AND file > ? ORDER BY file",
  content: "SELECT file FROM files WHERE content = ? AND file > ? ORDER BY file",
  trigrams: "SELECT rowid AS file FROM names WHERE names MATCH ? AND rowid > ? ORDER BY rowid",
};

function prepareAll(db: DatabaseSync, candidatesMax: number) {
  /** The last candidate that a search looks at; none where it looks at all there are. */
  const last = (candidates: string) =>
    prepareQuery<{ readonly file: number }>(db, `${candidates} LIMIT 1 OFFSET ${candidatesMax - 1}`);
  return {
    siblings: prepareQuery<{ readonly device: number }>(
      db,
      "SELECT device FROM devices WHERE account = (SELECT account FROM devices WHERE device = ?)",
    ),
    ofDevice: prepareQuery<CatalogRow & { readonly withdrawn: number }>(
      db,
      `SELECT s.file, s.name, c.id, c.bytes, s.withdrawn, ${holders} AS holders
       FROM shares s JOIN files f ON f.file = s.file JOIN contents c ON c.content = s.content
       WHERE s.device = ? AND s.file > ? ORDER BY s.file LIMIT ?`,
    ),
    numbersOfDevice: prepareQuery<{ readonly file: number }>(
      db,
      "SELECT file FROM shares WHERE device = ? AND file > ? AND withdrawn = 0 ORDER BY file LIMIT ?",
    ),
    row: prepareQuery<CatalogRow>(
      db,
      `SELECT f.file, f.name, c.id, c.bytes, ${holders} AS holders
       FROM files f JOIN contents c USING (content) WHERE f.file = ?`,
    ),

    byName: prepareQuery<CatalogRow>(db, found(candidates.name, candidatesMax) + " ORDER BY k.file LIMIT ?"),
    lastByName: last(candidates.name),
    sizes: prepareQuery<{ readonly content: number }>(
      db,
      `SELECT content FROM contents WHERE id = ? ORDER BY content LIMIT ${sizesMax}`,
    ),
    byContent: prepareQuery<CatalogRow>(db, found(candidates.content, candidatesMax) + " LIMIT ?"),
    lastByContent: last(candidates.content),
    byTrigrams: prepareQuery<CatalogRow>(db, found(candidates.trigrams, candidatesMax)),
    lastByTrigrams: last(candidates.trigrams),
    names: prepareQuery<{ readonly file: number; readonly name: string }>(
      db,
      `SELECT file, name FROM files WHERE file > ? ORDER BY file LIMIT ${candidatesMax}`,
    ),

    holders: prepareQuery<HolderRow>(
      db,
      `SELECT s.device, min(s.share) AS share, a.name AS account, d.label, d.device_id AS deviceId,
         a.public_key AS accountKey, d.signature AS deviceSignature, d.certificate
       FROM contents c JOIN shares s ON s.content = c.content JOIN online o ON o.device = s.device
         JOIN devices d ON d.device = s.device JOIN accounts a ON a.account = d.account
       WHERE c.id = ? AND c.bytes = ? AND s.withdrawn = 0 AND s.device > ? AND s.device <> ?
         AND d.signature IS NOT NULL AND a.public_key IS NOT NULL
       GROUP BY s.device ORDER BY s.device LIMIT ?`,
    ),
  };
}

/** The shared files of one open database. */
export class SqliteCatalog {
  readonly #queries: ReturnType<typeof prepareAll>;
  readonly #candidatesMax: number;

  /** @param db With the present schema and the temporary table `online`. */
  constructor(db: DatabaseSync, candidatesMax: number) {
    this.#queries = prepareAll(db, candidatesMax);
    this.#candidatesMax = candidatesMax;
  }

  listFiles({ device, scope, after, limit }: Ask<"listFiles">): Answer<"listFiles"> {
    if (scope === "device") {
      return this.#queries.ofDevice.all(device, after, limit).map((row) => fileRow(row, row.withdrawn === 1));
    }
    const numbers = new Set<number>();
    for (const { device: one } of this.#queries.siblings.all(device)) {
      for (const { file } of this.#queries.numbersOfDevice.all(one, after, limit)) numbers.add(file);
    }
    const page = [...numbers].sort((a, b) => a - b).slice(0, limit);
    return page.map((file) => fileRow(this.#queries.row.get(file)!));
  }

  search({ mode, pattern, after, limit }: Ask<"search">): Answer<"search"> {
    if (pattern.includes("\0")) return pageOf([], limit); // No name has it, and SQL's texts end there.
    switch (mode) {
      case "name":
        return pageOf(
          this.#queries.byName.all(pattern, after, limit).map((row) => fileRow(row)),
          limit,
          this.#queries.lastByName.get(pattern, after)?.file,
        );
      case "id":
        return this.#searchById(pattern, after, limit);
      case "substring":
        return this.#searchByPattern(substringPattern(pattern), after, limit);
      case "glob":
        return this.#searchByPattern(globPattern(pattern), after, limit);
    }
  }

  locate({ content, askingDevice, after, limit }: Ask<"locate">): Answer<"locate"> {
    return this.#queries.holders.all(idBytes(content.id), content.bytes, after, askingDevice, limit)
      .map((row) => ({ ...row, deviceId: deviceIdFrom(row.deviceId) }));
  }

  #searchById(pattern: string, after: number, limit: number): Answer<"search"> {
    const id = parseContentId(pattern);
    if (id === undefined) return pageOf([], limit);
    const sizes = this.#queries.sizes.all(idBytes(id));
    const lasts = sizes.map(({ content }) => this.#queries.lastByContent.get(content, after)?.file ?? Infinity);
    const lookedTo = Math.min(...lasts, Infinity);
    const rows = sizes.flatMap(({ content }) => this.#queries.byContent.all(content, after, limit))
      .filter(({ file }) => file <= lookedTo).sort((a, b) => a.file - b.file).slice(0, limit);
    return pageOf(rows.map((row) => fileRow(row)), limit, lookedTo === Infinity ? 0 : lookedTo);
  }

  #searchByPattern(pattern: Pattern, after: number, limit: number): Answer<"search"> {
    const hits: FileRow[] = [];
    let looksLeft = limits.searchLooksMax;
    if (pattern.literals.length > 0) {
      // Quoted strings of FTS5's query language: inside, only the quote itself means something, doubled.
      const match = pattern.literals.map((literal) => `"${literal.replaceAll('"', '""')}"`).join(" AND ");
      for (const row of this.#queries.byTrigrams.iterate(match, after)) {
        if (pattern.matches(row.name) && hits.push(fileRow(row)) === limit) break;
        looksLeft -= pattern.looks * row.name.length;
        if (looksLeft < 0) return pageOf(hits, limit, row.file);
      }
      return pageOf(hits, limit, hits.length === limit ? 0 : this.#queries.lastByTrigrams.get(match, after)?.file);
    }
    let candidates = 0;
    for (const { file, name } of this.#queries.names.iterate(after)) {
      if (pattern.matches(name)) {
        const row = this.#queries.row.get(file)!;
        if (row.holders > 0 && hits.push(fileRow(row)) === limit) break;
      }
      looksLeft -= pattern.looks * name.length;
      if (++candidates === this.#candidatesMax || looksLeft < 0) return pageOf(hits, limit, file);
    }
    return pageOf(hits, limit);
  }
}

/** A page of hits: a full one goes on behind its last row, another behind the last candidate, where there may be more. */
function pageOf(rows: readonly FileRow[], limit: number, lookedTo = 0): Answer<"search"> {
  return { rows, next: rows.length === limit ? rows.at(-1)!.row : lookedTo };
}

function fileRow(row: CatalogRow, withdrawn = false): FileRow {
  const { file, name, id, bytes, holders } = row;
  return { row: file, name, content: { id: contentIdFrom(id), bytes }, holders, withdrawn };
}
