/**
 * logins: from START to the first sealed datagram that opens. Laws: 1) nothing costly and nothing kept before the cookie is
 * good;  2) an account that is not there takes the same steps, sizes and tries as one that is;  3) nothing is enrolled,
 * replaced or evicted before the password and the device's key are proven.  Spec: PROTOCOL.md "Login"; its table of states
 * is `LoginStage`.  (pure)
 */

import { bytesEqual, copyBytes } from "../../core/bytes.ts";
import { type ErrorCode, errorCodes } from "../../core/errors.ts";
import { limits } from "../../core/limits.ts";
import { type Endpoint, formatEndpoint } from "../../core/transport.ts";
import { foldAccount } from "../../session/opaque.ts";
import { deriveSessionKeys, transcriptHash } from "../../session/handshake_keys.ts";
import { verifyAuth, verifyStart } from "../../session/proofs.ts";
import type { Random } from "../../session/random.ts";
import { SealedChannel } from "../../session/sealed_channel.ts";
import { encodeRefused, encodeReply, type Envelope } from "../../wire/envelope.ts";
import { decodeMessage, encodeMessage, errorMessage, type MessageOf } from "../../wire/message.ts";
import { addressBlock, sameEndpoint } from "./address.ts";
import type { Cookies } from "./cookie.ts";
import type { Outbox } from "./outbox.ts";
import { loginKey, type PendingLogin, PendingLogins } from "./pending_logins.ts";
import type { SessionIds } from "./session_id.ts";
import type { StoreAnswer } from "./store_effects.ts";
import { TryBuckets } from "./try_buckets.ts";
import type { Unproven } from "./unproven.ts";

type Start = Envelope & { readonly kind: "start" };
type Finish = Envelope & { readonly kind: "finish" };

/** A login whose password and device key are proven. */
export interface ProvenLogin {
  readonly pending: PendingLogin;
  readonly channel: SealedChannel;
  readonly transaction: number;
  readonly auth: MessageOf<"auth">;
}

export interface LoginsOptions {
  readonly outbox: Outbox;
  readonly unproven: Unproven;
  readonly cookies: Cookies;
  readonly ids: SessionIds;
  readonly random: Random;
  readonly isSessionId: (id: bigint) => boolean;
  /** Goes on with a proven login. */
  readonly onProven: (login: ProvenLogin, nowMs: number) => void;
}

/** How long a peer that met a full queue waits, in milliseconds. */
const busyRetryMs = 1_000;

export class Logins {
  readonly #options: LoginsOptions;
  readonly #pending = new PendingLogins();
  readonly #tries: TryBuckets;
  #isDraining = false;

  constructor(options: LoginsOptions) {
    this.#options = options;
    this.#tries = new TryBuckets(options.random(32));
  }

  get pendingCount(): number {
    return this.#pending.size;
  }

  get wakeAtMs(): number {
    return this.#pending.wakeAtMs;
  }

  /** Ends the logins whose time is over. */
  tick(nowMs: number): void {
    this.#pending.expire(nowMs);
  }

  /** Lets no more logins begin. */
  drain(): void {
    this.#isDraining = true;
  }

  /** Ends the pending logins of an account, by its folded name. */
  endAccount(foldedAccount: string): void {
    this.#pending.removeAccount(foldedAccount);
  }

