/**
 * logins: from START to the first sealed datagram that opens. Laws: 1) nothing costly and nothing kept before the cookie is
 * good;  2) an account that is not there takes the same steps, sizes and tries as one that is;  3) nothing is enrolled,
 * replaced or evicted before the password and the device's key are proven.  Spec: PROTOCOL.md "Login"; its table of states
 * is `LoginStage`.  (pure)
 */

import { bytesEqual, copyBytes } from "../../core/bytes.ts";
import type { ErrorCode } from "../../core/errors.ts";
import type { DeviceId } from "../../core/ids.ts";
import { limits } from "../../core/limits.ts";
import { type Endpoint, sameEndpoint } from "../../core/transport.ts";
import { isInviteName } from "../../session/invite_code.ts";
import { foldAccount } from "../../session/opaque.ts";
import { deriveSessionKeys, transcriptHash } from "../../session/handshake_keys.ts";
import { verifyAuth, verifyStart } from "../../session/proofs.ts";
import type { Random } from "../../session/random.ts";
import { SealedChannel } from "../../session/sealed_channel.ts";
import { encodeReply, type Envelope } from "../../wire/envelope.ts";
import { decodeMessage, encodeMessage, errorMessage } from "../../wire/message.ts";
import { addressBlock, wideAddressBlock } from "./address.ts";
import type { AddressRates } from "./address_rates.ts";
import type { Cookies } from "./cookie.ts";
import type { LoginRefusals } from "./login_refusals.ts";
import type { Outbox } from "./outbox.ts";
import { loginKey, type PendingLogin, PendingLogins } from "./pending_logins.ts";
import type { ProvenLogin } from "./proven_login.ts";
import type { SessionIds } from "./session_id.ts";
import type { Shedding } from "./shedding.ts";
import type { StoreAnswer } from "./store_effects.ts";
import type { ResultTally } from "./tallies.ts";
import { type Trier, TryBuckets } from "./try_buckets.ts";
import type { Unproven } from "./unproven.ts";

type Start = Envelope & { readonly kind: "start" };
type Finish = Envelope & { readonly kind: "finish" };

