/**
 * scripted_coordinator: the other end of a login, one step at a time: it answers what a test tells it to answer, with real
 * OPAQUE under a cheap stretching. It retransmits nothing and decides nothing.  (pure but for OPAQUE's own randomness)
 */

import { assert, assertEquals } from "@std/assert";
import { type Bytes, bytesEqual, copyBytes } from "../../lib/core/bytes.ts";
import { errorCodes } from "../../lib/core/errors.ts";
import { limits } from "../../lib/core/limits.ts";
import type { MemberEffect, MemberInput } from "../../lib/membership/types.ts";
import {
  acceptLogin,
  answerLogin,
  createServerSetup,
  loadOpaque,
  prove,
  registerLocally,
} from "../../lib/session/opaque.ts";
import { dhKeyFrom } from "../../lib/session/dh_key.ts";
import { receive } from "../../lib/session/noise_ik.ts";
import { deriveSessionKeys, transcriptHash } from "../../lib/session/handshake_keys.ts";
import { verifyAuth, verifyStart } from "../../lib/session/proofs.ts";
import { SealedChannel } from "../../lib/session/sealed_channel.ts";
import { decodeDeviceClaim, encodeDeviceVerdict } from "../../lib/wire/device_login.ts";
import {
  decodeEnvelope,
  encodeCookie,
  encodeDeviceReply,
  encodeRefused,
  encodeReply,
  encodeReset,
  type Envelope,
} from "../../lib/wire/envelope.ts";
import { type Addressed, decodeMessage, encodeMessage, type Message, type MessageOf } from "../../lib/wire/message.ts";

await loadOpaque();

/** Stretching that takes microseconds: what OPAQUE proves is the same. */
export const cheapStretching = { iterations: 1, memory: 8, parallelism: 1 } as const;

/** Does what a Member asks for, under cheap stretching. */
export function proveCheaply({ proof, step }: MemberEffect & { kind: "prove" }): MemberInput {
  return { kind: "proved", proof, proved: prove(step, cheapStretching) };
}

/** Decodes a datagram that must be of this kind. */
export function expectEnvelope<K extends Envelope["kind"]>(datagram: Uint8Array, kind: K): Envelope & { kind: K } {
  const decoded = decodeEnvelope(datagram);
  assert(decoded.ok, `an illegal datagram: ${decoded.ok ? "" : decoded.error}`);
  assertEquals(decoded.value.kind, kind);
  return decoded.value as Envelope & { kind: K };
}

export class ScriptedCoordinator {
  readonly account: string;
  readonly #setup = createServerSetup();
  readonly #record: string;
  #nextSession = 1n;
  #pending: { readonly start: Bytes; readonly reply: Bytes; readonly state: string; readonly sessionId: bigint }[] = [];
  #channel: SealedChannel | undefined;
  /** The hash of the last login by key. */
  #handshake: Bytes = new Uint8Array(32);
  /** What `authenticated` and `alive` tell; tests change it. */
  alive: Omit<MessageOf<"alive">, "kind"> = {
    keepAliveMs: 10_000,
    timeMs: 1_700_000_000_000,
    ticketKeys: [],
    sharesMatch: true,
    observed: { ip: "192.0.2.7", port: 4000 },
    reachable: "unknown",
    coordinators: [],
  };
  accountKey: MessageOf<"authenticated">["accountKey"] = null;
  enrolled = false;
  resetToken: Bytes = new Uint8Array(16).fill(7);
  /** Its own key, and that of the device that was enrolled last; null after a revocation. */
  loginKey = dhKeyFrom(new Uint8Array(32).fill(9));
  enrolledKey: Bytes | null = null;

  constructor({ account = "ada", password = "correct horse" } = {}) {
    this.account = account;
    this.#record = registerLocally({ password, serverSetup: this.#setup, account, stretching: cheapStretching });
  }

  get sessionId(): bigint {
    return this.#channel!.sessionId;
  }

  /** Answers HELLO. */
  cookie(hello: Uint8Array, fill = 1): Bytes {
    return encodeCookie(expectEnvelope(hello, "hello").nonce, new Uint8Array(24).fill(fill));
  }

