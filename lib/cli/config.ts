/**
 * config: everything that a run of `peer` was told: argv, environment, config file. Laws: 1) flags > environment > config >
 * default;  2) no secret passes through here: only where to find one;  3) relative paths start from the working folder.
 * Spec: docs/cli.md "Options".  (pure: reading is passed in)
 */

import { isAbsolute, join } from "@std/path";
import { UsageError } from "../core/errors.ts";
import type { BandwidthOptions } from "../peer/bandwidth.ts";
import type { Command } from "../peer/commands.ts";
import { type HomeFolders, homeFolders } from "../peer/home_folders.ts";
import { type CoordinatorAddress, parseCoordinatorAddress } from "./address.ts";
import { parseRate } from "./amounts.ts";
import { readCommand, readCommandName } from "./command_line.ts";
import {
  type CommandContext,
  commandNamed,
  type CommandSpec,
  commandTable,
  fetchFlags,
  fetchOptions,
  type OptionValues,
} from "./command_table.ts";
import { commonFlags, type FlagSources, type FlagTable, parseConfig, parseFlags, parseWords } from "./flags.ts";
import { commandHelp, overview, programHelp } from "./help.ts";
import { parseSchedule } from "./schedule.ts";

/** The options of `peer` that are no command's. */
export const peerFlags = {
  help: { short: "h", help: "print this help, or a command's, and end", settable: false },
  version: commonFlags.version,
  user: { value: "NAME", help: "the account to log in to; asked for unless told" },
  "password-file": { value: "FILE", help: "a file that holds the password and nothing else" },
  device: { value: "NAME", help: "what others see this device as; the host's name unless told" },
  home: { value: "DIR", help: "keep config, keys and caches in this folder instead of the XDG ones" },
  dir: fetchFlags.dir,
  timeout: fetchFlags.timeout,
  "limit-up": { value: "RATE", help: "send at most this much a second, all uploads together", default: "unlimited" },
  "limit-down": { value: "RATE", help: "fetch at most this much a second, all fetches together", default: "unlimited" },
  "limit-schedule": { value: "TIMES", help: "limits by the time of day, such as 22:00-07:00=unlimited" },
  "lan-unlimited": { help: "no limit between private, link-local and loopback addresses" },
  json: { help: "print one JSON object a line on stdout" },
  quiet: { short: "q", help: "show neither progress nor notes" },
  verbose: { short: "v", help: "say more: whole ids, and what came from each holder" },
} as const satisfies FlagTable;

/** All options, of the program and of its commands: what config.json may set, but for the home it lies in. */
export const allPeerFlags: FlagTable = Object.assign(
  {},
  ...Object.values(commandTable).map((spec: CommandSpec) => spec.flags),
  peerFlags,
);

/** How long a command waits for a fetch without progress unless told, in milliseconds. */
const fetchTimeoutMs = 60_000;

/** What the world around the program is asked for. */
export interface Surroundings {
  readonly env: (name: string) => string | undefined;
  /** Absolute. */
  readonly cwd: string;
  /** Reads a text file; undefined where there is none. */
  readonly readText: (path: string) => string | undefined;
}

export interface PeerConfig {
  readonly coordinator: CoordinatorAddress;
  readonly user: string | undefined;
  /** Absolute. */
  readonly passwordFile: string | undefined;
  readonly device: string | undefined;
  readonly folders: HomeFolders;
  /** Of the peer that this process becomes, if none owns the home. */
  readonly bandwidth: BandwidthOptions;
  readonly json: boolean;
  readonly quiet: boolean;
  readonly verbose: boolean;
  readonly context: CommandContext;
  /** An account is to be made first. */
  readonly register: { readonly code: string | undefined } | undefined;
  /** Absolute; of `passwd`. */
  readonly newPasswordFile: string | undefined;
  /** Undefined opens the prompt, or reads commands from a pipe. */
  readonly command: Command | undefined;
}

export type PeerInvocation =
  | { readonly kind: "help"; readonly text: string }
  | { readonly kind: "version"; readonly json: boolean }
  | { readonly kind: "run"; readonly config: PeerConfig };

/**
 * Reads what the program is to do.
 * @throws {UsageError} If argv, the environment or the config file say what cannot be.
 */
