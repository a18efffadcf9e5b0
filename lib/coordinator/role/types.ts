/**
 * types: what goes into the coordinator's role and what comes out. Laws: 1) the role is a function of its inputs, the
 * time given with each and the randomness given at its making;  2) every effect with a token is answered by exactly one
 * input with that token, possibly `busy`.  (pure: types alone)
 */

import type { Bytes } from "../../core/bytes.ts";
import type { ErrorCode, Result } from "../../core/errors.ts";
import type { Endpoint } from "../../core/transport.ts";
import type { ReportReason } from "../../wire/message.ts";
import type { StoreAnswer, StoreAsk, StoreOperation, StoreRefusal } from "./store_effects.ts";

/** Keys of the coordinator, each derived from the key file's root for one purpose. */
export interface CoordinatorKeys {
  /** Signs cookies; rotated by time slot through HMAC(key, slot). */
  readonly cookie: Uint8Array;
  /** Marks session ids as ours and makes reset tokens. */
  readonly session: Uint8Array;
  /** The ticket key of a day is HMAC(ticket, day). */
  readonly ticket: Uint8Array;
  readonly cursor: Uint8Array;
}

export type Effect =
  | { readonly kind: "send"; readonly to: Endpoint; readonly bytes: Bytes }
  | { readonly kind: "store"; readonly token: number; readonly ask: StoreAsk }
  /** Answer KE1 with KE2; with `record: null` as for an account that is not there, in the same time. */
  | {
    readonly kind: "opaqueStart";
    readonly token: number;
    readonly account: string;
    readonly record: string | null;
    readonly ke1: Bytes;
  }
  | { readonly kind: "opaqueFinish"; readonly token: number; readonly state: string; readonly ke3: Bytes }
  /** Dial the endpoint once, and see whether a TLS server with this certificate answers. */
  | { readonly kind: "probe"; readonly token: number; readonly endpoint: Endpoint; readonly certificate: Bytes }
  | { readonly kind: "log"; readonly event: LogEvent };

/** Something an operator may want to read. Never holds a secret, a file name or a password. */
export interface LogEvent {
  readonly event:
    | "loggedIn"
    | "loggedOut"
    | "away"
    | "loginRefused"
    | "moved"
    | "replaced"
    | "reported"
    | "shed";
  readonly account?: string;
  readonly device?: string;
  readonly endpoint?: string;
  readonly reason?: ErrorCode | ReportReason;
  /** Who was reported: the device's key, and account and label where it has a session. */
  readonly holder?: string;
}

export type Input =
  | { readonly kind: "datagram"; readonly from: Endpoint; readonly bytes: Uint8Array }
  /** Time has passed `wakeAtMs`. */
  | { readonly kind: "tick" }
  | { readonly kind: "stored"; readonly token: number; readonly answer: StoreAnswer<StoreOperation> }
  | {
    readonly kind: "opaqueStarted";
    readonly token: number;
    readonly result: Result<{ readonly ke2: Bytes; readonly state: string }, StoreRefusal>;
  }
  | {
    readonly kind: "opaqueFinished";
    readonly token: number;
    /** The 64-byte session key; a refusal where KE3 does not prove the password. */
    readonly result: Result<Bytes, StoreRefusal>;
  }
  | { readonly kind: "probed"; readonly token: number; readonly reachable: boolean }
  /** The operator disabled, removed or re-keyed an account: its sessions end now and holders end its transfers. */
  | { readonly kind: "accountChanged"; readonly account: string; readonly code: ErrorCode }
  /** The coordinator stops: every peer is told. */
  | { readonly kind: "drain" };

/** What the role is made with. */
export interface RoleOptions {
  readonly keys: CoordinatorKeys;
  readonly random: (size: number) => Bytes;
  /** The dictated keep-alive interval, in milliseconds. */
  readonly keepAliveMs: number;
}

/** Figures of a running role, for `coordinator status`. */
export interface RoleFigures {
  readonly sessions: number;
  readonly pendingLogins: number;
  readonly datagramsIn: number;
  readonly datagramsRefused: number;
  readonly logins: number;
  /** Partial holders, one for each content that a device fetches and serves. */
  readonly offers: number;
  /** Reports of holders that count. */
  readonly reports: number;
}
