import { assert, assertEquals, assertInstanceOf, assertMatch } from "@std/assert";
import { errorCodes, NetworkError, ProtocolError, RemoteError, TimeoutError } from "../../lib/core/errors.ts";
import type { ContentId, DeviceId } from "../../lib/core/ids.ts";
import { limits } from "../../lib/core/limits.ts";
import type { MemberInput } from "../../lib/membership/types.ts";
import { toggleShare } from "../../lib/session/share_digest.ts";
import { forEveryone } from "../../lib/core/audience.ts";
import { errorMessage, type MessageOf } from "../../lib/wire/message.ts";
import { MemberBench } from "./member_bench.ts";
import { expectEnvelope, ScriptedCoordinator } from "./scripted_coordinator.ts";

const aDigest = new Uint8Array(32).fill(3);
const close = (code: keyof typeof errorCodes) =>
  ({ kind: "close", code: errorCodes[code].wire, elsewhere: [] }) as const;

function ask(
  handle: number,
  { account = `account${handle}`, timeoutMs = limits.requestMs as number } = {},
): MemberInput {
  return { kind: "request", handle, request: { kind: "account", account }, timeoutMs };
}

function online(options?: { seed?: number }): { bench: MemberBench; coordinator: ScriptedCoordinator } {
  const bench = new MemberBench(options);
  const coordinator = new ScriptedCoordinator();
  bench.goOnline(coordinator);
  return { bench, coordinator };
}

Deno.test("Member keeps alive within 0.7 … 1 of the interval that the last answer dictated", () => {
  const { bench, coordinator } = online();
  for (const keepAliveMs of [10_000, 2_000, 60_000]) {
    coordinator.alive = { ...coordinator.alive, keepAliveMs };
    // The next answer dictates, so the interval after it counts.
    bench.pass(bench.member.wakeAtMs - bench.nowMs);
    bench.converse(coordinator);
    const gaps: number[] = [];
    for (let i = 0; i < 50; i++) {
      const before = bench.nowMs;
      bench.pass(bench.member.wakeAtMs - bench.nowMs);
      assertEquals(bench.sent.length, 1);
      bench.converse(coordinator);
      if (i > 0) gaps.push(bench.nowMs - before);
    }
    for (const gap of gaps) assert(gap >= 0.7 * keepAliveMs && gap <= keepAliveMs, `${gap} of ${keepAliveMs} ms`);
    assert(Math.max(...gaps) - Math.min(...gaps) > 0.1 * keepAliveMs, "they are jittered");
    bench.takeEvents();
  }
});

Deno.test("Member tells a changed presence at once, an unchanged one with the next keep-alive alone", () => {
  const { bench, coordinator } = online();
  const presence = { kind: "presence", tcpPort: 4_001, shareDigest: aDigest } as const;
  bench.give(presence);
  const { transaction, message } = coordinator.open(bench.takeSent());
  assertEquals(message, { kind: "status", tcpPort: 4_001, shareDigest: aDigest });
  bench.datagram(coordinator.seal(transaction, { kind: "alive", ...coordinator.alive, sharesMatch: false }));
  assertEquals(bench.takeEvent("alive").alive.sharesMatch, false);
  bench.give(presence);
  assertEquals(bench.sent.length, 0);
});

Deno.test("Member tells a presence that changed while a keep-alive was out as soon as that is answered", () => {
  const { bench, coordinator } = online();
  bench.give({ kind: "presence", tcpPort: 1, shareDigest: aDigest });
  const first = coordinator.open(bench.takeSent());
  bench.give({ kind: "presence", tcpPort: 2, shareDigest: aDigest });
  assertEquals(bench.sent.length, 0, "one keep-alive at a time, so that they arrive in order");
  bench.datagram(coordinator.seal(first.transaction, { kind: "alive", ...coordinator.alive }));
  const second = coordinator.open(bench.takeSent()).message;
  assertEquals(second.kind === "status" && second.tcpPort, 2);
});

Deno.test("Member notices a share digest that its owner changed in place", () => {
  const { bench, coordinator } = online();
  const digest = new Uint8Array(32);
  bench.give({ kind: "presence", tcpPort: 5, shareDigest: digest });
  bench.converse(coordinator);
  toggleShare(digest, { name: "a", id: "1".repeat(64) as ContentId, bytes: 1, ...forEveryone });
  bench.give({ kind: "presence", tcpPort: 5, shareDigest: digest });
  const told = coordinator.open(bench.takeSent()).message;
  assertEquals(told.kind === "status" && told.shareDigest, digest);
});

