/**
 * postgres_invites: invites and the accounts that they make, in PostgreSQL. Laws: as sqlite_invites.ts; writes run inside a group, and a
 * refusal comes before the first change.
 */

import { ShoalError } from "../../core/errors.ts";
import { limits } from "../../core/limits.ts";
import type { Role } from "../../wire/message.ts";
import type { StoreOperations } from "../role/store_effects.ts";
import { insertAccount, nameRefusal } from "./postgres_names.ts";
import type { Sql } from "./postgres_database.ts";
import { Refusal } from "./refusal.ts";
import { readName } from "./sqlite_invites.ts";
import type { NewInvite, StoredInvite } from "./store.ts";

type Ask<O extends keyof StoreOperations> = StoreOperations[O]["ask"];
type Answer<O extends keyof StoreOperations> = StoreOperations[O]["answer"];

interface UsableRow {
  readonly record: string;
  readonly role: Role;
  readonly expires_at: number | null;
}

/** What a login by an invite is checked against; an unknown one is answered as an unknown account is. */
export async function inviteCredential(sql: Sql, { account }: Ask<"credential">): Promise<Answer<"credential">> {
  const record = (await usable(sql, account))?.record ?? null;
  return { record, disabled: false, deviceKnown: false, loginKey: null };
}

export async function readInvite(sql: Sql, { invite, nowMs }: Ask<"invite">): Promise<Answer<"invite">> {
  const found = await usable(sql, invite);
  if (found === undefined || (found.expires_at ?? Infinity) <= nowMs) {
    throw new Refusal("denied", "the code is used up or expired");
  }
  return { role: found.role };
}

export async function checkName(sql: Sql, { account }: Ask<"checkName">): Promise<Answer<"checkName">> {
  const name = readName(account);
  switch (await nameRefusal(sql, name)) {
    case "taken":
      throw new Refusal("nameTaken", "somebody has that name");
    case "lookAlike":
      throw new Refusal("nameTaken", "it looks like the name of somebody");
  }
  return { account: name };
}

export async function registerAccount(
  sql: Sql,
  { account, record, invite, nowMs }: Ask<"registerAccount">,
): Promise<Answer<"registerAccount">> {
  const { role } = await readInvite(sql, { invite, nowMs });
  const { account: name } = await checkName(sql, { account });
  await insertAccount(sql, { name, record, role, nowMs });
  await sql.run(
    "UPDATE invites SET used_at = $1, used_by = $2 WHERE name = $3 AND used_at IS NULL AND expires_at IS NOT NULL",
    nowMs,
    name,
    invite,
  );
  return { account: name };
}

export async function putInvites(sql: Sql, invites: readonly NewInvite[], nowMs: number): Promise<void> {
  await sql.run("DELETE FROM invites WHERE coalesce(used_at, expires_at) < $1", nowMs - limits.inviteKeptMs);
  for (const { name, record, role, note, createdAtMs, expiresAtMs } of invites) {
    await sql.run(
      `INSERT INTO invites (name, record, role, note, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6)
       ON CONFLICT (name) DO NOTHING`,
      name,
      record,
      role,
      note,
      createdAtMs,
      expiresAtMs,
    );
  }
  const count = "SELECT count(*) AS count FROM invites WHERE used_at IS NULL AND expires_at > $1";
  const [usable] = await sql.rows<{ readonly count: number }>(count, nowMs);
  if (usable!.count > limits.invitesMax) {
    throw new ShoalError("limit", `Cannot make invites: ${limits.invitesMax} can be used already`, {
      hint: "Revoke some: coordinator invite list",
    });
  }
}

export async function listInvites(sql: Sql): Promise<readonly StoredInvite[]> {
  return await sql.rows<StoredInvite>(
    `SELECT invite, role, note, created_at AS "createdAtMs", expires_at AS "expiresAtMs", used_at AS "usedAtMs",
       used_by AS "usedBy"
     FROM invites WHERE expires_at IS NOT NULL ORDER BY invite`,
  );
}

export async function revokeInvite(sql: Sql, invite: number): Promise<boolean> {
  if (invite === 0) return await sql.run("DELETE FROM invites WHERE expires_at IS NULL") > 0;
  const revoke = "DELETE FROM invites WHERE invite = $1 AND used_at IS NULL AND expires_at IS NOT NULL";
  return await sql.run(revoke, invite) > 0;
}

async function usable(sql: Sql, name: string): Promise<UsableRow | undefined> {
  const select = "SELECT record, role, expires_at FROM invites WHERE name = $1 AND used_at IS NULL";
  return (await sql.rows<UsableRow>(select, name))[0];
}
