/**
 * command_line: words, typed at the prompt or given in argv, as a command. Laws: 1) paths become absolute here, with the
 * caller's folder;  2) what cannot be read is a UsageError that says what would be right.  Spec: docs/cli.md.  (pure)
 */

import { join } from "@std/path";
import { UsageError } from "../core/errors.ts";
import type { Command } from "../peer/commands.ts";
import {
  buildCommand,
  type CommandContext,
  commandNamed,
  type CommandSpec,
  commandTable,
  commandWords,
  type OptionValues,
  type SpecName,
} from "./command_table.ts";
import { commonFlags, type FlagTable, parseFlags, unknownWord } from "./flags.ts";
import { commandHelp, overview } from "./help.ts";
import { quoteWord, scanWords } from "./words.ts";

/** What a line asks for. */
export type Asked =
  | { readonly kind: "command"; readonly command: Command }
  /** An account is to be made: undefined without a code. */
  | { readonly kind: "register"; readonly code: string | undefined }
  | { readonly kind: "help"; readonly text: string };

/**
 * Reads a line typed at the prompt. Returns undefined for an empty one, or one that is a comment (`# …`).
 * @param homeFolder What a leading `~` stands for; undefined leaves it.
 * @throws {UsageError} If it is no command.
 */
export function parseLine(
  line: string,
  context: CommandContext,
  homeFolder: string | undefined,
): Exclude<Asked, { kind: "register" }> | undefined {
  if (line.trim() === "" || line.trimStart().startsWith("#")) return undefined;
  const { words: scanned, open } = scanWords(line);
  if (open !== undefined) {
    throw new UsageError(`Cannot read the line: ${open === "\\" ? "a backslash ends it" : `a ${open} is not closed`}`, {
      hint: 'Write a name with spaces as "two words" or two\\ words',
    });
  }
  const [first, ...rest] = scanned.map(({ text, isHome }) =>
    isHome && homeFolder !== undefined ? join(homeFolder, text.slice(1)) : text
  );
  const name = readCommandName(first!);
  const table: FlagTable = { ...commandTable[name].flags, help: commonFlags.help };
  // Defaults were read when the program started; here only what the line itself says counts.
  const undecided = Object.fromEntries(Object.entries(table).map(([flag, { default: _, ...spec }]) => [flag, spec]));
  const { values, words } = parseFlags(rest, undecided, { env: () => undefined, config: {} });
  if ((values as OptionValues).help === true) return { kind: "help", text: commandHelp(name) };
  const { argvOnly }: CommandSpec = commandTable[name];
  const asked = argvOnly ? undefined : readCommand(name, words, values, context);
  if (asked !== undefined && asked.kind !== "register") return asked;
  throw new UsageError(`Cannot ${name} here: what is typed at the prompt is seen and remembered`, {
    hint: `In another terminal, run peer with the same address and: ${name}`,
  });
}

/** Finds the command that a word names. @throws {UsageError} If there is none, with the nearest. */
export function readCommandName(word: string): SpecName {
  const name = commandNamed(word);
  if (name !== undefined) return name;
  const error = unknownWord("the command line", "command", word, commandWords);
  throw error.hint === "See --help" ? new UsageError(error.message, { hint: "See help" }) : error;
}

/**
 * Makes a command of its words and of options that are read already.
 * @throws {UsageError} If there are too few or too many words, or one is not what it should be.
 */
export function readCommand(
  name: SpecName,
  words: readonly string[],
  options: OptionValues,
  context: CommandContext,
): Asked {
  const spec: CommandSpec = commandTable[name];
  if (words.length < spec.min || words.length > spec.max) throw wrongCount(name, spec, words);
  if (words.includes("")) throw new UsageError(`Cannot read the command line: a word of ${name} is empty`);
  if (name === "register") return { kind: "register", code: words[0] };
  if (name !== "help") return { kind: "command", command: buildCommand(name, words, options, context) };
  return { kind: "help", text: words[0] === undefined ? overview() : commandHelp(readCommandName(words[0])) };
}

/** Writes the line that a fetch can be gone on with: what was to be fetched, and where to. */
export function formatFetch(command: Extract<Command, { command: "fetch" }>, context: CommandContext): string {
  const { targets, folder, onExists, priority = "normal" } = command;
  const words = targets.map((target) => "file" in target ? target.file.id : target.pattern);
  return [
    "fetch",
    ...(folder === context.fetch.folder ? [] : ["--dir", quoteWord(folder)]),
    ...(onExists === "refuse" || onExists === context.fetch.onExists ? [] : [`--${onExists}`]),
    ...(priority === (context.fetch.priority ?? "normal") ? [] : ["--priority", priority]),
    ...(words.some((word) => word.startsWith("-")) ? ["--"] : []),
    ...words.map(quoteWord),
  ].join(" ");
}

function wrongCount(name: SpecName, spec: CommandSpec, words: readonly string[]): UsageError {
  const usage = `${name} ${spec.usage}`.trim();
  if (words.length < spec.min) {
    return new UsageError(`Cannot ${name}: it needs ${spec.usage}`, { hint: `Write ${usage}` });
  }
  if (spec.max === 0) return new UsageError(`Cannot read "${words[0]}": ${name} takes nothing after it`);
  if (spec.max > 1) {
    return new UsageError(`Cannot read "${words[spec.max]}": ${name} takes nothing after that`, {
      hint: `Write ${usage}`,
    });
  }
  return new UsageError(`Cannot ${name} ${words.length} things: it takes one`, {
    hint: `Write ${usage}`,
  });
}
