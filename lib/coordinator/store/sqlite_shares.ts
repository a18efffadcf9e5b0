/**
 * sqlite_shares: who shares what, as it changes, in SQLite. Laws: 1) a file's row lives as long as a share of it, a content's as long as
 * a file;  2) a device's share digest and its account's count change in the transaction that changes its shares;
 * 3) every method runs inside its caller's transaction.
 */

import type { DatabaseSync } from "node:sqlite";
import type { Bytes } from "../../core/bytes.ts";
import { type Content, contentIdFrom, contentKey, idBytes } from "../../core/ids.ts";
import { limits } from "../../core/limits.ts";
import { toggleShare } from "../../session/share_digest.ts";
import type { Role, ShareEntry } from "../../wire/message.ts";
import type { AddedShare, StoreOperations } from "../role/store_effects.ts";
import { foldName } from "../role/pattern.ts";
import { Refusal, refuseNul } from "./refusal.ts";
import type { SqliteAudiences } from "./sqlite_audiences.ts";
import { prepareQuery } from "./sqlite_query.ts";

type Ask<O extends keyof StoreOperations> = StoreOperations[O]["ask"];
type Answer<O extends keyof StoreOperations> = StoreOperations[O]["answer"];

interface ShareRow {
  readonly share: number;
  readonly device: number;
  readonly name: string;
  readonly file: number;
  readonly content: number;
  readonly withdrawn: number;
  readonly audience: number;
  readonly description: string;
  readonly id: Bytes;
  readonly bytes: number;
}

