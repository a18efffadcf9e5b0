/**
 * device_logins: from DEVICE_START to the first sealed datagram that opens: logins by a device's key. Laws: 1) nothing costly and
 * nothing kept before the cookie is good, nothing kept before the store knows the key;  2) whoever does not own the device's key
 * learns nothing about accounts: every answer that tells of one is sealed to that key, and all have one size;  3) nothing is
 * enrolled, replaced or evicted before AUTH has opened;  4) tries of passwords have no part in it, and no OPAQUE is asked.
 * Spec: PROTOCOL.md "Login by key"; its table of states is this file's.  (pure)
 */

import { type Bytes, bytesEqual, copyBytes } from "../../core/bytes.ts";
import { type ErrorCode, errorCodes } from "../../core/errors.ts";
import type { DeviceId } from "../../core/ids.ts";
import { limits } from "../../core/limits.ts";
import { type Endpoint, sameEndpoint } from "../../core/transport.ts";
import { type DhKey, dhKeyFrom } from "../../session/dh_key.ts";
import { receive, type Received } from "../../session/noise_ik.ts";
import { foldAccount } from "../../session/opaque.ts";
import { verifyAuth } from "../../session/proofs.ts";
import type { Random } from "../../session/random.ts";
import { SealedChannel } from "../../session/sealed_channel.ts";
import { decodeDeviceClaim, type DeviceClaim, encodeDeviceVerdict } from "../../wire/device_login.ts";
import { encodeDeviceReply, type Envelope } from "../../wire/envelope.ts";
import { decodeMessage, encodeMessage, errorMessage } from "../../wire/message.ts";

import { singleAddress } from "./address.ts";
import type { Cookies } from "./cookie.ts";
import { FairTable } from "./fair_table.ts";
import { KeyedTable } from "./keyed_table.ts";
import type { LoginRefusals } from "./login_refusals.ts";
import type { Outbox } from "./outbox.ts";
import { loginKey } from "./pending_logins.ts";
import type { ProvenLogin } from "./proven_login.ts";
import type { SessionIds } from "./session_id.ts";
import type { Shedding } from "./shedding.ts";
import type { StoreAnswer } from "./store_effects.ts";
import type { ResultTally } from "./tallies.ts";
import { TokenBuckets } from "./token_buckets.ts";
import type { Unproven } from "./unproven.ts";

type DeviceStart = Envelope & { readonly kind: "deviceStart" };
type Sealed = Envelope & { readonly kind: "sealed" };

export interface DeviceLoginsOptions {
  readonly outbox: Outbox;
  readonly unproven: Unproven;
  readonly cookies: Cookies;
  readonly ids: SessionIds;
  readonly random: Random;
  /** The coordinator's own key. */
  readonly key: DhKey;
  readonly tally: ResultTally;
  readonly refusals: LoginRefusals;
  readonly shedding: Shedding;
  readonly isSessionId: (id: bigint) => boolean;
  /** Goes on with a proven login. */
  readonly onProven: (login: ProvenLogin, nowMs: number) => void;
}

/** A login between DEVICE_REPLY and the end of its admission. */
interface PendingDevice {
  /** Of nonce and address: see `loginKey`. */
  readonly key: string;
  readonly account: string;
  readonly typedAccount: string;
  readonly deviceId: DeviceId;
  readonly loginKey: Bytes;
  readonly endpoint: Endpoint;
  /** The whole DEVICE_START datagram, by which a repeat is told, and what it is answered. */
  readonly start: Bytes;
  readonly reply: Bytes;
  readonly channel: SealedChannel;
  readonly handshake: Bytes;
  /** The bucket of the device, whose token comes back when AUTH opens. */
  readonly bucket: number;
  readonly beganAtMs: number;
  /** AUTH has opened: others wait for the store, or are answered what it was refused with. */
  stage: "replied" | "proving" | { readonly refusal: Bytes };
}

const minuteMs = 60_000;

/** What a first message has spent that may yet turn out to be a known device's. */
interface Cost {
  /** The bucket of its address, and how many tokens of it. */
  readonly address: number;
  readonly price: number;
}

function perMinute(tokens: number): TokenBuckets {
  return new TokenBuckets({ count: limits.tryBucketsMax, capacity: tokens, tokenMs: minuteMs / tokens });
}

