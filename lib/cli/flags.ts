/**
 * flags: one table describes a program's options; parsing, environment names, config keys and the help text all come from it.
 * Laws: 1) flags > environment (`SHOAL_*`) > config file > default;  2) an option that no table has is refused with the
 * nearest one that it has;  3) no option carries a secret: secrets come from files, the environment or a prompt.
 * Spec: docs/cli.md "Options".  (pure: the environment and the config are passed in)
 */

import { parseArgs } from "@std/cli";
import { UsageError } from "../core/errors.ts";
import { escapeName } from "../core/escape.ts";

/** One option. Its long name is its key in the table, in kebab case. */
export interface FlagSpec {
  /** What the help calls its value (`DIR`); an option without it is a switch. */
  readonly value?: string;
  /** One letter, for `-q`. */
  readonly short?: string;
  /** What it does, one sentence without a period. */
  readonly help: string;
  /** The value where nobody sets one, as a user would write it; shown by the help. Switches default to off. */
  readonly default?: string;
  /** A second variable that sets it, where its own is not set: what containers call the file of a secret (`SHOAL_X_FILE`). */
  readonly alsoEnv?: string;
  /** False: neither environment nor config can set it (`--help`, `--version`). */
  readonly settable?: false;
}

/** A program's or a command's options by their long names. Tables are merged by spreading. */
export type FlagTable = Readonly<Record<string, FlagSpec>>;

/** What a table parses to: switches are booleans, options text, undefined where nobody set one and there is no default. */
export type FlagValues<T extends FlagTable> = {
  readonly [K in keyof T]: T[K] extends { readonly value: string }
    ? T[K] extends { readonly default: string } ? string : string | undefined
    : boolean;
};

/** Where values come from that the command line does not give. */
export interface FlagSources {
  /** Reads one environment variable. */
  readonly env: (name: string) => string | undefined;
  /** The program's section of config.json, by long names; see `parseConfig`. */
  readonly config: Readonly<Record<string, unknown>>;
}

export interface ParsedFlags<T extends FlagTable> {
  readonly values: FlagValues<T>;
  /** Everything that is no option, in order, and all that follows `--`. */
  readonly words: readonly string[];
}

/** The options that every program and command has. */
export const commonFlags = {
  help: { short: "h", help: "print this help and end", settable: false },
  version: { help: "print the version and end", settable: false },
  json: { help: "print one JSON object a line on stdout" },
  quiet: { short: "q", help: "log failures alone" },
  verbose: { short: "v", help: "log more" },
} as const satisfies FlagTable;

/**
 * Parses a command line by a table; options may stand anywhere.
 * @throws {UsageError} If an option is unknown, lacks its value, or a switch is set to what is neither true nor false.
 */
export function parseFlags<const T extends FlagTable>(
  args: readonly string[],
  table: T,
  sources: FlagSources,
): ParsedFlags<T> {
  const given = parseGiven(args, table);
  const values: Record<string, string | boolean | undefined> = {};
  for (const [name, spec] of Object.entries(table)) {
    const set = given.values.get(name) ?? readSources(name, spec, sources);
    values[name] = set ?? (spec.value === undefined ? false : spec.default);
  }
  return { values: values as FlagValues<T>, words: given.words };
}

/**
 * The words of a command line alone, so that a program can tell its command before it parses by that command's table.
 * @param table Every option of every command: it says which ones take a value.
 * @throws {UsageError} As `parseFlags`.
 */
export function parseWords(args: readonly string[], table: FlagTable): readonly string[] {
  return parseGiven(args, table).words;
}

/** The environment variable of an option: `keep-alive` → `SHOAL_KEEP_ALIVE`. */
export function envName(flag: string): string {
  return `SHOAL_${flag.replaceAll("-", "_").toUpperCase()}`;
}

/** All variables that set an option, the first that is set counts; none if it is not settable. */
export function envNames(flag: string, { settable, alsoEnv }: FlagSpec): readonly string[] {
  if (settable === false) return [];
  return alsoEnv === undefined ? [envName(flag)] : [envName(flag), alsoEnv];
}

/**
 * Reads a program's section of config.json: `{"coordinator": {"keep-alive": 5}, "peer": {"dir": "/home/ada/in"}}`.
 * @param known The options of that program; another key is refused, since a misspelt one would be silently without effect.
 * @throws {UsageError} If the text is not such an object.
 */
