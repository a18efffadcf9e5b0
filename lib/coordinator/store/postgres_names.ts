/** postgres_names: names of accounts as they are taken, in PostgreSQL. Laws: as sqlite_names.ts; writes run inside a group, after `loadLookAlikes`. */

import { foldAccount } from "../../session/opaque.ts";
import { lookAlikeKey } from "../look_alike.ts";
import type { Sql } from "./postgres_database.ts";
import type { NewAccount } from "./sqlite_names.ts";

/** Says why a name cannot be a new account's: somebody has it, or it looks like somebody's. */
export async function nameRefusal(sql: Sql, name: string): Promise<"taken" | "lookAlike" | undefined> {
  const [[taken], [alike]] = await Promise.all([
    sql.rows("SELECT 1 FROM accounts WHERE name_key = $1", foldAccount(name)),
    sql.rows("SELECT 1 FROM accounts WHERE look_alike = $1 LIMIT 1", lookAlikeKey(name)),
  ]);
  return taken !== undefined ? "taken" : alike !== undefined ? "lookAlike" : undefined;
}

/** Makes an account; its name was not refused. */
export async function insertAccount(sql: Sql, { name, record, role, nowMs }: NewAccount): Promise<void> {
  await sql.run(
    "INSERT INTO accounts (name, name_key, look_alike, record, role, created_at) VALUES ($1, $2, $3, $4, $5, $6)",
    name,
    foldAccount(name),
    lookAlikeKey(name),
    record,
    role,
    nowMs,
  );
}
