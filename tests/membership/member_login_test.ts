import { assert, assertEquals, assertInstanceOf, assertNotEquals } from "@std/assert";
import { errorCodes, ProtocolError, RemoteError, ShoalError, TimeoutError } from "../../lib/core/errors.ts";
import { deviceIdFrom } from "../../lib/core/ids.ts";
import { limits } from "../../lib/core/limits.ts";
import { protocolVersion } from "../../lib/core/version.ts";
import { signingKeyFrom } from "../../lib/session/device_key.ts";
import { sealAccountKey } from "../../lib/session/account_key.ts";
import { verifyDevice } from "../../lib/session/proofs.ts";
import { encodeCookie, encodeRefused, encodeReply, encodeVersions } from "../../lib/wire/envelope.ts";
import { errorMessage } from "../../lib/wire/message.ts";
import { seeded } from "../sim/seeded.ts";
import { MemberBench } from "./member_bench.ts";
import { expectEnvelope, givenUpMs, ScriptedCoordinator } from "./scripted_coordinator.ts";

Deno.test("Member logs in through HELLO, START, FINISH and ENROL, and signs its device with a new account key", () => {
  const bench = new MemberBench();
  const coordinator = new ScriptedCoordinator();
  const { identity, alive } = bench.goOnline(coordinator);
  assertEquals(bench.member.state, "online");
  assertEquals([identity.account, identity.label, identity.accountKeyIsNew], ["ada", "vm", true]);
  assertEquals(identity.deviceId, deviceIdFrom(bench.device.publicKey));
  assertEquals(identity.accountKey, coordinator.accountKey!.publicKey);
  assert(verifyDevice(identity.accountKey, identity.deviceSignature, "ada", identity.deviceId));
  assertEquals(alive, coordinator.alive);
});

Deno.test("Member uses the account key that is stored, and enrols a device that it has not signed", () => {
  const coordinator = new ScriptedCoordinator();
  const first = new MemberBench({ seed: 1 }).goOnline(coordinator).identity;
  coordinator.enrolled = false;
  const second = new MemberBench({ seed: 2 }).goOnline(coordinator).identity;
  assertEquals(second.accountKey, first.accountKey);
  assertEquals(second.accountKeyIsNew, false);
  assertNotEquals(second.deviceId, first.deviceId);
  assert(coordinator.enrolled);
  // Enrolled already: no ENROL at all, AUTH's answer is enough.
  const again = new MemberBench({ seed: 2 });
  const transaction = again.reachFinish(coordinator);
  again.datagram(coordinator.seal(transaction, coordinator.authenticated()));
  assertEquals(again.takeEvent("online").identity.deviceSignature, second.deviceSignature);
});

Deno.test("Member notices a wrong password by itself and stops, without having sent a proof", () => {
  const bench = new MemberBench();
  const coordinator = new ScriptedCoordinator();
  bench.login("ada", "incorrect horse");
  bench.datagram(coordinator.cookie(bench.takeSent()));
  bench.datagram(coordinator.reply(bench.takeSent()));
  const { error } = bench.takeEvent("denied");
  assertInstanceOf(error, RemoteError);
  assertEquals(error.code, "denied");
  bench.pass(60_000);
  assertEquals([bench.sent.length, bench.events.length, bench.member.state], [0, 0, "stopped"]);
  assertEquals(bench.member.wakeAtMs, Infinity);
});

Deno.test("Member waits as long as REFUSED says, and then tries by itself", () => {
  const bench = new MemberBench();
  const coordinator = new ScriptedCoordinator();
  bench.login();
  bench.datagram(coordinator.cookie(bench.takeSent()));
  const { nonce } = expectEnvelope(bench.takeSent(), "start");
  bench.datagram(encodeRefused(nonce, errorCodes.tooManyTries.wire, 40_000));
  const { error, retryInMs } = bench.takeEvent("offline");
  assertEquals([error.code, (error as RemoteError).retryAfterMs, retryInMs], ["tooManyTries", 40_000, 40_000]);
  bench.pass(39_999);
  assertEquals(bench.sent.length, 0);
  bench.pass(1);
  bench.converse(coordinator);
  assertEquals(bench.takeEvents().map((event) => event.kind), ["online", "alive"]);
});

/** A version list of two that are not ours. */
const otherVersions = new Uint8Array([0, 2, protocolVersion + 1, protocolVersion + 2]);

