import { assert, assertEquals } from "@std/assert";
import { escapeName, escapeText } from "../../lib/core/escape.ts";

/** Names that attack a terminal or a reader, and what is shown. */
const cases: readonly (readonly [name: string, shown: string])[] = [
  ["plain name.txt", "plain name.txt"],
  ["Größe 日本語 🎬.mp4", "Größe 日本語 🎬.mp4"],
  ["\x1b[31mred", "\\x1b[31mred"],
  ["\x1b]0;title\x07", "\\x1b]0;title\\x07"],
  ["\x9b31m", "\\x9b31m"],
  ["a\nb\rc\td", "a\\nb\\rc\\td"],
  ["\x00\x7f", "\\x00\\x7f"],
  ["exe.\u202etxt", "exe.\\u{202e}txt"],
  ["\u2066x\u2069\u200f", "\\u{2066}x\\u{2069}\\u{200f}"],
  ["zero\u200bwidth\ufeff\u2060", "zero\\u{200b}width\\u{feff}\\u{2060}"],
  ["line\u2028para\u2029", "line\\u{2028}para\\u{2029}"],
  ["hangul\u3164filler\u115f", "hangul\\u{3164}filler\\u{115f}"],
  ["tag\u{e0041}", "tag\\u{e0041}"],
  ["note\ufff9\u0600", "note\\u{fff9}\\u{600}"],
  ["lone\ud800", "lone\\u{d800}"],
  ["\u0301accent on what stands before", "\\u{301}accent on what stands before"],
  ["e\u0301", "e\u0301"],
  ["\\x1b", "\\\\x1b"],
];

Deno.test("escapeName() shows whatever could act on a terminal", () => {
  for (const [name, shown] of cases) assertEquals(escapeName(name), shown);
});

Deno.test("escapeName() gives no two names the same look", () => {
  const shown = cases.map(([name]) => escapeName(name));
  assertEquals(new Set(shown).size, cases.length);
  assert(escapeName("\\x1b") !== escapeName("\x1b"));
});

Deno.test("escapeText() keeps backslashes and escapes the rest", () => {
  assertEquals(escapeText('Cannot use "\\x1b": \x1b[2J'), 'Cannot use "\\x1b": \\x1b[2J');
});
