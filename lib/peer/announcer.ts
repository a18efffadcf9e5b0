/**
 * announcer: keeps what the coordinator lists for this device the same as the library. Laws: 1) one exchange at a time;  2) the
 * digest that keep-alives carry is the library's, so a difference is noticed within one of them, whatever was lost;  3) a share that
 * the account removed elsewhere leaves the library and is not announced again.  Spec: PROTOCOL.md "Presence and shares".  (I/O
 * through Control)
 */

import { Buffer } from "node:buffer";
import type { Bytes } from "../core/bytes.ts";
import { RemoteError, ShoalError } from "../core/errors.ts";
import { limits } from "../core/limits.ts";
import { sealedPayloadBytesMax } from "../wire/envelope.ts";
import type { AnswerOf, FileEntry, MessageOf, ShareEntry } from "../wire/message.ts";
import { audienceBytes, sameAudience } from "../core/audience.ts";
import type { Control } from "./control.ts";
import { files } from "./pages.ts";

/** What the announcer needs of the library. */
export interface AnnouncedLibrary {
  /** What is shared now. */
  entries(): readonly ShareEntry[];
  digest(): Bytes;
  /** Forgets shares that the account removed elsewhere. */
  drop(names: readonly string[]): void;
}

/** Bytes that an entry takes beside its texts: heads, id, size; and a member of its audience. */
const entryOverheadBytes = 3 + 34 + 9 + 1 + 2 + 1;
const memberOverheadBytes = 1 + 1 + 2;
/** Requests handed to the control plane at once; it keeps limits.requestsInFlightMax of them in flight. */
const batchesAtOnce = 2 * limits.requestsInFlightMax;

/** How often a request is asked again that the coordinator is too busy for. */
const busyTriesMax = 10;

export class Announcer {
  readonly #control: Pick<Control, "request" | "setPresence">;
  readonly #library: AnnouncedLibrary;
  readonly #tcpPort: number;
  /** The tail of the chain of exchanges; each waits for the one before. */
  #last: Promise<void> = Promise.resolve();
  #reconciling = false;

  constructor(control: Pick<Control, "request" | "setPresence">, library: AnnouncedLibrary, tcpPort: number) {
    this.#control = control;
    this.#library = library;
    this.#tcpPort = tcpPort;
  }

  /** Tells the coordinator where this device serves and what its list hashes to. */
  present(): void {
    this.#control.setPresence(this.#tcpPort, this.#library.digest());
  }

  /**
   * Announces entries that the library has; durable at the coordinator when it settles.
   * @throws {ShoalError} If the coordinator refuses or does not answer; the next keep-alive brings the lists together then.
   */
  share(entries: readonly ShareEntry[]): Promise<void> {
    return this.#inTurn(async () => {
      await this.#share(entries);
      this.present();
    });
  }

  /** Removes names of the whole account; how many shares ended, at any device. */
  async remove(names: readonly string[]): Promise<number> {
    let count = 0;
    await this.#inTurn(async () => {
      count = await this.#send(batch(names, nameBytes, (some) => ({ kind: "remove", names: some, scope: "account" })));
      this.present();
    });
    return count;
  }

  /** Brings the coordinator's list of this device and the library together; at most one waits its turn. */
  reconcile(onError: (error: unknown) => void): void {
    if (this.#reconciling) return;
    this.#reconciling = true;
    this.#inTurn(async () => {
      this.#reconciling = false;
      await this.#reconcile();
      this.present();
    }).catch(onError);
  }

  async #reconcile(): Promise<void> {
    const listed = new Map<string, FileEntry>();
    for await (const entry of files(this.#control, { kind: "listFiles", scope: "device" })) {
      listed.set(entry.name, entry);
    }
    const withdrawn = [...listed.values()].filter((entry) => entry.withdrawn).map((entry) => entry.name);
    this.#library.drop(withdrawn);

    const ours = new Map(this.#library.entries().map((entry) => [entry.name, entry]));
    const gone = [...listed.keys()].filter((name) => !ours.has(name));
    const missing = [...ours.values()].filter((entry) => {
      const there = listed.get(entry.name);
      return there === undefined || there.id !== entry.id || there.bytes !== entry.bytes ||
        there.description !== entry.description || !sameAudience(there.audience, entry.audience);
    });
    await this.#send(batch(gone, nameBytes, (names) => ({ kind: "remove", names, scope: "device" })));
    await this.#share(missing);
  }

  /** Announces entries. An account that may not share forgets them, or they would be announced for ever. */
  async #share(entries: readonly ShareEntry[]): Promise<void> {
    try {
      await this.#send(batch(entries, entryBytes, (some) => ({ kind: "share", entries: some })));
    } catch (error) {
      if (error instanceof ShoalError && error.code === "readOnly") {
        this.#library.drop(entries.map(({ name }) => name));
        this.present();
      }
      throw error;
    }
  }

  async #send(requests: readonly (MessageOf<"share"> | MessageOf<"remove">)[]): Promise<number> {
    let count = 0;
    for (let at = 0; at < requests.length; at += batchesAtOnce) {
      const answers = await Promise.all(
        requests.slice(at, at + batchesAtOnce).map((request) => this.#ask(request)),
      );
      for (const answer of answers) if (answer.kind === "removed") count += answer.count;
    }
    return count;
  }

  /** Asks, and again where the account's rate is spent: a long list takes its time. */
  async #ask(request: MessageOf<"share"> | MessageOf<"remove">): Promise<AnswerOf<"share"> | AnswerOf<"remove">> {
    for (let tries = 1;; tries++) {
      try {
        return await this.#control.request(request, 3 * limits.requestMs);
      } catch (error) {
        const isBusy = error instanceof RemoteError && error.code === "busy" && error.retryAfterMs > 0;
        if (!isBusy || tries >= busyTriesMax) throw error;
        await new Promise((resolve) => setTimeout(resolve, error.retryAfterMs));
      }
    }
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.#last.then(work);
    this.#last = turn.catch((error) => {
      if (!(error instanceof ShoalError)) throw error; // A mistake of ours: not to be hidden here.
    });
    return turn;
  }
}

function entryBytes({ name, audience, description }: ShareEntry): number {
  const members = memberOverheadBytes * (audience?.length ?? 0) + audienceBytes(audience);
  return entryOverheadBytes + Buffer.byteLength(name) + Buffer.byteLength(description) + members;
}

function nameBytes(name: string): number {
  return 3 + Buffer.byteLength(name);
}

/** Splits items into requests that each fit a datagram. */
function batch<T, M>(items: readonly T[], sizeOf: (item: T) => number, toMessage: (items: readonly T[]) => M): M[] {
  const room = sealedPayloadBytesMax - 32;
  const messages: M[] = [];
  let some: T[] = [];
  let used = 0;
  for (const item of items) {
    const size = sizeOf(item);
    if (some.length > 0 && (used + size > room || some.length === limits.entriesMax)) {
      messages.push(toMessage(some));
      some = [];
      used = 0;
    }
    some.push(item);
    used += size;
  }
  if (some.length > 0) messages.push(toMessage(some));
  return messages;
}