  /** Answers START, whose proof must be right, with a REPLY for a new session; keeps what FINISH will need. */
  reply(start: Uint8Array): Bytes {
    const { nonce, cookie, body } = expectEnvelope(start, "start");
    assertEquals(body.account, this.account);
    assert(verifyStart(body.device!.id, body.device!.signature, cookie, body.account, body.ke1));
    const answered = answerLogin(this.#setup, body.account, this.#record, body.ke1)!;
    const sessionId = this.#nextSession++;
    const reply = encodeReply(nonce, sessionId, answered.ke2);
    this.#pending.push({ start: copyBytes(start), reply, state: answered.state, sessionId });
    return reply;
  }

  /** Accepts FINISH: checks KE3 and the device's proof; the AUTH that it carries. */
  accept(finish: Uint8Array): Addressed & { message: MessageOf<"auth"> } {
    const envelope = expectEnvelope(finish, "finish");
    const pending = this.#pending.find((one) => one.sessionId === envelope.sessionId);
    assert(pending !== undefined, "FINISH of a session that was never replied");
    const sessionKey = acceptLogin(pending.state, envelope.ke3);
    assert(sessionKey !== undefined, "KE3 does not prove the password");
    const transcript = transcriptHash(pending.start, pending.reply, envelope.ke3);
    const channel = new SealedChannel(
      envelope.sessionId,
      deriveSessionKeys(sessionKey, transcript),
      "coordinator",
    );
    const opened = channel.open(envelope);
    assert(opened !== undefined, "FINISH does not open");
    const decoded = decodeMessage(opened.payload);
    assert(decoded.ok && decoded.value.message.kind === "auth");
    const auth = decoded.value as Addressed & { message: MessageOf<"auth"> };
    assert(verifyAuth(auth.message.deviceId, auth.message.proof, transcript, auth.message.loginKey));
    this.enrolledKey = auth.message.loginKey;
    this.#channel = channel;
    return auth;
  }

  /** Answers DEVICE_START: to whom it knows with a new session, else with a refusal; in clear where it cannot read it. */
  deviceReply(start: Uint8Array): Bytes {
    const { header, nonce, message } = expectEnvelope(start, "deviceStart");
    const received = receive(header, this.loginKey, message);
    if (received === undefined) return encodeRefused(nonce, errorCodes.denied.wire, 0);
    const claim = decodeDeviceClaim(received.payload);
    assert(claim.ok);
    assertEquals(claim.value.account, this.account);
    const isKnown = this.enrolledKey !== null && bytesEqual(this.enrolledKey, received.remoteStatic);
    const sessionId = this.#nextSession++;
    const { denied: { wire: code } } = errorCodes;
    const verdict = encodeDeviceVerdict(isKnown ? { kind: "session", sessionId } : { kind: "refused", code });
    const answered = received.answer(dhKeyFrom(crypto.getRandomValues(new Uint8Array(32))), verdict)!;
    if (isKnown) {
      const { hash, toResponder, toInitiator } = answered.established;
      const keys = { toCoordinator: toResponder, toPeer: toInitiator };
      this.#channel = new SealedChannel(sessionId, keys, "coordinator");
      this.#handshake = hash;
    }
    return encodeDeviceReply(nonce, answered.message);
  }

  /** The `authenticated` message as it stands now. */
  authenticated(): MessageOf<"authenticated"> {
    return {
      kind: "authenticated",
      account: this.account,
      label: "vm",
      resetToken: this.resetToken,
      accountKey: this.accountKey,
      enrolled: this.enrolled,
      ...this.alive,
      loginKey: this.loginKey.publicKey,
      role: "member",
    };
  }

  /** Opens a sealed datagram of the current session. */
  open(datagram: Uint8Array): Addressed {
    const opened = this.#channel!.open(expectEnvelope(datagram, "sealed"));
    assert(opened !== undefined, "a SEALED datagram that does not open");
    const decoded = decodeMessage(opened.payload);
    assert(decoded.ok);
    return decoded.value;
  }

  /** Seals a message to the peer in the current session. */
  seal(transaction: number, message: Message): Bytes {
    return this.#channel!.seal(encodeMessage(transaction, message));
  }

  /** Seals any payload to the peer in the current session. */
  sealPayload(payload: Uint8Array): Bytes {
    return this.#channel!.seal(payload);
  }

  /** A RESET of the current session, or with another token. */
  reset(token: Uint8Array = this.resetToken): Bytes {
    return encodeReset(this.sessionId, token);
  }

  /** Stores the account key that ENROL brought if there is none; the answer to it. */
  enrol(message: MessageOf<"enrol">): MessageOf<"enrolled"> {
    this.accountKey ??= message.accountKey;
    this.enrolled = bytesEqual(this.accountKey.publicKey, message.accountKey.publicKey);
    return { kind: "enrolled", accountKey: this.accountKey, enrolled: this.enrolled };
  }

  /** The answer that everything goes well with; undefined where the datagram wants none. */
  answer(datagram: Uint8Array): Bytes | undefined {
    const decoded = decodeEnvelope(datagram);
    assert(decoded.ok);
    switch (decoded.value.kind) {
      case "hello":
        return this.cookie(datagram);
      case "start":
        return this.reply(datagram);
      case "deviceStart":
        return this.deviceReply(datagram);
      case "finish":
        return this.seal(this.accept(datagram).transaction, this.authenticated());
      case "sealed": {
        const { transaction, message } = this.open(datagram);
        switch (message.kind) {
          case "auth":
            assert(verifyAuth(message.deviceId, message.proof, this.#handshake, message.loginKey));
            return this.seal(transaction, this.authenticated());
          case "enrol":
            return this.seal(transaction, this.enrol(message));
          case "status":
            return this.seal(transaction, { kind: "alive", ...this.alive });
          case "leave":
            return this.seal(transaction, { kind: "done" });
          case "account":
            return this.seal(transaction, { kind: "accountIs", account: message.account, publicKey: null });
          default:
            return undefined;
        }
      }
      default:
        throw new TypeError(`a peer never sends ${decoded.value.kind}`);
    }
  }

  /** Answers as `answer`, but has nothing to say to what is of another session or proves nothing, and takes a repeated FINISH. */
  tryAnswer(datagram: Uint8Array): Bytes | undefined {
    const decoded = decodeEnvelope(datagram);
    assert(decoded.ok);
    const envelope = decoded.value;
    if (envelope.kind === "sealed" && envelope.sessionId !== this.#channel?.sessionId) return undefined;
    if (envelope.kind === "finish" && envelope.sessionId === this.#channel?.sessionId) {
      const opened = decodeMessage(this.#channel.open(envelope)!.payload);
      assert(opened.ok);
      return this.seal(opened.value.transaction, this.authenticated());
    }
    // A REPLY whose session id was damaged on its way leads to one.
    if (envelope.kind === "finish" && !this.#isProven(envelope)) return undefined;
    return this.answer(datagram);
  }

  #isProven({ sessionId, ke3 }: Envelope & { readonly kind: "finish" }): boolean {
    const pending = this.#pending.find((one) => one.sessionId === sessionId);
    return pending !== undefined && acceptLogin(pending.state, ke3) !== undefined;
  }
}

/** The longest time without any answer after which a Member has given up an attempt or a request, in milliseconds. */
export const givenUpMs: number = limits.requestMs + 1;
