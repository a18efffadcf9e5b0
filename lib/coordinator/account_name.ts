/**
 * account_name: which names an account may have. Law: two names that a person cannot tell apart by case, Unicode form or
 * invisible characters are never two accounts; `foldAccount` is what all spellings of one have in common.  (pure)
 */

import { Buffer } from "node:buffer";
import { UsageError } from "../core/errors.ts";
import { escapeName } from "../core/escape.ts";
import { limits } from "../core/limits.ts";
import { foldAccount } from "../session/opaque.ts";

/** Names that read as something else than a person in commands and messages. */
const reserved = ["all", "anyone", "coordinator", "everyone", "me", "nobody", "none", "self", "shoal", "system"];

/** Controls, formats (bidi, zero width), private use, surrogates, unassigned; separators of every kind. */
const forbidden = /[\p{C}\p{Z}]/u;

/**
 * Reads a name for a new account; keeps its case, composes its characters (NFC).
 * @throws {UsageError} If nobody may be called that.
 */
export function parseAccountName(text: string): string {
  const refuse = (reason: string): never => {
    throw new UsageError(`Cannot use "${escapeName(text.slice(0, 80))}" as an account name: ${reason}`, {
      hint: "Choose letters and digits of one script, like ada or ada.lovelace",
    });
  };
  if (!text.isWellFormed()) refuse("it is not legal Unicode");
  const name = text.normalize("NFC");
  if (name === "") refuse("it is empty");
  if (Buffer.byteLength(name, "utf8") > limits.accountBytesMax) {
    refuse(`it is longer than ${limits.accountBytesMax} bytes`);
  }
  if (forbidden.test(name)) refuse("it holds a space or an invisible character");
  if (name !== name.normalize("NFKC")) refuse("it holds a character that looks like another one");
  if (/^\p{M}/u.test(name)) refuse("it begins with a combining mark");
  if (/^[-#]/.test(name)) refuse("it begins with - or #");
  if (/\p{Script=Latin}/u.test(name) && /[\p{Script=Cyrillic}\p{Script=Greek}]/u.test(name)) {
    refuse("it mixes scripts whose letters look alike");
  }
  if (reserved.includes(foldAccount(name))) refuse("the name is reserved");
  return name;
}
