/**
 * registration: the peer's side of making an account over the network: log in by an invite's secret, ask for the name, put the record of
 * the new password. Laws: 1) nothing of the new account is sent before the coordinator proved to be the one that the code names;  2) the password goes to the proofs alone;  3) it ends once, registered or failed.
 * Spec: PROTOCOL.md "Invites".  (pure)
 */

import { type Bytes, bytesEqual } from "../core/bytes.ts";
import { errorCodeFromWire, ProtocolError, RemoteError, ShoalError, TimeoutError } from "../core/errors.ts";
import { limits } from "../core/limits.ts";
import { coordinatorFingerprint, inviteName, invitePassword, openSecret } from "../session/invite_code.ts";
import type { FinishedRegistration, ProofStep, Proved } from "../session/opaque.ts";
import { Requests } from "../session/requests.ts";
import type { SealedChannel } from "../session/sealed_channel.ts";
import { emptyShareDigest } from "../session/share_digest.ts";
import { decodeEnvelope } from "../wire/envelope.ts";
import { decodeMessage, type Message, type MessageOf, type Request, requestAnswers } from "../wire/message.ts";
import { firstTransaction, LoginAttempt } from "./login_attempt.ts";
import type { LoginOutcome } from "./login_outcome.ts";
import type { MemberOptions } from "./types.ts";

export interface RegistrationWish {
  /** Undefined where the coordinator lets everybody register; then its key is believed as it comes. */
  readonly code: { readonly secret: Bytes; readonly fingerprint: Bytes } | undefined;
  readonly account: string;
  /** As `parsePassword` prepared it. */
  readonly password: string;
}

export type RegistrationInput =
  | { readonly kind: "datagram"; readonly bytes: Uint8Array }
  | { readonly kind: "proved"; readonly proved: Proved | ShoalError }
  /** Time has passed `wakeAtMs`, or it has just begun. */
  | { readonly kind: "tick" };

export type RegistrationEffect =
  | { readonly kind: "send"; readonly bytes: Bytes }
  /** Do a step of a proof; `proved` answers it. One at a time. */
  | { readonly kind: "prove"; readonly step: ProofStep }
  /** The account is there. */
  | { readonly kind: "registered"; readonly account: string; readonly coordinatorKey: Bytes }
  | { readonly kind: "failed"; readonly error: ShoalError };

/** Transaction of AUTH, which LoginAttempt sends. */
const authTransaction = 1;

export class Registration {
  readonly #options: MemberOptions;
  readonly #wish: RegistrationWish;
  readonly #requests: Requests;
  #effects: RegistrationEffect[] = [];
  /** Until the session is there. */
  #attempt: LoginAttempt | undefined;
  #session: SealedChannel | undefined;
  #coordinatorKey: Bytes | undefined;
  /** Of the registration under way. */
  #opaqueState = "";
  #account = "";
  #proving = false;
  #ended = false;

