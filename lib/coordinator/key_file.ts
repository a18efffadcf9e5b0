/**
 * key_file: the coordinator's long-term secrets: its OPAQUE setup, under which every account's record was made, and the root
 * key of cookies, tickets, cursors and session ids. Laws: 1) never in the database, so that a stolen database is worth a
 * guess with argon2id each, and only to who has this file too;  2) made once, never replaced: without it every record is void.  (I/O)
 *
 *     {"schema": 1, "opaqueServerSetup": "…", "rootKey": "… base64url, 32 bytes"}
 */

import { hkdfSync } from "node:crypto";
import { formatBase64Url, parseBase64Url } from "../core/base64.ts";
import { newerSchema, StoreError } from "../core/errors.ts";
import { answerLogin, createServerSetup, loadOpaque, startLogin } from "../session/opaque.ts";
import type { Random } from "../session/random.ts";
import { readPrivateFile, writePrivateFile } from "./data_folder.ts";
import type { CoordinatorKeys } from "./role/types.ts";

/** What the key file yields. */
export interface CoordinatorSecrets {
  /** The library's text form. */
  readonly serverSetup: string;
  readonly keys: CoordinatorKeys;
  /** Tells these secrets from others, and nothing of them. */
  readonly mark: string;
}

const keySchema = 1;

/**
 * Reads the key file, or makes it.
 * @param mayCreate Asked if it is missing; it may not be made where accounts exist that need the old one.
 * @throws {StoreError} If it is missing and must not be made, others can read it, a newer program wrote it, or it is no key file.
 */
export async function openKeyFile(
  path: string,
  { mayCreate, random }: { readonly mayCreate: () => Promise<boolean>; readonly random: Random },
): Promise<CoordinatorSecrets> {
  await loadOpaque();
  const stored = readPrivateFile(path, "every password of this coordinator must be set anew");
  if (stored !== undefined) return parseKeyFile(stored, path);
  if (!await mayCreate()) {
    throw new StoreError("notFound", "read", path, "it is missing, and the accounts beside it need it", {
      hint: "Restore it from the backup that the database is from",
    });
  }
  const made = { schema: keySchema, opaqueServerSetup: createServerSetup(), rootKey: formatBase64Url(random(32)) };
  writePrivateFile(path, `${JSON.stringify(made)}\n`);
  return secretsFrom(made.opaqueServerSetup, made.rootKey);
}

/** The error where a store's accounts are made by other keys than those of this file. */
export function otherKeys(path: string): StoreError {
  return new StoreError("integrity", "use", path, "the accounts of this store are made with other keys", {
    hint:
      "Give every coordinator of a database a copy of one key file; to a backup belongs the one that was kept with it",
  });
}

function parseKeyFile(text: string, path: string): CoordinatorSecrets {
  const refuse = (reason: string): never => {
    throw new StoreError("integrity", "read", path, reason, { hint: "Restore it from a backup" });
  };
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    refuse("it is damaged"); // The error would quote the secret.
  }
  const { schema, opaqueServerSetup: setup, rootKey } = (parsed ?? {}) as Readonly<Record<string, unknown>>;
  if (typeof schema === "number" && schema > keySchema) throw newerSchema(path, schema, keySchema);
  if (schema !== keySchema || typeof setup !== "string" || typeof rootKey !== "string") return refuse("it is damaged");
  if (!/^[A-Za-z0-9_-]{43}$/.test(rootKey) || !isServerSetup(setup)) refuse("it is damaged");
  return secretsFrom(setup, rootKey);
}

/** Tries a setup by answering a login with it: the library checks its points and scalars when it is used. */
function isServerSetup(setup: string): boolean {
  return answerLogin(setup, "nobody", null, startLogin("nothing").ke1) !== undefined;
}

function secretsFrom(serverSetup: string, rootKey: string): CoordinatorSecrets {
  const root = parseBase64Url(rootKey);
  const derive = (purpose: string) => new Uint8Array(hkdfSync("sha256", root, "", `shoal v1 ${purpose}`, 32));
  const mark = hkdfSync("sha256", `${rootKey} ${serverSetup}`, "", "shoal v1 mark", 16);
  return {
    serverSetup,
    mark: formatBase64Url(new Uint8Array(mark)),
    keys: {
      cookie: derive("cookie"),
      session: derive("session"),
      ticket: derive("ticket"),
      cursor: derive("cursor"),
      login: derive("login"),
    },
  };
}
