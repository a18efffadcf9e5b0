/**
 * introductions: names holders to a device that wants a content, with a ticket for each. Laws: 1) a holder is named with an
 * endpoint that a dial-back has met, or not at all;  2) nobody is sent to an address that means his own machine or
 * network;  3) a ticket is for one device, one content or set, one holder and limits.ticketMs;  4) a partial holder is named while it offers
 * the content and somebody shares it, to those who may see that share.
 * Spec: PROTOCOL.md "Introductions", "Tickets".  (pure)
 */

import type { Bytes } from "../../core/bytes.ts";
import type { Content, DeviceId } from "../../core/ids.ts";
import { limits } from "../../core/limits.ts";
import type { Endpoint } from "../../core/transport.ts";
import { foldAccount } from "../../session/opaque.ts";
import type { Random } from "../../session/random.ts";
import { hashSet, openTicket, sealSetTicket, sealTicket, ticketDay, ticketKeysFor } from "../../session/ticket.ts";
import type { HolderEntry, MessageBody, TicketKey } from "../../wire/message.ts";
import { isOfferable } from "./address.ts";
import { behind, type HolderPlace, placeNumbers, type Ranked, rankOf } from "./holder_order.ts";
import type { IssuedTickets } from "./issued_tickets.ts";
import type { Offers } from "./offers.ts";
import { idSize, Page, sizeOf } from "./pages.ts";
import type { Reachability } from "./reachability.ts";
import type { Reports } from "./reports.ts";
import type { Session } from "./session.ts";
import type { SessionTable } from "./session_table.ts";
import type { HolderRow, StoreOperations } from "./store_effects.ts";

/** Holders in one answer (message.ts), and the rows to ask the store for: one more tells whether there is a next page. */
const holdersMax = 8;
const holderRows = holdersMax + 1;
/** Holders at other coordinators that are remembered, for tickets for sets. */
const holdersElsewhereMax = 4096;

export interface IntroductionsOptions {
  readonly sessions: SessionTable;
  readonly reachability: Reachability;
  readonly offers: Offers;
  readonly reports: Reports;
  readonly tickets: IssuedTickets;
  readonly ticketRoot: Uint8Array;
  readonly random: Random;
}

/** One LOCATE on its way: what the store is asked, and what the role itself knew then. */
export interface Search {
  readonly fetcher: Session;
  readonly content: Content;
  readonly place: HolderPlace;
  readonly ask: StoreOperations["locate"]["ask"];
  /** Devices that come behind the round, by rank. */
  readonly ranks: ReadonlyMap<number, number>;
  /** Whether there are more of these than the store is asked for. */
  readonly more: boolean;
}

/** A page of holders; `next` is where the next one begins, undefined if there is none. */
export interface HolderPage {
  readonly holders: readonly HolderEntry[];
  readonly next: HolderPlace | undefined;
}

export class Introductions {
  readonly #options: IntroductionsOptions;
  /** Row numbers of devices at other coordinators that were named, the newest last. */
  readonly #elsewhere = new Map<DeviceId, number>();

  constructor(options: IntroductionsOptions) {
    this.#options = options;
  }

