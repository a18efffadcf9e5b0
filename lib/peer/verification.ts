/**
 * verification: hashes a local file again and compares its id with what the network, or the receipt of its fetch, says. Laws: 1) every
 * byte is read;  2) a receipt proves the bytes, not who sent them, and that is said.  (I/O: files; Control)
 */

import { basename } from "@std/path";
import { hashFile } from "../content/file_hash.ts";
import { lstatOrUndefined } from "../content/locked_file.ts";
import { ContentError, ShoalError, storeErrorFrom } from "../core/errors.ts";
import type { FileEntry } from "../wire/message.ts";
import { searchFor } from "../wire/search_query.ts";
import type { Command, PeerEvent } from "./commands.ts";
import type { Control } from "./control.ts";
import type { FetchStore } from "./fetch_store.ts";
import { files } from "./pages.ts";
import { ProgressPace } from "./progress_pace.ts";
import { parseReceipt, type Receipt } from "./receipt.ts";

type VerifyCommand = Extract<Command, { readonly command: "verify" }>;

export interface VerificationParts {
  readonly control: Pick<Control, "request">;
  readonly receipts: Pick<FetchStore, "receipts">;
  readonly signal: AbortSignal;
  readonly emit: (event: PeerEvent) => void;
}

interface HashedPath {
  readonly path: string;
  readonly id: string;
  readonly bytes: number;
}

/** Larger files are no receipts. */
const receiptBytesMax = 65_536;

/** Answers one `verify`. @throws {ContentError} `integrity`, if the bytes are others. @throws {ShoalError} `notFound`, without anything to compare. */
export async function* verify(command: VerifyCommand, parts: VerificationParts): AsyncGenerator<PeerEvent> {
  if (command.byReceipt === true) {
    yield await verifyReceipt(receiptFor(command, parts), parts);
    yield { type: "note", message: "A receipt proves the bytes, not who sent them: nobody has signed it" };
    return;
  }
  const path = isThere(command.path) ? command.path : byName(command, parts)?.path ?? command.path;
  const hashed = await hashWithProgress(path, parts);
  const named = await sameName(hashed.path, parts);
  const receipt = named.length === 0 ? byPath(path, parts) : undefined;
  yield receipt === undefined ? compare(hashed, named) : compareReceipt(hashed, receipt);
}

/** Writes a receipt as the event that shows it. */
export function receiptEvent(receipt: Receipt): PeerEvent & { readonly type: "receipt" } {
  const { name, path, content: { id, bytes }, holders, fetchedBytes, startedAtMs, finishedAtMs, coordinator } = receipt;
  return { type: "receipt", name, path, bytes, id, holders, fetchedBytes, startedAtMs, finishedAtMs, coordinator };
}

/** The receipt that is meant: of a path, of a name, or what a file holds. @throws {ShoalError} `notFound`. */
function receiptFor(command: VerifyCommand, parts: VerificationParts): Receipt {
  const found = byPath(command.path, parts) ?? readReceipt(command.path) ?? byName(command, parts);
  if (found !== undefined) return found;
  throw new ShoalError("notFound", `Cannot verify ${command.path}: there is no receipt of it`, {
    hint: "See what there is with: receipts",
  });
}

function byName({ word }: VerifyCommand, { receipts }: VerificationParts): Receipt | undefined {
  return word === undefined ? undefined : receipts.receipts({ name: word }).next().value ?? undefined;
}

/** The newest receipt of a path, also where a link leads to it. */
function byPath(path: string, { receipts }: VerificationParts): Receipt | undefined {
  const [receipt] = receipts.receipts({ path });
  if (receipt !== undefined || !isThere(path)) return receipt;
  try {
    const [ofReal] = receipts.receipts({ path: Deno.realPathSync(path) });
    return ofReal;
  } catch (error) {
    throw storeErrorFrom(error, "read", path);
  }
}

function readReceipt(path: string): Receipt | undefined {
  const there = lstatOrUndefined(path);
  if (there === undefined || !there.isFile || there.size > receiptBytesMax) return undefined;
  try {
    return parseReceipt(Deno.readTextFileSync(path));
  } catch (error) {
    throw storeErrorFrom(error, "read", path);
  }
}

async function verifyReceipt(receipt: Receipt, parts: VerificationParts): Promise<PeerEvent> {
  return compareReceipt(await hashWithProgress(receipt.path, parts), receipt);
}

async function hashWithProgress(path: string, { signal, emit }: VerificationParts): Promise<HashedPath> {
  const pace = new ProgressPace();
  const hashed = await hashFile(path, {
    signal,
    onProgress: (doneBytes, totalBytes) => {
      if (pace.isDue()) emit({ type: "progress", name: basename(path), doneBytes, totalBytes, activity: "hash" });
    },
  });
  return { path, id: hashed.content.id, bytes: hashed.content.bytes };
}

/** What the network has under the file's last name component, in any folder. */
async function sameName(path: string, { control, signal }: VerificationParts): Promise<readonly FileEntry[]> {
  const name = basename(path).normalize("NFC");
  const found: FileEntry[] = [];
  for await (const entry of files(control, { kind: "search", ...searchFor("substring", name) })) {
    signal.throwIfAborted();
    if (entry.name === name || entry.name.endsWith(`/${name}`)) found.push(entry);
  }
  return found;
}

function compare({ path, id, bytes }: HashedPath, named: readonly FileEntry[]): PeerEvent {
  const same = named.find((entry) => entry.id === id && entry.bytes === bytes);
  if (same !== undefined) return { type: "verified", path, bytes, id, name: same.name, by: "network" };
  if (named.length > 0) {
    throw new ContentError("integrity", `${path} is not what the network has under that name`, {
      contentId: id,
      hint: `Fetch it again with --overwrite, or by its id`,
    });
  }
  throw new ShoalError("notFound", `Cannot verify ${path}: nobody online shares a file of that name`, {
    hint: `Its content id is ${id}`,
  });
}

function compareReceipt({ path, id, bytes }: HashedPath, { name, content }: Receipt): PeerEvent {
  if (id === content.id && bytes === content.bytes) {
    return { type: "verified", path, bytes, id, name, by: "receipt" };
  }
  throw new ContentError("integrity", `${path} is not what was fetched: its receipt has another content id`, {
    contentId: id,
    hint: `Fetch it again with --overwrite: ${content.id}`,
  });
}

function isThere(path: string): boolean {
  return lstatOrUndefined(path) !== undefined;
}
