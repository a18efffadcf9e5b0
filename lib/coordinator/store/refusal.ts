/** refusal: the way an ask ends that a store does not do, whatever its engine. Law: its words are for the peer that asks.  (pure) */

import { type ErrorCode, ShoalError } from "../../core/errors.ts";

/** Ends an ask with a refusal: what it wrote is undone, and the asker is told code and text. */
export class Refusal extends Error {
  readonly code: ErrorCode;
  constructor(code: ErrorCode, text: string) {
    super(text);
    this.code = code;
  }
}

/** Refuses a text with NUL, which node:sqlite would cut there and PostgreSQL does not take. */
export function refuseNul(text: string): void {
  if (text.includes("\0")) throw new Refusal("unsafeName", "a name holds a NUL character");
}

/**
 * Refuses a login whose proof is of the past: another record of the password has come, or the device has lost its key.
 * @param proved The record that it proved; null for the device's key.
 */
export function refuseStale(proved: string | null, record: string, hasKey: boolean): void {
  if (proved === null ? hasKey : proved === record) return;
  throw new Refusal("denied", proved === null ? "this device was revoked" : "the password was changed meanwhile");
}

/** What an operator is told: there is no group of this name. */
export function noGroup(name: string): ShoalError {
  return new ShoalError("notFound", `Cannot find the group ${name}: there is none of that name`, {
    hint: "coordinator group list shows them all",
  });
}

export function noAccount(name: string): ShoalError {
  return new ShoalError("notFound", `Cannot find ${name}: there is no such account`, {
    hint: "coordinator user list shows them all",
  });
}

export function tooMany(reason: string): ShoalError {
  return new ShoalError("limit", `Cannot change the groups: ${reason}`);
}
