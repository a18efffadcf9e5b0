/**
 * search_words: the words of `find` and `watch` as what is wanted. Laws: 1) a word that begins with one of the known names and a colon is a
 * bound, any other is looked for as it stands;  2) a bound that cannot be read is refused, not looked for.  Spec: docs/cli.md "find".  (pure)
 */

import { UsageError } from "../core/errors.ts";
import { limits } from "../core/limits.ts";
import type { Command, Wanted } from "../peer/commands.ts";
import { isGlob } from "../peer/glob.ts";
import { parseSize } from "./amounts.ts";

type Order = NonNullable<Extract<Command, { command: "find" }>["order"]>;
type Mutable<T> = { -readonly [K in keyof T]: T[K] };

const orders = ["name", "size", "age", "holders"] as const;
const unitMs: Readonly<Record<string, number>> = {
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 7 * 86_400_000,
  y: 365 * 86_400_000,
};

/** What words say together. */
export interface SearchWords {
  readonly wanted: Wanted;
  readonly order: Order | undefined;
}

/** @throws {UsageError} If a bound is none, is told twice, or there are too many words. */
export function readSearchWords(words: readonly string[]): SearchWords {
  const terms: Wanted["terms"][number][] = [];
  const bounds: Mutable<Omit<Wanted, "terms">> = {};
  let order: Order | undefined;
  const told = new Set<string>();
  for (const word of words) {
    const [, key, value] = /^(size|age|ext|by|group|sort):(.*)$/s.exec(word) ?? [];
    if (key === undefined || value === undefined) {
      terms.push({ mode: isGlob(word) ? "glob" : "substring", pattern: word });
      continue;
    }
    if (told.has(key)) throw refuse(word, `${key}: is told twice`);
    told.add(key);
    if (key === "size") Object.assign(bounds, readSize(word, value));
    else if (key === "age") Object.assign(bounds, readAge(word, value));
    else if (key === "ext") bounds.extensions = readNames(word, value).map((one) => one.replace(/^\./, ""));
    else if (key === "by") bounds.accounts = readNames(word, value);
    else if (key === "group") bounds.groups = readNames(word, value);
    else order = readOrder(word, value);
  }
  if (terms.length > limits.searchTermsMax) {
    throw new UsageError(`Cannot look for ${terms.length} words at once: there are at most ${limits.searchTermsMax}`, {
      hint: 'Put words that stand side by side in quotes, as in "two words"',
    });
  }
  return { wanted: { terms, ...bounds }, order };
}

function readSize(word: string, value: string): Pick<Wanted, "minBytes" | "maxBytes"> {
  const [, from, to] = /^(.+)\.\.(.+)$/.exec(value) ?? [];
  if (from !== undefined && to !== undefined) {
    const [minBytes, maxBytes] = [parseSize(from, word), parseSize(to, word)];
    if (minBytes > maxBytes) throw refuse(word, "it ends before it begins");
    return { minBytes, maxBytes };
  }
  const [, sign, size] = /^([<>])(.+)$/.exec(value) ?? [];
  if (sign === undefined || size === undefined) throw refuse(word, "it is no bound", sizeHint);
  const bytes = parseSize(size, word);
  return sign === ">" ? { minBytes: bytes + 1 } : { maxBytes: Math.max(0, bytes - 1) };
}

function readAge(word: string, value: string): Pick<Wanted, "youngerMs" | "olderMs"> {
  const [, sign, digits, unit] = /^([<>]?)(\d+(?:\.\d+)?)([mhdwy])$/.exec(value) ?? [];
  const ms = Math.round(Number(digits) * (unitMs[unit ?? ""] ?? NaN));
  if (!Number.isSafeInteger(ms)) throw refuse(word, "it is no age", "Write it like age:<7d, age:>4w or age:12h");
  return sign === ">" ? { olderMs: ms } : { youngerMs: ms };
}

function readNames(word: string, value: string): string[] {
  const names = value.split(",");
  if (names.includes("")) throw refuse(word, "a name is missing");
  if (names.length > limits.filterNamesMax) throw refuse(word, `there are more than ${limits.filterNamesMax} names`);
  return names;
}

/** Names go up, everything else begins with what people look for first: the largest, the newest, the most. */
function readOrder(word: string, value: string): Order {
  const [, name, direction] = /^([a-z]+)(?:-(asc|desc))?$/.exec(value) ?? [];
  const by = orders.find((one) => one === name);
  if (by === undefined) throw refuse(word, "it is no order", `Write sort:${orders.join(", sort:")}, or sort:size-asc`);
  if (by === "age") return { by, descending: direction !== "desc" }; // The youngest was shared last.
  return { by, descending: direction === undefined ? by !== "name" : direction === "desc" };
}

const sizeHint = "Write it like size:>100M, size:<2G or size:1M..2G, in quotes where a shell reads it";

function refuse(word: string, reason: string, hint?: string): UsageError {
  return new UsageError(`Cannot read ${JSON.stringify(word)}: ${reason}`, hint === undefined ? {} : { hint });
}
