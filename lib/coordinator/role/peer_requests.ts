/**
 * peer_requests: what a logged-in peer asks, and what it is answered. Laws: 1) a write takes effect once, a repeat gets the
 * stored answer; a read is done again, but not while it is under way;  2) an answer leaves when the store's has come: durable
 * before acknowledged;  3) the store questions of one session are bounded.
 * Spec: PROTOCOL.md "Requests", "Control messages".  (pure)
 */

import { bytesEqual } from "../../core/bytes.ts";
import { emptyContentId } from "../../core/ids.ts";
import { limits } from "../../core/limits.ts";
import { verifyDevice } from "../../session/proofs.ts";
import {
  encodeMessage,
  errorMessage,
  type FileEntry,
  type Message,
  type MessageBody,
  type MessageOf,
  type PeerEntry,
  type Request,
  type ShareEntry,
} from "../../wire/message.ts";
import type { Cursors } from "./cursor.ts";
import { numbersOf, placeFrom } from "./holder_order.ts";
import type { Introductions } from "./introductions.ts";
import type { Offers } from "./offers.ts";
import type { Outbox } from "./outbox.ts";
import { idSize, Page, sizeOf } from "./pages.ts";
import type { Presence } from "./presence.ts";
import type { Pushes } from "./pushes.ts";
import type { Reachability } from "./reachability.ts";
import type { Reports } from "./reports.ts";
import type { Session } from "./session.ts";
import type { SessionTable } from "./session_table.ts";
import type { FileRow, StoreOperation, StoreOperations } from "./store_effects.ts";
import { TokenBuckets } from "./token_buckets.ts";

/** Entries in one answer (message.ts), and the rows to ask the store for: as many as ever fit, and one that tells of a next page. */
const entriesMax = 64;
const fileRows = 32;
const peerRows = entriesMax + 1;
const reportBucket = { count: 1, capacity: limits.reportsPerMinute, tokenMs: 60_000 / limits.reportsPerMinute };
/** How long a peer that met a full queue waits, in milliseconds. */
const busyRetryMs = 1_000;

const noCursor = new Uint8Array(0);

type RequestKind = Request["kind"];
const writes: ReadonlySet<RequestKind> = new Set<RequestKind>(["auth", "enrol", "share", "remove", "leave", "report"]);

export interface PeerRequestsOptions {
  readonly outbox: Outbox;
  readonly sessions: SessionTable;
  readonly presence: Presence;
  readonly pushes: Pushes;
  readonly reachability: Reachability;
  readonly introductions: Introductions;
  readonly offers: Offers;
  readonly reports: Reports;
  readonly cursors: Cursors;
  readonly ticketRoot: Uint8Array;
  readonly keepAliveMs: number;
}

/** One request on its way to its answer. */
interface Asked {
  readonly session: Session;
  readonly transaction: number;
  readonly isWrite: boolean;
}

export class PeerRequests {
  readonly #options: PeerRequestsOptions;

  constructor(options: PeerRequestsOptions) {
    this.#options = options;
  }

