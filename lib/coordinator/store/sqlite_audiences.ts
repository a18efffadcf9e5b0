/**
 * sqlite_audiences: for whom shares are, in SQLite. Laws: 1) 0 is everyone, and costs a comparison of a number;  2) any other audience
 * is looked up at each question, so a change of it or of a group holds at once;  3) a name means who has it when it is told, and a group
 * only to its members; a name that means nobody reaches nobody, also later.
 */

import type { DatabaseSync } from "node:sqlite";
import { foldAccount } from "../../session/opaque.ts";
import type { Audience, AudienceMember } from "../../core/audience.ts";
import type { StoreOperations } from "../role/store_effects.ts";
import { prepareQuery } from "./sqlite_query.ts";

type Ask<O extends keyof StoreOperations> = StoreOperations[O]["ask"];
type Answer<O extends keyof StoreOperations> = StoreOperations[O]["answer"];

/** SQL: whether an account may see a share; `account` is an expression, as `?1`. */
export function seenBy(share: string, account: string): string {
  return `(${share}.audience = 0 OR EXISTS (
    SELECT 1 FROM audience_members m WHERE m.audience = ${share}.audience AND (m.account = ${account} OR
      m.grp IN (SELECT g.grp FROM group_members g WHERE g.account = ${account}))))`;
}

/** A member and the row that its name means; undefined for nobody. */
interface Meant {
  readonly member: AudienceMember;
  readonly row: number | undefined;
}

function prepareAll(db: DatabaseSync) {
  return {
    account: prepareQuery<{ readonly row: number }>(db, "SELECT account AS row FROM accounts WHERE name_key = ?"),
    /** A group that an account is in: any other is to it like one that is not there. */
    group: prepareQuery<{ readonly row: number }>(
      db,
      `SELECT g.grp AS row FROM account_groups g JOIN group_members m ON m.grp = g.grp AND m.account = ?2
       WHERE g.name_key = ?1`,
    ),
    accountOf: prepareQuery<{ readonly account: number }>(db, "SELECT account FROM devices WHERE device = ?"),
    byKey: prepareQuery<{ readonly audience: number }>(db, "SELECT audience FROM audiences WHERE key = ?"),
    told: prepareQuery<{ readonly told: string }>(db, "SELECT told FROM audiences WHERE audience = ?"),
    insert: prepareQuery(db, "INSERT INTO audiences (key, told) VALUES (?, ?)"),
    insertMember: prepareQuery(db, "INSERT INTO audience_members (audience, account, grp) VALUES (?, ?, ?)"),
    drop: prepareQuery(
      db,
      "DELETE FROM audiences WHERE audience = ?1 AND NOT EXISTS (SELECT 1 FROM shares WHERE audience = ?1)",
    ),
  };
}

export class SqliteAudiences {
  readonly #queries: ReturnType<typeof prepareAll>;

  /** @param db With the present schema. */
  constructor(db: DatabaseSync) {
    this.#queries = prepareAll(db);
  }

  /** The number of an audience of an account's shares; 0 for everyone, undefined where no share has it. */
  find(account: number, audience: Audience): number | undefined {
    if (audience === null) return 0;
    return this.#queries.byKey.get(keyOf(account, this.#meant(account, audience)))?.audience;
  }

  /** The same, making it if need be. */
  put(account: number, audience: Audience): number {
    if (audience === null) return 0;
    const meant = this.#meant(account, audience);
    const key = keyOf(account, meant);
    const known = this.#queries.byKey.get(key);
    if (known !== undefined) return known.audience;
    const { lastInsertRowid: number } = this.#queries.insert.run(key, JSON.stringify(audience));
    this.#queries.insertMember.run(number, account, null);
    for (const { member: { kind }, row } of meant) {
      if (row === undefined) continue;
      this.#queries.insertMember.run(number, kind === "account" ? row : null, kind === "group" ? row : null);
    }
    return number;
  }

  /** An audience as it was told. */
  told(number: number): Audience {
    if (number === 0) return null;
    const row = this.#queries.told.get(number);
    return row === undefined ? [] : JSON.parse(row.told) as Audience;
  }

  /** Forgets an audience if it was its last share's. */
  drop(number: number): void {
    if (number !== 0) this.#queries.drop.run(number);
  }

  /** The members that mean nobody to a device's account. */
  unknown({ device, audience }: Ask<"unknownAudience">): Answer<"unknownAudience"> {
    const account = this.#queries.accountOf.get(device)?.account ?? 0;
    return this.#meant(account, audience ?? []).filter(({ row }) => row === undefined).map(({ member }) => member);
  }

  #meant(account: number, audience: readonly AudienceMember[]): readonly Meant[] {
    return audience.map((member) => {
      const { kind, name } = member;
      const key = foldAccount(name);
      const found = kind === "account" ? this.#queries.account.get(key) : this.#queries.group.get(key, account);
      return { member, row: found?.row };
    });
  }
}

function keyOf(account: number, meant: readonly Meant[]): string {
  return JSON.stringify([account, ...meant.map(({ member: { kind, name }, row }) => [kind, name, row ?? 0])]);
}
