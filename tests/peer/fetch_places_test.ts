import { assertEquals, assertRejects } from "@std/assert";
import type { FetchPriority } from "../../lib/peer/commands.ts";
import { FetchPlaces, type Waiter } from "../../lib/peer/fetch_places.ts";
import { ShoalError } from "../../lib/core/errors.ts";

class Named implements Waiter {
  readonly name: string;
  priority: FetchPriority;
  constructor(name: string, priority: FetchPriority = "normal") {
    this.name = name;
    this.priority = priority;
  }
}

const never = new AbortController().signal;
const namesOf = (places: FetchPlaces) => [...places.waiting()].map((waiter) => (waiter as Named).name).join("");

/** Takes places in turn; answers who got one, in order. */
function takeAll(places: FetchPlaces, waiters: readonly Named[]): string[] {
  const got: string[] = [];
  for (const waiter of waiters) places.take(waiter, never).then(() => got.push(waiter.name));
  return got;
}

Deno.test("FetchPlaces gives as many as there are, then by priority, and among equals in the order of coming", async () => {
  const places = new FetchPlaces(2);
  const got = takeAll(places, [
    ...[new Named("a", "low"), new Named("b"), new Named("c", "low"), new Named("d")],
    ...[new Named("e", "high"), new Named("f"), new Named("g", "high")],
  ]);
  await Promise.resolve();
  assertEquals([got.join(""), namesOf(places), places.isWanted], ["ab", "egdfc", true]);
  for (let i = 0; i < 7; i++) {
    places.giveBack();
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  assertEquals([got.join(""), namesOf(places), places.isWanted], ["abegdfc", "", false]);
});

Deno.test("FetchPlaces moves who waits when its priority changes, behind its equals", async () => {
  const places = new FetchPlaces(1);
  const [a, b, c, d] = [new Named("a"), new Named("b"), new Named("c"), new Named("d", "high")];
  const got = takeAll(places, [a, b, c, d]);
  await Promise.resolve();
  c.priority = "high";
  places.reorder(c);
  assertEquals(namesOf(places), "dcb");
  // One that runs already is not made to wait.
  a.priority = "low";
  places.reorder(a);
  assertEquals([namesOf(places), got], ["dcb", ["a"]]);
});

Deno.test("FetchPlaces loses no place to one that stops waiting", async () => {
  const places = new FetchPlaces(1);
  await places.take(new Named("a"), never);
  const controller = new AbortController();
  const stopped = places.take(new Named("b"), controller.signal);
  const got = takeAll(places, [new Named("c")]);
  controller.abort();
  assertEquals((await assertRejects(() => stopped, ShoalError)).code, "interrupted");
  await assertRejects(() => places.take(new Named("d"), controller.signal), ShoalError);
  assertEquals(namesOf(places), "c");
  places.giveBack();
  await new Promise((resolve) => setTimeout(resolve, 0));
  assertEquals([got, places.isWanted], [["c"], false]);
  places.giveBack();
  await places.take(new Named("e"), never);
});
