/**
 * account_name: which names an account may have: UsernameCaseMapped (RFC 8265 §3.3) in the letters of one script. Law: two names that a
 * person cannot tell apart by case, width, Unicode form or invisible characters are never two accounts; `foldAccount` is what
 * all spellings of one have in common, `lookAlikeKey` what those have that only look the same.  (pure)
 */

import { Buffer } from "node:buffer";
import { UsageError } from "../core/errors.ts";
import { escapeName } from "../core/escape.ts";
import { limits } from "../core/limits.ts";
import { foldAccount } from "../session/opaque.ts";
import { mapWidth, refuseIdentifier } from "../session/precis.ts";

/** Names that read as something else than a person in commands and messages. */
const reserved = ["all", "anyone", "coordinator", "everyone", "me", "nobody", "none", "self", "shoal", "system"];

/** Scripts that are in use today (UAX #31, Table 5), and those that are written together (UTS #39 §5.2, highly restrictive). */
const scripts: readonly (readonly string[])[] = [
  ...["Latin", "Cyrillic", "Greek", "Arabic", "Armenian", "Bengali", "Devanagari", "Ethiopic", "Georgian", "Gujarati"],
  ...["Gurmukhi", "Hebrew", "Kannada", "Khmer", "Lao", "Malayalam", "Myanmar", "Oriya", "Sinhala", "Tamil", "Telugu"],
  ...["Thaana", "Thai", "Tibetan"],
].map((script) => [script]).concat([
  ["Latin", "Han", "Hiragana", "Katakana"],
  ["Latin", "Han", "Bopomofo"],
  ["Latin", "Han", "Hangul"],
]);
const ofOneScript = scripts.map((set) =>
  new RegExp(`^[${["Common", "Inherited", ...set].map((script) => `\\p{scx=${script}}`).join("")}]*$`, "u")
);

/**
 * Reads a name for a new account; keeps its case, maps its width, composes its characters (NFC).
 * @throws {UsageError} If nobody may be called that.
 */
export function parseAccountName(text: string): string {
  const refuse = (reason: string): never => {
    throw new UsageError(`Cannot use "${escapeName(text.slice(0, 80))}" as an account name: ${reason}`, {
      hint: "Choose letters and digits of one script, like ada or ada.lovelace",
    });
  };
  const name = mapWidth(text).normalize("NFC");
  if (name === "") refuse("it is empty");
  if (Buffer.byteLength(name, "utf8") > limits.accountBytesMax) {
    refuse(`it is longer than ${limits.accountBytesMax} bytes`);
  }
  const reason = refuseIdentifier(name);
  if (reason !== undefined) refuse(reason);
  if (/^\p{M}/u.test(name)) refuse("it begins with a combining mark");
  if (/^[-#]/.test(name)) refuse("it begins with - or #");
  if (/[:,]/.test(name)) refuse("it holds : or , which part names from what stands beside them");
  if (!ofOneScript.some((letters) => letters.test(name))) refuse("its letters are not of one script that is in use");
  const folded = foldAccount(name);
  if (folded !== folded.normalize("NFC")) refuse("its lower case is another text in Unicode; write it in lower case");
  if (reserved.includes(folded)) refuse("the name is reserved");
  return name;
}
