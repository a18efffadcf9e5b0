import { assert, assertEquals } from "@std/assert";
import { mapWidth, opaqueString, refuseFreeform, refuseIdentifier } from "../../lib/session/precis.ts";

Deno.test("refuseIdentifier() takes the identifiers of RFC 8265, and its contextual characters where they belong", () => {
  for (
    const name of [
      "juliet@example.com", // RFC 8265 §3.5, examples 1 to 5
      "fussball",
      "fu\u00dfball",
      "\u03c0",
      "\u03c3",
      "ada.lovelace-1_x",
      "l\u00b7l", // U+00B7 between two l
      "\u05d0\u05f3", // geresh behind Hebrew
      "\u0375\u03b1", // keraia before Greek
      "\u30a2\u30fb\u30a2", // middle dot in Katakana
      "\u0645\u062d\u0645\u062f\u0661\u0662", // Arabic with Arabic-Indic digits
      "\u05d0\u05d1\u05d2",
      "\u05d0\u05d1\u05b8", // ends in a mark behind a letter
      "\u4f60\u597d",
    ]
  ) {
    assertEquals(refuseIdentifier(name), undefined, name);
  }
});

Deno.test("refuseIdentifier() refuses what RFC 8265 refuses", () => {
  for (
    const name of [
      "foo bar", // example 6: a space
      "\u265a", // example 8: a symbol
      "henry\u2163", // §3.5: compatibility equivalent of IV
      "\u221e", // infinity
      "\u01c5", // titlecase digraph
      "l\u00b7a",
      "\u00b7",
      "\u05f3\u05d0",
      "a\u0375b",
      "a\u30fbb",
      "\u0661\u06f1\u0627", // two kinds of digits
      "a\u200db", // a joiner
      "a\u0640b", // tatweel, an exception
      "\u1100", // old Hangul jamo
      "\u00adx", // soft hyphen, ignorable
      "x\ufe0f", // variation selector
      "\u{e000}",
      "\u0378", // unassigned
      "\ud800",
      "1\u05d0", // right to left, begins with a digit
      "\u05d0.", // right to left, ends in a stop
      "\u06271\u0661", // digits of two directions
    ]
  ) {
    assert(refuseIdentifier(name) !== undefined, JSON.stringify(name));
  }
});

Deno.test("opaqueString() makes one kind of space and NFC, and nothing else (RFC 8265 §4.3)", () => {
  assertEquals(opaqueString("Correct Horse"), "Correct Horse");
  assertEquals(opaqueString("foo\u1680bar\u00a0baz\u3000"), "foo bar baz ");
  assertEquals(opaqueString("zoe\u0301"), "zo\u00e9");
  assertEquals(opaqueString("\uff41"), "\uff41", "width stays");
  assertEquals(opaqueString("\u03c0\u00df\u00e5"), "\u03c0\u00df\u00e5");
  assertEquals(opaqueString("Jack of \u2666s"), "Jack of \u2666s");
});

Deno.test("refuseFreeform() takes whatever can be typed, and refuses what cannot be seen", () => {
  for (const good of ["correct horse \u{1f40e}", "\u2666 \uff41 \u00b5", "\u03c0\u00df\u00e5"]) {
    assertEquals(refuseFreeform(good), undefined, good);
  }
  for (const bad of ["a\u0007b", "a\u200bb", "a\ud800", "\u0378", "my cat is a \tby", "\u1100"]) {
    assert(refuseFreeform(bad) !== undefined, JSON.stringify(bad));
  }
});

Deno.test("mapWidth() knows fullwidth and halfwidth alone", () => {
  assertEquals(mapWidth("\uff41\uff22\uff11\uff71"), "aB1\u30a2");
  assertEquals(mapWidth("\u2163\u00b5"), "\u2163\u00b5");
});
