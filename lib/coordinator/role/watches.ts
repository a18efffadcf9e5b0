/**
 * watches: standing searches, and who is told of a share that was made now. Laws: 1) a watch is found by three characters that the name
 * must hold, or by who shares, so that a share is compared with few; with limits.watchLooksMax at the most;  2) bounded, of a
 * session, of an account and in all;  3) a session has one FOUND under way; what comes meanwhile waits, as much as fits the next,
 * and of the rest it is told that there is more;  4) nobody is told of a share that he may not see, nor a device of its own.
 * Spec: PROTOCOL.md "Standing searches".  (pure)
 */

import { limits } from "../../core/limits.ts";
import { foldAccount } from "../../session/opaque.ts";
import type { FileEntry, Message, ShareEntry } from "../../wire/message.ts";
import type { SearchQuery } from "../../wire/search_query.ts";
import { fileEntryOf, sizeOfFile } from "./file_page.ts";
import type { ShareNews } from "./news.ts";
import type { Outbox } from "./outbox.ts";
import { Page } from "./pages.ts";
import { foldName } from "./pattern.ts";
import type { Pushes } from "./pushes.ts";
import { compileQuery, type QueryPattern } from "./query_pattern.ts";
import type { Session } from "./session.ts";

export interface WatchesBounds {
  readonly watchesPerSessionMax: number;
  readonly watchesPerAccountMax: number;
  readonly watchesMax: number;
  readonly watchLooksMax: number;
}

/** Comparisons of characters that count as one look. */
const comparesPerLook = 4_096;

interface Watch {
  readonly session: Session;
  readonly number: number;
  readonly query: SearchQuery;
  readonly pattern: QueryPattern;
  /** What it is found by. */
  readonly keys: readonly string[];
  /** What waits to be told, if anything. */
  waiting: Waiting | undefined;
}

interface Waiting {
  /** What FOUND has beside its files needs less than a cursor. */
  readonly page: Page<FileEntry>;
  more: boolean;
}

/** The watches of one session. */
interface Own {
  readonly watches: Map<number, Watch>;
  /** Whether a FOUND is not answered yet. */
  isTelling: boolean;
}

/** Who shares, here or at another coordinator. */
export interface Sharer {
  readonly device: number;
  readonly foldedAccount: string;
}

export class Watches {
  readonly #outbox: Outbox;
  readonly #pushes: Pushes;
  readonly #bounds: WatchesBounds;
  readonly #bySession = new Map<Session, Own>();
  readonly #byAccount = new Map<string, number>();
  readonly #byKey = new Map<string, Set<Watch>>();
  #size = 0;

  constructor(outbox: Outbox, pushes: Pushes, bounds: WatchesBounds = limits) {
    this.#outbox = outbox;
    this.#pushes = pushes;
    this.#bounds = bounds;
  }

  get size(): number {
    return this.#size;
  }

  /** Begins a watch, in place of one of the same number; the reason why not, where it does not. */
  put(session: Session, number: number, query: SearchQuery): "limit" | "busy" | "wide" | "costly" | undefined {
    const own = this.#bySession.get(session);
    const pattern = compileQuery(query);
    const keys = this.#keysOf(query, pattern);
    if (keys.length === 0) return "wide";
    if (pattern.looks > limits.watchGlobMax + limits.searchTermsMax) return "costly";
    const known = own?.watches.get(number);
    if (known !== undefined) this.#drop(known);
    const ofAccount = this.#byAccount.get(session.foldedAccount) ?? 0;
    if ((own?.watches.size ?? 0) >= this.#bounds.watchesPerSessionMax) return "limit";
    if (ofAccount >= this.#bounds.watchesPerAccountMax) return "limit";
    if (this.#size >= this.#bounds.watchesMax) return "busy";
    this.#add({ session, number, query, pattern, keys, waiting: undefined });
    return undefined;
  }

  /** Ends a watch; one that is not there is ended already. */
  remove(session: Session, number: number): void {
    const known = this.#bySession.get(session)?.watches.get(number);
    if (known !== undefined) this.#drop(known);
  }

  /** Ends all watches of a session. */
  removeAll(session: Session): void {
    for (const watch of this.#bySession.get(session)?.watches.values() ?? []) this.#drop(watch);
    this.#bySession.delete(session);
  }

  /** Takes what a device shares now. */
  shared(sharer: Sharer, shares: readonly ShareNews[], nowMs: number): void {
    if (this.#size === 0) return;
    let looksLeft = this.#bounds.watchLooksMax;
    const restricted = new Map<ShareNews, readonly Watch[]>();
    for (const news of shares) {
      // One is come by twice where it asks for two groups.
      const watches = new Set<Watch>();
      for (const watch of this.#candidates(news.entry, sharer)) {
        if (looksLeft <= 0) break;
        looksLeft -= looksFor(watch, news.entry);
        if (watch.session.device !== sharer.device && matches(watch, news.entry, sharer)) watches.add(watch);
      }
      if (watches.size === 0) continue;
      if (news.entry.audience === null) { for (const watch of watches) this.#tell(watch, news.entry, nowMs); }
      else restricted.set(news, [...watches]);
    }
    if (restricted.size > 0) this.#tellThoseWhoSee(restricted);
  }

  /** Goes on telling a session that has answered a FOUND. */
  answered(session: Session, nowMs: number): void {
    const own = this.#bySession.get(session);
    if (own === undefined) return;
    own.isTelling = false;
    for (const watch of own.watches.values()) {
      if (watch.waiting !== undefined) return this.#push(own, watch, nowMs);
    }
  }

  #tellThoseWhoSee(restricted: ReadonlyMap<ShareNews, readonly Watch[]>): void {
    const news = [...restricted.keys()];
    const devices = new Set([...restricted.values()].flat().map(({ session }) => session.device));
    const ask = { shares: news.map(({ share }) => share), devices: [...devices] };
    this.#outbox.store("sees", ask, (answer, nowMs) => {
      if (!answer.ok) return; // A search finds them.
      for (const [i, one] of news.entries()) {
        const seeing = new Set(answer.value[i]);
        for (const watch of restricted.get(one)!) {
          if (seeing.has(watch.session.device)) this.#tell(watch, one.entry, nowMs);
        }
      }
    });
  }

  #tell(watch: Watch, entry: ShareEntry, nowMs: number): void {
    const own = this.#bySession.get(watch.session);
    if (own?.watches.get(watch.number) !== watch) return; // It ended while the store was asked.
    const { name, id, bytes, description } = entry;
    const file = fileEntryOf({
      name,
      content: { id, bytes },
      holders: 1,
      withdrawn: false,
      sharedAtMs: nowMs,
      description,
      audience: null,
    });
    const waiting = watch.waiting ??= { page: new Page<FileEntry>(limits.foundFilesMax), more: false };
    if (waiting.more || !waiting.page.add(file, sizeOfFile(file))) waiting.more = true;
    if (!own.isTelling) this.#push(own, watch, nowMs);
  }

  #push(own: Own, watch: Watch, nowMs: number): void {
    const { session, number } = watch;
    const { page, more } = watch.waiting!;
    const message: Message = { kind: "found", watch: number, files: page.entries, more };
    own.isTelling = this.#pushes.found(session, message, nowMs);
    if (own.isTelling) watch.waiting = undefined;
    else watch.waiting!.more = true;
  }

  /** The watches that an entry may be for. */
  *#candidates({ name, audience, description }: ShareEntry, sharer: Sharer): Iterable<Watch> {
    const texts = [name, description].map(foldName);
    const groups = (audience ?? []).filter(({ kind }) => kind === "group").map((one) => groupKey(one.name));
    const keys = new Set([
      ...texts.flatMap((text) => [...trigrams(text)]),
      accountKey(sharer.foldedAccount),
      ...groups,
    ]);
    for (const key of keys) yield* this.#byKey.get(key) ?? [];
  }

