/**
 * command_table: every command of a peer in one table. Parsing, `help`, completion and docs/cli.md are all made from it.
 * Law: a command is described once, here.  (pure)
 */

import { isAbsolute, join } from "@std/path";
import { UsageError } from "../core/errors.ts";
import { limits } from "../core/limits.ts";
import type {
  Command,
  CommandName,
  FetchNumbers,
  FetchPriority,
  LimitChange,
  OnExists,
  WatchChange,
} from "../peer/commands.ts";
import { priorities } from "../peer/fetch_places.ts";
import { parseDurationMs, parseRate } from "./amounts.ts";
import { parseAudience } from "../peer/audience_words.ts";
import type { FlagTable } from "./flags.ts";
import { readSearchWords } from "./search_words.ts";

/** How a fetch goes unless its own options say otherwise. */
export interface FetchDefaults {
  /** Absolute. */
  readonly folder: string;
  readonly onExists: OnExists;
  readonly timeoutMs: number;
  /** Whether somebody chose `timeoutMs`. */
  readonly timeoutTold?: true;
  /** Normal unless told. */
  readonly priority?: FetchPriority;
  readonly sync: boolean;
}

/** What a command is read against: it may be run by a process elsewhere. */
export interface CommandContext {
  /** The folder that relative paths start from. */
  readonly cwd: string;
  readonly fetch: FetchDefaults;
}

/** What Tab offers for a command's words. */
export type WordKind = "none" | "paths" | "names" | "commands" | "limits" | "fetches" | "devices";

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
  /** Whether it is for the program's command line alone: it asks for what nobody else is to see or remember. */
  readonly argvOnly?: true;
}

/** The options of `fetch`; the program takes them too, as defaults for all fetches. */
export const fetchFlags = {
  dir: { value: "DIR", help: "the folder that files are fetched into; the current one unless told" },
  timeout: { value: "TIME", help: "give up after this long without progress; 60s unless told, at the prompt never" },
  priority: { value: "LEVEL", help: "high, normal or low: who goes first where fetches wait; normal unless told" },
  overwrite: { help: "replace a file of that name that has other content" },
  rename: { help: 'keep a file of that name, and call the new one "name (1).ext"' },
  "no-sync": { help: "do not wait until the disk has a finished file" },
} as const satisfies FlagTable;

/** The options of `share`. */
const shareFlags = {
  to: {
    value: "WHOM",
    help: "everyone, me, or accounts and groups as in group:friends,bob; as before unless told",
    settable: false,
  },
  about: { value: "TEXT", help: "what it is, in at most 200 bytes; as before unless told", settable: false },
} as const satisfies FlagTable;