export function readInvocation(args: readonly string[], around: Surroundings): PeerInvocation {
  const words = withAddress(parseWords(args, allPeerFlags));
  const { values: asked } = parseFlags(args, allPeerFlags, { env: () => undefined, config: {} });
  if (asked.version === true) return { kind: "version", json: asked.json === true };
  if (asked.help === true || commandNamed(words[0] ?? "") === "help") return helpFor(words);
  if (words[0] === undefined) {
    throw new UsageError("Cannot start: the coordinator's address is missing", {
      hint: "Write peer 5000, or peer host:5000; peer --help says more",
    });
  }
  const coordinator = parseCoordinatorAddress(words[0]);
  const name = words[1] === undefined ? undefined : readCommandName(words[1]);
  // Without a command the options of fetch are the defaults of the fetches that are typed.
  const table: FlagTable = { ...commandTable[name ?? "fetch"].flags, ...peerFlags };
  const home = parseFlags(args, table, { env: around.env, config: {} }).values.home;
  const folders = homeFolders(home === undefined ? undefined : absolute(String(home), around.cwd), around.env);
  const sources: FlagSources = { env: around.env, config: readConfig(folders, around) };
  const values = withOneOnExists(asked, parseFlags(args, table, sources).values);
  const context = contextOf(values, around.cwd);
  const command = name === undefined ? undefined : readCommand(name, words.slice(2), values, context);
  if (command?.kind === "help") return command;
  const { user, device, "password-file": passwordFile, "new-password-file": newPasswordFile } = values;
  const pathOf = (value: string | boolean | undefined) =>
    typeof value === "string" ? absolute(value, around.cwd) : undefined;
  return {
    kind: "run",
    config: {
      coordinator,
      user: text(user),
      passwordFile: pathOf(passwordFile),
      newPasswordFile: pathOf(newPasswordFile),
      register: command?.kind === "register" ? { code: command.code } : undefined,
      device: text(device),
      folders,
      bandwidth: bandwidthOf(values),
      json: values.json === true,
      quiet: values.quiet === true,
      verbose: values.verbose === true,
      context,
      command: command?.kind === "command" ? command.command : undefined,
    },
  };
}

/** Adds the address that stands in an invite's code: `register shoal-…@host:port` needs no other. */
function withAddress(words: readonly string[]): readonly string[] {
  const address = words[0] === "register" ? words[1]?.split("@", 2)[1] : undefined;
  return address ? [address, ...words] : words;
}

function helpFor(words: readonly string[]): PeerInvocation {
  // `help find`, `find --help`, `5000 help find`, `5000 find --help`: the first command named is meant.
  const names = words.map(commandNamed).filter((name) => name !== undefined);
  const about = names.find((name) => name !== "help");
  if (about !== undefined) return { kind: "help", text: commandHelp(about) };
  if (names.length > 0) {
    const unknown = words[words.findIndex((word) => commandNamed(word) === "help") + 1];
    if (unknown !== undefined) readCommandName(unknown);
    return { kind: "help", text: overview() };
  }
  return { kind: "help", text: programHelp(peerFlags) };
}

function readConfig(folders: HomeFolders, around: Surroundings): Readonly<Record<string, unknown>> {
  const path = join(folders.config, "config.json");
  const content = around.readText(path);
  const { home: _, ...settable } = allPeerFlags;
  return content === undefined ? {} : parseConfig(content, path, "peer", settable);
}

/** Where the command line says overwrite or rename, what environment or config say of the other one does not count. */
function withOneOnExists(asked: OptionValues, values: OptionValues): OptionValues {
  if (asked.overwrite === asked.rename) return values;
  return { ...values, overwrite: asked.overwrite, rename: asked.rename };
}

function contextOf(values: OptionValues, cwd: string): CommandContext {
  const base: CommandContext = {
    cwd,
    fetch: { folder: cwd, onExists: "refuse", timeoutMs: fetchTimeoutMs, sync: true },
  };
  return { cwd, fetch: fetchOptions(values, base) };
}

function bandwidthOf(values: OptionValues): BandwidthOptions {
  const rate = (flag: "limit-up" | "limit-down") => parseRate(String(values[flag]), `--${flag}`);
  const schedule = text(values["limit-schedule"]);
  return {
    up: rate("limit-up"),
    down: rate("limit-down"),
    lanUnlimited: values["lan-unlimited"] === true,
    schedule: schedule === undefined ? [] : parseSchedule(schedule, "--limit-schedule"),
  };
}

function absolute(path: string, cwd: string): string {
  return isAbsolute(path) ? path : join(cwd, path);
}

function text(value: string | boolean | undefined): string | undefined {
  return typeof value === "string" ? value : undefined;
}
