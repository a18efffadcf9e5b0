/**
 * user_command: `coordinator user …` and `coordinator status`, up to what they print. Law: a password becomes a record here, in the
 * operator's own process; a coordinator that runs is given the record.
 */

import { UsageError } from "../core/errors.ts";
import { registerLocally } from "../session/opaque.ts";
import type { Random } from "../session/random.ts";
import { parseAccountName } from "./account_name.ts";
import { parsePassword } from "./accounts.ts";
import { type Admin, type CoordinatorStatus, openAdmin, openRunningAdmin } from "./admin.ts";
import type { UserAction } from "./config.ts";
import { dataPaths } from "./data_folder.ts";
import { openKeyFile } from "./key_file.ts";
import type { StoredAccount } from "./store/store.ts";

/** One line of what a command answers; as it stands also its line of JSON. */
export type CommandLine =
  | { readonly type: "account" } & StoredAccount
  | {
    readonly type: "accountAdded" | "accountRemoved" | "accountDisabled" | "accountEnabled" | "passwordSet";
    readonly account: string;
  }
  | { readonly type: "healthy"; readonly address: string; readonly port: number }
  | { readonly type: "status" } & CoordinatorStatus;

export interface UserCommand {
  readonly action: UserAction;
  /** Undefined for `list`. */
  readonly account: string | undefined;
  readonly dataFolder: string;
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
): { readonly action: UserAction; readonly account: string | undefined } {
  const action = actions.find((one) => one === words[0]);
  if (action === undefined) {
    throw new UsageError(`Cannot read the command line: user needs one of ${actions.join(", ")}`, {
      hint: "Write coordinator user add ada",
    });
  }
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

/**
 * Does what was asked to the accounts of a data folder, whether its coordinator runs or not.
 * @throws {ShoalError} If it cannot be done.
 */
export async function runUserCommand(command: UserCommand): Promise<readonly CommandLine[]> {
  const { action, dataFolder, clock } = command;
  const account = command.account ?? "";
  // Refused before a password is asked for.
  if (action === "add") parseAccountName(account);
  await using admin = await openAdmin(dataPaths(dataFolder), clock);
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
 * Asks a coordinator that runs how it is.
 * @throws {NetworkError} If none runs with this data folder.
 */
export async function runStatusCommand(dataFolder: string): Promise<readonly CommandLine[]> {
  await using admin = await openRunningAdmin(dataPaths(dataFolder));
  return [{ type: "status", ...await admin.ask({ kind: "status" }) }];
}

async function makeRecord(admin: Admin, command: UserCommand, account: string): Promise<string> {
  const { keys } = dataPaths(command.dataFolder);
  const mayCreate = async () => (await admin.ask({ kind: "listAccounts" })).length === 0;
  const { serverSetup } = await openKeyFile(keys, { mayCreate, random: command.random });
  const password = parsePassword(await command.readPassword(account));
  return registerLocally({ password, serverSetup, account });
}