/** The options of `find`. */
const findFlags = {
  offline: { help: "show also what only devices share that are away", settable: false },
  limit: { value: "NUMBER", help: "show no more than so many", settable: false },
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
    summary: "share files and folders with everyone on the coordinator, or with some alone",
    details: [
      "Files in a folder keep their names relative to it. A link that leads out of the folder is refused. Sharing stays in force " +
      "while this peer is online, also after a restart; `remove` ends it.",
      "--to says who may see and fetch it: everyone, the default; accounts and groups, as in group:friends,bob; or me, which is your " +
      "account alone. For anybody else it is not there. Sharing once more with another --to changes it: who may not see it any more " +
      "is cut off at once. What is shared again without --to stays for those it was for. Groups are the operator's.",
      "--about says in a few words what it is; `find` shows it and looks into it.",
      "On the command line `share` goes on serving until Ctrl-C, unless another process already serves this home.",
    ],
    examples: [
      ["share talk.pdf", "share one file"],
      ["share Music ~/Pictures/2026", "share two folders with all that is in them"],
      ["share plan.odt --to bob,group:friends", "for bob and those in the group friends alone"],
      ["share plan.odt --to everyone", "now for all"],
      ['share talk.pdf --about "slides of the talk in Graz"', "say what it is"],
    ],
    flags: shareFlags,
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
    usage: "<word>…",
    summary: "find shared files by words in their names, by globs, size, age, kind and who shares them",
    details: [
      "Every word must be there, in any order, somewhere in the name or in what the file is described as; words in quotes together. A word " +
      "with *, ? or [ is a glob for the whole name. Without a hit nothing is printed and the exit code is 3.",
      "Bounds: size:>100M, size:<2G, size:1M..2G; ext:iso,mp4; age:<7d (m, h, d, w, y) since it was shared; by:alice,bob; group:friends, " +
      "what is shared with that group. A shell takes < and > for itself: put them in quotes.",
      "sort:name, sort:size, sort:age or sort:holders puts them in order: names from A on, else the largest, newest and most first; -asc or " +
      "-desc turns that, as in sort:size-asc. By holders, of very many it is parts that are in order.",
      "Shown is what devices share that are online. --offline shows the rest too, with 0 holders.",
    ],
    examples: [
      ["find holiday", "all names with holiday in them"],
      ['find "*.flac"', "all names that end in .flac"],
      ["find linux ext:iso 'size:>1G' sort:age", "large images, the newest first"],
      ["find by:alice sort:size --limit 20", "the 20 largest files that alice shares"],
    ],
    flags: findFlags,
    min: 1,
    max: many,
    words: "none",
  },
  watch: {
    usage: "[<word>… | list | remove <number… | all>]",
    summary: "tell when something new appears that matches",
    details: [
      "Words and bounds are those of `find`; three characters in a row are needed, or by: or group:. A line tells what appears, at the " +
      "prompt, and in the output of `serve` and `share`; --json has it as an event. What appeared while this peer was away is told when it is back.",
      "Alone, or with `list`, it lists what is watched; `remove` ends watches by their numbers. They last over restarts.",
    ],
    examples: [
      ["watch linux ext:iso", "tell of new images"],
      ["watch list", "what is watched"],
      ["watch remove 1", "no more of that"],
    ],
    flags: {},
    min: 0,
    max: many,
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
      "Takes names of files and folders, globs, and content ids of 64 hex digits; of a folder all that is in it. A name that " +
      "stands for several contents asks which one is meant, or lists them and ends with exit code 2 when nobody can answer.",
      "While it runs the file is called NAME.part. After any interruption the same command goes on where it stopped. Where the " +
      "same content is there already, it is done at once; where other content has the name, it refuses (exit code 10), " +
      "unless --overwrite or --rename is given.",
      "Eight run at once; the others wait for their turn. When all who have a file are gone, its fetch waits until one comes back; " +
      "once one has waited for --timeout in vain, the others of the command are only tried. " +
      "A peer that stays (a prompt, commands from a pipe, `serve`, `share`) keeps its unfinished fetches and goes on with them by " +
      "itself when it starts again.",
    ],
    examples: [
      ["fetch talk.pdf", "into the current folder"],
      ["fetch photos", "a whole folder"],
      ["fetch film.mkv --priority high", "before those that wait"],
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
    summary: "list what is being fetched and served, what waits or is paused, and what ended lately",
    details: [
      "A fetch has a number, by which pause, resume, cancel and priority know it. One that waits for its turn shows its place, any " +
      "other what it waits for; one that failed shows why.",
      "Asked from another terminal, it is about the peer that serves this home.",
    ],
    examples: [
      ["transfers", "what runs, how far it is, and how fast"],
      ["transfers --watch", "the same, live"],
    ],
    flags: { watch: { help: "show it anew each second, until Ctrl-C", settable: false } },
    min: 0,
    max: 0,
    words: "none",
  },
  limit: {
    usage: "[up|down <rate> [number]]",
    summary: "show or set how much may be sent and fetched a second",
    details: [
      "Alone it shows every limit that holds, and what set it. With a direction and a rate it sets the limit of all uploads (up) or all " +
      "fetches (down) together; a number after it means one transfer alone, by its number in `transfers`. Rates are in bytes a second, " +
      "such as 500k or 2.5MB/s; `unlimited` lifts a limit.",
      "What is set holds at once, until the peer ends, or until --limit-schedule next changes that limit. Uploads share a limit " +
      "equally between accounts, fetches between files; what one does not use the others get.",
      "Asked from another terminal, it is about the peer that serves this home.",
    ],
    examples: [
      ["limit", "what holds now"],
      ["limit up 2M", "send at most 2 MB/s, all uploads together"],
      ["limit down unlimited", "fetch as fast as the line is"],
      ["limit up 500k 3", "send at most 500 kB/s by upload 3"],
    ],
    flags: {},
    min: 0,
    max: 3,
    words: "limits",
  },
  pause: {
    usage: "<number… | all>",
    summary: "stop fetches for now; what is verified is kept",
    details: ["They stay paused, also over a restart of the peer, until `resume`, or until the same is fetched again."],
    examples: [["pause 3", "fetch 3 moves no more"], ["pause all", "nothing is fetched until resume all"]],
    flags: {},
    min: 1,
    max: many,
    words: "fetches",
  },
  resume: {
    usage: "<number… | all>",
    summary: "go on with fetches that are paused, or that failed",
    details: [
      "`all` means those that are paused. What an earlier run verified is not fetched again. Where no peer stays, they go on when " +
      "one is started.",
    ],
    examples: [["resume 3", "fetch 3 goes on where it stopped"]],
    flags: {},
    min: 1,
    max: many,
    words: "fetches",
  },
  cancel: {
    usage: "<number… | all>",
    summary: "end fetches for good, and remove what they have so far",
    details: ["The partial file goes, and with it all that is verified. A finished file stays."],
    examples: [["cancel 3", "fetch 3 and its partial file are gone"]],
    flags: {},
    min: 1,
    max: many,
    words: "fetches",
  },
  priority: {
    usage: "<number… | all> <high | normal | low>",
    summary: "let fetches go before or after others that wait",
    details: ["Those that run already go on. Among equals whoever came first goes first."],
    examples: [["priority 3 high", "fetch 3 is next"]],
    flags: {},
    min: 2,
    max: many,
    words: "fetches",
  },
  verify: {
    usage: "<path | name>",
    summary: "check a local file against what the network has under its name, or against its receipt",
    details: [
      "Reads all of the file. Other bytes than the network's end with exit code 8. Where no file has that path, it is the name of one " +
      "that was fetched here. Where nobody online shares the name, the receipt of its fetch counts.",
      "With --receipt the receipt counts alone: the word is the path or the name of a fetched file, or a file that holds a line of " +
      "`receipts --json`. That proves the bytes, not who sent them.",
    ],
    examples: [
      ["verify talk.pdf", "is my copy whole"],
      ["verify --receipt talk.pdf", "is it still what was fetched"],
    ],
    flags: { receipt: { help: "check against the receipt that the fetch left", settable: false } },
    min: 1,
    max: 1,
    words: "paths",
  },
  receipts: {
    usage: "[name]",
    summary: "list what was fetched here, from whom and when; the newest first",
    details: [
      "Each finished fetch leaves a receipt in the state folder; of more than 10,000 the oldest go. With --json each is a line that " +
      "`verify --receipt` takes.",
    ],
    examples: [["receipts", "all that was fetched"], ["receipts talk.pdf", "where it came from"]],
    flags: {},
    min: 0,
    max: 1,
    words: "names",
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
  register: {
    usage: "[code]",
    summary: "make an account with the code that you were given, and log in to it",
    details: [
      "On the command line alone: it asks for a name and, twice, for a password; or takes them from --user and --password-file. The code " +
      "names its coordinator, and nothing is sent to another one. With an address in the code no other one is needed: " +
      "peer register shoal-…@host:port.",
      "Without a code it registers at a coordinator that lets everybody do so. A code is good for one account; a name that cannot be had " +
      "does not use it up.",
    ],
    examples: [["register shoal-…", "the code as the operator gave it to you"]],
    flags: {},
    min: 0,
    max: 1,
    words: "none",
    argvOnly: true,
  },
  passwd: {
    usage: "",
    summary: "change the password of your account",
    details: [
      "On the command line alone: it asks for the password of now and, twice, for the new one; or takes them from --password-file and " +
      "--new-password-file, SHOAL_PASSWORD and SHOAL_NEW_PASSWORD.",
      "The account's key stays, and so do logins of other devices, which are by keys of their own. --everywhere ends those: each other " +
      "device needs the new password.",
    ],
    examples: [
      ["passwd", "change it"],
      ["passwd --everywhere", "somebody else knew the old one"],
    ],
    flags: {
      everywhere: { help: "log out all other devices of the account", settable: false },
      "new-password-file": { value: "FILE", help: "a file that holds the new password and nothing else" },
    },
    min: 0,
    max: 0,
    words: "none",
    argvOnly: true,
  },
  devices: {
    usage: "[revoke <device>]",
    summary: "list the devices of your account, or make one log in with the password again",
    details: [
      "A device is enrolled by its first login with the password, and logs in by its key from then on. `revoke` takes that key from " +
      "it: its session and its transfers end at once, and it needs the password. What it shared stays known as its own.",
      "A new password set by the operator revokes all devices of the account.",
    ],
    examples: [
      ["devices", "which devices may log in, and when each was seen"],
      ["devices revoke old-laptop", "it was lost"],
    ],
    flags: {},
    min: 0,
    max: 2,
    words: "devices",
  },
  logout: {
    usage: "",
    summary: "end the peer that serves this home, and forget how it logs in: the next start needs the password",
    details: ["The coordinator takes this device's key from it; what is shared and what was fetched stays here."],
    examples: [["logout", "before you give this machine away"]],
    flags: {},
    min: 0,
    max: 0,
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
      "Fetches that run are stopped with all that is verified kept, and go on when the peer next starts. What was shared is no longer " +
      "served, and is again then.",
    ],
    examples: [["quit", "the same as Ctrl-D"]],
    flags: {},
    min: 0,
    max: 0,
    words: "none",
  },
} as const satisfies Record<CommandName | "help" | "register", CommandSpec>;

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
      return { command: name, paths: words.map(absolute), ...shareOptions(options) };
    case "find": {
      const { wanted, order } = readSearchWords(words);
      return {
        command: name,
        wanted,
        ...(order === undefined ? {} : { order }),
        ...(options["offline"] === true ? { offline: true } : {}),
        ...readLimit(options["limit"]),
      };
    }
    case "watch":
      return { command: name, change: watchChange(words) };
    case "remove":
      return { command: name, names: words };
    case "fetch":
      return {
        command: name,
        targets: words.map((pattern) => ({ pattern })),
        ...fetchOptions(options, context),
      };
    case "transfers":
      return { command: name, ...(options["watch"] === true ? { watch: true } : {}) };
    case "pause":
    case "resume":
    case "cancel":
      return { command: name, fetches: fetchNumbers(name, words) };
    case "priority":
      return { command: name, fetches: fetchNumbers(name, words.slice(0, -1)), priority: readPriority(words.at(-1)!) };
    case "limit":
      return { command: name, change: limitChange(words) };
    case "receipts":
      return { command: name, name: words[0] ?? null };
    case "verify":
      return {
        command: name,
        path: absolute(words[0]!),
        word: words[0]!,
        ...(options["receipt"] === true ? { byReceipt: true } : {}),
      };
    case "fingerprint":
      return { command: name, account: words[0] ?? null };
    case "trust":
      return { command: name, account: words[0]! };
    case "passwd":
      // Both are asked for once it is known who is asked.
      return { command: name, oldPassword: "", newPassword: "", everywhere: options["everywhere"] === true };
    case "devices":
      return { command: name, revoke: revokedDevice(words) };
    default:
      return { command: name };
  }
}

