import { assert, assertEquals, assertRejects } from "@std/assert";
import { ShoalError } from "../../lib/core/errors.ts";
import { kib, limits, mib } from "../../lib/core/limits.ts";
import { type Flow, RateLimiter } from "../../lib/transfer/rate_limiter.ts";
import { TokenBucket } from "../../lib/transfer/token_bucket.ts";

/** Time that only the test moves, quick enough for thousands of timers. */
class Clock {
  #nowMs = 0;
  readonly #timers = new Set<{ readonly atMs: number; readonly run: () => void }>();

  nowMs = () => this.#nowMs;

  start = (afterMs: number, run: () => void) => {
    const timer = { atMs: this.#nowMs + afterMs, run };
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  };

  /** Moves on to `untilMs`. @param lateMs How late each timer fires. */
  async run(untilMs: number, lateMs = 0): Promise<void> {
    for (;;) {
      for (let turn = 0; turn < 8; turn++) await Promise.resolve();
      let due: { readonly atMs: number; readonly run: () => void } | undefined;
      for (const timer of this.#timers) if (due === undefined || timer.atMs < due.atMs) due = timer;
      if (due === undefined || due.atMs + lateMs > untilMs) break;
      this.#timers.delete(due);
      this.#nowMs = Math.max(this.#nowMs, due.atMs + lateMs);
      due.run();
    }
    this.#nowMs = untilMs;
  }

  get pending(): number {
    return this.#timers.size;
  }
}

/** Somebody who takes without a pause, as a transfer does; `bytes` counts what it has got. */
class Taker {
  bytes = 0;
  readonly flow: Flow;
  isStopped = false;
  readonly done: Promise<void>;

  constructor(flow: Flow, bytesAtOnce?: number) {
    this.flow = flow;
    this.done = this.#run(bytesAtOnce);
  }

  async #run(bytesAtOnce: number | undefined): Promise<void> {
    while (!this.isStopped) {
      const bytes = bytesAtOnce ?? this.flow.stepBytes;
      const wait = this.flow.take(bytes);
      if (wait !== undefined) {
        try {
          await wait;
        } catch {
          return;
        }
      }
      this.bytes += bytes;
    }
  }

  /** What it gets until then. */
  async during(clock: Clock, untilMs: number): Promise<number> {
    const before = this.bytes;
    await clock.run(untilMs);
    return this.bytes - before;
  }
}

async function end(...takers: readonly Taker[]): Promise<void> {
  for (const taker of takers) {
    taker.isStopped = true;
    taker.flow[Symbol.dispose]();
  }
  await Promise.all(takers.map(({ done }) => done));
}

function assertWithin(value: number, wanted: number, part: number): void {
  assert(Math.abs(value - wanted) <= wanted * part, `${value} is not ${wanted} ± ${part * 100} %`);
}

for (const rate of [1_000, 10_000, 250_000, 1_000_000, 20_000_000, 125_000_000, 1_000_000_000]) {
  Deno.test(`${rate} bytes/s hold within 3 % over 10 s, and in no part of them is there a burst`, async () => {
    const clock = new Clock();
    const taker = new Taker(new RateLimiter(clock, rate).open("a"));
    let last = 0;
    for (let atMs = 500; atMs <= 10_000; atMs += 500) {
      await clock.run(atMs);
      const gotBytes = taker.bytes - last;
      last = taker.bytes;
      assert(gotBytes <= 0.5 * rate * 1.03 + Math.max(taker.flow.stepBytes, rate / 100), `${gotBytes} in 500 ms`);
    }
    assertWithin(taker.bytes, rate * 10, 0.03);
    await end(taker);
    assertEquals(clock.pending, 0);
  });
}

Deno.test("timers that come late cost nothing, and a process that stood still has no burst to come", async () => {
  const clock = new Clock();
  const rate = 10_000_000;
  const taker = new Taker(new RateLimiter(clock, rate).open("a"));
  await clock.run(10_000, 20);
  assertWithin(taker.bytes, rate * 10, 0.03);
  const before = taker.bytes;
  await clock.run(20_000, 9_000);
  assert(taker.bytes - before <= rate * 0.2 + 512 * kib, `${taker.bytes - before} after a standstill`);
  await end(taker);
});

Deno.test("what was not used is not saved up beyond a tenth of a second", async () => {
  const clock = new Clock();
  const limiter = new RateLimiter(clock, 1_000_000);
  const flow = limiter.open("a");
  await clock.run(3_600_000);
  let free = 0;
  while (flow.take(1_000) === undefined) free += 1_000;
  assertEquals(free, 100_000);
  flow[Symbol.dispose]();
  assertEquals(clock.pending, 0);
});

Deno.test("bytes that are given back go to whoever waits, at once", async () => {
  const clock = new Clock();
  const flow = new RateLimiter(clock, 1_000_000).open("a");
  let came = 0;
  const take = async () => {
    await flow.take(500_000);
    came++;
  };
  const [first, second] = [take(), take()];
  await clock.run(500);
  assertEquals(came, 1);
  flow.giveBack(500_000);
  await Promise.all([first, second]);
  assertEquals(came, 2);
  flow[Symbol.dispose]();
});

Deno.test("bytes that are given back while nobody waits are kept for the next, once, and never beyond what was paid", async () => {
  const clock = new Clock();
  const limiter = new RateLimiter(clock, 1_000_000);
  const flow = limiter.open("a");
  const first = flow.take(500_000);
  await clock.run(500);
  await first;
  for (let i = 0; i < 10; i++) {
    flow.giveBack(500_000);
    await clock.run(500 + 60_000 * (i + 1));
    assertEquals(flow.take(500_000), undefined, "what was paid is not paid twice");
  }
  assertEquals(flow.take(100_000), undefined, "the credit");
  const next = flow.take(1_000);
  assert(next !== undefined, "what was given back has gone");
  await Promise.all([next, clock.run(700_000)]);

  limiter.bytesPerSecond = undefined;
  flow.giveBack(500_000);
  limiter.bytesPerSecond = 1_000_000;
  const last = flow.take(500_000);
  assert(last !== undefined, "without a limit nothing was paid");
  await Promise.all([last, clock.run(800_000)]);
  flow[Symbol.dispose]();
});

Deno.test("without a limit nothing is waited for, whatever the size, and no timer is started", () => {
  const clock = new Clock();
  const flow = new RateLimiter(clock).open("a");
  for (let i = 0; i < 1_000; i++) assertEquals(flow.take(16 * mib), undefined);
  assertEquals([flow.stepBytes, clock.pending], [limits.frameBytesMax, 0]);
});

Deno.test("eight flows of eight groups get the same, by large takes and by small ones", async () => {
  const clock = new Clock();
  const limiter = new RateLimiter(clock, 8_000_000);
  const takers = Array.from({ length: 8 }, (_, at) => new Taker(limiter.open(`p${at}`), at % 2 === 0 ? 4_000 : 64_000));
  await clock.run(10_000);
  for (const { bytes } of takers) assertWithin(bytes, 10_000_000, 0.02);
  await end(...takers);
});

Deno.test("groups share equally, and the flows of a group its part: many connections get no more", async () => {
  const clock = new Clock();
  const limiter = new RateLimiter(clock, 6_000_000);
  const many = Array.from({ length: 7 }, () => new Taker(limiter.open("greedy"), 10_000));
  const [one, other] = [new Taker(limiter.open("ada")), new Taker(limiter.open("bob"))];
  await clock.run(10_000);
  for (const { bytes } of [one, other]) assertWithin(bytes, 20_000_000, 0.02);
  for (const { bytes } of many) assertWithin(bytes, 20_000_000 / 7, 0.05);
  await end(...many, one, other);
});

Deno.test("what one does not use the others get, and who comes back has no arrears to be paid", async () => {
  const clock = new Clock();
  const limiter = new RateLimiter(clock, 1_000_000);
  const steady = new Taker(limiter.open("steady"));
  const pausing = limiter.open("pausing");
  const first = pausing.take(1_000);
  assertWithin(await steady.during(clock, 10_000), 10_000_000, 0.03);
  await first;
  const back = new Taker(pausing);
  assertWithin(await steady.during(clock, 12_000), 1_000_000, 0.15);
  assertWithin(back.bytes, 1_000_000, 0.15);
  await end(back);
  assertWithin(await steady.during(clock, 22_000), 10_000_000, 0.03);
  await end(steady);
  assertEquals(clock.pending, 0);
});

Deno.test("a flow's own limit holds beside that of all, and what it leaves the others get", async () => {
  const clock = new Clock();
  const limiter = new RateLimiter(clock, 10_000_000);
  const [slow, fast] = [new Taker(limiter.open("a")), new Taker(limiter.open("b"))];
  slow.flow.bytesPerSecond = 500_000;
  const slowBefore = slow.bytes;
  assertWithin(await fast.during(clock, 10_000), 95_000_000, 0.03);
  assertWithin(slow.bytes - slowBefore, 5_000_000, 0.05);
  slow.flow.bytesPerSecond = undefined;
  const before = slow.bytes;
  assertWithin(await fast.during(clock, 20_000), 50_000_000, 0.03);
  assertWithin(slow.bytes - before, 50_000_000, 0.03);
  await end(slow, fast);
});

Deno.test("a flow's own limit holds where there is no other", async () => {
  const clock = new Clock();
  const limiter = new RateLimiter(clock);
  const flow = limiter.open("a");
  flow.bytesPerSecond = 2_000_000;
  const taker = new Taker(flow);
  const free = limiter.open("a");
  assertEquals(free.take(mib), undefined);
  await clock.run(10_000);
  assertWithin(taker.bytes, 20_000_000, 0.03);
  assertEquals(free.take(mib), undefined);
  await end(taker);
});

Deno.test("a bucket that two limiters' flows share bounds both together", async () => {
  const clock = new Clock();
  const own = new TokenBucket(1_000_000, 0);
  const takers = [undefined, 50_000_000].map((limit) => new Taker(new RateLimiter(clock, limit).open("a", own)));
  await clock.run(10_000);
  assertWithin(takers[0]!.bytes + takers[1]!.bytes, 10_000_000, 0.03);
  await end(...takers);
});

Deno.test("a limit that changes holds at once for those who wait", async () => {
  const clock = new Clock();
  const limiter = new RateLimiter(clock, 1_000);
  const flow = limiter.open("a");
  let isFree = false;
  const wait = flow.take(1_000_000)!.then(() => isFree = true);
  await clock.run(5_000);
  limiter.bytesPerSecond = 1_000_000;
  await clock.run(5_900);
  assertEquals(isFree, false);
  await clock.run(6_000);
  assertEquals(isFree, true);
  await wait;

  limiter.bytesPerSecond = 1_000;
  const waits = [flow.take(1_000_000), flow.take(5)];
  assertEquals(clock.pending, 1);
  limiter.bytesPerSecond = undefined;
  await Promise.all(waits);
  assertEquals([flow.take(1), clock.pending], [undefined, 0]);

  limiter.bytesPerSecond = 1_000_000;
  const taker = new Taker(flow);
  assertWithin(await taker.during(clock, 16_000), 10_000_000, 0.03);
  limiter.bytesPerSecond = 100_000;
  assertWithin(await taker.during(clock, 26_000), 1_000_000, 0.03);
  await end(taker);
  assertEquals(clock.pending, 0);
});

Deno.test("takes of one flow are served in their order, and an aborted one makes room for the next", async () => {
  const clock = new Clock();
  const flow = new RateLimiter(clock, 1_000).open("a");
  const stop = new AbortController();
  const served: string[] = [];
  const first = flow.take(1_000)!.then(() => served.push("first"));
  const aborted = flow.take(3_600_000, stop.signal)!;
  const last = flow.take(500, new AbortController().signal)!.then(() => served.push("last"));
  await clock.run(1_000);
  stop.abort(new Error("no longer wanted"));
  await assertRejects(() => aborted, Error, "no longer wanted");
  await clock.run(1_500);
  await Promise.all([first, last]);
  assertEquals([served, clock.pending], [["first", "last"], 0]);
  await assertRejects(() => flow.take(1, stop.signal)!, Error, "no longer wanted");
});

Deno.test("the end of a flow ends its waits and leaves no timer", async () => {
  const clock = new Clock();
  const limiter = new RateLimiter(clock, 1_000);
  const [gone, next] = [limiter.open("a"), limiter.open("b")];
  const waits = [gone.take(1_000_000)!, gone.take(1)!];
  const later = next.take(500)!;
  gone[Symbol.dispose]();
  gone[Symbol.dispose]();
  for (const wait of waits) assertEquals((await assertRejects(() => wait, ShoalError)).code, "interrupted");
  await assertRejects(() => gone.take(1)!, ShoalError);
  await clock.run(500);
  await later;
  assertEquals(clock.pending, 0);
});

Deno.test("steps are small where the limit is low or many share it, so that each flow's turn comes within seconds", async () => {
  const clock = new Clock();
  const limiter = new RateLimiter(clock, 10_000);
  const flows = [limiter.open("a")];
  assertEquals(flows[0]!.stepBytes, 1_000);
  flows[0]!.bytesPerSecond = 5_000;
  assertEquals(flows[0]!.stepBytes, 500);
  flows[0]!.bytesPerSecond = undefined;
  limiter.bytesPerSecond = 100_000_000;
  assertEquals(flows[0]!.stepBytes, limits.frameBytesMax);

  limiter.bytesPerSecond = 100_000;
  for (let at = 1; at < limits.uploadsMax; at++) flows.push(limiter.open(`p${at}`));
  const takers = flows.map((flow) => new Taker(flow));
  const before = takers.map(({ bytes }) => bytes);
  await clock.run(limits.progressMs / 2);
  takers.forEach(({ bytes }, at) => assert(bytes > before[at]!, `flow ${at} had no turn`));
  await end(...takers);
});
