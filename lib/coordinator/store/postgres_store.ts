/**
 * postgres_store: the Store in a PostgreSQL database, which several coordinators may share. Laws: 1) a group is one transaction, alone
 * in the database;  2) asks of one kind that follow one another are done together;  3) a database that is away answers
 * `busy` in a bounded time, and is used again once it is back.  @see Store for what the methods promise
 */

import { fail, ok, type ShoalError } from "../../core/errors.ts";
import { limits } from "../../core/limits.ts";
import { isInviteName } from "../../session/invite_code.ts";
import type { Role } from "../../wire/message.ts";
import { loadLookAlikes } from "../look_alike.ts";
import { type StoreAnswer, type StoreAsk, type StoreOperation, storeWrites } from "../role/store_effects.ts";
import { PostgresAccounts } from "./postgres_accounts.ts";
import { unknownAudience } from "./postgres_audiences.ts";
import { listFiles, locate, sees, sharesOf } from "./postgres_catalog.ts";
import { PostgresDatabase, type Sql } from "./postgres_database.ts";
import { createGroup, deleteGroup, listGroups, setGroupMember } from "./postgres_groups.ts";
import {
  checkName,
  inviteCredential,
  listInvites,
  putInvites,
  readInvite,
  registerAccount,
  revokeInvite,
} from "./postgres_invites.ts";
import { newInstance } from "./instance.ts";
import { PostgresPresence } from "./postgres_presence.ts";
import { migrate } from "./postgres_schema.ts";
import { PostgresSearch } from "./postgres_search.ts";
import { PostgresShares } from "./postgres_shares.ts";
import { Refusal } from "./refusal.ts";
import type {
  Instance,
  NewInvite,
  Store,
  StoreBounds,
  StoredAccount,
  StoredGroup,
  StoredInvite,
  StoreFigures,
} from "./store.ts";

/** Shares deleted in one transaction when an account goes, so that other writers have their turn. */
const removalSlice = 1_000;

type Answer = StoreAnswer<StoreOperation>;
type AskOf<O extends StoreOperation> = Extract<StoreAsk, { readonly operation: O }>;

/**
 * Opens a database, bringing it to the present schema.
 * @param url `postgres://user@host/database`; it may hold a password.
 * @param leaseMs How long this coordinator's devices stay online when it dies.
 * @param as Which coordinator; null: none.
 * @throws {ShoalError} If it cannot be reached, is of a newer schema or another program's.
 */
export async function openPostgresStore(
  url: string,
  leaseMs: number,
  bounds: StoreBounds = limits,
  as: Instance | null = newInstance(null),
): Promise<Store> {
  const database = new PostgresDatabase(url);
  try {
    await migrate(database);
    // Two trigrams for the one letter of ASCII, four for three letters.
    const [locale] = await database.sql.rows<{ trigrams: number }>("SELECT cardinality(show_trgm('été')) AS trigrams");
    const presence = new PostgresPresence(database, leaseMs, as ?? newInstance(null));
    if (as !== null) await presence.open();
    return new PostgresStore(database, presence, bounds, locale!.trigrams === 4);
  } catch (error) {
    await database.close();
    throw database.error(error, "open");
  }
}

class PostgresStore implements Store {
  readonly #database: PostgresDatabase;
  readonly #presence: PostgresPresence;
  readonly #accounts: PostgresAccounts;
  readonly #shares: PostgresShares;
  readonly #search: PostgresSearch;

  constructor(database: PostgresDatabase, presence: PostgresPresence, bounds: StoreBounds, hasLetters: boolean) {
    this.#database = database;
    this.#presence = presence;
    this.#accounts = new PostgresAccounts(bounds.devicesPerAccountMax);
    this.#shares = new PostgresShares(bounds.sharesPerAccountMax);
    this.#search = new PostgresSearch(bounds.searchCandidatesMax, hasLetters);
  }

