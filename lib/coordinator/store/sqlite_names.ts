/**
 * sqlite_names: names of accounts as they are taken, in SQLite. Laws: 1) of two names that look the same one is an account;  2) accounts of
 * before that rule stay, whatever they look like;  3) every method runs inside its caller's transaction, after `loadLookAlikes`.
 */

import type { DatabaseSync } from "node:sqlite";
import { foldAccount } from "../../session/opaque.ts";
import type { Role } from "../../wire/message.ts";
import { lookAlikeKey } from "../look_alike.ts";
import { prepareQuery } from "./sqlite_query.ts";

/** A name that is to be an account's. */
export interface NewAccount {
  /** As `parseAccountName` made it. */
  readonly name: string;
  readonly record: string;
  readonly role: Role;
  readonly nowMs: number;
}

function prepareAll(db: DatabaseSync) {
  return {
    byKey: prepareQuery<{ readonly name: string }>(db, "SELECT name FROM accounts WHERE name_key = ?"),
    byLook: prepareQuery<{ readonly name: string }>(db, "SELECT name FROM accounts WHERE look_alike = ? LIMIT 1"),
    insert: prepareQuery(
      db,
      "INSERT INTO accounts (name, name_key, look_alike, record, role, created_at) VALUES (?, ?, ?, ?, ?, ?)",
    ),
    unfilled: prepareQuery<{ readonly account: number; readonly name: string }>(
      db,
      "SELECT account, name FROM accounts WHERE look_alike IS NULL",
    ),
    fill: prepareQuery(db, "UPDATE accounts SET look_alike = ? WHERE account = ?"),
  };
}

export class SqliteNames {
  readonly #queries: ReturnType<typeof prepareAll>;

  /** @param db With the present schema. */
  constructor(db: DatabaseSync) {
    this.#queries = prepareAll(db);
  }

  /** Says why a name cannot be a new account's: somebody has it, or it looks like somebody's. */
  refusal(name: string): "taken" | "lookAlike" | undefined {
    if (this.#queries.byKey.get(foldAccount(name)) !== undefined) return "taken";
    this.#fillIn();
    return this.#queries.byLook.get(lookAlikeKey(name)) === undefined ? undefined : "lookAlike";
  }

  /** Makes an account; its name was not refused. */
  insert({ name, record, role, nowMs }: NewAccount): void {
    this.#queries.insert.run(name, foldAccount(name), lookAlikeKey(name), record, role, nowMs);
  }

  /** Says what those accounts look like that are older than the rule: work once, after an update. */
  #fillIn(): void {
    for (const { account, name } of this.#queries.unfilled.all()) this.#queries.fill.run(lookAlikeKey(name), account);
  }
}
