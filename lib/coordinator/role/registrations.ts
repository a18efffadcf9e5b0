/**
 * registrations: sessions of invites. Such a session makes one account and does nothing else. Laws: 1) it begins as a login does, by
 * OPAQUE with the code's secret, so there is no cleartext message of its own;  2) it has a table of its own, is bound to its address, and
 * takes nobody's place;  3) the invite is spent with the account that it makes, by the store, or not at all;  4) what anybody may
 * use (open registration) is dealt by address block and in all.  Spec: PROTOCOL.md "Invites".  (pure)
 */

import { createHmac } from "node:crypto";
import { formatBase64Url } from "../../core/base64.ts";
import { type ErrorCode, errorCodes } from "../../core/errors.ts";
import { limits } from "../../core/limits.ts";
import { type Endpoint, formatEndpoint, sameEndpoint } from "../../core/transport.ts";
import { AnswerCache } from "../../session/answer_cache.ts";
import { inviteName, openSecret } from "../../session/invite_code.ts";
import { foldAccount } from "../../session/opaque.ts";
import type { Random } from "../../session/random.ts";
import type { SealedChannel } from "../../session/sealed_channel.ts";
import type { Envelope } from "../../wire/envelope.ts";
import {
  decodeMessage,
  encodeMessage,
  errorMessage,
  type Message,
  type MessageOf,
  refuseUnknown,
} from "../../wire/message.ts";
import { addressBlock } from "./address.ts";
import type { Outbox } from "./outbox.ts";
import type { ProvenLogin } from "./proven_login.ts";
import type { StoreRefusal } from "./store_effects.ts";
import { TokenBuckets } from "./token_buckets.ts";

/** A session that may register. */
export interface Registration {
  readonly channel: SealedChannel;
  readonly endpoint: Endpoint;
  readonly block: string;
  /** The invite's name. */
  readonly invite: string;
  readonly answers: AnswerCache;
  names: number;
  /** The name that was answered last, as it is to be spelled. */
  account: string | undefined;
  endsAtMs: number;
}

const busyRetryMs = 1_000;
const tooManyText = "too many have registered lately; try again in an hour";
const hourMs = 60 * 60 * 1000;
const openInvite = inviteName(openSecret);

export class Registrations {
  readonly #outbox: Outbox;
  /** By session id, in the order in which they end. */
  readonly #registrations = new Map<bigint, Registration>();
  readonly #open: OpenRate;

  constructor(outbox: Outbox, random: Random) {
    this.#outbox = outbox;
    this.#open = new OpenRate(random(32));
  }

  /** When a `tick` is wanted; Infinity for never. */
  get wakeAtMs(): number {
    for (const { endsAtMs } of this.#registrations.values()) return endsAtMs;
    return Infinity;
  }

  find(id: bigint): Registration | undefined {
    return this.#registrations.get(id);
  }

  /** Ends those whose time is over. */
  tick(nowMs: number): void {
    for (const [id, { endsAtMs }] of this.#registrations) {
      if (endsAtMs > nowMs) return;
      this.#registrations.delete(id);
    }
  }

  /** Ends all of them, saying why. */
  endAll(code: ErrorCode): void {
    for (const { endpoint, channel } of this.#registrations.values()) {
      const close = encodeMessage(0, { kind: "close", code: errorCodes[code].wire, elsewhere: [] });
      this.#outbox.send(endpoint, channel.seal(close));
    }
    this.#registrations.clear();
  }

  /** Makes a session of a login that proved an invite's secret, if the invite is still good. */
  begin(login: ProvenLogin, nowMs: number): void {
    const { typedAccount: invite, endpoint, channel, transaction } = login;
    const block = addressBlock(endpoint.ip);
    this.#outbox.store("invite", { invite, nowMs }, (found, foundAtMs) => {
      if (!login.isPending()) return;
      if (!found.ok) return login.refuse(found.error.code, found.error.text, foundAtMs);
      if (!this.#hasRoom(invite, block)) return login.refuse("busy", "too many register at once", foundAtMs);
      if (invite === openInvite && this.#open.waitMs(block, foundAtMs) > 0) {
        return login.refuse("limit", tooManyText, foundAtMs);
      }
      login.complete();
      const registration: Registration = {
        channel,
        endpoint,
        block,
        invite,
        answers: new AnswerCache(),
        names: 0,
        account: undefined,
        endsAtMs: foundAtMs + limits.registrationMs,
      };
      this.#registrations.set(channel.sessionId, registration);
      registration.answers.arrive(transaction, foundAtMs);
      this.#answer(registration, transaction, { kind: "invited", role: found.value.role });
    });
  }

  /** Takes a sealed datagram of such a session; false if it does not open, or comes from elsewhere. */
  open(
    registration: Registration,
    envelope: Envelope & { readonly kind: "sealed" | "finish" },
    from: Endpoint,
    nowMs: number,
  ): boolean {
    this.tick(nowMs);
    if (this.find(envelope.sessionId) !== registration || !sameEndpoint(from, registration.endpoint)) return false;
    const opened = registration.channel.open(envelope);
    if (opened === undefined) return false;
    const decoded = decodeMessage(opened.payload);
    if (!decoded.ok) {
      const refusal = refuseUnknown(opened.payload);
      if (refusal !== undefined) this.#send(registration, encodeMessage(refusal.transaction, refusal.message));
      return false;
    }
    const { transaction, message } = decoded.value;
    if (transaction === 0) return false;
    const arrival = registration.answers.arrive(transaction, nowMs);
    if (arrival.kind === "repeat") this.#send(registration, arrival.payload);
    if (arrival.kind === "new") this.#handle(registration, transaction, message, nowMs);
    return true;
  }