Deno.test("Member believes a version list without its version only when HELLO stays unanswered", () => {
  const coordinator = new ScriptedCoordinator();
  const bench = new MemberBench();
  bench.login();
  const hello = bench.takeSent();
  bench.datagram(otherVersions);
  assertEquals(bench.events, [], "anybody may have sent it");
  bench.datagram(coordinator.cookie(hello));
  expectEnvelope(bench.takeSent(), "start");

  const other = new MemberBench();
  other.login();
  other.datagram(otherVersions);
  other.pass(5_000);
  assertEquals(other.takeEvent("denied").error.code, "version");
  assertEquals(other.member.state, "stopped");

  const same = new MemberBench();
  same.login();
  same.datagram(encodeVersions());
  same.pass(5_000);
  assertEquals(same.events, []);
});

Deno.test("Member repeats each step of the login until its answer comes", () => {
  const bench = new MemberBench();
  const coordinator = new ScriptedCoordinator();
  /** Lets three sendings of what is out go unanswered; the last one. */
  const loseThree = () => {
    bench.pass(2_200);
    assert(bench.sent.length >= 3, `only ${bench.sent.length} sendings`);
    const last = bench.sent.at(-1)!.bytes;
    bench.dropSent();
    return last;
  };
  bench.login();
  const hello = loseThree();
  assertEquals(hello.length, limits.helloBytes);
  bench.datagram(coordinator.cookie(hello));
  const start = bench.sent[0]!.bytes;
  const repeated = loseThree();
  assertEquals(repeated, start, "a repeated START has the same bytes: its answer belongs to all of them");
  bench.datagram(coordinator.reply(repeated));
  const firstFinish = expectEnvelope(bench.sent[0]!.bytes, "finish");
  const finish = loseThree();
  assertNotEquals(expectEnvelope(finish, "finish").packetNumber, firstFinish.packetNumber);
  const { transaction } = coordinator.accept(finish);
  bench.datagram(coordinator.seal(transaction, coordinator.authenticated()));
  const enrol = coordinator.open(loseThree());
  assert(enrol.message.kind === "enrol");
  bench.datagram(coordinator.seal(enrol.transaction, coordinator.enrol(enrol.message)));
  assertEquals(bench.takeEvent("online").identity.accountKeyIsNew, true);
});

Deno.test("Member waits for its own proof as long as it takes, and then as long for the coordinator as ever", () => {
  const bench = new MemberBench({ areProofsHeld: true });
  const coordinator = new ScriptedCoordinator();
  bench.login();
  bench.datagram(coordinator.cookie(bench.takeSent()));
  bench.pass(60_000);
  bench.prove();
  bench.pass(limits.requestMs / 2);
  const start = bench.sent.at(-1)!.bytes;
  bench.dropSent();
  bench.datagram(coordinator.reply(start));
  bench.pass(60_000);
  assertEquals([bench.sent, bench.events], [[], []], "no step is repeated while its answer is worked on");
  bench.prove();
  coordinator.accept(bench.takeSent());
  bench.pass(limits.requestMs / 2 - 1);
  assertEquals(bench.events, []);
  bench.pass(1);
  assertInstanceOf(bench.takeEvent("offline").error, TimeoutError);
});

Deno.test("Member hears nothing that comes while it makes its proof: neither a repeated REPLY nor a forged REFUSED", () => {
  const bench = new MemberBench({ areProofsHeld: true });
  const coordinator = new ScriptedCoordinator();
  bench.login();
  const hello = bench.takeSent();
  bench.datagram(coordinator.cookie(hello));
  bench.datagram(coordinator.cookie(hello, 2));
  bench.prove();
  const start = bench.takeSent();
  const reply = coordinator.reply(start);
  const buffer = reply.slice();
  bench.datagram(buffer);
  buffer.fill(0); // As a socket's buffer is: the next datagram comes in the same bytes.
  bench.datagram(reply);
  bench.datagram(encodeRefused(expectEnvelope(start, "start").nonce, errorCodes.tooManyTries.wire, 40_000));
  bench.datagram(coordinator.cookie(hello, 2));
  assertEquals([bench.proofs.length, bench.events], [1, []]);
  bench.prove();
  bench.converse(coordinator);
  assertEquals(bench.takeEvents().map((event) => event.kind), ["online", "alive"]);
});

Deno.test("Member tries to log in again later where a proof could not be made", () => {
  const bench = new MemberBench({ areProofsHeld: true });
  const coordinator = new ScriptedCoordinator();
  bench.login();
  bench.datagram(coordinator.cookie(bench.takeSent()));
  const error = new ShoalError("unknown", "Cannot prove the password: no memory");
  bench.give({ kind: "proved", proof: bench.proofs.shift()!.proof, proved: error });
  const offline = bench.takeEvent("offline");
  assertEquals(offline.error, error);
  bench.pass(offline.retryInMs);
  bench.datagram(coordinator.cookie(bench.takeSent()));
  bench.prove();
  bench.datagram(coordinator.reply(bench.takeSent()));
  bench.prove();
  bench.converse(coordinator);
  assertEquals(bench.takeEvents().map((event) => event.kind), ["online", "alive"]);
});

