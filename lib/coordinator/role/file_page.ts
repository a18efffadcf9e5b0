/** file_page: files as an answer tells them, and how many fit. Law: the largest legal one fits, beside a cursor that holds a name.  (pure) */

import type { FileEntry } from "../../wire/message.ts";
import { idSize, sizeOf } from "./pages.ts";
import type { FileRow } from "./store_effects.ts";

export function fileEntryOf(row: Omit<FileRow, "row">): FileEntry {
  const { name, content: { id, bytes }, holders, withdrawn, sharedAtMs, description, audience } = row;
  return { name, id, bytes, holders, withdrawn, sharedAtMs, description, audience };
}

/** Bytes of an entry, at the most: its head, flag and id, and the rest. */
export function sizeOfFile({ name, bytes, holders, sharedAtMs, description, audience }: FileEntry): number {
  const members = audience === null ? 1 : sizeOf(audience.map((one) => [0, one.name]));
  return 2 + idSize + sizeOf(name) + sizeOf(bytes) + sizeOf(holders) + sizeOf(sharedAtMs) + sizeOf(description) +
    members;
}
