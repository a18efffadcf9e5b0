/** A fetch whose holders let it wait in their queues. */

import { assertEquals, assertRejects } from "@std/assert";
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
function start(holders: readonly (typeof one)[]) {
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
      const { promise, resolve } = Promise.withResolvers<void>();
      options.signal.addEventListener("abort", () => resolve(), { once: true });
      lanes.push({ options, end: resolve });
      return promise;
    },
    timers,
    random: (size) => new Uint8Array(size),
    timeoutMs: limits.progressMs,
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
});