Deno.test("Member takes no proof that an earlier login asked for", () => {
  const bench = new MemberBench({ areProofsHeld: true });
  const coordinator = new ScriptedCoordinator();
  bench.login("ada", "incorrect horse");
  bench.datagram(coordinator.cookie(bench.takeSent()));
  bench.login();
  bench.prove();
  const hello = bench.takeSent();
  bench.datagram(coordinator.cookie(hello));
  bench.login("ada", "incorrect horse");
  bench.datagram(coordinator.cookie(bench.takeSent()));
  bench.login();
  bench.datagram(coordinator.cookie(bench.takeSent()));
  bench.prove();
  bench.prove();
  assertEquals(bench.sent, [], "both were asked for by others");
  bench.prove();
  bench.datagram(coordinator.reply(bench.takeSent()));
  bench.prove();
  bench.converse(coordinator);
  assertEquals(bench.takeEvents().map((event) => event.kind), ["online", "alive"]);
});

Deno.test("Member gives an attempt up after requestMs at each step, and begins the next with HELLO", () => {
  for (const steps of [0, 1, 2, 3]) {
    const bench = new MemberBench();
    const coordinator = new ScriptedCoordinator();
    bench.login();
    for (let step = 0; step < steps; step++) bench.datagram(coordinator.answer(bench.takeSent())!);
    bench.dropSent();
    bench.pass(givenUpMs - bench.nowMs + 1_000_000);
    const { error, retryInMs } = bench.takeEvent("offline");
    assertInstanceOf(error, TimeoutError);
    assert(retryInMs >= 500 && retryInMs <= 625, `${retryInMs} ms`);
    bench.dropSent();
    bench.pass(retryInMs);
    expectEnvelope(bench.takeSent(), "hello");
  }
});

Deno.test("Member spaces its repeats: each waits as long as the last or longer, none more than the maximum and its jitter", () => {
  const bench = new MemberBench();
  bench.login();
  bench.pass(limits.requestMs - 1);
  const gaps = bench.sent.map(({ atMs }, i) => atMs - (bench.sent[i - 1]?.atMs ?? atMs)).slice(1);
  assert(bench.sent.length >= 9 && bench.sent.length <= 13, `${bench.sent.length} datagrams`);
  gaps.forEach((gap, i) => {
    const base = Math.min(limits.retransmitMaxMs, limits.retransmitFirstMs * 2 ** i);
    assert(gap >= base && gap <= base * 1.25 + 1, `gap ${i} is ${gap} ms`);
  });
});

Deno.test("Member ignores cleartext answers that do not repeat its nonce, at every step", () => {
  const forged = new Uint8Array(16).fill(9);
  const junk = [
    encodeCookie(forged, new Uint8Array(24)),
    encodeReply(forged, 5n, new Uint8Array(320)),
    encodeRefused(forged, errorCodes.denied.wire, 0),
  ];
  const bench = new MemberBench();
  const coordinator = new ScriptedCoordinator();
  bench.login();
  for (let step = 0; step < 4; step++) {
    const { state } = bench.member;
    for (const datagram of junk) bench.datagram(datagram);
    assertEquals([bench.member.state, bench.sent.length, bench.events.length], [state, 1, 0]);
    bench.datagram(coordinator.answer(bench.takeSent())!);
  }
  assertEquals(bench.takeEvent("online").kind, "online");
});

Deno.test("Member ignores repeated answers: a second COOKIE, REPLY or `authenticated` changes nothing", () => {
  const bench = new MemberBench();
  const coordinator = new ScriptedCoordinator();
  bench.login();
  const cookie = coordinator.cookie(bench.takeSent());
  bench.datagram(cookie);
  const start = bench.takeSent();
  // Answering this with another START would make the REPLY to the first look like a wrong password.
  bench.datagram(cookie);
  assertEquals(bench.sent.length, 0);
  const reply = coordinator.reply(start);
  bench.datagram(reply);
  const finish = bench.takeSent();
  bench.datagram(reply);
  bench.datagram(cookie);
  assertEquals([bench.sent.length, bench.events.length, bench.member.state], [0, 0, "finish"]);
  const authenticated = coordinator.seal(coordinator.accept(finish).transaction, coordinator.authenticated());
  bench.datagram(authenticated);
  const enrol = bench.takeSent();
  bench.datagram(authenticated);
  assertEquals([bench.sent.length, bench.member.state], [0, "enrol"]);
  bench.datagram(coordinator.answer(enrol)!);
  assertEquals(bench.takeEvent("online").identity.account, "ada");
});

