/**
 * postgres_share_lists: the share lists that a run of asks changes, in memory until they are written. Laws: 1) nobody else writes meanwhile:
 * the run is in a group;  2) what is written leaves no file without a share, no content without a file, no audience without a share.
 */

import type { Bytes } from "../../core/bytes.ts";
import { type Content, contentIdFrom, contentKey, idBytes } from "../../core/ids.ts";
import { limits } from "../../core/limits.ts";
import { toggleShare } from "../../session/share_digest.ts";
import type { Role, ShareEntry } from "../../wire/message.ts";
import { foldName } from "../role/pattern.ts";
import type { StoreOperations } from "../role/store_effects.ts";
import { dropAudiences, PostgresAudiences } from "./postgres_audiences.ts";
import { byteList, type Sql, type SqlValue } from "./postgres_database.ts";
import { Refusal } from "./refusal.ts";

/** A share as its device told it, and what it is here. */
export interface Share extends ShareEntry {
  /** Its row, once it has one, and its file's. */
  share: number | undefined;
  file: number | undefined;
  readonly number: number;
  readonly withdrawn: boolean;
  readonly sharedAtMs: number;
}

/** A device's list, as far as it is looked at. */
export interface ShareList {
  readonly device: number;
  readonly account: Account;
  readonly digest: Bytes;
  readonly shares: Map<string, Share>;
  isChanged: boolean;
  /** Contents of which a share went since `takeEnded`, by contentKey. */
  gone: Map<string, Content>;
}

interface Account {
  readonly account: number;
  readonly role: Role;
  /** Its own limit; null: as all. */
  readonly sharesMax: number | null;
  shares: number;
  /** Rows added less rows deleted. */
  rows: number;
}

interface ShareRow {
  readonly device: number;
  readonly share: number;
  readonly name: string;
  readonly file: number;
  readonly withdrawn: boolean;
  readonly audience: number;
  readonly told: string | null;
  readonly description: string;
  readonly sharedAtMs: number;
  readonly id: Bytes;
  readonly bytes: number;
}

type RunSql = (text: string, ...parameters: readonly SqlValue[]) => void;

export class ShareLists {
  readonly #sql: Sql;
  readonly #lists = new Map<number, ShareList>();
  #audiences: PostgresAudiences;
  /** Rows to delete, and to withdraw. */
  #deleted: number[] = [];
  #withdrawn: number[] = [];
  /** Rows to describe anew. */
  #described = new Map<number, string>();
  /** Rows to make, in order. */
  #made = new Set<{ readonly device: number; readonly share: Share }>();
  /** Files whose descriptions change. */
  readonly #stale = new Set<number>();
  /** When the newest share was made. */
  #latestAtMs = 0;

  private constructor(sql: Sql) {
    this.#sql = sql;
    this.#audiences = new PostgresAudiences(sql);
  }

  /** Reads the lists of devices, each as far as these names. */
  static async read(sql: Sql, wanted: ReadonlyMap<number, readonly string[]>): Promise<ShareLists> {
    const lists = new ShareLists(sql);
    // No share has a name with NUL, and SQL's texts cannot hold one.
    const pairs = [...wanted].flatMap(([device, names]) =>
      [...new Set(names)].filter((name) => !name.includes("\0")).map((name) => ({ device, name }))
    );
    const [owners, rows, [latest]] = await Promise.all([
      sql.rows<
        Omit<Account, "rows" | "sharesMax"> & { device: number; digest: Bytes; shares_max: number | null }
      >(
        `SELECT d.device, d.account, d.share_digest AS digest, a.role, a.shares, a.shares_max
         FROM devices d JOIN accounts a USING (account) WHERE d.device = ANY ($1)`,
        [...wanted.keys()],
      ),
      sql.rows<ShareRow>(
        `SELECT s.device, s.share, s.name, s.file, s.withdrawn, s.audience, u.told, s.description,
           s.shared_at AS "sharedAtMs", c.id, c.bytes
         FROM unnest($1::bigint[], $2::text[]) AS w (device, name)
           CROSS JOIN LATERAL (SELECT * FROM shares s WHERE s.device = w.device AND s.name = w.name LIMIT 1) s
           JOIN contents c USING (content) LEFT JOIN audiences u ON u.audience = s.audience`,
        pairs.map(({ device }) => device),
        pairs.map(({ name }) => name),
      ),
      sql.rows<{ readonly atMs: number }>('SELECT shared_at AS "atMs" FROM shares ORDER BY share DESC LIMIT 1'),
    ]);
    lists.#latestAtMs = latest?.atMs ?? 0;
    const accounts = new Map<number, Account>();
    for (const { device, account: number, role, shares, shares_max: sharesMax, digest } of owners) {
      const account = accounts.get(number) ?? { account: number, role, sharesMax, shares, rows: 0 };
      accounts.set(number, account);
      lists.#lists.set(device, { device, account, digest, shares: new Map(), isChanged: false, gone: new Map() });
    }
    for (const { device, id, audience: number, told, ...row } of rows) {
      const audience = number === 0 ? null : told === null ? [] : JSON.parse(told);
      lists.#lists.get(device)?.shares.set(row.name, { ...row, id: contentIdFrom(id), number, audience });
    }
    return lists;
  }

