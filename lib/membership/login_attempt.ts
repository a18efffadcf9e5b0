/**
 * login_attempt: one attempt to log in, HELLO to ENROL, until an outcome. Laws: 1) a function of its inputs, their times and the
 * randomness given at its making;  2) the cleartext steps believe only answers that repeat their nonce;  3) one step is out at a
 * time, repeated until its answer comes or the attempt's time is over; while a proof is made none is out, no time counts and no
 * datagram is heard;  4) an outcome is answered once; what follows from it is the role's to say, and the attempt is given no input
 * after it.
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
import { openAccountKey, sealAccountKey } from "../session/account_key.ts";
import { type SigningKey, signingKeyFrom } from "../session/device_key.ts";
import { type FinishedLogin, foldAccount, type ProofStep, type Proved } from "../session/opaque.ts";
import { deriveSessionKeys, transcriptHash } from "../session/handshake_keys.ts";
import { proveAuth, proveStart, signDevice } from "../session/proofs.ts";
import type { Random } from "../session/random.ts";
import { SealedChannel } from "../session/sealed_channel.ts";
import { encodeHello, encodeStart, type Envelope, envelopeSizes } from "../wire/envelope.ts";
import { type Addressed, encodeMessage, type Message, type MessageOf } from "../wire/message.ts";
import type { Alive, Identity, MemberOptions } from "./types.ts";

/** Transactions 1 and 2 of a session are AUTH and ENROL; the others follow. */
const authTransaction = 1;
const enrolTransaction = 2;
export const firstTransaction = 4;

/** How often HELLO goes unanswered before a version list is believed: it proves nothing, and anybody can send one. */
const hellosBeforeVersions = 3;

/** The longest pause that a REFUSED can cause, in milliseconds: what the coordinator's own buckets ask for. */
const refusedMaxMs = 60_000;

/** Which step is out and repeated; FINISH carries AUTH. */
export type LoginState = "hello" | "start" | "finish" | "enrol";

/** One step of the login: a datagram that is sent until its answer comes or the attempt's time is over. */
interface Step {
  readonly make: () => Bytes;
  sends: number;
  dueAtMs: number;
}

export interface Credentials {
  readonly account: string;
  readonly password: string;
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
}

/** What waits for the password proof; its datagrams are kept here, for they come in a buffer that is used again. */
type Proving =
  | { readonly kind: "start"; readonly cookie: Bytes; readonly fromMs: number }
  | { readonly kind: "finish"; readonly sessionId: bigint; readonly reply: Bytes; readonly fromMs: number };

/** What a session is held by. */
export interface Session {
  readonly channel: SealedChannel;
  /** What a RESET of this session shows. */
  readonly resetToken: Bytes;
}

export type LoginOutcome =
  | { readonly kind: "online"; readonly session: Session; readonly identity: Identity; readonly alive: Alive }
  /** Worth another attempt, after `waitMs` at the least. */
  | { readonly kind: "lost"; readonly error: ShoalError; readonly waitMs: number }
  /** The REPLY does not prove that the coordinator knows this password, or there were version lists alone: so it is, or they are forged. */
  | { readonly kind: "unproven"; readonly error: ShoalError }
  | { readonly kind: "denied"; readonly error: ShoalError }
  /** Another device of this account put its key first: log in again at once and use that one. */
  | { readonly kind: "again" };

export class LoginAttempt {
  readonly #options: MemberOptions;
  readonly #basis: LoginBasis;
  #endsAtMs: number;
  #state: LoginState = "hello";
  #step: Step;
  /** The step of the password proof that is to be done. */
  #proofStep: ProofStep | undefined;
  /** While one is being done `#step` is not out. */
  #proving: Proving | undefined;
  #nonce: Bytes = new Uint8Array(envelopeSizes.nonce);
  /** What the coordinator speaks, where HELLO was answered with a version list that lacks ours. */
  #otherVersions: readonly number[] | undefined;
  #start: { readonly datagram: Bytes; readonly cookie: Bytes; readonly opaqueState: string } | undefined;
  #login: FinishedLogin | undefined;
  #channel: SealedChannel | undefined;
  #authenticated: MessageOf<"authenticated"> | undefined;
  #accountKey: SigningKey | undefined;
  #accountKeyIsNew: boolean;

  constructor(options: MemberOptions, basis: LoginBasis, nowMs: number) {
    this.#options = options;
    this.#basis = basis;
    this.#endsAtMs = nowMs + limits.requestMs;
    this.#accountKeyIsNew = basis.accountKeyIsNew;
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
    return this.#accountKeyIsNew;
  }

