/**
 * password_change: sets another password for the account of this peer. Laws: 1) the old one is proved anew, whoever is logged in;  2) the
 * account's key stays: it is opened with what the old password yields and sealed under what the new one does;  3) neither password is
 * kept.  Spec: PROTOCOL.md "Changing a password".  (I/O through Control)
 */

import { bytesEqual } from "../core/bytes.ts";
import { NetworkError, ProtocolError, RemoteError, ShoalError } from "../core/errors.ts";
import type { Identity } from "../membership/types.ts";
import { openAccountKey, sealAccountKey } from "../session/account_key.ts";
import type { ProofStep, Proved } from "../session/opaque.ts";
import { parsePassword } from "../session/password.ts";
import { opaqueString } from "../session/precis.ts";
import type { Random } from "../session/random.ts";
import type { PasswordChange } from "./commands.ts";
import type { Control } from "./control.ts";

export interface PasswordChangeContext {
  readonly control: Pick<Control, "request">;
  readonly identity: Identity;
  readonly prove: (step: ProofStep) => Promise<Proved>;
  readonly random: Random;
}

/**
 * Changes the password; it is durable when this resolves.
 * @throws {UsageError} If the new one cannot be used.
 * @throws {ShoalError} `denied` if the old one is wrong; as the coordinator refuses.
 */
export async function changePassword(change: PasswordChange, context: PasswordChangeContext): Promise<void> {
  const { control, identity, prove, random } = context;
  const password = parsePassword(change.newPassword);
  // As it was typed, where a program of before rules for passwords set it.
  const candidates = new Set([opaqueString(change.oldPassword), change.oldPassword]);
  for (const [tries, oldPassword] of [...candidates].entries()) {
    const started = await proveAs(prove, { kind: "start", password: oldPassword });
    const fresh = await proveAs(prove, { kind: "newStart", password });
    const answer = await control.request({ kind: "changePassword", ke1: started.ke1, request: fresh.request });
    const { ke2, response, accountKey: stored } = answer;
    const { login } = await proveAs(prove, { kind: "finish", password: oldPassword, state: started.state, ke2 });
    if (login === undefined && tries + 1 < candidates.size) continue;
    if (login === undefined) throw new ShoalError("denied", "Cannot change the password: the old one is wrong");
    if (!bytesEqual(login.coordinatorKey, identity.coordinatorKey)) {
      throw new ShoalError(
        "untrusted",
        "Cannot change the password: the coordinator's key is not the one of the login",
      );
    }
    const { registration } = await proveAs(prove, { kind: "newFinish", password, state: fresh.state, response });
    if (registration === undefined) {
      throw new ProtocolError("The coordinator's answer is no registration of a password");
    }
    const key = stored === null ? undefined : openAccountKey(login.exportKey, identity.account, stored);
    if (key === undefined || !bytesEqual(key.publicKey, identity.accountKey)) {
      throw new ShoalError(
        "integrity",
        "Cannot change the password: the account's key does not open with the old one",
        {
          hint: "The coordinator may have altered it; ask the operator to set the password anew",
        },
      );
    }
    const sealed = sealAccountKey(registration.exportKey, identity.account, key, random);
    try {
      await control.request({
        kind: "setPassword",
        ke3: login.ke3,
        record: registration.record,
        accountKey: { publicKey: key.publicKey, sealed },
        everywhere: change.everywhere,
      });
    } catch (error) {
      throw isUntold(error) ? untold(error) : error;
    }
    return;
  }
}

/** Whether the answer may have been lost: none came, or another session than the one that began the change was asked again. */
function isUntold(error: unknown): error is ShoalError {
  return error instanceof NetworkError || (error instanceof RemoteError && error.code === "usage");
}

function untold(cause: ShoalError): ShoalError {
  return new ShoalError(cause.code, "Cannot tell whether the password was changed: the session was lost meanwhile", {
    cause,
    hint: "Change it again, from the new one; if that is wrong, the old one still holds",
  });
}

async function proveAs<S extends ProofStep>(
  prove: (step: ProofStep) => Promise<Proved>,
  step: S,
): Promise<Proved & { kind: S["kind"] }> {
  return await prove(step) as Proved & { kind: S["kind"] };
}
