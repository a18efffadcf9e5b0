/**
 * peer_requests: what a logged-in peer asks, and what it is answered. Laws: 1) a write takes effect once, a repeat gets the
 * stored answer; a read is done again, but not while it is under way;  2) an answer leaves when the store's has come: durable
 * before acknowledged;  3) the store questions of one session are bounded.
 * Spec: PROTOCOL.md "Requests", "Control messages".  (pure)
 */

import type { Bytes } from "../../core/bytes.ts";
import { emptyContentId } from "../../core/ids.ts";
import { limits } from "../../core/limits.ts";
import { verifyDevice } from "../../session/proofs.ts";
import type { Written } from "../../wire/cbor_item.ts";
import {
  type DeviceEntry,
  encodeFiles,
  encodeMessage,
  errorMessage,
  type FileEntry,
  type Message,
  type MessageBody,
  type MessageOf,
  type PeerEntry,
  type Request,
  type ShareEntry,
  writeFiles,
} from "../../wire/message.ts";
import type { AddressRates } from "./address_rates.ts";
import type { AudienceChanges } from "./audience_changes.ts";
import type { Cursors } from "./cursor.ts";
import { fileEntryOf, sizeOfFile } from "./file_page.ts";
import { numbersOf, placeFrom } from "./holder_order.ts";
import type { Introductions } from "./introductions.ts";
import type { Offers } from "./offers.ts";
import type { Outbox } from "./outbox.ts";
import type { Passwords } from "./passwords.ts";
import { Page, sizeOf } from "./pages.ts";
import { PageAhead } from "./page_ahead.ts";
import type { Presence } from "./presence.ts";
import type { Pushes } from "./pushes.ts";
import type { Reachability } from "./reachability.ts";
import { RecentWriters } from "./recent_writers.ts";
import type { Reports } from "./reports.ts";
import { cursorOfPlace, placeOfCursor, searchNumbers } from "./search_place.ts";
import type { Session } from "./session.ts";
import type { SessionTable } from "./session_table.ts";
import type { Siblings } from "./siblings.ts";
import type { Shedding } from "./shedding.ts";
import type { FileRow, SearchPlace, StoreOperation, StoreOperations } from "./store_effects.ts";
import type { RequestTallies } from "./tallies.ts";
import { TokenBuckets } from "./token_buckets.ts";
import type { Watches } from "./watches.ts";

/** Entries in one answer (message.ts), and the rows to ask the store for: of files as many as fit where names are short. */
const entriesMax = 64;
const fileRows = 16;
/** More than ever fit: where the store does not say whether there are more, a row that is left over does. */
const fullRows = 32;
/** The same for a page that is not the first: who asks for it asks for those behind it too. */
const fileRowsAhead = 16 * fileRows;
const peerRows = entriesMax + 1;
const reportBucket = { count: 1, capacity: limits.reportsPerMinute, tokenMs: 60_000 / limits.reportsPerMinute };
/** How long a peer that met a full queue waits, in milliseconds. */
const busyRetryMs = 1_000;
const notOfThisList = errorMessage("usage", "the cursor is not of this list");
const watchRefusals = {
  limit: errorMessage("limit", "this account has as many standing searches as it may"),
  busy: errorMessage("busy", "there are too many standing searches", busyRetryMs),
  wide: errorMessage("usage", "it needs three characters in a row, an account or a group"),
  costly: errorMessage("usage", `the globs of a standing search have at most ${limits.watchGlobMax} characters`),
} as const;

const noCursor = new Uint8Array(0);

type RequestKind = Request["kind"];
const writes: ReadonlySet<RequestKind> = new Set<RequestKind>([
  "auth",
  "enrol",
  "share",
  "remove",
  "leave",
  "report",
  "revokeDevice",
  "changePassword",
  "setPassword",
  "watch",
  "unwatch",
]);

export interface PeerRequestsOptions {
  readonly outbox: Outbox;
  readonly sessions: SessionTable;
  readonly presence: Presence;
  readonly pushes: Pushes;
  readonly reachability: Reachability;
  readonly introductions: Introductions;
  readonly offers: Offers;
  readonly reports: Reports;
  readonly siblings: Siblings;
  readonly watches: Watches;
  readonly audienceChanges: AudienceChanges;
  readonly cursors: Cursors;
  readonly ticketRoot: Uint8Array;
  readonly keepAliveMs: number;
  readonly passwords: Passwords;
  readonly tallies: RequestTallies;
  readonly shedding: Shedding;
  readonly rates: AddressRates;
  /** Ends a device's session and transfers, by its row number. */
  readonly endDevice: (device: number, nowMs: number, asker: Session) => void;
}

