/**
 * ticket: seals a ticket for one holder and opens it there, without a call home. Laws: 1) the key of a day is
 * HMAC(ticket root, day); a holder knows HMAC(day key, its device key) alone, so it opens its own tickets and can forge none
 * for others;  2) the nonce is random, a ticket key seals far fewer than 2^32 tickets a day.
 * Spec: PROTOCOL.md "Tickets".  (pure)
 */

import { createCipheriv, createDecipheriv, createHmac } from "node:crypto";
import { type Bytes, concatBytes, copyBytes } from "../core/bytes.ts";
import { fail, type Result } from "../core/errors.ts";
import { type DeviceId, idBytes } from "../core/ids.ts";
import type { TicketKey } from "../wire/message.ts";
import { decodeTicket, encodeTicket, type Ticket } from "../wire/ticket.ts";

const dayMs = 24 * 60 * 60 * 1000;
const cipher = "chacha20-poly1305";
const tagOption = { authTagLength: 16 };
const headBytes = 16;

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
  const head = concatBytes(dayBytes(day), nonce);
  const sealing = createCipheriv(cipher, key, nonce, tagOption);
  const body = encodeTicket(ticket);
  sealing.setAAD(head, { plaintextLength: body.length });
  return concatBytes(head, sealing.update(body), sealing.final(), sealing.getAuthTag());
}

/** Opens a ticket with the keys this holder was given. Expiry and content are the caller's to compare. */
export function openTicket(keys: readonly TicketKey[], sealed: Uint8Array): Result<Ticket> {
  if (sealed.length <= headBytes + 16) return fail("a ticket that is too short");
  const day = new DataView(sealed.buffer, sealed.byteOffset, sealed.byteLength).getUint32(0);
  const key = keys.find((one) => one.day === day)?.key;
  if (key === undefined) return fail("a ticket of another day");
  const split = sealed.length - 16;
  const opening = createDecipheriv(cipher, key, sealed.subarray(4, headBytes), tagOption);
  opening.setAAD(sealed.subarray(0, headBytes), { plaintextLength: split - headBytes });
  opening.setAuthTag(sealed.subarray(split));
  try {
    const body = concatBytes(opening.update(sealed.subarray(headBytes, split)), opening.final());
    return decodeTicket(body);
  } catch {
    // A wrong tag: sealed for another holder, or forged.
    return fail("a ticket that is not for this holder");
  }
}
