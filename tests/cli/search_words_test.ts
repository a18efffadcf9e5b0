import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { formatAudience, parseAudience } from "../../lib/peer/audience_words.ts";
import { readSearchWords } from "../../lib/cli/search_words.ts";
import { UsageError } from "../../lib/core/errors.ts";
import { limits } from "../../lib/core/limits.ts";

const wantedOf = (...words: string[]) => readSearchWords(words).wanted;

Deno.test("readSearchWords() tells words and globs from bounds", () => {
  assertEquals(wantedOf("linux", "*.iso", "two words", "a:b", "size"), {
    terms: [
      { mode: "substring", pattern: "linux" },
      { mode: "glob", pattern: "*.iso" },
      { mode: "substring", pattern: "two words" },
      { mode: "substring", pattern: "a:b" },
      { mode: "substring", pattern: "size" },
    ],
  });
  assertEquals(wantedOf("size:>100M", "ext:iso,.mp4", "age:<7d", "by:alice,bob", "group:friends"), {
    terms: [],
    minBytes: 100_000_001,
    extensions: ["iso", "mp4"],
    youngerMs: 7 * 86_400_000,
    accounts: ["alice", "bob"],
    groups: ["friends"],
  });
  assertEquals(wantedOf("size:<2GB"), { terms: [], maxBytes: 1_999_999_999 });
  assertEquals(wantedOf("size:<0"), { terms: [], maxBytes: 0 });
  assertEquals(wantedOf("size:1k..1MiB"), { terms: [], minBytes: 1000, maxBytes: 1_048_576 });
  assertEquals(wantedOf("age:>1.5h"), { terms: [], olderMs: 5_400_000 });
  assertEquals(wantedOf("age:2w"), { terms: [], youngerMs: 14 * 86_400_000 });
});

Deno.test("readSearchWords() reads orders: what people look for first comes first, unless they say", () => {
  const orderOf = (word: string) => readSearchWords([word]).order;
  assertEquals(orderOf("x"), undefined);
  assertEquals(orderOf("sort:name"), { by: "name", descending: false });
  assertEquals(orderOf("sort:size"), { by: "size", descending: true });
  assertEquals(orderOf("sort:size-asc"), { by: "size", descending: false });
  assertEquals(orderOf("sort:holders"), { by: "holders", descending: true });
  assertEquals(orderOf("sort:age"), { by: "age", descending: true }, "the newest was shared last");
  assertEquals(orderOf("sort:age-desc"), { by: "age", descending: false });
});

Deno.test("readSearchWords() refuses bounds that are none, and too many words", () => {
  for (
    const word of [
      "size:",
      "size:100",
      "size:>lots",
      "size:2G..1G",
      "age:soon",
      "age:<7",
      "ext:",
      "ext:a,,b",
      "by:",
      "sort:colour",
      "sort:size-up",
      `by:${"a,".repeat(limits.filterNamesMax)}b`,
    ]
  ) assertThrows(() => readSearchWords([word]), UsageError, JSON.stringify(word));
  assertThrows(() => readSearchWords(["size:>1", "size:<2"]), UsageError, "twice");
  const many = Array.from({ length: limits.searchTermsMax + 1 }, (_, i) => `w${i}`);
  assertThrows(() => readSearchWords(many), UsageError, `${many.length} words`);
});

Deno.test("readSearchWords() takes any words, or refuses them in our words", () => {
  const word = fc.oneof(
    fc.string(),
    fc.tuple(fc.constantFrom("size", "age", "ext", "by", "group", "sort"), fc.string()).map(([key, value]) =>
      `${key}:${value}`
    ),
  );
  fc.assert(
    fc.property(fc.array(word, { maxLength: 12 }), (words) => {
      try {
        const { wanted } = readSearchWords(words);
        assert(wanted.terms.length <= words.length);
      } catch (error) {
        assert(error instanceof UsageError, String(error));
      }
    }),
    { numRuns: 2_000, seed: 7 },
  );
});

Deno.test("parseAudience() reads what formatAudience() writes, in one order, each name once", () => {
  for (const text of ["everyone", "me", "bob", "group:friends", "alice,bob,group:a,group:b"]) {
    assertEquals(formatAudience(parseAudience(text)), text);
  }
  assertEquals(formatAudience(parseAudience("group:b,bob,group:b,alice,bob")), "alice,bob,group:b");
  for (const text of ["", "bob,", "group:", "bob,everyone", "me,bob"]) {
    assertThrows(() => parseAudience(text), UsageError, "no list");
  }
  const many = Array.from({ length: limits.audienceMembersMax + 1 }, (_, i) => `a${i}`).join();
  assertThrows(() => parseAudience(many), UsageError, "so many");
});
