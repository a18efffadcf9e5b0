import { assertEquals } from "@std/assert";
import { limits } from "../../lib/core/limits.ts";
import { type SlotUser, UploadSlots } from "../../lib/transfer/upload_slots.ts";
import { FakeTimers, settle } from "./fake_timers.ts";

/** Slots, and connections of accounts that want one. */
function start(slotsMax: number) {
  const timers = new FakeTimers();
  const slots = new UploadSlots(timers, slotsMax);
  /** Who got a slot, in that order. */
  const served: string[] = [];
  const told: { readonly name: string; readonly place: number; readonly expectedMs: number; readonly atMs: number }[] =
    [];
  const join = (name: string): SlotUser => {
    const [account] = name.split(" ");
    return slots.join(account!, (queued) => void told.push({ name, ...queued, atMs: timers.nowMs() }));
  };
  const ask = (user: SlotUser, name: string) => {
    const turn = user.take();
    if (turn === undefined) served.push(name);
    else turn.then(() => served.push(name));
  };
  const arrive = (name: string): SlotUser => {
    const user = join(name);
    ask(user, name);
    return user;
  };
  return { timers, served, told, ask, arrive };
}

Deno.test("UploadSlots gives each account its turn, and within one who came first, whatever the number of their connections", async () => {
  const { timers, served, told, arrive } = start(1);
  const first = arrive("ann 0");
  const users = ["bob 1", "bob 2", "bob 3", "bob 4", "cleo 1", "dora 1", "dora 2"].map((name) => {
    return { name, user: arrive(name) };
  });
  await timers.advance(limits.queuedEveryMs);
  const places = new Map(told.map(({ name, place }) => [name, place]));
  const expected = ["bob 1", "cleo 1", "dora 1", "bob 2", "dora 2", "bob 3", "bob 4"];
  assertEquals([...places].sort((a, b) => a[1] - b[1]).map(([name]) => name), expected);
  first[Symbol.dispose]();
  for (let left = expected.length; left > 0; left--) {
    await settle();
    users.find(({ name }) => name === served.at(-1))!.user[Symbol.dispose]();
  }
  assertEquals(served, ["ann 0", ...expected]);
  assertEquals(timers.pending, 0);
});

Deno.test("an account that has slots is served after one that has none, and newcomers do not pass who waits", async () => {
  const { served, arrive } = start(3);
  const bobs = [1, 2, 3].map((i) => arrive(`bob ${i}`));
  arrive("bob 4");
  const ann = arrive("ann 1");
  bobs[0]![Symbol.dispose]();
  await settle();
  assertEquals(served.at(-1), "ann 1");
  // One account after the other comes, is served and goes: bob's is served all the same.
  let last = ann;
  for (let i = 0; i < 3; i++) {
    const next = arrive(`new${i} 1`);
    last[Symbol.dispose]();
    bobs[i]?.[Symbol.dispose]();
    await settle();
    last = next;
  }
  assertEquals(served.includes("bob 4"), true, served.join());
});

Deno.test("a place is told at once, when it changes at most once a second, and again every three seconds", async () => {
  const { timers, told, arrive } = start(1);
  const holding = arrive("ann 1");
  const leaving = arrive("bob 1");
  arrive("cleo 1");
  assertEquals(told.map(({ name, place }) => [name, place]), [["bob 1", 1], ["cleo 1", 2]]);
  told.length = 0;
  leaving[Symbol.dispose]();
  await settle();
  assertEquals(told, []);
  await timers.advance(limits.queuedEveryMs);
  assertEquals(told.map(({ name, place, atMs }) => [name, place, atMs]), [["cleo 1", 1, 1_000]]);
  await timers.advance(2 * limits.queuedAgainMs);
  assertEquals(told.map(({ place, atMs }) => [place, atMs]), [[1, 1_000], [1, 4_000], [1, 7_000]]);
  holding[Symbol.dispose]();
  assertEquals(timers.pending, 0, "nobody waits any more");
});

