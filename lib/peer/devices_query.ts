/** devices_query: the devices of the own account: who they are, and taking one's key from it.  (I/O through Control) */

import { RemoteError, ShoalError, UsageError } from "../core/errors.ts";
import type { Identity } from "../membership/types.ts";
import type { PeerEvent } from "./commands.ts";
import type { Control } from "./control.ts";
import { devices } from "./pages.ts";

/** Lists the devices. */
export async function* listDevices(control: Pick<Control, "request">, { label }: Identity): AsyncGenerator<PeerEvent> {
  for await (const entry of devices(control)) {
    const { enrolledAtMs, online, changedAtMs } = entry;
    yield { type: "device", device: entry.label, isThis: entry.label === label, online, changedAtMs, enrolledAtMs };
  }
}

/**
 * Takes its key from another device of the account: its session and transfers end, and it needs the password.
 * @throws {UsageError} If it is this one, which logs out instead.
 */
export async function revokeDevice(
  control: Pick<Control, "request">,
  { label: own }: Identity,
  label: string,
): Promise<PeerEvent> {
  if (label === own) {
    throw new UsageError(`Cannot revoke ${JSON.stringify(label)}: it is this device`, { hint: "Log out with: logout" });
  }
  try {
    await control.request({ kind: "revokeDevice", label });
  } catch (error) {
    if (!(error instanceof RemoteError && error.code === "notFound")) throw error;
    throw new ShoalError("notFound", `Cannot revoke ${JSON.stringify(label)}: your account has no such device`, {
      cause: error,
      hint: "See them all with: devices",
    });
  }
  return { type: "revoked", device: label };
}