Deno.test("Member begins anew when START is answered with a fresh cookie: the old one had grown too old", () => {
  const bench = new MemberBench();
  const coordinator = new ScriptedCoordinator();
  bench.login();
  const hello = bench.takeSent();
  bench.datagram(coordinator.cookie(hello, 1));
  const oldStart = bench.takeSent();
  const oldReply = coordinator.reply(oldStart);
  bench.datagram(coordinator.cookie(hello, 2));
  const newHello = bench.takeSent();
  assertNotEquals(expectEnvelope(newHello, "hello").nonce, expectEnvelope(hello, "hello").nonce);
  bench.datagram(coordinator.cookie(newHello, 2));
  bench.datagram(oldReply);
  assertEquals([bench.events.length, bench.member.state], [0, "start"], "a late REPLY to the old START says nothing");
  bench.converse(coordinator);
  assertEquals(bench.takeEvents()[0]!.kind, "online");
});

Deno.test("Member refuses an answer for another account, and takes another spelling of its own", () => {
  const bench = new MemberBench();
  const coordinator = new ScriptedCoordinator();
  const transaction = bench.reachFinish(coordinator);
  bench.datagram(coordinator.seal(transaction, { ...coordinator.authenticated(), account: "eve" }));
  assertInstanceOf(bench.takeEvent("denied").error, ProtocolError);

  const other = new MemberBench();
  const sameTransaction = other.reachFinish(coordinator);
  other.datagram(coordinator.seal(sameTransaction, { ...coordinator.authenticated(), account: "Ada" }));
  const enrol = coordinator.open(other.takeSent());
  assert(enrol.message.kind === "enrol");
  other.datagram(coordinator.seal(enrol.transaction, coordinator.enrol(enrol.message)));
  assertEquals(other.takeEvent("online").identity.account, "Ada");
});

Deno.test("Member refuses an account key that its password does not open, and replaces it by none", () => {
  const random = seeded(5).bytes;
  const key = signingKeyFrom(random(32));
  const bench = new MemberBench();
  const coordinator = new ScriptedCoordinator();
  coordinator.accountKey = { publicKey: key.publicKey, sealed: sealAccountKey(random(64), "ada", key, random) };
  for (const enrolled of [false, true]) {
    coordinator.enrolled = enrolled;
    const transaction = bench.reachFinish(coordinator);
    bench.datagram(coordinator.seal(transaction, coordinator.authenticated()));
    assertEquals(bench.takeEvent("denied").error.code, "integrity");
    assertEquals(bench.sent.length, 0);
  }
});

Deno.test("Member that loses the race for the account key logs in again and takes the winner's", () => {
  const bench = new MemberBench();
  const coordinator = new ScriptedCoordinator();
  const transaction = bench.reachFinish(coordinator);
  bench.datagram(coordinator.seal(transaction, coordinator.authenticated()));
  const enrol = coordinator.open(bench.takeSent());
  assert(enrol.message.kind === "enrol");
  const otherKey = { publicKey: signingKeyFrom(seeded(6).bytes(32)).publicKey, sealed: new Uint8Array(60) };
  bench.datagram(coordinator.seal(enrol.transaction, { kind: "enrolled", accountKey: otherKey, enrolled: false }));
  const winner = new MemberBench({ seed: 2 }).goOnline(coordinator).identity;
  coordinator.enrolled = false;
  bench.converse(coordinator);
  const [online] = bench.takeEvents();
  assert(online?.kind === "online");
  assertEquals(online.identity.accountKey, winner.accountKey);
  assertEquals(online.identity.accountKeyIsNew, false);
});

Deno.test("Member tells why the coordinator refused AUTH or ENROL, and comes back only from busy", () => {
  const cases = [["disabled", "denied"], ["denied", "denied"], ["limit", "denied"], ["busy", "offline"]] as const;
  for (const [code, event] of cases) {
    const bench = new MemberBench();
    const coordinator = new ScriptedCoordinator();
    const transaction = bench.reachFinish(coordinator);
    bench.datagram(coordinator.seal(transaction, errorMessage(code, "because", 7_000)));
    const told = bench.takeEvent(event);
    assertEquals(told.error.code, code);
    if (told.kind === "offline") assertEquals(told.retryInMs, 7_000);
    bench.pass(10_000);
    assertEquals(bench.sent.length > 0, event === "offline");
  }
});
