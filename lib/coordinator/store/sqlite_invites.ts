/**
 * sqlite_invites: invites and the accounts that they make, in SQLite. Laws: 1) an invite is spent in the transaction that makes its
 * account, or not at all;  2) of a code only the OPAQUE record is here, and the name that its secret yields;  3) every method runs
 * inside its caller's transaction.
 */

import type { DatabaseSync } from "node:sqlite";
import { ShoalError, UsageError } from "../../core/errors.ts";
import { limits } from "../../core/limits.ts";
import type { Role } from "../../wire/message.ts";
import { parseAccountName } from "../account_name.ts";
import type { StoreOperations } from "../role/store_effects.ts";
import { Refusal } from "./refusal.ts";
import type { SqliteNames } from "./sqlite_names.ts";
import { prepareQuery } from "./sqlite_query.ts";
import type { NewInvite, StoredInvite } from "./store.ts";

type Ask<O extends keyof StoreOperations> = StoreOperations[O]["ask"];
type Answer<O extends keyof StoreOperations> = StoreOperations[O]["answer"];

function prepareAll(db: DatabaseSync) {
  return {
    usable: prepareQuery<{ readonly record: string; readonly role: Role; readonly expires_at: number | null }>(
      db,
      "SELECT record, role, expires_at FROM invites WHERE name = ? AND used_at IS NULL",
    ),
    usableCount: prepareQuery<{ readonly count: number }>(
      db,
      "SELECT count(*) AS count FROM invites WHERE used_at IS NULL AND expires_at > ?",
    ),
    insert: prepareQuery(
      db,
      `INSERT INTO invites (name, record, role, note, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?)
       ON CONFLICT (name) DO NOTHING`,
    ),
    spend: prepareQuery(
      db,
      "UPDATE invites SET used_at = ?, used_by = ? WHERE name = ? AND used_at IS NULL AND expires_at IS NOT NULL",
    ),
    list: prepareQuery<StoredInvite>(
      db,
      `SELECT invite, role, note, created_at AS createdAtMs, expires_at AS expiresAtMs, used_at AS usedAtMs,
         used_by AS usedBy
       FROM invites WHERE expires_at IS NOT NULL ORDER BY invite`,
    ),
    revoke: prepareQuery(db, "DELETE FROM invites WHERE invite = ? AND used_at IS NULL AND expires_at IS NOT NULL"),
    revokeOpen: prepareQuery(db, "DELETE FROM invites WHERE expires_at IS NULL"),
    forget: prepareQuery(db, "DELETE FROM invites WHERE coalesce(used_at, expires_at) < ?"),
  };
}

export class SqliteInvites {
  readonly #queries: ReturnType<typeof prepareAll>;
  readonly #names: SqliteNames;

  /** @param db With the present schema. */
  constructor(db: DatabaseSync, names: SqliteNames) {
    this.#queries = prepareAll(db);
    this.#names = names;
  }

  /** What a login by an invite is checked against; an unknown one is answered as an unknown account is. */
  credential({ account }: Ask<"credential">): Answer<"credential"> {
    const record = this.#queries.usable.get(account)?.record ?? null;
    return { record, disabled: false, deviceKnown: false, loginKey: null };
  }

  invite({ invite, nowMs }: Ask<"invite">): Answer<"invite"> {
    const found = this.#queries.usable.get(invite);
    if (found === undefined || (found.expires_at ?? Infinity) <= nowMs) {
      throw new Refusal("denied", "the code is used up or expired");
    }
    return { role: found.role };
  }

  checkName({ account }: Ask<"checkName">): Answer<"checkName"> {
    const name = readName(account);
    switch (this.#names.refusal(name)) {
      case "taken":
        throw new Refusal("nameTaken", "somebody has that name");
      case "lookAlike":
        throw new Refusal("nameTaken", "it looks like the name of somebody");
    }
    return { account: name };
  }

  register({ account, record, invite, nowMs }: Ask<"registerAccount">): Answer<"registerAccount"> {
    const { role } = this.invite({ invite, nowMs });
    const { account: name } = this.checkName({ account });
    this.#names.insert({ name, record, role, nowMs });
    this.#queries.spend.run(nowMs, name, invite);
    return { account: name };
  }

  put(invites: readonly NewInvite[], nowMs: number): void {
    this.#queries.forget.run(nowMs - limits.inviteKeptMs);
    for (const { name, record, role, note, createdAtMs, expiresAtMs } of invites) {
      this.#queries.insert.run(name, record, role, note, createdAtMs, expiresAtMs);
    }
    if (this.#queries.usableCount.get(nowMs)!.count > limits.invitesMax) {
      throw new ShoalError("limit", `Cannot make invites: ${limits.invitesMax} can be used already`, {
        hint: "Revoke some: coordinator invite list",
      });
    }
  }

  list(): readonly StoredInvite[] {
    return this.#queries.list.all();
  }

  revoke(invite: number): boolean {
    return (invite === 0 ? this.#queries.revokeOpen.run() : this.#queries.revoke.run(invite)).changes > 0;
  }
}

/** Reads a name that a peer wants; what is wrong with it is the refusal's text. */
export function readName(text: string): string {
  try {
    return parseAccountName(text);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    throw new Refusal("usage", error.message.replace(/^.*: /s, ""));
  }
}