  /** @throws {Refusal} If the device is gone. */
  get(device: number): ShareList {
    const list = this.#lists.get(device);
    if (list === undefined) throw new Refusal("sessionEnded", "the device is no longer there");
    return list;
  }

  /** Puts an entry; what is new of it, if anything. */
  async put(list: ShareList, entry: ShareEntry, nowMs: number): Promise<
    Share | undefined
  > {
    const { name, id, bytes, audience, description } = entry;
    const known = list.shares.get(name);
    const isSameContent = known?.withdrawn === false && known.bytes === bytes && known.id === id;
    const account = list.account.account;
    if (isSameContent && known.number === await this.#audiences.find(account, audience)) {
      if (known.description !== description) this.#describe(list, known, description);
      return undefined;
    }
    // A changed file, or one for others, is another share: a ticket for the old one must not be one for the new one.
    if (known !== undefined) this.end(list, known, "delete");
    const number = await this.#audiences.put(account, audience);
    // Shares grow older by their numbers, also where the clock was set back.
    this.#latestAtMs = Math.max(nowMs, this.#latestAtMs);
    const isNew = { share: undefined, file: undefined, withdrawn: false, sharedAtMs: this.#latestAtMs };
    const share: Share = { ...entry, ...isNew, number };
    list.shares.set(name, share);
    this.#made.add({ device: list.device, share });
    toggle(list, share);
    count(list.account, 1);
    return share;
  }

  end(list: ShareList, known: Share, how: "delete" | "withdraw"): void {
    if (!known.withdrawn) {
      toggle(list, known);
      const content = { id: known.id, bytes: known.bytes };
      list.gone.set(contentKey(content), content);
    }
    if (how === "withdraw") {
      if (known.withdrawn) return;
      list.shares.set(known.name, { ...known, withdrawn: true });
      this.#withdrawn.push(known.share!);
      return;
    }
    list.shares.delete(known.name);
    if (known.share === undefined) this.#forget(known);
    else this.#deleted.push(known.share);
    if (known.description !== "" && known.file !== undefined) this.#stale.add(known.file);
    count(list.account, -1);
  }

  /** What became of the contents of which a share of a device went. */
  async takeGone(list: ShareList): Promise<Pick<StoreOperations["share"]["answer"], "ended" | "narrowed">> {
    const gone = [...list.gone.values()];
    if (gone.length === 0) return { ended: [], narrowed: [] };
    list.gone = new Map();
    await this.write();
    // One for everyone, if there is one.
    const still = await this.#sql.rows<{ readonly at: number; readonly share: number; readonly audience: number }>(
      `SELECT w.at, k.share, k.audience FROM unnest($2::bytea[], $3::bigint[]) WITH ORDINALITY AS w (id, bytes, at)
         CROSS JOIN LATERAL (SELECT s.share, s.audience FROM contents c JOIN shares s USING (content)
           WHERE c.id = w.id AND c.bytes = w.bytes AND s.device = $1 AND NOT s.withdrawn
           ORDER BY s.audience LIMIT 1) k`,
      list.device,
      byteList(gone.map(({ id }) => idBytes(id))),
      gone.map(({ bytes }) => bytes),
    );
    const shared = new Set(still.map(({ at }) => at));
    return {
      ended: gone.filter((_, i) => !shared.has(i + 1)),
      narrowed: still.filter(({ audience }) => audience !== 0).map(({ share }) => share),
    };
  }

