/** types: what goes into a peer's role in the control plane and what comes out.  (pure: types alone) */

import type { Bytes } from "../core/bytes.ts";
import type { ShoalError } from "../core/errors.ts";
import type { Content, DeviceId } from "../core/ids.ts";
import type { Endpoint } from "../core/transport.ts";
import type { SigningKey } from "../session/device_key.ts";
import type { ProofStep, Proved } from "../session/opaque.ts";
import type { Random } from "../session/random.ts";
import type { Message, MessageBody, MessageOf, Request, Role } from "../wire/message.ts";

export interface MemberOptions {
  readonly device: SigningKey;
  /** The device's self-signed TLS certificate, DER. */
  readonly certificate: Bytes;
  /** The wished label; the coordinator may give another. */
  readonly label: string;
  readonly random: Random;
}

export type MemberInput =
  /** Log in with the password, and stay logged in from then on, by the device's key. */
  | {
    readonly kind: "login";
    readonly account: string;
    readonly password: string;
    /** The coordinator's login key, where this peer has met it at this address: another one is refused. */
    readonly pinned?: Bytes | undefined;
  }
  /** Log in by the device's key, and stay logged in from then on. */
  | { readonly kind: "loginByKey"; readonly enrolment: Enrolment }
  | { readonly kind: "datagram"; readonly bytes: Uint8Array }
  /** Answers the `prove` effect of this number, or says why that could not be done; answers to earlier ones come too late. */
  | { readonly kind: "proved"; readonly proof: number; readonly proved: Proved | ShoalError }
  /** Time has passed `wakeAtMs`. */
  | { readonly kind: "tick" }
  | { readonly kind: "request"; readonly handle: number; readonly request: Request; readonly timeoutMs: number }
  /** What the next STATUS tells; a change is told at once. */
  | { readonly kind: "presence"; readonly tcpPort: number; readonly shareDigest: Bytes }
  /** How many coordinators there are to log in at, one after the other; and whether the person named the one that is talked to now. */
  | { readonly kind: "coordinators"; readonly count: number; readonly isNamed: boolean }
  /** Log out and stop. */
  | { readonly kind: "leave" };

/** What a login leaves for later ones by the device's key. Nothing of it is secret, all of it must not be altered. */
export interface Enrolment {
  /** The account's name as the coordinator spells it. */
  readonly account: string;
  /** The coordinator's X25519 key, to which logins by key are sealed. */
  readonly loginKey: Bytes;
  /** The coordinator's long-term OPAQUE key: who it is, whatever its address. */
  readonly coordinatorKey: Bytes;
  /** The account's public key, and its signature of this device: shown to holders. */
  readonly accountKey: Bytes;
  readonly deviceSignature: Bytes;
}

/** What a login established. */
export interface Identity extends Enrolment {
  /** The label this device was given. */
  readonly label: string;
  readonly deviceId: DeviceId;
  /** What the account might do when this session began. */
  readonly role: Role;
  /** Whether this login made the account key. */
  readonly accountKeyIsNew: boolean;
}

/** What the last keep-alive's answer told. */
export type Alive = Omit<MessageOf<"alive">, "kind">;

export type MemberEffect =
  | { readonly kind: "send"; readonly bytes: Bytes }
  /** Do a step of the password proof, which takes a tenth of a second and draws randomness of its own; `proved` answers it. */
  | { readonly kind: "prove"; readonly proof: number; readonly step: ProofStep }
  /** Answers a `request` input; exactly one for each handle. */
  | { readonly kind: "answered"; readonly handle: number; readonly answer: Message }
  | { readonly kind: "failed"; readonly handle: number; readonly error: ShoalError }
  | { readonly kind: "online"; readonly identity: Identity; readonly alive: Alive }
  | { readonly kind: "alive"; readonly alive: Alive }
  /** The coordinator does not answer; the role goes on trying, next in `retryInMs`. */
  | { readonly kind: "offline"; readonly error: ShoalError; readonly retryInMs: number }
  /** The coordinator stops: log in at these first. `offline` follows. */
  | { readonly kind: "sentElsewhere"; readonly endpoints: readonly Endpoint[] }
  /** The coordinator refused; the role has stopped until the next `login` input. */
  | { readonly kind: "denied"; readonly error: ShoalError }
  /** End uploads of these contents and to these devices; the share list may have changed. */
  | { readonly kind: "revoked"; readonly contents: readonly Content[]; readonly devices: readonly DeviceId[] }
  /** What a standing search found, and whether there is more. */
  | ({ readonly kind: "found" } & MessageBody<"found">)
  /** The logout was answered or given up. */
  | { readonly kind: "left" };
