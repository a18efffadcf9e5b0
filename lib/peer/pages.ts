/** pages: the coordinator's paged answers as one sequence. A cursor is opaque and goes back as it came.  (I/O through Control) */

import type { Content } from "../core/ids.ts";
import type { DeviceEntry, FileEntry, HolderEntry, MessageOf, PeerEntry } from "../wire/message.ts";
import type { Control } from "./control.ts";

const firstPage = new Uint8Array(0);

type FileQuestion = Omit<MessageOf<"listFiles">, "cursor"> | Omit<MessageOf<"search">, "cursor">;

/** Every file of a list or a search, in the coordinator's order. @throws {ShoalError} If a page does not come. */
export async function* files(control: Pick<Control, "request">, question: FileQuestion): AsyncGenerator<FileEntry> {
  let cursor: Uint8Array<ArrayBuffer> = firstPage;
  do {
    const page = question.kind === "search"
      ? await control.request({ ...question, cursor })
      : await control.request({ ...question, cursor });
    yield* page.files;
    cursor = page.cursor;
  } while (cursor.length > 0);
}

/** Every device of every account. */
export async function* peers(control: Pick<Control, "request">): AsyncGenerator<PeerEntry> {
  let cursor: Uint8Array<ArrayBuffer> = firstPage;
  do {
    const page = await control.request({ kind: "listPeers", cursor });
    yield* page.peers;
    cursor = page.cursor;
  } while (cursor.length > 0);
}

/** Every device of the own account. */
export async function* devices(control: Pick<Control, "request">): AsyncGenerator<DeviceEntry> {
  let cursor: Uint8Array<ArrayBuffer> = firstPage;
  do {
    const page = await control.request({ kind: "devices", cursor });
    yield* page.devices;
    cursor = page.cursor;
  } while (cursor.length > 0);
}

/**
 * Every device that can be asked for a content: first those that have it whole, then those that fetch it too; one that was reported comes
 * behind its like. With `offer` this device is told to others as one that fetches it, for limits.offerMs or until it asks without.
 */
export async function* holders(
  control: Pick<Control, "request">,
  { id, bytes }: Content,
  { offer }: { readonly offer: boolean } = { offer: false },
): AsyncGenerator<HolderEntry> {
  let cursor: Uint8Array<ArrayBuffer> = firstPage;
  do {
    const page = await control.request({ kind: "locate", content: { id, bytes }, offer, cursor });
    yield* page.holders;
    cursor = page.cursor;
  } while (cursor.length > 0);
}
