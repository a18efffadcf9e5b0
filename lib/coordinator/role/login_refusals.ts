/**
 * login_refusals: how a login is refused in clear, and how that is told to the operator. Law: what is said so is said to anybody, so it tells
 * nothing of an account, and nobody believes it for good.  Spec: PROTOCOL.md "Login".  (pure)
 */

import { type ErrorCode, errorCodes } from "../../core/errors.ts";
import { type Endpoint, formatEndpoint } from "../../core/transport.ts";
import { encodeRefused } from "../../wire/envelope.ts";
import type { Outbox } from "./outbox.ts";
import type { Shedding } from "./shedding.ts";
import type { ResultTally } from "./tallies.ts";
import type { Unproven } from "./unproven.ts";

export class LoginRefusals {
  readonly #outbox: Outbox;
  readonly #unproven: Unproven;
  readonly #tally: ResultTally;
  readonly #shedding: Shedding;

  constructor(outbox: Outbox, unproven: Unproven, tally: ResultTally, shedding: Shedding) {
    this.#outbox = outbox;
    this.#unproven = unproven;
    this.#tally = tally;
    this.#shedding = shedding;
  }

  refuse(nonce: Uint8Array, to: Endpoint, code: ErrorCode, retryAfterMs: number): void {
    this.#tally.noteRefusal(code);
    this.#outbox.send(to, encodeRefused(nonce, errorCodes[code].wire, retryAfterMs));
  }

  refuseBusy(nonce: Uint8Array, to: Endpoint, nowMs: number): void {
    this.refuse(nonce, to, "busy", this.#shedding.retryAfterMs(nowMs));
  }

  /** Tells the operator, as often as that is bearable. */
  log(account: string, endpoint: Endpoint, reason: ErrorCode, nowMs: number): void {
    if (!this.#unproven.mayLogRefusal(nowMs)) return;
    this.#outbox.log({ event: "loginRefused", account, endpoint: formatEndpoint(endpoint), reason });
  }
}