Deno.test("Member goes offline when a keep-alive stays unanswered, and comes back by itself with growing pauses", () => {
  const { bench, coordinator } = online();
  bench.pass(2 * limits.keepAliveMs + limits.requestMs);
  const offline = bench.events[0]!;
  assert(offline.kind === "offline");
  assertInstanceOf(offline.error, TimeoutError);
  bench.pass(300_000);
  const pauses = bench.takeEvents().map((event) => event.kind === "offline" ? event.retryInMs : NaN);
  assert(pauses.length > 8);
  pauses.forEach((pause, i) => {
    const base = Math.min(15_000, 500 * 2 ** i);
    assert(pause >= base && pause <= base * 1.25 + 1, `pause ${i} is ${pause} ms`);
  });
  bench.dropSent();
  bench.pass(20_000);
  bench.sent.splice(0, bench.sent.length - 1); // HELLO's last repeat comes through.
  bench.converse(coordinator);
  assertEquals(bench.takeEvents().map((event) => event.kind).slice(-2), ["online", "alive"]);
  // The pauses begin anew.
  bench.datagram(coordinator.seal(0, close("busy")));
  assert(bench.takeEvent("offline").retryInMs <= 626);
});

Deno.test("Member never asks for the password again: after a RESET it logs in at once, by its device's key", () => {
  const { bench, coordinator } = online();
  bench.datagram(coordinator.reset());
  assertEquals(bench.takeEvent("offline").retryInMs, 0);
  bench.converse(coordinator);
  assertEquals(bench.takeEvents().map((event) => event.kind), ["online", "alive"]);
});

Deno.test("Member ignores a RESET with another token, of another session, or repeated after the session is gone", () => {
  const { bench, coordinator } = online();
  const rightReset = coordinator.reset();
  bench.datagram(coordinator.reset(new Uint8Array(16)));
  const otherSession = rightReset.slice();
  otherSession[9]! ^= 1;
  bench.datagram(otherSession);
  assertEquals([bench.events.length, bench.sent.length, bench.member.state], [0, 0, "online"]);
  bench.datagram(rightReset);
  bench.takeEvent("offline");
  const hello = bench.takeSent();
  bench.datagram(rightReset);
  assertEquals([bench.events.length, bench.sent.length], [0, 0]);
  bench.datagram(coordinator.cookie(hello));
  expectEnvelope(bench.takeSent(), "deviceStart");
});

Deno.test("Member stops when another login of its device or the operator ends the session, and comes back from a stop", () => {
  for (const code of ["sessionEnded", "disabled", "denied"] as const) {
    const { bench, coordinator } = online();
    bench.give(ask(1));
    bench.dropSent();
    bench.datagram(coordinator.seal(0, close(code)));
    const [failed, denied] = bench.takeEvents();
    assert(failed?.kind === "failed" && failed.handle === 1 && denied?.kind === "denied");
    assertEquals(denied.error.code, code);
    // One code for both, so neither may be told as the only one (lib/coordinator/admin.ts).
    if (code === "denied") assertMatch(denied.error.message, /password was changed, or it was removed/);
    bench.pass(120_000);
    assertEquals([bench.sent.length, bench.member.wakeAtMs], [0, Infinity]);
  }
  const { bench, coordinator } = online();
  bench.datagram(coordinator.seal(0, close("interrupted")));
  const { error, retryInMs } = bench.takeEvent("offline");
  assertInstanceOf(error, RemoteError);
  bench.pass(retryInMs);
  bench.converse(coordinator);
  assertEquals(bench.takeEvents()[0]!.kind, "online");
});

Deno.test("Member repeats a request under one transaction and new packet numbers, and takes one answer", () => {
  const { bench, coordinator } = online();
  bench.give(ask(1));
  bench.pass(2_000);
  const sent = bench.sent.splice(0).map(({ bytes }) => coordinator.open(bytes));
  assert(sent.length >= 3);
  assertEquals(new Set(sent.map((one) => one.transaction)).size, 1);
  const answer = { kind: "accountIs", account: "account1", publicKey: null } as const;
  const { transaction } = sent[0]!;
  bench.datagram(coordinator.seal(transaction, answer));
  assertEquals(bench.takeEvent("answered"), { kind: "answered", handle: 1, answer });
  bench.datagram(coordinator.seal(transaction, answer));
  bench.datagram(coordinator.seal(transaction + 50, answer));
  assertEquals(bench.events, []);
});

