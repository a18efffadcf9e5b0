/**
 * postgres_catalog: who shares what, as lists and introductions ask for it, in PostgreSQL. Laws: 1) rows come in the order of growing
 * numbers;  2) whoever asks is told of shares that he may see alone: any other is like one that is not there.
 */

import { type Content, idBytes } from "../../core/ids.ts";
import { limits } from "../../core/limits.ts";
import type { HolderRow, StoreOperations } from "../role/store_effects.ts";
import { seenBy } from "./postgres_audiences.ts";
import { byteList, type Sql } from "./postgres_database.ts";
import { type CatalogRow, fileRow, type HolderDeviceRow, holderRow } from "./rows.ts";

type Ask<O extends keyof StoreOperations> = StoreOperations[O]["ask"];
type Answer<O extends keyof StoreOperations> = StoreOperations[O]["answer"];

/** What is told of a device that may be named as a holder. */
const holderColumns = `d.device, a.name AS account, d.label, d.device_id AS "deviceId", a.public_key AS "accountKey",
  d.signature AS "deviceSignature", d.certificate, (SELECT place FROM online WHERE online.device = d.device) AS place`;
const enrolled = "d.signature IS NOT NULL AND a.public_key IS NOT NULL";
/** The account of the device that asks. */
const accountOf = (device: string) => `(SELECT account FROM devices WHERE device = ${device})`;
/** Online and enrolled devices, but for the asking `$3`, that share a content where the asker may see it. */
const sharing = `FROM contents c JOIN shares s USING (content) JOIN online o ON o.device = s.device
  JOIN devices d ON d.device = s.device JOIN accounts a ON a.account = d.account
  WHERE c.id = $1 AND c.bytes = $2 AND NOT s.withdrawn AND s.device <> $3 AND ${enrolled}
    AND ${seenBy("s", accountOf("$3"))}`;
/** Online devices with a content under a name, where the account of the device `$1` may see it. */
const holders = `(SELECT count(*) FROM shares h JOIN online o ON o.device = h.device
  WHERE h.file = f.file AND NOT h.withdrawn AND ${seenBy("h", accountOf("$1"))})`;
const told = (share: string) => `(SELECT u.told FROM audiences u WHERE u.audience = ${share}.audience)`;
/** The shares of a file at the devices of the account of the device `$1`. */
const ownShares = `FROM shares s JOIN devices d ON d.device = s.device
  WHERE s.file = f.file AND d.account = ${accountOf("$1")} AND NOT s.withdrawn`;

const filesOfDevice = `SELECT s.file, s.name, c.id, c.bytes, s.withdrawn, ${
  holders.replace("f.file", "s.file")
} AS holders,
    s.shared_at AS "sharedAtMs", s.description, ${told("s")} AS told
  FROM shares s JOIN contents c USING (content) WHERE s.device = $1 AND s.file > $2 ORDER BY s.file LIMIT $3`;
const filesOfAccount = `SELECT f.file, f.name, c.id, c.bytes, false AS withdrawn, ${holders} AS holders,
    (SELECT min(s.shared_at) ${ownShares}) AS "sharedAtMs",
    coalesce((SELECT s.description ${ownShares} AND s.description <> '' ORDER BY s.share DESC LIMIT 1), '') AS description,
    (SELECT ${told("s")} ${ownShares} ORDER BY s.share DESC LIMIT 1) AS told
  FROM (SELECT DISTINCT k.file FROM devices d
          CROSS JOIN LATERAL (SELECT s.file FROM shares s
            WHERE s.device = d.device AND s.file > $2 AND NOT s.withdrawn ORDER BY s.file LIMIT $3) k
        WHERE d.account = ${accountOf("$1")} ORDER BY k.file LIMIT $3) k
    JOIN files f USING (file) JOIN contents c USING (content) ORDER BY f.file`;

export async function listFiles(
  sql: Sql,
  { device, scope, after, limit }: Ask<"listFiles">,
): Promise<Answer<"listFiles">> {
  const text = scope === "device" ? filesOfDevice : filesOfAccount;
  const rows = await sql.rows<CatalogRow & { readonly withdrawn: boolean }>(text, device, after, limit);
  return rows.map((row) => fileRow(row, row.withdrawn));
}

