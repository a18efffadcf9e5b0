/**
 * postgres_presence: who is online, in a database that several coordinators share. Laws: 1) a device is online at the coordinator that
 * said so last; only that one can say that it went;  2) a coordinator that is silent for a lease takes its devices with it: the
 * others see to that;  3) what the database lost of this coordinator's devices, in a crash or because it was silent itself, is said again.
 */

import { formatEndpoint } from "../../core/transport.ts";
import type { StoreOperations } from "../role/store_effects.ts";
import type { PostgresDatabase, Sql } from "./postgres_database.ts";
import type { Instance } from "./store.ts";

type Ask = StoreOperations["presence"]["ask"];

/** A lease is renewed this often while it lasts. */
const renewalsPerLease = 8;

export class PostgresPresence implements AsyncDisposable {
  readonly #database: PostgresDatabase;
  readonly #leaseMs: number;
  readonly #instance: number;
  readonly #address: string | null;
  /** Its devices that are online, and where each is reached; empty: nowhere. */
  readonly #devices = new Map<number, string>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #renewing: Promise<void> = Promise.resolve();
  #isClosed = false;
  /** Whether the last renewal failed: then the others' may have failed too, and they have a lease's time to renew theirs. */
  #wasAway = false;
  #reapAtMs = 0;

  constructor(database: PostgresDatabase, leaseMs: number, { instance, address }: Instance) {
    this.#instance = instance;
    this.#address = address;
    this.#database = database;
    this.#leaseMs = leaseMs;
  }

  /** Says that this coordinator is here. @throws {ShoalError} If the database fails. */
  async open(): Promise<void> {
    await this.#renewOnce();
    this.#setTimer();
  }

  /**
   * Notes what devices did, in the order in which they did it, inside a group.
   * @returns What is to be called once the group is durable.
   */
  async note(sql: Sql, asks: readonly Ask[]): Promise<() => void> {
    for (const batch of batchesOf(asks)) {
      const came = batch.filter(({ online }) => online);
      const went = batch.filter(({ online }) => !online).map(({ device }) => device);
      const changed = [...await this.#appear(sql, came), ...await this.#vanish(sql, went)];
      if (changed.length === 0) continue;
      const atMs = new Map(batch.map(({ device, nowMs }) => [device, nowMs]));
      await sql.run(
        `UPDATE devices d SET changed_at = w.at FROM unnest($1::bigint[], $2::bigint[]) AS w (device, at) WHERE d.device = w.device`,
        changed,
        changed.map((device) => atMs.get(device)!),
      );
    }
    return () => {
      for (const { device, online, at } of asks) {
        if (online) this.#devices.set(device, placeOf(at));
        else this.#devices.delete(device);
      }
    };
  }

  /** Takes this coordinator's devices offline and stops renewing. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearTimeout(this.#timer);
    await this.#renewing;
    try {
      await this.#database.group((sql) => sql.run("DELETE FROM instances WHERE instance = $1", this.#instance));
    } catch {
      // The lease runs out by itself.
    }
  }

  async #appear(sql: Sql, asks: readonly Ask[]): Promise<number[]> {
    if (asks.length === 0) return [];
    // A row that was there has a deleter, its own update.
    const rows = await sql.rows<{ device: number; came: boolean }>(
      `INSERT INTO online (device, instance, place)
         SELECT d.device, $3, nullif(w.place, '') FROM unnest($1::bigint[], $2::text[]) AS w (device, place)
           JOIN devices d ON d.device = w.device WHERE EXISTS (SELECT 1 FROM instances WHERE instance = $3)
       ON CONFLICT (device) DO UPDATE SET instance = EXCLUDED.instance, place = EXCLUDED.place
       RETURNING device, xmax = 0 AS came`,
      asks.map(({ device }) => device),
      asks.map(({ at }) => placeOf(at)),
      this.#instance,
    );
    return rows.filter(({ came }) => came).map(({ device }) => device);
  }

  async #vanish(sql: Sql, devices: readonly number[]): Promise<number[]> {
    if (devices.length === 0) return [];
    const rows = await sql.rows<{ device: number }>(
      "DELETE FROM online WHERE device = ANY ($1) AND instance = $2 RETURNING device",
      devices,
      this.#instance,
    );
    return rows.map(({ device }) => device);
  }

  #setTimer(): void {
    if (this.#isClosed) return;
    this.#timer = setTimeout(() => {
      this.#renewing = this.#renew();
    }, this.#leaseMs / renewalsPerLease);
  }

  async #renew(): Promise<void> {
    try {
      if (this.#wasAway) this.#reapAtMs = performance.now() + this.#leaseMs;
      await this.#renewOnce();
      this.#wasAway = false;
      if (performance.now() >= this.#reapAtMs) await this.#reap();
    } catch {
      this.#wasAway = true;
    }
    this.#setTimer();
  }

  async #renewOnce(): Promise<void> {
    const renewed = await this.#database.sql.run(
      "UPDATE instances SET lease_until = now() + $2 * interval '1 ms' WHERE instance = $1",
      this.#instance,
      this.#leaseMs,
    );
    if (renewed === 0) await this.#database.group((sql) => this.#sayAgain(sql));
  }

  async #sayAgain(sql: Sql): Promise<void> {
    await sql.run(
      "INSERT INTO instances (instance, address, lease_until) VALUES ($1, $2, now() + $3 * interval '1 ms')",
      this.#instance,
      this.#address,
      this.#leaseMs,
    );
    // A device that has come to another coordinator meanwhile is there.
    await sql.run(
      `INSERT INTO online (device, instance, place)
         SELECT d.device, $3, nullif(w.place, '') FROM unnest($1::bigint[], $2::text[]) AS w (device, place)
           JOIN devices d ON d.device = w.device
       ON CONFLICT (device) DO NOTHING`,
      [...this.#devices.keys()],
      [...this.#devices.values()],
      this.#instance,
    );
  }

  async #reap(): Promise<void> {
    const isDue = "lease_until < now()";
    const [dead] = await this.#database.sql.rows(`SELECT 1 FROM instances WHERE ${isDue} LIMIT 1`);
    if (dead === undefined) return;
    await this.#database.group(async (sql) => {
      await sql.run(
        `WITH gone AS (DELETE FROM online o USING instances i WHERE i.instance = o.instance AND i.${isDue} RETURNING o.device)
         UPDATE devices d SET changed_at = $1 FROM gone WHERE d.device = gone.device`,
        Math.floor(performance.timeOrigin + performance.now()),
      );
      await sql.run(`DELETE FROM instances WHERE ${isDue}`);
    });
  }
}

/** A place as it is kept; empty where there is none. */
function placeOf(at: Ask["at"]): string {
  return at === undefined || at === null ? "" : formatEndpoint(at);
}

/** Asks in batches that name a device once each. */
function* batchesOf(asks: readonly Ask[]): Generator<readonly Ask[]> {
  let batch = new Map<number, Ask>();
  for (const ask of asks) {
    if (batch.has(ask.device)) {
      yield [...batch.values()];
      batch = new Map();
    }
    batch.set(ask.device, ask);
  }
  yield [...batch.values()];
}
