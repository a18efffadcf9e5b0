/**
 * postgres_schema: the tables in PostgreSQL, and how older ones become the present ones. Laws: as sqlite_schema.ts: a migration, once
 * released, never changes; a newer schema or another program's database is refused untouched; rows that a cursor or a ticket may
 * name are never given twice. Coordinators that start at once migrate one after the other.
 */

import { newerSchema, ShoalError, StoreError } from "../../core/errors.ts";
import type { PostgresDatabase, Sql } from "./postgres_database.ts";

/** Files in one block of numbers: a search reads the index of names block by block. */
export const blockFiles = 8_192;

/** The n-th takes schema n to n + 1. Texts compare by their bytes, as in SQLite. */
export const migrations: readonly string[] = [
  `
  CREATE EXTENSION IF NOT EXISTS pg_trgm;
  CREATE EXTENSION IF NOT EXISTS btree_gin;

  CREATE TABLE accounts (
    account bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text COLLATE "C" NOT NULL,
    name_key text COLLATE "C" NOT NULL UNIQUE, -- session/opaque.ts foldAccount()
    look_alike text COLLATE "C" NOT NULL,      -- look_alike.ts lookAlikeKey()
    record text NOT NULL,                      -- OPAQUE registration record
    disabled boolean NOT NULL DEFAULT false,
    role text NOT NULL,                        -- wire/message.ts roles
    shares_max bigint,                         -- NULL: as all
    rate bigint,                               -- requests a second, NULL: as all
    public_key bytea,                          -- the account key, and its private half as the peer sealed it
    sealed_key bytea,
    shares bigint NOT NULL DEFAULT 0,          -- rows of shares that its devices have
    created_at bigint NOT NULL
  );
  CREATE INDEX accounts_by_look_alike ON accounts (look_alike);

  CREATE TABLE invites (
    invite bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text COLLATE "C" NOT NULL UNIQUE,     -- session/invite_code.ts inviteName()
    record text NOT NULL,                      -- OPAQUE registration record of the code's secret
    role text NOT NULL,
    note text NOT NULL,
    created_at bigint NOT NULL,
    expires_at bigint,                         -- NULL: that of open registration, which is never spent
    used_at bigint,
    used_by text                               -- the account's name as it was then
  );

  CREATE TABLE account_groups (
    grp bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text COLLATE "C" NOT NULL,
    name_key text COLLATE "C" NOT NULL UNIQUE, -- session/opaque.ts foldAccount()
    created_at bigint NOT NULL
  );
  CREATE TABLE group_members (
    account bigint NOT NULL REFERENCES accounts ON DELETE CASCADE,
    grp bigint NOT NULL REFERENCES account_groups ON DELETE CASCADE,
    PRIMARY KEY (account, grp)
  );
  CREATE INDEX group_members_by_group ON group_members (grp);

  CREATE TABLE devices (
    device bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account bigint NOT NULL REFERENCES accounts ON DELETE CASCADE,
    device_id bytea NOT NULL,
    label text COLLATE "C" NOT NULL,
    certificate bytea NOT NULL,
    signature bytea,                           -- by the account key, NULL: not enrolled
    login_key bytea,                           -- X25519, NULL: the device needs the password
    enrolled_at bigint,                        -- since when that key lets it in
    share_digest bytea NOT NULL,               -- of the shares that are not withdrawn
    changed_at bigint NOT NULL,                -- when it last came or went
    UNIQUE (account, device_id),
    UNIQUE (account, label)
  );

  CREATE TABLE contents (
    content bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id bytea NOT NULL,
    bytes bigint NOT NULL,
    UNIQUE (id, bytes)
  );

  -- One row a (name, content): what lists and searches show. Its number is their cursor.
  CREATE TABLE files (
    file bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text COLLATE "C" NOT NULL,
    content bigint NOT NULL REFERENCES contents,
    bytes bigint NOT NULL,                     -- its content's, for the index
    described boolean NOT NULL DEFAULT false,  -- whether a share of it has a description
    folded text COLLATE "C" NOT NULL,          -- pattern.ts foldName() of name and descriptions, a line each
    block integer GENERATED ALWAYS AS (file / ${blockFiles}) STORED,
    UNIQUE (name, content)
  );
  CREATE INDEX files_by_content ON files (content, file);
  CREATE INDEX files_by_size ON files (bytes, file);
  -- Both in one index, so that a block's share of a frequent word costs no more than the block.
  CREATE INDEX files_by_trigrams ON files USING gin (block, folded gin_trgm_ops) WITH (fastupdate = off);

  -- For whom shares are that are not for everyone. One row for all shares of an account that are for the same.
  CREATE TABLE audiences (
    audience bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key text COLLATE "C" NOT NULL UNIQUE,      -- the members as they were told, and which rows they meant then
    told text NOT NULL                         -- wire/audience.ts Audience, as JSON
  );
  -- The accounts and groups that they meant, and the sharing account itself. Whoever is removed is in none any more.
  CREATE TABLE audience_members (
    audience bigint NOT NULL REFERENCES audiences ON DELETE CASCADE,
    account bigint REFERENCES accounts ON DELETE CASCADE,
    grp bigint REFERENCES account_groups ON DELETE CASCADE
  );
  CREATE INDEX audience_members_by_audience ON audience_members (audience, account, grp);
  CREATE INDEX audience_members_by_account ON audience_members (account) WHERE account IS NOT NULL;
  CREATE INDEX audience_members_by_group ON audience_members (grp) WHERE grp IS NOT NULL;

  CREATE TABLE shares (
    share bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    device bigint NOT NULL REFERENCES devices ON DELETE CASCADE,
    name text COLLATE "C" NOT NULL,
    file bigint NOT NULL REFERENCES files,
    content bigint NOT NULL REFERENCES contents,
    withdrawn boolean NOT NULL DEFAULT false,  -- removed from elsewhere, and the device has not said so itself yet
    audience bigint NOT NULL DEFAULT 0,        -- 0: everyone
    shared_at bigint NOT NULL,
    description text NOT NULL DEFAULT '',
    UNIQUE (device, name)
  );
  CREATE INDEX shares_by_device ON shares (device, file);
  CREATE INDEX shares_by_file ON shares (file, device) INCLUDE (withdrawn, audience, shared_at);
  CREATE INDEX shares_by_content ON shares (content, device) INCLUDE (withdrawn, audience);
  CREATE INDEX shares_by_age ON shares (shared_at, share);
  CREATE INDEX shares_by_audience ON shares (audience) WHERE audience <> 0;
  CREATE INDEX shares_described ON shares (file) WHERE description <> '';
  CREATE INDEX shares_withdrawn ON shares (device) WHERE withdrawn;

  -- By which keys the accounts are made: key_file.ts. One row.
  CREATE TABLE key_mark (mark text NOT NULL);

  -- Who is online where. After a crash of the database both are empty, and each coordinator says it all again.
  CREATE UNLOGGED TABLE instances (
    instance bigint PRIMARY KEY,               -- a running coordinator, by a number of its own
    address text,                              -- where peers reach it, NULL: it was not told
    lease_until timestamptz NOT NULL           -- by this database's clock, then its devices are away
  );
  CREATE UNLOGGED TABLE online (
    device bigint PRIMARY KEY REFERENCES devices ON DELETE CASCADE,
    instance bigint NOT NULL REFERENCES instances ON DELETE CASCADE,
    place text                                 -- where its dial-back met it, NULL: nowhere
  );
  CREATE INDEX online_by_instance ON online (instance);
  `,
];

