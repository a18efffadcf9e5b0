import { assert, assertEquals, assertNotEquals, assertStringIncludes } from "@std/assert";
import { errorCodes } from "../../lib/core/errors.ts";
import { limits } from "../../lib/core/limits.ts";
import type { Enrolment } from "../../lib/membership/types.ts";
import { dhKeyFrom } from "../../lib/session/dh_key.ts";
import { signingKeyFrom } from "../../lib/session/device_key.ts";
import { encodeRefused } from "../../lib/wire/envelope.ts";
import { errorMessage } from "../../lib/wire/message.ts";
import { MemberBench } from "./member_bench.ts";
import { expectEnvelope, ScriptedCoordinator } from "./scripted_coordinator.ts";

/** A device that logged in with the password, and what it keeps of it. */
function enrolled(): { coordinator: ScriptedCoordinator; enrolment: Enrolment } {
  const coordinator = new ScriptedCoordinator();
  const { identity } = new MemberBench().goOnline(coordinator);
  return { coordinator, enrolment: identity };
}

/** The same device, started again: it has nothing but its key and what it kept. */
function restarted(enrolment: Enrolment): MemberBench {
  const bench = new MemberBench();
  bench.give({ kind: "loginByKey", enrolment });
  return bench;
}

/** Lets time pass until the coordinator is lost; nothing that was sent arrives. */
function nextOffline(bench: MemberBench) {
  for (;;) {
    bench.pass(10);
    bench.dropSent();
    const offline = bench.takeEvents().find((event) => event.kind === "offline");
    if (offline !== undefined) return offline;
  }
}

/** Up to DEVICE_START, which is taken. */
function reachDeviceStart(bench: MemberBench, coordinator: ScriptedCoordinator) {
  bench.datagram(coordinator.cookie(bench.takeSent()));
  return bench.takeSent();
}

Deno.test("Member logs in by its key after a restart: no password, no OPAQUE, the same identity", () => {
  const { coordinator, enrolment } = enrolled();
  const bench = restarted(enrolment);
  const start = reachDeviceStart(bench, coordinator);
  expectEnvelope(start, "deviceStart");
  bench.datagram(coordinator.deviceReply(start));
  bench.converse(coordinator);
  const [online, alive] = bench.takeEvents();
  assert(online?.kind === "online" && alive?.kind === "alive");
  const { identity } = online;
  assertEquals([identity.account, identity.accountKeyIsNew], ["ada", false]);
  assertEquals(identity.accountKey, enrolment.accountKey);
  assertEquals(identity.deviceSignature, enrolment.deviceSignature);
  assertEquals(identity.coordinatorKey, enrolment.coordinatorKey);
  assertEquals(bench.proofs, []);
});

Deno.test("Member that logged in with the password forgets it: it comes back by its key", () => {
  const coordinator = new ScriptedCoordinator();
  const bench = new MemberBench();
  bench.goOnline(coordinator);
  bench.datagram(coordinator.seal(0, { kind: "close", code: errorCodes.busy.wire, elsewhere: [] }));
  bench.pass(bench.takeEvent("offline").retryInMs);
  expectEnvelope(reachDeviceStart(bench, coordinator), "deviceStart");
});

Deno.test("Member that leaves does not come back, however the session ends meanwhile", () => {
  const ends = [
    (coordinator: ScriptedCoordinator) => coordinator.reset(),
    (coordinator: ScriptedCoordinator) =>
      coordinator.seal(0, { kind: "close", code: errorCodes.busy.wire, elsewhere: [] }),
  ];
  for (const end of ends) {
    const coordinator = new ScriptedCoordinator();
    const bench = new MemberBench();
    bench.goOnline(coordinator);
    bench.give({ kind: "leave" });
    bench.dropSent();
    bench.datagram(end(coordinator));
    bench.takeEvent("left");
    bench.pass(60_000);
    assertEquals([bench.sent.length, bench.member.state, bench.member.wakeAtMs], [0, "stopped", Infinity]);
  }
});

Deno.test("Member signs its device anew by what it kept, where the coordinator has lost that", () => {
  const { coordinator, enrolment } = enrolled();
  coordinator.enrolled = false;
  const bench = restarted(enrolment);
  bench.converse(coordinator);
  assertEquals(bench.takeEvents().map(({ kind }) => kind), ["online", "alive"]);
  assert(coordinator.enrolled);
});