export function parseConfig(
  text: string,
  path: string,
  section: string,
  known: FlagTable,
): Readonly<Record<string, unknown>> {
  let whole: unknown;
  try {
    whole = JSON.parse(text);
  } catch (cause) {
    throw new UsageError(`Cannot read ${path}: it is not JSON`, { cause, hint: "Correct the file or move it away" });
  }
  if (!isObject(whole)) throw new UsageError(`Cannot read ${path}: it holds no JSON object`);
  const config = Object.hasOwn(whole, section) ? whole[section] : {};
  if (!isObject(config)) throw new UsageError(`Cannot read ${path}: "${section}" is no JSON object`);
  const names = Object.keys(known).filter((name) => known[name]!.settable !== false);
  for (const key of Object.keys(config)) {
    if (!names.includes(key)) throw unknownWord(`"${section}" in ${path}`, "option", key, names);
  }
  return config;
}

/** Formats the options part of a help text: one line an option, with its default and its environment variable. */
export function formatFlags(table: FlagTable): string {
  const rows = Object.entries(table).map(([name, spec]) => {
    const short = spec.short === undefined ? "    " : `-${spec.short}, `;
    const left = `  ${short}--${name}${spec.value === undefined ? "" : ` ${spec.value}`}`;
    const notes = [
      ...(spec.default === undefined ? [] : [`default ${spec.default}`]),
      ...envNames(name, spec),
    ];
    return { left, right: spec.help + (notes.length === 0 ? "" : ` (${notes.join("; ")})`) };
  });
  const width = Math.max(...rows.map(({ left }) => left.length));
  return rows.map(({ left, right }) => `${left.padEnd(width)}  ${right}`).join("\n");
}

/** Makes the refusal of a word that is none of the known ones, naming the nearest: for options, commands and config keys. */
export function unknownWord(where: string, what: string, word: string, known: readonly string[]): UsageError {
  const near = nearestWord(word, known);
  return new UsageError(`Cannot read ${where}: there is no ${what} "${escapeName(word)}"`, {
    hint: near === undefined ? `See --help` : `Did you mean ${near}`,
  });
}

/** The known word with the fewest edits to a misspelt one; undefined where more than a third of it would have to change. */
export function nearestWord(word: string, known: readonly string[]): string | undefined {
  let best: { readonly word: string; readonly edits: number } | undefined;
  for (const candidate of known) {
    const edits = editDistance(word, candidate);
    const allowed = Math.max(1, Math.ceil(Math.max(word.length, candidate.length) / 3));
    if (edits <= allowed && (best === undefined || edits < best.edits)) best = { word: candidate, edits };
  }
  return best?.word;
}

function parseGiven(args: readonly string[], table: FlagTable) {
  const names = Object.keys(table);
  const strings = names.filter((name) => table[name]!.value !== undefined);
  const switches = names.filter((name) => table[name]!.value === undefined);
  const alias = Object.fromEntries(
    names.flatMap((name) => table[name]!.short === undefined ? [] : [[table[name]!.short, name]]),
  );
  const parsed = parseArgs([...args], {
    string: ["_", ...strings],
    boolean: switches,
    alias,
    unknown(argument: string, key?: string) {
      if (key === undefined) return true; // a word, not an option
      throw unknownWord(
        "the command line",
        "option",
        argument.replace(/=.*$/s, ""),
        names.map((name) => `--${name}`),
      );
    },
  }) as Readonly<Record<string, unknown>> & { readonly _: readonly (string | number)[] };
  const values = new Map<string, string | boolean>();
  for (const name of strings) {
    const value = parsed[name];
    if (typeof value !== "string") continue;
    if (value === "") {
      throw new UsageError(`Cannot read --${name}: it needs a value`, {
        hint: `Write --${name} ${table[name]!.value}`,
      });
    }
    values.set(name, value);
  }
  // A switch that is not given reads as false, so only true is a setting.
  for (const name of switches) if (parsed[name] === true) values.set(name, true);
  return { values, words: parsed._.map(String) };
}

function readSources(name: string, spec: FlagSpec, sources: FlagSources): string | boolean | undefined {
  if (spec.settable === false) return undefined;
  for (const variable of envNames(name, spec)) {
    const text = sources.env(variable);
    if (text !== undefined && text !== "") return spec.value === undefined ? parseSwitch(text, variable) : text;
  }
  const fromConfig = Object.hasOwn(sources.config, name) ? sources.config[name] : undefined;
  if (fromConfig === undefined) return undefined;
  if (spec.value === undefined) return parseSwitch(String(fromConfig), `"${name}" in config.json`);
  if (typeof fromConfig === "string" || typeof fromConfig === "number") return String(fromConfig);
  throw new UsageError(`Cannot read "${name}" in config.json: it is neither text nor a number`);
}

function parseSwitch(text: string, where: string): boolean {
  if (/^(1|true|yes|on)$/i.test(text)) return true;
  if (/^(0|false|no|off)$/i.test(text)) return false;
  throw new UsageError(`Cannot read ${where}: ${JSON.stringify(text)} is neither true nor false`);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Levenshtein's distance, one row at a time. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
    }
    row = next;
  }
  return row[b.length]!;
}