Deno.test("Member ignores sealed answers that were altered, replayed or sealed for another session", () => {
  const { bench, coordinator } = online();
  bench.give(ask(1));
  const { transaction } = coordinator.open(bench.takeSent());
  const answer = coordinator.seal(transaction, { kind: "accountIs", account: "account1", publicKey: null });
  for (const at of [2, 9, 10, 17, 18, answer.length - 1]) {
    const altered = answer.slice();
    altered[at]! ^= 1;
    bench.datagram(altered);
  }
  bench.datagram(answer.subarray(0, answer.length - 1));
  const other = online({ seed: 2 });
  bench.datagram(other.coordinator.seal(transaction, { kind: "accountIs", account: "x", publicKey: null }));
  assertEquals(bench.events, []);
  bench.datagram(answer);
  bench.takeEvent("answered");
  bench.give(ask(2));
  bench.datagram(answer);
  assertEquals(bench.events, []);
});

Deno.test("Member reports a refusal, an answer of the wrong kind, and a request without an answer in its own time", () => {
  const { bench, coordinator } = online();
  bench.give(ask(1));
  bench.datagram(
    coordinator.seal(coordinator.open(bench.takeSent()).transaction, errorMessage("busy", "later", 9_000)),
  );
  const refused = bench.takeEvent("failed").error;
  assertInstanceOf(refused, RemoteError);
  assertEquals([refused.code, refused.retryAfterMs], ["busy", 9_000]);
  bench.give(ask(2));
  bench.datagram(coordinator.seal(coordinator.open(bench.takeSent()).transaction, { kind: "done" }));
  assertInstanceOf(bench.takeEvent("failed").error, ProtocolError);
  bench.give(ask(3, { timeoutMs: 1_500 }));
  bench.pass(1_499);
  assertEquals(bench.events, []);
  bench.pass(1);
  const failed = bench.takeEvent("failed");
  assertInstanceOf(failed.error, TimeoutError);
  assertEquals(failed.handle, 3);
});

Deno.test("Member has at most requestsInFlightMax requests out, and the others follow in order", () => {
  const { bench, coordinator } = online();
  const count = limits.requestsInFlightMax + 5;
  for (let handle = 1; handle <= count; handle++) bench.give(ask(handle));
  assertEquals(bench.sent.length, limits.requestsInFlightMax);
  const opened = bench.sent.splice(0).map(({ bytes }) => coordinator.open(bytes));
  for (let i = 0; i < 5; i++) {
    const { transaction, message } = opened[i]!;
    assert(message.kind === "account");
    bench.datagram(coordinator.seal(transaction, { kind: "accountIs", account: message.account, publicKey: null }));
    const next = coordinator.open(bench.takeSent()).message as MessageOf<"account">;
    assertEquals(next.account, `account${limits.requestsInFlightMax + i + 1}`);
  }
  assertEquals(bench.takeEvents().map((event) => event.kind === "answered" && event.handle), [1, 2, 3, 4, 5]);
});

Deno.test("Member carries requests over a lost session into the next, until their own deadline", () => {
  const { bench, coordinator } = online();
  bench.give(ask(1));
  bench.give(ask(2, { timeoutMs: 400 }));
  bench.dropSent();
  bench.datagram(coordinator.reset());
  bench.takeEvent("offline");
  bench.dropSent();
  bench.give(ask(3)); // While there is no session at all.
  bench.pass(500);
  const failed = bench.takeEvent("failed");
  assertEquals([failed.handle, failed.error.code], [2, "unreachable"]);
  const hello = bench.sent.at(-1)!;
  bench.sent.splice(0, Infinity, hello);
  bench.converse(coordinator);
  const events = bench.takeEvents();
  assertEquals(events.map((event) => event.kind).sort(), ["alive", "answered", "answered", "online"]);
  assertEquals(events.filter((event) => event.kind === "answered").map((event) => event.handle), [1, 3]);
});

Deno.test("Member is not thrown offline by a keep-alive of a session that it lost before", () => {
  const { bench, coordinator } = online();
  bench.give({ kind: "presence", tcpPort: 9, shareDigest: aDigest });
  bench.pass(limits.requestMs - 10);
  assertEquals(bench.member.state, "online");
  bench.dropSent();
  bench.datagram(coordinator.reset());
  bench.takeEvent("offline");
  // Its deadline comes just after the new session began, before the first answer there.
  for (let step = 0; step < 3; step++) bench.datagram(coordinator.answer(bench.takeSent())!);
  bench.takeEvent("online");
  bench.pass(100);
  assertEquals([bench.member.state, bench.events.length], ["online", 0]);
});

