import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { escapeName } from "../../lib/core/escape.ts";
import { cutEnd, cutMiddle, displayWidth, padEnd, padStart } from "../../lib/cli/width.ts";

Deno.test("displayWidth() counts wide characters twice and combining ones not at all", () => {
  const cases = {
    "": 0,
    abc: 3,
    "日本": 4,
    "e\u0301": 1,
    "한글": 4,
    "🎬": 2,
    "ｱ": 1,
    "Ａ": 2,
    "\x1b[31mred\x1b[39m": 3,
  };
  for (const [text, width] of Object.entries(cases)) assertEquals(displayWidth(text), width, text);
});

Deno.test("cutEnd() and cutMiddle() cut between characters and show the cut", () => {
  assertEquals(cutEnd("holiday.mp4", 11), "holiday.mp4");
  assertEquals(cutEnd("holiday.mp4", 8), "holiday…");
  assertEquals(cutEnd("日本語", 4), "日…");
  assertEquals(cutEnd("ae\u0301iou", 3), "ae\u0301…");
  assertEquals(cutMiddle("a long name.mp4", 10), "a long…mp4");
  assertEquals(cutMiddle("日本語.flac", 8), "日本…ac");
  assertEquals(cutEnd("abc", 1), "…");
  assertEquals(cutMiddle("abc", 0), "");
});

Deno.test("cutEnd() and cutMiddle() never exceed the columns, whatever the name is", () => {
  fc.assert(fc.property(fc.string({ unit: "grapheme" }), fc.nat(40), (name, columns) => {
    const text = escapeName(name);
    assert(displayWidth(cutEnd(text, columns)) <= columns);
    assert(displayWidth(cutMiddle(text, columns)) <= columns);
  }));
});

Deno.test("padEnd() and padStart() fill to columns, not to characters", () => {
  assertEquals(padEnd("日本", 6), "日本  ");
  assertEquals(padStart("日本", 6), "  日本");
  assertEquals(padEnd("longer", 2), "longer");
});
