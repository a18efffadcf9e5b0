/** group_command: `coordinator group …`, up to what it prints. Law: groups are the operator's; accounts share with those they are in. */

import { UsageError } from "../core/errors.ts";
import { openAdmin } from "./admin.ts";
import type { GroupAction } from "./config.ts";
import { dataPaths } from "./data_folder.ts";
import { storePlace } from "./store_option.ts";
import type { StoredGroup } from "./store/store.ts";

/** One line of what a command answers; as it stands also its line of JSON. */
export type GroupLine =
  | { readonly type: "group" } & StoredGroup
  | { readonly type: "groupCreated" | "groupDeleted"; readonly group: string }
  | {
    readonly type: "groupMemberAdded" | "groupMemberRemoved";
    readonly group: string;
    readonly account: string;
    /** False if it was so already. */
    readonly changed: boolean;
  };

export interface GroupCommand {
  readonly action: GroupAction;
  /** Empty for `list`. */
  readonly group: string;
  /** Of `add` and `remove`. */
  readonly accounts: readonly string[];
  readonly dataFolder: string;
  readonly storeUrl?: string | undefined;
  readonly clock: () => number;
}

/**
 * Reads the words after `group`.
 * @throws {UsageError} If they are no action, or have too few or too many names.
 */
export function readGroupWords(
  words: readonly string[],
  actions: readonly GroupAction[],
): Pick<GroupCommand, "action" | "group" | "accounts"> {
  const action = actions.find((one) => one === words[0]);
  if (action === undefined) {
    throw new UsageError(`Cannot read the command line: group needs one of ${actions.join(", ")}`, {
      hint: "Write coordinator group create friends",
    });
  }
  const [group = "", ...accounts] = words.slice(1);
  const takesAccounts = action === "add" || action === "remove";
  if (action === "list" && group !== "") {
    throw new UsageError("Cannot read the command line: group list takes no name", {
      hint: "Write coordinator group list",
    });
  }
  if (action !== "list" && group === "") {
    throw new UsageError(`Cannot ${action} a group: name one`, { hint: `Write coordinator group ${action} friends` });
  }
  if (takesAccounts !== accounts.length > 0) {
    throw new UsageError(
      takesAccounts
        ? `Cannot ${action} an account: name one behind the group`
        : `Cannot read "${accounts[0]}": group ${action} takes one name`,
      { hint: `Write coordinator group ${action} friends${takesAccounts ? " ada" : ""}` },
    );
  }
  return { action, group, accounts };
}

/**
 * Does what was asked to the groups, whether the coordinator runs or not.
 * @throws {ShoalError} If it cannot be done; accounts named before the one that cannot are done.
 */
export async function runGroupCommand(command: GroupCommand): Promise<readonly GroupLine[]> {
  const { action, group, accounts, dataFolder, clock } = command;
  const paths = dataPaths(dataFolder);
  await using admin = await openAdmin(paths, clock, storePlace(command.storeUrl, paths));
  switch (action) {
    case "list":
      return (await admin.ask({ kind: "listGroups" })).map((one) => ({ type: "group", ...one }));
    case "create":
      return [{ type: "groupCreated", group: await admin.ask({ kind: "createGroup", group }) }];
    case "delete":
      return [{ type: "groupDeleted", group: await admin.ask({ kind: "deleteGroup", group }) }];
    case "add":
    case "remove": {
      const lines: GroupLine[] = [];
      const isMember = action === "add";
      for (const account of accounts) {
        const changed = await admin.ask({ kind: "setGroupMember", group, account, isMember });
        lines.push({ type: isMember ? "groupMemberAdded" : "groupMemberRemoved", group, account, changed });
      }
      return lines;
    }
  }
}