export interface LoginsOptions {
  readonly outbox: Outbox;
  readonly unproven: Unproven;
  readonly cookies: Cookies;
  readonly ids: SessionIds;
  readonly random: Random;
  readonly tally: ResultTally;
  readonly refusals: LoginRefusals;
  readonly shedding: Shedding;
  readonly rates: AddressRates;
  readonly isSessionId: (id: bigint) => boolean;
  /** Goes on with a proven login. */
  readonly onProven: (login: ProvenLogin, nowMs: number) => void;
}

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
    this.#expire(nowMs);
  }

  /** Lets no more logins begin. */
  drain(): void {
    this.#isDraining = true;
  }

  /** Leaves each of so many coordinators, which share a database, its part of the tries. */
  divideTries(coordinators: number, nowMs: number): void {
    this.#tries.divide(coordinators, nowMs);
  }

  /** Ends the pending logins of an account, by its folded name. */
  endAccount(foldedAccount: string): void {
    this.#pending.removeAccount(foldedAccount);
  }

  /** Takes a START; `datagram` is the whole of it. */
  start(start: Start, datagram: Uint8Array, from: Endpoint, nowMs: number): void {
    const { outbox, cookies, unproven, ids, isSessionId, rates } = this.#options;
    this.#expire(nowMs);
    const key = loginKey(from, start.nonce);
    const earlier = this.#pending.find(key);
    if (earlier !== undefined && bytesEqual(earlier.start, datagram)) {
      if (earlier.stage.kind !== "asking") outbox.send(from, earlier.reply);
      return;
    }
    if (!cookies.isGood(start.cookie, from, start.nonce, nowMs)) {
      return unproven.answerCookie(from, start.nonce, nowMs);
    }
    if (this.#isDraining) return this.#options.refusals.refuseBusy(start.nonce, from, nowMs);
    const laterMs = rates.spendLogin(from.ip, nowMs);
    if (laterMs > 0) return this.#options.refusals.refuse(start.nonce, from, "busy", laterMs);
    const { account: typedAccount, ke1, device } = start.body;
    // Who signed may be a device that the account knows, which is never given up: the store will tell.
    if (device === null && !this.#admits(typedAccount, nowMs)) {
      return this.#options.refusals.refuseBusy(start.nonce, from, nowMs);
    }
    const isSigned = device !== null && verifyStart(device.id, device.signature, start.cookie, typedAccount, ke1);
    const account = foldAccount(typedAccount);
    const block = addressBlock(from.ip);
    const waitMs = isSigned ? 0 : this.#tries.waitMs(trierOf(account, from, null), nowMs);
    if (waitMs > 0) return this.#refuseTries(start.nonce, from, typedAccount, waitMs, nowMs);
    if (earlier !== undefined) this.#pending.remove(earlier);
    const login: PendingLogin = {
      key,
      account,
      typedAccount,
      endpoint: { ip: from.ip, port: from.port },
      block,
      start: copyBytes(datagram),
      sessionId: ids.create(isSessionId),
      deviceId: isSigned ? device.id : null,
      expiresAtMs: nowMs + limits.loginPendingMs,
      stage: { kind: "asking" },
      reply: new Uint8Array(0),
      opaqueState: "",
      spent: undefined,
      record: "",
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
      this.#options.refusals.refuse(nonce, login.endpoint, code, this.#options.shedding.retryAfterMs(nowMs));
    };
    if (!credential.ok) return drop("busy");
    const { record, disabled, deviceKnown } = credential.value;
    if (login.deviceId !== null && !deviceKnown && !this.#admits(login.typedAccount, nowMs)) return drop("busy");
    const trier = trierOf(login.account, login.endpoint, deviceKnown ? login.deviceId : null);
    login.spent = this.#tries.take(trier, nowMs);
    if (login.spent === undefined) {
      this.#pending.remove(login);
      return this.#refuseTries(nonce, login.endpoint, login.typedAccount, this.#tries.waitMs(trier, nowMs), nowMs);
    }
    // Nobody proves the password of an account that is not there.
    login.record = record ?? "";
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
    this.#expire(nowMs);
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
    if (!verifyAuth(auth.deviceId, auth.proof, transcript, auth.loginKey)) return;
    this.#tries.giveBack(login.spent!);
    login.stage = { kind: "proving" };
    const proven = this.#proven(login, { channel, transaction, auth });
    if (login.disabled) proven.refuse("disabled", "the account is disabled", nowMs);
    else this.#options.onProven(proven, nowMs);
  }

  /** Tells whether this is the id of a session to be. */
  has(sessionId: bigint): boolean {
    return this.#pending.findBySession(sessionId) !== undefined;
  }

  #proven(
    login: PendingLogin,
    { channel, transaction, auth }: Pick<ProvenLogin, "channel" | "transaction" | "auth">,
  ): ProvenLogin {
    return {
      account: login.account,
      typedAccount: login.typedAccount,
      endpoint: login.endpoint,
      beganAtMs: login.expiresAtMs - limits.loginPendingMs,
      record: login.record,
      channel,
      transaction,
      auth,
      isPending: () => this.#pending.has(login),
      complete: () => {
        this.#pending.remove(login);
        this.#options.tally.note(0);
      },
      refuse: (code, text, nowMs) => {
        const waitMs = code === "busy" ? this.#options.shedding.retryAfterMs(nowMs) : 0;
        const payload = encodeMessage(transaction, errorMessage(code, text, waitMs));
        login.stage = { kind: "refused", channel, payload };
        this.#options.tally.noteRefusal(code);
        this.#options.outbox.send(login.endpoint, channel.seal(payload));
        this.#options.refusals.log(login.typedAccount, login.endpoint, code, nowMs);
      },
    };
  }

  /** Ends the logins whose time is over. Who got a second message and never sent the third had a wrong password, or is gone. */
  #expire(nowMs: number): void {
    for (const { stage, typedAccount, endpoint } of this.#pending.expire(nowMs)) {
      if (stage.kind !== "replied") continue;
      this.#options.tally.noteRefusal("timeout");
      this.#options.refusals.log(typedAccount, endpoint, "timeout", nowMs);
    }
  }

  #refuseTries(nonce: Uint8Array, to: Endpoint, account: string, waitMs: number, nowMs: number): void {
    this.#options.refusals.refuse(nonce, to, "tooManyTries", waitMs);
    this.#options.refusals.log(account, to, "tooManyTries", nowMs);
  }

  #admits(typedAccount: string, nowMs: number): boolean {
    return this.#options.shedding.admits(isInviteName(typedAccount) ? "registration" : "passwordLogin", nowMs);
  }
}

function trierOf(account: string, { ip }: Endpoint, deviceId: DeviceId | null): Trier {
  return { account, block: addressBlock(ip), wideBlock: wideAddressBlock(ip), deviceId };
}
