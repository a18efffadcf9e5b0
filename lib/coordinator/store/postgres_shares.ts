/**
 * postgres_shares: who shares what, as it changes, in PostgreSQL. Laws: 1) to 3) of sqlite_shares.ts; 4) a run of asks is read
 * at once, changed in memory (postgres_share_lists.ts) and written at once: each statement costs a way to the database and back;
 * 5) a refusal comes before the first change of its ask.
 */

import type { AddedShare, StoreOperations } from "../role/store_effects.ts";
import type { Sql } from "./postgres_database.ts";
import { type Share, ShareLists } from "./postgres_share_lists.ts";
import { Refusal, refuseNul } from "./refusal.ts";

type Ask<O extends keyof StoreOperations> = StoreOperations[O]["ask"];
type Answer<O extends keyof StoreOperations> = StoreOperations[O]["answer"];

/** The shares of one database. */
export class PostgresShares {
  readonly #sharesPerAccountMax: number;

  constructor(sharesPerAccountMax: number) {
    this.#sharesPerAccountMax = sharesPerAccountMax;
  }

  /** Does asks that follow one another; each has its value or its refusal. */
  async share(sql: Sql, asks: readonly Ask<"share">[]): Promise<readonly (Answer<"share"> | Refusal)[]> {
    const lists = await ShareLists.read(
      sql,
      byDevice(asks.map(({ device, entries }) => ({ device, names: entries.map(({ name }) => name) }))),
    );
    const answers: (Refusal | Omit<Answer<"share">, "added"> & { readonly made: readonly Made[] })[] = [];
    for (const ask of asks) {
      try {
        answers.push(await this.#shareOne(lists, ask));
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        answers.push(error);
      }
    }
    await lists.write();
    return answers.map((answer) => {
      if (answer instanceof Refusal) return answer;
      const { made, ...told } = answer;
      return { ...told, added: made.flatMap(addedOf) };
    });
  }

  async remove(sql: Sql, { device, names, scope }: Ask<"remove">): Promise<Answer<"remove">> {
    const ofAccount =
      `SELECT device FROM devices WHERE account = (SELECT account FROM devices WHERE device = $1) ORDER BY device`;
    const devices = scope === "device"
      ? [device]
      : (await sql.rows<{ readonly device: number }>(ofAccount, device)).map((row) => row.device);
    const lists = await ShareLists.read(sql, new Map([device, ...devices].map((one) => [one, names])));
    lists.get(device); // Refuses where the device is gone.
    let count = 0;
    const changed: Answer<"remove">["devices"][number][] = [];
    for (const list of devices.map((one) => lists.get(one))) {
      for (const name of new Set(names)) {
        const known = list.shares.get(name);
        if (known === undefined) continue;
        if (!known.withdrawn) count++;
        lists.end(list, known, list.device === device ? "delete" : "withdraw");
      }
      const { device: one, isChanged, digest: shareDigest } = list;
      const gone = await lists.takeGone(list);
      if (isChanged) changed.push({ device: one, shareDigest, ...gone });
    }
    await lists.write();
    return { count, devices: changed };
  }

  /** Deletes up to `limit` shares of an account, or withdraws them until their devices have heard of it; says how many. */
  async removeShares(sql: Sql, account: number, limit: number, how: "delete" | "withdraw"): Promise<number> {
    const rows = await sql.rows<{ readonly device: number; readonly name: string }>(
      `SELECT s.device, s.name FROM shares s WHERE s.device IN (SELECT device FROM devices WHERE account = $1)
         ${how === "withdraw" ? "AND NOT s.withdrawn" : ""} LIMIT $2`,
      account,
      limit,
    );
    const lists = await ShareLists.read(sql, byDevice(rows.map(({ device, name }) => ({ device, names: [name] }))));
    for (const { device, name } of rows) {
      const list = lists.get(device);
      lists.end(list, list.shares.get(name)!, how);
    }
    await lists.write();
    return rows.length;
  }

  async #shareOne(lists: ShareLists, { device, entries, nowMs }: Ask<"share">) {
    const list = lists.get(device);
    const { role, shares, sharesMax: own } = list.account;
    if (role === "readOnly") throw new Refusal("readOnly", "this account may search and fetch, not share");
    for (const { name, description } of entries) {
      refuseNul(name);
      refuseNul(description);
    }
    const sharesMax = own ?? this.#sharesPerAccountMax;
    // Whatever has a name already is replaced.
    const added = new Set(entries.map(({ name }) => name).filter((name) => !list.shares.has(name))).size;
    if (added > 0 && shares + added > sharesMax) {
      throw new Refusal("limit", `this account shares at most ${sharesMax} files`);
    }
    const made: Made[] = [];
    for (const [at, entry] of entries.entries()) {
      const put = await lists.put(list, entry, nowMs);
      if (put !== undefined) made.push({ entry: at, share: put });
    }
    return { shareDigest: list.digest.slice(), ...await lists.takeGone(list), made };
  }
}

/** Names by the devices that have them. */
function byDevice(
  some: readonly { readonly device: number; readonly names: readonly string[] }[],
): ReadonlyMap<number, readonly string[]> {
  const byDevice = new Map<number, string[]>();
  for (const { device, names } of some) {
    const own = byDevice.get(device) ?? [];
    own.push(...names);
    byDevice.set(device, own);
  }
  return byDevice;
}

/** A share that an ask made; it has its number once it is written. */
interface Made {
  readonly entry: number;
  readonly share: Share;
}

/** None, where it went before it was written. */
function addedOf({ entry, share: { share } }: Made): AddedShare[] {
  return share === undefined ? [] : [{ entry, share }];
}
