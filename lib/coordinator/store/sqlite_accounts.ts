/**
 * sqlite_accounts: accounts, their devices, and who is online, in SQLite. Laws: 1) presence lives in a table of this connection
 * alone, so that after a restart nobody is online until he says so;  2) every method runs inside its caller's transaction.
 */

import type { DatabaseSync } from "node:sqlite";
import { Buffer } from "node:buffer";
import type { Bytes } from "../../core/bytes.ts";
import { idBytes } from "../../core/ids.ts";
import { emptyShareDigest } from "../../session/share_digest.ts";
import { foldAccount } from "../../session/opaque.ts";
import type { DeviceRow as StoredDevice, StoreOperations } from "../role/store_effects.ts";
import { freeLabel } from "./device_label.ts";
import { Refusal, refuseNul, refuseStale } from "./refusal.ts";
import { keysOf, summaryOf, type SummaryRow } from "./rows.ts";
import type { Role } from "../../wire/message.ts";
import type { SqliteNames } from "./sqlite_names.ts";
import { prepareQuery } from "./sqlite_query.ts";
import type { StoredAccount } from "./store.ts";

type Ask<O extends keyof StoreOperations> = StoreOperations[O]["ask"];
type Answer<O extends keyof StoreOperations> = StoreOperations[O]["answer"];

