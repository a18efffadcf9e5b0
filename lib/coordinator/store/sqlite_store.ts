/**
 * sqlite_store: the Store in one SQLite file. Law: a transaction begins and ends in one turn of the loop, so none ever sees
 * another's middle.  @see Store for what the methods promise
 */

import type { DatabaseSync } from "node:sqlite";
import { setImmediate } from "node:timers";
import { fail, ok } from "../../core/errors.ts";
import { limits } from "../../core/limits.ts";
import { type StoreAnswer, type StoreAsk, type StoreOperation, storeWrites } from "../role/store_effects.ts";
import { isInviteName } from "../../session/invite_code.ts";
import type { Role } from "../../wire/message.ts";
import { loadLookAlikes } from "../look_alike.ts";
import { SqliteAccounts } from "./sqlite_accounts.ts";
import { SqliteAudiences } from "./sqlite_audiences.ts";
import { SqliteCatalog } from "./sqlite_catalog.ts";
import { openDatabase, sqliteError } from "./sqlite_database.ts";
import { Refusal } from "./refusal.ts";
import { SqliteGroups } from "./sqlite_groups.ts";
import { prepareQuery } from "./sqlite_query.ts";
import { SqliteInvites } from "./sqlite_invites.ts";
import { SqliteNames } from "./sqlite_names.ts";
import { IndexMerging } from "./sqlite_merging.ts";
import { SqliteSearch } from "./sqlite_search.ts";
import { SqliteShares } from "./sqlite_shares.ts";
import type { NewInvite, Store, StoreBounds, StoredAccount, StoredGroup, StoredInvite, StoreFigures } from "./store.ts";

/** Shares deleted in one transaction when an account goes, so that the loop is never held for long. */
const removalSlice = 200;

type Answer = StoreAnswer<StoreOperation>;

/**
 * Opens a database file, making it (mode 0600) if it is not there. The caller sees to it that nobody else has it open.
 * @throws {StoreError} If it is damaged, of a newer schema, another program's, or the disk fails.
 */
export function openSqliteStore(path: string, bounds: StoreBounds = limits): Store {
  const db = openDatabase(path);
  try {
    return new SqliteStore(db, path, bounds);
  } catch (error) {
    db.close();
    throw sqliteError(error, "open", path);
  }
}

class SqliteStore implements Store {
  readonly #db: DatabaseSync;
  readonly #path: string;
  readonly #accounts: SqliteAccounts;
  readonly #invites: SqliteInvites;
  readonly #shares: SqliteShares;
  readonly #groups: SqliteGroups;
  readonly #audiences: SqliteAudiences;
  readonly #catalog: SqliteCatalog;
  readonly #search: SqliteSearch;
  readonly #merging: IndexMerging;
  readonly #figures;
  #closed = false;

