/** A fetch whose holders let it wait in their queues. */

import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { ShoalError } from "../../lib/core/errors.ts";
import { limits } from "../../lib/core/limits.ts";
import { deviceIdFrom } from "../../lib/core/ids.ts";
import { fetchContent, type FetchOptions } from "../../lib/transfer/fetch.ts";
import type { LaneOptions } from "../../lib/transfer/lane.ts";
import { FakeTimers, settle } from "./fake_timers.ts";
import { identity, makeFile, makeHolder, makeTicket, otherKey } from "./world.ts";

const file = makeFile(1000);
const one = makeHolder(makeTicket(file.content));
const other = { ...one, account: "other", deviceId: deviceIdFrom(otherKey.publicKey) };

/** A fetch over lanes that the test speaks for. */
function start(holders: readonly (typeof one)[], timeoutMs: number = limits.progressMs) {
  const timers = new FakeTimers();
  const stop = new AbortController();
  const lanes: { readonly options: LaneOptions; readonly end: () => void }[] = [];
  const told: [string, number][] = [];
  const options: FetchOptions = {
    name: "a file",
    content: file.content,
    locate: () => Promise.resolve({ holders, refused: [] }),
    openPart: () => Promise.reject(new Error("nothing came")),
    sync: false,
    identity,
    lane: (options) => {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const interrupted = () => reject(new ShoalError("interrupted", "Cannot go on with a fetch: it was interrupted"));
      options.signal.addEventListener("abort", interrupted, { once: true });
      lanes.push({ options, end: resolve });
      return promise;
    },
    timers,
    random: (size) => new Uint8Array(size),
    timeoutMs,
    signal: stop.signal,
    onProgress: () => {},
    onQueued: ({ account }, { place }) => void told.push([account, place]),
  };
  const done = fetchContent(options);
  const queued = (lane: number, place: number) => lanes[lane]!.options.onQueued!({ place, expectedMs: 1000 });
  return { timers, stop, lanes, told, done, queued };
}

Deno.test("a place is told only while no other holder can deliver", async () => {
  const { stop, lanes, told, done, queued } = start([one, other]);
  while (lanes.length < 2) await settle();
  queued(0, 5);
  assertEquals(told, [], "the other may be about to send");
  queued(1, 7);
  queued(0, 4);
  assertEquals(told, [["other", 7], ["holder", 4]]);
  lanes[1]!.options.onReceived();
  queued(0, 3);
  assertEquals(told.length, 2);
  queued(1, 2);
  assertEquals(told.at(-1), ["other", 2]);
  stop.abort();
  await assertRejects(() => done, ShoalError);
});

Deno.test("a fetch that comes forward in a queue waits on; one that stands still there ends at its time-out", async () => {
  const { timers, lanes, done, queued } = start([one]);
  let error: ShoalError | undefined;
  done.catch((reason) => error = reason);
  while (lanes.length < 1) await settle();
  for (let place = 5; place > 0; place--) {
    await timers.advance(limits.progressMs - 1_000);
    queued(0, place);
  }
  assertEquals(error, undefined);
  for (let i = 0; i < 4; i++) {
    await timers.advance(limits.queuedAgainMs);
    queued(0, 1);
  }
  await settle();
  assertEquals(error?.code, "unfinished");
  assertStringIncludes(error!.message, "(place 1 in the queue of holder)");
});

Deno.test("where all connections wait in queues, one that does not come forward gives way to another holder", async () => {
  const holders = Array.from({ length: limits.lanesMax + 1 }, (_, i) => {
    return { ...one, account: `${i}`, deviceId: deviceIdFrom(new Uint8Array(32).fill(i + 1)) };
  });
  const { timers, stop, lanes, done, queued } = start(holders, 10 * limits.progressMs);
  while (lanes.length < limits.lanesMax) await settle();
  const stuck = 3;
  for (let place = 60; lanes.length === limits.lanesMax; place--) {
    for (let lane = 0; lane < limits.lanesMax; lane++) queued(lane, lane === stuck ? 5 : place);
    await timers.advance(limits.queuedAgainMs);
    await settle();
  }
  assertEquals(lanes.filter(({ options }) => options.signal.aborted), [lanes[stuck]!]);
  const asked = lanes.map(({ options }) => options.holder.account);
  assertEquals(new Set(asked).size, limits.lanesMax + 1);
  stop.abort();
  await assertRejects(() => done, ShoalError);
});
