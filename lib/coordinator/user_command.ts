/**
 * user_command: `coordinator user …`, up to what it prints. Law: a password becomes a record here, in the
 * operator's own process; a coordinator that runs is given the record.
 */

import { UsageError } from "../core/errors.ts";
import { limits } from "../core/limits.ts";
import { registerLocally } from "../session/opaque.ts";
import { parsePassword } from "../session/password.ts";
import type { Random } from "../session/random.ts";
import { type Role, roles } from "../wire/message.ts";
import { parseAccountName } from "./account_name.ts";
import { type Admin, type BackupReport, openAdmin } from "./admin.ts";
import type { UserAction } from "./config.ts";
import { dataPaths } from "./data_folder.ts";
import { openKeyFile } from "./key_file.ts";
import type { StoredAccount } from "./store/store.ts";
import { storePlace } from "./store_option.ts";

/** One line of what a command answers; as it stands also its line of JSON. */
export type CommandLine =
  | { readonly type: "account" } & StoredAccount
  | {
    readonly type: "accountAdded" | "accountRemoved" | "accountDisabled" | "accountEnabled" | "passwordSet";
    readonly account: string;
  }
  | { readonly type: "roleSet"; readonly account: string; readonly role: Role }
  | {
    readonly type: "limitsSet";
    readonly account: string;
    /** Null: as all. */
    readonly sharesMax: number | null;
    readonly rate: number | null;
  }
  | { readonly type: "healthy"; readonly address: string; readonly port: number }
  | { readonly type: "backedUp" } & BackupReport;

export interface UserCommand {
  readonly action: UserAction;
  /** Undefined for `list`. */
  readonly account: string | undefined;
  /** Of `role`. */
  readonly role?: Role | undefined;
  /** Of `limits`: as written; undefined leaves it, `default` makes it that of all. */
  readonly shares?: string | undefined;
  readonly rate?: string | undefined;
  readonly dataFolder: string;
  /** The database of the store; undefined: a file in the data folder. */
  readonly storeUrl?: string | undefined;
  readonly clock: () => number;
  readonly random: Random;
  /** Gets the password that is to be set. @throws {UsageError} If nobody gives one. */
  readonly readPassword: (account: string) => Promise<string>;
}

/**
 * Reads the words after `user`.
 * @throws {UsageError} If they are no action, or have too few or too many names.
 */
export function readUserWords(
  words: readonly string[],
  actions: readonly UserAction[],
): Pick<UserCommand, "action" | "account" | "role"> {
  const action = actions.find((one) => one === words[0]);
  if (action === undefined) {
    throw new UsageError(`Cannot read the command line: user needs one of ${actions.join(", ")}`, {
      hint: "Write coordinator user add ada",
    });
  }
  if (action === "role") return { action, ...readRoleWords(words.slice(1)) };
  const names = words.slice(1);
  const wanted = action === "list" ? 0 : 1;
  if (names.length !== wanted) {
    throw new UsageError(
      wanted === 0 ? "Cannot read the command line: user list takes no name" : `Cannot ${action} an account: name one`,
      { hint: wanted === 0 ? "Write coordinator user list" : `Write coordinator user ${action} ada` },
    );
  }
  return { action, account: names[0] };
}

function readRoleWords(words: readonly string[]): { readonly account: string; readonly role: Role } {
  const role = roles.find((one) => one === words[1]);
  if (words.length === 2 && role !== undefined) return { account: words[0]!, role };
  throw new UsageError(`Cannot set a role: name an account and one of ${roles.join(", ")}`, {
    hint: "Write coordinator user role ada readOnly",
  });
}

/** The most requests a second that an account can be given. */
const rateMax = 1_000_000;

function readLimit(text: string | undefined, flag: string, max: number): number | null | undefined {
  if (text === undefined) return undefined;
  if (text === "default") return null;
  const number = Number(text);
  if (/^\d+$/.test(text) && number >= (flag === "--rate" ? 1 : 0) && number <= max) return number;
  throw new UsageError(`Cannot set a limit: ${flag} is a number up to ${max}, or default`);
}

/**
 * Does what was asked to the accounts of a data folder, whether its coordinator runs or not.
 * @throws {ShoalError} If it cannot be done.
 */
export async function runUserCommand(command: UserCommand): Promise<readonly CommandLine[]> {
  const { action, dataFolder, clock } = command;
  const account = command.account ?? "";
  // Refused before a password is asked for.
  if (action === "add") parseAccountName(account);
  const paths = dataPaths(dataFolder);
  await using admin = await openAdmin(paths, clock, storePlace(command.storeUrl, paths));
  switch (action) {
    case "list":
      return (await admin.ask({ kind: "listAccounts" })).map((one) => ({ type: "account", ...one }));
    case "add": {
      const record = await makeRecord(admin, command, account);
      return [{ type: "accountAdded", account: await admin.ask({ kind: "addAccount", account, record }) }];
    }
    case "passwd": {
      const record = await makeRecord(admin, command, account);
      return [{ type: "passwordSet", account: await admin.ask({ kind: "replaceRecord", account, record }) }];
    }
    case "role": {
      const role = command.role!;
      return [{ type: "roleSet", account: await admin.ask({ kind: "setRole", account, role }), role }];
    }
    case "limits": {
      const sharesMax = readLimit(command.shares, "--shares", limits.sharesPerAccountMax);
      const rate = readLimit(command.rate, "--rate", rateMax);
      const told = { ...(sharesMax === undefined ? {} : { sharesMax }), ...(rate === undefined ? {} : { rate }) };
      const now = await admin.ask({ kind: "setLimits", account, ...told });
      return [{ type: "limitsSet", account: now.name, sharesMax: now.sharesMax, rate: now.rate }];
    }
    case "remove":
      return [{ type: "accountRemoved", account: await admin.ask({ kind: "removeAccount", account }) }];
    case "disable":
    case "enable": {
      const disabled = action === "disable";
      const name = await admin.ask({ kind: "setDisabled", account, disabled });
      return [{ type: disabled ? "accountDisabled" : "accountEnabled", account: name }];
    }
  }
}

/**
 * Writes a backup of the store, whether its coordinator runs or not.
 * @param file Absolute.
 * @throws {ShoalError} If there is such a file, or it cannot be written.
 */
export async function runBackupCommand(
  { dataFolder, storeUrl, file, clock }: Pick<UserCommand, "dataFolder" | "storeUrl" | "clock"> & {
    readonly file: string;
  },
): Promise<readonly CommandLine[]> {
  const paths = dataPaths(dataFolder);
  await using admin = await openAdmin(paths, clock, storePlace(storeUrl, paths));
  return [{ type: "backedUp", ...await admin.ask({ kind: "backup", file }) }];
}

async function makeRecord(admin: Admin, command: UserCommand, account: string): Promise<string> {
  const { keys } = dataPaths(command.dataFolder);
  const mayCreate = async () => (await admin.ask({ kind: "listAccounts" })).length === 0;
  const { serverSetup } = await openKeyFile(keys, { mayCreate, random: command.random });
  const password = parsePassword(await command.readPassword(account));
  return registerLocally({ password, serverSetup, account });
}
