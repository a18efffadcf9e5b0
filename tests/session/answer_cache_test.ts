import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { limits } from "../../lib/core/limits.ts";
import { AnswerCache } from "../../lib/session/answer_cache.ts";

const payload = new Uint8Array([1, 2, 3]);

Deno.test("AnswerCache tells new, under way and answered requests apart", () => {
  const cache = new AnswerCache();
  assertEquals(cache.arrive(5), { kind: "new" });
  assertEquals(cache.arrive(5), { kind: "working" });
  cache.answer(5, payload);
  assertEquals(cache.arrive(5), { kind: "repeat", payload });
  assertEquals(cache.arrive(4), { kind: "new" }, "overtaken on the way");
  assertEquals(cache.arrive(0), { kind: "stale" });
});

Deno.test("AnswerCache refuses what fell out of it, and keeps limits.answersKeptMax", () => {
  const cache = new AnswerCache();
  for (let i = 1; i <= limits.answersKeptMax; i++) {
    cache.arrive(i);
    cache.answer(i, payload);
  }
  assertEquals(cache.arrive(1).kind, "repeat");
  cache.arrive(limits.answersKeptMax + 1);
  assertEquals(cache.arrive(1), { kind: "stale" });
  assertEquals(cache.arrive(2).kind, "repeat");
  cache.answer(1, payload);
  assertEquals(cache.arrive(1), { kind: "stale" }, "too late to be kept");
});

Deno.test("AnswerCache lets no transaction take effect twice, in whatever order and however often they come", () => {
  const transaction = fc.integer({ min: 1, max: 3 * limits.answersKeptMax });
  fc.assert(
    fc.property(fc.array(fc.tuple(transaction, fc.boolean()), { maxLength: 1_500, size: "max" }), (arrivals) => {
      const cache = new AnswerCache();
      const done = new Set<number>();
      for (const [number, isAnswered] of arrivals) {
        if (cache.arrive(number).kind === "new") {
          assertEquals(done.has(number), false);
          done.add(number);
        }
        if (isAnswered) cache.answer(number, payload);
      }
    }),
    { numRuns: 100, seed: 1 },
  );
});
