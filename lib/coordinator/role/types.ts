/**
 * types: what goes into the coordinator's role and what comes out. Laws: 1) the role is a function of its inputs, the
 * time given with each and the randomness given at its making;  2) every effect with a token is answered by exactly one
 * input with that token, possibly `busy`.  (pure: types alone)
 */

import type { Bytes } from "../../core/bytes.ts";
import type { ErrorCode, Result } from "../../core/errors.ts";
import type { Endpoint } from "../../core/transport.ts";
import type { ReportReason, Role } from "../../wire/message.ts";
import type { LiveCoordinator, News } from "./news.ts";
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
  /** The secret of the X25519 key that devices know this coordinator by. */
  readonly login: Uint8Array;
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
  /** Answer the registration of a password under a name. */
  | { readonly kind: "opaqueRegister"; readonly token: number; readonly account: string; readonly request: Bytes }
  /** Dial the endpoint once, and see whether a TLS server with this certificate answers. */
  | { readonly kind: "probe"; readonly token: number; readonly endpoint: Endpoint; readonly certificate: Bytes }
  /** Tell the other coordinators on this store. */
  | { readonly kind: "tell"; readonly news: News }
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
    | "deviceRevoked"
    | "registered"
    | "passwordChanged"
    | "reported"
    | "shed";
  readonly account?: string;
  readonly device?: string;
  readonly endpoint?: string;
  readonly reason?: ErrorCode | ReportReason;
  /** How a login proved itself. */
  readonly way?: "password" | "key";
  /** From a login's first message to its end, in milliseconds. */
  readonly tookMs?: number;
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
  | { readonly kind: "opaqueRegistered"; readonly token: number; readonly result: Result<Bytes, StoreRefusal> }
  | { readonly kind: "probed"; readonly token: number; readonly reachable: boolean }
  /** The operator disabled, removed or re-keyed an account: its sessions end now and holders end its transfers. */
  | { readonly kind: "accountChanged"; readonly account: string; readonly code: ErrorCode }
  /** Accounts that left a group, or whose group is gone: holders end their transfers; what they still may fetch they ask for anew. */
  | { readonly kind: "rightsLost"; readonly accounts: readonly string[] }
  /** The operator gave an account another role or rate: it holds at once, and what it may not share is its peers' no more. */
  | { readonly kind: "standingChanged"; readonly account: string; readonly role: Role; readonly rate: number | null }
  /** Nearly each datagram waits already when it is asked for; told ten times a second for as long as that is so. */
  | { readonly kind: "behind" }
  /** A device's key was taken from it, by the store's row number: its session ends now and holders end its transfers. */
  | { readonly kind: "deviceRevoked"; readonly device: number }
  /** Another coordinator, by its instance, tells this. */
  | { readonly kind: "told"; readonly from: number; readonly news: News }
  /** Which coordinators live, this one too, and where peers reach this one. */
  | { readonly kind: "coordinators"; readonly live: readonly LiveCoordinator[]; readonly own: Endpoint | undefined }
  /** News of the others are heard from now on; `isAgain`: some may have been missed. */
  | { readonly kind: "joined"; readonly isAgain: boolean }
  /**
   * The coordinator stops: `atOnce` of the peers are told, and where they may log in instead. Given again until no session is left;
   * a session that begins after that is ended at once.
   */
  | { readonly kind: "drain"; readonly elsewhere: readonly Endpoint[]; readonly atOnce: number };

/** What the role is made with. */
export interface RoleOptions {
  readonly keys: CoordinatorKeys;
  readonly random: (size: number) => Bytes;
  /** The dictated keep-alive interval, in milliseconds. */
  readonly keepAliveMs: number;
  /** Requests a second of an account without a rate of its own; limits.accountRequestsPerSecond unless told. */
  readonly accountRate?: number | undefined;
  /** Whether other coordinators may use the store. */
  readonly isShared?: boolean;
}

/** Figures of a running role, for `coordinator status`. */
export interface RoleFigures {
  readonly sessions: number;
  readonly pendingLogins: number;
  readonly datagramsIn: number;
  readonly datagramsRefused: number;
  /** Strangers that got no answer, for there were too many. */
  readonly datagramsShed: number;
  readonly logins: number;
  /** Partial holders, one for each content that a device fetches and serves. */
  readonly offers: number;
  /** Reports of holders that count. */
  readonly reports: number;
}
