/**
 * command_table: every command of a peer in one table. Parsing, `help`, completion and docs/cli.md are all made from it.
 * Law: a command is described once, here.  (pure)
 */

import { isAbsolute, join } from "@std/path";
import { UsageError } from "../core/errors.ts";
import type { Command, CommandName, OnExists } from "../peer/commands.ts";
import { parseDurationMs } from "./amounts.ts";
import type { FlagTable } from "./flags.ts";

/** How a fetch goes unless its own options say otherwise. */
export interface FetchDefaults {
  /** Absolute. */
  readonly folder: string;
  readonly onExists: OnExists;
  readonly timeoutMs: number;
  readonly sync: boolean;
}

/** What a command is read against: it may be run by a process elsewhere. */
export interface CommandContext {
  /** The folder that relative paths start from. */
  readonly cwd: string;
  readonly fetch: FetchDefaults;
}

/** What Tab offers for a command's words. */
export type WordKind = "none" | "paths" | "names" | "commands";

export interface CommandSpec {
  /** What stands after the command's name, as the help shows it. */
  readonly usage: string;
  /** Other spellings. */
  readonly aliases?: readonly string[];
  /** One sentence without a period. */
  readonly summary: string;
  /** Paragraphs of the long help. */
  readonly details: readonly string[];
  readonly examples: readonly (readonly [line: string, what: string])[];
  readonly flags: FlagTable;
  /** How many words it takes. */
  readonly min: number;
  readonly max: number;
  readonly words: WordKind;
}

/** The options of `fetch`; the program takes them too, as defaults for all fetches. */
export const fetchFlags = {
  dir: { value: "DIR", help: "the folder that files are fetched into; the current one unless told" },
  timeout: { value: "TIME", help: "give up after this long without progress", default: "60s" },
  overwrite: { help: "replace a file of that name that has other content" },
  rename: { help: 'keep a file of that name, and call the new one "name (1).ext"' },
  "no-sync": { help: "do not wait until the disk has a finished file" },
} as const satisfies FlagTable;

const many = Infinity;

/** The commands by name, in the order in which the help lists them. */
export const commandTable = {
  peers: {
    usage: "",
    summary: "list the devices that you can see and whether they are online",
    details: ["One line a device, yours among them."],
    examples: [["peers", "who is there"]],
    flags: {},
    min: 0,
    max: 0,
    words: "none",
  },
  myfiles: {
    usage: "",
    summary: "list what your account shares",
    details: [
      "All devices of the account together; HOLDERS says how many devices that are online have the file.",
    ],
    examples: [["myfiles", "what others can fetch from you"]],
    flags: {},
    min: 0,
    max: 0,
    words: "none",
  },
  share: {
    usage: "<path>…",
    summary: "share files and folders with everyone on the coordinator",
    details: [
      "Files in a folder keep their names relative to it. A link that leads out of the folder is refused. Sharing stays in force " +
      "while this peer is online, also after a restart; `remove` ends it.",
      "On the command line `share` goes on serving until Ctrl-C, unless another process already serves this home.",
    ],
    examples: [
      ["share talk.pdf", "share one file"],
      ["share Music ~/Pictures/2026", "share two folders with all that is in them"],
    ],
    flags: {},
    min: 1,
    max: many,
    words: "paths",
  },
  serve: {
    usage: "",
    summary: "serve what you share, until Ctrl-C or SIGTERM",
    details: [
      "For a peer without a terminal, such as a service: it serves what was shared before, and further commands of its home run " +
      "through it.",
      "Where another process already serves this home it is refused, with exit code 10. At the prompt it changes nothing: a " +
      "peer serves for as long as it runs.",
    ],
    examples: [["serve", "go on serving what `share` has shared"]],
    flags: {},
    min: 0,
    max: 0,
    words: "none",
  },
  find: {
    usage: "<pattern>",
    summary: "find shared files by a part of their name, or by a glob",
    details: [
      "A pattern with *, ? or [ is a glob for the whole name; any other is found anywhere in a name. Without a hit nothing is " +
      "printed and the exit code is 3.",
    ],
    examples: [
      ["find holiday", "all names with holiday in them"],
      ['find "*.flac"', "all names that end in .flac"],
    ],
    flags: {},
    min: 1,
    max: 1,
    words: "none",
  },
  remove: {
    usage: "<name>…",
    summary: "stop sharing files; the files themselves stay",
    details: [
      "The files of your account, whichever of its devices serves them. Fetches of them end at once. A device that is away learns " +
      "it when it comes back.",
    ],
    examples: [["remove talk.pdf", "nobody can fetch it from you any more"]],
    flags: {},
    min: 1,
    max: many,
    words: "names",
  },
  fetch: {
    usage: "<name | id>…",
    summary: "fetch files from those who have them, and check every byte",
    details: [
      "Takes names, globs and content ids of 64 hex digits. A name that stands for several contents asks which one is meant, or " +
      "lists them and ends with exit code 2 when nobody can answer.",
      "While it runs the file is called NAME.part. After any interruption the same command goes on where it stopped. Where the " +
      "same content is there already, it is done at once; where other content has the name, it refuses (exit code 10), " +
      "unless --overwrite or --rename is given.",
    ],
    examples: [
      ["fetch talk.pdf", "into the current folder"],
      ['fetch "*.flac" --dir ~/Music', "all that the glob means, into a folder"],
      ["fetch talk.pdf --rename", "keep the talk.pdf that is there"],
    ],
    flags: fetchFlags,
    min: 1,
    max: many,
    words: "names",
  },
  status: {
    usage: "",
    summary: "show whether this peer is online, and what it serves",
    details: ["Asked from another terminal, it is about the peer that serves this home."],
    examples: [["status", "how this peer is doing"]],
    flags: {},
    min: 0,
    max: 0,
    words: "none",
  },
  transfers: {
    usage: "",
    summary: "list what is being fetched and served right now",
    details: ["Asked from another terminal, it is about the peer that serves this home."],
    examples: [["transfers", "what runs, how far it is, and how fast"]],
    flags: {},
    min: 0,
    max: 0,
    words: "none",
  },
  verify: {
    usage: "<path>",
    summary: "check a local file against what the network has under its name",
    details: ["Reads all of the file. Other bytes than the network's end with exit code 8."],
    examples: [["verify talk.pdf", "is my copy whole"]],
    flags: {},
    min: 1,
    max: 1,
    words: "paths",
  },
  fingerprint: {
    usage: "[account]",
    summary: "show the fingerprint of an account's key, to compare by voice",
    details: [
      "Without an account it shows your own. If both ends read the same words to each other, the coordinator has put nobody in " +
      "between.",
    ],
    examples: [
      ["fingerprint", "your own, for others to compare"],
      ["fingerprint ada", "ada's, as this peer knows it"],
    ],
    flags: {},
    min: 0,
    max: 1,
    words: "none",
  },
  trust: {
    usage: "<account>",
    summary: "accept the key that an account has now, after it changed",
    details: [
      "A peer remembers the key of each account that it has met and refuses another one. Compare the fingerprint with its owner " +
      "first.",
    ],
    examples: [["trust ada", "ada says that her new fingerprint is right"]],
    flags: {},
    min: 1,
    max: 1,
    words: "none",
  },
  help: {
    usage: "[command]",
    summary: "list the commands, or explain one",
    details: ["The same as --help."],
    examples: [["help fetch", "all about fetch"]],
    flags: {},
    min: 0,
    max: 1,
    words: "commands",
  },
  quit: {
    usage: "",
    aliases: ["exit"],
    summary: "leave the prompt; on the command line, end the peer that serves this home",
    details: [
      "Fetches that run are stopped with all that is verified kept. What was shared is no longer served, and is again when the " +
      "peer next starts.",
    ],
    examples: [["quit", "the same as Ctrl-D"]],
    flags: {},
    min: 0,
    max: 0,
    words: "none",
  },
} as const satisfies Record<CommandName | "help", CommandSpec>;