Deno.test("Member that is told under its key that it may not log in stops at once, and says that the password does", () => {
  const { coordinator, enrolment } = enrolled();
  coordinator.enrolledKey = null;
  const bench = restarted(enrolment);
  bench.converse(coordinator);
  const { error } = bench.takeEvent("denied");
  assertEquals(error.code, "denied");
  assertStringIncludes(error.message, "revoked");
  assertStringIncludes(error.hint!, "password");
  assertEquals(bench.member.wakeAtMs, Infinity);
});

Deno.test("Member whose coordinator has another key says so at a first login; a running one takes it for forged, five times", () => {
  const { coordinator, enrolment } = enrolled();
  const other = new ScriptedCoordinator();
  other.loginKey = dhKeyFrom(new Uint8Array(32).fill(10));
  const bench = restarted(enrolment);
  bench.converse(other);
  const { error } = bench.takeEvent("denied");
  assertEquals(error.code, "denied");
  assertStringIncludes(error.message, "another key");

  const running = restarted(enrolment);
  running.converse(coordinator);
  running.takeEvents();
  running.datagram(coordinator.reset());
  running.takeEvents();
  for (let i = 0; i < 4; i++) {
    running.converse(other);
    running.pass(running.takeEvent("offline").retryInMs);
  }
  running.converse(other);
  assertEquals(running.takeEvent("denied").error.code, "denied");
});

Deno.test("Member believes no DEVICE_REPLY but one to its own message by the coordinator that it met", () => {
  const { coordinator, enrolment } = enrolled();
  const bench = restarted(enrolment);
  const start = reachDeviceStart(bench, coordinator);
  const reply = coordinator.deviceReply(start);
  for (let at = 18; at < reply.length; at += 7) {
    const forged = reply.slice();
    forged[at]! ^= 1;
    bench.datagram(forged);
  }
  const stale = reply.slice();
  stale[2]! ^= 1;
  bench.datagram(stale);
  // Under another nonce, an answer in clear is nobody's.
  bench.datagram(encodeRefused(stale.subarray(2, 18), errorCodes.denied.wire, 0));
  assertEquals([bench.sent.length, bench.events.length], [0, 0]);
  bench.datagram(reply);
  bench.converse(coordinator);
  assertEquals(bench.takeEvents().map(({ kind }) => kind), ["online", "alive"]);
});

Deno.test("Member repeats DEVICE_START as it is, and AUTH sealed anew, until the answer comes", () => {
  const { coordinator, enrolment } = enrolled();
  const bench = restarted(enrolment);
  const start = reachDeviceStart(bench, coordinator);
  bench.pass(500);
  assertEquals(bench.takeSent(), start);
  bench.datagram(coordinator.deviceReply(start));
  const first = bench.takeSent();
  bench.pass(500);
  const second = bench.takeSent();
  assertNotEquals(first, second);
  assertEquals(coordinator.open(first), coordinator.open(second));
  bench.pass(limits.requestMs);
  assertEquals(bench.events[0]?.kind, "offline");
});

Deno.test("Member takes REFUSED busy for a pause, and a refusal of AUTH for the end", () => {
  const { coordinator, enrolment } = enrolled();
  const bench = restarted(enrolment);
  const start = reachDeviceStart(bench, coordinator);
  bench.datagram(encodeRefused(start.subarray(2, 18), errorCodes.tooManyTries.wire, 3_000));
  const { retryInMs } = bench.takeEvent("offline");
  assert(retryInMs >= 3_000);
  bench.pass(retryInMs);
  bench.datagram(coordinator.deviceReply(reachDeviceStart(bench, coordinator)));
  const { transaction } = coordinator.open(bench.takeSent());
  bench.datagram(coordinator.seal(transaction, errorMessage("denied", "this device was revoked")));
  assertStringIncludes(bench.takeEvent("denied").error.message, "revoked");
});

Deno.test("Member does not go on under another account key than the one it was enrolled under", () => {
  const { coordinator, enrolment } = enrolled();
  for (
    const accountKey of [null, {
      publicKey: signingKeyFrom(new Uint8Array(32).fill(5)).publicKey,
      sealed: new Uint8Array(60),
    }]
  ) {
    coordinator.accountKey = accountKey;
    const bench = restarted(enrolment);
    bench.converse(coordinator);
    const { error } = bench.takeEvent("denied");
    assertEquals(error.code, "denied");
    assertStringIncludes(error.message, "another key");
  }
});

