/** device_command: `coordinator device …`, up to what it prints. Law: it does to a device what its account may do by itself. */

import { UsageError } from "../core/errors.ts";
import { openAdmin } from "./admin.ts";
import type { DeviceAction } from "./config.ts";
import { dataPaths } from "./data_folder.ts";
import type { DeviceRow } from "./role/store_effects.ts";
import { storePlace } from "./store_option.ts";

/** One line of what a command answers; as it stands also its line of JSON. */
export type DeviceLine =
  | { readonly type: "device"; readonly account: string; readonly device: string } & Omit<DeviceRow, "row" | "label">
  | { readonly type: "deviceRevoked"; readonly account: string; readonly device: string };

export interface DeviceCommand {
  readonly action: DeviceAction;
  readonly account: string;
  /** Empty for `list`. */
  readonly device: string;
  readonly dataFolder: string;
  readonly storeUrl?: string | undefined;
  readonly clock: () => number;
}

/**
 * Reads the words after `device`.
 * @throws {UsageError} If they are no action, or have too few or too many names.
 */
export function readDeviceWords(
  words: readonly string[],
  actions: readonly DeviceAction[],
): Pick<DeviceCommand, "action" | "account" | "device"> {
  const action = actions.find((one) => one === words[0]);
  if (action === undefined) {
    throw new UsageError(`Cannot read the command line: device needs one of ${actions.join(", ")}`, {
      hint: "Write coordinator device list ada",
    });
  }
  const [account = "", device = "", ...more] = words.slice(1);
  const isWhole = account !== "" && (action === "list" ? device === "" : device !== "") && more.length === 0;
  if (!isWhole) {
    throw new UsageError(
      action === "list"
        ? "Cannot list devices: name one account"
        : "Cannot revoke a device: name an account and a device",
      { hint: `Write coordinator device ${action} ada${action === "list" ? "" : " old-laptop"}` },
    );
  }
  return { action, account, device };
}

/**
 * Lists the devices of an account, or takes its key from one, whether the coordinator runs or not.
 * @throws {ShoalError} If there is no such account or device.
 */
export async function runDeviceCommand(command: DeviceCommand): Promise<readonly DeviceLine[]> {
  const { action, account, device, dataFolder, clock } = command;
  const paths = dataPaths(dataFolder);
  await using admin = await openAdmin(paths, clock, storePlace(command.storeUrl, paths));
  if (action === "revoke") {
    const name = await admin.ask({ kind: "revokeDevice", account, device });
    return [{ type: "deviceRevoked", account: name, device }];
  }
  const { account: name, devices } = await admin.ask({ kind: "listDevices", account });
  return devices.map(({ row: _, label, ...rest }) => ({ type: "device", account: name, device: label, ...rest }));
}