  /** Prepares the question for a page; without a place for the first. */
  begin(fetcher: Session, content: Content, from: HolderPlace | undefined, nowMs: number): Search {
    const place = from ?? { seed: randomNumber(this.#options.random), start: 0, rank: 0, device: 0 };
    const ranked = this.#ranked(fetcher, content, nowMs);
    const known = behind(place, ranked, holderRows + 1);
    const ask = {
      content,
      askingDevice: fetcher.device,
      round: place.rank > 0 ? null : { start: place.start, pick: place.seed, after: place.device },
      known: known.slice(0, holderRows).map(({ device }) => device),
      limit: holderRows,
    };
    const ranks = new Map(ranked.map(({ device, rank }) => [device, rank]));
    return { fetcher, content, place, ask, ranks, more: known.length > holderRows };
  }

  /** Calls once the holders in these rows are known to be reachable or not: a device that has just logged in is being dialled. */
  whenKnown(rows: readonly HolderRow[], then: () => void): void {
    const { sessions, reachability } = this.#options;
    const holders = rows.map((row) => sessions.findDevice(row.device)).filter((one) => one !== undefined);
    reachability.whenSettled(holders, then);
  }

  /** Makes a page of as many of the rows as fit. */
  page(search: Search, found: StoreOperations["locate"]["answer"], nowMs: number): HolderPage {
    const { holders, next } = this.#fill(search, found, nowMs);
    // Who is at another coordinator came in the round, reported or not.
    const reported = this.#options.reports.of(search.content, nowMs);
    const countOf = ({ account, deviceId }: HolderEntry) => countReports(reported.get(deviceId), foldAccount(account));
    return { holders: reported.size === 0 ? holders : holders.toSorted((a, b) => countOf(a) - countOf(b)), next };
  }

  #fill(search: Search, { start, round, known }: StoreOperations["locate"]["answer"], nowMs: number): HolderPage {
    const page = new Page<HolderEntry>(holdersMax, placeNumbers);
    let next: HolderPlace = { ...search.place, start };
    const add = (row: HolderRow, rank: number) => {
      if (!this.#add(page, search, row, nowMs)) return false;
      next = { ...next, rank, device: row.device };
      return true;
    };
    for (const row of round) {
      // Who has a rank comes behind the round.
      if (search.ranks.has(row.device)) next = { ...next, device: row.device };
      else if (!add(row, 0)) return { holders: page.entries, next };
    }
    if (round.length === holderRows) return { holders: page.entries, next };
    for (const row of known) {
      if (!add(row, search.ranks.get(row.device)!)) return { holders: page.entries, next };
    }
    if (!search.more) return { holders: page.entries, next: undefined };
    // Behind the last one asked for, though the store may have nothing to say of it.
    const device = search.ask.known.at(-1)!;
    return { holders: page.entries, next: { ...next, rank: search.ranks.get(device)!, device } };
  }

  /** Finds a whole holder that may be asked by this fetcher, by its row number; undefined where there is none, or none for it. */
  holder(fetcher: Session, deviceId: DeviceId): number | undefined {
    for (const session of this.#options.sessions.ofDeviceId(deviceId)) {
      if (session.enrolled && session.device !== fetcher.device && isOffered(session, fetcher)) return session.device;
    }
    return this.#elsewhere.get(deviceId);
  }

  /** Seals a ticket for those of these contents that have a share. `shares` has the share of each, null for none. */
  setTicket(
    fetcher: Session,
    holder: { readonly device: number; readonly deviceId: DeviceId },
    contents: readonly Content[],
    shares: readonly (number | null)[],
    nowMs: number,
  ): MessageBody<"setTicketIs"> {
    const { ticketRoot, random, tickets } = this.#options;
    const isCovered = (place: number) => typeof shares[place] === "number";
    const held = contents.filter((_, place) => isCovered(place));
    if (held.length === 0) return { ticket: null, covered: 0 };
    const expiresAtMs = nowMs + limits.ticketMs;
    tickets.note(fetcher, holder.device, expiresAtMs, nowMs);
    const { day, key } = dayKey(ticketKeysFor(ticketRoot, nowMs, holder.deviceId), nowMs);
    const { account, deviceId } = fetcher;
    return {
      ticket: sealSetTicket(key, day, random(12), { account, deviceId, setHash: hashSet(held), expiresAtMs }),
      covered: contents.reduce((bits, _, place) => isCovered(place) ? bits + 2 ** place : bits, 0),
    };
  }

  /** Reads a ticket back that an account got for this holder; undefined for any other, and for one that has expired. */
  contentOf(fetcher: Session, holder: DeviceId, ticket: Uint8Array, nowMs: number): Content | undefined {
    const opened = openTicket(ticketKeysFor(this.#options.ticketRoot, nowMs, holder), ticket);
    if (!opened.ok || opened.value.account !== fetcher.account || opened.value.expiresAtMs <= nowMs) return undefined;
    return { id: opened.value.id, bytes: opened.value.bytes };
  }

  /** The devices that do not come in the round: they offer the content, or were reported by another account than their own. */
  #ranked(fetcher: Session, content: Content, nowMs: number): readonly Ranked[] {
    const { sessions, offers, reports } = this.#options;
    const reported = reports.of(content, nowMs);
    const offering = new Set(offers.of(content, nowMs));
    const candidates = new Set(offering);
    for (const deviceId of reported.keys()) for (const one of sessions.ofDeviceId(deviceId)) candidates.add(one);
    const ranked: Ranked[] = [];
    for (const one of candidates) {
      const count = countReports(reported.get(one.deviceId), one.foldedAccount);
      const rank = rankOf(count, offering.has(one));
      if (rank > 0 && one !== fetcher && mayBeOffered(one, fetcher)) ranked.push({ device: one.device, rank });
    }
    return ranked;
  }

  /** Adds a holder if it may be named; false if it may and does not fit. */
  #add(page: Page<HolderEntry>, { fetcher, content }: Search, row: HolderRow, nowMs: number): boolean {
    const { sessions, offers, tickets } = this.#options;
    const holder = sessions.findDevice(row.device);
    // Of those at other coordinators only whole ones are known.
    const isHere = holder?.state === "online";
    if (!row.whole && !(isHere && offers.has(holder, content, nowMs))) return true;
    const at = isHere ? placeFor(holder, fetcher) : row.at;
    if (at === undefined || at === null || !isOfferable(at.ip, fetcher.endpoint.ip)) return true;
    const entry = this.#entry(fetcher, at, content, row, nowMs);
    if (!isHere) this.#noteElsewhere(row);
    if (!page.add(entry, sizeOfEntry(entry))) return false;
    tickets.note(fetcher, row.device, nowMs + limits.ticketMs, nowMs);
    return true;
  }

  #entry(fetcher: Session, at: Endpoint, content: Content, row: HolderRow, nowMs: number): HolderEntry {
    const { account, label, deviceId, accountKey, deviceSignature, certificate, whole } = row;
    const ticket = this.#ticket(fetcher, row, content, nowMs);
    return { account, label, deviceId, accountKey, deviceSignature, certificate, endpoints: [at], ticket, whole };
  }

  #ticket(fetcher: Session, { deviceId, share }: HolderRow, content: Content, nowMs: number): Bytes {
    const { ticketRoot, random } = this.#options;
    const { day, key } = dayKey(ticketKeysFor(ticketRoot, nowMs, deviceId), nowMs);
    return sealTicket(key, day, random(12), {
      account: fetcher.account,
      deviceId: fetcher.deviceId,
      id: content.id,
      bytes: content.bytes,
      share,
      expiresAtMs: nowMs + limits.ticketMs,
    });
  }

