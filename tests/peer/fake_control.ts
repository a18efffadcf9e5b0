/** fake_control: a coordinator's answers in memory, for what asks through Control. */

import type { ContentId } from "../../lib/core/ids.ts";
import type { Control } from "../../lib/peer/control.ts";
import type { FileEntry, Request, ShareEntry } from "../../lib/wire/message.ts";
import { forEveryone } from "../../lib/core/audience.ts";

/** An id whose 64 digits are all `digit`. */
export function idOf(digit: string): ContentId {
  return digit.repeat(64) as ContentId;
}

export function fileEntry(name: string, digit: string, bytes = 10, holders = 1): FileEntry {
  return { name, id: idOf(digit), bytes, holders, withdrawn: false, sharedAtMs: 1_000, ...forEveryone };
}

/** Answers like a coordinator that has one device; pages hold two rows. */
export class FakeControl implements Pick<Control, "request" | "setPresence"> {
  readonly asked: Request[] = [];
  readonly listed = new Map<string, FileEntry>();
  searchable: FileEntry[] = [];
  presentedDigest: Uint8Array | undefined;

  setPresence(_tcpPort: number, shareDigest: Uint8Array): void {
    this.presentedDigest = shareDigest;
  }

  // deno-lint-ignore no-explicit-any -- one body answers every kind; the callers' types are Control's.
  request(request: any): Promise<any> {
    this.asked.push(request);
    return Promise.resolve(this.#answer(request));
  }

  #answer(request: Request) {
    switch (request.kind) {
      case "share":
        for (const entry of request.entries) {
          this.listed.set(entry.name, { ...entry, holders: 1, withdrawn: false, sharedAtMs: 1_000 });
        }
        return { kind: "done" };
      case "remove": {
        const count = request.names.filter((name) => this.listed.delete(name)).length;
        return { kind: "removed", count };
      }
      case "listFiles":
        return page([...this.listed.values()], request.cursor);
      case "search":
        return page(
          this.searchable.filter((entry) =>
            request.query.terms.every(({ mode, pattern }) => matches(mode, pattern, entry))
          ),
          request.cursor,
        );
      default:
        throw new Error(`Not answered here: ${request.kind}`);
    }
  }
}

function page(all: readonly FileEntry[], cursor: Uint8Array) {
  const from = cursor[0] ?? 0;
  const next = from + 2 < all.length ? new Uint8Array([from + 2]) : new Uint8Array(0);
  return { kind: "files", files: all.slice(from, from + 2), cursor: next };
}

function matches(mode: string, pattern: string, entry: FileEntry): boolean {
  if (mode === "name") return entry.name === pattern;
  if (mode === "id") return entry.id === pattern;
  return mode === "glob" ? entry.name.startsWith(pattern.replace("*", "")) : entry.name.includes(pattern);
}

export function shareEntry(name: string, digit: string, bytes = 10): ShareEntry {
  return { name, id: idOf(digit), bytes, ...forEveryone };
}
