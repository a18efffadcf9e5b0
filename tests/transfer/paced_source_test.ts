import { assertEquals } from "@std/assert";
import { PacedSource, Turns } from "../../lib/transfer/paced_source.ts";
import type { PieceSource } from "../../lib/transfer/piece_receiver.ts";
import { RateLimiter } from "../../lib/transfer/rate_limiter.ts";
import { FakeTimers, settle } from "./fake_timers.ts";

/** Pieces without end. */
function endless(): PieceSource & { taken: number } {
  return {
    taken: 0,
    take() {
      return this.taken++;
    },
    more: () => Promise.resolve(true),
    have() {},
    askedByOthers() {},
    giveBack() {},
  };
}

Deno.test("each piece waits for its turn, and connections that share the turns wait together", async () => {
  const timers = new FakeTimers();
  const turns = new Turns(new RateLimiter(timers, 1000).open("a"), 1000, new AbortController().signal);
  const [first, second] = [new PacedSource(endless(), turns), new PacedSource(endless(), turns)];
  assertEquals([first.take(), second.take()], [undefined, undefined]);
  const news = Promise.all([first.more(), second.more()]);
  await timers.advance(1000);
  assertEquals(await news, [true, true]);
  assertEquals([second.take(), first.take()], [0, undefined]);
});

Deno.test("a piece that was given back was not paid", async () => {
  const timers = new FakeTimers();
  const turns = new Turns(new RateLimiter(timers, 1000).open("a"), 1000, new AbortController().signal);
  const source = new PacedSource(endless(), turns);
  source.take();
  await timers.advance(1000);
  assertEquals(source.take(), 0);
  source.giveBack([0]);
  await timers.advance(0);
  assertEquals(source.take(), 1);
});

Deno.test("once the fetch has ended there is no more, before a turn came and after", async () => {
  const timers = new FakeTimers();
  const stop = new AbortController();
  const turns = new Turns(new RateLimiter(timers, 1000).open("a"), 1000, stop.signal);
  const source = new PacedSource(endless(), turns);
  assertEquals(source.take(), undefined);
  const news = source.more();
  stop.abort();
  assertEquals(await news, false);
  // Whoever asks again must not be sent round and round.
  for (let time = 0; time < 3; time++) assertEquals([source.take(), await source.more()], [undefined, false]);
  await settle();
  assertEquals(timers.pending, 0);
});
