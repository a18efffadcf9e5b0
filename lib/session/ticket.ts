/**
 * ticket: seals a ticket for one holder and opens it there, without a call home. Laws: 1) the key of a day is
 * HMAC(ticket root, day); a holder knows HMAC(day key, its device key) alone, so it opens its own tickets and can forge none
 * for others;  2) the nonce is random, a ticket key seals far fewer than 2^32 tickets a day;  3) a ticket for a content never opens as
 * one for a set, nor the other way round.
 * Spec: PROTOCOL.md "Tickets".  (pure)
 */

import { createCipheriv, createDecipheriv, createHash, createHmac } from "node:crypto";
import { type Bytes, concatBytes, copyBytes, utf8 } from "../core/bytes.ts";
import { fail, ok, type Result } from "../core/errors.ts";
import { type Content, type DeviceId, idBytes } from "../core/ids.ts";
import { encodeContentList } from "../wire/content_list.ts";
import type { TicketKey } from "../wire/message.ts";
import {
  decodeSetTicket,
  decodeTicket,
  encodeSetTicket,
  encodeTicket,
  type SetTicket,
  type Ticket,
} from "../wire/ticket.ts";

const dayMs = 24 * 60 * 60 * 1000;
const cipher = "chacha20-poly1305";
const tagOption = { authTagLength: 16 };
const headBytes = 16;
/** Behind the head in what is authenticated: what a ticket is for. */
const noContext: Bytes = new Uint8Array(0);
const setContext = utf8("shoal v1 set ticket");

function hmac(key: Uint8Array, data: Uint8Array): Bytes {
  return copyBytes(createHmac("sha256", key).update(data).digest());
}

function dayBytes(day: number): Bytes {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, day);
  return bytes;
}

/** The day, in days of coordinator time since 1970. */
export function ticketDay(timeMs: number): number {
  return Math.floor(timeMs / dayMs);
}

/** The key under which tickets for this holder are sealed on that day. */
export function ticketKeyFor(ticketRoot: Uint8Array, day: number, holder: DeviceId): Bytes {
  return hmac(hmac(ticketRoot, dayBytes(day)), idBytes(holder));
}

/** The keys that a holder is given: of today, and of the day before and after, for clocks and midnights. */
export function ticketKeysFor(ticketRoot: Uint8Array, timeMs: number, holder: DeviceId): readonly TicketKey[] {
  const today = ticketDay(timeMs);
  return [today - 1, today, today + 1].map((day) => ({ day, key: ticketKeyFor(ticketRoot, day, holder) }));
}

/** Seals a ticket under a holder's key of a day. `nonce` has 12 random bytes. */
export function sealTicket(key: Uint8Array, day: number, nonce: Uint8Array, ticket: Ticket): Bytes {
  return seal(key, day, nonce, noContext, encodeTicket(ticket));
}

/** Seals a ticket for a set, as `sealTicket` does one for a content. */
export function sealSetTicket(key: Uint8Array, day: number, nonce: Uint8Array, ticket: SetTicket): Bytes {
  return seal(key, day, nonce, setContext, encodeSetTicket(ticket));
}

/** Opens a ticket with the keys this holder was given. Expiry and content are the caller's to compare. */
export function openTicket(keys: readonly TicketKey[], sealed: Uint8Array): Result<Ticket> {
  const body = open(keys, sealed, noContext);
  return body.ok ? decodeTicket(body.value) : body;
}

/** Opens a ticket for a set. Expiry and the set's hash are the caller's to compare. */
export function openSetTicket(keys: readonly TicketKey[], sealed: Uint8Array): Result<SetTicket> {
  const body = open(keys, sealed, setContext);
  return body.ok ? decodeSetTicket(body.value) : body;
}

/** The hash that stands for a set: over its list as SET_TICKET and SET carry it. */
export function hashSet(contents: readonly Content[]): Bytes {
  return copyBytes(createHash("sha256").update(encodeContentList(contents)).digest());
}

function seal(key: Uint8Array, day: number, nonce: Uint8Array, context: Uint8Array, body: Bytes): Bytes {
  const head = concatBytes(dayBytes(day), nonce);
  const sealing = createCipheriv(cipher, key, nonce, tagOption);
  sealing.setAAD(concatBytes(head, context), { plaintextLength: body.length });
  return concatBytes(head, sealing.update(body), sealing.final(), sealing.getAuthTag());
}

function open(keys: readonly TicketKey[], sealed: Uint8Array, context: Uint8Array): Result<Bytes> {
  if (sealed.length <= headBytes + 16) return fail("a ticket that is too short");
  const day = new DataView(sealed.buffer, sealed.byteOffset, sealed.byteLength).getUint32(0);
  const key = keys.find((one) => one.day === day)?.key;
  if (key === undefined) return fail("a ticket of another day");
  const split = sealed.length - 16;
  const opening = createDecipheriv(cipher, key, sealed.subarray(4, headBytes), tagOption);
  opening.setAAD(concatBytes(sealed.subarray(0, headBytes), context), { plaintextLength: split - headBytes });
  opening.setAuthTag(sealed.subarray(split));
  try {
    return ok(concatBytes(opening.update(sealed.subarray(headBytes, split)), opening.final()));
  } catch {
    // A wrong tag: sealed for another holder, for another use, or forged.
    return fail("a ticket that is not for this holder");
  }
}
