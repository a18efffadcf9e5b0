/** download: downloads of one file of five pieces, for the tests of part_file. */

import { assert, assertRejects } from "@std/assert";
import { StoreError } from "../../lib/core/errors.ts";
import { kib } from "../../lib/core/limits.ts";
import type { OnExists } from "../../lib/content/final_name.ts";
import type { Manifest } from "../../lib/content/manifest.ts";
import { type OpenedPart, PartFile } from "../../lib/content/part_file.ts";
import { manifestOf, pattern, safe, type TempFolder } from "./fixtures.ts";

export const pieceBytes = 256 * kib;
export const bytes = 4 * pieceBytes + 1000;
export const file = pattern(bytes);
export const manifest = manifestOf(file);

export interface Choices {
  readonly name?: string;
  readonly onExists?: OnExists;
  readonly manifest?: Manifest;
  readonly signal?: AbortSignal;
}

/** Opens a download in `folder/down` with its journal in `folder/state`. */
export function open(folder: TempFolder, choices: Choices = {}): Promise<OpenedPart> {
  return PartFile.open({
    folder: `${folder.path}/down`,
    journalFolder: `${folder.path}/state`,
    onExists: "refuse",
    manifest,
    ...choices,
    name: safe(choices.name ?? "file.bin"),
  });
}

export async function openPart(folder: TempFolder, choices: Choices = {}): Promise<PartFile> {
  const opened = await open(folder, choices);
  assert(opened.kind === "part", "the file is there already");
  return opened.part;
}

export function pieceOf(of: Uint8Array, index: number): Uint8Array {
  return of.subarray(index * pieceBytes, (index + 1) * pieceBytes);
}

/** Writes every piece that is missing. */
export function fill(part: PartFile, of: Uint8Array = file): void {
  for (const index of part.missing()) {
    part.asked(index);
    part.writeVerified(index, pieceOf(of, index));
  }
}

/** Runs a download to its end and answers the path. */
export async function fetchWhole(folder: TempFolder, choices: Choices = {}, of: Uint8Array = file): Promise<string> {
  using part = await openPart(folder, { manifest: manifestOf(of), ...choices });
  fill(part, of);
  return await part.finish({ sync: true });
}

export function namesIn(path: string): string[] {
  return [...Deno.readDirSync(path)].map((entry) => entry.name).sort();
}

export async function codeOf(work: () => Promise<unknown>): Promise<string> {
  return (await assertRejects(work, StoreError)).code;
}

/** Puts a file into the download folder. */
export function write(folder: TempFolder, name: string, of: Uint8Array | string): void {
  Deno.mkdirSync(`${folder.path}/down`, { recursive: true });
  const content = typeof of === "string" ? new TextEncoder().encode(of) : of;
  Deno.writeFileSync(`${folder.path}/down/${name}`, content);
}
