/**
 * ticket: what a holder accepts instead of calling home: for one content, or for a set of small ones. Outside: day (4 bytes), nonce (12),
 * sealed body and tag. Sealed and opened in session/ticket.ts.  Spec: PROTOCOL.md "Tickets".  (pure)
 */

import type { Bytes } from "../core/bytes.ts";
import type { Result } from "../core/errors.ts";
import type { ContentId, DeviceId } from "../core/ids.ts";
import { limits } from "../core/limits.ts";
import { bytes, decodeCbor, encodeCbor, hexId, record, text, uint, type ValueOf } from "./cbor.ts";

const ticket = record({
  /** Who may fetch: the account, and that device of it which proves its key. */
  account: text(limits.accountBytesMax, 1),
  deviceId: hexId<DeviceId>(),
  id: hexId<ContentId>(),
  bytes: uint(limits.fileBytesMax),
  /** The share that this is about, by the coordinator's number for it. */
  share: uint(),
  /** Coordinator time. */
  expiresAtMs: uint(),
});

export type Ticket = ValueOf<typeof ticket>;

const setTicket = record({
  account: text(limits.accountBytesMax, 1),
  deviceId: hexId<DeviceId>(),
  /** SHA-256 over the contents in order (session/ticket.ts). */
  setHash: bytes(32),
  expiresAtMs: uint(),
});

export type SetTicket = ValueOf<typeof setTicket>;

/** Encodes the inside of a ticket. */
export function encodeTicket(value: Ticket): Bytes {
  return encodeCbor(ticket.toCbor(value));
}

/** Decodes the inside of a ticket. */
export function decodeTicket(body: Uint8Array): Result<Ticket> {
  return decodeCbor(body, ticket);
}

/** Encodes the inside of a ticket for a set. */
export function encodeSetTicket(value: SetTicket): Bytes {
  return encodeCbor(setTicket.toCbor(value));
}

/** Decodes the inside of a ticket for a set. */
export function decodeSetTicket(body: Uint8Array): Result<SetTicket> {
  return decodeCbor(body, setTicket);
}
