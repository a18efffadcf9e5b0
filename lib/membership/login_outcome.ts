/** login_outcome: how one attempt to log in ends, and in what words.  (pure) */

import type { Bytes } from "../core/bytes.ts";
import { errorCodeFromWire, RemoteError, type ShoalError } from "../core/errors.ts";
import type { SealedChannel } from "../session/sealed_channel.ts";
import type { Envelope } from "../wire/envelope.ts";
import type { Alive, Identity } from "./types.ts";

/** The longest pause that a REFUSED can cause, in milliseconds: what the coordinator's own buckets ask for. */
const refusedMaxMs = 60_000;

/** What a session is held by. */
export interface Session {
  readonly channel: SealedChannel;
  /** What a RESET of this session shows. */
  readonly resetToken: Bytes;
}

export type LoginOutcome =
  | { readonly kind: "online"; readonly session: Session; readonly identity: Identity; readonly alive: Alive }
  /** Worth another attempt, after `waitMs` at the least. */
  | { readonly kind: "lost"; readonly error: ShoalError; readonly waitMs: number }
  /**
   * The REPLY does not prove that the coordinator knows this password, it says in clear that it cannot read this device's login, or
   * there were version lists alone: so it is, or they are forged.
   */
  | { readonly kind: "unproven"; readonly error: ShoalError }
  | { readonly kind: "denied"; readonly error: ShoalError }
  /** Another device of this account put its key first: log in again at once and use that one. */
  | { readonly kind: "again" };

export function lost(error: ShoalError, waitMs = 0): LoginOutcome {
  return { kind: "lost", error, waitMs };
}

export function denied(error: ShoalError): LoginOutcome {
  return { kind: "denied", error };
}

/** A REFUSED is not authentic: it may slow this peer down, not silence it. */
export function refused({ code: wireCode, retryAfterMs }: Envelope & { kind: "refused" }): LoginOutcome {
  const code = errorCodeFromWire(wireCode);
  const error = code === "tooManyTries"
    ? new RemoteError(code, "Cannot log in: too many tries at this account", {
      retryAfterMs,
      hint: `Try again in ${Math.ceil(retryAfterMs / 1000)} s`,
    })
    : new RemoteError(code, "Cannot log in: the coordinator is busy", { retryAfterMs });
  return lost(error, Math.min(retryAfterMs, refusedMaxMs));
}

/** Says in words why this account may not be logged in, at login or at the session's close. */
export function deniedError(code: ReturnType<typeof errorCodeFromWire>, account: string, text = ""): RemoteError {
  if (code === "disabled") {
    return new RemoteError(code, `Cannot log in as ${JSON.stringify(account)}: the operator disabled the account`, {
      hint: "Ask the operator of the coordinator",
    });
  }
  if (text !== "") return new RemoteError(code, `Cannot log in as ${JSON.stringify(account)}: ${text}`);
  const reason = "this device was revoked, its password was changed, or it was removed";
  return new RemoteError(code, `Cannot log in as ${JSON.stringify(account)}: ${reason}`, {
    hint: "Log in with the password",
  });
}
