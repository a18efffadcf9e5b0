/**
 * login_way: how a login proves who it is, between the cookie and the session's keys, and what it makes of AUTHENTICATED: by the
 * password (password_way.ts) or by the device's key (key_way.ts). Law: a way is told what came and says what follows; times, repeats
 * and the sealed steps are the attempt's (login_attempt.ts).  (types alone)
 */

import type { Bytes } from "../core/bytes.ts";
import type { ProofStep, Proved } from "../session/opaque.ts";
import type { SealedChannel, SessionKeys } from "../session/sealed_channel.ts";
import type { Envelope } from "../wire/envelope.ts";
import type { MessageOf } from "../wire/message.ts";
import type { LoginOutcome } from "./login_outcome.ts";
import type { Enrolment } from "./types.ts";

export type Credentials =
  | {
    readonly kind: "password";
    readonly account: string;
    readonly password: string;
    /** The coordinator's login key, where this peer has met it at this address. */
    readonly pinned: Bytes | undefined;
  }
  | { readonly kind: "key"; readonly account: string; readonly enrolment: Enrolment };

/** The session's keys are there. */
export interface Agreed {
  readonly kind: "agreed";
  readonly sessionId: bigint;
  readonly keys: SessionKeys;
  /** What the device signs: it names this handshake. */
  readonly transcript: Bytes;
  /** Seals the first payload, in the datagram that this way has for it. */
  readonly seal: (channel: SealedChannel, payload: Bytes) => Bytes;
}

export type WayStep =
  /** Have this done; `proved` takes what comes of it. */
  | { readonly kind: "prove"; readonly step: ProofStep }
  /** Send this until an answer comes. */
  | { readonly kind: "send"; readonly datagram: Bytes }
  | Agreed
  | LoginOutcome;

/** What AUTHENTICATED leads to. */
export type Admitted =
  | { readonly kind: "admitted"; readonly enrolment: Enrolment }
  /** Once this ENROL is answered. */
  | { readonly kind: "enrol"; readonly message: MessageOf<"enrol">; readonly enrolment: Enrolment }
  | LoginOutcome;

export interface LoginWay {
  /** The account as it was typed, or as the coordinator spelled it. */
  readonly account: string;
  /** Whether this login, or one before it that never heard of its end, made the account key. */
  readonly accountKeyIsNew: boolean;
  /** Takes a good cookie of this nonce. */
  start(nonce: Bytes, cookie: Bytes): WayStep;
  proved(proved: Proved): WayStep | undefined;
  /** Takes an answer that repeats the nonce, and the datagram that it was; undefined for one that is none. */
  answered(envelope: Envelope, datagram: Uint8Array): WayStep | undefined;
  admitted(authenticated: MessageOf<"authenticated">): Admitted;
}