/** One request on its way to its answer. */
interface Asked {
  readonly session: Session;
  readonly transaction: number;
  readonly kind: RequestKind;
  readonly isWrite: boolean;
  readonly askedAtMs: number;
  /** How often rights had been lost before it. */
  readonly losses: number;
}

/** A list of files that is told in pages. */
interface FileList<R> {
  readonly newPage: () => Page<FileEntry>;
  /** When the store was asked. */
  readonly readAtMs: number;
  /** The cursor behind a row. */
  readonly behind: (row: R) => Bytes;
  /** The cursor behind all that was read; undefined, if there is no more. */
  readonly end?: Bytes;
}

/** The rest of a list, and how often rights had been lost when it was read. */
interface ListRest {
  readonly losses: number;
  readonly answer: (asked: Asked) => void;
}

type Found = StoreOperations["search"]["answer"];

/** The first page of an answer, and where the next one begins. */
interface CommonPage {
  readonly files: readonly FileEntry[];
  readonly written: Written;
  readonly next: SearchPlace | null;
}

export class PeerRequests {
  readonly #options: PeerRequestsOptions;
  readonly #ahead = new PageAhead<ListRest>();
  readonly #writers = new RecentWriters();
  /** As long as the store keeps the answers. */
  readonly #common = new WeakMap<Found, CommonPage>();

  constructor(options: PeerRequestsOptions) {
    this.#options = options;
  }

