/** postgres_groups: groups of accounts, in PostgreSQL. Law: as sqlite_groups.ts; writes run inside a group of writes. */

import { limits } from "../../core/limits.ts";
import { foldAccount } from "../../session/opaque.ts";
import type { Sql } from "./postgres_database.ts";
import { noAccount, noGroup, tooMany } from "./refusal.ts";
import type { StoredGroup } from "./store.ts";

interface GroupRow {
  readonly grp: number;
  readonly name: string;
  readonly created_at: number;
}

export async function createGroup(sql: Sql, name: string, nowMs: number): Promise<boolean> {
  if (await find(sql, name) !== undefined) return false;
  const [groups] = await sql.rows<{ readonly count: number }>("SELECT count(*) AS count FROM account_groups");
  if (groups!.count >= limits.groupsMax) throw tooMany(`there are ${limits.groupsMax} groups`);
  const insert = "INSERT INTO account_groups (name, name_key, created_at) VALUES ($1, $2, $3)";
  await sql.run(insert, name, foldAccount(name), nowMs);
  return true;
}

export async function deleteGroup(sql: Sql, name: string): Promise<readonly string[] | undefined> {
  const group = await find(sql, name);
  if (group === undefined) return undefined;
  const members = await membersOf(sql, group);
  await sql.run("DELETE FROM account_groups WHERE grp = $1", group.grp);
  return members;
}

export async function setGroupMember(sql: Sql, group: string, account: string, isMember: boolean): Promise<boolean> {
  const known = await find(sql, group);
  if (known === undefined) throw noGroup(group);
  const [row] = await sql.rows<{ readonly account: number; readonly name: string }>(
    "SELECT account, name FROM accounts WHERE name_key = $1",
    foldAccount(account),
  );
  if (row === undefined) throw noAccount(account);
  if (!isMember) {
    return await sql.run("DELETE FROM group_members WHERE account = $1 AND grp = $2", row.account, known.grp) > 0;
  }
  const [counts] = await sql.rows<{ readonly inGroup: number; readonly ofAccount: number }>(
    `SELECT (SELECT count(*) FROM group_members WHERE grp = $1) AS "inGroup",
       (SELECT count(*) FROM group_members WHERE account = $2) AS "ofAccount"`,
    known.grp,
    row.account,
  );
  const { inGroup, ofAccount } = counts!;
  const join = "INSERT INTO group_members (account, grp) VALUES ($1, $2) ON CONFLICT DO NOTHING";
  if (await sql.run(join, row.account, known.grp) === 0) return false;
  if (inGroup >= limits.groupMembersMax) throw tooMany(`${known.name} has ${inGroup} members`);
  if (ofAccount >= limits.groupsPerAccountMax) throw tooMany(`${row.name} is in ${ofAccount} groups`);
  return true;
}

export async function listGroups(sql: Sql): Promise<readonly StoredGroup[]> {
  const groups = await sql.rows<GroupRow>("SELECT grp, name, created_at FROM account_groups ORDER BY name_key");
  return await Promise.all(groups.map(async (group) => {
    return { name: group.name, members: await membersOf(sql, group), createdAtMs: group.created_at };
  }));
}

async function find(sql: Sql, name: string): Promise<GroupRow | undefined> {
  const select = "SELECT grp, name, created_at FROM account_groups WHERE name_key = $1";
  return (await sql.rows<GroupRow>(select, foldAccount(name)))[0];
}

async function membersOf(sql: Sql, { grp }: GroupRow): Promise<string[]> {
  const select =
    "SELECT a.name FROM group_members m JOIN accounts a USING (account) WHERE m.grp = $1 ORDER BY a.name_key";
  return (await sql.rows<{ readonly name: string }>(select, grp)).map(({ name }) => name);
}