/**
 * Reads the options of `fetch`; those that are not given are as in the context.
 * @throws {UsageError} If a value is none, or --overwrite and --rename are given both.
 */
export function fetchOptions(options: OptionValues, context: CommandContext): FetchDefaults {
  const { dir, timeout, overwrite, rename, priority } = options;
  if (overwrite === true && rename === true) {
    throw new UsageError("Cannot both overwrite and rename", { hint: "Give one of --overwrite and --rename" });
  }
  const folder = typeof dir !== "string" ? context.fetch.folder : isAbsolute(dir) ? dir : join(context.cwd, dir);
  return {
    folder,
    onExists: overwrite === true ? "overwrite" : rename === true ? "rename" : context.fetch.onExists,
    ...readTimeout(timeout, context.fetch),
    ...readLevel(priority, context.fetch),
    sync: options["no-sync"] === true ? false : context.fetch.sync,
  };
}

function shareOptions(
  { to, about }: OptionValues,
): Pick<Extract<Command, { command: "share" }>, "audience" | "description"> {
  if (typeof about === "string" && new TextEncoder().encode(about).length > limits.descriptionBytesMax) {
    throw new UsageError(`Cannot say so much about it: at most ${limits.descriptionBytesMax} bytes`);
  }
  if (typeof about === "string" && /\p{Cc}/u.test(about)) {
    throw new UsageError("Cannot say that about it: it holds a control character");
  }
  return {
    ...(typeof to === "string" ? { audience: parseAudience(to) } : {}),
    ...(typeof about === "string" ? { description: about } : {}),
  };
}

