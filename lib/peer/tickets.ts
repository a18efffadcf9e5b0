/**
 * tickets: what this peer asks the coordinator about holders that it knows already: tickets for small contents at one of them, and what
 * one of them did.  Spec: PROTOCOL.md "SET_TICKET", "REPORT".  (I/O through Control)
 */

import type { Bytes } from "../core/bytes.ts";
import { ProtocolError } from "../core/errors.ts";
import type { Content, DeviceId } from "../core/ids.ts";
import type { TakenSet } from "../wire/frame.ts";
import type { ReportReason } from "../wire/message.ts";
import type { Control } from "./control.ts";

/** What one ticket is for, of the contents asked for. */
export interface AskedSet {
  /** Undefined, if it is none of them. */
  readonly set: TakenSet | undefined;
  /** Whether the set has the content at this place of those asked for. */
  readonly isCovered: (place: number) => boolean;
}

/**
 * A ticket for those of these contents, at most limits.setMax and each small, that a device has whole for this peer.
 * @throws {ShoalError} If no answer comes.
 */
export async function setTicketFor(
  control: Pick<Control, "request">,
  deviceId: DeviceId,
  contents: readonly Content[],
): Promise<AskedSet> {
  const { ticket, covered } = await control.request({ kind: "setTicket", deviceId, contents });
  const isCovered = (place: number) => (covered >>> place & 1) === 1;
  const held = contents.filter((_, place) => isCovered(place));
  if (covered >= 2 ** contents.length || (ticket === null) !== (held.length === 0)) {
    throw new ProtocolError("Cannot get tickets: the answer is not to what was asked");
  }
  return { set: ticket === null ? undefined : { ticket, contents: held }, isCovered };
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