interface AccountRow {
  readonly account: number;
  readonly name: string;
  readonly record: string;
  readonly disabled: number;
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

function prepareAll(db: DatabaseSync) {
  const accountColumns = "account, name, record, disabled, public_key, sealed_key, role, rate";
  const deviceColumns = "device, account, label, certificate, signature, share_digest, login_key";
  const summary = `
    SELECT name, disabled, shares, created_at, role, shares_max, rate,
      (SELECT count(*) FROM devices d WHERE d.account = a.account) AS devices
    FROM accounts a`;
  return {
    accountByKey: prepareQuery<AccountRow>(db, `SELECT ${accountColumns} FROM accounts WHERE name_key = ?`),
    replaceRecord: prepareQuery(
      db,
      "UPDATE accounts SET record = ?, public_key = NULL, sealed_key = NULL WHERE account = ?",
    ),
    revokeDevices: prepareQuery(
      db,
      "UPDATE devices SET signature = NULL, login_key = NULL, enrolled_at = NULL WHERE account = ?",
    ),
    revokeDevice: prepareQuery<{ readonly device: number }>(
      db,
      `UPDATE devices SET signature = NULL, login_key = NULL, enrolled_at = NULL
       WHERE account = ? AND label = ? RETURNING device`,
    ),
    putLoginKey: prepareQuery(db, "UPDATE devices SET login_key = ?, enrolled_at = ? WHERE device = ?"),
    ownDevices: prepareQuery<Omit<StoredDevice, "online"> & { readonly online: number }>(
      db,
      `SELECT d.device AS row, d.label, d.enrolled_at AS enrolledAtMs, o.device IS NOT NULL AS online,
         d.changed_at AS changedAtMs
       FROM devices d LEFT JOIN online o ON o.device = d.device
       WHERE d.account = ? AND d.device > ? ORDER BY d.device LIMIT ?`,
    ),
    changeRecord: prepareQuery(db, "UPDATE accounts SET record = ?, sealed_key = ? WHERE account = ?"),
    needPassword: prepareQuery(
      db,
      "UPDATE devices SET login_key = NULL, enrolled_at = NULL WHERE account = ? AND device <> ?",
    ),
    setRole: prepareQuery<{ readonly account: number }>(
      db,
      "UPDATE accounts SET role = ? WHERE name_key = ? RETURNING account",
    ),
    setLimits: prepareQuery(db, "UPDATE accounts SET shares_max = ?, rate = ? WHERE name_key = ?"),
    setDisabled: prepareQuery(db, "UPDATE accounts SET disabled = ? WHERE name_key = ?"),
    deleteAccount: prepareQuery(db, "DELETE FROM accounts WHERE account = ?"),
    putKey: prepareQuery(db, "UPDATE accounts SET public_key = ?, sealed_key = ? WHERE account = ?"),
    summary: prepareQuery<SummaryRow>(db, `${summary} WHERE name_key = ?`),
    summaries: prepareQuery<SummaryRow>(db, `${summary} ORDER BY name_key`),
    device: prepareQuery<DeviceRow>(db, `SELECT ${deviceColumns} FROM devices WHERE device = ?`),
    deviceByKey: prepareQuery<DeviceRow>(
      db,
      `SELECT ${deviceColumns} FROM devices WHERE account = ? AND device_id = ?`,
    ),
    labels: prepareQuery<{ readonly device: number; readonly label: string }>(
      db,
      "SELECT device, label FROM devices WHERE account = ?",
    ),
    insertDevice: prepareQuery(
      db,
      `INSERT INTO devices (account, device_id, label, certificate, share_digest, changed_at, login_key, enrolled_at)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
    ),
    updateDevice: prepareQuery(db, "UPDATE devices SET label = ?, certificate = ? WHERE device = ?"),
    forgetDevice: prepareQuery(
      db,
      `DELETE FROM devices WHERE device = (
         SELECT device FROM devices d WHERE account = ?
           AND NOT EXISTS (SELECT 1 FROM online o WHERE o.device = d.device)
           AND NOT EXISTS (SELECT 1 FROM shares s WHERE s.device = d.device)
         ORDER BY changed_at LIMIT 1)`,
    ),
    sign: prepareQuery(db, "UPDATE devices SET signature = ? WHERE device = ?"),
    withdrawn: prepareQuery<{ readonly count: number }>(
      db,
      "SELECT count(*) AS count FROM shares WHERE device = ? AND withdrawn = 1",
    ),
    appear: prepareQuery(db, "INSERT OR IGNORE INTO online (device) SELECT device FROM devices WHERE device = ?"),
    vanish: prepareQuery(db, "DELETE FROM online WHERE device = ?"),
    vanishAll: prepareQuery(
      db,
      "DELETE FROM online WHERE device IN (SELECT device FROM devices WHERE account = ?)",
    ),
    changed: prepareQuery(db, "UPDATE devices SET changed_at = ? WHERE device = ?"),
    peers: prepareQuery<{
      readonly row: number;
      readonly account: string;
      readonly label: string;
      readonly online: number;
      readonly changedAtMs: number;
    }>(
      db,
      `SELECT d.device AS row, a.name AS account, d.label, o.device IS NOT NULL AS online, d.changed_at AS changedAtMs
       FROM devices d JOIN accounts a USING (account) LEFT JOIN online o ON o.device = d.device
       WHERE d.device > ? ORDER BY d.device LIMIT ?`,
    ),
  };
}

/** Accounts, devices and presence of one open database. */
export class SqliteAccounts {
  readonly #queries: ReturnType<typeof prepareAll>;
  readonly #names: SqliteNames;
  readonly #devicesMax: number;

  /** @param db With the present schema and the temporary table `online`. */
  constructor(db: DatabaseSync, names: SqliteNames, devicesPerAccountMax: number) {
    this.#queries = prepareAll(db);
    this.#names = names;
    this.#devicesMax = devicesPerAccountMax;
  }

  credential({ account, deviceId }: Ask<"credential">): Answer<"credential"> {
    const row = this.#queries.accountByKey.get(foldAccount(account));
    // An account that is not there is searched for the device too: the same work (no row has the number 0).
    const device = this.#queries.deviceByKey.get(
      row?.account ?? 0,
      deviceId === null ? new Uint8Array(32) : idBytes(deviceId),
    );
    return {
      record: row?.record ?? null,
      disabled: row?.disabled === 1,
      deviceKnown: device !== undefined,
      loginKey: device?.login_key ?? null,
    };
  }

  enrolDevice(ask: Ask<"enrolDevice">): Answer<"enrolDevice"> {
    const { account, deviceId, label, certificate, loginKey, record, nowMs } = ask;
    refuseNul(label);
    const owner = this.#queries.accountByKey.get(foldAccount(account));
    if (owner === undefined) throw new Refusal("denied", "there is no such account");
    const known = this.#queries.deviceByKey.get(owner.account, idBytes(deviceId));
    const hasKey = known?.login_key != null && Buffer.compare(known.login_key, loginKey) === 0;
    refuseStale(record, owner.record, hasKey);
    const others = this.#queries.labels.all(owner.account).filter((one) => one.device !== known?.device);
    const free = freeLabel(label, new Set(others.map((one) => one.label)));
    const { name, role, rate } = owner;
    const ofAccount = { account: name, role, rate, accountKey: keysOf(owner) };
    if (known === undefined) {
      if (others.length >= this.#devicesMax && this.#queries.forgetDevice.run(owner.account).changes === 0) {
        throw new Refusal("limit", `the account has ${others.length} devices`);
      }
      const { lastInsertRowid: device } = this.#queries.insertDevice.run(
        owner.account,
        idBytes(deviceId),
        free,
        certificate,
        emptyShareDigest(),
        nowMs,
        loginKey,
        nowMs,
      );
      return {
        ...ofAccount,
        device,
        label: free,
        enrolled: false,
        shareDigest: emptyShareDigest(),
        withdrawn: 0,
      };
    }
    if (free !== known.label || Buffer.compare(certificate, known.certificate) !== 0) {
      this.#queries.updateDevice.run(free, certificate, known.device);
    }
    if (!hasKey) this.#queries.putLoginKey.run(loginKey, nowMs, known.device);
    return {
      ...ofAccount,
      device: known.device,
      label: free,
      enrolled: known.signature !== null,
      shareDigest: known.share_digest,
      withdrawn: this.#queries.withdrawn.get(known.device)!.count,
    };
  }

  listDevices({ account, after, limit }: Ask<"listDevices">): Answer<"listDevices"> {
    const owner = this.#queries.accountByKey.get(foldAccount(account));
    return this.#queries.ownDevices.all(owner?.account ?? 0, after, limit)
      .map((row) => ({ ...row, online: row.online === 1 }));
  }

  revokeDevice({ account, label }: Ask<"revokeDevice">): Answer<"revokeDevice"> {
    refuseNul(label);
    const owner = this.#queries.accountByKey.get(foldAccount(account));
    const revoked = this.#queries.revokeDevice.get(owner?.account ?? 0, label);
    if (revoked === undefined) throw new Refusal("notFound", "the account has no device of that name");
    return revoked;
  }

  putAccountKey({ account, device, accountKey: offered, signature }: Ask<"putAccountKey">): Answer<"putAccountKey"> {
    const owner = this.#queries.accountByKey.get(foldAccount(account));
    const known = this.#queries.device.get(device);
    if (owner === undefined || known === undefined || known.account !== owner.account) {
      throw new Refusal("sessionEnded", "the device is no longer there");
    }
    const stored = keysOf(owner) ?? offered;
    if (owner.public_key === null) this.#queries.putKey.run(offered.publicKey, offered.sealed, owner.account);
    const signed = Buffer.compare(stored.publicKey, offered.publicKey) === 0;
    if (signed) this.#queries.sign.run(signature, device);
    return { accountKey: stored, enrolled: signed || known.signature !== null };
  }

  presence({ device, online, nowMs }: Ask<"presence">): Answer<"presence"> {
    const { changes } = online ? this.#queries.appear.run(device) : this.#queries.vanish.run(device);
    if (changes > 0) this.#queries.changed.run(nowMs, device);
    return null;
  }

  listPeers({ after, limit }: Ask<"listPeers">): Answer<"listPeers"> {
    return this.#queries.peers.all(after, limit).map((row) => ({ ...row, online: row.online === 1 }));
  }

  account({ account }: Ask<"account">): Answer<"account"> {
    const row = this.#queries.accountByKey.get(foldAccount(account));
    return row && { account: row.name, publicKey: row.public_key, role: row.role, rate: row.rate };
  }

  passwordOf({ account }: Ask<"passwordOf">): Answer<"passwordOf"> {
    const row = this.#queries.accountByKey.get(foldAccount(account));
    if (row === undefined) throw new Refusal("denied", "there is no such account");
    return { record: row.record, accountKey: keysOf(row) };
  }

  changePassword(ask: Ask<"changePassword">): Answer<"changePassword"> {
    const { account, device, from, record, accountKey, everywhere } = ask;
    const row = this.#queries.accountByKey.get(foldAccount(account));
    const publicKey = accountKey?.publicKey ?? new Uint8Array(0);
    if (row?.record !== from || Buffer.compare(row.public_key ?? new Uint8Array(0), publicKey) !== 0) {
      throw new Refusal("changed", "the password was changed meanwhile");
    }
    this.#queries.changeRecord.run(record, accountKey?.sealed ?? null, row.account);
    if (everywhere) this.#queries.needPassword.run(row.account, device);
    return null;
  }

  put(name: string, record: string, overwrite: boolean, nowMs: number): "added" | "kept" | "replaced" | "lookAlike" {
    const known = this.#queries.accountByKey.get(foldAccount(name));
    if (known === undefined) {
      if (this.#names.refusal(name) !== undefined) return "lookAlike";
      this.#names.insert({ name, record, role: "member", nowMs });
      return "added";
    }
    if (!overwrite) return "kept";
    this.#queries.replaceRecord.run(record, known.account);
    this.#queries.revokeDevices.run(known.account);
    return "replaced";
  }

  /** The row number of the account whose role it is now. */
  setRole(name: string, role: Role): number | undefined {
    return this.#queries.setRole.get(role, foldAccount(name))?.account;
  }

  setLimits(name: string, sharesMax: number | null, rate: number | null): boolean {
    return this.#queries.setLimits.run(sharesMax, rate, foldAccount(name)).changes > 0;
  }

  setDisabled(name: string, disabled: boolean): boolean {
    return this.#queries.setDisabled.run(disabled ? 1 : 0, foldAccount(name)).changes > 0;
  }

  /** Disables an account and takes its devices offline; the row number that its removal goes on with. */
  retire(name: string): number | undefined {
    const known = this.#queries.accountByKey.get(foldAccount(name));
    if (known === undefined) return undefined;
    this.#queries.setDisabled.run(1, foldAccount(name));
    this.#queries.vanishAll.run(known.account);
    return known.account;
  }

  /** Deletes an account whose shares are gone, with its devices. */
  delete(account: number): void {
    this.#queries.vanishAll.run(account);
    this.#queries.deleteAccount.run(account);
  }

  find(name: string): StoredAccount | undefined {
    const row = this.#queries.summary.get(foldAccount(name));
    return row && summaryOf(row);
  }

  list(): readonly StoredAccount[] {
    return this.#queries.summaries.all().map(summaryOf);
  }
}
