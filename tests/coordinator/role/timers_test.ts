import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { Session } from "../../../lib/coordinator/role/session.ts";
import { Standing } from "../../../lib/coordinator/role/standing.ts";
import { Timers } from "../../../lib/coordinator/role/timers.ts";
import type { DeviceId } from "../../../lib/core/ids.ts";
import { SealedChannel } from "../../../lib/session/sealed_channel.ts";

const keys = { toCoordinator: new Uint8Array(32), toPeer: new Uint8Array(32) };

function sessionOf(number: number): Session {
  return new Session({
    channel: new SealedChannel(BigInt(number), keys, "coordinator"),
    account: "ada",
    foldedAccount: "ada",
    standing: new Standing(),
    device: number,
    deviceId: "" as DeviceId,
    label: "vm",
    certificate: new Uint8Array(0),
    startedAtMs: 0,
    endpoint: { ip: "10.0.0.1", port: 1 },
    tcpPort: 0,
    enrolled: true,
    shareDigest: new Uint8Array(32),
  });
}

Deno.test("Timers does what a sorted list does, whatever is set, moved and taken out", () => {
  const change = fc.record({
    session: fc.nat(40),
    atMs: fc.oneof(fc.nat(100), fc.constant(Infinity)),
    take: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(change, { maxLength: 300 }), (changes) => {
      const timers = new Timers();
      const sessions = Array.from({ length: 41 }, (_, i) => sessionOf(i));
      const model = new Map<Session, number>();
      for (const { session: number, atMs, take } of changes) {
        const session = sessions[number]!;
        if (take) {
          const due = timers.takeDue(50);
          const soonest = Math.min(...model.values(), Infinity);
          assertEquals(due === undefined, soonest > 50);
          if (due !== undefined) {
            assertEquals(model.get(due), soonest);
            model.delete(due);
          }
        } else {
          timers.set(session, atMs);
          if (atMs === Infinity) model.delete(session);
          else model.set(session, atMs);
        }
        assertEquals(timers.wakeAtMs, Math.min(...model.values(), Infinity));
      }
    }),
    { numRuns: 200, seed: 1 },
  );
});

Deno.test("Timers.setNoLater() only brings forward", () => {
  const timers = new Timers();
  const session = sessionOf(1);
  timers.setNoLater(session, 50);
  timers.setNoLater(session, 70);
  assertEquals(timers.wakeAtMs, 50);
  timers.setNoLater(session, 30);
  assertEquals(timers.takeDue(29), undefined);
  assertEquals(timers.takeDue(30), session);
  assertEquals(timers.takeDue(1e9), undefined);
});

Deno.test("Timers hands out 100,000 sessions in the order of their times, also after moving half of them", () => {
  const timers = new Timers();
  // Only the timers' own fields are looked at: full sessions would make this a test of the allocator.
  const sessions = Array.from({ length: 100_000 }, () => ({ timerIndex: -1, timerAtMs: Infinity }) as Session);
  for (const [i, session] of sessions.entries()) timers.set(session, (i * 7919) % 100_003);
  for (const session of sessions.slice(0, 50_000)) timers.set(session, session.timerAtMs + 30_000);
  let lastAtMs = 0;
  for (let count = 0; count < sessions.length; count++) {
    const atMs = timers.wakeAtMs;
    assert(atMs >= lastAtMs);
    lastAtMs = atMs;
    assert(timers.takeDue(1e9));
  }
  assertEquals(timers.wakeAtMs, Infinity);
});