export class DeviceLogins {
  readonly #options: DeviceLoginsOptions;
  readonly #pending = new FairTable<PendingDevice>(limits.deviceLoginsPendingMax, ({ account }) => account);
  readonly #bySession = new Map<bigint, PendingDevice>();
  readonly #table: KeyedTable;
  /** Handshakes that led to no device; one that does gives its token back. */
  readonly #addresses = perMinute(limits.deviceStartsPerMinute);
  readonly #devices = perMinute(limits.deviceTriesPerMinute);
  /** Counts changes of accounts: what the store answered before one is no longer believed. */
  #changes = 0;
  #isDraining = false;

  constructor(options: DeviceLoginsOptions) {
    this.#options = options;
    this.#table = new KeyedTable(options.random(32), limits.tryBucketsMax);
  }

  get pendingCount(): number {
    return this.#bySession.size;
  }

  get wakeAtMs(): number {
    const oldest = this.#pending.oldest;
    return oldest === undefined ? Infinity : oldest.beganAtMs + limits.requestMs;
  }

  tick(nowMs: number): void {
    this.#expire(nowMs);
  }

  drain(): void {
    this.#isDraining = true;
  }

  /** Ends the pending logins of an account, by its folded name. */
  endAccount(foldedAccount: string): void {
    this.#changes++;
    for (const login of this.#bySession.values()) if (login.account === foldedAccount) this.#remove(login);
  }

  /** Tells whether this is the id of a session to be. */
  has(sessionId: bigint): boolean {
    return this.#bySession.has(sessionId);
  }

  /** Takes a DEVICE_START; `datagram` is the whole of it. */
  start(start: DeviceStart, datagram: Uint8Array, from: Endpoint, nowMs: number): void {
    const { outbox, cookies, unproven, key, shedding } = this.#options;
    this.#expire(nowMs);
    const earlier = this.#pending.get(loginKey(from, start.nonce));
    if (earlier !== undefined && bytesEqual(earlier.start, datagram)) return outbox.send(from, earlier.reply);
    if (!cookies.isGood(start.cookie, from, start.nonce, nowMs)) {
      return unproven.answerCookie(from, start.nonce, nowMs);
    }
    if (this.#isDraining) return this.#options.refusals.refuseBusy(start.nonce, from, nowMs);
    const address = this.#table.placeOf(singleAddress(from.ip));
    const price = shedding.price(limits.deviceStartPriceMax, nowMs);
    const waitMs = this.#addresses.waitMs(address, nowMs, price);
    if (waitMs > 0) return this.#options.refusals.refuse(start.nonce, from, "tooManyTries", waitMs);
    this.#addresses.take(address, nowMs, price);
    const received = receive(start.header, key, start.message);
    const claim = received && decodeDeviceClaim(received.payload);
    // Not for this coordinator's key, or by no program of this version.
    if (claim === undefined || !claim.ok) return this.#options.refusals.refuse(start.nonce, from, "denied", 0);
    const cost = { address, price };
    const began = { received: received!, claim: claim.value, cost, datagram: copyBytes(datagram) };
    const nonce = copyBytes(start.nonce);
    const endpoint = { ip: from.ip, port: from.port };
    const changes = this.#changes;
    outbox.store("credential", began.claim, (answer, answeredAtMs) => {
      // A repeat brings it here again.
      if (changes === this.#changes) this.#answer(began, nonce, endpoint, answer, answeredAtMs);
    });
  }

  /** Goes on with what the store knows of the device: answers under its key, whatever there is to say. */
  #answer(
    { received, claim, cost, datagram }: {
      readonly received: Received;
      readonly claim: DeviceClaim;
      readonly cost: Cost;
      readonly datagram: Bytes;
    },
    nonce: Bytes,
    endpoint: Endpoint,
    stored: StoreAnswer<"credential">,
    nowMs: number,
  ): void {
    const { outbox, ids, random, isSessionId } = this.#options;
    const key = loginKey(endpoint, nonce);
    const twin = this.#pending.get(key);
    // A repeat that came while the store was asked.
    if (twin !== undefined && bytesEqual(twin.start, datagram)) return this.#giveBack(cost);
    if (!stored.ok || this.#isDraining) {
      this.#giveBack(cost);
      return this.#options.refusals.refuseBusy(nonce, endpoint, nowMs);
    }
    const { loginKey: known, disabled } = stored.value;
    const isKnown = known !== null && bytesEqual(known, received.remoteStatic);
    const code = !isKnown ? "denied" : disabled ? "disabled" : undefined;
    const bucket = this.#table.placeOf(`${foldAccount(claim.account)}\0${claim.deviceId}`);
    if (isKnown) {
      this.#giveBack(cost);
      const waitMs = this.#devices.waitMs(bucket, nowMs);
      if (!this.#devices.take(bucket, nowMs)) {
        return this.#options.refusals.refuse(nonce, endpoint, "tooManyTries", waitMs);
      }
    }
    const sessionId = ids.create(isSessionId);
    const verdict = encodeDeviceVerdict(
      code === undefined ? { kind: "session", sessionId } : { kind: "refused", code: errorCodes[code].wire },
    );
    const answered = received.answer(dhKeyFrom(random(32)), verdict);
    if (answered === undefined) return;
    const reply = encodeDeviceReply(nonce, answered.message);
    if (code === undefined) {
      const { hash, toResponder, toInitiator } = answered.established;
      const keys = { toCoordinator: toResponder, toPeer: toInitiator };
      this.#add({
        key,
        account: foldAccount(claim.account),
        typedAccount: claim.account,
        deviceId: claim.deviceId,
        loginKey: received.remoteStatic,
        endpoint,
        start: datagram,
        reply,
        channel: new SealedChannel(sessionId, keys, "coordinator"),
        handshake: hash,
        bucket,
        beganAtMs: nowMs,
        stage: "replied",
      });
    } else {
      this.#noteRefusal(code, claim.account, endpoint, nowMs);
    }
    outbox.send(endpoint, reply);
  }

