/**
 * sqlite_catalog: who shares what, as lists and introductions ask for it, in SQLite. Laws: 1) rows come in the order of growing numbers;
 * 2) whoever asks is told of shares that he may see alone: any other is like one that is not there.
 */

import type { DatabaseSync } from "node:sqlite";
import { type Content, idBytes } from "../../core/ids.ts";
import { limits } from "../../core/limits.ts";
import type { HolderRow, StoreOperations } from "../role/store_effects.ts";
import { type CatalogRow, fileRow, type HolderDeviceRow, holderRow } from "./rows.ts";
import { seenBy } from "./sqlite_audiences.ts";
import { prepareQuery } from "./sqlite_query.ts";

type Ask<O extends keyof StoreOperations> = StoreOperations[O]["ask"];
type Answer<O extends keyof StoreOperations> = StoreOperations[O]["answer"];

interface SharingRow extends HolderDeviceRow {
  readonly share: number;
}

/** What is told of a device that may be named as a holder. */
const holderColumns = `d.device, a.name AS account, d.label, d.device_id AS deviceId,
  a.public_key AS accountKey, d.signature AS deviceSignature, d.certificate, NULL AS place`;
const enrolled = "d.signature IS NOT NULL AND a.public_key IS NOT NULL";
/** The account of the device that asks. */
const accountOf = (device: string) => `(SELECT account FROM devices WHERE device = ${device})`;
/** Online and enrolled devices, but for the asking `?3`, that share a content where the asker may see it. */
const sharing = `FROM contents c JOIN shares s ON s.content = c.content JOIN online o ON o.device = s.device
  JOIN devices d ON d.device = s.device JOIN accounts a ON a.account = d.account
  WHERE c.id = ?1 AND c.bytes = ?2 AND s.withdrawn = 0 AND s.device <> ?3 AND ${enrolled}
    AND ${seenBy("s", accountOf("?3"))}`;
/** Online devices with a content under a name, where the account may see it. */
const holders = (account: string) =>
  `(SELECT count(*) FROM shares h JOIN online o ON o.device = h.device
  WHERE h.file = f.file AND h.withdrawn = 0 AND ${seenBy("h", account)})`;
const told = (share: string) => `(SELECT u.told FROM audiences u WHERE u.audience = ${share}.audience)`;
/** The shares of a file at the devices of an account. */
const ownShares = `FROM shares s JOIN devices d ON d.device = s.device
  WHERE s.file = f.file AND d.account = ?2 AND s.withdrawn = 0`;

function prepareAll(db: DatabaseSync) {
  return {
    account: prepareQuery<{ readonly account: number }>(db, "SELECT account FROM devices WHERE device = ?"),
    devices: prepareQuery<{ readonly device: number }>(db, "SELECT device FROM devices WHERE account = ?"),
    ofDevice: prepareQuery<CatalogRow & { readonly withdrawn: number }>(
      db,
      `SELECT s.file, s.name, c.id, c.bytes, s.withdrawn, ${holders("?4")} AS holders, s.shared_at AS sharedAtMs,
         s.description, ${told("s")} AS told
       FROM shares s JOIN files f ON f.file = s.file JOIN contents c ON c.content = s.content
       WHERE s.device = ?1 AND s.file > ?2 ORDER BY s.file LIMIT ?3`,
    ),
    numbersOfDevice: prepareQuery<{ readonly file: number }>(
      db,
      "SELECT file FROM shares WHERE device = ? AND file > ? AND withdrawn = 0 ORDER BY file LIMIT ?",
    ),
    row: prepareQuery<CatalogRow>(
      db,
      `SELECT f.file, f.name, c.id, c.bytes, ${holders("?2")} AS holders,
         (SELECT min(s.shared_at) ${ownShares}) AS sharedAtMs,
         coalesce((SELECT s.description ${ownShares} AND s.description <> '' ORDER BY s.share DESC LIMIT 1), '')
           AS description,
         (SELECT ${told("s")} ${ownShares} ORDER BY s.share DESC LIMIT 1) AS told
       FROM files f JOIN contents c USING (content) WHERE f.file = ?1`,
    ),
    sharing: prepareQuery<SharingRow>(
      db,
      `SELECT min(s.share) AS share, ${holderColumns} ${sharing} AND s.device BETWEEN ?4 AND ?5
       GROUP BY s.device ORDER BY s.device LIMIT ?6`,
    ),
    sharingDevices: prepareQuery<{ readonly device: number }>(
      db,
      `SELECT DISTINCT s.device ${sharing} ORDER BY s.device LIMIT ${limits.holdersDealtMax}`,
    ),
    known: prepareQuery<HolderDeviceRow>(
      db,
      `SELECT ${holderColumns} FROM devices d JOIN accounts a ON a.account = d.account WHERE d.device = ? AND ${enrolled}`,
    ),
    shareAt: prepareQuery<{ readonly share: number }>(
      db,
      `SELECT s.share FROM contents c JOIN shares s ON s.content = c.content
       WHERE c.id = ?1 AND c.bytes = ?2 AND s.device = ?3 AND s.withdrawn = 0 AND ${seenBy("s", "?4")} LIMIT 1`,
    ),
    /** A share that both the asking account `?3` and that of the device `?4` may see. */
    common: prepareQuery<{ readonly share: number }>(
      db,
      `SELECT s.share FROM contents c JOIN shares s ON s.content = c.content
         JOIN devices d ON d.device = s.device JOIN accounts a ON a.account = d.account
       WHERE c.id = ?1 AND c.bytes = ?2 AND s.withdrawn = 0 AND a.disabled = 0
         AND ${seenBy("s", "?3")} AND ${seenBy("s", accountOf("?4"))} LIMIT 1`,
    ),
    sees: prepareQuery(
      db,
      `SELECT 1 FROM shares s WHERE s.share = ?1 AND s.withdrawn = 0 AND ${seenBy("s", accountOf("?2"))}`,
    ),
  };
}