  /** When `expired` and `due` are to be asked. */
  get wakeAtMs(): number {
    if (this.#proving !== undefined) return Infinity;
    return Math.min(this.#step.dueAtMs, this.#endsAtMs);
  }

  /** The outcome that time alone brings: no answer, or none but other versions. */
  expired(nowMs: number): LoginOutcome | undefined {
    if (this.#proving !== undefined) return;
    const { sends, dueAtMs } = this.#step;
    if (nowMs >= this.#endsAtMs) {
      const hint = "Check its address and that it is running";
      return lost(new TimeoutError("Cannot reach the coordinator: no answer", limits.requestMs, sends, { hint }));
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
    if (this.#proving !== undefined || nowMs < step.dueAtMs) return undefined;
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
    const proving = this.#proving;
    if (proving === undefined) return undefined; // An attempt before this one asked for it.
    this.#proving = undefined;
    if (proved instanceof ShoalError) return lost(proved);
    // This machine's own work is not the coordinator's silence.
    this.#endsAtMs += nowMs - proving.fromMs;
    if (proving.kind === "start" && proved.kind === "start") this.#sendStart(proving.cookie, proved, nowMs);
    if (proving.kind === "finish" && proved.kind === "finish") return this.#finish(proving, proved.login, nowMs);
    return undefined;
  }

  /** Takes a cleartext datagram, decoded and as it came: the transcript covers its bytes. */
  handleCleartext(envelope: Envelope, datagram: Uint8Array, nowMs: number): LoginOutcome | undefined {
    if (this.#proving !== undefined) return;
    const { password } = this.#basis.credentials;
    switch (envelope.kind) {
      case "cookie":
        if (!bytesEqual(envelope.nonce, this.#nonce)) return;
        if (this.#state === "hello") {
          this.#proving = { kind: "start", cookie: copyBytes(envelope.cookie), fromMs: nowMs };
          this.#proofStep = { kind: "start", password };
        } else if (this.#state === "start" && !bytesEqual(envelope.cookie, this.#start!.cookie)) {
          // Another cookie in `start`: ours had grown too old. A second START under one nonce would let the REPLY to the first
          // meet the second's OPAQUE state and look like a wrong password, so all begins anew.
          this.#step = this.#hello(nowMs);
        }
        return;
      case "reply":
        if (this.#state !== "start" || !bytesEqual(envelope.nonce, this.#nonce)) return;
        this.#proving = { kind: "finish", sessionId: envelope.sessionId, reply: copyBytes(datagram), fromMs: nowMs };
        this.#proofStep = { kind: "finish", password, state: this.#start!.opaqueState, ke2: copyBytes(envelope.ke2) };
        return;
      case "refused":
        if (this.#state !== "start" || !bytesEqual(envelope.nonce, this.#nonce)) return;
        return refused(envelope);
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

  #sendStart(cookie: Bytes, { ke1, state }: Proved & { kind: "start" }, nowMs: number): void {
    const { account } = this.#basis.credentials;
    const device = this.#options.device;
    const datagram = encodeStart(this.#nonce, cookie, {
      account,
      ke1,
      device: { id: deviceIdFrom(device.publicKey), signature: proveStart(device, cookie, account, ke1) },
    });
    this.#start = { datagram, cookie, opaqueState: state };
    this.#state = "start";
    this.#step = stepFrom(nowMs, () => datagram);
  }

  #finish(
    { sessionId, reply }: Proving & { kind: "finish" },
    login: FinishedLogin | undefined,
    nowMs: number,
  ): LoginOutcome | undefined {
    const { account } = this.#basis.credentials;
    if (login === undefined) {
      const text = `Cannot log in as ${JSON.stringify(account)}: wrong password or unknown account`;
      const hint = "Check the name and the password, or ask the operator for an account";
      return { kind: "unproven", error: new RemoteError("denied", text, { hint }) };
    }
    const transcript = transcriptHash(this.#start!.datagram, reply, login.ke3);
    const channel = new SealedChannel(sessionId, deriveSessionKeys(login.sessionKey, transcript), "peer");
    const { tcpPort, shareDigest } = this.#basis.presence();
    const auth = encodeMessage(authTransaction, {
      kind: "auth",
      deviceId: deviceIdFrom(this.#options.device.publicKey),
      label: this.#options.label,
      proof: proveAuth(this.#options.device, transcript),
      certificate: this.#options.certificate,
      tcpPort,
      shareDigest,
    });
    this.#channel = channel;
    this.#login = login;
    this.#state = "finish";
    this.#step = stepFrom(nowMs, () => channel.sealFinish(login.ke3, auth));
    return undefined;
  }

  #authAnswered(message: Message, nowMs: number): LoginOutcome | undefined {
    const { account } = this.#basis.credentials;
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
    return this.#enrolWith(message, nowMs);
  }

  /** Goes on with the account key as stored: opens it, or makes one; signs this device where that is not done. */
  #enrolWith(authenticated: MessageOf<"authenticated">, nowMs: number): LoginOutcome | undefined {
    const { account, accountKey: stored, enrolled } = authenticated;
    const { device, random } = this.#options;
    const exportKey = this.#login!.exportKey;
    const key = stored === null ? signingKeyFrom(random(32)) : openAccountKey(exportKey, account, stored);
    if (key === undefined) {
      return denied(
        new ShoalError("integrity", "Cannot use the account's key: it does not open with this password", {
          hint: "The coordinator may have altered it; ask the operator to set the password anew",
        }),
      );
    }
    this.#accountKey = key;
    if (stored === null) this.#accountKeyIsNew = true;
    if (stored !== null && enrolled) return this.#online();
    const channel = this.#channel!;
    const payload = encodeMessage(enrolTransaction, {
      kind: "enrol",
      accountKey: stored ?? { publicKey: key.publicKey, sealed: sealAccountKey(exportKey, account, key, random) },
      signature: signDevice(key, account, deviceIdFrom(device.publicKey)),
    });
    this.#state = "enrol";
    this.#step = stepFrom(nowMs, () => channel.seal(payload));
    return undefined;
  }

  #enrolAnswered(message: Message): LoginOutcome | undefined {
    if (message.kind === "error") {
      return denied(deniedError(errorCodeFromWire(message.code), this.#basis.credentials.account, message.text));
    }
    if (message.kind !== "enrolled") return undefined;
    if (message.enrolled && bytesEqual(message.accountKey.publicKey, this.#accountKey!.publicKey)) {
      return this.#online();
    }
    this.#accountKeyIsNew = false;
    return { kind: "again" };
  }

  #online(): LoginOutcome {
    const authenticated = this.#authenticated!;
    const { account, label, resetToken } = authenticated;
    const key = this.#accountKey!;
    const deviceId = deviceIdFrom(this.#options.device.publicKey);
    const identity: Identity = {
      account,
      label,
      deviceId,
      coordinatorKey: this.#login!.coordinatorKey,
      accountKey: key.publicKey,
      deviceSignature: signDevice(key, account, deviceId),
      accountKeyIsNew: this.#accountKeyIsNew,
    };
    return { kind: "online", session: { channel: this.#channel!, resetToken }, identity, alive: authenticated };
  }
}

/** The time with up to a quarter more, so that many peers do not move in step. */
export function jittered(ms: number, random: Random): number {
  return ms * (1 + random(1)[0]! / 1024);
}

/** Says in words why this account may not be logged in, at login or at the session's close. */
export function deniedError(code: ReturnType<typeof errorCodeFromWire>, account: string, text = ""): RemoteError {
  if (code === "disabled") {
    return new RemoteError(code, `Cannot log in as ${JSON.stringify(account)}: the operator disabled the account`, {
      hint: "Ask the operator of the coordinator",
    });
  }
  const reason = text === "" ? "its password was changed, or it was removed" : text;
  return new RemoteError(code, `Cannot log in as ${JSON.stringify(account)}: ${reason}`);
}

/** A REFUSED is not authentic: it may slow this peer down, not silence it. */
function refused({ code: wireCode, retryAfterMs }: Envelope & { kind: "refused" }): LoginOutcome {
  const code = errorCodeFromWire(wireCode);
  const error = code === "tooManyTries"
    ? new RemoteError(code, "Cannot log in: too many tries at this account", {
      retryAfterMs,
      hint: `Try again in ${Math.ceil(retryAfterMs / 1000)} s`,
    })
    : new RemoteError(code, "Cannot log in: the coordinator is busy", { retryAfterMs });
  return lost(error, Math.min(retryAfterMs, refusedMaxMs));
}

function lost(error: ShoalError, waitMs = 0): LoginOutcome {
  return { kind: "lost", error, waitMs };
}

function denied(error: ShoalError): LoginOutcome {
  return { kind: "denied", error };
}

function stepFrom(nowMs: number, make: () => Bytes): Step {
  return { make, sends: 0, dueAtMs: nowMs };
}
