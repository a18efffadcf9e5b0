/**
 * precis: which text names and passwords may hold, and what counts as the same text (PRECIS, RFC 8264). Laws: 1) both ends prepare alike,
 * or a login fails;  2) what is refused is refused where a name or a password is made, never at a login: older ones go on.
 * Where a rule needs tables that JavaScript lacks it is stricter: joiners are refused, and so are names that RFC 5893 would pass with
 * right-to-left letters in other places.  @see RFC 8265.  (pure)
 */

/** RFC 5892 §2.6: characters that its categories would let in, or that count in their neighbourhood alone. */
const disallowed = /[\u0640\u07fa\u302e\u302f\u3031-\u3035\u303b]/;
const oldHangulJamo = /[\u1100-\u11ff\ua960-\ua97c\ud7b0-\ud7fb]/;
/** Controls, unassigned and private characters, surrogates; joiners and whatever else shows nothing. */
const unseen = /[\p{Cc}\p{Cn}\p{Co}\p{Cs}\p{Default_Ignorable_Code_Point}\p{Join_Control}]/u;
const asciiPrintable = /^[\x21-\x7e]$/;
const letterOrDigit = /^[\p{Ll}\p{Lu}\p{Lo}\p{Lm}\p{Mn}\p{Mc}\p{Nd}]$/u;
/** RFC 8264 §9.6: U+00DF and the like are letters already; these are not. */
const asLetters = /^[\u06fd\u06fe\u0f0b\u3007]$/;

const arabicDigit = /[\u0660-\u0669]/;
const extendedArabicDigit = /[\u06f0-\u06f9]/;
const rightToLeft =
  /[\p{Script=Hebrew}\p{Script=Arabic}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}\p{Script=Adlam}]/u;

/** Says why the IdentifierClass (RFC 8264 §4.2) has no such text; undefined if it has. The text is in NFC. */
export function refuseIdentifier(text: string): string | undefined {
  if (!text.isWellFormed()) return "it is not legal Unicode";
  if (/\p{Z}/u.test(text) || unseen.test(text)) return "it holds a space or an invisible character";
  if (text !== text.normalize("NFKC")) return "it holds a character that looks like another one";
  const characters = [...text];
  for (const [at, character] of characters.entries()) {
    if (!isIdentifier(character, at, characters)) {
      return `it holds ${JSON.stringify(character)}, which is no letter or digit`;
    }
  }
  if (arabicDigit.test(text) && extendedArabicDigit.test(text)) return "it mixes digits that look alike";
  return refuseDirection(text);
}

/** Says why the FreeformClass (RFC 8264 §4.3) has no such text; undefined if it has. */
export function refuseFreeform(text: string): string | undefined {
  if (!text.isWellFormed()) return "it is not legal Unicode";
  if (unseen.test(text)) return "it holds a control character or one that cannot be seen";
  if (disallowed.test(text) || oldHangulJamo.test(text)) return "it holds a character that cannot be typed reliably";
  return undefined;
}

/** Maps fullwidth and halfwidth characters to the ordinary ones (RFC 8265 §3.3.1). */
export function mapWidth(text: string): string {
  return text.replace(/[\uff01-\uffef]/g, (character) => character.normalize("NFKC"));
}

/** Prepares a password as OpaqueString does (RFC 8265 §4.2): one kind of space, NFC; width and case stay. Refuses nothing. */
export function opaqueString(password: string): string {
  return password.replace(/\p{Zs}/gu, " ").normalize("NFC");
}

function isIdentifier(character: string, at: number, all: readonly string[]): boolean {
  switch (character) { // RFC 5892 Appendix A
    case "\u00b7":
      return all[at - 1] === "l" && all[at + 1] === "l";
    case "\u0375":
      return /\p{Script=Greek}/u.test(all[at + 1] ?? "");
    case "\u05f3":
    case "\u05f4":
      return /\p{Script=Hebrew}/u.test(all[at - 1] ?? "");
    case "\u30fb":
      return all.some((one) => /[\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Han}]/u.test(one));
  }
  if (disallowed.test(character) || oldHangulJamo.test(character)) return false;
  return asciiPrintable.test(character) || letterOrDigit.test(character) || asLetters.test(character);
}

/** RFC 5893 §2 for names of one script: who reads from right to left must see where the name begins and ends. */
function refuseDirection(text: string): string | undefined {
  if (!rightToLeft.test(text)) return undefined;
  const [first = ""] = text;
  const bare = text.replace(/\p{M}+$/u, "");
  const last = [...bare].at(-1) ?? "";
  if (!rightToLeft.test(first) || !/\p{L}/u.test(first)) {
    return "it is written from right to left and does not begin with a letter";
  }
  if (!rightToLeft.test(last) && !/\p{Nd}/u.test(last)) {
    return "it is written from right to left and does not end with a letter or digit";
  }
  if (/[0-9]/.test(text) && arabicDigit.test(text)) return "it mixes digits of two directions";
  return undefined;
}
