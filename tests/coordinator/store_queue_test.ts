import { assertEquals } from "@std/assert";
import { ok } from "../../lib/core/errors.ts";
import { limits } from "../../lib/core/limits.ts";
import type { StoreAnswer, StoreOperation } from "../../lib/coordinator/role/store_effects.ts";
import { StoreQueue } from "../../lib/coordinator/store_queue.ts";
import { FakeStore, listAsk, searchAsk, turns, writeAsk } from "./fake_store.ts";

function setUp(
  settleAccount: (account: string) => Promise<void> = () => Promise.resolve(),
  now: () => number = () => performance.now(),
) {
  const fake = new FakeStore();
  const answers: [number, StoreAnswer<StoreOperation>][] = [];
  const spans: string[] = [];
  const queue = new StoreQueue({
    store: fake.store,
    settleAccount,
    answered: (token, answer) => answers.push([token, answer]),
    tracing: { begin: (name) => (spans.push(name), () => spans.push("end")), past: () => {} },
    now,
  });
  return { fake, queue, answers, spans };
}

const devicesOf = (groups: FakeStore["groups"]) =>
  groups.map((group) => group.map((one) => (one.ask as { device: number }).device));

Deno.test("StoreQueue makes one group of the writes of one turn, and the next one of those that come meanwhile", async () => {
  const { fake, queue, answers } = setUp();
  fake.held = true;
  queue.push(1, writeAsk(1));
  queue.push(2, writeAsk(2));
  await turns();
  queue.push(3, writeAsk(3));
  await turns();
  queue.push(4, writeAsk(4));
  assertEquals(devicesOf(fake.groups), [[1, 2]]);
  assertEquals(answers, [], "nothing is answered before its group is committed");
  fake.release();
  await turns();
  assertEquals(devicesOf(fake.groups), [[1, 2], [3, 4]]);
  assertEquals(answers.map(([token]) => token), [1, 2]);
  fake.release();
  await queue.idle();
  assertEquals(answers.map(([token]) => token), [1, 2, 3, 4]);
});

Deno.test("StoreQueue makes groups of bounded size", async () => {
  const { fake, queue } = setUp();
  for (let i = 0; i < limits.storeGroupMax + 1; i++) queue.push(i, writeAsk(i));
  await queue.idle();
  assertEquals(fake.groups.map((group) => group.length), [limits.storeGroupMax, 1]);
});

Deno.test("StoreQueue has as many searches under way as take little time together, and one at least", async () => {
  let nowMs = 0;
  const { fake, queue, answers } = setUp(undefined, () => nowMs);
  fake.held = true;
  let token = 0;
  /** How many are under way once searches have taken that long for a while, and many wait. */
  const underWay = async (tookMs: number) => {
    for (let round = 0; round < 25; round++) {
      while (token - answers.length < 100) queue.push(++token, searchAsk);
      await turns();
      const out = fake.reads.length - answers.length;
      nowMs += tookMs * out;
      fake.release();
      if (round === 24) return out;
    }
  };
  assertEquals(await underWay(10), 1);
  assertEquals(await underWay(0.9), 4);
  assertEquals(await underWay(50), 1);
  fake.held = false;
  fake.release();
  await queue.idle();
  assertEquals(answers.length, token);
});

Deno.test("StoreQueue answers a search that is at hand in a later turn, and asks nobody", async () => {
  const { fake, queue, answers } = setUp();
  const atHand = ok({ rows: [], next: null });
  Object.assign(fake, { known: () => atHand });
  queue.push(1, searchAsk);
  assertEquals(answers, []);
  await turns();
  assertEquals(answers, [[1, atHand]]);
  assertEquals(fake.reads, []);
});

Deno.test("StoreQueue runs slow searches one at a time and lets other reads pass", async () => {
  const { fake, queue, answers } = setUp();
  fake.held = true;
  queue.push(1, searchAsk);
  queue.push(2, searchAsk);
  queue.push(3, listAsk);
  await turns();
  assertEquals(fake.reads.map((ask) => ask.operation).sort(), ["listPeers", "search"]);
  fake.release();
  await turns();
  assertEquals(answers.map(([token]) => token).sort(), [1, 3]);
  fake.release();
  await queue.idle();
  assertEquals(answers.length, 3);
});

Deno.test("StoreQueue answers busy at each limit, and every token once", async () => {
  for (
    const [ask, room] of [
      [writeAsk(1), limits.storeWritesMax],
      [searchAsk, limits.searchesMax],
      [listAsk, limits.storeReadsMax],
    ] as const
  ) {
    const { fake, queue, answers } = setUp();
    fake.held = true;
    for (let token = 0; token < room + 2; token++) queue.push(token, ask);
    await turns();
    const busy = answers.filter(([, answer]) => !answer.ok && answer.error.code === "busy").map(([token]) => token);
    assertEquals(busy, [room, room + 1], `${ask.operation}`);
    fake.held = false;
    fake.release();
    await queue.idle();
    assertEquals(new Set(answers.map(([token]) => token)).size, room + 2);
    assertEquals(answers.length, room + 2);
  }
});

Deno.test("StoreQueue settles an account before it is looked up, and answers where that fails", async () => {
  const settled: string[] = [];
  const { fake, queue, answers } = setUp((account) => {
    settled.push(`${account} after ${fake.reads.length} reads`);
    return account === "bad" ? Promise.reject(new Error("disk")) : Promise.resolve();
  });
  queue.push(1, { operation: "credential", ask: { account: "ada", deviceId: null } });
  queue.push(2, { operation: "credential", ask: { account: "bad", deviceId: null } });
  await queue.idle();
  assertEquals(settled, ["ada after 0 reads", "bad after 0 reads"]);
  assertEquals(fake.reads.length, 1);
  const codes = answers.map(([token, answer]) => [token, answer.ok || answer.error.code]).sort();
  assertEquals(codes, [[1, true], [2, "io"]]);
});

Deno.test("StoreQueue tells what waits and what was done, and has a span for each group and search", async () => {
  const { fake, queue, spans } = setUp();
  fake.held = true;
  queue.push(1, writeAsk(1));
  queue.push(2, writeAsk(2));
  await turns();
  queue.push(3, writeAsk(3));
  queue.push(4, searchAsk);
  queue.push(5, searchAsk);
  queue.push(6, listAsk);
  await turns();
  const { writesWaiting, searchesWaiting, readsUnderWay } = queue.figures();
  assertEquals([writesWaiting, searchesWaiting, readsUnderWay], [1, 1, 1]);
  assertEquals(spans, ["shoal.store.group", "shoal.search"]);
  fake.held = false;
  fake.release();
  await queue.idle();
  const { writes, refused, groupTimes, searchTimes } = queue.figures();
  const count = (counts: readonly number[]) => counts.reduce((sum, one) => sum + one, 0);
  assertEquals([writes, refused, count(groupTimes.counts), count(searchTimes.counts)], [3, 0, 2, 2]);
  assertEquals(spans.filter((one) => one === "end").length, 4);
});
