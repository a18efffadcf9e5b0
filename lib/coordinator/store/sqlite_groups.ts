/**
 * sqlite_groups: groups of accounts, in SQLite. Law: who is in a group sees what is shared with it as soon as the change is committed, and
 * not a moment longer: nothing is derived from membership and kept.
 */

import type { DatabaseSync } from "node:sqlite";
import { limits } from "../../core/limits.ts";
import { foldAccount } from "../../session/opaque.ts";
import { noAccount, noGroup, tooMany } from "./refusal.ts";
import { prepareQuery } from "./sqlite_query.ts";
import type { StoredGroup } from "./store.ts";

interface GroupRow {
  readonly grp: number;
  readonly name: string;
  readonly created_at: number;
}

function prepareAll(db: DatabaseSync) {
  const groupColumns = "grp, name, created_at";
  return {
    byKey: prepareQuery<GroupRow>(db, `SELECT ${groupColumns} FROM account_groups WHERE name_key = ?`),
    all: prepareQuery<GroupRow>(db, `SELECT ${groupColumns} FROM account_groups ORDER BY name_key`),
    count: prepareQuery<{ readonly count: number }>(db, "SELECT count(*) AS count FROM account_groups"),
    insert: prepareQuery(db, "INSERT INTO account_groups (name, name_key, created_at) VALUES (?, ?, ?)"),
    delete: prepareQuery(db, "DELETE FROM account_groups WHERE grp = ?"),
    members: prepareQuery<{ readonly name: string }>(
      db,
      "SELECT a.name FROM group_members m JOIN accounts a USING (account) WHERE m.grp = ? ORDER BY a.name_key",
    ),
    account: prepareQuery<{ readonly account: number; readonly name: string }>(
      db,
      "SELECT account, name FROM accounts WHERE name_key = ?",
    ),
    counts: prepareQuery<{ readonly inGroup: number; readonly ofAccount: number }>(
      db,
      `SELECT (SELECT count(*) FROM group_members WHERE grp = ?) AS inGroup,
         (SELECT count(*) FROM group_members WHERE account = ?) AS ofAccount`,
    ),
    join: prepareQuery(db, "INSERT OR IGNORE INTO group_members (account, grp) VALUES (?, ?)"),
    leave: prepareQuery(db, "DELETE FROM group_members WHERE account = ? AND grp = ?"),
  };
}

export class SqliteGroups {
  readonly #queries: ReturnType<typeof prepareAll>;

  /** @param db With the present schema. */
  constructor(db: DatabaseSync) {
    this.#queries = prepareAll(db);
  }

  create(name: string, nowMs: number): boolean {
    if (this.#queries.byKey.get(foldAccount(name)) !== undefined) return false;
    if (this.#queries.count.get()!.count >= limits.groupsMax) throw tooMany(`there are ${limits.groupsMax} groups`);
    this.#queries.insert.run(name, foldAccount(name), nowMs);
    return true;
  }

  delete(name: string): readonly string[] | undefined {
    const group = this.#queries.byKey.get(foldAccount(name));
    if (group === undefined) return undefined;
    const members = this.#membersOf(group);
    this.#queries.delete.run(group.grp);
    return members;
  }

  setMember(group: string, account: string, isMember: boolean): boolean {
    const known = this.#queries.byKey.get(foldAccount(group));
    if (known === undefined) throw noGroup(group);
    const row = this.#queries.account.get(foldAccount(account));
    if (row === undefined) throw noAccount(account);
    if (!isMember) return this.#queries.leave.run(row.account, known.grp).changes > 0;
    const { inGroup, ofAccount } = this.#queries.counts.get(known.grp, row.account)!;
    const changed = this.#queries.join.run(row.account, known.grp).changes > 0;
    if (!changed) return false;
    if (inGroup >= limits.groupMembersMax) throw tooMany(`${known.name} has ${inGroup} members`);
    if (ofAccount >= limits.groupsPerAccountMax) throw tooMany(`${row.name} is in ${ofAccount} groups`);
    return true;
  }

  list(): readonly StoredGroup[] {
    return this.#queries.all.all().map((group) => {
      return { name: group.name, members: this.#membersOf(group), createdAtMs: group.created_at };
    });
  }

  #membersOf({ grp }: GroupRow): string[] {
    return this.#queries.members.all(grp).map(({ name }) => name);
  }
}
