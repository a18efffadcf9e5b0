/**
 * role: the coordinator as an event machine: datagrams, answers and time go in, effects come out. Laws: 1) a function of its
 * inputs, the time given with each (which never goes back) and the randomness given at its making;  2) it waits for
 * nothing;  3) no input makes it throw;  4) kinds that only a coordinator sends are never answered, nor is anything that does
 * not open.  Spec: PROTOCOL.md; what each kind is answered stands in the files beside this one.  (pure)
 */

import type { ErrorCode } from "../../core/errors.ts";
import type { DeviceId } from "../../core/ids.ts";
import { limits } from "../../core/limits.ts";
import { type Endpoint, sameEndpoint } from "../../core/transport.ts";
import { dhKeyFrom } from "../../session/dh_key.ts";
import { isInviteName } from "../../session/invite_code.ts";
import { foldAccount } from "../../session/opaque.ts";
import { emptyShareDigest } from "../../session/share_digest.ts";
import { decodeEnvelope, type Envelope } from "../../wire/envelope.ts";
import { decodeMessage, refuseUnknown, type Role } from "../../wire/message.ts";
import { AudienceChanges } from "./audience_changes.ts";
import { AddressRates } from "./address_rates.ts";
import { Admission } from "./admission.ts";
import { Cookies } from "./cookie.ts";
import { Cursors } from "./cursor.ts";
import { DeviceLogins } from "./device_logins.ts";
import { Introductions } from "./introductions.ts";
import { IssuedTickets } from "./issued_tickets.ts";
import { LoginRefusals } from "./login_refusals.ts";
import { Logins } from "./logins.ts";
import type { News } from "./news.ts";
import { Offers } from "./offers.ts";
import { Outbox } from "./outbox.ts";
import { Passwords } from "./passwords.ts";
import { Paths } from "./paths.ts";
import { PeerRequests } from "./peer_requests.ts";
import type { ProvenLogin } from "./proven_login.ts";
import { Presence } from "./presence.ts";
import { Pushes } from "./pushes.ts";
import { Reachability } from "./reachability.ts";
import { Registrations } from "./registrations.ts";
import { Reports } from "./reports.ts";
import type { Session } from "./session.ts";
import { SessionIds } from "./session_id.ts";
import { SessionTable } from "./session_table.ts";
import { Siblings } from "./siblings.ts";
import { Shedding } from "./shedding.ts";
import { Standings } from "./standing.ts";
import { RequestTallies, ResultTally, type RoleTallies } from "./tallies.ts";
import { Timers } from "./timers.ts";
import type { Effect, Input, RoleFigures, RoleOptions } from "./types.ts";
import { Unproven } from "./unproven.ts";
import { Watches } from "./watches.ts";

export class CoordinatorRole {
  readonly #outbox = new Outbox();
  readonly #shedding = new Shedding(this.#outbox.underWay);
  readonly #sessions = new SessionTable();
  readonly #tickets = new IssuedTickets();
  readonly #offers = new Offers();
  readonly #reports = new Reports();
  /** What is counted for metrics. */
  readonly tallies: RoleTallies = {
    requests: new RequestTallies(),
    logins: new ResultTally(),
    shedding: this.#shedding,
  };
  readonly #unproven: Unproven;
  readonly #logins: Logins;
  readonly #deviceLogins: DeviceLogins;
  readonly #admission: Admission;
  readonly #registrations: Registrations;
  readonly #standings: Standings;
  readonly #presence: Presence;
  readonly #pushes: Pushes;
  readonly #siblings: Siblings;
  readonly #audienceChanges: AudienceChanges;
  readonly #watches: Watches;
  readonly #paths: Paths;
  readonly #requests: PeerRequests;
  #datagramsIn = 0;
  #datagramsRefused = 0;
  /** How the sessions were ended, once all are. */
  #drained: (Input & { readonly kind: "drain" }) | undefined;

