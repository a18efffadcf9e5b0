/**
 * login_attempt: one attempt to log in, HELLO to ENROL, until an outcome. Laws: 1) a function of its inputs, their times and the
 * randomness given at its making;  2) the cleartext steps believe only answers that repeat their nonce;  3) one step is out at a
 * time, repeated until its answer comes or the attempt's time is over; while a proof is made none is out, no time counts and no
 * datagram is heard;  4) an outcome is answered once; what follows from it is the role's to say, and the attempt is given no input
 * after it;  5) how it proves who it is, is its way's.
 * Spec: PROTOCOL.md "Login"; of the state table there, hello to enrol.  (pure)
 */

import { type Bytes, bytesEqual, copyBytes } from "../core/bytes.ts";
import {
  errorCodeFromWire,
  otherVersions,
  ProtocolError,
  RemoteError,
  ShoalError,
  TimeoutError,
} from "../core/errors.ts";
import { deviceIdFrom } from "../core/ids.ts";
import { limits } from "../core/limits.ts";
import { protocolVersion } from "../core/version.ts";
import { deviceLoginKey } from "../session/dh_key.ts";
import { foldAccount, type ProofStep, type Proved } from "../session/opaque.ts";
import { proveAuth } from "../session/proofs.ts";
import type { Random } from "../session/random.ts";
import { SealedChannel } from "../session/sealed_channel.ts";
import { encodeHello, type Envelope, envelopeSizes } from "../wire/envelope.ts";
import { type Addressed, encodeMessage, type Message, type MessageOf } from "../wire/message.ts";
import { KeyWay } from "./key_way.ts";
import { denied, deniedError, type LoginOutcome, lost, refused } from "./login_outcome.ts";
import type { Agreed, Credentials, LoginWay, WayStep } from "./login_way.ts";
import { PasswordWay } from "./password_way.ts";
import type { Enrolment, MemberOptions } from "./types.ts";

/** Transactions 1 and 2 of a session are AUTH and ENROL; the others follow. */
const authTransaction = 1;
const enrolTransaction = 2;
export const firstTransaction = 4;

/** How often HELLO goes unanswered before a version list is believed: it proves nothing, and anybody can send one. */
const hellosBeforeVersions = 3;

/** Which step is out and repeated; FINISH carries AUTH. */
export type LoginState = "hello" | "start" | "finish" | "enrol";

/** One step of the login: a datagram that is sent until its answer comes or the attempt's time is over. */
interface Step {
  readonly make: () => Bytes;
  sends: number;
  dueAtMs: number;
}

/** What AUTH and STATUS tell of this peer. */
export interface Presence {
  readonly tcpPort: number;
  readonly shareDigest: Bytes;
}

/** What the role gives an attempt beside its own options. */
export interface LoginBasis {
  readonly credentials: Credentials;
  /** Asked when AUTH is made: it may have changed since the attempt began. */
  readonly presence: () => Presence;
  /** Whether an earlier attempt made the account key and never heard that it was taken. */
  readonly accountKeyIsNew: boolean;
  /** How long the coordinator may take, in milliseconds; limits.requestMs unless told. */
  readonly patienceMs?: number;
}

export class LoginAttempt {
  readonly #options: MemberOptions;
  readonly #presence: LoginBasis["presence"];
  readonly #way: LoginWay;
  readonly #patienceMs: number;
  #endsAtMs: number;
  #state: LoginState = "hello";
  #step: Step;
  /** The step of the password proof that is to be done. */
  #proofStep: ProofStep | undefined;
  /** Since when one is being done; then `#step` is not out. */
  #provingFromMs: number | undefined;
  #nonce: Bytes = new Uint8Array(envelopeSizes.nonce);
  #cookie: Bytes = new Uint8Array(envelopeSizes.cookie);
  /** What the coordinator speaks, where HELLO was answered with a version list that lacks ours. */
  #otherVersions: readonly number[] | undefined;
  #channel: SealedChannel | undefined;
  #authenticated: MessageOf<"authenticated"> | undefined;
  #enrolment: Enrolment | undefined;
  /** The account key that this attempt made came second. */
  #accountKeyIsForeign = false;