  /** Writes what changed. Statements that need nothing of each other's answers go one behind the other. */
  async write(): Promise<void> {
    const running: Promise<unknown>[] = [];
    const run: RunSql = (text, ...parameters) => void running.push(this.#sql.run(text, ...parameters));
    if (this.#withdrawn.length > 0) {
      run("UPDATE shares SET withdrawn = true WHERE share = ANY ($1)", this.#withdrawn);
    }
    if (this.#described.size > 0) {
      run(
        `UPDATE shares s SET description = w.description FROM unnest($1::bigint[], $2::text[]) AS w (share, description)
         WHERE s.share = w.share`,
        [...this.#described.keys()],
        [...this.#described.values()],
      );
    }
    const orphans = this.#deleted.length === 0 ? [] : await this.#sql.rows<Orphan>(
      "DELETE FROM shares WHERE share = ANY ($1) RETURNING file, content, audience",
      this.#deleted,
    );
    if (this.#made.size > 0) await this.#make(run);
    if (orphans.length > 0) dropOrphans(run, orphans);
    this.#writeLists(run);
    await Promise.all(running);
    const told = [...new Set(orphans.map(({ audience }) => audience))].filter((audience) => audience !== 0);
    if (told.length > 0) await dropAudiences(this.#sql, told);
    if (this.#stale.size > 0) await indexAnew(this.#sql, [...this.#stale]);
    this.#deleted = [];
    this.#withdrawn = [];
    this.#described.clear();
    this.#made.clear();
    this.#stale.clear();
    this.#audiences = new PostgresAudiences(this.#sql); // One that it knew may have gone.
  }

  #describe(list: ShareList, known: Share, description: string): void {
    toggle(list, known);
    const share = { ...known, description };
    toggle(list, share);
    list.shares.set(known.name, share);
    if (known.share === undefined) {
      this.#forget(known);
      this.#made.add({ device: list.device, share });
    } else {
      this.#described.set(known.share, description);
    }
    if (known.file !== undefined) this.#stale.add(known.file);
  }

  #forget(unwritten: Share): void {
    for (const one of this.#made) if (one.share === unwritten) this.#made.delete(one);
  }

  async #make(run: RunSql): Promise<void> {
    const made = [...this.#made];
    const ids = byteList(made.map(({ share }) => idBytes(share.id)));
    const sizes = made.map(({ share }) => share.bytes);
    const names = made.map(({ share }) => share.name);
    run(
      `INSERT INTO contents (id, bytes) SELECT w.id, w.bytes
       FROM unnest($1::bytea[], $2::bigint[]) WITH ORDINALITY AS w (id, bytes, at)
       WHERE NOT EXISTS (SELECT 1 FROM contents c WHERE c.id = w.id AND c.bytes = w.bytes)
       GROUP BY w.id, w.bytes ORDER BY min(w.at)`,
      ids,
      sizes,
    );
    run(
      `INSERT INTO files (name, folded, content, bytes) SELECT w.name, w.folded, c.content, c.bytes
       FROM unnest($1::text[], $2::text[], $3::bytea[], $4::bigint[]) WITH ORDINALITY AS w (name, folded, id, bytes, at)
         JOIN contents c ON c.id = w.id AND c.bytes = w.bytes
       WHERE NOT EXISTS (SELECT 1 FROM files f WHERE f.name = w.name AND f.content = c.content)
       GROUP BY w.name, w.folded, c.content ORDER BY min(w.at)`,
      names,
      names.map(foldName),
      ids,
      sizes,
    );
    const rows = await this.#sql.rows<{ readonly share: number; readonly device: number; name: string; file: number }>(
      `INSERT INTO shares (device, name, file, content, audience, description, shared_at)
         SELECT w.device, w.name, f.file, c.content, w.audience, w.description, w.shared_at
         FROM unnest($1::bigint[], $2::text[], $3::bytea[], $4::bigint[], $5::bigint[], $6::text[], $7::bigint[])
             WITH ORDINALITY AS w (device, name, id, bytes, audience, description, shared_at, at)
           JOIN contents c ON c.id = w.id AND c.bytes = w.bytes
           JOIN files f ON f.name = w.name AND f.content = c.content
         ORDER BY w.at
       RETURNING share, device, name, file`,
      made.map(({ device }) => device),
      names,
      ids,
      sizes,
      made.map(({ share }) => share.number),
      made.map(({ share }) => share.description),
      made.map(({ share }) => share.sharedAtMs),
    );
    const byName = new Map(made.map(({ device, share }) => [`${device} ${share.name}`, share]));
    for (const { share: number, device, name, file } of rows) {
      const share = byName.get(`${device} ${name}`)!;
      share.share = number;
      share.file = file;
      if (share.description !== "") this.#stale.add(file);
    }
  }

  #writeLists(run: RunSql): void {
    const changed = [...this.#lists.values()].filter(({ isChanged }) => isChanged);
    if (changed.length > 0) {
      run(
        `UPDATE devices d SET share_digest = w.digest FROM unnest($1::bigint[], $2::bytea[]) AS w (device, digest)
         WHERE d.device = w.device`,
        changed.map(({ device }) => device),
        byteList(changed.map(({ digest }) => digest)),
      );
    }
    const accounts = new Set([...this.#lists.values()].map(({ account }) => account).filter(({ rows }) => rows !== 0));
    if (accounts.size > 0) {
      run(
        `UPDATE accounts a SET shares = a.shares + w.rows FROM unnest($1::bigint[], $2::bigint[]) AS w (account, rows)
         WHERE a.account = w.account`,
        [...accounts].map(({ account }) => account),
        [...accounts].map(({ rows }) => rows),
      );
    }
    for (const list of changed) list.isChanged = false;
    for (const account of accounts) account.rows = 0;
  }
}

/** What a share that went may leave behind. */
interface Orphan {
  readonly file: number;
  readonly content: number;
  readonly audience: number;
}

function dropOrphans(run: RunSql, orphans: readonly Orphan[]): void {
  run(
    "DELETE FROM files f WHERE file = ANY ($1) AND NOT EXISTS (SELECT 1 FROM shares s WHERE s.file = f.file)",
    orphans.map(({ file }) => file),
  );
  run(
    "DELETE FROM contents c WHERE content = ANY ($1) AND NOT EXISTS (SELECT 1 FROM files f WHERE f.content = c.content)",
    orphans.map(({ content }) => content),
  );
}

/** Indexes files anew under their names and what they are described as; whoever finds one so looks whether he may see that description. */
async function indexAnew(sql: Sql, files: readonly number[]): Promise<void> {
  const rows = await sql.rows<{ readonly file: number; readonly name: string; readonly texts: readonly string[] }>(
    `SELECT f.file, f.name, ARRAY(SELECT DISTINCT s.description FROM shares s
       WHERE s.file = f.file AND s.description <> '' LIMIT ${limits.descriptionsPerFileMax}) AS texts
     FROM files f WHERE f.file = ANY ($1)`,
    files,
  );
  await sql.run(
    `UPDATE files f SET folded = w.folded, described = w.described::boolean
     FROM unnest($1::bigint[], $2::text[], $3::text[]) AS w (file, folded, described) WHERE f.file = w.file`,
    rows.map(({ file }) => file),
    rows.map(({ name, texts }) => [name, ...texts].map(foldName).join("\n")),
    rows.map(({ texts }) => String(texts.length > 0)),
  );
}

function toggle(list: ShareList, entry: ShareEntry): void {
  toggleShare(list.digest, entry);
  list.isChanged = true;
}

function count(account: Account, rows: number): void {
  account.shares += rows;
  account.rows += rows;
}
