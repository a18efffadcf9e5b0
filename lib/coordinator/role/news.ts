/**
 * news: what coordinators that share one store tell each other. Laws: 1) everything in it is plain JSON;  2) it says what has happened and
 * is stored, so who hears it twice, or late, does nothing wrong;  3) kinds and fields are only added: coordinators of two releases run
 * side by side during an upgrade.  Why: docs/adr/0026-coordinators-tell-each-other.md  (pure: types alone)
 */

import type { ErrorCode } from "../../core/errors.ts";
import type { Content, DeviceId } from "../../core/ids.ts";
import type { Role, ShareEntry } from "../../wire/message.ts";

/** A share that was made now, with its row number. */
export interface ShareNews {
  readonly entry: ShareEntry;
  readonly share: number;
}

/** `device` and `holder` are row numbers; an account is its folded name where nothing else is said. */
export type News =
  /** Whether anybody here waits for shares that are made elsewhere; `asks`: and who else? */
  | { readonly kind: "here"; readonly watches: boolean; readonly asks: boolean }
  /** Some news were lost. */
  | { readonly kind: "gap" }
  /** The account is disabled, removed or re-keyed: its sessions end with this code. */
  | { readonly kind: "accountChanged"; readonly account: string; readonly code: ErrorCode }
  | { readonly kind: "rightsLost"; readonly accounts: readonly string[] }
  | { readonly kind: "standingChanged"; readonly account: string; readonly role: Role; readonly rate: number | null }
  | { readonly kind: "deviceRevoked"; readonly device: number }
  /** All devices of an account but this one need the new password. */
  | { readonly kind: "othersEnded"; readonly account: string; readonly device: number }
  /** A session of this device began, by the teller's clock. */
  | { readonly kind: "loggedIn"; readonly device: number; readonly atMs: number }
  /** A session of this device ended here for a newer one elsewhere, and so does the store's row, whichever of the two it was for. */
  | { readonly kind: "left"; readonly device: number }
  /** Shares of a device were removed from elsewhere: the digest of its list in hex, and what it shares no more. */
  | {
    readonly kind: "listChanged";
    readonly device: number;
    readonly shareDigest: string;
    readonly ended: readonly Content[];
  }
  /** A holder is to end its uploads to these devices. */
  | { readonly kind: "revoked"; readonly holder: number; readonly devices: readonly DeviceId[] }
  /** What a holder still shares of contents of which a share went. */
  | { readonly kind: "audienceChanged"; readonly holder: number; readonly shares: readonly number[] }
  | {
    readonly kind: "shared";
    readonly device: number;
    readonly account: string;
    readonly shares: readonly ShareNews[];
  }
  | { readonly kind: "reported"; readonly account: string; readonly holder: DeviceId; readonly content: Content };

/** Another coordinator, or this one, while it lives. */
export interface LiveCoordinator {
  /** A start is another instance. */
  readonly instance: number;
  /** Where peers reach it; null: it was not told. */
  readonly endpoint: { readonly ip: string; readonly port: number } | null;
}