  constructor(db: DatabaseSync, path: string, bounds: StoreBounds) {
    this.#db = db;
    this.#path = path;
    const names = new SqliteNames(db);
    this.#accounts = new SqliteAccounts(db, names, bounds.devicesPerAccountMax);
    this.#invites = new SqliteInvites(db, names);
    this.#groups = new SqliteGroups(db);
    this.#audiences = new SqliteAudiences(db);
    this.#shares = new SqliteShares(db, this.#audiences, bounds.sharesPerAccountMax);
    this.#catalog = new SqliteCatalog(db);
    this.#search = new SqliteSearch(db, bounds.searchCandidatesMax);
    this.#merging = new IndexMerging(db);
    this.#merging.wrote();
    this.#figures = prepareQuery<StoreFigures>(
      db,
      `SELECT (SELECT count(*) FROM accounts) AS accounts, (SELECT count(*) FROM devices) AS devices,
         (SELECT count(*) FROM online) AS online, (SELECT count(*) FROM files) AS files,
         (SELECT coalesce(sum(shares), 0) FROM accounts) AS shares`,
    );
  }

  async write<const A extends readonly StoreAsk[]>(asks: A) {
    if (asks.some(needsLookAlikes)) await loadLookAlikes();
    const answers: Answer[] = [];
    try {
      this.#transaction(() => {
        for (const ask of asks) answers.push(this.#runInSavepoint(ask));
      });
    } catch (error) {
      const failure = fail(refusalFrom(error, this.#path));
      answers.splice(0, answers.length, ...asks.map(() => failure));
    }
    if (asks.some(({ operation }) => operation === "share" || operation === "remove")) this.#merging.wrote();
    return answers as unknown as { readonly [I in keyof A]: StoreAnswer<A[I]["operation"]> };
  }

  async read<A extends StoreAsk>(ask: A) {
    if (needsLookAlikes(ask)) await loadLookAlikes();
    if (storeWrites[ask.operation]) throw new TypeError(`${ask.operation} is a write`);
    let answer: Answer;
    try {
      answer = ok(this.#run(ask));
    } catch (error) {
      answer = fail(refusalFrom(error, this.#path));
    }
    return answer as StoreAnswer<A["operation"]>;
  }

  async putAccount(name: string, record: string, { overwrite, nowMs }: { overwrite: boolean; nowMs: number }) {
    await loadLookAlikes();
    return this.#administer("write", () => this.#accounts.put(name, record, overwrite, nowMs));
  }

  async removeAccount(name: string): Promise<boolean> {
    const account = this.#administer("write", () => this.#accounts.retire(name));
    if (account === undefined) return false;
    await this.#endShares(account, "delete");
    this.#administer("write", () => this.#accounts.delete(account));
    return true;
  }

  async setRole(name: string, role: Role): Promise<boolean> {
    const account = this.#administer("write", () => this.#accounts.setRole(name, role));
    if (account === undefined) return false;
    if (role === "readOnly") await this.#endShares(account, "withdraw");
    return true;
  }

  async #endShares(account: number, how: "delete" | "withdraw"): Promise<void> {
    while (this.#administer("write", () => this.#shares.removeShares(account, removalSlice, how)) > 0) {
      await new Promise((resolve) => setImmediate(resolve)); // Other work has its turn.
    }
  }

  // deno-lint-ignore require-await -- as above
  async setLimits(name: string, { sharesMax, rate }: { sharesMax: number | null; rate: number | null }) {
    return this.#administer("write", () => this.#accounts.setLimits(name, sharesMax, rate));
  }

  // deno-lint-ignore require-await -- as above
  async putInvites(invites: readonly NewInvite[], nowMs: number): Promise<void> {
    this.#administer("write", () => this.#invites.put(invites, nowMs));
  }

  // deno-lint-ignore require-await -- as above
  async listInvites(): Promise<readonly StoredInvite[]> {
    return this.#administer("read", () => this.#invites.list());
  }

  // deno-lint-ignore require-await -- as above
  async revokeInvite(invite: number): Promise<boolean> {
    return this.#administer("write", () => this.#invites.revoke(invite));
  }

  // deno-lint-ignore require-await -- as above
  async setDisabled(name: string, disabled: boolean): Promise<boolean> {
    return this.#administer("write", () => this.#accounts.setDisabled(name, disabled));
  }

  // deno-lint-ignore require-await -- as above
  async findAccount(name: string): Promise<StoredAccount | undefined> {
    return this.#administer("read", () => this.#accounts.find(name));
  }

  // deno-lint-ignore require-await -- as above
  async listAccounts(): Promise<readonly StoredAccount[]> {
    return this.#administer("read", () => this.#accounts.list());
  }

  // deno-lint-ignore require-await -- as above
  async createGroup(name: string, nowMs: number): Promise<boolean> {
    return this.#administer("write", () => this.#groups.create(name, nowMs));
  }

  // deno-lint-ignore require-await -- as above
  async deleteGroup(name: string): Promise<readonly string[] | undefined> {
    return this.#administer("write", () => this.#groups.delete(name));
  }

  // deno-lint-ignore require-await -- as above
  async setGroupMember(group: string, account: string, isMember: boolean): Promise<boolean> {
    return this.#administer("write", () => this.#groups.setMember(group, account, isMember));
  }

  // deno-lint-ignore require-await -- as above
  async listGroups(): Promise<readonly StoredGroup[]> {
    return this.#administer("read", () => this.#groups.list());
  }

  // deno-lint-ignore require-await -- as above
  async claimKeys(mark: string): Promise<boolean> {
    return this.#administer("write", () => {
      this.#db.prepare("INSERT INTO key_mark SELECT ? WHERE NOT EXISTS (SELECT 1 FROM key_mark)").run(mark);
      return this.#db.prepare("SELECT mark FROM key_mark").get()!.mark === mark;
    });
  }

  // deno-lint-ignore require-await -- as above
  async figures(): Promise<StoreFigures> {
    return this.#administer("read", () => ({ ...this.#figures.get()! }));
  }

  // deno-lint-ignore require-await -- as above
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#merging.close();
    this.#db.close(); // The last connection: the log is written back and its file removed.
  }

  #administer<T>(operation: "read" | "write", act: () => T): T {
    try {
      return this.#transaction(act);
    } catch (error) {
      throw sqliteError(error, operation, this.#path);
    }
  }

  #transaction<T>(act: () => T): T {
    this.#db.exec("BEGIN IMMEDIATE");
    try {
      const result = act();
      this.#db.exec("COMMIT");
      return result;
    } catch (error) {
      // A full disk may have ended the transaction already.
      if (this.#db.isTransaction) this.#db.exec("ROLLBACK");
      throw error;
    }
  }

  #runInSavepoint(ask: StoreAsk): Answer {
    this.#db.exec("SAVEPOINT ask");
    try {
      const answer = ok(this.#run(ask));
      this.#db.exec("RELEASE ask");
      return answer;
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.#db.exec("ROLLBACK TO ask; RELEASE ask");
      return fail(refusalFrom(error, this.#path));
    }
  }

  #run(one: StoreAsk) {
    switch (one.operation) {
      case "credential":
        return isInviteName(one.ask.account) ? this.#invites.credential(one.ask) : this.#accounts.credential(one.ask);
      case "enrolDevice":
        return this.#accounts.enrolDevice(one.ask);
      case "listDevices":
        return this.#accounts.listDevices(one.ask);
      case "revokeDevice":
        return this.#accounts.revokeDevice(one.ask);
      case "putAccountKey":
        return this.#accounts.putAccountKey(one.ask);
      case "presence":
        return this.#accounts.presence(one.ask);
      case "listPeers":
        return this.#accounts.listPeers(one.ask);
      case "account":
        return this.#accounts.account(one.ask);
      case "passwordOf":
        return this.#accounts.passwordOf(one.ask);
      case "changePassword":
        return this.#accounts.changePassword(one.ask);
      case "invite":
        return this.#invites.invite(one.ask);
      case "checkName":
        return this.#invites.checkName(one.ask);
      case "registerAccount":
        return this.#invites.register(one.ask);
      case "share":
        return this.#shares.share(one.ask);
      case "remove":
        return this.#shares.remove(one.ask);
      case "listFiles":
        return this.#catalog.listFiles(one.ask);
      case "search":
        return this.#search.search(one.ask);
      case "sees":
        return this.#catalog.sees(one.ask);
      case "unknownAudience":
        return this.#audiences.unknown(one.ask);
      case "locate":
        return this.#catalog.locate(one.ask);
      case "sharesOf":
        return this.#catalog.sharesOf(one.ask);
    }
  }
}

/** Whether an ask compares how names look. */
function needsLookAlikes({ operation }: StoreAsk): boolean {
  return operation === "checkName" || operation === "registerAccount";
}

/** What a peer is told of a failure: never a path, never SQL. */
function refusalFrom(error: unknown, path: string) {
  if (error instanceof Refusal) return { code: error.code, text: error.message };
  const failure = sqliteError(error, "use", path);
  return failure.code === "diskFull"
    ? { code: "diskFull" as const, text: "the coordinator's disk is full" }
    : { code: "io" as const, text: "the coordinator's store failed" };
}