Deno.test("Member refuses loudly a coordinator that knows the password and shows another key than the one met before", () => {
  const { coordinator, enrolment } = enrolled();
  const pinned = dhKeyFrom(new Uint8Array(32).fill(10)).publicKey;
  const bench = new MemberBench();
  bench.give({ kind: "login", account: "ada", password: "correct horse", pinned });
  bench.converse(coordinator);
  const { error } = bench.takeEvent("denied");
  assertEquals(error.code, "untrusted");
  assertStringIncludes(error.hint!, "known_coordinators.json");
  const again = new MemberBench();
  again.give({ kind: "login", account: "ada", password: "correct horse", pinned: enrolment.loginKey });
  again.converse(coordinator);
  assertEquals(again.takeEvents().map(({ kind }) => kind), ["online", "alive"]);
});

Deno.test("Member that knows of several coordinators leaves one that is silent long before a lone one would be given up", () => {
  const { coordinator, enrolment } = enrolled();
  const bench = restarted(enrolment);
  bench.give({ kind: "coordinators", count: 3, isNamed: true });
  bench.datagram(coordinator.deviceReply(reachDeviceStart(bench, coordinator)));
  bench.converse(coordinator);
  bench.takeEvents();
  const silentFromMs = bench.nowMs;
  // Everything it sends from now on is lost.
  const offline = nextOffline(bench);
  assertEquals(offline.error.code, "timeout");
  assert(bench.nowMs - silentFromMs <= 12_510, `${bench.nowMs - silentFromMs} ms`);
  assert(offline.retryInMs <= 150, "the next one is tried at once");
  const second = nextOffline(bench);
  assert(second.retryInMs <= 150);
  assert(nextOffline(bench).retryInMs >= 500, "all of them failed: a pause");
});

Deno.test("Member asks whether one of several coordinators is there soon after a request, and not of a lone one", () => {
  for (const [count, waitMs] of [[1, 7_000], [2, 1_000]] as const) {
    const { coordinator, enrolment } = enrolled();
    const bench = restarted(enrolment);
    bench.give({ kind: "coordinators", count, isNamed: true });
    bench.datagram(coordinator.deviceReply(reachDeviceStart(bench, coordinator)));
    bench.converse(coordinator);
    bench.takeEvents();
    const fromMs = bench.nowMs;
    bench.give({ kind: "request", handle: 1, request: { kind: "account", account: "bob" }, timeoutMs: 60_000 });
    bench.converse(coordinator);
    while (!bench.takeEvents().some(({ kind }) => kind === "alive")) {
      bench.pass(100);
      bench.converse(coordinator);
    }
    const tookMs = bench.nowMs - fromMs;
    assert(count === 1 ? tookMs >= waitMs : tookMs <= waitMs + 100, `${tookMs} ms`);
  }
});

Deno.test("Member passes over an address that nobody named and that refuses its key; one that was named it believes", () => {
  for (const isNamed of [false, true]) {
    const { coordinator, enrolment } = enrolled();
    const bench = restarted(enrolment);
    bench.give({ kind: "coordinators", count: 2, isNamed });
    const start = reachDeviceStart(bench, coordinator);
    bench.datagram(encodeRefused(start.subarray(2, 18), errorCodes.denied.wire, 0));
    assertEquals(bench.takeEvents().map(({ kind }) => kind), [isNamed ? "denied" : "offline"]);
  }
});

Deno.test("Member whose given-up login was let in after all logs in again, and is logged out by a login of somebody else", () => {
  const { coordinator, enrolment } = enrolled();
  const bench = restarted(enrolment);
  bench.give({ kind: "coordinators", count: 2, isNamed: true });
  // AUTH arrives, its answer does not.
  bench.datagram(coordinator.deviceReply(reachDeviceStart(bench, coordinator)));
  bench.pass(nextOffline(bench).retryInMs);
  bench.datagram(coordinator.deviceReply(reachDeviceStart(bench, coordinator)));
  bench.converse(coordinator);
  bench.takeEvents();
  const close = { kind: "close", code: errorCodes.sessionEnded.wire, elsewhere: [] } as const;
  bench.datagram(coordinator.seal(0, close));
  bench.pass(bench.takeEvent("offline").retryInMs);
  bench.datagram(coordinator.deviceReply(reachDeviceStart(bench, coordinator)));
  bench.converse(coordinator);
  bench.takeEvents();
  bench.datagram(coordinator.seal(0, close));
  bench.takeEvent("denied");
});
