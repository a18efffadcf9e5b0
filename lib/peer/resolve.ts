/**
 * resolve: turns what a person wants fetched into exact files. Laws: 1) a word of 64 hex digits is a content id, one with `*`, `?` or
 * `[` a glob, any other a whole name, or else a folder's, with all that is in it;  2) a name that stands for several contents is never guessed: it is told as ambiguous;
 * 3) contents are compared as (id, bytes).  (I/O through Control)
 */

import { ShoalError } from "../core/errors.ts";
import { type Content, type ContentId, contentKey, parseContentId } from "../core/ids.ts";
import type { FileEntry } from "../wire/message.ts";
import { searchFor, type SearchMode } from "../wire/search_query.ts";
import type { FetchTarget, FileEvent } from "./commands.ts";
import type { Control } from "./control.ts";
import { isGlob } from "./glob.ts";
import { files } from "./pages.ts";

/** One exact file to fetch. */
export interface WantedFile {
  readonly name: string;
  readonly content: Content;
}

/** A name that stands for several contents: a person has to choose. */
export interface AmbiguousName {
  readonly name: string;
  readonly choices: readonly FileEvent[];
}

/** What a target means; a glob may mean files and ambiguous names alike. */
export interface Resolved {
  readonly files: readonly WantedFile[];
  readonly ambiguous: readonly AmbiguousName[];
}

/** A glob that means more files than this is refused: it is more likely a slip than a wish. */
const filesMax = 100_000;

/** How a word to fetch is to be searched for. */
export function searchModeOf(pattern: string): SearchMode {
  if (parseContentId(pattern) !== undefined) return "id";
  return isGlob(pattern) ? "glob" : "name";
}

/** Writes a file of the network as the event that shows it. */
export function fileEvent(entry: FileEntry): FileEvent {
  const { name, bytes, id, holders, sharedAtMs, description, audience } = entry;
  return {
    ...{ type: "file", name, bytes, id, holders, sharedAtMs },
    ...(description === "" ? {} : { description }),
    ...(audience === null ? {} : { audience }),
  };
}

/** Finds what one target means. @throws {ShoalError} `notFound` if nobody online shares it. */
export async function resolveTarget(control: Pick<Control, "request">, target: FetchTarget): Promise<Resolved> {
  if ("file" in target) {
    const { name, id, bytes } = target.file;
    return { files: [{ name, content: { id: id as ContentId, bytes } }], ambiguous: [] };
  }
  const { pattern } = target;
  const mode = searchModeOf(pattern);
  const found: FileEntry[] = [];
  // A file whose very name has a glob's characters is meant by its name first.
  if (mode === "glob") await collect(control, "name", pattern, found);
  if (found.length === 0) await collect(control, mode, mode === "id" ? pattern.toLowerCase() : pattern, found);
  if (found.length === 0 && mode === "name") await collectFolder(control, pattern, found);
  if (found.length === 0) {
    throw new ShoalError("notFound", `Cannot fetch ${JSON.stringify(pattern)}: nobody online shares it`, {
      hint: "See what there is with: find <part of the name>",
    });
  }
  if (mode === "id") return resolveId(pattern, found);
  return resolveNames(found);
}

/** Finds what is shared below a folder: a glob that knows no difference between upper and lower case, then the very name. */
async function collectFolder(control: Pick<Control, "request">, name: string, found: FileEntry[]): Promise<void> {
  const below = `${name.replace(/\/+$/, "")}/`;
  const inside: FileEntry[] = [];
  await collect(control, "glob", `${below}*`, inside);
  found.push(...inside.filter((entry) => entry.name.startsWith(below)));
}

async function collect(
  control: Pick<Control, "request">,
  mode: SearchMode,
  pattern: string,
  found: FileEntry[],
): Promise<void> {
  for await (const entry of files(control, { kind: "search", ...searchFor(mode, pattern) })) {
    found.push(entry);
    if (found.length > filesMax) {
      throw new ShoalError("limit", `Cannot fetch ${JSON.stringify(pattern)}: it means more than ${filesMax} files`, {
        hint: "Use a narrower pattern",
      });
    }
  }
}

/** One id: one file, under the name that most holders give it; two sizes of one id are two contents. */
function resolveId(pattern: string, found: readonly FileEntry[]): Resolved {
  const sizes = new Set(found.map((entry) => entry.bytes));
  if (sizes.size > 1) return { files: [], ambiguous: [{ name: pattern, choices: found.map(fileEvent) }] };
  const best = found.reduce((a, b) => b.holders > a.holders ? b : a);
  return { files: [wanted(best)], ambiguous: [] };
}

function resolveNames(found: readonly FileEntry[]): Resolved {
  const byName = new Map<string, FileEntry[]>();
  for (const entry of found) {
    const same = byName.get(entry.name);
    if (same === undefined) byName.set(entry.name, [entry]);
    else if (!same.some((one) => contentKey(one) === contentKey(entry))) same.push(entry);
  }
  const files: WantedFile[] = [];
  const ambiguous: AmbiguousName[] = [];
  for (const [name, entries] of byName) {
    if (entries.length === 1) files.push(wanted(entries[0]!));
    else ambiguous.push({ name, choices: entries.map(fileEvent) });
  }
  return { files, ambiguous };
}

function wanted(entry: FileEntry): WantedFile {
  return { name: entry.name, content: { id: entry.id, bytes: entry.bytes } };
}