  constructor(options: MemberOptions, wish: RegistrationWish, nowMs: number) {
    this.#options = options;
    this.#wish = wish;
    this.#requests = new Requests(options.random, firstTransaction);
    const secret = wish.code?.secret ?? openSecret;
    this.#attempt = new LoginAttempt(options, {
      credentials: {
        kind: "password",
        account: inviteName(secret),
        password: invitePassword(secret),
        pinned: undefined,
      },
      presence: () => ({ tcpPort: 0, shareDigest: emptyShareDigest() }),
      accountKeyIsNew: false,
    }, nowMs);
  }

  /** When `tick` is wanted; Infinity for never. */
  get wakeAtMs(): number {
    if (this.#ended || this.#proving) return Infinity;
    return Math.min(this.#attempt?.wakeAtMs ?? Infinity, this.#requests.wakeAtMs(this.#session !== undefined));
  }

  /** Takes one input; returns what is to be done, in order. */
  handle(input: RegistrationInput, nowMs: number): readonly RegistrationEffect[] {
    this.#effects = [];
    if (this.#ended) return this.#effects;
    if (input.kind === "datagram") this.#receive(input.bytes, nowMs);
    if (input.kind === "proved") this.#proved(input.proved, nowMs);
    this.#advance(nowMs);
    return this.#effects;
  }

  #advance(nowMs: number): void {
    if (this.#ended || this.#proving) return;
    for (const { sends } of this.#requests.expire(nowMs)) {
      const hint = this.#account === "" ? {} : { hint: "The account may be there all the same: try to log in to it" };
      const text = "Cannot register: no answer from the coordinator";
      this.#fail(new TimeoutError(text, limits.requestMs, sends, hint));
    }
    this.#conclude(this.#attempt?.expired(nowMs));
    if (this.#ended) return;
    if (this.#session !== undefined) {
      for (const payload of this.#requests.due(nowMs)) this.#send(this.#session.seal(payload));
    }
    const datagram = this.#attempt?.due(nowMs);
    if (datagram !== undefined) this.#send(datagram);
    const step = this.#attempt?.takeProofStep();
    if (step !== undefined) this.#prove(step);
  }

  #receive(datagram: Uint8Array, nowMs: number): void {
    const decoded = decodeEnvelope(datagram);
    if (!decoded.ok) return;
    const envelope = decoded.value;
    if (envelope.kind !== "sealed") return this.#conclude(this.#attempt?.handleCleartext(envelope, datagram, nowMs));
    const channel = this.#session ?? this.#attempt?.channel;
    if (channel === undefined || envelope.sessionId !== channel.sessionId) return;
    const opened = channel.open(envelope);
    const message = opened && decodeMessage(opened.payload);
    if (!message?.ok) return;
    if (message.value.message.kind === "close") return this.#failBusy("the coordinator closed the session");
    if (this.#session === undefined) {
      if (message.value.transaction === authTransaction) this.#authAnswered(message.value.message, channel);
    } else {
      const settled = this.#requests.settle(message.value.transaction, nowMs);
      if (settled !== undefined) this.#answered(settled.message as Request, message.value.message);
    }
  }

  /** The session of the invite is there, or is not to be. */
  #authAnswered(message: Message, channel: SealedChannel): void {
    if (message.kind === "error") return this.#refused(message);
    if (message.kind !== "invited") {
      return this.#fail(new ProtocolError(`Cannot register: the coordinator answered with ${message.kind}`));
    }
    this.#attempt = undefined;
    this.#session = channel;
    this.#prove({ kind: "newStart", password: this.#wish.password });
  }

  #answered(request: Request, message: Message): void {
    if (message.kind === "error") return this.#refused(message);
    if (message.kind !== requestAnswers[request.kind]) {
      return this.#fail(new ProtocolError(`Cannot register: ${request.kind} was answered with ${message.kind}`));
    }
    if (message.kind === "registering") {
      this.#account = message.account;
      const { password } = this.#wish;
      this.#prove({ kind: "newFinish", password, state: this.#opaqueState, response: message.response });
    } else if (message.kind === "registered") {
      this.#end({ kind: "registered", account: message.account, coordinatorKey: this.#coordinatorKey! });
    }
  }

  #proved(proved: Proved | ShoalError, nowMs: number): void {
    this.#proving = false;
    if (proved instanceof ShoalError) return this.#fail(proved);
    switch (proved.kind) {
      case "newStart":
        this.#opaqueState = proved.state;
        this.#requests.add(0, { kind: "register", account: this.#wish.account, request: proved.request }, nowMs);
        return;
      case "newFinish":
        return this.#putRecord(proved.registration, nowMs);
      case "finish": {
        const key = proved.login?.coordinatorKey;
        if (key !== undefined && !this.#isExpected(key)) return this.#fail(otherCoordinator());
        this.#coordinatorKey = key;
      }
    }
    this.#conclude(this.#attempt?.handleProved(proved, nowMs));
  }

  #putRecord(registration: FinishedRegistration | undefined, nowMs: number): void {
    if (registration === undefined) {
      return this.#fail(
        new ProtocolError("Cannot register: the coordinator's answer is no registration of a password"),
      );
    }
    this.#requests.add(0, { kind: "registerRecord", account: this.#account, record: registration.record }, nowMs);
  }

  #isExpected(coordinatorKey: Uint8Array): boolean {
    const { code } = this.#wish;
    return code === undefined || bytesEqual(coordinatorFingerprint(coordinatorKey), code.fingerprint);
  }

  /** What the attempt ended with, before there was a session. */
  #conclude(outcome: LoginOutcome | undefined): void {
    switch (outcome?.kind) {
      case undefined:
        return;
      case "unproven":
        return this.#fail(outcome.error.code === "denied" ? this.#noSuchCode() : outcome.error);
      case "lost":
      case "denied":
        return this.#fail(outcome.error);
      default:
        return this.#fail(new ProtocolError("Cannot register: the coordinator logged in an invite"));
    }
  }

  #refused({ code: wire, text, retryAfterMs }: MessageOf<"error">): void {
    const code = errorCodeFromWire(wire);
    if (code === "denied") return this.#fail(this.#noSuchCode());
    const name = JSON.stringify(this.#wish.account);
    const isOfName = code === "nameTaken" || code === "usage";
    const message = isOfName ? `Cannot register as ${name}: ${text}` : `Cannot register: ${text}`;
    const another = this.#wish.code === undefined
      ? "Choose another name"
      : "Choose another name; the code is still good";
    const hint = isOfName ? { hint: another } : {};
    this.#fail(new RemoteError(code, message, { retryAfterMs, ...hint }));
  }

  /** One refusal, whatever is wrong with a code. */
  #noSuchCode(): ShoalError {
    return this.#wish.code === undefined
      ? new RemoteError("denied", "Cannot register: this coordinator takes nobody without a code", {
        hint: "Ask its operator for one, and write register CODE",
      })
      : new RemoteError("denied", "Cannot register: the code is used up, expired, or of another coordinator", {
        hint: "Check the address, or ask the operator for another code",
      });
  }

  #failBusy(text: string): void {
    this.#fail(new RemoteError("busy", `Cannot register: ${text}`));
  }

  #fail(error: ShoalError): void {
    this.#end({ kind: "failed", error });
  }

  #end(effect: RegistrationEffect): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#effects.push(effect);
  }

  #prove(step: ProofStep): void {
    this.#proving = true;
    this.#effects.push({ kind: "prove", step });
  }

  #send(bytes: Bytes): void {
    this.#effects.push({ kind: "send", bytes });
  }
}

function otherCoordinator(): ShoalError {
  return new ShoalError("untrusted", "Cannot register: this is not the coordinator that the code is of", {
    hint: "Check the address; if it is right, somebody is in between",
  });
}
