/**
 * sqlite_shares: who shares what, as it changes, in SQLite. Laws: 1) a file's row lives as long as a share of it, a content's as long as
 * a file;  2) a device's share digest and its account's count change in the transaction that changes its shares;
 * 3) every method runs inside its caller's transaction.
 */

import type { DatabaseSync } from "node:sqlite";
import type { Bytes } from "../../core/bytes.ts";
import { type Content, contentIdFrom, contentKey, idBytes } from "../../core/ids.ts";
import { toggleShare } from "../../session/share_digest.ts";
import type { ShareEntry } from "../../wire/message.ts";
import type { StoreOperations } from "../role/store_effects.ts";
import { foldName } from "./pattern.ts";
import { prepareQuery, Refusal, refuseNul } from "./sqlite_query.ts";

type Ask<O extends keyof StoreOperations> = StoreOperations[O]["ask"];
type Answer<O extends keyof StoreOperations> = StoreOperations[O]["answer"];

interface ShareRow {
  readonly share: number;
  readonly device: number;
  readonly name: string;
  readonly file: number;
  readonly content: number;
  readonly withdrawn: number;
  readonly id: Bytes;
  readonly bytes: number;
}

function prepareAll(db: DatabaseSync) {
  const shareColumns = "s.share, s.device, s.name, s.file, s.content, s.withdrawn, c.id, c.bytes";
  return {
    device: prepareQuery<{ readonly account: number; readonly share_digest: Bytes }>(
      db,
      "SELECT account, share_digest FROM devices WHERE device = ?",
    ),
    devicesOf: prepareQuery<{ readonly device: number }>(
      db,
      "SELECT device FROM devices WHERE account = ? ORDER BY device",
    ),
    setDigest: prepareQuery(db, "UPDATE devices SET share_digest = ? WHERE device = ?"),
    count: prepareQuery<{ readonly shares: number }>(db, "SELECT shares FROM accounts WHERE account = ?"),
    setCount: prepareQuery(db, "UPDATE accounts SET shares = shares + ? WHERE account = ?"),

    content: prepareQuery<{ readonly content: number }>(db, "SELECT content FROM contents WHERE id = ? AND bytes = ?"),
    insertContent: prepareQuery(db, "INSERT INTO contents (id, bytes) VALUES (?, ?)"),
    deleteContent: prepareQuery(
      db,
      "DELETE FROM contents WHERE content = ?1 AND NOT EXISTS (SELECT 1 FROM files WHERE content = ?1)",
    ),
    file: prepareQuery<{ readonly file: number }>(db, "SELECT file FROM files WHERE name = ? AND content = ?"),
    insertFile: prepareQuery(db, "INSERT INTO files (name, content) VALUES (?, ?)"),
    deleteFile: prepareQuery(
      db,
      "DELETE FROM files WHERE file = ?1 AND NOT EXISTS (SELECT 1 FROM shares WHERE file = ?1)",
    ),
    indexName: prepareQuery(db, "INSERT INTO names (rowid, name) VALUES (?, ?)"),
    unindexName: prepareQuery(db, "DELETE FROM names WHERE rowid = ?"),
    share: prepareQuery<ShareRow>(
      db,
      `SELECT ${shareColumns} FROM shares s JOIN contents c USING (content) WHERE s.device = ? AND s.name = ?`,
    ),
    insertShare: prepareQuery(db, "INSERT INTO shares (device, name, file, content) VALUES (?, ?, ?, ?)"),
    setWithdrawn: prepareQuery(db, "UPDATE shares SET withdrawn = ? WHERE share = ?"),
    deleteShare: prepareQuery(db, "DELETE FROM shares WHERE share = ?"),
    stillShared: prepareQuery<{ readonly share: number }>(
      db,
      `SELECT s.share FROM contents c JOIN shares s ON s.content = c.content
       WHERE c.id = ? AND c.bytes = ? AND s.device = ? AND s.withdrawn = 0 LIMIT 1`,
    ),
    someShares: prepareQuery<ShareRow>(
      db,
      `SELECT ${shareColumns} FROM shares s JOIN contents c USING (content)
       WHERE s.device IN (SELECT device FROM devices WHERE account = ?) LIMIT ?`,
    ),
  };
}

/** What one ask changes at a device's list; written once, at its end. */
interface ListChange {
  readonly device: number;
  readonly account: number;
  readonly digest: Bytes;
  /** Whether the digest is another than before. */
  changed: boolean;
  /** Rows added less rows deleted. */
  rows: number;
  /** Contents of which a share went, by contentKey: they have ended unless another name has them. */
  readonly gone: Map<string, Content>;
}

/** The shares of one open database. */
export class SqliteShares {
  readonly #queries: ReturnType<typeof prepareAll>;
  readonly #sharesPerAccountMax: number;

