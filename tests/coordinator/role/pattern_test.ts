import { assert, assertEquals } from "@std/assert";
import { foldName, globPattern, substringPattern } from "../../../lib/coordinator/role/pattern.ts";

Deno.test("foldName() takes case and Unicode form away", () => {
  assertEquals(foldName("E\u0301TE\u0301 Ж"), "été ж");
});

Deno.test("substringPattern() has a literal for the index from three characters on", () => {
  assertEquals(substringPattern("ab").literals, []);
  assertEquals(substringPattern("ABC").literals, ["abc"]);
  assertEquals(substringPattern("😀😀").literals, [], "characters count, not code units");
  assertEquals(substringPattern("😀😀😀").literals, ["😀😀😀"]);
});

Deno.test("globPattern() compares whole names", () => {
  const table: readonly (readonly [string, string, boolean])[] = [
    ["*", "", true],
    ["*", "anything/at all", true],
    ["a*c", "abbbc", true],
    ["a*c", "abbbcd", false],
    ["a?c", "abc", true],
    ["a?c", "ac", false],
    ["?", "😀", true],
    ["**x**", "yxy", true],
    ["a*b*c", "a-b-b-c", true],
    ["A*.TXT", "a.txt", true],
    ["[abc]", "b", true],
    ["[a-c]x", "dx", false],
    ["[!a-c]x", "dx", true],
    ["[^a-c]x", "ax", false],
    ["[]]", "]", true],
    ["[!]]", "]", false],
    ["[a-]", "-", true],
    ["[ab", "[ab", true],
    ["a[", "a[", true],
    ["[z-a]", "m", false],
    ["a.c", "abc", false],
    ["(a|b)+", "(a|b)+", true],
    ["", "", true],
    ["", "a", false],
  ];
  for (const [glob, name, wanted] of table) {
    assertEquals(globPattern(glob).matches(name), wanted, `${glob} against ${name}`);
  }
});

Deno.test("globPattern() finds the literals that every match holds", () => {
  assertEquals(globPattern("music/*[0-9]song?.mp3").literals, ["music/", "song", ".mp3"]);
  assertEquals(globPattern("a*bc*[xyz]").literals, []);
  for (const [glob, name] of [["*holi*day*", "my holi and day"], ["x[a]yyy*", "xayyyz"]] as const) {
    assert(globPattern(glob).matches(name));
    for (const literal of globPattern(glob).literals) assert(foldName(name).includes(literal));
  }
});

Deno.test("globPattern() does not blow up on a pattern made for it", () => {
  const hostile = globPattern("*a".repeat(100) + "b");
  // A comparison that tries every split would not come back from this.
  assertEquals(hostile.matches("a".repeat(400)), false);
});