  /** What a session is told of itself, in AUTH's and STATUS's answers. */
  alive(session: Session, shareDigest: Uint8Array, nowMs: number): MessageBody<"alive"> {
    return {
      keepAliveMs: this.#options.keepAliveMs,
      timeMs: nowMs,
      ticketKeys: session.ticketKeys(this.#options.ticketRoot, nowMs),
      sharesMatch: session.hasShares(shareDigest),
      observed: session.endpoint,
      reachable: session.reachable,
      coordinators: this.#options.siblings.endpointsFor(session),
    };
  }

  /** Keeps the answer to the request that a session begins with. */
  keepFirst(session: Session, transaction: number, payload: Bytes, nowMs: number): void {
    session.answers.arrive(transaction, nowMs);
    session.answers.answer(transaction, payload);
    this.#writers.note(session, nowMs);
  }

  /** Takes a request of a session. */
  handle(session: Session, transaction: number, request: Request, nowMs: number): void {
    const { kind } = request;
    const { losses } = this.#options.audienceChanges;
    const asked: Asked = { session, transaction, kind, isWrite: writes.has(kind), askedAtMs: nowMs, losses };
    if (!this.#isToBeDone(asked)) return;
    if (request.kind === "status") {
      session.answers.forgetOld(nowMs);
      this.#options.reachability.announce(session, request.tcpPort, nowMs);
      this.#answer(asked, { kind: "alive", ...this.alive(session, request.shareDigest, nowMs) });
    } else if (session.asks >= limits.storeAsksPerSessionMax) {
      this.#answer(asked, errorMessage("busy", "too many requests at once", busyRetryMs));
    } else {
      const refusal = kind === "leave" ? undefined : this.#refusalOf(asked, nowMs);
      if (refusal === undefined) this.#begin(asked, request, nowMs);
      else this.#answer(asked, refusal);
    }
  }

  /** Why a request is not done now, as an answer. */
  #refusalOf({ session, kind, isWrite }: Asked, nowMs: number): MessageOf<"error"> | undefined {
    const { shedding, rates } = this.#options;
    const byAddress = rates.spendRequest(session.placesIn(rates), nowMs);
    if (byAddress > 0) return errorMessage("busy", "this address asks too often", byAddress);
    const byAccount = session.standing.spend(isWrite, nowMs, shedding.memberPrice(limits.requestPriceMax));
    if (byAccount > 0) return errorMessage("busy", "this account asks too often", byAccount);
    if (shedding.admitsRequest(kind, nowMs)) return undefined;
    return errorMessage("busy", "the coordinator is busy", shedding.retryAfterMs(nowMs));
  }

  /** Tells whether a request is new; answers or drops it where it is not. */
  #isToBeDone(asked: Asked): boolean {
    const { session, transaction, isWrite } = asked;
    if (!isWrite) return session.state !== "left" && !session.isReading(transaction);
    const arrival = session.answers.arrive(transaction, asked.askedAtMs);
    if (arrival.kind === "new") this.#writers.note(session, asked.askedAtMs);
    switch (arrival.kind) {
      case "new":
        return session.state !== "left";
      case "working":
        return false;
      case "repeat":
        this.#options.outbox.send(session.endpoint, session.channel.seal(arrival.payload));
        return false;
      case "stale":
        session.send(this.#options.outbox, transaction, errorMessage("protocol", "a transaction from too long ago"));
        return false;
    }
  }

  #begin(asked: Asked, request: Exclude<Request, { kind: "status" }>, nowMs: number): void {
    const { passwords } = this.#options;
    const answer = (message: Message) => this.#answer(asked, message);
    switch (request.kind) {
      case "auth":
        return this.#answer(asked, errorMessage("protocol", "this session is authenticated"));
      case "leave":
        this.#options.presence.leave(asked.session, nowMs);
        return this.#answer(asked, { kind: "done" });
      case "enrol":
        return this.#enrol(asked, request);
      case "share":
        return this.#share(asked, request.entries, nowMs);
      case "remove":
        return this.#remove(asked, request);
      case "listPeers":
        return this.#listPeers(asked, request);
      case "listFiles":
        return this.#listFiles(asked, request);
      case "search":
        return this.#search(asked, request);
      case "watch":
        return this.#watch(asked, request);
      case "unwatch":
        this.#options.watches.remove(asked.session, request.watch);
        return this.#answer(asked, { kind: "done" });
      case "audience": {
        const ask = { device: asked.session.device, audience: request.audience };
        return this.#ask(asked, "unknownAudience", ask, (unknown) => {
          this.#answer(asked, { kind: "audienceIs", unknown });
        });
      }
      case "locate":
        return this.#locate(asked, request, nowMs);
      case "setTicket":
        return this.#setTicket(asked, request);
      case "devices":
        return this.#devices(asked, request);
      case "revokeDevice":
        return this.#revokeDevice(asked, request);
      case "report":
        return this.#report(asked, request, nowMs);
      case "register":
      case "registerRecord":
        return this.#answer(asked, errorMessage("usage", "this session is no invite's"));
      case "changePassword":
        return passwords.begin(asked.session, request, nowMs, answer);
      case "setPassword":
        return passwords.finish(asked.session, request, nowMs, answer);
      case "account":
        return this.#ask(asked, "account", { account: request.account }, (found) => {
          this.#answer(
            asked,
            found === undefined
              ? errorMessage("notFound", "there is no such account")
              : { kind: "accountIs", ...found },
          );
        });
    }
  }

  // ---- writes ----

  #enrol(asked: Asked, { accountKey, signature }: MessageOf<"enrol">): void {
    const { session } = asked;
    if (!verifyDevice(accountKey.publicKey, signature, session.account, session.deviceId)) {
      return this.#answer(asked, errorMessage("denied", "the signature is not by this account key"));
    }
    const ask = { account: session.account, device: session.device, accountKey, signature };
    this.#ask(asked, "putAccountKey", ask, (stored) => {
      session.enrolled = stored.enrolled;
      this.#answer(asked, { kind: "enrolled", accountKey: stored.accountKey, enrolled: stored.enrolled });
    });
  }

  #share(asked: Asked, entries: readonly ShareEntry[], nowMs: number): void {
    const { session, transaction } = asked;
    const refusal = refusalOf(entries);
    if (refusal !== undefined) return this.#answer(asked, refusal);
    const { offers, siblings, watches, audienceChanges } = this.#options;
    this.#ask(asked, "share", { device: session.device, entries, nowMs }, (told, sharedAtMs) => {
      const { shareDigest, added, narrowed } = told;
      session.noteShares(shareDigest);
      for (const entry of entries) offers.told(session, entry, false, transaction, sharedAtMs);
      audienceChanges.narrowed(session.device, narrowed, sharedAtMs);
      const shares = added.map(({ entry, share }) => ({ entry: entries[entry]!, share }));
      watches.shared(session, shares, nowMs);
      siblings.shared(session, shares);
      this.#answer(asked, { kind: "done" });
    });
  }

  #remove(asked: Asked, { names, scope }: MessageOf<"remove">): void {
    const { session } = asked;
    const { siblings, audienceChanges } = this.#options;
    if (names.length === 0) return this.#answer(asked, errorMessage("usage", "no names"));
    this.#ask(asked, "remove", { device: session.device, names, scope }, ({ count, devices }, nowMs) => {
      for (const one of devices) {
        siblings.listChanged(one, session, nowMs);
        audienceChanges.narrowed(one.device, one.narrowed, nowMs);
      }
      this.#answer(asked, { kind: "removed", count });
    });
  }

  #report(asked: Asked, { deviceId, ticket, reason }: MessageOf<"report">, nowMs: number): void {
    const { session } = asked;
    const { introductions, reports, sessions, siblings, outbox } = this.#options;
    const tokens = session.reportTokens ??= new TokenBuckets(reportBucket);
    const waitMs = tokens.waitMs(0, nowMs);
    if (!tokens.take(0, nowMs)) return this.#answer(asked, errorMessage("busy", "too many reports", waitMs));
    const content = introductions.contentOf(session, deviceId, ticket, nowMs);
    if (content === undefined) {
      return this.#answer(asked, errorMessage("denied", "this is no ticket of this account for that holder"));
    }
    if (reports.note(session.foldedAccount, deviceId, content, nowMs)) {
      const [known] = sessions.ofDeviceId(deviceId);
      const holder = known === undefined ? deviceId : `${deviceId} ${known.account} ${known.label}`;
      outbox.log({ event: "reported", account: session.account, device: session.label, holder, reason });
      siblings.tell({ kind: "reported", account: session.foldedAccount, holder: deviceId, content });
    }
    this.#answer(asked, { kind: "done" });
  }

  #revokeDevice(asked: Asked, { label }: MessageOf<"revokeDevice">): void {
    const { session } = asked;
    this.#ask(asked, "revokeDevice", { account: session.account, label }, ({ device }, nowMs) => {
      this.#options.outbox.log({ event: "deviceRevoked", account: session.account, device: label });
      this.#options.endDevice(device, nowMs, session);
      this.#answer(asked, { kind: "done" });
    });
  }

  // ---- reads ----

  #devices(asked: Asked, { cursor }: MessageOf<"devices">): void {
    const { account } = asked.session;
    const query = "devices";
    const after = this.#after(asked, cursor, query);
    if (after === undefined) return;
    this.#ask(asked, "listDevices", { account, after, limit: peerRows }, (rows) => {
      const page = new Page<DeviceEntry>(entriesMax);
      let last = 0;
      for (const { row, label, enrolledAtMs, online, changedAtMs } of rows) {
        const entry = { label, enrolledAtMs, online, changedAtMs };
        if (!page.add(entry, 2 + sizeOf(label) + sizeOf(enrolledAtMs ?? 0) + sizeOf(changedAtMs))) break;
        last = row;
      }
      const more = page.entries.length < rows.length;
      const next = this.#cursor(asked, query, more ? last : 0);
      this.#answer(asked, { kind: "devicesAre", devices: page.entries, cursor: next });
    });
  }

  #listPeers(asked: Asked, { cursor }: MessageOf<"listPeers">): void {
    const query = "listPeers";
    const after = this.#after(asked, cursor, query);
    if (after === undefined) return;
    this.#ask(asked, "listPeers", { after, limit: peerRows }, (rows) => {
      const page = new Page<PeerEntry>(entriesMax);
      let last = 0;
      for (const { row, account, label, online, changedAtMs } of rows) {
        const entry = { account, label, online, changedAtMs };
        if (!page.add(entry, 2 + sizeOf(account) + sizeOf(label) + sizeOf(changedAtMs))) break;
        last = row;
      }
      const more = page.entries.length < rows.length;
      this.#answer(asked, { kind: "peers", peers: page.entries, cursor: this.#cursor(asked, query, more ? last : 0) });
    });
  }

  #listFiles(asked: Asked, { scope, cursor }: MessageOf<"listFiles">): void {
    if (this.#hadAhead(asked, cursor)) return;
    const query = `listFiles ${scope}`;
    const after = this.#after(asked, cursor, query);
    if (after === undefined) return;
    const limit = Math.max(fullRows, rowsFor(cursor));
    this.#ask(asked, "listFiles", { device: asked.session.device, scope, after, limit }, (rows, nowMs) => {
      const list = { newPage: () => new Page<FileEntry>(entriesMax), readAtMs: nowMs };
      this.#answerFiles(asked, rows, { ...list, behind: ({ row }) => this.#cursor(asked, query, row) });
    });
  }

  #search(asked: Asked, { cursor, kind: _, ...question }: MessageOf<"search">): void {
    if (this.#hadAhead(asked, cursor)) return;
    const { cursors } = this.#options;
    const { order } = question;
    const { device, foldedAccount } = asked.session;
    const query = `search ${JSON.stringify(question)}`;
    const place = cursor.length === 0
      ? null
      : cursors.readAt(cursor, foldedAccount, query, searchNumbers[order]) ?? undefined;
    if (place === undefined) return this.#answer(asked, notOfThisList);
    const after = place && placeOfCursor(order, place);
    this.#ask(asked, "search", { ...question, device, after, limit: rowsFor(cursor) }, (found, readAtMs) => {
      const behind = (at: SearchPlace) => cursors.makeAt(foldedAccount, query, cursorOfPlace(order, at));
      const textBytes = order === "name" ? limits.nameBytesMax : 0;
      const newPage = () => new Page<FileEntry>(entriesMax, searchNumbers[order], textBytes);
      if (found.isForAll) return this.#answerCommon(asked, this.#commonPage(found, newPage), behind);
      const end = found.next === null ? noCursor : behind(found.next);
      this.#answerFiles(asked, found.rows, { newPage, readAtMs, behind: ({ place }) => behind(place), end });
    });
  }

  /** The first page of an answer that others are given as well: it is written once for all of them. */
  #commonPage(found: Found, newPage: () => Page<FileEntry>): CommonPage {
    const known = this.#common.get(found);
    if (known !== undefined) return known;
    const { rows } = found;
    const files = filesOf(rows, newPage());
    const next = files.length < rows.length ? rows[files.length - 1]!.place : found.next;
    const page = { files, written: writeFiles(files), next };
    this.#common.set(found, page);
    return page;
  }

  #answerCommon(asked: Asked, { files, written, next }: CommonPage, behind: (at: SearchPlace) => Bytes): void {
    const cursor = next === null ? noCursor : behind(next);
    this.#answer(asked, { kind: "files", files, cursor }, encodeFiles(asked.transaction, written, cursor));
  }

  /** Answers with what was read ahead, if this is the page that begins there. */
  #hadAhead(asked: Asked, cursor: Uint8Array): boolean {
    const rest = this.#ahead.take(asked.session, cursor, asked.askedAtMs);
    if (rest?.losses !== asked.losses) return false;
    rest.answer(asked);
    return true;
  }

  /** Answers with as many of the rows as fit, and keeps the rest for the next page. */
  #answerFiles<R extends FileRow>(asked: Asked, rows: readonly R[], list: FileList<R>): void {
    const files = filesOf(rows, list.newPage());
    const rest = rows.slice(files.length);
    const cursor = rest.length > 0 ? list.behind(rows[files.length - 1]!) : list.end ?? noCursor;
    this.#answer(asked, { kind: "files", files, cursor });
    // What is less than a page the store can add to.
    if (rest.length < fullRows || asked.session.state === "ended") return;
    const answer = (next: Asked) => this.#answerFiles(next, rest, list);
    const kept = { losses: asked.losses, answer };
    this.#ahead.keep(asked.session, { cursor, readAtMs: list.readAtMs, rows: rest.length, page: kept });
  }

  #watch(asked: Asked, { watch, query }: MessageOf<"watch">): void {
    const refused = this.#options.watches.put(asked.session, watch, query);
    this.#answer(asked, refused === undefined ? { kind: "done" } : watchRefusals[refused]);
  }

  #locate(asked: Asked, question: MessageOf<"locate">, nowMs: number): void {
    const { session, transaction } = asked;
    const { content, offer, cursor } = question;
    const { introductions, offers, cursors } = this.#options;
    if (!this.#mayFetch(asked)) return;
    const query = `locate ${content.id} ${content.bytes}`;
    const numbers = this.#numbers(asked, cursor, query);
    if (numbers === undefined) return;
    const mayServe = session.standing.role !== "readOnly";
    offers.told(session, content, offer && mayServe, transaction, nowMs);
    const search = introductions.begin(session, content, placeFrom(numbers), nowMs);
    this.#ask(asked, "locate", search.ask, (found, foundAtMs) => {
      // Still one of the session's questions while holders are dialled.
      session.asks++;
      session.beginReading(transaction);
      introductions.whenKnown([...found.round, ...found.known], () => {
        session.asks--;
        const { losses } = this.#options.audienceChanges;
        if (losses !== asked.losses) return this.#locate({ ...asked, losses }, question, foundAtMs);
        const { holders, next } = introductions.page(search, found, foundAtMs);
        const cursor = next === undefined ? noCursor : cursors.make(session.foldedAccount, query, ...numbersOf(next));
        this.#answer(asked, { kind: "holders", holders, cursor });
      });
    });
  }

  #setTicket(asked: Asked, question: MessageOf<"setTicket">): void {
    const { session } = asked;
    const { deviceId, contents } = question;
    const { introductions } = this.#options;
    if (!this.#mayFetch(asked)) return;
    const holder = introductions.holder(session, deviceId);
    if (holder === undefined) return this.#answer(asked, { kind: "setTicketIs", ticket: null, covered: 0 });
    this.#ask(asked, "sharesOf", { device: holder, askingDevice: session.device, contents }, (shares, nowMs) => {
      const { losses } = this.#options.audienceChanges;
      if (losses !== asked.losses) return this.#setTicket({ ...asked, losses }, question);
      const granted = introductions.setTicket(session, { device: holder, deviceId }, contents, shares, nowMs);
      this.#answer(asked, { kind: "setTicketIs", ...granted });
    });
  }

  /** Tells whether this device may be let in anywhere; refuses its request where it may not. */
  #mayFetch(asked: Asked): boolean {
    if (asked.session.enrolled) return true;
    this.#answer(asked, errorMessage("denied", "this device is not signed by its account yet"));
    return false;
  }

  /** Reads a request's cursor; answers the request where it is forged. */
  #after(asked: Asked, cursor: Uint8Array, query: string): number | undefined {
    const numbers = this.#numbers(asked, cursor, query);
    return numbers && (numbers[0] ?? 0);
  }

  #numbers(asked: Asked, cursor: Uint8Array, query: string): readonly number[] | undefined {
    const numbers = this.#options.cursors.read(cursor, asked.session.foldedAccount, query);
    if (numbers === undefined) this.#answer(asked, notOfThisList);
    return numbers;
  }

  #cursor(asked: Asked, query: string, row: number): Uint8Array<ArrayBuffer> {
    if (row === 0) return noCursor;
    return this.#options.cursors.make(asked.session.foldedAccount, query, row);
  }

  // ---- both ----

  /** Asks the store; a refusal is the answer, a value goes on. */
  #ask<O extends StoreOperation>(
    asked: Asked,
    operation: O,
    ask: StoreOperations[O]["ask"],
    then: (value: StoreOperations[O]["answer"], nowMs: number) => void,
  ): void {
    const { session, transaction, isWrite } = asked;
    session.asks++;
    if (!isWrite) session.beginReading(transaction);
    this.#options.outbox.store(operation, ask, (answer, nowMs) => {
      session.asks--;
      session.endReading(transaction);
      if (answer.ok) return then(answer.value, nowMs);
      const { code, text } = answer.error;
      this.#answer(asked, errorMessage(code, text, code === "busy" ? busyRetryMs : 0));
    });
  }

  /** @param payload What `encodeMessage` would make of the message. */
  #answer(asked: Asked, message: Message, payload = encodeMessage(asked.transaction, message)): void {
    const { session, transaction, kind, isWrite, askedAtMs } = asked;
    session.endReading(transaction);
    this.#options.tallies.answered(kind, askedAtMs, message);
    if (session.state === "ended") return;
    if (isWrite) session.answers.answer(transaction, payload);
    this.#options.outbox.send(session.endpoint, session.channel.seal(payload));
  }
}

