/**
 * role: the coordinator as an event machine: datagrams, answers and time go in, effects come out. Laws: 1) a function of its
 * inputs, the time given with each (which never goes back) and the randomness given at its making;  2) it waits for
 * nothing;  3) no input makes it throw;  4) kinds that only a coordinator sends are never answered, nor is anything that does
 * not open.  Spec: PROTOCOL.md; what each kind is answered stands in the files beside this one.  (pure)
 */

import type { ErrorCode } from "../../core/errors.ts";
import type { Endpoint } from "../../core/transport.ts";
import { foldAccount } from "../../session/opaque.ts";
import { decodeEnvelope, type Envelope } from "../../wire/envelope.ts";
import { decodeMessage, refuseUnknown } from "../../wire/message.ts";
import { sameEndpoint } from "./address.ts";
import { Admission } from "./admission.ts";
import { Cookies } from "./cookie.ts";
import { Cursors } from "./cursor.ts";
import { Introductions } from "./introductions.ts";
import { IssuedTickets } from "./issued_tickets.ts";
import { Logins } from "./logins.ts";
import { Offers } from "./offers.ts";
import { Outbox } from "./outbox.ts";
import { Paths } from "./paths.ts";
import { PeerRequests } from "./peer_requests.ts";
import { Presence } from "./presence.ts";
import { Pushes } from "./pushes.ts";
import { Reachability } from "./reachability.ts";
import { Reports } from "./reports.ts";
import type { Session } from "./session.ts";
import { SessionIds } from "./session_id.ts";
import { SessionTable } from "./session_table.ts";
import { Timers } from "./timers.ts";
import type { Effect, Input, RoleFigures, RoleOptions } from "./types.ts";
import { Unproven } from "./unproven.ts";

export class CoordinatorRole {
  readonly #outbox = new Outbox();
  readonly #sessions = new SessionTable();
  readonly #tickets = new IssuedTickets();
  readonly #offers = new Offers();
  readonly #reports = new Reports();
  readonly #unproven: Unproven;
  readonly #logins: Logins;
  readonly #admission: Admission;
  readonly #presence: Presence;
  readonly #pushes: Pushes;
  readonly #paths: Paths;
  readonly #requests: PeerRequests;
  #datagramsIn = 0;
  #datagramsRefused = 0;