  /** Takes a sealed datagram of a session to be; false if it is not what opens it. */
  open(sealed: Sealed, from: Endpoint, nowMs: number): boolean {
    this.#expire(nowMs);
    const login = this.#bySession.get(sealed.sessionId);
    if (login === undefined || !sameEndpoint(login.endpoint, from)) return false;
    const { channel, stage } = login;
    const opened = channel.open(sealed);
    if (opened === undefined) return false;
    if (stage === "proving") return true;
    if (stage !== "replied") {
      this.#options.outbox.send(login.endpoint, channel.seal(stage.refusal));
      return true;
    }
    const decoded = decodeMessage(opened.payload);
    if (!decoded.ok || decoded.value.message.kind !== "auth") return false;
    const { transaction, message: auth } = decoded.value;
    // The key and the device are those that the store named together.
    if (auth.deviceId !== login.deviceId || !bytesEqual(auth.loginKey, login.loginKey)) return false;
    if (!verifyAuth(auth.deviceId, auth.proof, login.handshake, auth.loginKey)) return false;
    this.#devices.giveBack(login.bucket);
    login.stage = "proving";
    this.#options.onProven({
      account: login.account,
      typedAccount: login.typedAccount,
      endpoint: login.endpoint,
      beganAtMs: login.beganAtMs,
      record: null,
      channel,
      transaction,
      auth,
      isPending: () => this.#bySession.get(channel.sessionId) === login,
      complete: () => {
        this.#remove(login);
        this.#options.tally.note(0);
      },
      refuse: (code, text, refusedAtMs) => {
        const waitMs = code === "busy" ? this.#options.shedding.retryAfterMs(refusedAtMs) : 0;
        const refusal = encodeMessage(transaction, errorMessage(code, text, waitMs));
        login.stage = { refusal };
        this.#options.outbox.send(login.endpoint, channel.seal(refusal));
        this.#noteRefusal(code, login.typedAccount, login.endpoint, refusedAtMs);
      },
    }, nowMs);
    return true;
  }

  #add(login: PendingDevice): void {
    const replaced = this.#pending.get(login.key);
    if (replaced !== undefined) this.#remove(replaced);
    const evicted = this.#pending.add(login);
    if (evicted !== undefined) this.#bySession.delete(evicted.channel.sessionId);
    this.#bySession.set(login.channel.sessionId, login);
  }

  #remove(login: PendingDevice): void {
    this.#pending.delete(login);
    this.#bySession.delete(login.channel.sessionId);
  }

  #expire(nowMs: number): void {
    for (let login = this.#pending.oldest; login !== undefined; login = this.#pending.oldest) {
      if (login.beganAtMs + limits.requestMs > nowMs) return;
      this.#remove(login);
    }
  }

  #noteRefusal(code: ErrorCode, account: string, endpoint: Endpoint, nowMs: number): void {
    this.#options.tally.noteRefusal(code);
    this.#options.refusals.log(account, endpoint, code, nowMs);
  }

  #giveBack({ address, price }: Cost): void {
    this.#addresses.giveBack(address, price);
  }
}