/** How long all migrations together may take, in milliseconds: an index of a large table takes minutes. */
const migrationMs = 3_600_000;

/**
 * Brings a database to the present schema, in one transaction.
 * @param steps The migrations; tests pass more than there are.
 * @throws {StoreError} If it is of a newer schema, another program's, or cannot keep our names.
 */
export async function migrate(database: PostgresDatabase, steps = migrations): Promise<void> {
  try {
    await database.group(async (sql) => {
      const found = await schemaOf(sql, database.name);
      if (found > steps.length) throw newerSchema(database.name, found, steps.length);
      if (found === steps.length) return;
      await sql.run("SET LOCAL statement_timeout = 0");
      if (found === 0) {
        await sql.run(
          "CREATE TABLE shoal_schema (version integer PRIMARY KEY, since timestamptz NOT NULL DEFAULT now())",
        );
      }
      for (const [i, migration] of steps.entries()) {
        if (i < found) continue;
        for (const statement of statementsOf(migration)) await sql.run(statement);
        await sql.run("INSERT INTO shoal_schema (version) VALUES ($1)", i + 1);
      }
    }, migrationMs);
  } catch (error) {
    throw explained(database.error(error, "open"), database.name);
  }
}

/** The schema that is there; 0: an empty database. */
async function schemaOf(sql: Sql, name: string): Promise<number> {
  const [{ ours, tables, encoding }] = await sql.rows<{ ours: boolean; tables: number; encoding: string }>(
    `SELECT to_regclass('shoal_schema') IS NOT NULL AS ours, current_setting('server_encoding') AS encoding,
       (SELECT count(*) FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = current_schema()::regnamespace) AS tables`,
  ) as [{ ours: boolean; tables: number; encoding: string }];
  if (encoding !== "UTF8") {
    throw new StoreError("io", "open", name, `its encoding is ${encoding}, and names are UTF-8`, {
      hint: "Make a database with CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0",
    });
  }
  if (ours) {
    const [row] = await sql.rows<{ version: number }>("SELECT coalesce(max(version), 0) AS version FROM shoal_schema");
    return row!.version;
  }
  if (tables > 0) {
    throw new StoreError("io", "open", name, "it is another program's database", {
      hint: "Choose another database with --store",
    });
  }
  return 0;
}

/** The statements of a migration, which the driver takes one by one. None holds a semicolon, and comments none either. */
function statementsOf(migration: string): string[] {
  return migration.replaceAll(/--.*$/gm, "").split(";").map((one) => one.trim()).filter((one) => one !== "");
}

function explained(error: ShoalError, name: string): ShoalError {
  const { code } = (error.cause ?? {}) as { readonly code?: string };
  if (code !== "42501") return error;
  return new StoreError("denied", "open", name, error.message.split(": ").slice(1).join(": "), {
    cause: error.cause,
    hint:
      "Give the user CREATE on the database and its schema, or let an administrator CREATE EXTENSION pg_trgm and btree_gin",
  });
}
