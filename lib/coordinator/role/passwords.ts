/**
 * passwords: changes of a password by who has it, inside a session. Laws: 1) a session alone changes nothing: the old password is proved
 * anew;  2) record and sealed account key change together, and only if neither has changed since;  3) a begun change is a try at the
 * old password, of which an account has few.  Spec: PROTOCOL.md "Changing a password".  (pure)
 */

import { formatBase64Url } from "../../core/base64.ts";
import { limits } from "../../core/limits.ts";
import { errorMessage, type Message, type MessageOf } from "../../wire/message.ts";
import type { Outbox } from "./outbox.ts";
import type { Session } from "./session.ts";
import type { StoreRefusal } from "./store_effects.ts";

/** What a session keeps between the two messages. */
export interface PasswordChange {
  /** The record that the old password is proved against. */
  readonly from: string;
  readonly opaqueState: string;
  readonly untilMs: number;
}

type Answer = (message: Message) => void;

const busyRetryMs = 1_000;

export class Passwords {
  readonly #outbox: Outbox;
  readonly #endOthers: (foldedAccount: string, device: number, nowMs: number) => void;

  /** @param endOthers Ends sessions and transfers of an account, but those of one device. */
  constructor(outbox: Outbox, endOthers: (foldedAccount: string, device: number, nowMs: number) => void) {
    this.#outbox = outbox;
    this.#endOthers = endOthers;
  }

  /** Answers KE1 of the old password and the registration of the new one. */
  begin(session: Session, { ke1, request }: MessageOf<"changePassword">, nowMs: number, answer: Answer): void {
    session.passwordChange = undefined;
    const waitMs = session.standing.spendChange(nowMs);
    if (waitMs > 0) return answer(errorMessage("tooManyTries", "too many changes of the password", waitMs));
    const { account } = session;
    this.#outbox.store("passwordOf", { account }, (found) => {
      if (!found.ok) return answer(refusal(found.error));
      const { record, accountKey } = found.value;
      this.#outbox.opaqueStart({ account, record, ke1 }, (started) => {
        if (!started.ok) return answer(refusal(started.error));
        this.#outbox.opaqueRegister({ account, request }, (registering, registeringAtMs) => {
          if (!registering.ok) return answer(refusal(registering.error));
          const untilMs = registeringAtMs + limits.passwordChangeMs;
          session.passwordChange = { from: record, opaqueState: started.value.state, untilMs };
          answer({ kind: "provePassword", ke2: started.value.ke2, response: registering.value, accountKey });
        });
      });
    });
  }

  /** Puts the new password, where the old one is proved. */
  finish(session: Session, message: MessageOf<"setPassword">, nowMs: number, answer: Answer): void {
    const change = session.passwordChange;
    session.passwordChange = undefined;
    if (change === undefined || nowMs >= change.untilMs) {
      return answer(errorMessage("usage", "no change of the password was begun"));
    }
    const { ke3, record, accountKey, everywhere } = message;
    this.#outbox.opaqueFinish({ state: change.opaqueState, ke3 }, (proved) => {
      if (!proved.ok) return answer(refusal(proved.error));
      const { account, device } = session;
      const ask = { account, device, from: change.from, record: formatBase64Url(record), accountKey, everywhere };
      this.#outbox.store("changePassword", ask, (stored, storedAtMs) => {
        if (!stored.ok) return answer(refusal(stored.error));
        if (everywhere) this.#endOthers(session.foldedAccount, device, storedAtMs);
        this.#outbox.log({ event: "passwordChanged", account, device: session.label });
        answer({ kind: "done" });
      });
    });
  }
}

function refusal({ code, text }: StoreRefusal): Message {
  return errorMessage(code, text, code === "busy" ? busyRetryMs : 0);
}
