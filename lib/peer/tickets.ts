/**
 * tickets: what this peer asks the coordinator about holders that it knows already: tickets for many contents at one of them, and what one
 * of them did.  Spec: PROTOCOL.md "TICKETS", "REPORT".  (I/O through Control)
 */

import type { Bytes } from "../core/bytes.ts";
import { ProtocolError } from "../core/errors.ts";
import type { Content, DeviceId } from "../core/ids.ts";
import type { ReportReason } from "../wire/message.ts";
import type { Control } from "./control.ts";

/** Contents in the first question, more than an answer has room for: its length says how many later ones may name. */
const firstAsked = 16;
/** Questions on their way at once: a quarter of what a session may have in flight. */
const asksMax = 8;

/**
 * Tickets for contents that a device has whole, in their order; null where it does not, or not for this peer.
 * @throws {ShoalError} If an answer does not come.
 */
export async function tickets(
  control: Pick<Control, "request">,
  deviceId: DeviceId,
  contents: readonly Content[],
): Promise<readonly (Bytes | null)[]> {
  const found: (Bytes | null)[] = new Array(contents.length).fill(null);
  let answered = firstAsked;
  const ask = async (from: number, to: number) => {
    for (let at = from; at < to;) {
      const wanted = contents.slice(at, to).map(({ id, bytes }) => ({ id, bytes }));
      const { tickets } = await control.request({ kind: "tickets", deviceId, contents: wanted });
      if (tickets.length === 0 || tickets.length > wanted.length) {
        throw new ProtocolError(`Cannot get tickets: ${tickets.length} answers to ${wanted.length} questions`);
      }
      for (const [i, ticket] of tickets.entries()) found[at + i] = ticket;
      if (tickets.length < wanted.length) answered = Math.min(answered, tickets.length);
      at += tickets.length;
    }
  };
  let next = Math.min(firstAsked, contents.length);
  await ask(0, next);
  const lane = async () => {
    while (next < contents.length) {
      const from = next;
      next = Math.min(from + answered, contents.length);
      await ask(from, next);
    }
  };
  await Promise.all(Array.from({ length: asksMax }, lane));
  return found;
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