function readLimit(limit: OptionValues[string]): { readonly limit?: number } {
  if (typeof limit !== "string") return {};
  if (/^[1-9]\d{0,8}$/.test(limit)) return { limit: Number(limit) };
  throw new UsageError(`Cannot show ${JSON.stringify(limit)} files: it is no number`, { hint: "Write --limit 20" });
}

/** Reads which standing search is to be begun, or which are to be ended; without a word, or with `list`, neither. */
function watchChange(words: readonly string[]): WatchChange | null {
  const [action, ...rest] = words;
  if (action === undefined || (action === "list" && rest.length === 0)) return null;
  if (action === "remove" && rest.length > 0 && rest.every((word) => word === "all" || /^\d+$/.test(word))) {
    return { kind: "remove", watches: fetchNumbers("watch", rest) };
  }
  const { wanted, order } = readSearchWords(words);
  if (order !== undefined) {
    throw new UsageError("Cannot watch in an order: what appears is told as it comes", { hint: "Leave sort: out" });
  }
  if (wanted.youngerMs !== undefined || wanted.olderMs !== undefined) {
    throw new UsageError("Cannot watch by age: what appears is new", { hint: "Leave age: out" });
  }
  return { kind: "add", wanted, words };
}

function readTimeout(timeout: OptionValues[string], { timeoutMs, timeoutTold }: FetchDefaults) {
  if (typeof timeout === "string") {
    return { timeoutMs: parseDurationMs(timeout, "--timeout"), timeoutTold: true } as const;
  }
  return timeoutTold === true ? { timeoutMs, timeoutTold } : { timeoutMs };
}