  async write<const A extends readonly StoreAsk[]>(asks: A) {
    const whenDurable: (() => void)[] = [];
    let answers: readonly Answer[];
    if (asks.some(needsLookAlikes)) await loadLookAlikes();
    try {
      answers = await this.#database.group(async (sql) => {
        const answers: Answer[] = [];
        for (const run of runsOf(asks)) answers.push(...await this.#writeRun(sql, run, whenDurable));
        return answers;
      });
      for (const act of whenDurable) act();
    } catch (error) {
      const failure = fail(refusalFrom(this.#database.error(error, "use")));
      answers = asks.map(() => failure);
    }
    return answers as unknown as { readonly [I in keyof A]: StoreAnswer<A[I]["operation"]> };
  }

  async read<A extends StoreAsk>(ask: A) {
    if (storeWrites[ask.operation]) throw new TypeError(`${ask.operation} is a write`);
    if (needsLookAlikes(ask)) await loadLookAlikes();
    let answer: Answer;
    try {
      answer = ok(await this.#read(ask));
    } catch (error) {
      answer = fail(error instanceof Refusal ? refused(error) : refusalFrom(this.#database.error(error, "use")));
    }
    return answer as StoreAnswer<A["operation"]>;
  }

  async putAccount(name: string, record: string, { overwrite, nowMs }: { overwrite: boolean; nowMs: number }) {
    await loadLookAlikes();
    return await this.#administer((sql) => this.#accounts.put(sql, name, record, overwrite, nowMs));
  }

  async removeAccount(name: string): Promise<boolean> {
    const account = await this.#administer((sql) => this.#accounts.retire(sql, name));
    if (account === undefined) return false;
    await this.#endShares(account, "delete");
    await this.#administer((sql) => this.#accounts.delete(sql, account));
    return true;
  }

  async setRole(name: string, role: Role): Promise<boolean> {
    const account = await this.#administer((sql) => this.#accounts.setRole(sql, name, role));
    if (account === undefined) return false;
    if (role === "readOnly") await this.#endShares(account, "withdraw");
    return true;
  }

  setLimits(name: string, { sharesMax, rate }: { sharesMax: number | null; rate: number | null }): Promise<boolean> {
    return this.#administer((sql) => this.#accounts.setLimits(sql, name, sharesMax, rate));
  }

  putInvites(invites: readonly NewInvite[], nowMs: number): Promise<void> {
    return this.#administer((sql) => putInvites(sql, invites, nowMs));
  }

  listInvites(): Promise<readonly StoredInvite[]> {
    return this.#named("read", listInvites(this.#database.sql));
  }

  revokeInvite(invite: number): Promise<boolean> {
    return this.#administer((sql) => revokeInvite(sql, invite));
  }

  createGroup(name: string, nowMs: number): Promise<boolean> {
    return this.#administer((sql) => createGroup(sql, name, nowMs));
  }

  deleteGroup(name: string): Promise<readonly string[] | undefined> {
    return this.#administer((sql) => deleteGroup(sql, name));
  }

  setGroupMember(group: string, account: string, isMember: boolean): Promise<boolean> {
    return this.#administer((sql) => setGroupMember(sql, group, account, isMember));
  }

  listGroups(): Promise<readonly StoredGroup[]> {
    return this.#named("read", listGroups(this.#database.sql));
  }

  setDisabled(name: string, disabled: boolean): Promise<boolean> {
    return this.#administer((sql) => this.#accounts.setDisabled(sql, name, disabled));
  }

  findAccount(name: string): Promise<StoredAccount | undefined> {
    return this.#named("read", this.#accounts.find(this.#database.sql, name));
  }

  listAccounts(): Promise<readonly StoredAccount[]> {
    return this.#named("read", this.#accounts.list(this.#database.sql));
  }

  claimKeys(mark: string): Promise<boolean> {
    return this.#administer(async (sql) => {
      await sql.run("INSERT INTO key_mark SELECT $1::text WHERE NOT EXISTS (SELECT 1 FROM key_mark)", mark);
      const [row] = await sql.rows<{ readonly mark: string }>("SELECT mark FROM key_mark");
      return row!.mark === mark;
    });
  }

  async figures(): Promise<StoreFigures> {
    const [figures] = await this.#named(
      "read",
      this.#database.sql.rows<StoreFigures>(
        `SELECT (SELECT count(*) FROM accounts) AS accounts, (SELECT count(*) FROM devices) AS devices,
           (SELECT count(*) FROM online) AS online, (SELECT count(*) FROM files) AS files,
           (SELECT coalesce(sum(shares), 0)::bigint FROM accounts) AS shares`,
      ),
    );
    return figures!;
  }

  async close(): Promise<void> {
    await this.#presence[Symbol.asyncDispose]();
    await this.#database.close();
  }

