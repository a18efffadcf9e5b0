/**
 * population: a coordinator's data folder with accounts and shared files, filled through the store itself before the coordinator
 * starts. Laws: 1) passwords are stretched as little as OPAQUE lets: that is the client's work, which is not measured;  2) devices are
 * enrolled under the keys with which they log in later, so that they are the holders of their files.  (I/O)
 */

import { hash } from "node:crypto";
import type { Bytes } from "../../../lib/core/bytes.ts";
import { deviceIdFrom } from "../../../lib/core/ids.ts";
import { limits } from "../../../lib/core/limits.ts";
import { DataFolder } from "../../../lib/coordinator/data_folder.ts";
import { openKeyFile } from "../../../lib/coordinator/key_file.ts";
import type { StoreOperations } from "../../../lib/coordinator/role/store_effects.ts";
import { openSqliteStore } from "../../../lib/coordinator/store/sqlite_store.ts";
import { deviceLoginKey } from "../../../lib/session/dh_key.ts";
import { signingKeyFrom } from "../../../lib/session/device_key.ts";
import { registerLocally, type Stretching } from "../../../lib/session/opaque.ts";
import { fileEntry } from "./names.ts";

/** The least that argon2id takes. */
export const stretching: Stretching = { iterations: 1, memory: 8, parallelism: 1 };
export const password = "a password of the benchmark";
/** Devices of one account. */
export const devicesPerAccount = 25;

/** Entries of one ask, and asks of one transaction. */
const entriesMax = 500;
const asksMax = 8;

export interface PopulationSizes {
  readonly devices: number;
  readonly files: number;
}

export function accountName(account: number): string {
  return `account${account}`;
}

/** The seed of a device's key, the same in every process. */
export function deviceSeed(device: number): Bytes {
  return new Uint8Array(hash("sha256", `device ${device}`, "buffer"));
}

/** How many accounts so many devices are spread over: device n is of account n modulo this. */
export function accountsFor(devices: number): number {
  return Math.ceil(devices / devicesPerAccount);
}

/** Fills a folder that has no coordinator yet. Files are dealt to the devices in turn. */
export async function populate(folder: string, { devices, files }: PopulationSizes): Promise<void> {
  using data = DataFolder.open(folder);
  const random = (size: number) => crypto.getRandomValues(new Uint8Array(size));
  const { serverSetup } = await openKeyFile(data.paths.keys, { mayCreate: () => Promise.resolve(true), random });
  const store = openSqliteStore(data.paths.database);
  const nowMs = Date.now();
  const records: string[] = [];
  for (let account = 0; account < accountsFor(devices); account++) {
    const name = accountName(account);
    const record = registerLocally({ password, serverSetup, account: name, stretching });
    records.push(record);
    await store.putAccount(name, record, { overwrite: false, nowMs });
  }
  const holders = Math.min(devices, Math.ceil(files / 10));
  const rows = await enrol(store, holders, records, nowMs);
  const perHolder = Math.ceil(files / holders);
  for (let first = 0; first < holders; first += asksMax) {
    const asks = rows.slice(first, first + asksMax).map((device, i) => {
      const from = (first + i) * perHolder;
      const count = Math.max(0, Math.min(perHolder, files - from));
      return Array.from({ length: Math.ceil(count / entriesMax) }, (_, part) => {
        const at = from + part * entriesMax;
        const length = Math.min(entriesMax, from + count - at);
        const entries = Array.from({ length }, (_, entry) => fileEntry(at + entry));
        return { operation: "share", ask: { device, entries, nowMs } } as const;
      });
    }).flat();
    for (const answer of await store.write(asks)) {
      if (!answer.ok) throw new Error(`The store refused to share: ${answer.error.text}`);
    }
  }
  await store.close();
}

/** Enrols devices, in turn into the accounts of these records; their rows. */
async function enrol(
  store: ReturnType<typeof openSqliteStore>,
  holders: number,
  records: readonly string[],
  nowMs: number,
): Promise<readonly number[]> {
  const rows: number[] = [];
  for (let first = 0; first < holders; first += limits.storeGroupMax) {
    const asks = Array.from({ length: Math.min(limits.storeGroupMax, holders - first) }, (_, i) => {
      const index = first + i;
      const key = signingKeyFrom(deviceSeed(index));
      const ask = {
        account: accountName(index % records.length),
        deviceId: deviceIdFrom(key.publicKey),
        label: `device ${index}`,
        certificate: new Uint8Array(248).fill(0x30),
        loginKey: deviceLoginKey(key).publicKey,
        record: records[index % records.length]!,
        nowMs,
      };
      return { operation: "enrolDevice", ask } as const;
    });
    for (const answer of await store.write(asks)) {
      if (!answer.ok) throw new Error(`The store refused a device: ${answer.error.text}`);
      const { device } = answer.value as StoreOperations["enrolDevice"]["answer"];
      rows.push(device);
    }
  }
  return rows;
}