  /** What a session is told of itself, in AUTH's and STATUS's answers. */
  alive(session: Session, shareDigest: Uint8Array, nowMs: number): MessageBody<"alive"> {
    return {
      keepAliveMs: this.#options.keepAliveMs,
      timeMs: nowMs,
      ticketKeys: session.ticketKeys(this.#options.ticketRoot, nowMs),
      sharesMatch: bytesEqual(shareDigest, session.shareDigest),
      observed: session.endpoint,
      reachable: session.reachable,
    };
  }

  /** Takes a request of a session. */
  handle(session: Session, transaction: number, request: Request, nowMs: number): void {
    const asked = { session, transaction, isWrite: writes.has(request.kind) };
    if (!this.#isToBeDone(asked)) return;
    if (request.kind === "status") {
      this.#options.reachability.announce(session, request.tcpPort, nowMs);
      this.#answer(asked, { kind: "alive", ...this.alive(session, request.shareDigest, nowMs) });
    } else if (session.asks >= limits.storeAsksPerSessionMax) {
      this.#answer(asked, errorMessage("busy", "too many requests at once", busyRetryMs));
    } else {
      this.#begin(asked, request, nowMs);
    }
  }

  /** Tells whether a request is new; answers or drops it where it is not. */
  #isToBeDone(asked: Asked): boolean {
    const { session, transaction, isWrite } = asked;
    if (!isWrite) return session.state !== "left" && !session.reading.has(transaction);
    const arrival = session.answers.arrive(transaction);
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
      case "locate":
        return this.#locate(asked, request, nowMs);
      case "tickets":
        return this.#tickets(asked, request);
      case "report":
        return this.#report(asked, request, nowMs);
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
    this.#ask(asked, "share", { device: session.device, entries, nowMs }, ({ shareDigest }, sharedAtMs) => {
      session.shareDigest = shareDigest;
      for (const entry of entries) this.#options.offers.told(session, entry, false, transaction, sharedAtMs);
      this.#answer(asked, { kind: "done" });
    });
  }

  #remove(asked: Asked, { names, scope }: MessageOf<"remove">): void {
    const { session } = asked;
    if (names.length === 0) return this.#answer(asked, errorMessage("usage", "no names"));
    this.#ask(asked, "remove", { device: session.device, names, scope }, ({ count, devices }, nowMs) => {
      for (const { device, shareDigest, ended } of devices) {
        const changed = this.#options.sessions.findDevice(device);
        if (changed === undefined) continue;
        changed.shareDigest = shareDigest;
        this.#options.offers.withdraw(changed, ended);
        // A device that is away sees on its return that the lists differ.
        if (changed !== session && changed.state === "online") {
          this.#options.pushes.revokeContents(changed, ended, nowMs);
        }
      }
      this.#answer(asked, { kind: "removed", count });
    });
  }

  #report(asked: Asked, { deviceId, ticket, reason }: MessageOf<"report">, nowMs: number): void {
    const { session } = asked;
    const { introductions, reports, sessions, outbox } = this.#options;
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
    }
    this.#answer(asked, { kind: "done" });
  }

  // ---- reads ----

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
    const query = `listFiles ${scope}`;
    const after = this.#after(asked, cursor, query);
    if (after === undefined) return;
    this.#ask(asked, "listFiles", { device: asked.session.device, scope, after, limit: fileRows }, (rows) => {
      this.#answerFiles(asked, query, rows);
    });
  }

  #search(asked: Asked, { mode, pattern, cursor }: MessageOf<"search">): void {
    const query = `search ${mode} ${pattern}`;
    const after = this.#after(asked, cursor, query);
    if (after === undefined) return;
    this.#ask(asked, "search", { mode, pattern, after, limit: fileRows }, ({ rows, next }) => {
      this.#answerFiles(asked, query, rows, next);
    });
  }

  /** Answers with as many of the rows as fit; behind them all the next page begins behind `next`, 0 for none. */
  #answerFiles(asked: Asked, query: string, rows: readonly FileRow[], next = 0): void {
    const page = new Page<FileEntry>(entriesMax);
    let last = 0;
    for (const { row, name, content: { id, bytes }, holders, withdrawn } of rows) {
      if (
        !page.add({ name, id, bytes, holders, withdrawn }, 2 + idSize + sizeOf(name) + sizeOf(bytes) + sizeOf(holders))
      ) {
        break;
      }
      last = row;
    }
    const more = page.entries.length < rows.length;
    this.#answer(asked, { kind: "files", files: page.entries, cursor: this.#cursor(asked, query, more ? last : next) });
  }

  #locate(asked: Asked, { content, offer, cursor }: MessageOf<"locate">, nowMs: number): void {
    const { session, transaction } = asked;
    const { introductions, offers, cursors } = this.#options;
    if (!this.#mayFetch(asked)) return;
    const query = `locate ${content.id} ${content.bytes}`;
    const numbers = this.#numbers(asked, cursor, query);
    if (numbers === undefined) return;
    offers.told(session, content, offer, transaction, nowMs);
    const search = introductions.begin(session, content, placeFrom(numbers), nowMs);
    this.#ask(asked, "locate", search.ask, (found, foundAtMs) => {
      // Still one of the session's questions while holders are dialled.
      session.asks++;
      session.reading.add(transaction);
      introductions.whenKnown([...found.round, ...found.known], () => {
        session.asks--;
        const { holders, next } = introductions.page(search, found, foundAtMs);
        const cursor = next === undefined ? noCursor : cursors.make(session.foldedAccount, query, ...numbersOf(next));
        this.#answer(asked, { kind: "holders", holders, cursor });
      });
    });
  }

  #tickets(asked: Asked, { deviceId, contents }: MessageOf<"tickets">): void {
    const { session } = asked;
    const { introductions } = this.#options;
    if (!this.#mayFetch(asked)) return;
    const holder = introductions.holder(session, deviceId);
    if (holder === undefined) {
      return this.#answer(asked, { kind: "ticketsAre", tickets: contents.map(() => null) });
    }
    this.#ask(asked, "sharesOf", { device: holder.device, contents }, (shares, nowMs) => {
      const tickets = introductions.tickets(session, holder, contents, shares, nowMs);
      this.#answer(asked, { kind: "ticketsAre", tickets });
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
    if (numbers === undefined) this.#answer(asked, errorMessage("usage", "the cursor is not of this list"));
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
    if (!isWrite) session.reading.add(transaction);
    this.#options.outbox.store(operation, ask, (answer, nowMs) => {
      session.asks--;
      session.reading.delete(transaction);
      if (answer.ok) return then(answer.value, nowMs);
      const { code, text } = answer.error;
      this.#answer(asked, errorMessage(code, text, code === "busy" ? busyRetryMs : 0));
    });
  }

  #answer({ session, transaction, isWrite }: Asked, message: Message): void {
    session.reading.delete(transaction);
    if (session.state === "ended") return;
    const payload = encodeMessage(transaction, message);
    if (isWrite) session.answers.answer(transaction, payload);
    this.#options.outbox.send(session.endpoint, session.channel.seal(payload));
  }
}

/** Why these entries may not be shared, as an answer. Whether a name is fit for a local path is for those who fetch it. */
function refusalOf(entries: readonly ShareEntry[]): MessageOf<"error"> | undefined {
  if (entries.length === 0) return errorMessage("usage", "no entries");
  for (const { name, id, bytes } of entries) {
    if (/\p{Cc}/u.test(name)) return errorMessage("unsafeName", "a name holds a control character");
    if ((bytes === 0) !== (id === emptyContentId)) return errorMessage("usage", "the empty file has an id of its own");
  }
  return undefined;
}