  #noteElsewhere({ deviceId, device }: HolderRow): void {
    this.#elsewhere.delete(deviceId);
    this.#elsewhere.set(deviceId, device);
    for (const oldest of this.#elsewhere.keys()) {
      if (this.#elsewhere.size <= holdersElsewhereMax) break;
      this.#elsewhere.delete(oldest);
    }
  }
}

/** How many accounts reported a device, its own aside. */
function countReports(accounts: ReadonlySet<string> | undefined, own: string): number {
  return (accounts?.size ?? 0) - Number(accounts?.has(own) ?? false);
}

function dayKey(keys: readonly TicketKey[], nowMs: number): TicketKey {
  const day = ticketDay(nowMs);
  return keys.find((one) => one.day === day)!;
}

function isOffered(holder: Session, fetcher: Session): boolean {
  return holder.reachable === "yes" && mayBeOffered(holder, fetcher);
}

/** Where a fetcher is sent to a holder that is here. */
function placeFor(holder: Session, fetcher: Session): Endpoint | undefined {
  return isOffered(holder, fetcher) ? { ip: holder.endpoint.ip, port: holder.tcpPort } : undefined;
}

/** Whether a holder is offered once its dial-back has met it. */
function mayBeOffered(holder: Session, fetcher: Session): boolean {
  return holder.state === "online" && isOfferable(holder.endpoint.ip, fetcher.endpoint.ip);
}

/** 0 … 2^32−1. */
function randomNumber(random: Random): number {
  const { buffer, byteOffset } = random(4);
  return new DataView(buffer, byteOffset).getUint32(0);
}

function sizeOfEntry(entry: HolderEntry): number {
  const endpoints = entry.endpoints.map(({ ip, port }) => [ip, port]);
  return 2 + idSize + [
    sizeOf(entry.account),
    sizeOf(entry.label),
    sizeOf(entry.accountKey),
    sizeOf(entry.deviceSignature),
    sizeOf(entry.certificate),
    sizeOf(endpoints),
    sizeOf(entry.ticket),
  ].reduce((sum, size) => sum + size);
}
