/**
 * sqlite_schema: the tables, and how older ones become the present ones. Laws: 1) a migration, once released, never changes;
 * 2) a database of a newer schema or of another program is refused untouched;  3) rows that a cursor or a ticket may
 * name (AUTOINCREMENT) are never given twice.
 */

import type { DatabaseSync } from "node:sqlite";
import { newerSchema, StoreError } from "../../core/errors.ts";

/** Marks the file as ours: "SHOA". */
const applicationId = 0x5348_4f41;

/** The n-th takes schema n to n + 1. */
export const migrations: readonly string[] = [
  `
  CREATE TABLE accounts (
    account INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    name_key TEXT NOT NULL UNIQUE,          -- session/opaque.ts foldAccount()
    record TEXT NOT NULL,                   -- OPAQUE registration record
    disabled INTEGER NOT NULL DEFAULT 0,
    public_key BLOB,                        -- the account key, and its private half as the peer sealed it
    sealed_key BLOB,
    shares INTEGER NOT NULL DEFAULT 0,      -- rows of shares that its devices have
    created_at INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE devices (
    device INTEGER PRIMARY KEY AUTOINCREMENT,
    account INTEGER NOT NULL REFERENCES accounts ON DELETE CASCADE,
    device_id BLOB NOT NULL,
    label TEXT NOT NULL,
    certificate BLOB NOT NULL,
    signature BLOB,                         -- by the account key; NULL: not enrolled
    share_digest BLOB NOT NULL,             -- of the shares that are not withdrawn
    changed_at INTEGER NOT NULL,            -- when it last came or went
    UNIQUE (account, device_id),
    UNIQUE (account, label)
  ) STRICT;

  CREATE TABLE contents (
    content INTEGER PRIMARY KEY,
    id BLOB NOT NULL,
    bytes INTEGER NOT NULL,
    UNIQUE (id, bytes)
  ) STRICT;

  -- One row a (name, content): what lists and searches show. Its number is their cursor.
  CREATE TABLE files (
    file INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    content INTEGER NOT NULL REFERENCES contents,
    UNIQUE (name, content)
  ) STRICT;
  CREATE INDEX files_by_content ON files (content);

  CREATE TABLE shares (
    share INTEGER PRIMARY KEY AUTOINCREMENT,
    device INTEGER NOT NULL REFERENCES devices ON DELETE CASCADE,
    name TEXT NOT NULL,
    file INTEGER NOT NULL REFERENCES files,
    content INTEGER NOT NULL REFERENCES contents,
    withdrawn INTEGER NOT NULL DEFAULT 0,   -- removed from elsewhere; the device has not said so itself yet
    UNIQUE (device, name)
  ) STRICT;
  CREATE INDEX shares_by_device ON shares (device, file);
  CREATE INDEX shares_by_file ON shares (file, device, withdrawn);
  CREATE INDEX shares_by_content ON shares (content, device, withdrawn);
  CREATE INDEX shares_withdrawn ON shares (device) WHERE withdrawn = 1;

  -- Folded names (pattern.ts foldName()) by their file's number. Only positions are kept, not the text.
  CREATE VIRTUAL TABLE names USING fts5 (
    name, tokenize = 'trigram case_sensitive 1', content = '', contentless_delete = 1
  );
  `,
  `
  -- Logins by key (PROTOCOL.md).
  ALTER TABLE devices ADD COLUMN login_key BLOB;       -- X25519; NULL: the device needs the password
  ALTER TABLE devices ADD COLUMN enrolled_at INTEGER;  -- since when that key lets it in

  -- Who sees what, and how it is searched

  CREATE TABLE account_groups (
    grp INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    name_key TEXT NOT NULL UNIQUE,          -- session/opaque.ts foldAccount()
    created_at INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE group_members (
    account INTEGER NOT NULL REFERENCES accounts ON DELETE CASCADE,
    grp INTEGER NOT NULL REFERENCES account_groups ON DELETE CASCADE,
    PRIMARY KEY (account, grp)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX group_members_by_group ON group_members (grp);

  -- For whom shares are that are not for everyone. One row for all shares of an account that are for the same.
  CREATE TABLE audiences (
    audience INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,               -- the members as they were told, and which rows they meant then
    told TEXT NOT NULL                      -- wire/audience.ts Audience, as JSON
  ) STRICT;
  -- The accounts and groups that they meant, and the sharing account itself. Whoever is removed is in none any more.
  CREATE TABLE audience_members (
    audience INTEGER NOT NULL REFERENCES audiences ON DELETE CASCADE,
    account INTEGER REFERENCES accounts ON DELETE CASCADE,
    grp INTEGER REFERENCES account_groups ON DELETE CASCADE
  ) STRICT;
  CREATE INDEX audience_members_by_audience ON audience_members (audience, account, grp);
  CREATE INDEX audience_members_by_account ON audience_members (account) WHERE account IS NOT NULL;
  CREATE INDEX audience_members_by_group ON audience_members (grp) WHERE grp IS NOT NULL;

  ALTER TABLE shares ADD COLUMN audience INTEGER NOT NULL DEFAULT 0;     -- 0: everyone
  ALTER TABLE shares ADD COLUMN shared_at INTEGER NOT NULL DEFAULT 0;    -- 0: before it was noted
  ALTER TABLE shares ADD COLUMN description TEXT NOT NULL DEFAULT '';
  DROP INDEX shares_by_file;
  CREATE INDEX shares_by_file ON shares (file, device, withdrawn, audience, shared_at);
  DROP INDEX shares_by_content;
  CREATE INDEX shares_by_content ON shares (content, device, withdrawn, audience);
  CREATE INDEX shares_by_audience ON shares (audience) WHERE audience <> 0;
  CREATE INDEX shares_restricted ON shares (file) WHERE audience <> 0;
  CREATE INDEX shares_described ON shares (file, description) WHERE description <> '';

  ALTER TABLE files ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;         -- its content's, for the index
  ALTER TABLE files ADD COLUMN described INTEGER NOT NULL DEFAULT 0;     -- whether a share of it has a description
  UPDATE files SET bytes = (SELECT c.bytes FROM contents c WHERE c.content = files.content);
  CREATE INDEX files_by_size ON files (bytes);

  -- Roles, limits and names of accounts; invites.
  ALTER TABLE accounts ADD COLUMN role TEXT NOT NULL DEFAULT 'member';  -- wire/message.ts roles
  ALTER TABLE accounts ADD COLUMN shares_max INTEGER;                   -- NULL: as all
  ALTER TABLE accounts ADD COLUMN rate INTEGER;                         -- requests a second; NULL: as all
  ALTER TABLE accounts ADD COLUMN look_alike TEXT;                      -- look_alike.ts lookAlikeKey(); NULL: not filled in yet
  CREATE INDEX accounts_by_look_alike ON accounts (look_alike);
  CREATE TABLE invites (
    invite INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,              -- session/invite_code.ts inviteName()
    record TEXT NOT NULL,                   -- OPAQUE registration record of the code's secret
    role TEXT NOT NULL,
    note TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,                     -- NULL: that of open registration, which is never spent
    used_at INTEGER,
    used_by TEXT                            -- the account's name as it was then
  ) STRICT;

  -- By which keys the accounts are made: key_file.ts. One row.
  CREATE TABLE key_mark (mark TEXT NOT NULL) STRICT;
  `,
];

