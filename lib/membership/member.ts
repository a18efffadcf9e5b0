/**
 * member: the peer's role in the control plane: log in, keep alive, ask, come back. Laws: 1) a function of its inputs, their times
 * and the randomness given at its making;  2) after the first login it comes back by itself, with growing and jittered pauses, by the
 * device's key, and has forgotten the password;  3) a request outlives a lost session: it goes out again in the next one, until its own
 * deadline;  4) at most one of a login attempt and a session is there; with neither it waits or has stopped.
 * Spec: PROTOCOL.md "Login", "Requests", "Presence and shares"; the state table there is this file's, and login_attempt.ts's from
 * hello to enrol.  (pure)
 */

import { type Bytes, bytesEqual, copyBytes } from "../core/bytes.ts";
import {
  errorCodeFromWire,
  NetworkError,
  ProtocolError,
  RemoteError,
  type ShoalError,
  TimeoutError,
} from "../core/errors.ts";
import { limits } from "../core/limits.ts";
import { Requests } from "../session/requests.ts";
import { emptyShareDigest } from "../session/share_digest.ts";
import { decodeEnvelope, type Envelope } from "../wire/envelope.ts";
import {
  type Addressed,
  decodeMessage,
  encodeMessage,
  type MessageOf,
  refuseUnknown,
  requestAnswers,
} from "../wire/message.ts";
import { firstTransaction, jittered, LoginAttempt, type LoginState, type Presence } from "./login_attempt.ts";
import { deniedError, type LoginOutcome, type Session } from "./login_outcome.ts";
import type { Credentials } from "./login_way.ts";
import type { Alive, MemberEffect, MemberInput, MemberOptions } from "./types.ts";

/** Handles of our own among the requests; callers' are positive. Keep-alives count down from theirs, one a session. */
const leaveHandle = -1;
const firstKeepAliveHandle = -2;

/** Where there are several coordinators one may be silent for this part of a keep-alive's interval, and at least so long in milliseconds. */
const patiencePart = 0.25;
const patienceMinMs = 400;
/** A coordinator that is one of several is looked after so long after a request, in milliseconds. */
const doubtMs = 1_000;

/** First and longest pause between attempts to log in again, and that before another coordinator is tried, in milliseconds. */
const retryNextMs = 100;
const retryFirstMs = 500;
const retryMaxMs = 15_000;

/** Failed proofs, or attempts with version lists alone, in a row that end the logins of a peer that was online before. */
const failedProofsMax = 5;

type State =
  /** Not asked to log in, denied, or logged out. */
  | "stopped"
  /** An attempt is under way. */
  | LoginState
  | "online"
  /** The last attempt failed; the next begins at `#retryAtMs`. */
  | "waiting";

export class Member {
  readonly #options: MemberOptions;
  readonly #requests: Requests;
  #effects: MemberEffect[] = [];
  #credentials: Credentials | undefined;
  #attempt: LoginAttempt | undefined;
  /** The number of the last `prove`. */
  #proof = 0;
  #session: Session | undefined;
  #retryAtMs = Infinity;
  #failures = 0;
  #failedProofs = 0;
  /** Coordinators still to be tried to which this peer was sent: a refusal of theirs says nothing about its own. */
  #strangersLeft = 0;
  /** LEAVE is out: where the session ends in another way, it has left all the same. */
  #isLeaving = false;
  /** When an attempt was given up whose AUTH may be let in all the same. */
  #abandonedAtMs = -Infinity;
  /** Coordinators of this network, and whether the person named the one that is talked to now. */
  #coordinators = { count: 1, isNamed: true };
  /** Whether these credentials have been right before. */
  #wasOnline = false;
  /** Whether an attempt that ended made the account key and never heard that it was taken. */
  #accountKeyIsNew = false;
  /** Of the session before, until AUTHENTICATED tells the next. */
  #resetToken: Bytes | undefined;