function readLevel(level: OptionValues[string], { priority }: FetchDefaults): Pick<FetchDefaults, "priority"> {
  if (typeof level === "string") return { priority: readPriority(level) };
  return priority === undefined ? {} : { priority };
}

function readPriority(word: string): FetchPriority {
  const priority = priorities.find((one) => one === word);
  if (priority !== undefined) return priority;
  throw new UsageError(`Cannot read the priority: ${JSON.stringify(word)} is none`, {
    hint: `Write ${priorities.join(", ")}`,
  });
}

/** Reads which limit is to be set, and to what; without a word none is. */
function limitChange([direction, rate, number]: readonly string[]): LimitChange | null {
  if (direction === undefined) return null;
  if (direction !== "up" && direction !== "down") {
    throw new UsageError(`Cannot limit ${JSON.stringify(direction)}: it is neither up nor down`, {
      hint: "Write limit up 2M, or limit down 2M",
    });
  }
  if (rate === undefined) {
    throw new UsageError(`Cannot limit ${direction}: it needs a rate`, { hint: `Write limit ${direction} 2M` });
  }
  if (number !== undefined && !/^[1-9]\d{0,14}$/.test(number)) {
    throw new UsageError(`Cannot limit ${JSON.stringify(number)}: it is no number of a transfer`, {
      hint: "See the numbers with: transfers",
    });
  }
  return {
    direction,
    bytesPerSecond: parseRate(rate, "the rate") ?? null,
    number: number === undefined ? null : Number(number),
  };
}

/** Reads which device is to be revoked; without a word none is. */
function revokedDevice([action, device]: readonly string[]): string | null {
  if (action === undefined) return null;
  if (action === "revoke" && device !== undefined) return device;
  throw new UsageError(
    action === "revoke"
      ? "Cannot revoke a device: name one"
      : `Cannot read "${action}": devices takes nothing but revoke after it`,
    { hint: "Write devices, or devices revoke old-laptop" },
  );
}

/** Reads which fetches are meant. */
function fetchNumbers(name: CommandName, words: readonly string[]): FetchNumbers {
  if (words.length === 1 && words[0] === "all") return "all";
  return words.map((word) => {
    const number = /^[1-9]\d{0,14}$/.test(word) ? Number(word) : undefined;
    if (number !== undefined) return number;
    throw new UsageError(`Cannot ${name} ${JSON.stringify(word)}: it is no number of a fetch`, {
      hint: `See the numbers with: transfers; or write ${name} all`,
    });
  });
}