Deno.test("the expected start grows with the place and with the time for which slots are held", async () => {
  const { timers, told, arrive } = start(2);
  for (let i = 0; i < 8; i++) arrive(`account${i} 1`);
  const before = told.map(({ expectedMs }) => expectedMs);
  assertEquals(before, before.toSorted((a, b) => a - b));
  assertEquals(before[5]! > before[0]!, true);
  await timers.advance(limits.queuedAgainMs + limits.queuedEveryMs);
  assertEquals(told.at(-1)!.expectedMs > before.at(-1)!, true, "who has them keeps them for longer than was thought");
});

Deno.test("a slot is given back at the end of its turn, only if somebody waits, and comes back in turn", async () => {
  const { timers, served, ask, arrive } = start(1);
  const large = arrive("ann 1");
  await timers.advance(3 * limits.uploadTurnMs);
  assertEquals(large.take(), undefined, "nobody waits");
  const small = arrive("bob 1");
  ask(large, "ann again");
  await settle();
  assertEquals(served, ["ann 1", "bob 1"]);
  assertEquals(small.take(), undefined, "its own turn has begun");
  await timers.advance(limits.uploadTurnMs);
  ask(small, "bob again");
  await settle();
  assertEquals(served, ["ann 1", "bob 1", "ann again"]);
  for (const user of [large, small]) user[Symbol.dispose]();
});

Deno.test("who asks for nothing gives its slot to who waits, and takes one again when it asks", async () => {
  const { timers, served, ask, arrive } = start(1);
  const idle = arrive("ann 1");
  idle.rest();
  const other = arrive("bob 1");
  await timers.advance(limits.queuedEveryMs);
  assertEquals(served, ["ann 1", "bob 1"]);
  ask(idle, "ann again");
  await settle();
  assertEquals(served, ["ann 1", "bob 1"]);
  other[Symbol.dispose]();
  await settle();
  assertEquals(served, ["ann 1", "bob 1", "ann again"]);
  idle[Symbol.dispose]();
});

Deno.test("who asks for nothing for a moment keeps nobody waiting, and goes on beside who is served meanwhile", async () => {
  const { timers, served, arrive } = start(1);
  const busy = arrive("ann 1");
  const other = arrive("bob 1");
  busy.rest();
  await settle();
  assertEquals(served, ["ann 1", "bob 1"]);
  const third = arrive("cleo 1");
  for (let i = 0; i < 8; i++) {
    await timers.advance(limits.uploadRestMs - 100);
    assertEquals(busy.take(), undefined, "it asks again in time");
    busy.rest();
  }
  await settle();
  assertEquals(served, ["ann 1", "bob 1"], "bob's is sent to all the time");
  for (const user of [busy, other, third]) user[Symbol.dispose]();
  assertEquals(timers.pending, 0);
});

Deno.test("connections that ask for nothing have four times the slots at the most, and the one that did so for long makes room", async () => {
  const { timers, served, arrive } = start(2);
  const users = Array.from({ length: 8 }, (_, i) => {
    const user = arrive(`account${i} 1`);
    user.rest();
    return user;
  });
  users.push(arrive("ninth 1"));
  assertEquals(served.length, 8);
  await timers.advance(limits.queuedEveryMs);
  assertEquals(served.at(-1), "ninth 1");
  for (const user of users) user[Symbol.dispose]();
});

Deno.test("who asked for nothing for long waits for its turn when it asks again, behind who waits and while all are sent to", async () => {
  const { timers, served, ask, arrive } = start(1);
  const idle = arrive("ann 1");
  idle.rest();
  const busy = arrive("bob 1");
  const waits = arrive("cleo 1");
  await timers.advance(limits.uploadRestMs);
  ask(idle, "ann again");
  busy[Symbol.dispose]();
  await settle();
  assertEquals(served, ["ann 1", "bob 1", "cleo 1"]);
  waits[Symbol.dispose]();
  await settle();
  assertEquals(served.at(-1), "ann again");
  idle[Symbol.dispose]();
});
