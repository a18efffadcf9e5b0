import { assertEquals, assertThrows } from "@std/assert";
import { ShoalError } from "../../lib/core/errors.ts";
import { Bandwidth, unlimited } from "../../lib/peer/bandwidth.ts";
import type { LimitChange } from "../../lib/peer/commands.ts";
import { limit, type LimitedTransfer } from "../../lib/peer/limit_query.ts";
import { FakeTimers } from "../transfer/fake_timers.ts";

/** A peer that sends at most 1 MB/s, serves upload 3, and fetches 3 and 4. */
function peer() {
  const bandwidth = new Bandwidth({ ...unlimited, up: 1_000_000 }, new FakeTimers(), () => new Date(0));
  const flow = bandwidth.openUpload("ada", undefined);
  const transfers: LimitedTransfer[] = [
    { direction: "down", number: 3, name: "film.mkv", flow: undefined },
    { direction: "down", number: 4, name: "song.flac", flow: undefined },
    { direction: "up", number: 3, name: "talk.pdf", flow },
  ];
  const ask = (change: LimitChange | null) =>
    [...limit(change, bandwidth, transfers)].map(({ direction, number, name, bytesPerSecond, by }) => [
      ...[direction, number, name, bytesPerSecond, by],
    ]);
  return { bandwidth, flow, ask };
}

Deno.test("limit shows those of the whole peer, and of transfers that have one", () => {
  const { flow, bandwidth, ask } = peer();
  const all = [["up", null, "", 1_000_000, "option"], ["down", null, "", null, "option"]];
  assertEquals(ask(null), all);
  flow.bytesPerSecond = 5_000;
  bandwidth.limitDownload(4, 6_000);
  assertEquals(ask(null), [...all, ["down", 4, "song.flac", 6_000, "command"], [
    "up",
    3,
    "talk.pdf",
    5_000,
    "command",
  ]]);
});

Deno.test("limit sets that of the whole peer, and lifts it", () => {
  const { bandwidth, ask } = peer();
  assertEquals(ask({ direction: "down", bytesPerSecond: 2_000, number: null }), [["down", null, "", 2_000, "command"]]);
  assertEquals(bandwidth.inForce("down").bytesPerSecond, 2_000);
  assertEquals(ask({ direction: "up", bytesPerSecond: null, number: null }), [["up", null, "", null, "command"]]);
  assertEquals(bandwidth.inForce("up").bytesPerSecond, undefined);
});

Deno.test("limit sets that of one upload or one fetch by direction and number, and refuses a number that is not there", () => {
  const { bandwidth, flow, ask } = peer();
  assertEquals(ask({ direction: "up", bytesPerSecond: 9_000, number: 3 }), [["up", 3, "talk.pdf", 9_000, "command"]]);
  assertEquals([flow.bytesPerSecond, bandwidth.downLimit(3)], [9_000, undefined]);
  ask({ direction: "down", bytesPerSecond: 8_000, number: 3 });
  assertEquals([flow.bytesPerSecond, bandwidth.downLimit(3)], [9_000, 8_000]);
  ask({ direction: "up", bytesPerSecond: null, number: 3 });
  assertEquals(flow.bytesPerSecond, undefined);
  const error = assertThrows(
    () => ask({ direction: "up", bytesPerSecond: 1_000, number: 4 }),
    ShoalError,
    "no such upload",
  );
  assertEquals(error.code, "notFound");
});
