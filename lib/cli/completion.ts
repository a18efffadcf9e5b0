/**
 * completion: what Tab offers. Laws: 1) what is offered can be typed and read back as the same word;  2) a name that would have to
 * be escaped is not offered: it has its id;  3) no failure is shown: Tab then offers nothing.  (pure: names and folders are
 * asked for)
 */

import { isAbsolute, join } from "@std/path";
import { escapeText } from "../core/escape.ts";
import { priorities } from "../peer/fetch_places.ts";
import { commandNamed, type CommandSpec, commandTable, commandWords } from "./command_table.ts";
import { quoteWord, scanWords } from "./words.ts";

/** What is asked while a line is completed. */
export interface CompletionSources {
  readonly cwd: string;
  readonly homeFolder: string | undefined;
  readonly knownNames: () => Promise<readonly string[]>;
  readonly listFolder: (path: string) => Promise<readonly FolderEntry[]>;
}

export interface FolderEntry {
  readonly name: string;
  readonly isFolder: boolean;
}

/** What the line editor wants: words to put in the place of the end of the line, and that end. */
export type Completion = [hits: string[], replaced: string];

/** Completes the last word of a line, which ends at the cursor. */
export async function completeLine(line: string, sources: CompletionSources): Promise<Completion> {
  const { words, inWord } = scanWords(line);
  const last = inWord ? words.at(-1) : undefined;
  const replaced = last === undefined ? "" : line.slice(last.start);
  const before = (last === undefined ? words : words.slice(0, -1)).map(({ text }) => text);
  const candidates = await candidatesFor(before, last?.text ?? "", last?.isHome ?? false, sources);
  const hits = candidates.filter(({ text }) => escapeText(text) === text).map(({ text, isOpen }) =>
    isOpen ? openWord(text) : `${quoted(text, replaced)} `
  );
  return [[...new Set(hits)].sort(), replaced];
}

interface Candidate {
  readonly text: string;
  /** Whether typing goes on in the same word: a folder. */
  readonly isOpen: boolean;
}

async function candidatesFor(
  before: readonly string[],
  typed: string,
  isHome: boolean,
  sources: CompletionSources,
): Promise<readonly Candidate[]> {
  const starting = (all: readonly string[]) =>
    all.filter((text) => text.startsWith(typed)).map((text) => ({ text, isOpen: false }));
  if (before.length === 0) return starting(commandWords);
  const name = commandNamed(before[0]!);
  if (name === undefined) return [];
  const spec: CommandSpec = commandTable[name];
  if (before.at(-1) === "--dir") {
    return (await localPaths(typed, isHome, sources)).filter(({ isOpen }) => isOpen);
  }
  if (typed.startsWith("-")) return starting(Object.keys(spec.flags).map((flag) => `--${flag}`));
  if (before.filter((word) => !word.startsWith("-")).length > spec.max) return [];
  switch (spec.words) {
    case "paths":
      return await localPaths(typed, isHome, sources);
    case "names": {
      const names = await sources.knownNames().catch(() => []);
      return starting(names.filter((one) => !before.includes(one)));
    }
    case "commands":
      return starting(commandWords);
    case "devices":
      return starting(before.length === 1 ? ["revoke"] : []);
    case "limits":
      return starting([["up", "down"], ["unlimited"]][before.length - 1] ?? []);
    case "fetches":
      return starting(before.length === 1 ? ["all"] : name === "priority" ? priorities : []);
    case "none":
      return [];
  }
}

/** The entries of the folder that is being typed; hidden ones only to who typed the dot. */
async function localPaths(typed: string, isHome: boolean, sources: CompletionSources): Promise<readonly Candidate[]> {
  if (isHome && typed === "~") return [{ text: "~/", isOpen: true }];
  const cut = typed.lastIndexOf("/") + 1;
  const folder = typed.slice(0, cut);
  const start = typed.slice(cut);
  const expanded = isHome && sources.homeFolder !== undefined ? join(sources.homeFolder, folder.slice(1)) : folder;
  const path = isAbsolute(expanded) ? expanded : join(sources.cwd, expanded);
  const entries = await sources.listFolder(path).catch(() => []);
  return entries
    .filter(({ name }) => name.startsWith(start) && (start !== "" || !name.startsWith(".")))
    .map(({ name, isFolder }) => ({ text: folder + name + (isFolder ? "/" : ""), isOpen: isFolder }));
}

/** A word that is done, in the quotes it was begun with. A leading ~ stays bare, or it would mean a file of that name. */
function quoted(text: string, replaced: string): string {
  if (replaced.startsWith("'") && !text.includes("'")) return `'${text}'`;
  if (replaced.startsWith('"')) return `"${text.replace(/["\\]/g, "\\$&")}"`;
  const [, home = "", rest = text] = /^(~\/)(.*)$/s.exec(text) ?? [];
  return home + (rest === "" ? "" : quoteWord(rest));
}

/** A word that goes on: its quote stays open. */
function openWord(text: string): string {
  const [, home = "", rest = text] = /^(~\/)(.*)$/s.exec(text) ?? [];
  if (rest === "" || quoteWord(rest) === rest) return home + rest;
  return `${home}"${rest.replace(/["\\]/g, "\\$&")}`;
}