  constructor({ keys, random, keepAliveMs }: RoleOptions) {
    const outbox = this.#outbox;
    const sessions = this.#sessions;
    const timers = new Timers();
    const cookies = new Cookies(keys.cookie);
    const ids = new SessionIds(keys.session, random);
    const reachability = new Reachability(outbox);
    const pushes = this.#pushes = new Pushes(outbox, timers, random);
    const presence = this.#presence = new Presence({
      outbox,
      sessions,
      timers,
      pushes,
      offers: this.#offers,
      keepAliveMs,
    });
    this.#paths = new Paths(outbox, pushes, reachability, random);
    const requests = this.#requests = new PeerRequests({
      outbox,
      sessions,
      presence,
      pushes,
      reachability,
      offers: this.#offers,
      reports: this.#reports,
      introductions: new Introductions({
        sessions,
        reachability,
        offers: this.#offers,
        reports: this.#reports,
        tickets: this.#tickets,
        ticketRoot: keys.ticket,
        random,
      }),
      cursors: new Cursors(keys.cursor),
      ticketRoot: keys.ticket,
      keepAliveMs,
    });
    const unproven = this.#unproven = new Unproven(outbox, cookies, ids);
    const logins = this.#logins = new Logins({
      outbox,
      unproven,
      cookies,
      ids,
      random,
      isSessionId: (id) => sessions.find(id) !== undefined,
      onProven: (login, nowMs) => this.#admission.admit(login, nowMs),
    });
    this.#admission = new Admission({ outbox, logins, sessions, ids, presence, reachability, requests });
  }

  /** When a `tick` is wanted; Infinity for never. */
  get wakeAtMs(): number {
    return Math.min(this.#presence.wakeAtMs, this.#logins.wakeAtMs);
  }

  figures(): RoleFigures {
    return {
      sessions: this.#sessions.size,
      pendingLogins: this.#logins.pendingCount,
      datagramsIn: this.#datagramsIn,
      datagramsRefused: this.#datagramsRefused,
      logins: this.#admission.admitted,
      offers: this.#offers.size,
      reports: this.#reports.size,
    };
  }

  /** Takes one input; returns what is to be done, in order. A datagram's bytes may be reused afterwards. */
  handle(input: Input, nowMs: number): Effect[] {
    switch (input.kind) {
      case "datagram":
        this.#datagramsIn++;
        if (!this.#receive(input.bytes, input.from, nowMs)) this.#datagramsRefused++;
        break;
      case "tick":
        this.#presence.tick(nowMs);
        this.#logins.tick(nowMs);
        break;
      case "stored":
        this.#outbox.settle(input.token, input.answer, nowMs);
        break;
      case "opaqueStarted":
      case "opaqueFinished":
        this.#outbox.settle(input.token, input.result, nowMs);
        break;
      case "probed":
        this.#outbox.settle(input.token, input.reachable, nowMs);
        break;
      case "accountChanged":
        this.#endAccount(foldAccount(input.account), input.code, nowMs);
        break;
      case "drain":
        this.#logins.drain();
        // `busy` makes peers come back by themselves, here or elsewhere.
        for (const session of [...this.#sessions.all()]) this.#presence.end(session, "busy", nowMs);
        break;
    }
    return this.#outbox.take();
  }

  /** Takes a datagram; false if it was junk, forged, or not for a coordinator. */
  #receive(datagram: Uint8Array, from: Endpoint, nowMs: number): boolean {
    const decoded = decodeEnvelope(datagram);
    if (!decoded.ok) return false;
    const envelope = decoded.value;
    switch (envelope.kind) {
      case "hello":
        this.#unproven.answerCookie(from, envelope.nonce, nowMs);
        return true;
      case "start":
        this.#logins.start(envelope, datagram, from, nowMs);
        return true;
      case "finish": {
        const session = this.#sessions.find(envelope.sessionId);
        if (session === undefined) return this.#logins.finish(envelope, from, nowMs);
        return this.#open(session, envelope, datagram.length, from, nowMs);
      }
      case "sealed": {
        const session = this.#sessions.find(envelope.sessionId);
        if (session !== undefined) return this.#open(session, envelope, datagram.length, from, nowMs);
        this.#unproven.answerUnknownSession(from, envelope.sessionId, nowMs);
        return false;
      }
      case "unknownVersion":
        this.#unproven.answerVersion(from, datagram.length, nowMs);
        return false;
      default:
        return false;
    }
  }

  #open(
    session: Session,
    envelope: Envelope & { readonly kind: "sealed" | "finish" },
    size: number,
    from: Endpoint,
    nowMs: number,
  ): boolean {
    const opened = session.channel.open(envelope);
    if (opened === undefined) return false;
    this.#presence.heard(session, nowMs);
    const decoded = decodeMessage(opened.payload);
    const moved = !sameEndpoint(from, session.endpoint);
    if (moved && decoded.ok && decoded.value.message.kind === "pathResponse") {
      this.#paths.answered(session, decoded.value.message.token, from, nowMs);
      return true;
    }
    if (moved) this.#paths.strayed(session, from, size, opened.newest, nowMs);
    if (!decoded.ok) {
      const refusal = session.state === "left" ? undefined : refuseUnknown(opened.payload);
      if (refusal !== undefined) session.send(this.#outbox, refusal.transaction, refusal.message);
      return false;
    }
    const { transaction, message } = decoded.value;
    switch (message.kind) {
      case "done":
      case "error":
        this.#pushes.settle(session, transaction, nowMs);
        return true;
      case "auth":
      case "enrol":
      case "status":
      case "leave":
      case "share":
      case "remove":
      case "listPeers":
      case "listFiles":
      case "search":
      case "locate":
      case "account":
      case "tickets":
      case "report":
        this.#requests.handle(session, transaction, message, nowMs);
        return true;
      default:
        return false;
    }
  }

  /** Ends an account's sessions and logins, and the transfers that its tickets began; forgets what it reported. */
  #endAccount(foldedAccount: string, code: ErrorCode, nowMs: number): void {
    this.#logins.endAccount(foldedAccount);
    this.#reports.forgetAccount(foldedAccount);
    for (const session of [...this.#sessions.ofAccount(foldedAccount)]) this.#presence.end(session, code, nowMs);
    for (const [holder, devices] of this.#tickets.takeAccount(foldedAccount, nowMs)) {
      const session = this.#sessions.findDevice(holder);
      if (session !== undefined) this.#pushes.revokeDevices(session, devices, nowMs);
    }
  }
}