export async function locate(sql: Sql, ask: Ask<"locate">): Promise<Answer<"locate">> {
  const { content, askingDevice, round, known, limit } = ask;
  if (round === null) return { start: 0, round: [], known: await knownDevices(sql, ask) };
  const between = (first: number, last: number, count: number) =>
    sql.rows<HolderDeviceRow & { readonly share: number }>(
      `SELECT k.share, ${holderColumns}
       FROM (SELECT s.device, min(s.share) AS share ${sharing} AND s.device BETWEEN $4 AND $5
             GROUP BY s.device ORDER BY s.device LIMIT $6) k
         JOIN devices d ON d.device = k.device JOIN accounts a ON a.account = d.account ORDER BY k.device`,
      idBytes(content.id),
      content.bytes,
      askingDevice,
      first,
      last,
      count,
    );
  const start = round.start || await startOf(sql, content, askingDevice, round.pick);
  const { after } = round;
  const isWrapped = after > 0 && after < start;
  const rows = isWrapped ? [] : await between(Math.max(start, after + 1), Number.MAX_SAFE_INTEGER, limit);
  if (rows.length < limit) rows.push(...await between(isWrapped ? after + 1 : 1, start - 1, limit - rows.length));
  return {
    start,
    round: rows.map(({ share, ...row }) => holderRow(row, share, true)),
    known: rows.length < limit && known.length > 0 ? await knownDevices(sql, ask) : [],
  };
}

export async function sharesOf(
  sql: Sql,
  { device, askingDevice, contents }: Ask<"sharesOf">,
): Promise<Answer<"sharesOf">> {
  const rows = await sql.rows<{ readonly share: number | null }>(
    `SELECT (SELECT min(s.share) FROM contents c JOIN shares s USING (content)
         WHERE c.id = w.id AND c.bytes = w.bytes AND s.device = $1 AND NOT s.withdrawn
           AND ${seenBy("s", accountOf("$2"))}) AS share
     FROM unnest($3::bytea[], $4::bigint[]) WITH ORDINALITY AS w (id, bytes, at) ORDER BY w.at`,
    device,
    askingDevice,
    byteList(contents.map(({ id }) => idBytes(id))),
    contents.map(({ bytes }) => bytes),
  );
  return rows.map(({ share }) => share);
}

export async function sees(sql: Sql, { shares, devices }: Ask<"sees">): Promise<Answer<"sees">> {
  const rows = await sql.rows<{ readonly share: number; readonly device: number }>(
    `SELECT s.share, d.device FROM shares s CROSS JOIN devices d
     WHERE s.share = ANY ($1) AND d.device = ANY ($2) AND NOT s.withdrawn AND ${seenBy("s", "d.account")}`,
    shares,
    devices,
  );
  const seen = new Set(rows.map(({ share, device }) => `${share} ${device}`));
  return shares.map((share) => devices.filter((device) => seen.has(`${share} ${device}`)));
}

async function startOf(sql: Sql, { id, bytes }: Content, askingDevice: number, pick: number): Promise<number> {
  const devices = await sql.rows<{ readonly device: number }>(
    `SELECT DISTINCT s.device ${sharing} ORDER BY s.device LIMIT ${limits.holdersDealtMax}`,
    idBytes(id),
    bytes,
    askingDevice,
  );
  return devices[pick % devices.length]?.device ?? 1;
}

/** Enrolled devices in the order asked for; one that shares it not, or not with the asker, serves to those who may fetch where it may. */
async function knownDevices(
  sql: Sql,
  { content, askingDevice, known }: Ask<"locate">,
): Promise<readonly HolderRow[]> {
  const standing = `FROM contents c JOIN shares s USING (content)
    WHERE c.id = $2 AND c.bytes = $3 AND NOT s.withdrawn AND ${seenBy("s", accountOf("$4"))}`;
  const rows = await sql.rows<HolderDeviceRow & { readonly own: number | null; readonly common: number | null }>(
    `SELECT * FROM (
       SELECT w.at, ${holderColumns}, (SELECT min(s.share) ${standing} AND s.device = d.device) AS own,
         (SELECT s.share FROM contents c JOIN shares s USING (content)
            JOIN devices e ON e.device = s.device JOIN accounts b ON b.account = e.account
          WHERE c.id = $2 AND c.bytes = $3 AND NOT s.withdrawn AND NOT b.disabled
            AND ${seenBy("s", accountOf("$4"))} AND ${seenBy("s", "d.account")} LIMIT 1) AS common
       FROM unnest($1::bigint[]) WITH ORDINALITY AS w (device, at)
         JOIN devices d USING (device) JOIN accounts a ON a.account = d.account WHERE ${enrolled}) found
     WHERE coalesce(own, common) IS NOT NULL ORDER BY at`,
    known,
    idBytes(content.id),
    content.bytes,
    askingDevice,
  );
  return rows.map((found) => {
    const { device, account, label, deviceId, accountKey, deviceSignature, certificate, place, own, common } = found;
    const row = { device, account, label, deviceId, accountKey, deviceSignature, certificate, place };
    return holderRow(row, (own ?? common)!, own !== null);
  });
}