  /** Takes a START; `datagram` is the whole of it. */
  start(start: Start, datagram: Uint8Array, from: Endpoint, nowMs: number): void {
    const { outbox, cookies, unproven, ids, isSessionId } = this.#options;
    this.#pending.expire(nowMs);
    const key = loginKey(from, start.nonce);
    const earlier = this.#pending.find(key);
    if (earlier !== undefined && bytesEqual(earlier.start, datagram)) {
      if (earlier.stage.kind !== "asking") outbox.send(from, earlier.reply);
      return;
    }
    if (!cookies.isGood(start.cookie, from, start.nonce, nowMs)) {
      return unproven.answerCookie(from, start.nonce, nowMs);
    }
    if (this.#isDraining) return this.#refuseStart(start.nonce, from, "busy", busyRetryMs);
    const { account: typedAccount, ke1, device } = start.body;
    const isSigned = device !== null && verifyStart(device.id, device.signature, start.cookie, typedAccount, ke1);
    const account = foldAccount(typedAccount);
    const block = addressBlock(from.ip);
    const waitMs = isSigned ? 0 : this.#tries.waitMs({ account, block, deviceId: null }, nowMs);
    if (waitMs > 0) return this.#refuseTries(start.nonce, from, typedAccount, waitMs, nowMs);
    if (earlier !== undefined) this.#pending.remove(earlier);
    const login: PendingLogin = {
      key,
      account,
      typedAccount,
      endpoint: { ip: from.ip, port: from.port },
      block,
      start: copyBytes(datagram),
      sessionId: ids.create((id) => isSessionId(id) || this.#pending.findBySession(id) !== undefined),
      deviceId: isSigned ? device.id : null,
      expiresAtMs: nowMs + limits.loginPendingMs,
      stage: { kind: "asking" },
      reply: new Uint8Array(0),
      opaqueState: "",
      spent: undefined,
      disabled: false,
      finishes: 0,
    };
    this.#pending.add(login);
    const nonce = copyBytes(start.nonce);
    outbox.store("credential", { account: typedAccount, deviceId: login.deviceId }, (answer, answeredAtMs) => {
      if (this.#pending.has(login)) this.#answerKe1(login, nonce, ke1, answer, answeredAtMs);
    });
  }

  /** Goes on with what the store knows of the account: spends a try and has OPAQUE answer KE1. */
  #answerKe1(
    login: PendingLogin,
    nonce: Uint8Array,
    ke1: Uint8Array<ArrayBuffer>,
    credential: StoreAnswer<"credential">,
    nowMs: number,
  ): void {
    const { outbox } = this.#options;
    const drop = (code: ErrorCode) => {
      this.#pending.remove(login);
      this.#refuseStart(nonce, login.endpoint, code, busyRetryMs);
    };
    if (!credential.ok) return drop("busy");
    const { record, disabled, deviceKnown } = credential.value;
    const { account, block } = login;
    const trier = { account, block, deviceId: deviceKnown ? login.deviceId : null };
    login.spent = this.#tries.take(trier, nowMs);
    if (login.spent === undefined) {
      this.#pending.remove(login);
      return this.#refuseTries(nonce, login.endpoint, login.typedAccount, this.#tries.waitMs(trier, nowMs), nowMs);
    }
    login.disabled = disabled;
    if (trier.deviceId !== null) this.#pending.promote(login);
    outbox.opaqueStart({ account: login.typedAccount, record, ke1 }, (result) => {
      if (!this.#pending.has(login)) return;
      if (!result.ok) {
        // No second message left, so there is nothing to guess with.
        this.#tries.giveBack(login.spent!);
        return drop(result.error.code === "busy" ? "busy" : "protocol");
      }
      login.reply = encodeReply(nonce, login.sessionId, result.value.ke2);
      login.opaqueState = result.value.state;
      login.stage = { kind: "replied" };
      outbox.send(login.endpoint, login.reply);
    });
  }

  /** Takes a FINISH of no session; false if it is of no pending login from this address either. */
  finish(finish: Finish, from: Endpoint, nowMs: number): boolean {
    const { outbox } = this.#options;
    this.#pending.expire(nowMs);
    const login = this.#pending.findBySession(finish.sessionId);
    if (login === undefined || !sameEndpoint(login.endpoint, from)) return false;
    if (login.stage.kind === "refused") {
      const { channel, payload } = login.stage;
      if (channel.open(finish) === undefined) return false;
      outbox.send(login.endpoint, channel.seal(payload));
    } else if (login.stage.kind === "replied" && login.finishes < limits.loginFinishesMax) {
      login.finishes++;
      login.stage = { kind: "proving" };
      const kept = {
        packetNumber: finish.packetNumber,
        header: copyBytes(finish.header),
        sealed: copyBytes(finish.sealed),
      };
      const ke3 = copyBytes(finish.ke3);
      outbox.opaqueFinish({ state: login.opaqueState, ke3 }, (result, answeredAtMs) => {
        if (!this.#pending.has(login)) return;
        // A forged KE3 must not end the login: the genuine one may still come.
        login.stage = { kind: "replied" };
        if (result.ok) this.#prove(login, ke3, kept, result.value, answeredAtMs);
      });
    }
    return true;
  }

  /** Opens the first sealed datagram; only now is anything believed. */
  #prove(
    login: PendingLogin,
    ke3: Uint8Array,
    finish: Pick<Finish, "packetNumber" | "header" | "sealed">,
    sessionKey: Uint8Array,
    nowMs: number,
  ): void {
    const transcript = transcriptHash(login.start, login.reply, ke3);
    const channel = new SealedChannel(login.sessionId, deriveSessionKeys(sessionKey, transcript), "coordinator");
    const opened = channel.open(finish);
    if (opened === undefined) return;
    const decoded = decodeMessage(opened.payload);
    if (!decoded.ok || decoded.value.message.kind !== "auth") return;
    const { transaction, message: auth } = decoded.value;
    // Who used a device's allowance is that device.
    if (login.deviceId !== null && login.deviceId !== auth.deviceId) return;
    if (!verifyAuth(auth.deviceId, auth.proof, transcript)) return;
    this.#tries.giveBack(login.spent!);
    login.stage = { kind: "proving" };
    const proven = { pending: login, channel, transaction, auth };
    if (login.disabled) this.refuse(proven, "disabled", "the account is disabled", nowMs);
    else if (/\p{Cc}/u.test(auth.label)) {
      this.refuse(proven, "usage", "the device's name holds a control character", nowMs);
    } else this.#options.onProven(proven, nowMs);
  }

  /** Tells whether a proven login is still wanted: it may have been ended while the store was asked. */
  isPending({ pending }: ProvenLogin): boolean {
    return this.#pending.has(pending);
  }

  /** Ends a proven login: it has become a session. */
  complete({ pending }: ProvenLogin): void {
    this.#pending.remove(pending);
  }

  /** Refuses a proven login, inside the sealed channel, however often its FINISH is repeated. */
  refuse({ pending, channel, transaction }: ProvenLogin, code: ErrorCode, text: string, nowMs: number): void {
    const payload = encodeMessage(transaction, errorMessage(code, text, code === "busy" ? busyRetryMs : 0));
    pending.stage = { kind: "refused", channel, payload };
    this.#options.outbox.send(pending.endpoint, channel.seal(payload));
    this.#log(pending.typedAccount, pending.endpoint, code, nowMs);
  }

  #refuseTries(nonce: Uint8Array, to: Endpoint, account: string, waitMs: number, nowMs: number): void {
    this.#refuseStart(nonce, to, "tooManyTries", waitMs);
    this.#log(account, to, "tooManyTries", nowMs);
  }

  #refuseStart(nonce: Uint8Array, to: Endpoint, code: ErrorCode, retryAfterMs: number): void {
    this.#options.outbox.send(to, encodeRefused(nonce, errorCodes[code].wire, retryAfterMs));
  }

  #log(account: string, endpoint: Endpoint, reason: ErrorCode, nowMs: number): void {
    if (!this.#options.unproven.mayLogRefusal(nowMs)) return;
    this.#options.outbox.log({ event: "loginRefused", account, endpoint: formatEndpoint(endpoint), reason });
  }
}
