import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { foldName } from "../../../lib/coordinator/role/pattern.ts";
import { compileQuery } from "../../../lib/coordinator/role/query_pattern.ts";
import { noFilter, searchModes, type SearchTerm } from "../../../lib/wire/search_query.ts";

function patternOf(terms: readonly SearchTerm[], extensions: readonly string[] = []) {
  return compileQuery({ terms, filter: { ...noFilter, extensions } });
}
const substring = (pattern: string): SearchTerm => ({ mode: "substring", pattern });

Deno.test("compileQuery() wants every word, in the name or in a description, a glob in the name alone", () => {
  const both = patternOf([substring("GRAZ"), substring("img")]);
  assert(both.matches("IMG in graz.jpg", []));
  assert(both.matches("IMG_1.jpg", ["sunset in Graz"]));
  assert(!both.matches("IMG_1.jpg", ["sunset"]));
  const glob = patternOf([{ mode: "glob", pattern: "*.jpg" }, substring("graz")]);
  assert(glob.matches("a.JPG", ["Graz"]));
  assert(!glob.matches("graz", ["a.jpg"]));
  const name = patternOf([{ mode: "name", pattern: "A" }]);
  assertEquals([name.matches("A", []), name.matches("a", [])], [true, false]);
  const ending = patternOf([], ["tar.gz", "zip"]);
  assertEquals(["a.TAR.GZ", "a.zip", "zip", "a.gz"].map((one) => ending.matches(one, [])), [true, true, false, false]);
});

Deno.test("compileQuery() knows what an index can find, and where that says it all", () => {
  assertEquals(patternOf([substring("holiday"), substring("ab")]).literals, ["holiday"]);
  assertEquals([patternOf([substring("abc")]).isExact, patternOf([substring("abc"), substring("ab")]).isExact], [
    true,
    false,
  ]);
  assertEquals(patternOf([], ["iso"]).literals, [".iso"]);
  assertEquals(patternOf([substring("rare")], ["iso"]).literals, ["rare"]);
  assertEquals(patternOf([{ mode: "glob", pattern: "*abc*de*fgh" }]).literals, ["abc", "fgh"]);
});

Deno.test("what matches holds every literal, whatever the words and the name", () => {
  const piece = fc.constantFrom(
    "a",
    "b",
    "ab",
    "abc",
    "é",
    "E\u0301",
    "*",
    "?",
    "[a-c]",
    "[",
    ".",
    "İ",
    "ß",
    "\u{1F600}",
  );
  const text = fc.array(piece, { minLength: 1, maxLength: 8 }).map((all) => all.join(""));
  const term = fc.record({ mode: fc.constantFrom(...searchModes), pattern: text });
  fc.assert(
    fc.property(
      fc.array(term, { maxLength: 4 }),
      fc.array(text, { maxLength: 2 }),
      text,
      fc.array(text, { maxLength: 2 }),
      (
        terms,
        extensions,
        name,
        descriptions,
      ) => {
        const { literals, matches, isExact } = patternOf(terms, extensions);
        const indexed = [name, ...descriptions].map(foldName).join("\n");
        const has = literals.every((literal) => indexed.includes(literal));
        if (matches(name, descriptions)) assert(has, "necessary");
        if (isExact && descriptions.length === 0) assertEquals(matches(name, []), has, "sufficient");
      },
    ),
    { numRuns: 5_000, seed: 11 },
  );
});
