/**
 * invite_command: `coordinator invite …`, up to what it prints. Law: a code is made here, in the operator's own process, and printed once; a
 * coordinator that runs is given its record.
 */

import { Buffer } from "node:buffer";
import { UsageError } from "../core/errors.ts";
import { escapeName } from "../core/escape.ts";
import { limits } from "../core/limits.ts";
import type { Random } from "../session/random.ts";
import { type Role, roles } from "../wire/message.ts";
import { openAdmin } from "./admin.ts";
import { type InviteAction, readHostPort } from "./config.ts";
import { dataPaths } from "./data_folder.ts";
import { makeInvite } from "./invites.ts";
import { openKeyFile } from "./key_file.ts";
import { storePlace } from "./store_option.ts";

/** One line of what a command answers; as it stands also its line of JSON. */
export type InviteLine =
  | {
    readonly type: "inviteCreated";
    readonly code: string;
    readonly role: Role;
    readonly note: string;
    readonly expiresAtMs: number;
  }
  | {
    readonly type: "invite";
    readonly invite: number;
    readonly state: "open" | "used" | "expired";
    readonly role: Role;
    readonly note: string;
    readonly createdAtMs: number;
    readonly expiresAtMs: number;
    /** The account that it made, as it was called then; null while it is open, or if it never was used. */
    readonly usedBy: string | null;
  }
  | { readonly type: "inviteRevoked"; readonly invite: number };

export interface InviteCommand {
  readonly action: InviteAction;
  /** Of `revoke`. */
  readonly invites: readonly number[];
  readonly role: string | undefined;
  readonly note: string;
  readonly count: number;
  readonly lifeMs: number;
  /** Where peers find the coordinator, if it is to stand in the codes. */
  readonly address: string | undefined;
  readonly dataFolder: string;
  readonly storeUrl?: string | undefined;
  readonly clock: () => number;
  readonly random: Random;
}

/**
 * Reads the words after `invite`.
 * @throws {UsageError} If they are no action, or a number is none.
 */
export function readInviteWords(
  words: readonly string[],
  actions: readonly InviteAction[],
): Pick<InviteCommand, "action" | "invites"> {
  const action = actions.find((one) => one === words[0]);
  if (action === undefined) {
    throw new UsageError(`Cannot read the command line: invite needs one of ${actions.join(", ")}`, {
      hint: "Write coordinator invite create",
    });
  }
  const invites = words.slice(1).map(Number);
  if (action === "revoke" ? invites.length === 0 : invites.length > 0) {
    throw new UsageError(`Cannot ${action} invites: ${action === "revoke" ? "name one" : "it takes no number"}`, {
      hint: action === "revoke" ? "Write coordinator invite revoke 3; invite list has the numbers" : "",
    });
  }
  for (const [i, number] of invites.entries()) {
    if (Number.isSafeInteger(number) && number > 0) continue;
    throw new UsageError(`Cannot revoke "${words[i + 1]}": an invite is a number of coordinator invite list`);
  }
  return { action, invites };
}

const unitMs = { m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/**
 * Reads how long a code is to be good.
 * @throws {UsageError} If it is no time.
 */
export function parseLife(text: string | undefined): number {
  if (text === undefined) return limits.inviteMs;
  const [, count, unit] = /^(\d{1,5})([mhd])$/.exec(text) ?? [];
  if (count !== undefined) return Number(count) * unitMs[unit as keyof typeof unitMs];
  throw new UsageError(`Cannot read --expires: "${text}" is no time`, { hint: "Write it like 12h or 30d" });
}

/**
 * Checks what new invites are to be.
 * @throws {UsageError} If they cannot be.
 */
export function checkInviteOptions(
  { count, note, lifeMs, address }: Pick<InviteCommand, "count" | "note" | "lifeMs" | "address">,
): void {
  if (!Number.isSafeInteger(count) || count < 1 || count > limits.invitesAtOnceMax) {
    throw new UsageError(`Cannot make so many invites: --count is a number from 1 to ${limits.invitesAtOnceMax}`);
  }
  if (Buffer.byteLength(note) > limits.inviteNoteBytesMax || /\p{Cc}/u.test(note) || !note.isWellFormed()) {
    throw new UsageError(`Cannot take that note: it is one line of at most ${limits.inviteNoteBytesMax} bytes`);
  }
  if (lifeMs < 60_000 || lifeMs > 365 * 24 * 60 * 60 * 1000) {
    throw new UsageError("Cannot make an invite for that time: --expires is from 1m to 365d");
  }
  if (address !== undefined && readHostPort(address) === undefined) {
    throw new UsageError(`Cannot put "${escapeName(address)}" into a code: that is no host and port`, {
      hint: "Write --address share.example.org:5000",
    });
  }
}

function readRole(text = "member"): Role {
  const role = roles.find((one) => one === text);
  if (role !== undefined) return role;
  throw new UsageError(`Cannot give the role "${text}": the roles are ${roles.join(", ")}`);
}

/**
 * Does what was asked to the invites of a data folder, whether its coordinator runs or not.
 * @throws {ShoalError} If it cannot be done.
 */
export async function runInviteCommand(command: InviteCommand): Promise<readonly InviteLine[]> {
  const { action, clock } = command;
  const paths = dataPaths(command.dataFolder);
  await using admin = await openAdmin(paths, clock, storePlace(command.storeUrl, paths));
  switch (action) {
    case "create": {
      checkInviteOptions(command);
      const { note, count, lifeMs, address, random } = command;
      const role = readRole(command.role);
      const mayCreate = async () => (await admin.ask({ kind: "listAccounts" })).length === 0;
      const { serverSetup } = await openKeyFile(paths.keys, { mayCreate, random });
      const made = Array.from({ length: count }, () => makeInvite({ serverSetup, address }, random));
      const expiresAtMs = clock() + lifeMs;
      const invites = made.map(({ name, record }) => ({ name, record }));
      await admin.ask({ kind: "createInvites", role, note, expiresAtMs, invites });
      return made.map(({ code }) => ({ type: "inviteCreated", code, role, note, expiresAtMs }));
    }
    case "list":
      return (await admin.ask({ kind: "listInvites" })).map(({ usedAtMs, ...one }) => ({
        type: "invite",
        state: usedAtMs !== null ? "used" : one.expiresAtMs <= clock() ? "expired" : "open",
        ...one,
      }));
    case "revoke": {
      const lines: InviteLine[] = [];
      for (const invite of command.invites) {
        await admin.ask({ kind: "revokeInvite", invite });
        lines.push({ type: "inviteRevoked", invite });
      }
      return lines;
    }
  }
}
