import { assertEquals } from "@std/assert";
import { PacedTakes, type TakeQueue } from "../../lib/peer/paced_takes.ts";
import { type Flow, RateLimiter } from "../../lib/transfer/rate_limiter.ts";
import type { Takeable } from "../../lib/transfer/take_from.ts";
import { FakeTimers, settle } from "../transfer/fake_timers.ts";
import { idOf } from "./fake_control.ts";

const wish = (bytes: number): Takeable => ({
  content: { id: idOf("a"), bytes },
  set: { ticket: new Uint8Array(1), contents: [] },
  place: 0,
});

/** A queue of contents of these sizes, paced by a flow. */
function paced(sizes: readonly number[], flow: Flow | undefined, signal = new AbortController().signal) {
  const queue = sizes.map(wish);
  const source: TakeQueue<Takeable> = {
    peek: () => queue[0],
    shift: () => void queue.shift(),
    more: () => Promise.resolve(queue.length > 0),
  };
  const takes = new PacedTakes(source, flow, signal);
  return { takes, queue, take: () => takes.take()?.content.bytes };
}

function limited(bytesPerSecond: number) {
  const timers = new FakeTimers();
  return { timers, flow: new RateLimiter(timers, bytesPerSecond).open("1") };
}

Deno.test("without a limit each is given at once, in order", async () => {
  const { takes, take } = paced([1, 2, 3], undefined);
  assertEquals([take(), take(), take(), take()], [1, 2, 3, undefined]);
  assertEquals(await takes.more(), false);
});

Deno.test("under a limit each is given once its turn has come, and more() waits for that", async () => {
  const { timers, flow } = limited(1000);
  using _flow = flow;
  const { takes, take } = paced([500, 2000], flow);
  assertEquals([take(), take()], [undefined, undefined], "one turn is waited for at a time");
  let isMore = false;
  const more = takes.more().then((there) => isMore = there);
  await timers.advance(499);
  assertEquals(isMore, false);
  await timers.advance(1);
  await more;
  assertEquals([isMore, take(), take()], [true, 500, undefined]);
  await timers.advance(1999);
  assertEquals(take(), undefined);
  await timers.advance(1);
  assertEquals([take(), await takes.more()], [2000, false]);
  assertEquals(timers.pending, 0);
});

Deno.test("a turn whose content is no longer wanted is the next one's", async () => {
  const { timers, flow } = limited(1000);
  using _flow = flow;
  const { take, queue } = paced([1000, 600, 700], flow);
  assertEquals(take(), undefined);
  await timers.advance(1000);
  queue.shift();
  assertEquals([take(), take()], [600, undefined]);
  await timers.advance(299);
  assertEquals(take(), undefined);
  await timers.advance(1);
  assertEquals(take(), 700, "400 of it were waited for before");
});

Deno.test("a turn that is not to come any more ends the wait, unheard", async () => {
  const { timers, flow } = limited(1);
  const stop = new AbortController();
  const { takes, take } = paced([1000], flow, stop.signal);
  assertEquals(take(), undefined);
  const more = takes.more();
  stop.abort();
  assertEquals(await more, false);
  const again = paced([1000], flow);
  assertEquals(again.take(), undefined);
  flow[Symbol.dispose]();
  await settle();
  assertEquals([await again.takes.more(), timers.pending], [false, 0]);
});
