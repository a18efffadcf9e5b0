/**
 * password: a password that is to be set. Law: what is set is what a login makes of the same keys: both prepare it as OpaqueString.
 * Spec: PROTOCOL.md "Passwords".  (pure)
 */

import { Buffer } from "node:buffer";
import { UsageError } from "../core/errors.ts";
import { limits } from "../core/limits.ts";
import { opaqueString, refuseFreeform } from "./precis.ts";

/**
 * Checks and prepares a password that is to be set.
 * @throws {UsageError} If it is empty, too long, or holds what no terminal types. The message does not repeat it.
 */
export function parsePassword(text: string): string {
  const reason = text === "" ? "it is empty" : refuseFreeform(text);
  const password = reason === undefined ? opaqueString(text) : "";
  const refusal = reason ??
    (Buffer.byteLength(password, "utf8") > limits.passwordBytesMax ? "it is too long" : undefined);
  if (refusal === undefined) return password;
  throw new UsageError(`Cannot use that password: ${refusal}`, {
    hint: `Choose 1 to ${limits.passwordBytesMax} bytes of text`,
  });
}