export type SpecName = keyof typeof commandTable;

/** Every name that a command goes by, aliases last. */
export const commandWords: readonly string[] = [
  ...Object.keys(commandTable),
  ...Object.values(commandTable).flatMap((spec: CommandSpec) => spec.aliases ?? []),
];

/** Finds a command by its name or an alias. */
export function commandNamed(word: string): SpecName | undefined {
  if (Object.hasOwn(commandTable, word)) return word as SpecName;
  const found = Object.entries<CommandSpec>(commandTable).find(([, spec]) => spec.aliases?.includes(word));
  return found?.[0] as SpecName | undefined;
}

/** The values of a command's options, by their long names. */
export type OptionValues = Readonly<Record<string, string | boolean | undefined>>;

/**
 * Makes a command of words whose number is right.
 * @throws {UsageError} If an option's value is none.
 */
export function buildCommand(
  name: CommandName,
  words: readonly string[],
  options: OptionValues,
  context: CommandContext,
): Command {
  const absolute = (path: string) => isAbsolute(path) ? path : join(context.cwd, path);
  switch (name) {
    case "share":
      return { command: name, paths: words.map(absolute) };
    case "find":
      return { command: name, pattern: words[0]! };
    case "remove":
      return { command: name, names: words };
    case "fetch":
      return {
        command: name,
        targets: words.map((pattern) => ({ pattern })),
        ...fetchOptions(options, context),
      };
    case "verify":
      return { command: name, path: absolute(words[0]!) };
    case "fingerprint":
      return { command: name, account: words[0] ?? null };
    case "trust":
      return { command: name, account: words[0]! };
    default:
      return { command: name };
  }
}

/**
 * Reads the options of `fetch`; those that are not given are as in the context.
 * @throws {UsageError} If a value is none, or --overwrite and --rename are given both.
 */
export function fetchOptions(options: OptionValues, context: CommandContext): FetchDefaults {
  const { dir, timeout, overwrite, rename } = options;
  if (overwrite === true && rename === true) {
    throw new UsageError("Cannot both overwrite and rename", { hint: "Give one of --overwrite and --rename" });
  }
  const folder = typeof dir !== "string" ? context.fetch.folder : isAbsolute(dir) ? dir : join(context.cwd, dir);
  return {
    folder,
    onExists: overwrite === true ? "overwrite" : rename === true ? "rename" : context.fetch.onExists,
    timeoutMs: typeof timeout === "string" ? parseDurationMs(timeout, "--timeout") : context.fetch.timeoutMs,
    sync: options["no-sync"] === true ? false : context.fetch.sync,
  };
}