  constructor(options: MemberOptions, basis: LoginBasis, nowMs: number) {
    const { credentials, presence, accountKeyIsNew, patienceMs = limits.requestMs } = basis;
    this.#options = options;
    this.#patienceMs = patienceMs;
    this.#presence = presence;
    this.#way = credentials.kind === "key"
      ? new KeyWay(options, credentials.enrolment)
      : new PasswordWay(options, credentials, accountKeyIsNew);
    this.#endsAtMs = nowMs + patienceMs;
    this.#step = this.#hello(nowMs);
  }

  get state(): LoginState {
    return this.#state;
  }

  /** From FINISH on; not authentic before something opens under it. */
  get channel(): SealedChannel | undefined {
    return this.#channel;
  }

  /** From AUTHENTICATED on. */
  get resetToken(): Bytes | undefined {
    return this.#authenticated?.resetToken;
  }

  /** Whether this attempt or one before it made the account key; the next one is told. */
  get accountKeyIsNew(): boolean {
    return this.#way.accountKeyIsNew && !this.#accountKeyIsForeign;
  }

  /** When `expired` and `due` are to be asked. */
  get wakeAtMs(): number {
    if (this.#provingFromMs !== undefined) return Infinity;
    return Math.min(this.#step.dueAtMs, this.#endsAtMs);
  }

  /** The outcome that time alone brings: no answer, or none but other versions. */
  expired(nowMs: number): LoginOutcome | undefined {
    if (this.#provingFromMs !== undefined) return;
    const { sends, dueAtMs } = this.#step;
    if (nowMs >= this.#endsAtMs) {
      const hint = "Check its address and that it is running";
      return lost(new TimeoutError("Cannot reach the coordinator: no answer", this.#patienceMs, sends, { hint }));
    }
    if (nowMs < dueAtMs || this.#state !== "hello" || sends < hellosBeforeVersions) return;
    if (this.#otherVersions === undefined) return;
    return {
      kind: "unproven",
      error: otherVersions("log in", "the coordinator", this.#otherVersions, protocolVersion),
    };
  }

  /** The step's datagram, each time that it is to be sent. */
  due(nowMs: number): Bytes | undefined {
    const step = this.#step;
    if (this.#provingFromMs !== undefined || nowMs < step.dueAtMs) return undefined;
    const datagram = step.make();
    const pauseMs = Math.min(limits.retransmitMaxMs, limits.retransmitFirstMs * 2 ** step.sends);
    step.dueAtMs = nowMs + Math.ceil(jittered(pauseMs, this.#options.random));
    step.sends++;
    return datagram;
  }

  /** The step of the password proof that is to be done, once; `handleProved` takes what comes of it. */
  takeProofStep(): ProofStep | undefined {
    const step = this.#proofStep;
    this.#proofStep = undefined;
    return step;
  }

  /** Takes what came of the step of the password proof that was taken last. */
  handleProved(proved: Proved | ShoalError, nowMs: number): LoginOutcome | undefined {
    if (this.#provingFromMs === undefined) return undefined; // An attempt before this one asked for it.
    // This machine's own work is not the coordinator's silence.
    this.#endsAtMs += nowMs - this.#provingFromMs;
    this.#provingFromMs = undefined;
    if (proved instanceof ShoalError) return lost(proved);
    return this.#take(this.#way.proved(proved), nowMs);
  }

  /** Takes a cleartext datagram, decoded and as it came: the transcript covers its bytes. */
  handleCleartext(envelope: Envelope, datagram: Uint8Array, nowMs: number): LoginOutcome | undefined {
    if (this.#provingFromMs !== undefined) return;
    switch (envelope.kind) {
      case "cookie":
        if (!bytesEqual(envelope.nonce, this.#nonce)) return;
        if (this.#state === "hello") {
          this.#cookie = copyBytes(envelope.cookie);
          return this.#take(this.#way.start(this.#nonce, this.#cookie), nowMs);
        } else if (this.#state === "start" && !bytesEqual(envelope.cookie, this.#cookie)) {
          // Another cookie in `start`: ours had grown too old. A second START under one nonce would let the REPLY to the first
          // meet the second's state and look like a wrong password, so all begins anew.
          this.#step = this.#hello(nowMs);
        }
        return;
      case "reply":
      case "deviceReply":
      case "refused": {
        if (this.#state !== "start" || !bytesEqual(envelope.nonce, this.#nonce)) return;
        const step = this.#way.answered(envelope, datagram);
        return step === undefined && envelope.kind === "refused" ? refused(envelope) : this.#take(step, nowMs);
      }
      case "versions":
        if (!envelope.versions.includes(protocolVersion)) this.#otherVersions = envelope.versions;
        return;
    }
  }

  /** Takes what opened under `channel` and is no push: the answer to AUTH or to ENROL. */
  handleAnswer({ transaction, message }: Addressed, nowMs: number): LoginOutcome | undefined {
    if (this.#state === "finish" && transaction === authTransaction) return this.#authAnswered(message, nowMs);
    if (this.#state === "enrol" && transaction === enrolTransaction) return this.#enrolAnswered(message);
    return undefined;
  }

  #hello(nowMs: number): Step {
    this.#state = "hello";
    this.#otherVersions = undefined;
    this.#nonce = this.#options.random(envelopeSizes.nonce);
    return stepFrom(nowMs, () => encodeHello(this.#nonce));
  }

  /** Does what the way says. */
  #take(step: WayStep | undefined, nowMs: number): LoginOutcome | undefined {
    switch (step?.kind) {
      case undefined:
        return undefined;
      case "prove":
        this.#provingFromMs = nowMs;
        this.#proofStep = step.step;
        return undefined;
      case "send":
        this.#state = "start";
        this.#step = stepFrom(nowMs, () => step.datagram);
        return undefined;
      case "agreed":
        this.#sendAuth(step, nowMs);
        return undefined;
      default:
        return step;
    }
  }

  #sendAuth({ sessionId, keys, transcript, seal }: Agreed, nowMs: number): void {
    const { device, label, certificate } = this.#options;
    const channel = this.#channel = new SealedChannel(sessionId, keys, "peer");
    const { publicKey: loginKey } = deviceLoginKey(device);
    const auth = encodeMessage(authTransaction, {
      kind: "auth",
      deviceId: deviceIdFrom(device.publicKey),
      label,
      proof: proveAuth(device, transcript, loginKey),
      certificate,
      ...this.#presence(),
      loginKey,
    });
    this.#state = "finish";
    this.#step = stepFrom(nowMs, () => seal(channel, auth));
  }

  #authAnswered(message: Message, nowMs: number): LoginOutcome | undefined {
    const { account } = this.#way;
    if (message.kind === "error") {
      const code = errorCodeFromWire(message.code);
      if (code !== "busy") return denied(deniedError(code, account, message.text));
      return lost(new RemoteError(code, `Cannot log in: ${message.text}`), message.retryAfterMs);
    }
    if (message.kind !== "authenticated") return undefined;
    if (foldAccount(message.account) !== foldAccount(account)) {
      return denied(new ProtocolError("Cannot log in: the coordinator answered for another account"));
    }
    this.#authenticated = message;
    const admitted = this.#way.admitted(message);
    if (admitted.kind !== "admitted" && admitted.kind !== "enrol") return admitted;
    this.#enrolment = admitted.enrolment;
    if (admitted.kind === "admitted") return this.#online();
    const channel = this.#channel!;
    const payload = encodeMessage(enrolTransaction, admitted.message);
    this.#state = "enrol";
    this.#step = stepFrom(nowMs, () => channel.seal(payload));
    return undefined;
  }

  #enrolAnswered(message: Message): LoginOutcome | undefined {
    if (message.kind === "error") {
      return denied(deniedError(errorCodeFromWire(message.code), this.#way.account, message.text));
    }
    if (message.kind !== "enrolled") return undefined;
    if (message.enrolled && bytesEqual(message.accountKey.publicKey, this.#enrolment!.accountKey)) {
      return this.#online();
    }
    this.#accountKeyIsForeign = true;
    return { kind: "again" };
  }

  #online(): LoginOutcome {
    const authenticated = this.#authenticated!;
    const { label, resetToken, role } = authenticated;
    const deviceId = deviceIdFrom(this.#options.device.publicKey);
    const identity = { ...this.#enrolment!, label, deviceId, role, accountKeyIsNew: this.accountKeyIsNew };
    return { kind: "online", session: { channel: this.#channel!, resetToken }, identity, alive: authenticated };
  }
}

/** The time with up to a quarter more, so that many peers do not move in step. */
export function jittered(ms: number, random: Random): number {
  return ms * (1 + random(1)[0]! / 1024);
}

function stepFrom(nowMs: number, make: () => Bytes): Step {
  return { make, sends: 0, dueAtMs: nowMs };
}
