/**
 * postgres_accounts: accounts and their devices in PostgreSQL. Laws: 1) a write runs inside a group, alone in the database, so what it
 * read first is so until it has written;  2) a refusal comes before the first change, so there is nothing to undo.
 */

import { Buffer } from "node:buffer";
import type { Bytes } from "../../core/bytes.ts";
import { idBytes } from "../../core/ids.ts";
import { foldAccount } from "../../session/opaque.ts";
import { emptyShareDigest } from "../../session/share_digest.ts";
import type { Role } from "../../wire/message.ts";
import type { DeviceRow as StoredDevice, StoreOperations } from "../role/store_effects.ts";
import { freeLabel } from "./device_label.ts";
import type { Sql } from "./postgres_database.ts";
import { insertAccount, nameRefusal } from "./postgres_names.ts";
import { Refusal, refuseNul, refuseStale } from "./refusal.ts";
import { keysOf, summaryOf, type SummaryRow } from "./rows.ts";
import type { Store, StoredAccount } from "./store.ts";

type Ask<O extends keyof StoreOperations> = StoreOperations[O]["ask"];
type Answer<O extends keyof StoreOperations> = StoreOperations[O]["answer"];

interface AccountRow {
  readonly account: number;
  readonly name: string;
  readonly record: string;
  readonly disabled: boolean;
  readonly public_key: Bytes | null;
  readonly sealed_key: Bytes | null;
  readonly role: Role;
  readonly rate: number | null;
}

interface DeviceRow {
  readonly device: number;
  readonly account: number;
  readonly label: string;
  readonly certificate: Bytes;
  readonly signature: Bytes | null;
  readonly share_digest: Bytes;
  readonly login_key: Bytes | null;
}

const accountByKey =
  "SELECT account, name, record, disabled, public_key, sealed_key, role, rate FROM accounts WHERE name_key = $1";
const deviceColumns = "device, account, label, certificate, signature, share_digest, login_key";
/** What a device loses that needs the password again. */
const revoked = "signature = NULL, login_key = NULL, enrolled_at = NULL";
const summary = `SELECT name, disabled, shares, created_at, role, shares_max, rate,
  (SELECT count(*) FROM devices d WHERE d.account = a.account) AS devices FROM accounts a`;

type PutAccount = Awaited<ReturnType<Store["putAccount"]>>;

/** Accounts and devices of one database. */
export class PostgresAccounts {
  readonly #devicesMax: number;

  constructor(devicesPerAccountMax: number) {
    this.#devicesMax = devicesPerAccountMax;
  }

  async credential(sql: Sql, { account, deviceId }: Ask<"credential">): Promise<Answer<"credential">> {
    const key = foldAccount(account);
    // An account that is not there is searched for the device too: the same work.
    const [[row], [device]] = await Promise.all([
      sql.rows<AccountRow>(accountByKey, key),
      sql.rows<DeviceRow>(
        "SELECT login_key FROM devices WHERE account = (SELECT account FROM accounts WHERE name_key = $1) AND device_id = $2",
        key,
        deviceId === null ? new Uint8Array(32) : idBytes(deviceId),
      ),
    ]);
    return {
      record: row?.record ?? null,
      disabled: row?.disabled === true,
      deviceKnown: device !== undefined,
      loginKey: device?.login_key ?? null,
    };
  }