/** As many of the rows as fit. */
function filesOf(rows: readonly FileRow[], page: Page<FileEntry>): readonly FileEntry[] {
  for (const row of rows) {
    const entry = fileEntryOf(row);
    if (!page.add(entry, sizeOfFile(entry))) break;
  }
  return page.entries;
}

/** Rows to ask the store for. */
function rowsFor(cursor: Uint8Array): number {
  return cursor.length === 0 ? fileRows : fileRowsAhead;
}

/** Why these entries may not be shared, as an answer. Whether a name is fit for a local path is for those who fetch it. */
function refusalOf(entries: readonly ShareEntry[]): MessageOf<"error"> | undefined {
  if (entries.length === 0) return errorMessage("usage", "no entries");
  for (const { name, id, bytes, audience, description } of entries) {
    if (/\p{Cc}/u.test(name)) return errorMessage("unsafeName", "a name holds a control character");
    if (/\p{Cc}/u.test(description)) return errorMessage("usage", "a description holds a control character");
    if (audience?.some((one) => /\p{Cc}/u.test(one.name))) {
      return errorMessage("usage", "whom it is for holds a control character");
    }
    if ((bytes === 0) !== (id === emptyContentId)) return errorMessage("usage", "the empty file has an id of its own");
  }
  return undefined;
}
