import { assert, assertEquals } from "@std/assert";
import { Bandwidth, type BandwidthOptions, unlimited } from "../../lib/peer/bandwidth.ts";
import { entryAt, type ScheduleEntry } from "../../lib/peer/limit_schedule.ts";
import { FakeTimers } from "../transfer/fake_timers.ts";

const night: ScheduleEntry = {
  window: "22:00-07:00",
  fromMinute: 22 * 60,
  toMinute: 7 * 60,
  directions: ["up", "down"],
  bytesPerSecond: undefined,
};
/** The same over midnight, and short. */
const brief: ScheduleEntry = { ...night, window: "23:59-00:02", fromMinute: 24 * 60 - 1, toMinute: 2 };
const office: ScheduleEntry = {
  window: "09:00-17:00",
  fromMinute: 9 * 60,
  toMinute: 17 * 60,
  directions: ["up"],
  bytesPerSecond: 500_000,
};
/** A day in this machine's own time zone. */
const at = (hour: number, minute: number, second = 0) => new Date(2026, 0, 5, hour, minute, second);

/** A peer's limits on a wall clock that its timers move. */
function bandwidthFrom(start: Date, options: Partial<BandwidthOptions> = {}) {
  const timers = new FakeTimers();
  const now = () => new Date(start.getTime() + timers.nowMs());
  return { timers, bandwidth: new Bandwidth({ ...unlimited, ...options }, timers, now) };
}

const minuteMs = 60_000;

Deno.test("a window has its first minute and not its last, also over midnight, and the first entry counts", () => {
  const cases: readonly (readonly [Date, "up" | "down", ScheduleEntry | undefined])[] = [
    [at(21, 59), "up", undefined],
    [at(22, 0), "up", night],
    [at(0, 0), "down", night],
    [at(6, 59), "up", night],
    [at(7, 0), "up", undefined],
    [at(9, 0), "up", office],
    [at(9, 0), "down", undefined],
    [at(17, 0), "up", undefined],
  ];
  for (const [time, direction, entry] of cases) {
    assertEquals(entryAt([night, office], direction, time), entry, `${time} ${direction}`);
  }
  const all = { ...office, fromMinute: 0, toMinute: 1440 };
  assertEquals(entryAt([office, all], "up", at(12, 0)), office);
  assertEquals(entryAt([all, office], "up", at(23, 59)), all);
});

Deno.test("the schedule sets and lifts limits at its times; the options hold outside of them", async () => {
  const { timers, bandwidth } = bandwidthFrom(at(23, 57, 30), { up: 1_000_000, schedule: [brief] });
  const option = { bytesPerSecond: 1_000_000, by: "option", window: undefined };
  const scheduled = { bytesPerSecond: undefined, by: "schedule", window: "23:59-00:02" };
  assertEquals(bandwidth.inForce("up"), option as never);
  using flow = bandwidth.openUpload("ada", undefined);
  const wait = flow.take(80_000_000);
  assert(wait !== undefined);
  let isFree = false;
  wait.then(() => isFree = true);
  await timers.advance(minuteMs);
  assertEquals([bandwidth.inForce("up"), isFree], [option, false] as never);
  await timers.advance(minuteMs / 2);
  assertEquals([bandwidth.inForce("up"), isFree], [scheduled, true] as never);
  assertEquals(flow.take(80_000_000), undefined);
  await timers.advance(3 * minuteMs);
  assertEquals(bandwidth.inForce("up"), option as never);
  assert(flow.take(80_000_000) !== undefined);
  flow[Symbol.dispose]();
  bandwidth[Symbol.dispose]();
  assertEquals(timers.pending, 0);
});

Deno.test("what is set while it runs holds until the schedule next changes that limit", async () => {
  const { timers, bandwidth } = bandwidthFrom(at(16, 30), { up: 1_000, down: 2_000, schedule: [office] });
  const rates = () => (["up", "down"] as const).map((direction) => bandwidth.inForce(direction).bytesPerSecond);
  assertEquals(rates(), [500_000, 2_000]);
  bandwidth.limit("up", undefined);
  bandwidth.limit("down", 3_000);
  assertEquals(rates(), [undefined, 3_000]);
  assertEquals(bandwidth.inForce("up").by, "command");
  await timers.advance(29 * minuteMs);
  assertEquals(rates(), [undefined, 3_000]);
  await timers.advance(minuteMs);
  assertEquals(rates(), [1_000, 3_000]);
  bandwidth[Symbol.dispose]();
});

Deno.test("without a schedule nothing wakes the process", () => {
  const { timers, bandwidth } = bandwidthFrom(at(12, 0), { up: 1_000 });
  assertEquals(timers.pending, 0);
  bandwidth[Symbol.dispose]();
});

Deno.test("the own network is exempt if that was asked for, and only then; a transfer's own limit holds there too", () => {
  const lan = { ip: "192.168.1.7", port: 1 };
  for (const lanUnlimited of [false, true]) {
    const { bandwidth } = bandwidthFrom(at(12, 0), { up: 1_000, down: 1_000, lanUnlimited });
    using near = bandwidth.openUpload("ada", lan);
    using far = bandwidth.openUpload("ada", { ip: "203.0.113.7", port: 1 });
    using unknown = bandwidth.openUpload("ada", undefined);
    using download = bandwidth.openDownload(1);
    const isFree = (flow: { take(bytes: number): unknown }) => flow.take(1_000_000) === undefined;
    const flows = [near, download.from(lan.ip), far, unknown, download.from("203.0.113.7")];
    assertEquals(flows.map(isFree), [lanUnlimited, lanUnlimited, false, false, false]);
    near.bytesPerSecond = 2_000;
    assertEquals(isFree(near), false);
  }
});

Deno.test("a download's own limit is one for all that it fetches from, and may be set before it begins", async () => {
  const { timers, bandwidth } = bandwidthFrom(at(12, 0), { lanUnlimited: true });
  bandwidth.limitDownload(7, 100_000);
  assertEquals(bandwidth.downLimit(7), 100_000);
  using download = bandwidth.openDownload(7);
  let bytes = 0;
  const waits = ["192.168.1.7", "203.0.113.7"].map(async (ip) => {
    for (let turn = 0; turn < 10; turn++) {
      await download.from(ip).take(10_000);
      bytes += 10_000;
    }
  });
  await timers.advance(1_000);
  assert(bytes >= 90_000 && bytes <= 110_000, String(bytes));
  bandwidth.limitDownload(7, undefined);
  await Promise.all(waits);
  assertEquals([bytes, bandwidth.downLimit(7), timers.pending], [200_000, undefined, 0]);
});

Deno.test("downloads share by file", async () => {
  const { timers, bandwidth } = bandwidthFrom(at(12, 0), { down: 100_000 });
  using one = bandwidth.openDownload(1);
  using two = bandwidth.openDownload(2);
  const got = [0, 0];
  const stop = new AbortController();
  const take = async (at: number, download: typeof one) => {
    for (;;) {
      await download.from("203.0.113.7").take(1_000, stop.signal);
      got[at]! += 1_000;
    }
  };
  const takes = [take(0, one), take(0, one), take(0, one), take(1, two)];
  await timers.advance(2_000);
  assertEquals(got.map((bytes) => Math.round(bytes / 10_000)), [10, 10]);
  stop.abort();
  await Promise.allSettled(takes);
});