  async enrolDevice(sql: Sql, ask: Ask<"enrolDevice">): Promise<Answer<"enrolDevice">> {
    const { account, deviceId, label, certificate, loginKey, record, nowMs } = ask;
    refuseNul(label);
    const [owner] = await sql.rows<AccountRow>(accountByKey, foldAccount(account));
    if (owner === undefined) throw new Refusal("denied", "there is no such account");
    const [[known], labels] = await Promise.all([
      sql.rows<DeviceRow & { readonly withdrawn: number }>(
        `SELECT ${deviceColumns}, (SELECT count(*) FROM shares s WHERE s.device = d.device AND withdrawn) AS withdrawn
         FROM devices d WHERE account = $1 AND device_id = $2`,
        owner.account,
        idBytes(deviceId),
      ),
      sql.rows<{ readonly device: number; readonly label: string }>(
        "SELECT device, label FROM devices WHERE account = $1",
        owner.account,
      ),
    ]);
    const hasKey = known?.login_key != null && Buffer.compare(known.login_key, loginKey) === 0;
    refuseStale(record, owner.record, hasKey);
    const others = labels.filter((one) => one.device !== known?.device);
    const free = freeLabel(label, new Set(others.map((one) => one.label)));
    const { name, role, rate } = owner;
    const ofAccount = { account: name, role, rate, accountKey: keysOf(owner) };
    if (known === undefined) {
      if (others.length >= this.#devicesMax) await forgetDevice(sql, owner.account, others.length);
      const shareDigest = emptyShareDigest();
      const [made] = await sql.rows<{ readonly device: number }>(
        `INSERT INTO devices (account, device_id, label, certificate, share_digest, changed_at, login_key, enrolled_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING device`,
        owner.account,
        idBytes(deviceId),
        free,
        certificate,
        shareDigest,
        nowMs,
        loginKey,
        nowMs,
      );
      return {
        ...ofAccount,
        device: made!.device,
        label: free,
        enrolled: false,
        shareDigest,
        withdrawn: 0,
      };
    }
    if (free !== known.label || Buffer.compare(certificate, known.certificate) !== 0) {
      await sql.run(
        "UPDATE devices SET label = $1, certificate = $2 WHERE device = $3",
        free,
        certificate,
        known.device,
      );
    }
    if (!hasKey) {
      const putKey = "UPDATE devices SET login_key = $1, enrolled_at = $2 WHERE device = $3";
      await sql.run(putKey, loginKey, nowMs, known.device);
    }
    return {
      ...ofAccount,
      device: known.device,
      label: free,
      enrolled: known.signature !== null,
      shareDigest: known.share_digest,
      withdrawn: known.withdrawn,
    };
  }

  async listDevices(sql: Sql, { account, after, limit }: Ask<"listDevices">): Promise<Answer<"listDevices">> {
    return await sql.rows<StoredDevice>(
      `SELECT d.device AS row, d.label, d.enrolled_at AS "enrolledAtMs", o.device IS NOT NULL AS online,
         d.changed_at AS "changedAtMs"
       FROM devices d LEFT JOIN online o ON o.device = d.device
       WHERE d.account = (SELECT account FROM accounts WHERE name_key = $1) AND d.device > $2 ORDER BY d.device LIMIT $3`,
      foldAccount(account),
      after,
      limit,
    );
  }

  async revokeDevice(sql: Sql, { account, label }: Ask<"revokeDevice">): Promise<Answer<"revokeDevice">> {
    refuseNul(label);
    const [device] = await sql.rows<{ readonly device: number }>(
      `UPDATE devices SET ${revoked}
       WHERE account = (SELECT account FROM accounts WHERE name_key = $1) AND label = $2 RETURNING device`,
      foldAccount(account),
      label,
    );
    if (device === undefined) throw new Refusal("notFound", "the account has no device of that name");
    return device;
  }

  async putAccountKey(sql: Sql, ask: Ask<"putAccountKey">): Promise<Answer<"putAccountKey">> {
    const { account, device, accountKey: offered, signature } = ask;
    const [[owner], [known]] = await Promise.all([
      sql.rows<AccountRow>(accountByKey, foldAccount(account)),
      sql.rows<DeviceRow>(`SELECT ${deviceColumns} FROM devices WHERE device = $1`, device),
    ]);
    if (owner === undefined || known === undefined || known.account !== owner.account) {
      throw new Refusal("sessionEnded", "the device is no longer there");
    }
    const stored = keysOf(owner) ?? offered;
    if (owner.public_key === null) {
      const set = "UPDATE accounts SET public_key = $1, sealed_key = $2 WHERE account = $3";
      await sql.run(set, offered.publicKey, offered.sealed, owner.account);
    }
    const signed = Buffer.compare(stored.publicKey, offered.publicKey) === 0;
    if (signed) await sql.run("UPDATE devices SET signature = $1 WHERE device = $2", signature, device);
    return { accountKey: stored, enrolled: signed || known.signature !== null };
  }

  async listPeers(sql: Sql, { after, limit }: Ask<"listPeers">): Promise<Answer<"listPeers">> {
    return await sql.rows<Answer<"listPeers">[number]>(
      `SELECT d.device AS row, a.name AS account, d.label, o.device IS NOT NULL AS online, d.changed_at AS "changedAtMs"
       FROM devices d JOIN accounts a USING (account) LEFT JOIN online o ON o.device = d.device
       WHERE d.device > $1 ORDER BY d.device LIMIT $2`,
      after,
      limit,
    );
  }

  async account(sql: Sql, { account }: Ask<"account">): Promise<Answer<"account">> {
    const [row] = await sql.rows<AccountRow>(accountByKey, foldAccount(account));
    return row && { account: row.name, publicKey: row.public_key, role: row.role, rate: row.rate };
  }

  async passwordOf(sql: Sql, { account }: Ask<"passwordOf">): Promise<Answer<"passwordOf">> {
    const [row] = await sql.rows<AccountRow>(accountByKey, foldAccount(account));
    if (row === undefined) throw new Refusal("denied", "there is no such account");
    return { record: row.record, accountKey: keysOf(row) };
  }

  async changePassword(sql: Sql, ask: Ask<"changePassword">): Promise<Answer<"changePassword">> {
    const { account, device, from, record, accountKey, everywhere } = ask;
    const [row] = await sql.rows<AccountRow>(accountByKey, foldAccount(account));
    const publicKey = accountKey?.publicKey ?? new Uint8Array(0);
    if (row?.record !== from || Buffer.compare(row.public_key ?? new Uint8Array(0), publicKey) !== 0) {
      throw new Refusal("changed", "the password was changed meanwhile");
    }
    const change = "UPDATE accounts SET record = $1, sealed_key = $2 WHERE account = $3";
    await sql.run(change, record, accountKey?.sealed ?? null, row.account);
    const needPassword = "UPDATE devices SET login_key = NULL, enrolled_at = NULL WHERE account = $1 AND device <> $2";
    if (everywhere) await sql.run(needPassword, row.account, device);
    return null;
  }

  async put(sql: Sql, name: string, record: string, overwrite: boolean, nowMs: number): Promise<PutAccount> {
    const [known] = await sql.rows<AccountRow>(accountByKey, foldAccount(name));
    if (known === undefined) {
      if (await nameRefusal(sql, name) !== undefined) return "lookAlike";
      await insertAccount(sql, { name, record, role: "member", nowMs });
      return "added";
    }
    if (!overwrite) return "kept";
    const replace = "UPDATE accounts SET record = $1, public_key = NULL, sealed_key = NULL WHERE account = $2";
    await sql.run(replace, record, known.account);
    await sql.run(`UPDATE devices SET ${revoked} WHERE account = $1`, known.account);
    return "replaced";
  }

  /** The row number of the account whose role it is now. */
  async setRole(sql: Sql, name: string, role: Role): Promise<number | undefined> {
    const set = "UPDATE accounts SET role = $1 WHERE name_key = $2 RETURNING account";
    return (await sql.rows<{ readonly account: number }>(set, role, foldAccount(name)))[0]?.account;
  }

  async setLimits(sql: Sql, name: string, sharesMax: number | null, rate: number | null): Promise<boolean> {
    const set = "UPDATE accounts SET shares_max = $1, rate = $2 WHERE name_key = $3";
    return await sql.run(set, sharesMax, rate, foldAccount(name)) > 0;
  }

  async setDisabled(sql: Sql, name: string, disabled: boolean): Promise<boolean> {
    return await sql.run("UPDATE accounts SET disabled = $1 WHERE name_key = $2", disabled, foldAccount(name)) > 0;
  }

  /** Disables an account and takes its devices offline; the row number that its removal goes on with. */
  async retire(sql: Sql, name: string): Promise<number | undefined> {
    const [known] = await sql.rows<AccountRow>(accountByKey, foldAccount(name));
    if (known === undefined) return undefined;
    await this.setDisabled(sql, name, true);
    const vanish = "DELETE FROM online WHERE device IN (SELECT device FROM devices WHERE account = $1)";
    await sql.run(vanish, known.account);
    return known.account;
  }

  /** Deletes an account whose shares are gone, with its devices. */
  async delete(sql: Sql, account: number): Promise<void> {
    await sql.run("DELETE FROM accounts WHERE account = $1", account);
  }

  async find(sql: Sql, name: string): Promise<StoredAccount | undefined> {
    const [row] = await sql.rows<SummaryRow>(`${summary} WHERE name_key = $1`, foldAccount(name));
    return row && summaryOf(row);
  }

  async list(sql: Sql): Promise<readonly StoredAccount[]> {
    return (await sql.rows<SummaryRow>(`${summary} ORDER BY name_key`)).map(summaryOf);
  }
}

/** Makes room for one device: the one that is longest away and shares nothing goes. */
async function forgetDevice(sql: Sql, account: number, count: number): Promise<void> {
  const forgotten = await sql.run(
    `DELETE FROM devices WHERE device = (
       SELECT device FROM devices d WHERE account = $1
         AND NOT EXISTS (SELECT 1 FROM online o WHERE o.device = d.device)
         AND NOT EXISTS (SELECT 1 FROM shares s WHERE s.device = d.device)
       ORDER BY changed_at LIMIT 1)`,
    account,
  );
  if (forgotten === 0) throw new Refusal("limit", `the account has ${count} devices`);
}