  /** @param db With the present schema. */
  constructor(db: DatabaseSync, sharesPerAccountMax: number) {
    this.#queries = prepareAll(db);
    this.#sharesPerAccountMax = sharesPerAccountMax;
  }

  share({ device, entries }: Ask<"share">): Answer<"share"> {
    const change = this.#openList(device);
    for (const entry of entries) this.#put(change, entry);
    if (change.rows > 0) {
      const { shares } = this.#queries.count.get(change.account)!;
      if (shares + change.rows > this.#sharesPerAccountMax) {
        throw new Refusal("limit", `an account shares at most ${this.#sharesPerAccountMax} files`);
      }
    }
    return { shareDigest: change.digest, ended: this.#closeList(change) };
  }

  remove({ device, names, scope }: Ask<"remove">): Answer<"remove"> {
    const { account } = this.#device(device);
    const devices = scope === "device" ? [device] : this.#queries.devicesOf.all(account).map((row) => row.device);
    const changes = devices.map((one) => this.#openList(one));
    let count = 0;
    for (const name of new Set(names)) {
      for (const change of changes) {
        const known = this.#queries.share.get(change.device, name);
        if (known === undefined) continue;
        if (known.withdrawn === 0) count++;
        this.#end(change, known, change.device === device ? "delete" : "withdraw");
      }
    }
    const lists = changes.map((change) => ({ change, ended: this.#closeList(change) }));
    return {
      count,
      devices: lists.filter(({ change }) => change.changed).map(({ change, ended }) => ({
        device: change.device,
        shareDigest: change.digest,
        ended,
      })),
    };
  }

  /** Deletes up to `limit` shares of an account, and says how many. */
  removeShares(account: number, limit: number): number {
    const rows = this.#queries.someShares.all(account, limit);
    const changes = new Map<number, ListChange>();
    for (const row of rows) {
      const change = changes.get(row.device) ?? this.#openList(row.device);
      changes.set(row.device, change);
      this.#end(change, row, "delete");
    }
    for (const change of changes.values()) this.#closeList(change);
    return rows.length;
  }

  #device(device: number) {
    const row = this.#queries.device.get(device);
    if (row === undefined) throw new Refusal("sessionEnded", "the device is no longer there");
    return row;
  }

  #openList(device: number): ListChange {
    const { account, share_digest: digest } = this.#device(device);
    return { device, account, digest, changed: false, rows: 0, gone: new Map() };
  }

  /** Writes what changed; returns the contents that the device no longer shares under any name. */
  #closeList(change: ListChange): Content[] {
    if (change.changed) this.#queries.setDigest.run(change.digest, change.device);
    if (change.rows !== 0) this.#queries.setCount.run(change.rows, change.account);
    return [...change.gone.values()].filter(({ id, bytes }) =>
      this.#queries.stillShared.get(idBytes(id), bytes, change.device) === undefined
    );
  }

  #put(change: ListChange, entry: ShareEntry): void {
    refuseNul(entry.name);
    const known = this.#queries.share.get(change.device, entry.name);
    if (known !== undefined && known.bytes === entry.bytes && contentIdFrom(known.id) === entry.id) {
      if (known.withdrawn === 1) {
        this.#queries.setWithdrawn.run(0, known.share);
        toggle(change, entry);
      }
      return;
    }
    // A changed file is another share: a ticket for the old one must not be one for the new one.
    if (known !== undefined) this.#end(change, known, "delete");
    const content = this.#contentRow(entry);
    this.#queries.insertShare.run(change.device, entry.name, this.#fileRow(entry.name, content), content);
    toggle(change, entry);
    change.rows++;
  }

  #end(change: ListChange, row: ShareRow, how: "delete" | "withdraw"): void {
    if (row.withdrawn === 0) {
      const content = { id: contentIdFrom(row.id), bytes: row.bytes };
      toggle(change, { ...content, name: row.name });
      change.gone.set(contentKey(content), content);
    }
    if (how === "withdraw") {
      if (row.withdrawn === 0) this.#queries.setWithdrawn.run(1, row.share);
      return;
    }
    this.#queries.deleteShare.run(row.share);
    change.rows--;
    if (this.#queries.deleteFile.run(row.file).changes > 0) {
      this.#queries.unindexName.run(row.file);
      this.#queries.deleteContent.run(row.content);
    }
  }

  #contentRow({ id, bytes }: Content): number {
    const raw = idBytes(id);
    return this.#queries.content.get(raw, bytes)?.content ??
      this.#queries.insertContent.run(raw, bytes).lastInsertRowid;
  }

  #fileRow(name: string, content: number): number {
    const known = this.#queries.file.get(name, content);
    if (known !== undefined) return known.file;
    const { lastInsertRowid: file } = this.#queries.insertFile.run(name, content);
    this.#queries.indexName.run(file, foldName(name));
    return file;
  }
}

function toggle(change: ListChange, entry: ShareEntry): void {
  toggleShare(change.digest, entry);
  change.changed = true;
}