  async #endShares(account: number, how: "delete" | "withdraw"): Promise<void> {
    const slice = (sql: Sql) => this.#shares.removeShares(sql, account, removalSlice, how);
    while (await this.#administer(slice) > 0);
  }

  #administer<T>(act: (sql: Sql) => Promise<T>): Promise<T> {
    return this.#named("write", this.#database.group(act));
  }

  async #named<T>(operation: "read" | "write", running: Promise<T>): Promise<T> {
    try {
      return await running;
    } catch (error) {
      throw this.#database.error(error, operation);
    }
  }

  /** Writes asks of one kind; each has its answer, a refusal before it changed anything. */
  async #writeRun(sql: Sql, run: readonly StoreAsk[], whenDurable: (() => void)[]): Promise<readonly Answer[]> {
    const [first] = run as readonly [StoreAsk];
    switch (first.operation) {
      case "presence":
        whenDurable.push(await this.#presence.note(sql, (run as readonly AskOf<"presence">[]).map(({ ask }) => ask)));
        return run.map(() => ok(null));
      case "share": {
        const answers = await this.#shares.share(sql, (run as readonly AskOf<"share">[]).map(({ ask }) => ask));
        return answers.map((answer) => answer instanceof Refusal ? fail(refused(answer)) : ok(answer));
      }
    }
    const answers: Answer[] = [];
    for (const ask of run) {
      try {
        answers.push(ok(await this.#writeOne(sql, ask)));
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        answers.push(fail(refused(error)));
      }
    }
    return answers;
  }

  async #writeOne(sql: Sql, one: StoreAsk) {
    switch (one.operation) {
      case "enrolDevice":
        return await this.#accounts.enrolDevice(sql, one.ask);
      case "revokeDevice":
        return await this.#accounts.revokeDevice(sql, one.ask);
      case "putAccountKey":
        return await this.#accounts.putAccountKey(sql, one.ask);
      case "changePassword":
        return await this.#accounts.changePassword(sql, one.ask);
      case "registerAccount":
        return await registerAccount(sql, one.ask);
      case "remove":
        return await this.#shares.remove(sql, one.ask);
    }
    throw new TypeError(`${one.operation} is no write on its own`);
  }

  async #read(one: StoreAsk) {
    const { sql } = this.#database;
    switch (one.operation) {
      case "credential":
        return isInviteName(one.ask.account)
          ? await inviteCredential(sql, one.ask)
          : await this.#accounts.credential(sql, one.ask);
      case "listDevices":
        return await this.#accounts.listDevices(sql, one.ask);
      case "listPeers":
        return await this.#accounts.listPeers(sql, one.ask);
      case "account":
        return await this.#accounts.account(sql, one.ask);
      case "passwordOf":
        return await this.#accounts.passwordOf(sql, one.ask);
      case "invite":
        return await readInvite(sql, one.ask);
      case "checkName":
        return await checkName(sql, one.ask);
      case "listFiles":
        return await listFiles(sql, one.ask);
      case "search":
        return await this.#search.search(sql, one.ask);
      case "locate":
        return await locate(sql, one.ask);
      case "sharesOf":
        return await sharesOf(sql, one.ask);
      case "sees":
        return await sees(sql, one.ask);
      case "unknownAudience":
        return await unknownAudience(sql, one.ask);
    }
    throw new TypeError(`${one.operation} is no read`);
  }
}

/** Whether an ask compares how names look. */
function needsLookAlikes({ operation }: StoreAsk): boolean {
  return operation === "checkName" || operation === "registerAccount";
}

/** Asks as runs of one operation each, in order. */
function runsOf(asks: readonly StoreAsk[]): StoreAsk[][] {
  const runs: StoreAsk[][] = [];
  for (const ask of asks) {
    const run = runs.at(-1);
    if (run?.[0]?.operation === ask.operation) run.push(ask);
    else runs.push([ask]);
  }
  return runs;
}

function refused({ code, message }: Refusal) {
  return { code, text: message };
}

/** What a peer is told of a failure: never where the database is, never SQL. */
function refusalFrom({ code }: ShoalError) {
  switch (code) {
    case "busy":
      return { code, text: "the coordinator's database is away" } as const;
    case "diskFull":
      return { code, text: "the coordinator's disk is full" } as const;
    default:
      return { code: "io", text: "the coordinator's store failed" } as const;
  }
}
