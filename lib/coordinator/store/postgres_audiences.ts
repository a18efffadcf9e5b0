/** postgres_audiences: for whom shares are, in PostgreSQL. Laws: as sqlite_audiences.ts. */

import { foldAccount } from "../../session/opaque.ts";
import type { Audience, AudienceMember } from "../../core/audience.ts";
import type { StoreOperations } from "../role/store_effects.ts";
import type { Sql } from "./postgres_database.ts";

type Ask<O extends keyof StoreOperations> = StoreOperations[O]["ask"];
type Answer<O extends keyof StoreOperations> = StoreOperations[O]["answer"];

/** A member and the row that its name means; undefined for nobody. */
interface Meant {
  readonly member: AudienceMember;
  readonly row: number | undefined;
}

/** SQL: whether an account may see a share; `account` is an expression, as `$1`. */
export function seenBy(share: string, account: string): string {
  return `(${share}.audience = 0 OR EXISTS (
    SELECT 1 FROM audience_members m WHERE m.audience = ${share}.audience AND (m.account = ${account} OR
      m.grp IN (SELECT g.grp FROM group_members g WHERE g.account = ${account}))))`;
}

/** The audiences of one group's shares: what a name means is asked once, as nobody else writes meanwhile. */
export class PostgresAudiences {
  readonly #sql: Sql;
  readonly #meanings = new Map<string, readonly Meant[]>();

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  /** The number of an audience of an account's shares; 0 for everyone, undefined where no share has it. */
  async find(account: number, audience: Audience): Promise<number | undefined> {
    if (audience === null) return 0;
    const key = keyOf(account, await this.#meant(account, audience));
    return (await this.#sql.rows<{ audience: number }>("SELECT audience FROM audiences WHERE key = $1", key))[0]
      ?.audience;
  }

  /** The same, making it if need be. */
  async put(account: number, audience: Audience): Promise<number> {
    const known = await this.find(account, audience);
    if (known !== undefined) return known;
    const meant = await this.#meant(account, audience!);
    const [made] = await this.#sql.rows<{ readonly audience: number }>(
      "INSERT INTO audiences (key, told) VALUES ($1, $2) RETURNING audience",
      keyOf(account, meant),
      JSON.stringify(audience),
    );
    const rowsOf = (kind: string) =>
      meant.flatMap(({ member, row }) => member.kind === kind && row !== undefined ? [row] : []);
    await this.#sql.run(
      `INSERT INTO audience_members (audience, account, grp)
         SELECT $1::bigint, a, NULL::bigint FROM unnest($2::bigint[]) a UNION ALL SELECT $1, NULL, g FROM unnest($3::bigint[]) g`,
      made!.audience,
      [account, ...rowsOf("account")],
      rowsOf("group"),
    );
    return made!.audience;
  }

  async #meant(account: number, audience: readonly AudienceMember[]): Promise<readonly Meant[]> {
    const key = JSON.stringify([account, audience]);
    const known = this.#meanings.get(key) ?? await meantBy(this.#sql, account, audience);
    this.#meanings.set(key, known);
    return known;
  }
}

/** Forgets those of some audiences that no share has any more. */
export async function dropAudiences(sql: Sql, numbers: readonly number[]): Promise<void> {
  await sql.run(
    "DELETE FROM audiences u WHERE audience = ANY ($1) AND NOT EXISTS (SELECT 1 FROM shares s WHERE s.audience = u.audience)",
    numbers,
  );
}

/** The members that mean nobody to a device's account. */
export async function unknownAudience(
  sql: Sql,
  { device, audience }: Ask<"unknownAudience">,
): Promise<Answer<"unknownAudience">> {
  const [owner] = await sql.rows<{ readonly account: number }>("SELECT account FROM devices WHERE device = $1", device);
  const meant = await meantBy(sql, owner?.account ?? 0, audience ?? []);
  return meant.filter(({ row }) => row === undefined).map(({ member }) => member);
}

async function meantBy(sql: Sql, account: number, audience: readonly AudienceMember[]): Promise<readonly Meant[]> {
  return await Promise.all(audience.map(async (member) => {
    const { kind, name } = member;
    const [found] = kind === "account"
      ? await sql.rows<{ row: number }>("SELECT account AS row FROM accounts WHERE name_key = $1", foldAccount(name))
      // A group that the account is not in is to it like one that is not there.
      : await sql.rows<{ row: number }>(
        `SELECT g.grp AS row FROM account_groups g JOIN group_members m ON m.grp = g.grp AND m.account = $2
         WHERE g.name_key = $1`,
        foldAccount(name),
        account,
      );
    return { member, row: found?.row };
  }));
}

function keyOf(account: number, meant: readonly Meant[]): string {
  return JSON.stringify([account, ...meant.map(({ member: { kind, name }, row }) => [kind, name, row ?? 0])]);
}
