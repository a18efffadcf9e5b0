/**
 * introductions: names holders to a device that wants a content, with a ticket for each. Laws: 1) a holder is named with an
 * endpoint that a dial-back has met, or not at all;  2) nobody is sent to an address that means his own machine or
 * network;  3) a ticket is for one device, one content, one holder and limits.ticketMs.
 * Spec: PROTOCOL.md "Introductions", "Tickets".  (pure)
 */

import type { Content } from "../../core/ids.ts";
import { limits } from "../../core/limits.ts";
import type { Random } from "../../session/random.ts";
import { sealTicket, ticketDay } from "../../session/ticket.ts";
import type { HolderEntry } from "../../wire/message.ts";
import { isOfferable } from "./address.ts";
import type { IssuedTickets } from "./issued_tickets.ts";
import { idSize, Page, sizeOf } from "./pages.ts";
import type { Reachability } from "./reachability.ts";
import type { Session } from "./session.ts";
import type { SessionTable } from "./session_table.ts";
import type { StoreOperations } from "./store_effects.ts";

type Row = StoreOperations["locate"]["answer"][number];

/** Holders in one answer (message.ts), and the rows to ask the store for: one more tells whether there is a next page. */
const holdersMax = 8;
export const holderRows = holdersMax + 1;

export interface IntroductionsOptions {
  readonly sessions: SessionTable;
  readonly reachability: Reachability;
  readonly tickets: IssuedTickets;
  readonly ticketRoot: Uint8Array;
  readonly random: Random;
}

/** A page of holders; `nextAfter` is the row that the next one begins behind, 0 if there is none. */
export interface HolderPage {
  readonly holders: readonly HolderEntry[];
  readonly nextAfter: number;
}

export class Introductions {
  readonly #options: IntroductionsOptions;

  constructor(options: IntroductionsOptions) {
    this.#options = options;
  }

  /** Calls once the holders in these rows are known to be reachable or not: a device that has just logged in is being dialled. */
  whenKnown(rows: readonly Row[], then: () => void): void {
    const { sessions, reachability } = this.#options;
    const holders = rows.map((row) => sessions.findDevice(row.device)).filter((one) => one !== undefined);
    reachability.whenSettled(holders, then);
  }

  /** Makes a page of as many of the rows as fit. */
  page(fetcher: Session, content: Content, rows: readonly Row[], nowMs: number): HolderPage {
    const { sessions, tickets } = this.#options;
    const page = new Page<HolderEntry>(holdersMax);
    let last = 0;
    for (const row of rows) {
      const holder = sessions.findDevice(row.device);
      if (holder !== undefined && isOffered(holder, fetcher)) {
        const entry = this.#entry(fetcher, holder, content, row, nowMs);
        if (!page.add(entry, sizeOfEntry(entry))) return { holders: page.entries, nextAfter: last };
        tickets.note(fetcher, row.device, nowMs + limits.ticketMs, nowMs);
      }
      last = row.device;
    }
    return { holders: page.entries, nextAfter: rows.length < holderRows ? 0 : last };
  }

  #entry(fetcher: Session, holder: Session, content: Content, row: Row, nowMs: number): HolderEntry {
    const { ticketRoot, random } = this.#options;
    const day = ticketDay(nowMs);
    const { key } = holder.ticketKeys(ticketRoot, nowMs).find((one) => one.day === day)!;
    const ticket = sealTicket(key, day, random(12), {
      account: fetcher.account,
      deviceId: fetcher.deviceId,
      id: content.id,
      bytes: content.bytes,
      share: row.share,
      expiresAtMs: nowMs + limits.ticketMs,
    });
    return {
      account: row.account,
      label: row.label,
      deviceId: row.deviceId,
      accountKey: row.accountKey,
      deviceSignature: row.deviceSignature,
      certificate: holder.certificate,
      endpoints: [{ ip: holder.endpoint.ip, port: holder.tcpPort }],
      ticket,
    };
  }
}

function isOffered(holder: Session, fetcher: Session): boolean {
  return holder.state === "online" && holder.reachable === "yes" &&
    isOfferable(holder.endpoint.ip, fetcher.endpoint.ip);
}

function sizeOfEntry(entry: HolderEntry): number {
  const endpoints = entry.endpoints.map(({ ip, port }) => [ip, port]);
  return 1 + idSize + [
    sizeOf(entry.account),
    sizeOf(entry.label),
    sizeOf(entry.accountKey),
    sizeOf(entry.deviceSignature),
    sizeOf(entry.certificate),
    sizeOf(endpoints),
    sizeOf(entry.ticket),
  ].reduce((sum, size) => sum + size);
}
