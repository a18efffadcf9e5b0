/** rows: what an engine reads, as the store answers it. Law: engines differ in how they read, not in what they answer.  (pure) */

import type { Bytes } from "../../core/bytes.ts";
import { contentIdFrom, deviceIdFrom } from "../../core/ids.ts";
import { parseEndpoint } from "../../core/transport.ts";
import type { FileRow, HolderRow, StoredAccountKey } from "../role/store_effects.ts";
import type { Role } from "../../wire/message.ts";
import type { StoredAccount } from "./store.ts";

/** A truth as an engine keeps it. */
type Truth = number | boolean;

/** A row of `accounts` with the count of its devices. */
export interface SummaryRow {
  readonly name: string;
  readonly disabled: Truth;
  readonly devices: number;
  readonly shares: number;
  readonly created_at: number;
  readonly role: Role;
  readonly shares_max: number | null;
  readonly rate: number | null;
}

/** A row of `files` with its content, and how many online devices have it, as its owner lists it. */
export interface CatalogRow {
  readonly file: number;
  readonly name: string;
  readonly id: Bytes;
  readonly bytes: number;
  readonly holders: number;
  readonly sharedAtMs: number;
  readonly description: string;
  /** The audience as it was told, in JSON; null for everyone. */
  readonly told: string | null;
}

/** A device that may be named as a holder. */
export interface HolderDeviceRow {
  readonly device: number;
  readonly account: string;
  readonly label: string;
  readonly deviceId: Bytes;
  readonly accountKey: Bytes;
  readonly deviceSignature: Bytes;
  readonly certificate: Bytes;
  /** Where it was met, as `formatEndpoint` has it; null: nowhere, or only this coordinator knows. */
  readonly place: string | null;
}

export function summaryOf(row: SummaryRow): StoredAccount {
  const { name, disabled, devices, shares, created_at: createdAtMs, role, shares_max: sharesMax, rate } = row;
  return { name, disabled: Boolean(disabled), devices, shares, createdAtMs, role, sharesMax, rate };
}

/** The account key, once there is one. */
export function keysOf(
  row: { readonly public_key: Bytes | null; readonly sealed_key: Bytes | null },
): StoredAccountKey | null {
  return row.public_key === null || row.sealed_key === null
    ? null
    : { publicKey: row.public_key, sealed: row.sealed_key };
}

export function holderRow({ deviceId, place, ...row }: HolderDeviceRow, share: number, whole: boolean): HolderRow {
  const at = place === null ? null : parseEndpoint(place) ?? null;
  return { ...row, deviceId: deviceIdFrom(deviceId), share, whole, at };
}

export function fileRow(row: CatalogRow, withdrawn: Truth = false): FileRow {
  const { file, name, id, bytes, holders, sharedAtMs, description, told } = row;
  return {
    row: file,
    name,
    content: { id: contentIdFrom(id), bytes },
    holders,
    withdrawn: Boolean(withdrawn),
    sharedAtMs,
    description,
    audience: told === null ? null : JSON.parse(told),
  };
}
