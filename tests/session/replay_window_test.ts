import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { limits } from "../../lib/core/limits.ts";
import { ReplayWindow } from "../../lib/session/replay_window.ts";

/** The same by the definition: every number seen, and the highest. */
class NaiveWindow {
  readonly #seen = new Set<number>();
  highest = -1;

  isFresh(packetNumber: number): boolean {
    return packetNumber > this.highest - limits.replayWindow && !this.#seen.has(packetNumber);
  }

  mark(packetNumber: number): void {
    this.#seen.add(packetNumber);
    this.highest = Math.max(this.highest, packetNumber);
  }
}

/** Steps that stay near, jump ahead by less or more than the window, and fall behind to its edge. */
const step = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: -40, max: 40 }) },
  { weight: 2, arbitrary: fc.integer({ min: -limits.replayWindow - 40, max: -limits.replayWindow + 40 }) },
  { weight: 2, arbitrary: fc.integer({ min: limits.replayWindow - 70, max: limits.replayWindow + 70 }) },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 2 ** 40 }) },
);

Deno.test("ReplayWindow takes and refuses what a set of all numbers would", () => {
  fc.assert(
    fc.property(fc.nat(5_000), fc.array(step, { maxLength: 400, size: "max" }), (start, steps) => {
      const window = new ReplayWindow();
      const naive = new NaiveWindow();
      let last = start;
      for (const by of [0, ...steps]) {
        const packetNumber = Math.max(0, by < -100 ? naive.highest + by : last + by);
        assertEquals(window.isFresh(packetNumber), naive.isFresh(packetNumber), `${packetNumber} of ${naive.highest}`);
        if (!naive.isFresh(packetNumber)) continue;
        window.mark(packetNumber);
        naive.mark(packetNumber);
        assertEquals(window.highest, naive.highest);
        last = packetNumber;
      }
    }),
    { numRuns: 300, seed: 1 },
  );
});

Deno.test("ReplayWindow holds its edges: the last number inside, the first behind, and the largest there is", () => {
  const window = new ReplayWindow();
  window.mark(10_000);
  assertEquals(window.isFresh(10_000), false);
  assertEquals(window.isFresh(10_000 - limits.replayWindow + 1), true);
  assertEquals(window.isFresh(10_000 - limits.replayWindow), false);
  window.mark(10_000 - limits.replayWindow + 1);
  assertEquals(window.isFresh(10_000 - limits.replayWindow + 1), false);
  window.mark(Number.MAX_SAFE_INTEGER);
  assertEquals(window.isFresh(Number.MAX_SAFE_INTEGER), false);
  assertEquals(window.isFresh(Number.MAX_SAFE_INTEGER - 1), true);
  assertEquals(window.isFresh(10_001), false);
});

Deno.test("ReplayWindow.isFresh() changes nothing", () => {
  const window = new ReplayWindow();
  for (let i = 0; i < 3; i++) assertEquals(window.isFresh(7), true);
  assertEquals(window.highest, -1);
});

Deno.test("ReplayWindow touches nothing of an array but its own bytes, wherever it begins, and goes on in a copy", () => {
  const at = 5;
  const bytes = new Uint8Array(at + ReplayWindow.bytes + 3);
  bytes.fill(0xee, 0, at).fill(0xee, at + ReplayWindow.bytes);
  const window = new ReplayWindow(bytes, at);
  for (const number of [0, 9, 3_000, 2_999, 90_000]) window.mark(number);
  const others = [...bytes.subarray(0, at), ...bytes.subarray(at + ReplayWindow.bytes)];
  assertEquals(others, Array(others.length).fill(0xee));
  window.moveTo(bytes.slice());
  bytes.fill(0);
  assertEquals([window.isFresh(90_000), window.isFresh(89_999)], [false, true]);
});