  #presence: Presence = { tcpPort: 0, shareDigest: emptyShareDigest() };
  #keepAliveMs: number = limits.keepAliveMs;
  #statusAtMs = Infinity;
  #statusPending = false;
  /** Of this session's keep-alives; what is left of an earlier session's says nothing about this one. */
  #keepAliveHandle = firstKeepAliveHandle;
  #renewAtMs = Infinity;

  constructor(options: MemberOptions) {
    this.#options = options;
    this.#requests = new Requests(options.random, firstTransaction);
  }

  get state(): State {
    if (this.#attempt !== undefined) return this.#attempt.state;
    if (this.#session !== undefined) return "online";
    return this.#retryAtMs < Infinity ? "waiting" : "stopped";
  }

  /** Smoothed round trip to the coordinator in milliseconds; 0 before the first. */
  get roundTripMs(): number {
    return this.#requests.roundTripMs;
  }

  /** When `tick` is wanted; Infinity for never. */
  get wakeAtMs(): number {
    const online = this.#session !== undefined;
    return Math.min(
      this.#attempt?.wakeAtMs ?? Infinity,
      this.#retryAtMs,
      online ? this.#renewAtMs : Infinity,
      // While one is out, its answer or its deadline brings the next.
      online && !this.#statusPending ? this.#statusAtMs : Infinity,
      this.#requests.wakeAtMs(online),
    );
  }

  /** Takes one input; returns what is to be done, in order. */
  handle(input: MemberInput, nowMs: number): readonly MemberEffect[] {
    this.#effects = [];
    switch (input.kind) {
      case "login":
        this.#login({
          kind: "password",
          account: input.account,
          password: input.password,
          pinned: input.pinned,
        }, nowMs);
        break;
      case "loginByKey":
        this.#login({ kind: "key", account: input.enrolment.account, enrolment: input.enrolment }, nowMs);
        break;
      case "datagram":
        this.#handleDatagram(input.bytes, nowMs);
        break;
      case "proved":
        if (input.proof === this.#proof) this.#conclude(this.#attempt?.handleProved(input.proved, nowMs), nowMs);
        break;
      case "request":
        if (this.state === "stopped") {
          this.#fail(input.handle, new NetworkError("Cannot ask the coordinator: this peer is not logged in"));
        } else {
          this.#requests.add(input.handle, input.request, nowMs, input.timeoutMs);
          // Where another coordinator could answer, it is soon known whether this one does.
          if (this.#coordinators.count > 1) this.#statusAtMs = Math.min(this.#statusAtMs, nowMs + doubtMs);
        }
        break;
      case "presence":
        if (input.tcpPort !== this.#presence.tcpPort || !bytesEqual(input.shareDigest, this.#presence.shareDigest)) {
          this.#presence = { tcpPort: input.tcpPort, shareDigest: copyBytes(input.shareDigest) };
          this.#statusAtMs = Math.min(this.#statusAtMs, nowMs);
        }
        break;
      case "coordinators":
        this.#coordinators = input;
        break;
      case "leave":
        this.#isLeaving = this.#session !== undefined;
        if (this.#isLeaving) this.#requests.add(leaveHandle, { kind: "leave" }, nowMs, 1_000);
        else this.#leave();
        break;
      case "tick":
        break;
    }
    this.#advance(nowMs);
    return this.#effects;
  }

  /** Does whatever is due: repeats, time-outs, keep-alives. */
  #advance(nowMs: number): void {
    for (const { handle, sends } of this.#requests.expire(nowMs)) this.#expired(handle, sends, nowMs);
    if (nowMs >= this.#retryAtMs) this.#beginAttempt(nowMs);
    this.#conclude(this.#attempt?.expired(nowMs), nowMs);
    if (this.#session !== undefined) {
      if (nowMs >= this.#renewAtMs) this.#beginAttempt(nowMs);
      else if (nowMs >= this.#statusAtMs && !this.#statusPending) this.#queueStatus(nowMs);
    }
    if (this.#session !== undefined) {
      for (const payload of this.#requests.due(nowMs)) this.#send(this.#session.channel.seal(payload));
    }
    const datagram = this.#attempt?.due(nowMs);
    if (datagram !== undefined) this.#send(datagram);
    const step = this.#attempt?.takeProofStep();
    if (step !== undefined) this.#effects.push({ kind: "prove", proof: ++this.#proof, step });
  }

  #queueStatus(nowMs: number): void {
    this.#statusPending = true;
    this.#requests.add(
      this.#keepAliveHandle,
      { kind: "status", ...this.#presence },
      nowMs,
      this.#patienceMs,
    );
    this.#statusAtMs = nowMs + Math.ceil(this.#keepAliveMs * (0.7 + 0.3 * this.#options.random(1)[0]! / 256));
  }

  #expired(handle: number, sends: number, nowMs: number): void {
    if (handle <= firstKeepAliveHandle) {
      if (handle !== this.#keepAliveHandle || this.#session === undefined) return;
      this.#lost(
        new TimeoutError("Lost the coordinator: no answer to keep-alives", this.#patienceMs, sends),
        nowMs,
      );
    } else if (handle === leaveHandle) {
      if (this.state !== "stopped") this.#leave(); // Asked twice, told once.
    } else {
      const hint = "It may be down; this peer goes on trying to log in again";
      this.#fail(
        handle,
        this.#session !== undefined
          ? new TimeoutError("Cannot ask the coordinator: no answer in time", limits.requestMs, sends, { hint })
          : new NetworkError("Cannot ask the coordinator: it is out of reach", { hint }),
      );
    }
  }

  /** How long a coordinator may be silent: where there is another one, that is asked before this one's devices are taken to be away. */
  get #patienceMs(): number {
    const { count } = this.#coordinators;
    if (count === 1) return limits.requestMs;
    // Where none answered in time, all may be slow.
    const rounds = Math.floor(this.#failures / count);
    return Math.min(limits.requestMs, Math.max(patienceMinMs, this.#keepAliveMs * patiencePart) * 2 ** rounds);
  }

  // ---- logging in ----

  #login(credentials: Credentials, nowMs: number): void {
    this.#credentials = credentials;
    this.#failures = 0;
    this.#failedProofs = 0;
    this.#wasOnline = false;
    this.#beginAttempt(nowMs);
  }

  /** Starts a login from HELLO; requests wait for the session that comes of it. */
  #beginAttempt(nowMs: number): void {
    this.#drop();
    const credentials = this.#credentials!;
    const accountKeyIsNew = this.#accountKeyIsNew;
    const patienceMs = this.#patienceMs;
    const basis = { credentials, presence: () => this.#presence, accountKeyIsNew, patienceMs };
    this.#attempt = new LoginAttempt(this.#options, basis, nowMs);
  }

  #conclude(outcome: LoginOutcome | undefined, nowMs: number): void {
    if (outcome?.kind === "denied" || outcome?.kind === "unproven" || outcome?.kind === "lost") {
      if (this.#strangersLeft-- > 0) return this.#lost(outcome.error, nowMs);
      this.#strangersLeft = 0;
    }
    switch (outcome?.kind) {
      case "online":
        return this.#nowOnline(outcome, nowMs);
      case "lost":
        this.#failedProofs = 0;
        return this.#lost(outcome.error, nowMs, outcome.waitMs);
      case "unproven":
        // The address may be somebody else's by now.
        if (!this.#coordinators.isNamed && this.#credentials?.kind === "key") return this.#lost(outcome.error, nowMs);
        // At a first login the password is wrong, or the key or the version another; once they were right, a forgery is as likely, so
        // it takes several in a row to be believed.
        this.#failedProofs++;
        if (this.#wasOnline && this.#failedProofs < failedProofsMax) this.#lost(outcome.error, nowMs);
        else this.#deny(outcome.error);
        return;
      case "denied":
        return this.#deny(outcome.error);
      case "again":
        return this.#beginAttempt(nowMs);
    }
  }

  #nowOnline({ session, identity, alive }: LoginOutcome & { kind: "online" }, nowMs: number): void {
    this.#attempt = undefined;
    this.#strangersLeft = 0;
    this.#session = session;
    this.#failures = 0;
    this.#failedProofs = 0;
    this.#wasOnline = true;
    this.#credentials = { kind: "key", account: identity.account, enrolment: identity };
    this.#accountKeyIsNew = false;
    this.#statusPending = false;
    this.#keepAliveHandle--;
    this.#requests.restart(firstTransaction);
    this.#keepAliveMs = alive.keepAliveMs;
    this.#statusAtMs = nowMs;
    this.#renewAtMs = nowMs + 0.9 * limits.sessionMs;
    this.#effects.push({ kind: "online", identity, alive: aliveOf(alive) });
  }

  // ---- what comes in ----

  #handleDatagram(datagram: Uint8Array, nowMs: number): void {
    const decoded = decodeEnvelope(datagram);
    if (!decoded.ok) return;
    const envelope = decoded.value;
    if (envelope.kind === "sealed") this.#handleSealed(envelope, nowMs);
    else if (envelope.kind === "reset") this.#handleReset(envelope, nowMs);
    else this.#conclude(this.#attempt?.handleCleartext(envelope, datagram, nowMs), nowMs);
  }

  #handleReset(envelope: Envelope & { kind: "reset" }, nowMs: number): void {
    const { channel, resetToken = this.#resetToken } = this.#session ?? this.#attempt ?? {};
    if (resetToken === undefined || envelope.sessionId !== channel?.sessionId) return;
    if (!bytesEqual(envelope.token, resetToken)) return;
    if (this.#isLeaving) return this.#leave();
    this.#effects.push({
      kind: "offline",
      error: new NetworkError("The coordinator no longer knows this session: it was restarted"),
      retryInMs: 0,
    });
    this.#beginAttempt(nowMs);
  }

  #handleSealed(envelope: Envelope & { kind: "sealed" }, nowMs: number): void {
    const channel = (this.#session ?? this.#attempt)?.channel;
    if (channel === undefined || envelope.sessionId !== channel.sessionId) return;
    const opened = channel.open(envelope);
    if (opened === undefined) return;
    const decoded = decodeMessage(opened.payload);
    if (!decoded.ok) {
      const refusal = refuseUnknown(opened.payload);
      if (refusal !== undefined) this.#send(channel.seal(encodeMessage(refusal.transaction, refusal.message)));
      return;
    }
    const { transaction, message } = decoded.value;
    switch (message.kind) {
      case "pathChallenge":
        this.#send(channel.seal(encodeMessage(transaction, { kind: "pathResponse", token: message.token })));
        return;
      case "revoke":
        this.#send(channel.seal(encodeMessage(transaction, { kind: "done" })));
        this.#effects.push({ kind: "revoked", contents: message.contents, devices: message.devices });
        this.#statusAtMs = Math.min(this.#statusAtMs, nowMs);
        return;
      case "found":
        this.#send(channel.seal(encodeMessage(transaction, { kind: "done" })));
        this.#effects.push(message);
        return;
      case "close":
        this.#closed(message, nowMs);
        return;
    }
    if (this.#attempt !== undefined) this.#conclude(this.#attempt.handleAnswer(decoded.value, nowMs), nowMs);
    else this.#answered(decoded.value, nowMs);
  }

  #closed(message: MessageOf<"close">, nowMs: number): void {
    const code = errorCodeFromWire(message.code);
    if (code === "sessionEnded" && nowMs < this.#abandonedAtMs + limits.loginPendingMs) {
      // The newer session is that of an attempt that was given up, which nobody has.
      this.#abandonedAtMs = -Infinity;
      this.#lost(new RemoteError(code, "The coordinator let in a login of this device that was given up"), nowMs);
    } else if (code === "sessionEnded") {
      this.#deny(
        new RemoteError(code, "Logged out: this device logged in again elsewhere", {
          hint: "Run one peer for each home folder",
        }),
      );
    } else if (code === "disabled" || code === "denied") {
      this.#deny(deniedError(code, this.#credentials!.account));
    } else {
      this.#strangersLeft = message.elsewhere.length;
      if (message.elsewhere.length > 0) this.#effects.push({ kind: "sentElsewhere", endpoints: message.elsewhere });
      this.#lost(new RemoteError(code, "The coordinator closed the session"), nowMs);
    }
  }

  #answered({ transaction, message }: Addressed, nowMs: number): void {
    const settled = this.#requests.settle(transaction, nowMs);
    if (settled === undefined) return;
    const { handle, message: request } = settled;
    if (handle <= firstKeepAliveHandle) {
      if (handle === this.#keepAliveHandle) this.#statusPending = false;
      if (message.kind !== "alive") return;
      this.#keepAliveMs = message.keepAliveMs;
      this.#effects.push({ kind: "alive", alive: aliveOf(message) });
    } else if (handle === leaveHandle) {
      this.#leave();
    } else if (message.kind === "error") {
      const code = errorCodeFromWire(message.code);
      const { retryAfterMs } = message;
      const text = `The coordinator refused ${request.kind}: ${message.text}`;
      const hint = code === "version" ? { hint: "Update the coordinator: it is older than this peer" } : {};
      this.#fail(handle, new RemoteError(code, text, { retryAfterMs, ...hint }));
    } else if (message.kind === requestAnswers[request.kind as keyof typeof requestAnswers]) {
      this.#effects.push({ kind: "answered", handle, answer: message });
    } else {
      this.#fail(handle, new ProtocolError(`The coordinator answered ${request.kind} with ${message.kind}`));
    }
  }

  // ---- endings ----

  /** The coordinator is out of reach: try again later, on and on. */
  #lost(error: ShoalError, nowMs: number, waitMs = 0): void {
    if (this.#isLeaving) return this.#leave();
    const pauseMs = Math.max(
      waitMs,
      jittered(this.#pauseMs, this.#options.random),
    );
    this.#failures++;
    if (this.#attempt?.channel !== undefined) this.#abandonedAtMs = nowMs;
    this.#drop();
    this.#statusPending = false;
    this.#retryAtMs = nowMs + Math.ceil(pauseMs);
    this.#effects.push({ kind: "offline", error, retryInMs: Math.ceil(pauseMs) });
  }

  /** After each round of all coordinators a longer one; between them next to none. */
  get #pauseMs(): number {
    const { count } = this.#coordinators;
    if ((this.#failures + 1) % count !== 0) return retryNextMs;
    return Math.min(retryMaxMs, retryFirstMs * 2 ** Math.floor(this.#failures / count));
  }

  #deny(error: ShoalError): void {
    this.#stop(error);
    this.#effects.push({ kind: "denied", error });
  }

  #leave(): void {
    this.#stop(new NetworkError("Cannot ask the coordinator: this peer is logging out"));
    this.#effects.push({ kind: "left" });
  }

  /** Forgets the session and the password; whoever still waits is told. */
  #stop(error: ShoalError): void {
    this.#drop();
    this.#isLeaving = false;
    this.#credentials = undefined;
    for (const { handle } of this.#requests.expire(Infinity)) if (handle > 0) this.#fail(handle, error);
  }

  /** Ends the attempt, the session or the pause; keeps what outlives them. */
  #drop(): void {
    this.#accountKeyIsNew = this.#attempt?.accountKeyIsNew ?? this.#accountKeyIsNew;
    this.#resetToken = (this.#session ?? this.#attempt)?.resetToken ?? this.#resetToken;
    this.#attempt = undefined;
    this.#session = undefined;
    this.#retryAtMs = Infinity;
  }

  #fail(handle: number, error: ShoalError): void {
    this.#effects.push({ kind: "failed", handle, error });
  }

  #send(bytes: Bytes): void {
    this.#effects.push({ kind: "send", bytes });
  }
}

/** What AUTHENTICATED and ALIVE tell alike. */
function aliveOf(message: Alive): Alive {
  const { keepAliveMs, timeMs, ticketKeys, sharesMatch, observed, reachable, coordinators } = message;
  return { keepAliveMs, timeMs, ticketKeys, sharesMatch, observed, reachable, coordinators };
}