/** The shared files of one open database. */
export class SqliteCatalog {
  readonly #queries: ReturnType<typeof prepareAll>;

  /** @param db With the present schema and the temporary table `online`. */
  constructor(db: DatabaseSync) {
    this.#queries = prepareAll(db);
  }

  listFiles({ device, scope, after, limit }: Ask<"listFiles">): Answer<"listFiles"> {
    const account = this.#accountOf(device);
    if (scope === "device") {
      return this.#queries.ofDevice.all(device, after, limit, account).map((row) => fileRow(row, row.withdrawn));
    }
    const numbers = new Set<number>();
    for (const { device: one } of this.#queries.devices.all(account)) {
      for (const { file } of this.#queries.numbersOfDevice.all(one, after, limit)) numbers.add(file);
    }
    const page = [...numbers].sort((a, b) => a - b).slice(0, limit);
    return page.map((file) => fileRow(this.#queries.row.get(file, account)!));
  }

  locate({ content, askingDevice, round, known, limit }: Ask<"locate">): Answer<"locate"> {
    if (round === null) return { start: 0, round: [], known: this.#known(content, askingDevice, known) };
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
      known: rows.length < limit ? this.#known(content, askingDevice, known) : [],
    };
  }

  sharesOf({ device, askingDevice, contents }: Ask<"sharesOf">): Answer<"sharesOf"> {
    const account = this.#accountOf(askingDevice);
    return contents.map((content) => this.#shareAt(content, device, account) ?? null);
  }

  sees({ shares, devices }: Ask<"sees">): Answer<"sees"> {
    return shares.map((share) => devices.filter((device) => this.#queries.sees.get(share, device) !== undefined));
  }

  #accountOf(device: number): number {
    return this.#queries.account.get(device)?.account ?? 0;
  }

  #startOf({ id, bytes }: Content, askingDevice: number, pick: number): number {
    const devices = this.#queries.sharingDevices.all(idBytes(id), bytes, askingDevice);
    return devices[pick % devices.length]?.device ?? 1;
  }

  #known(content: Content, askingDevice: number, devices: readonly number[]): readonly HolderRow[] {
    const account = this.#accountOf(askingDevice);
    return devices.flatMap((device) => {
      const row = this.#queries.known.get(device);
      if (row === undefined) return [];
      const own = this.#shareAt(content, device, account);
      // One that shares it not, or not with the asker, serves what it fetches to those who may fetch where it may.
      const share = own ?? this.#queries.common.get(idBytes(content.id), content.bytes, account, device)?.share;
      return share === undefined ? [] : [holderRow(row, share, own !== undefined)];
    });
  }

  #shareAt({ id, bytes }: Content, device: number, account: number): number | undefined {
    return this.#queries.shareAt.get(idBytes(id), bytes, device, account)?.share;
  }
}