  #handle(registration: Registration, transaction: number, message: Message, nowMs: number): void {
    const answer = (answer: Message) => this.#answer(registration, transaction, answer);
    switch (message.kind) {
      case "register":
        return this.#register(registration, message, answer);
      case "registerRecord":
        return this.#makeAccount(registration, message, nowMs, answer);
      case "leave":
        this.#end(registration);
        return answer({ kind: "done" });
      default:
        return answer(errorMessage("denied", "this session makes an account and does nothing else"));
    }
  }

  /**
   * Whoever has an invite finds room, however many come without one, or with another one: those without have half of it; one of their
   * address blocks, or one invite, a sixteenth of that.
   */
  #hasRoom(invite: string, block: string): boolean {
    if (this.#registrations.size >= limits.registrationsMax) return false;
    const same = [...this.#registrations.values()].filter((one) => one.invite === invite);
    if (invite !== openInvite) return same.length < limits.registrationsMax / 32;
    if (same.length >= limits.registrationsMax / 2) return false;
    return same.filter((one) => one.block === block).length < limits.registrationsMax / 32;
  }

  #register(registration: Registration, message: MessageOf<"register">, answer: (message: Message) => void): void {
    if (registration.names++ >= limits.registrationNamesMax) {
      return answer(errorMessage("limit", "too many names were tried"));
    }
    this.#outbox.store("checkName", { account: message.account }, (checked) => {
      if (!checked.ok) return answer(refusal(checked.error));
      const { account } = checked.value;
      this.#outbox.opaqueRegister({ account, request: message.request }, (result) => {
        if (!result.ok) return answer(refusal(result.error));
        registration.account = account;
        answer({ kind: "registering", account, response: result.value });
      });
    });
  }

  #makeAccount(
    registration: Registration,
    { account, record }: MessageOf<"registerRecord">,
    nowMs: number,
    answer: (message: Message) => void,
  ): void {
    const { account: checked, invite, block, endpoint } = registration;
    if (checked === undefined || foldAccount(account) !== foldAccount(checked)) {
      return answer(errorMessage("usage", "that name was not asked for"));
    }
    const isOpen = invite === openInvite;
    if (isOpen && !this.#open.take(block, nowMs)) {
      return answer(errorMessage("limit", tooManyText));
    }
    registration.account = undefined; // One account at a time, whatever comes while the store works.
    const ask = { account: checked, record: formatBase64Url(record), invite, nowMs };
    this.#outbox.store("registerAccount", ask, (made) => {
      if (!made.ok) {
        if (isOpen) this.#open.giveBack(block);
        registration.account = checked;
        return answer(refusal(made.error));
      }
      this.#outbox.log({ event: "registered", account: made.value.account, endpoint: formatEndpoint(endpoint) });
      this.#end(registration);
      answer({ kind: "registered", account: made.value.account });
    });
  }

  /** Lets nothing more be made; the session lingers to repeat its answers. */
  #end(registration: Registration): void {
    registration.account = undefined;
    registration.names = limits.registrationNamesMax;
  }

  #answer(registration: Registration, transaction: number, message: Message): void {
    const payload = encodeMessage(transaction, message);
    registration.answers.answer(transaction, payload);
    this.#send(registration, payload);
  }

  #send({ endpoint, channel }: Registration, payload: Uint8Array): void {
    this.#outbox.send(endpoint, channel.seal(payload));
  }
}

/** How often open registration makes accounts. Tables are of a fixed size and keyed, so nobody can aim at another's bucket. */
class OpenRate {
  readonly #key: Uint8Array;
  readonly #all = perHour(1, limits.openRegistersPerHour);
  readonly #blocks = perHour(blockBuckets, limits.openRegistersPerBlock);

  constructor(key: Uint8Array) {
    this.#key = key;
  }

  waitMs(block: string, nowMs: number): number {
    return Math.max(this.#all.waitMs(0, nowMs), this.#blocks.waitMs(this.#bucket(block), nowMs));
  }

  take(block: string, nowMs: number): boolean {
    if (this.waitMs(block, nowMs) > 0) return false;
    return this.#all.take(0, nowMs) && this.#blocks.take(this.#bucket(block), nowMs);
  }

  giveBack(block: string): void {
    this.#all.giveBack(0);
    this.#blocks.giveBack(this.#bucket(block));
  }

  #bucket(block: string): number {
    return createHmac("sha256", this.#key).update(block).digest().readUInt32BE(0) % blockBuckets;
  }
}

const blockBuckets = 4_096;

function perHour(count: number, tokens: number): TokenBuckets {
  return new TokenBuckets({ count, capacity: tokens, tokenMs: hourMs / tokens });
}

function refusal({ code, text }: StoreRefusal): Message {
  return errorMessage(code, text, code === "busy" ? busyRetryMs : 0);
}
