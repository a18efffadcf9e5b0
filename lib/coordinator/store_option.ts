/**
 * store_option: where the operator says that the store is. Law: a password in its URL is never taken from the command line, where
 * others on the machine can read it.  Spec: docs/cli.md "coordinator".
 */

import { type Endpoint, formatEndpoint } from "../core/transport.ts";
import { StoreError, storeErrorFrom, UsageError } from "../core/errors.ts";
import { absolute, type Surroundings } from "./config.ts";
import type { DataPaths } from "./data_folder.ts";
import { newInstance } from "./store/instance.ts";
import type { DatabasePlace, Instance } from "./store/store.ts";

/** The options that say it, in the shape of `cli/flags.ts`. */
export const storeFlags = {
  store: {
    value: "URL",
    help:
      "a PostgreSQL database, postgres://user@host/database, that coordinators share; a file under --data unless told",
  },
  "store-file": { value: "FILE", help: "a file that holds that URL with its password and nothing else" },
} as const;

/** Leases outlast keep-alives by this much: a coordinator that dies takes its devices with it within two. */
const keepAlivesPerLease = 1.6;

/**
 * Where the store is: a database, else a file in the data folder.
 * @param keepAliveMs Of the coordinator that runs; a command on its own has no devices, and any will do.
 * @param address Where peers reach it.
 */
export function storePlace(
  url: string | undefined,
  paths: DataPaths,
  keepAliveMs = 10_000,
  address?: Endpoint,
): string | DatabasePlace & { readonly as: Instance } {
  if (url === undefined) return paths.database;
  const as = newInstance(address === undefined ? null : formatEndpoint(address));
  return { url, leaseMs: keepAliveMs * keepAlivesPerLease, as };
}

/**
 * Reads the URL of the store's database; undefined where there is none.
 * @param values What command line, environment and config say together.
 * @param typed What the command line alone says.
 * @throws {UsageError} If it is none, both are told, or a password was typed.
 * @throws {StoreError} If the file cannot be read, or others can read it.
 */
export function readStoreUrl(
  values: { readonly store: string | undefined; readonly "store-file": string | undefined },
  typed: string | undefined,
  { cwd }: Surroundings,
): string | undefined {
  const { store, "store-file": file } = values;
  if (typed !== undefined && hasPassword(typed)) {
    throw new UsageError("Cannot use --store: its URL holds a password, and others on this machine can read it there", {
      hint: "Write the URL into a file with mode 600 and name that with --store-file, or set SHOAL_STORE",
    });
  }
  if (store !== undefined && file !== undefined) {
    throw new UsageError("Cannot use --store and --store-file at once: choose one");
  }
  const url = file === undefined ? store : readUrlFile(absolute(file, cwd));
  if (url !== undefined && !isDatabaseUrl(url)) {
    // It may hold a password, so it is not repeated.
    throw new UsageError("Cannot use the store: its URL is not of the form postgres://user@host/database");
  }
  return url;
}

function readUrlFile(path: string): string {
  try {
    const { mode } = Deno.statSync(path);
    if (mode !== null && (mode & 0o077) !== 0) {
      throw new StoreError("io", "read", path, "others can read it", { hint: "Run chmod 600 on it" });
    }
    return Deno.readTextFileSync(path).trim();
  } catch (error) {
    throw storeErrorFrom(error, "read", path);
  }
}

function isDatabaseUrl(url: string): boolean {
  return /^postgres(?:ql)?:\/\//.test(url) && URL.canParse(url);
}

function hasPassword(url: string): boolean {
  if (!URL.canParse(url)) return /:[^/@]*@/.test(url);
  const { password, searchParams } = new URL(url);
  return password !== "" || searchParams.has("password");
}