  constructor(
    { keys, random, keepAliveMs, accountRate = limits.accountRequestsPerSecond, isShared = false }: RoleOptions,
  ) {
    const outbox = this.#outbox;
    const sessions = this.#sessions;
    this.#registrations = new Registrations(outbox, random);
    this.#standings = new Standings(accountRate, (account) => [...sessions.ofAccount(account)].length > 0);
    const shedding = this.#shedding;
    const rates = new AddressRates(shedding, random(32));
    const timers = new Timers();
    const cookies = new Cookies(keys.cookie);
    const ids = new SessionIds(keys.session, random);
    const reachability = new Reachability(outbox, rates, (session, nowMs) => presence.placeChanged(session, nowMs));
    const pushes = this.#pushes = new Pushes(outbox, timers, random);
    const siblings = this.#siblings = new Siblings({
      outbox,
      sessions,
      pushes,
      offers: this.#offers,
      isShared,
      endSession: (session, code, nowMs) => this.#endSession(session, code, nowMs),
      changeStanding: (change, nowMs) => this.#changeStanding(change, nowMs),
    });
    const watches = this.#watches = new Watches(outbox, pushes);
    const presence = this.#presence = new Presence({
      outbox,
      sessions,
      timers,
      pushes,
      offers: this.#offers,
      watches,
      keepAliveMs,
      tellsPlaces: isShared,
    });
    this.#paths = new Paths(outbox, pushes, reachability, random);
    const requests = this.#requests = new PeerRequests({
      endDevice: (device, nowMs, asker) => {
        this.#endDevice(device, nowMs, asker);
        siblings.tell({ kind: "deviceRevoked", device });
      },
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
      siblings,
      watches,
      audienceChanges: this.#audienceChanges = new AudienceChanges(outbox, this.#tickets, siblings),
      cursors: new Cursors(keys.cursor),
      ticketRoot: keys.ticket,
      keepAliveMs,
      passwords: new Passwords(outbox, (account, device, nowMs) => {
        this.#endOthers(account, device, nowMs);
        siblings.tell({ kind: "othersEnded", account, device });
      }),
      tallies: this.tallies.requests,
      shedding,
      rates,
    });
    const unproven = this.#unproven = new Unproven(outbox, cookies, ids, shedding);
    const isSessionId = (id: bigint) => sessions.find(id) !== undefined || this.#isSessionToBe(id);
    const onProven = (login: ProvenLogin, nowMs: number) => {
      if (isInviteName(login.typedAccount)) this.#registrations.begin(login, nowMs);
      else this.#admission.admit(login, nowMs);
    };
    const refusals = new LoginRefusals(outbox, unproven, this.tallies.logins, shedding);
    this.#logins = new Logins({
      outbox,
      unproven,
      cookies,
      ids,
      random,
      tally: this.tallies.logins,
      refusals,
      shedding,
      rates,
      isSessionId,
      onProven,
    });
    const key = dhKeyFrom(keys.login);
    this.#deviceLogins = new DeviceLogins({
      outbox,
      unproven,
      cookies,
      ids,
      random,
      key,
      tally: this.tallies.logins,
      refusals,
      shedding,
      isSessionId,
      onProven,
    });
    this.#admission = new Admission({
      outbox,
      sessions,
      ids,
      presence,
      reachability,
      requests,
      loginKey: key.publicKey,
      standings: this.#standings,
      siblings,
    });
  }

  /** When a `tick` is wanted; Infinity for never. */
  get wakeAtMs(): number {
    return Math.min(
      this.#presence.wakeAtMs,
      this.#logins.wakeAtMs,
      this.#deviceLogins.wakeAtMs,
      this.#registrations.wakeAtMs,
    );
  }

  figures(): RoleFigures {
    return {
      sessions: this.#sessions.size,
      pendingLogins: this.#logins.pendingCount + this.#deviceLogins.pendingCount,
      datagramsIn: this.#datagramsIn,
      datagramsRefused: this.#datagramsRefused,
      datagramsShed: this.#unproven.shedCount,
      logins: this.#admission.admitted,
      offers: this.#offers.size,
      reports: this.#reports.size,
    };
  }

  /** Takes one input; returns what is to be done, in order. A datagram's bytes may be reused afterwards. */
  handle(input: Input, nowMs: number): Effect[] {
    this.tallies.requests.nowMs = nowMs;
    switch (input.kind) {
      case "datagram":
        this.#datagramsIn++;
        if (!this.#receive(input.bytes, input.from, nowMs)) this.#datagramsRefused++;
        break;
      case "tick":
        this.#presence.tick(nowMs);
        this.#logins.tick(nowMs);
        this.#deviceLogins.tick(nowMs);
        this.#registrations.tick(nowMs);
        break;
      case "stored":
        this.#outbox.settle(input.token, input.answer, nowMs);
        break;
      case "opaqueStarted":
      case "opaqueFinished":
      case "opaqueRegistered":
        this.#outbox.settle(input.token, input.result, nowMs);
        break;
      case "probed":
        this.#outbox.settle(input.token, input.reachable, nowMs);
        break;
      case "accountChanged":
      case "rightsLost":
      case "standingChanged":
        this.#hear(0, input, nowMs);
        this.#siblings.tell(input);
        break;
      case "behind":
        this.#shedding.noteBehind(nowMs);
        break;
      case "deviceRevoked":
        this.#hear(0, input, nowMs);
        this.#siblings.tell(input);
        break;
      case "coordinators":
        this.#takeLive(input, nowMs);
        break;
      case "joined":
        this.#siblings.joined();
        if (input.isAgain) this.#siblings.recheck();
        break;
      case "told":
        this.#hear(input.from, input.news, nowMs);
        break;
      case "drain":
        this.#logins.drain();
        this.#deviceLogins.drain();
        this.#registrations.endAll("busy");
        this.#closeSome(input, nowMs);
        if (this.#sessions.size === 0) this.#drained = input;
        break;
    }
    // A login that was in its last step.
    if (this.#drained !== undefined && this.#sessions.size > 0) this.#closeSome(this.#drained, nowMs);
    this.#siblings.noteWatching(this.#watches.size > 0);
    return this.#outbox.take();
  }

  #takeLive({ live, own }: Input & { readonly kind: "coordinators" }, nowMs: number): void {
    const before = this.#siblings.count;
    this.#siblings.takeLive(live, own);
    const { count } = this.#siblings;
    if (count !== before) this.#logins.divideTries(count, nowMs);
  }

  /** Does what news from an operator, or from another coordinator, mean here. */
  #hear(from: number, news: News, nowMs: number): void {
    switch (news.kind) {
      case "here":
        return this.#siblings.takeHere(from, news);
      case "gap":
        return this.#siblings.recheck();
      case "accountChanged":
        return this.#endAccount(foldAccount(news.account), news.code, nowMs);
      case "rightsLost":
        return this.#audienceChanges.lost(news.accounts, nowMs);
      case "standingChanged":
        return this.#changeStanding(news, nowMs);
      case "deviceRevoked":
        return this.#endDevice(news.device, nowMs);
      case "othersEnded":
        return this.#endOthers(news.account, news.device, nowMs);
      case "loggedIn":
        return this.#loggedInElsewhere(news, nowMs);
      case "left": {
        const session = this.#sessions.findDevice(news.device);
        if (session !== undefined) this.#presence.placeChanged(session, nowMs);
        return;
      }
      case "listChanged":
        return this.#siblings.takeListChanged(news, nowMs);
      case "revoked":
        return this.#siblings.takeRevoked(news, nowMs);
      case "audienceChanged":
        return this.#audienceChanges.changed(news.holder, news.shares, nowMs);
      case "shared":
        return this.#watches.shared({ device: news.device, foldedAccount: news.account }, news.shares, nowMs);
      case "reported":
        this.#reports.note(news.account, news.holder, news.content, nowMs);
    }
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
      case "deviceStart":
        this.#deviceLogins.start(envelope, datagram, from, nowMs);
        return true;
      case "finish": {
        const session = this.#sessions.find(envelope.sessionId);
        const registration = this.#registrations.find(envelope.sessionId);
        if (registration !== undefined) return this.#registrations.open(registration, envelope, from, nowMs);
        if (session === undefined) return this.#logins.finish(envelope, from, nowMs);
        return this.#open(session, envelope, datagram.length, from, nowMs);
      }
      case "sealed": {
        const session = this.#sessions.find(envelope.sessionId);
        if (session !== undefined) return this.#open(session, envelope, datagram.length, from, nowMs);
        const registration = this.#registrations.find(envelope.sessionId);
        if (registration !== undefined) return this.#registrations.open(registration, envelope, from, nowMs);
        // No RESET for a session to be: its token, seen by others, would end the session that comes of it.
        if (this.#isSessionToBe(envelope.sessionId)) return this.#deviceLogins.open(envelope, from, nowMs);
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
        if (this.#pushes.settle(session, transaction, nowMs)?.kind === "found") this.#watches.answered(session, nowMs);
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
      case "watch":
      case "unwatch":
      case "audience":
      case "locate":
      case "account":
      case "setTicket":
      case "report":
      case "devices":
      case "revokeDevice":
      case "register":
      case "registerRecord":
      case "changePassword":
      case "setPassword":
        this.#requests.handle(session, transaction, message, nowMs);
        return true;
      default:
        return false;
    }
  }

  /** Ends some sessions. */
  #closeSome({ elsewhere, atOnce }: Input & { readonly kind: "drain" }, nowMs: number): void {
    const some = [...this.#sessions.first(atOnce)];
    // `busy` makes peers come back by themselves, here or elsewhere.
    for (const session of some) {
      this.#presence.end(session, "busy", nowMs, {
        elsewhere: elsewhere.length > 0 ? elsewhere : this.#siblings.elsewhereFor(session),
      });
    }
  }

  #isSessionToBe(id: bigint): boolean {
    return this.#logins.has(id) || this.#deviceLogins.has(id) || this.#registrations.find(id) !== undefined;
  }

  /** What an account may do from now on; the store has withdrawn what it may not share, and its peers are told to look. */
  #changeStanding(
    { account, role, rate }: { readonly account: string; readonly role: Role; readonly rate: number | null },
    nowMs: number,
  ): void {
    const folded = foldAccount(account);
    this.#standings.change(folded, role, rate);
    if (role !== "readOnly") return;
    for (const session of this.#sessions.ofAccount(folded)) {
      session.noteShares(emptyShareDigest());
      this.#offers.withdrawAll(session);
      this.#pushes.mentionList(session, nowMs);
    }
  }

  /** Ends a session, and the transfers that its tickets began. */
  #endSession(session: Session, code: ErrorCode, nowMs: number): void {
    this.#presence.end(session, code, nowMs);
    this.#endTransfers(this.#tickets.takeDevice(session.device, nowMs), nowMs);
  }

  /** A device has a newer session at another coordinator; one that began here since is newer still. */
  #loggedInElsewhere({ device, atMs }: News & { readonly kind: "loggedIn" }, nowMs: number): void {
    const session = this.#sessions.findDevice(device);
    if (session === undefined || session.startedAtMs > atMs) return;
    this.#presence.endElsewhere(session, nowMs, () => this.#siblings.tell({ kind: "left", device }));
    this.#outbox.log({ event: "replaced", account: session.account, device: session.label });
  }

  /** Ends a device's session, and the transfers that its tickets began. Its own wish is a logout. */
  #endDevice(device: number, nowMs: number, asker?: Session): void {
    const session = this.#sessions.findDevice(device);
    // It stays as after LEAVE, to repeat its answer.
    if (session !== undefined && session === asker) this.#presence.leave(session, nowMs);
    else if (session !== undefined) this.#presence.end(session, "denied", nowMs);
    this.#endTransfers(this.#tickets.takeDevice(device, nowMs), nowMs);
  }

  /** Ends the sessions of an account but that of one device, and the transfers that their tickets began. */
  #endOthers(foldedAccount: string, device: number, nowMs: number): void {
    for (const session of [...this.#sessions.ofAccount(foldedAccount)]) {
      if (session.device !== device) this.#presence.end(session, "denied", nowMs);
    }
    this.#endTransfers(this.#tickets.takeAccount(foldedAccount, nowMs, device), nowMs);
  }

  /** Ends an account's sessions and logins, and the transfers that its tickets began; forgets what it reported. */
  #endAccount(foldedAccount: string, code: ErrorCode, nowMs: number): void {
    this.#logins.endAccount(foldedAccount);
    this.#deviceLogins.endAccount(foldedAccount);
    this.#reports.forgetAccount(foldedAccount);
    for (const session of [...this.#sessions.ofAccount(foldedAccount)]) this.#presence.end(session, code, nowMs);
    this.#endTransfers(this.#tickets.takeAccount(foldedAccount, nowMs), nowMs);
  }

  /** Has holders end their uploads to these devices. */
  #endTransfers(byHolder: ReadonlyMap<number, readonly DeviceId[]>, nowMs: number): void {
    for (const [holder, devices] of byHolder) this.#siblings.revokeDevices(holder, devices, nowMs);
  }
}
