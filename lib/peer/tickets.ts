/**
 * tickets: what this peer asks the coordinator about holders that it knows already: tickets for many contents at one of them, and what one
 * of them did.  Spec: PROTOCOL.md "TICKETS", "REPORT".  (I/O through Control)
 */

import type { Bytes } from "../core/bytes.ts";
import { ProtocolError } from "../core/errors.ts";
import type { Content, DeviceId } from "../core/ids.ts";
import type { ReportReason } from "../wire/message.ts";
import type { Control } from "./control.ts";

/**
 * Tickets for the first of these contents that a device has whole, as many as an answer has room for, at least one; null where it has not
 * that content, or not for this peer.
 * @throws {ShoalError} If no answer comes.
 */
export async function firstTickets(
  control: Pick<Control, "request">,
  deviceId: DeviceId,
  contents: readonly Content[],
): Promise<readonly (Bytes | null)[]> {
  const { tickets } = await control.request({ kind: "tickets", deviceId, contents });
  if (tickets.length > 0 && tickets.length <= contents.length) return tickets;
  throw new ProtocolError(`Cannot get tickets: ${tickets.length} answers to ${contents.length} questions`);
}

/**
 * Reports what a holder did, with a ticket that this peer has for it; the coordinator names it later then.
 * @throws {ShoalError} `denied`, if the ticket is not for it or has expired; `busy` after too many reports; or if no answer comes.
 */
export async function report(
  control: Pick<Control, "request">,
  { deviceId, ticket }: { readonly deviceId: DeviceId; readonly ticket: Bytes },
  reason: ReportReason,
): Promise<void> {
  await control.request({ kind: "report", deviceId, ticket, reason });
}
