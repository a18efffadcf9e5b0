/**
 * sqlite_catalog: who shares what, as it is asked for, in SQLite. Laws: 1) rows come in the order of growing numbers, and a bounded
 * number of them is looked at: a search with more to look at says where it goes on;  2) a search shows what an online device
 * shares now;  3) user text is a parameter, or a quoted string of FTS5's query language.
 */

import type { DatabaseSync } from "node:sqlite";
import type { Bytes } from "../../core/bytes.ts";
import { type Content, contentIdFrom, deviceIdFrom, idBytes, parseContentId } from "../../core/ids.ts";
import { limits } from "../../core/limits.ts";
import type { FileRow, HolderRow, StoreOperations } from "../role/store_effects.ts";
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

interface DeviceRow {
  readonly device: number;
  readonly account: string;
  readonly label: string;
  readonly deviceId: Bytes;
  readonly accountKey: Bytes;
  readonly deviceSignature: Bytes;
  readonly certificate: Bytes;
}

interface SharingRow extends DeviceRow {
  readonly share: number;
}

/** What is told of a device that may be named as a holder. */
const holderColumns = `d.device, a.name AS account, d.label, d.device_id AS deviceId,
  a.public_key AS accountKey, d.signature AS deviceSignature, d.certificate`;
const enrolled = "d.signature IS NOT NULL AND a.public_key IS NOT NULL";
/** Online and enrolled devices that share a content, but for one. */
const sharing = `FROM contents c JOIN shares s ON s.content = c.content JOIN online o ON o.device = s.device
  JOIN devices d ON d.device = s.device JOIN accounts a ON a.account = d.account
  WHERE c.id = ? AND c.bytes = ? AND s.withdrawn = 0 AND s.device <> ? AND ${enrolled}`;

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

    sharing: prepareQuery<SharingRow>(
      db,
      `SELECT min(s.share) AS share, ${holderColumns} ${sharing} AND s.device BETWEEN ? AND ?
       GROUP BY s.device ORDER BY s.device LIMIT ?`,
    ),
    sharingDevices: prepareQuery<{ readonly device: number }>(
      db,
      `SELECT DISTINCT s.device ${sharing} ORDER BY s.device LIMIT ${limits.holdersDealtMax}`,
    ),
    known: prepareQuery<DeviceRow>(
      db,
      `SELECT ${holderColumns} FROM devices d JOIN accounts a ON a.account = d.account WHERE d.device = ? AND ${enrolled}`,
    ),
    shareAt: prepareQuery<{ readonly share: number }>(
      db,
      `SELECT s.share FROM contents c JOIN shares s ON s.content = c.content
       WHERE c.id = ? AND c.bytes = ? AND s.device = ? AND s.withdrawn = 0 LIMIT 1`,
    ),
    anyShare: prepareQuery<{ readonly share: number }>(
      db,
      `SELECT s.share FROM contents c JOIN shares s ON s.content = c.content
         JOIN devices d ON d.device = s.device JOIN accounts a ON a.account = d.account
       WHERE c.id = ? AND c.bytes = ? AND s.withdrawn = 0 AND a.disabled = 0 LIMIT 1`,
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

  locate({ content, askingDevice, round, known, limit }: Ask<"locate">): Answer<"locate"> {
    if (round === null) return { start: 0, round: [], known: this.#known(content, known) };
    const id = idBytes(content.id);
    const start = round.start || this.#startOf(content, askingDevice, round.pick);
    const between = (first: number, last: number, count: number) =>
      this.#queries.sharing.all(id, content.bytes, askingDevice, first, last, count);
    const { after } = round;
    const isWrapped = after > 0 && after < start;
    const rows = isWrapped ? [] : between(Math.max(start, after + 1), Number.MAX_SAFE_INTEGER, limit);
    if (rows.length < limit) rows.push(...between(isWrapped ? after + 1 : 1, start - 1, limit - rows.length));
    return {
      start,
      round: rows.map((row) => holderRow(row, row.share, true)),
      known: rows.length < limit ? this.#known(content, known) : [],
    };
  }

  sharesOf({ device, contents }: Ask<"sharesOf">): Answer<"sharesOf"> {
    return contents.map((content) => this.#shareAt(content, device) ?? null);
  }

  #startOf({ id, bytes }: Content, askingDevice: number, pick: number): number {
    const devices = this.#queries.sharingDevices.all(idBytes(id), bytes, askingDevice);
    return devices[pick % devices.length]?.device ?? 1;
  }

  #known(content: Content, devices: readonly number[]): readonly HolderRow[] {
    if (devices.length === 0) return [];
    const any = this.#queries.anyShare.get(idBytes(content.id), content.bytes)?.share;
    if (any === undefined) return [];
    return devices.flatMap((device) => {
      const row = this.#queries.known.get(device);
      const own = this.#shareAt(content, device);
      return row === undefined ? [] : [holderRow(row, own ?? any, own !== undefined)];
    });
  }

  #shareAt({ id, bytes }: Content, device: number): number | undefined {
    return this.#queries.shareAt.get(idBytes(id), bytes, device)?.share;
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

function holderRow({ deviceId, ...row }: DeviceRow, share: number, whole: boolean): HolderRow {
  return { ...row, deviceId: deviceIdFrom(deviceId), share, whole };
}

function fileRow(row: CatalogRow, withdrawn = false): FileRow {
  const { file, name, id, bytes, holders } = row;
  return { row: file, name, content: { id: contentIdFrom(id), bytes }, holders, withdrawn };
}