Deno.test("Member answers a path challenge with its token, and a REVOKE with `done`, however often they come", () => {
  const { bench, coordinator } = online();
  const token = new Uint8Array(8).fill(4);
  const contents = [{ id: "a".repeat(64) as ContentId, bytes: 12 }];
  const devices = ["b".repeat(64) as DeviceId];
  for (let i = 0; i < 2; i++) {
    bench.datagram(coordinator.seal(70, { kind: "pathChallenge", token }));
    assertEquals(coordinator.open(bench.takeSent()), { transaction: 70, message: { kind: "pathResponse", token } });
    bench.datagram(coordinator.seal(71, { kind: "revoke", contents, devices }));
    const [done, status] = bench.sent.splice(0).map(({ bytes }) => coordinator.open(bytes));
    assertEquals(done, { transaction: 71, message: { kind: "done" } });
    assertEquals(bench.takeEvent("revoked"), { kind: "revoked", contents, devices });
    // The share list may have changed, so it asks; once, while that is not answered.
    assertEquals(status?.message.kind, i === 0 ? "status" : undefined);
  }
});

Deno.test("Member renews its session before the keys end, and answers nothing of the old one", () => {
  const { bench, coordinator } = online();
  coordinator.alive = { ...coordinator.alive, keepAliveMs: 3_600_000 };
  const { sessionId } = coordinator;
  const startedAtMs = bench.nowMs;
  while (coordinator.sessionId === sessionId) {
    bench.pass(bench.member.wakeAtMs - bench.nowMs);
    bench.converse(coordinator);
    assert(bench.nowMs - startedAtMs < limits.sessionMs, "the keys' time is over");
  }
  assert(bench.nowMs - startedAtMs >= 0.9 * limits.sessionMs);
  const kinds = bench.takeEvents().map((event) => event.kind);
  assertEquals([kinds.includes("offline"), kinds.at(-2), kinds.at(-1)], [false, "online", "alive"]);
});

Deno.test("Member that leaves is told so once, answered or not, and forgets the password", () => {
  for (const answered of [true, false]) {
    const { bench, coordinator } = online();
    bench.give(ask(1));
    bench.dropSent();
    bench.give({ kind: "leave" });
    bench.give({ kind: "leave" });
    const leave = coordinator.open(bench.sent[0]!.bytes);
    assertEquals(leave.message, { kind: "leave" });
    if (answered) bench.datagram(coordinator.seal(leave.transaction, { kind: "done" }));
    else bench.pass(1_000);
    assertEquals(bench.takeEvents().map((event) => event.kind).sort(), ["failed", "left"]);
    assertEquals([bench.member.state, bench.member.wakeAtMs], ["stopped", Infinity]);
    bench.dropSent();
    bench.give(ask(2));
    assertInstanceOf(bench.takeEvent("failed").error, NetworkError);
    bench.pass(60_000);
    assertEquals(bench.sent.length, 0);
  }
});

Deno.test("Member that leaves while it logs in or waits stops at once", () => {
  const loggingIn = new MemberBench();
  loggingIn.login();
  loggingIn.give({ kind: "leave" });
  loggingIn.takeEvent("left");
  const waiting = new MemberBench();
  waiting.login();
  waiting.pass(limits.requestMs + 100);
  assertEquals(waiting.member.state, "waiting");
  waiting.takeEvents();
  waiting.give({ kind: "leave" });
  waiting.takeEvent("left");
  for (const bench of [loggingIn, waiting]) {
    assertEquals([bench.member.state, bench.member.wakeAtMs], ["stopped", Infinity]);
  }
});

Deno.test("Member tells where a coordinator that stops sends it, then goes on as after any loss", () => {
  const { bench, coordinator } = online();
  const elsewhere = [{ ip: "192.0.2.8", port: 5000 }, { ip: "192.0.2.9", port: 5001 }];
  bench.datagram(coordinator.seal(0, { ...close("busy"), elsewhere }));
  const [sentElsewhere, offline] = bench.takeEvents();
  assertEquals(sentElsewhere, { kind: "sentElsewhere", endpoints: elsewhere });
  assert(offline?.kind === "offline");
  bench.pass(offline.retryInMs);
  bench.converse(coordinator);
  assertEquals(bench.takeEvents().map((event) => event.kind), ["online", "alive"]);
});

Deno.test("Member is not stopped by the refusals of coordinators to which it was sent, only by those of its own", () => {
  const { bench, coordinator } = online();
  const elsewhere = [{ ip: "192.0.2.8", port: 5000 }];
  bench.datagram(coordinator.seal(0, { ...close("busy"), elsewhere }));
  const paused = bench.takeEvents().find((event) => event.kind === "offline")!;
  bench.pass(paused.retryInMs);
  const deny = () => {
    bench.datagram(coordinator.cookie(bench.takeSent()));
    // It knows another device by this account: as after a revocation.
    coordinator.enrolledKey = null;
    bench.datagram(coordinator.deviceReply(bench.takeSent()));
  };
  deny();
  const { retryInMs } = bench.takeEvent("offline");
  bench.pass(retryInMs);
  deny();
  assertEquals(bench.takeEvent("denied").error.code, "denied");
});
