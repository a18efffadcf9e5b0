/**
 * pushes: what the coordinator asks of peers, repeated until they answer `done`. Laws: 1) a device that is away gets
 * nothing until it is back;  2) bounded: over limits.pushesPerSessionMax a push is dropped. A dropped end of contents shows
 * in `sharesMatch`, a dropped end of tickets happens by their expiry.  Spec: PROTOCOL.md "Pushes".  (pure)
 */

import { limits } from "../../core/limits.ts";
import type { Content, DeviceId } from "../../core/ids.ts";
import type { Random } from "../../session/random.ts";
import { Requests } from "../../session/requests.ts";
import type { Message } from "../../wire/message.ts";
import type { Outbox } from "./outbox.ts";
import type { Session } from "./session.ts";
import type { Timers } from "./timers.ts";

/** What one REVOKE holds at most: message.ts. */
const revokedMax = 16;

export class Pushes {
  readonly #outbox: Outbox;
  readonly #timers: Timers;
  readonly #random: Random;

  constructor(outbox: Outbox, timers: Timers, random: Random) {
    this.#outbox = outbox;
    this.#timers = timers;
    this.#random = random;
  }

  /** Tells a holder to end its uploads of these contents. */
  revokeContents(session: Session, contents: readonly Content[], nowMs: number): void {
    for (let at = 0; at < contents.length; at += revokedMax) {
      this.#push(session, contents.slice(at, at + revokedMax), [], nowMs);
    }
  }

  /** Tells a device that its share list may have changed. */
  mentionList(session: Session, nowMs: number): void {
    this.#push(session, [], [], nowMs);
  }

  /** Tells a holder to end its uploads to these devices. */
  revokeDevices(session: Session, devices: readonly DeviceId[], nowMs: number): void {
    for (let at = 0; at < devices.length; at += revokedMax) {
      this.#push(session, [], devices.slice(at, at + revokedMax), nowMs);
    }
  }

  /** Tells a peer what a standing search found; false if it is told of too much already. It is kept for as long as the session. */
  found(session: Session, message: Message, nowMs: number): boolean {
    const requests = this.#requestsOf(session);
    if (requests.size >= limits.pushesPerSessionMax) return false;
    requests.add(0, message, nowMs, limits.sessionMs);
    this.flush(session, nowMs);
    return true;
  }

  #push(session: Session, contents: readonly Content[], devices: readonly DeviceId[], nowMs: number): void {
    const requests = this.#requestsOf(session);
    if (requests.size >= limits.pushesPerSessionMax) return;
    requests.add(0, { kind: "revoke", contents, devices }, nowMs, limits.ticketMs);
    this.flush(session, nowMs);
  }

  /** Notes a peer's answer; what it answered, if anything. */
  settle(session: Session, transaction: number, nowMs: number): Message | undefined {
    const settled = session.requests?.settle(transaction, nowMs);
    if (settled !== undefined) this.flush(session, nowMs);
    return settled?.message;
  }

  /** Sends what is due, drops what is too old, and sets the timer for the rest. */
  flush(session: Session, nowMs: number): void {
    const { requests } = session;
    if (requests === undefined) return;
    requests.expire(nowMs);
    const online = session.state === "online";
    if (online) {
      for (const payload of requests.due(nowMs)) this.#outbox.send(session.endpoint, session.channel.seal(payload));
    }
    this.#timers.setNoLater(session, requests.wakeAtMs(online));
  }

  /** Takes a number for a message to this peer that is not repeated. */
  nextTransaction(session: Session): number {
    return this.#requestsOf(session).takeTransaction();
  }

  #requestsOf(session: Session): Requests {
    return session.requests ??= new Requests(this.#random, 1);
  }
}