/**
 * Refuses what this code must not touch; to be asked before anything else, journal mode included.
 * @throws {StoreError} If the database is of a newer schema, or another program's.
 */
export function checkSchema(db: DatabaseSync, path: string, steps = migrations): void {
  const tables = Number(db.prepare("SELECT count(*) AS count FROM sqlite_schema").get()!.count);
  if (tables > 0 && pragma(db, "application_id") !== applicationId) {
    throw new StoreError("io", "open", path, "it is another program's database", {
      hint: "Choose another folder with --data",
    });
  }
  const found = pragma(db, "user_version");
  if (found > steps.length) throw newerSchema(path, found, steps.length);
}

/**
 * Brings a checked database to the present schema, in one transaction.
 * @param steps The migrations; tests pass more than there are.
 */
export function migrate(db: DatabaseSync, steps = migrations): void {
  const version = pragma(db, "user_version");
  if (version === steps.length) return;
  db.exec("BEGIN IMMEDIATE");
  try {
    for (const migration of steps.slice(version)) db.exec(migration);
    db.exec(`PRAGMA application_id = ${applicationId}`);
    db.exec(`PRAGMA user_version = ${steps.length}`);
    db.exec("COMMIT");
  } catch (error) {
    db.exec("ROLLBACK");
    throw error;
  }
}

function pragma(db: DatabaseSync, name: "application_id" | "user_version"): number {
  return Number(db.prepare(`PRAGMA ${name}`).get()![name]);
}
