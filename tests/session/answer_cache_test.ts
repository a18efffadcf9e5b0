import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { limits } from "../../lib/core/limits.ts";
import { AnswerCache } from "../../lib/session/answer_cache.ts";

const payload = new Uint8Array([1, 2, 3]);

Deno.test("AnswerCache tells new, under way and answered requests apart", () => {
  const cache = new AnswerCache();
  assertEquals(cache.arrive(5, 0), { kind: "new" });
  assertEquals(cache.arrive(5, 0), { kind: "working" });
  cache.answer(5, payload);
  assertEquals(cache.arrive(5, 0), { kind: "repeat", payload });
  assertEquals(cache.arrive(4, 0), { kind: "new" }, "overtaken on the way");
  assertEquals(cache.arrive(0, 0), { kind: "stale" });
});

Deno.test("AnswerCache refuses what fell out of it, and keeps limits.answersKeptMax", () => {
  const cache = new AnswerCache();
  for (let i = 1; i <= limits.answersKeptMax; i++) {
    cache.arrive(i, 0);
    cache.answer(i, payload);
  }
  assertEquals(cache.arrive(1, 0).kind, "repeat");
  cache.arrive(limits.answersKeptMax + 1, 0);
  assertEquals(cache.arrive(1, 0), { kind: "stale" });
  assertEquals(cache.arrive(2, 0).kind, "repeat");
  cache.answer(1, payload);
  assertEquals(cache.arrive(1, 0), { kind: "stale" }, "too late to be kept");
});

Deno.test("AnswerCache lets no transaction take effect twice, in whatever order and however often they come", () => {
  const transaction = fc.integer({ min: 1, max: 3 * limits.answersKeptMax });
  fc.assert(
    fc.property(fc.array(fc.tuple(transaction, fc.boolean()), { maxLength: 1_500, size: "max" }), (arrivals) => {
      const cache = new AnswerCache();
      const done = new Set<number>();
      for (const [number, isAnswered] of arrivals) {
        if (cache.arrive(number, 0).kind === "new") {
          assertEquals(done.has(number), false);
          done.add(number);
        }
        if (isAnswered) cache.answer(number, payload);
      }
    }),
    { numRuns: 100, seed: 1 },
  );
});

Deno.test("AnswerCache.forgetOld() lets go of what nobody can be waiting for, and nothing of it takes effect again", () => {
  const cache = new AnswerCache();
  cache.arrive(7, 1_000);
  cache.answer(7, payload);
  cache.arrive(3, 2_000);
  cache.forgetOld(2_000 + limits.answersKeptMs - 1);
  assertEquals(cache.arrive(7, 2_000), { kind: "repeat", payload });
  cache.forgetOld(2_000 + limits.answersKeptMs);
  for (const transaction of [3, 6, 7]) assertEquals(cache.arrive(transaction, 40_000), { kind: "stale" });
  cache.answer(3, payload);
  assertEquals(cache.arrive(3, 40_000), { kind: "stale" });
  assertEquals(cache.arrive(8, 40_000), { kind: "new" });
});