  /** What a watch can be found by: the trigram that fewest others have; else who shares, or with whom. */
  #keysOf({ filter }: SearchQuery, { literals }: QueryPattern): readonly string[] {
    let best: string | undefined;
    let bestSize = Infinity;
    for (const key of literals.flatMap((literal) => [...trigrams(literal)])) {
      const size = this.#byKey.get(key)?.size ?? 0;
      if (size >= bestSize) continue;
      best = key;
      bestSize = size;
    }
    if (best !== undefined) return [best];
    const accounts = filter.accounts.map((name) => accountKey(foldAccount(name)));
    return [...new Set(accounts.length > 0 ? accounts : filter.groups.map(groupKey))];
  }

  #add(watch: Watch): void {
    const { session } = watch;
    const own = this.#bySession.get(session) ?? { watches: new Map<number, Watch>(), isTelling: false };
    this.#bySession.set(session, own);
    own.watches.set(watch.number, watch);
    for (const key of watch.keys) {
      const known = this.#byKey.get(key);
      if (known === undefined) this.#byKey.set(key, new Set([watch]));
      else known.add(watch);
    }
    this.#byAccount.set(session.foldedAccount, (this.#byAccount.get(session.foldedAccount) ?? 0) + 1);
    this.#size++;
  }

  #drop(watch: Watch): void {
    const { session, number, keys } = watch;
    this.#bySession.get(session)?.watches.delete(number);
    for (const key of keys) {
      const known = this.#byKey.get(key);
      known?.delete(watch);
      if (known?.size === 0) this.#byKey.delete(key);
    }
    const left = this.#byAccount.get(session.foldedAccount)! - 1;
    if (left === 0) this.#byAccount.delete(session.foldedAccount);
    else this.#byAccount.set(session.foldedAccount, left);
    this.#size--;
  }
}

/** What comparing a share with a watch costs, at the worst. */
function looksFor({ pattern }: Watch, { name, description }: ShareEntry): number {
  return 1 + Math.floor(pattern.looks * (name.length + description.length) / comparesPerLook);
}

/** Compares one share with a watch. When it was shared does not matter: it is now. */
function matches({ query: { terms, filter }, pattern }: Watch, entry: ShareEntry, sharer: Sharer): boolean {
  const { name, id, bytes, audience, description } = entry;
  if (bytes < filter.minBytes || bytes > filter.maxBytes) return false;
  if (filter.accounts.length > 0 && !filter.accounts.some((one) => foldAccount(one) === sharer.foldedAccount)) {
    return false;
  }
  const groups = (audience ?? []).filter(({ kind }) => kind === "group").map((one) => foldAccount(one.name));
  if (filter.groups.length > 0 && !filter.groups.some((one) => groups.includes(foldAccount(one)))) return false;
  if (terms.some((term) => term.mode === "id" && term.pattern.toLowerCase() !== id)) return false;
  return pattern.matches(name, description === "" ? [] : [description]);
}

/** Three characters after each other, wherever they stand. */
function* trigrams(text: string): Iterable<string> {
  const characters = [...text];
  for (let at = 0; at + 3 <= characters.length; at++) yield `=${characters.slice(at, at + 3).join("")}`;
}

function accountKey(folded: string): string {
  return `@${folded}`;
}

function groupKey(name: string): string {
  return `#${foldAccount(name)}`;
}
