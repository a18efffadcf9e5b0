import { assert, assertEquals, assertGreater } from "@std/assert";
import { behind, numbersOf, placeFrom, type Ranked, rankOf } from "../../../lib/coordinator/role/holder_order.ts";

const beginning = { seed: 7, start: 3, rank: 0, device: 0 };

Deno.test("behind() sorts by rank and goes on behind any of them, whatever the seed", () => {
  const devices: Ranked[] = Array.from({ length: 40 }, (_, i) => ({ device: i + 1, rank: 1 + i % 3 }));
  for (const seed of [0, 1, 0xffff_ffff, 123_456_789]) {
    const all = behind({ ...beginning, seed }, devices);
    assertEquals(all.map(({ rank }) => rank), devices.map(({ rank }) => rank).sort());
    assertEquals(new Set(all.map(({ device }) => device)).size, 40);
    for (const [i, { rank, device }] of all.entries()) {
      const rest = behind({ ...beginning, seed, rank, device }, devices);
      assertEquals(rest.map((one) => one.device), all.slice(i + 1).map((one) => one.device));
      const few = behind({ ...beginning, seed, rank, device }, devices.toReversed(), 9);
      assertEquals(few, rest.slice(0, 9), "in whatever order they are given");
    }
    const { rank, device } = all[11]!;
    const withoutIt = devices.filter((one) => one.device !== device);
    assertEquals(behind({ ...beginning, seed, rank, device }, withoutIt).length, 28, "the last one named may go");
  }
});

Deno.test("behind() has each of few neighbours first about as often, over many seeds", () => {
  const devices: Ranked[] = [4, 5, 6, 900].map((device) => ({ device, rank: 1 }));
  const first = new Map<number, number>();
  for (let i = 0; i < 4_000; i++) {
    const [one] = behind({ ...beginning, seed: Math.imul(i, 0x9e37_79b1) >>> 0 }, devices);
    first.set(one!.device, (first.get(one!.device) ?? 0) + 1);
  }
  for (const { device } of devices) assertGreater(first.get(device) ?? 0, 800);
});

Deno.test("rankOf() puts fewer reports first, then whole ones", () => {
  const ranks = [rankOf(0, false), rankOf(0, true), rankOf(1, false), rankOf(1, true), rankOf(2, false)];
  assertEquals(ranks, ranks.toSorted((a, b) => a - b));
  assertEquals(new Set(ranks).size, 5);
});

Deno.test("a place is read from the numbers it is written as", () => {
  const place = { seed: 0xffff_ffff, start: 5, rank: 3, device: 2 ** 40 };
  assertEquals(placeFrom(numbersOf(place)), place);
  assert(placeFrom([]) === undefined);
});