function prepareAll(db: DatabaseSync) {
  const shareColumns = `s.share, s.device, s.name, s.file, s.content, s.withdrawn, s.audience, s.description,
    c.id, c.bytes`;
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
    allowance: prepareQuery<{ readonly shares: number; readonly shares_max: number | null; readonly role: Role }>(
      db,
      "SELECT shares, shares_max, role FROM accounts WHERE account = ?",
    ),
    setCount: prepareQuery(db, "UPDATE accounts SET shares = shares + ? WHERE account = ?"),

    content: prepareQuery<{ readonly content: number }>(db, "SELECT content FROM contents WHERE id = ? AND bytes = ?"),
    insertContent: prepareQuery(db, "INSERT INTO contents (id, bytes) VALUES (?, ?)"),
    deleteContent: prepareQuery(
      db,
      "DELETE FROM contents WHERE content = ?1 AND NOT EXISTS (SELECT 1 FROM files WHERE content = ?1)",
    ),
    file: prepareQuery<{ readonly file: number }>(db, "SELECT file FROM files WHERE name = ? AND content = ?"),
    insertFile: prepareQuery(db, "INSERT INTO files (name, content, bytes) VALUES (?, ?, ?)"),
    deleteFile: prepareQuery(
      db,
      "DELETE FROM files WHERE file = ?1 AND NOT EXISTS (SELECT 1 FROM shares WHERE file = ?1)",
    ),
    indexName: prepareQuery(db, "INSERT INTO names (rowid, name) VALUES (?, ?)"),
    unindexName: prepareQuery(db, "DELETE FROM names WHERE rowid = ?"),
    nameOf: prepareQuery<{ readonly name: string }>(db, "SELECT name FROM files WHERE file = ?"),
    descriptions: prepareQuery<{ readonly description: string }>(
      db,
      `SELECT DISTINCT description FROM shares WHERE file = ? AND description <> ''
       LIMIT ${limits.descriptionsPerFileMax}`,
    ),
    setDescribed: prepareQuery(db, "UPDATE files SET described = ? WHERE file = ?"),
    share: prepareQuery<ShareRow>(
      db,
      `SELECT ${shareColumns} FROM shares s JOIN contents c USING (content) WHERE s.device = ? AND s.name = ?`,
    ),
    insertShare: prepareQuery(
      db,
      `INSERT INTO shares (device, name, file, content, audience, description, shared_at)
       VALUES (?, ?, ?, ?, ?, ?, ?)`,
    ),
    latest: prepareQuery<{ readonly shared_at: number }>(
      db,
      "SELECT shared_at FROM shares ORDER BY share DESC LIMIT 1",
    ),
    setDescription: prepareQuery(db, "UPDATE shares SET description = ? WHERE share = ?"),
    setWithdrawn: prepareQuery(db, "UPDATE shares SET withdrawn = ? WHERE share = ?"),
    deleteShare: prepareQuery(db, "DELETE FROM shares WHERE share = ?"),
    /** One for everyone, if there is one. */
    stillShared: prepareQuery<{ readonly share: number; readonly audience: number }>(
      db,
      `SELECT s.share, s.audience FROM contents c JOIN shares s ON s.content = c.content
       WHERE c.id = ? AND c.bytes = ? AND s.device = ? AND s.withdrawn = 0 ORDER BY s.audience LIMIT 1`,
    ),
    someShares: prepareQuery<ShareRow>(
      db,
      `SELECT ${shareColumns} FROM shares s JOIN contents c USING (content)
       WHERE s.device IN (SELECT device FROM devices WHERE account = ?) LIMIT ?`,
    ),
    someStanding: prepareQuery<ShareRow>(
      db,
      `SELECT ${shareColumns} FROM shares s JOIN contents c USING (content)
       WHERE s.device IN (SELECT device FROM devices WHERE account = ?) AND s.withdrawn = 0 LIMIT ?`,
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
  readonly #audiences: SqliteAudiences;
  readonly #sharesPerAccountMax: number;

  /** @param db With the present schema. */
  constructor(db: DatabaseSync, audiences: SqliteAudiences, sharesPerAccountMax: number) {
    this.#queries = prepareAll(db);
    this.#audiences = audiences;
    this.#sharesPerAccountMax = sharesPerAccountMax;
  }

  share({ device, entries, nowMs }: Ask<"share">): Answer<"share"> {
    const change = this.#openList(device);
    const { shares, shares_max, role } = this.#queries.allowance.get(change.account)!;
    if (role === "readOnly") throw new Refusal("readOnly", "this account may search and fetch, not share");
    // Shares grow older by their numbers, also where the clock was set back.
    const sharedAtMs = Math.max(nowMs, this.#queries.latest.get()?.shared_at ?? 0);
    const added = entries.flatMap((entry, at) => {
      const put = this.#put(change, entry, sharedAtMs);
      return put === undefined ? [] : [{ entry: at, ...put }];
    });
    const sharesMax = shares_max ?? this.#sharesPerAccountMax;
    if (change.rows > 0 && shares + change.rows > sharesMax) {
      throw new Refusal("limit", `this account shares at most ${sharesMax} files`);
    }
    return { shareDigest: change.digest, ...this.#closeList(change), added };
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
    const lists = changes.map((change) => ({ change, left: this.#closeList(change) }));
    return {
      count,
      devices: lists.filter(({ change }) => change.changed).map(({ change, left }) => ({
        device: change.device,
        shareDigest: change.digest,
        ...left,
      })),
    };
  }

  /** Deletes up to `limit` shares of an account, or withdraws them until their devices have heard of it; says how many. */
  removeShares(account: number, limit: number, how: "delete" | "withdraw"): number {
    const rows = how === "delete"
      ? this.#queries.someShares.all(account, limit)
      : this.#queries.someStanding.all(account, limit);
    const changes = new Map<number, ListChange>();
    for (const row of rows) {
      const change = changes.get(row.device) ?? this.#openList(row.device);
      changes.set(row.device, change);
      this.#end(change, row, how);
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

  /** Writes what changed; tells of the contents of which a share went. */
  #closeList(change: ListChange): Pick<Answer<"share">, "ended" | "narrowed"> {
    if (change.changed) this.#queries.setDigest.run(change.digest, change.device);
    if (change.rows !== 0) this.#queries.setCount.run(change.rows, change.account);
    const ended: Content[] = [];
    const narrowed: number[] = [];
    for (const content of change.gone.values()) {
      const left = this.#queries.stillShared.get(idBytes(content.id), content.bytes, change.device);
      if (left === undefined) ended.push(content);
      else if (left.audience !== 0) narrowed.push(left.share);
    }
    return { ended, narrowed };
  }

  /** Puts an entry; what is new of it, if anything. */
  #put(change: ListChange, entry: ShareEntry, sharedAtMs: number): Omit<AddedShare, "entry"> | undefined {
    const { name, audience, description } = entry;
    refuseNul(name);
    refuseNul(description);
    const known = this.#queries.share.get(change.device, name);
    const isSameContent = known?.withdrawn === 0 && known.bytes === entry.bytes && contentIdFrom(known.id) === entry.id;
    if (isSameContent && known.audience === this.#audiences.find(change.account, audience)) {
      if (known.description !== description) this.#describe(change, known, entry);
      return undefined;
    }
    // A changed file, or one for others, is another share: a ticket for the old one must not be one for the new one.
    if (known !== undefined) this.#end(change, known, "delete");
    const content = this.#contentRow(entry);
    const file = this.#fileRow(entry, content);
    const number = this.#audiences.put(change.account, audience);
    const { lastInsertRowid: share } = this.#queries.insertShare.run(
      change.device,
      name,
      file,
      content,
      number,
      description,
      sharedAtMs,
    );
    if (description !== "") this.#index(file);
    toggle(change, entry);
    change.rows++;
    return { share };
  }

  #describe(change: ListChange, row: ShareRow, entry: ShareEntry): void {
    toggle(change, this.#entryOf(row));
    toggle(change, entry);
    this.#queries.setDescription.run(entry.description, row.share);
    this.#index(row.file);
  }

  #end(change: ListChange, row: ShareRow, how: "delete" | "withdraw"): void {
    if (row.withdrawn === 0) {
      const entry = this.#entryOf(row);
      toggle(change, entry);
      change.gone.set(contentKey(entry), { id: entry.id, bytes: entry.bytes });
    }
    if (how === "withdraw") {
      if (row.withdrawn === 0) this.#queries.setWithdrawn.run(1, row.share);
      return;
    }
    this.#queries.deleteShare.run(row.share);
    this.#audiences.drop(row.audience);
    change.rows--;
    if (this.#queries.deleteFile.run(row.file).changes > 0) {
      this.#queries.unindexName.run(row.file);
      this.#queries.deleteContent.run(row.content);
    } else if (row.description !== "") {
      this.#index(row.file);
    }
  }

  /** A share as its device told it. */
  #entryOf({ name, id, bytes, audience, description }: ShareRow): ShareEntry {
    return { name, id: contentIdFrom(id), bytes, audience: this.#audiences.told(audience), description };
  }

  #contentRow({ id, bytes }: Content): number {
    const raw = idBytes(id);
    return this.#queries.content.get(raw, bytes)?.content ??
      this.#queries.insertContent.run(raw, bytes).lastInsertRowid;
  }

  #fileRow({ name, bytes }: ShareEntry, content: number): number {
    const known = this.#queries.file.get(name, content);
    if (known !== undefined) return known.file;
    const { lastInsertRowid: file } = this.#queries.insertFile.run(name, content, bytes);
    this.#queries.indexName.run(file, foldName(name));
    return file;
  }

  /** Indexes a file anew under its name and what it is described as; whoever finds it so looks whether he may see that description. */
  #index(file: number): void {
    const { name } = this.#queries.nameOf.get(file)!;
    const texts = this.#queries.descriptions.all(file).map(({ description }) => description);
    this.#queries.unindexName.run(file);
    this.#queries.indexName.run(file, [name, ...texts].map(foldName).join("\n"));
    this.#queries.setDescribed.run(texts.length > 0 ? 1 : 0, file);
  }
}

function toggle(change: ListChange, entry: ShareEntry): void {
  toggleShare(change.digest, entry);
  change.changed = true;
}
