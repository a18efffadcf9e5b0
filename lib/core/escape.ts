/**
 * escape: untrusted text made fit to be shown. Laws: 1) what comes out moves no cursor, ends no line, turns no text
 * direction and hides nothing, whatever came in;  2) no name can look like another one's escaped form.  Spec: SECURITY.md
 * "Names".  (pure)
 */

/** Controls, format characters, separators, lone surrogates, whatever else Unicode says shows nothing, and a mark that
 * would join the character before the text. */
const unprintable = /^\p{M}|[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Default_Ignorable_Code_Point}\u2800]/gu;

const shortEscapes: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/** Escapes a name for a terminal or a log line: ESC becomes `\x1b`, a bidi mark `\u{202e}`, a backslash two of them. */
export function escapeName(text: string): string {
  return escapeText(text.replaceAll("\\", "\\\\"));
}

/** Escapes a sentence that may hold names already escaped, or a local path: as `escapeName`, but backslashes stay single. */
export function escapeText(text: string): string {
  return text.replace(unprintable, (character) => {
    const short = shortEscapes[character];
    if (short !== undefined) return short;
    const code = character.codePointAt(0)!.toString(16);
    return code.length <= 2 ? `\\x${code.padStart(2, "0")}` : `\\u{${code}}`;
  });
}

/** What would act on a terminal in JSON, or end a line for a reader that splits at more than \n. */
const unprintableInJson = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

/** Escapes the text of a JSON value, which stays the same value: an invisible character is written as `\u202e`. */
export function escapeJson(json: string): string {
  return json.replace(unprintableInJson, (character) =>
    Array.from(
      { length: character.length },
      (_, at) => `\\u${character.charCodeAt(at).toString(16).padStart(4, "0")}`,
    ).join(""));
}
