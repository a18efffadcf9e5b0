/**
 * introductions: names holders to a device that wants a content, with a ticket for each. Laws: 1) a holder is named with an
 * endpoint that a dial-back has met, or not at all;  2) nobody is sent to an address that means his own machine or
 * network;  3) a ticket is for one device, one content, one holder and limits.ticketMs;  4) a partial holder is named while it offers
 * the content and somebody shares it, to those who may see that share.
 * Spec: PROTOCOL.md "Introductions", "Tickets".  (pure)
 */

import type { Bytes } from "../../core/bytes.ts";
import type { Content, DeviceId } from "../../core/ids.ts";
import { limits } from "../../core/limits.ts";
import type { Random } from "../../session/random.ts";
import { openTicket, sealTicket, ticketDay, ticketKeysFor } from "../../session/ticket.ts";
import type { HolderEntry } from "../../wire/message.ts";
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
  page(search: Search, { start, round, known }: StoreOperations["locate"]["answer"], nowMs: number): HolderPage {
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

  /** Finds a whole holder that may be asked by this fetcher; undefined where there is none, or none for it. */
  holder(fetcher: Session, deviceId: DeviceId): Session | undefined {
    for (const session of this.#options.sessions.ofDeviceId(deviceId)) {
      if (session.enrolled && session.device !== fetcher.device && isOffered(session, fetcher)) return session;
    }
    return undefined;
  }

  /** Seals tickets for the first of these contents, as many as fit. `shares` has the share of each, null for none. */
  tickets(
    fetcher: Session,
    holder: Session,
    contents: readonly Content[],
    shares: readonly (number | null)[],
    nowMs: number,
  ): readonly (Bytes | null)[] {
    const page = new Page<Bytes | null>(limits.ticketsMax, 0);
    for (const [i, content] of contents.entries()) {
      const share = shares[i] ?? null;
      const ticket = share === null ? null : this.#ticket(fetcher, holder, content, share, nowMs);
      if (!page.add(ticket, ticket === null ? 1 : sizeOf(ticket))) break;
    }
    if (page.entries.some((ticket) => ticket !== null)) {
      this.#options.tickets.note(fetcher, holder.device, nowMs + limits.ticketMs, nowMs);
    }
    return page.entries;
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
      const accounts = reported.get(one.deviceId);
      const count = (accounts?.size ?? 0) - Number(accounts?.has(one.foldedAccount) ?? false);
      const rank = rankOf(count, offering.has(one));
      if (rank > 0 && one !== fetcher && mayBeOffered(one, fetcher)) ranked.push({ device: one.device, rank });
    }
    return ranked;
  }

  /** Adds a holder if it may be named; false if it may and does not fit. */
  #add(page: Page<HolderEntry>, { fetcher, content }: Search, row: HolderRow, nowMs: number): boolean {
    const { sessions, offers, tickets } = this.#options;
    const holder = sessions.findDevice(row.device);
    if (holder === undefined || !isOffered(holder, fetcher)) return true;
    if (!row.whole && !offers.has(holder, content, nowMs)) return true;
    const entry = this.#entry(fetcher, holder, content, row, nowMs);
    if (!page.add(entry, sizeOfEntry(entry))) return false;
    tickets.note(fetcher, row.device, nowMs + limits.ticketMs, nowMs);
    return true;
  }

  #entry(fetcher: Session, holder: Session, content: Content, row: HolderRow, nowMs: number): HolderEntry {
    return {
      account: row.account,
      label: row.label,
      deviceId: row.deviceId,
      accountKey: row.accountKey,
      deviceSignature: row.deviceSignature,
      certificate: holder.certificate,
      endpoints: [{ ip: holder.endpoint.ip, port: holder.tcpPort }],
      ticket: this.#ticket(fetcher, holder, content, row.share, nowMs),
      whole: row.whole,
    };
  }

  #ticket(fetcher: Session, holder: Session, content: Content, share: number, nowMs: number): Bytes {
    const { ticketRoot, random } = this.#options;
    const day = ticketDay(nowMs);
    const { key } = holder.ticketKeys(ticketRoot, nowMs).find((one) => one.day === day)!;
    return sealTicket(key, day, random(12), {
      account: fetcher.account,
      deviceId: fetcher.deviceId,
      id: content.id,
      bytes: content.bytes,
      share,
      expiresAtMs: nowMs + limits.ticketMs,
    });
  }
}

function isOffered(holder: Session, fetcher: Session): boolean {
  return holder.reachable === "yes" && mayBeOffered(holder, fetcher);
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
