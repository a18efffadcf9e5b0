import { assert, assertEquals, assertLessOrEqual } from "@std/assert";
import { limits } from "../../../lib/core/limits.ts";
import type { Endpoint } from "../../../lib/core/transport.ts";
import { protocolVersion } from "../../../lib/core/version.ts";
import { encodeHello, encodeVersions, envelopeKinds, sealedHeader } from "../../../lib/wire/envelope.ts";
import { messageCodes } from "../../../lib/wire/message.ts";
import { contentIdOf, flipped, type Lab, labWith, ScriptedPeer } from "./lab.ts";
import { messages } from "../../wire/samples.ts";
import { searchFor } from "../../../lib/wire/search_query.ts";
import { forEveryone } from "../../../lib/core/audience.ts";

/** An address that has proven nothing: a victim's, if the sender forged it. */
const unproven: Endpoint = { ip: "203.0.113.66", port: 6666 };

interface Row {
  readonly what: string;
  readonly request: Uint8Array;
}

/** Everything a stranger or a member can send from there, one of each. */
function rows(lab: Lab): Row[] {
  const stranger = new ScriptedPeer(lab, { device: 50, endpoint: unproven });
  const member = new ScriptedPeer(lab).join();
  for (let i = 0; i < 20; i++) {
    member.ask({
      kind: "share",
      entries: [{ name: `${i} ${"x".repeat(300)}`, id: contentIdOf(i), bytes: 9, ...forEveryone }],
    });
  }
  const pending = new ScriptedPeer(lab, { device: 3 });
  const finish = pending.makeFinish(pending.begin()!)!;
  const replyDatagram = pending.replyDatagram;
  const cookie = lab.sent.find(({ bytes }) => bytes[1] === envelopeKinds.cookie)!.bytes;
  const lost = new ScriptedPeer(lab, { device: 4 });
  lost.logIn();
  lost.ask({ kind: "leave" });
  lab.wait(60_000);
  const reset = lab.deliver(unproven, lost.seal({ kind: "leave" }))[0]!.bytes;
  const known = new ScriptedPeer(lab, { device: 5 }).join();
  const deviceStart = known.makeDeviceStart(new Uint8Array(24));
  const byKey = new ScriptedPeer(lab, { device: 5 });
  const deviceReply = byKey.beginByKey()!;
  byKey.readDeviceReply(deviceReply);
  const futureHello = encodeHello(stranger.nonce);
  futureHello[0] = protocolVersion + 1;

  // Every kind of message there is, LEAVE last.
  const kinds = Object.values(messages).map(({ message }) => message).filter(({ kind }) => kind !== "leave");
  return [
    { what: "another version, shortest answered", request: futureHello.subarray(0, 26) },
    { what: "another version", request: futureHello },
    { what: "HELLO", request: encodeHello(stranger.nonce) },
    { what: "COOKIE", request: cookie },
    { what: "START, cookie not good", request: stranger.makeStart(new Uint8Array(24)) },
    { what: "REPLY", request: replyDatagram },
    { what: "DEVICE_START, cookie not good", request: deviceStart },
    { what: "DEVICE_REPLY", request: deviceReply.bytes },
    { what: "SEALED of a pending login by key", request: byKey.sealAuth() },
    { what: "REFUSED", request: new Uint8Array([protocolVersion, envelopeKinds.refused, ...new Uint8Array(19)]) },
    { what: "FINISH of a pending login", request: finish },
    { what: "FINISH of no login", request: flipped(finish, 5) },
    { what: "SEALED, shortest, id of a lost session", request: lost.seal({ kind: "leave" }) },
    { what: "SEALED, a foreign id", request: flipped(lost.seal({ kind: "leave" }), 4) },
    { what: "SEALED, a live id, forged", request: forgedFor(member) },
    { what: "RESET", request: reset },
    { what: "version list", request: encodeVersions() },
    ...[...kinds, { kind: "leave" } as const].map((message) => ({
      what: `SEALED by a member: ${message.kind}`,
      request: member.seal(message),
    })),
  ];
}

function forgedFor(member: ScriptedPeer): Uint8Array {
  const forged = new Uint8Array(200).fill(5);
  forged.set(sealedHeader(member.channel!.sessionId, 99n));
  return forged;
}

Deno.test("nothing that reaches an unproven address is larger than what came from there, of any kind", () => {
  const lab = labWith("ada");
  const table: string[] = [];
  let answered = 0;
  for (const [i, { what, request }] of rows(lab).entries()) {
    // A port and a while of its own for each, so that neither credit nor rate of the others counts.
    lab.nowMs += 2_000;
    const toUnproven = lab.deliver({ ...unproven, port: unproven.port + i }, request).filter(({ to }) =>
      to.ip === unproven.ip
    );
    const answerBytes = toUnproven.reduce((sum, { bytes }) => sum + bytes.length, 0);
    answered += Number(answerBytes > 0);
    const ratio = answerBytes / request.length;
    table.push(
      `${what.padEnd(44)}${String(request.length).padStart(6)}${String(answerBytes).padStart(7)}${
        ratio.toFixed(2).padStart(7)
      }`,
    );
    assertLessOrEqual(ratio, 1, what);
  }
  console.log([`${"kind, from an unproven address".padEnd(44)}request answer  ratio`, ...table].join("\n"));
  for (const kind of messageCodes.values()) assert(table.some((row) => row.includes(`member: ${kind} `)), kind);
  assert(answered >= 8, "the table is about answers, not about silence");
});

Deno.test("after a good cookie START's answers are smaller than START still", () => {
  const lab = labWith("ada");
  const peer = new ScriptedPeer(lab, { signs: false });
  for (let i = 0; i < 10; i++) {
    const answer = peer.begin()!;
    assertLessOrEqual(answer.bytes.length, peer.startDatagram.length);
  }
});

Deno.test("after a good cookie DEVICE_START's answers are smaller than DEVICE_START still, whatever they say", () => {
  const lab = labWith("ada", "eve");
  const known = new ScriptedPeer(lab).join();
  const unread = new ScriptedPeer(lab, { device: 2 });
  const strange = new ScriptedPeer(lab, { device: 3 });
  for (let i = 0; i < limits.deviceStartsPerMinute + 5; i++) {
    for (const peer of [known, strange]) {
      const answer = peer.beginByKey()!;
      assertLessOrEqual(answer.bytes.length, peer.startDatagram.length);
    }
    unread.nonce = lab.random(16);
    const forged = flipped(unread.makeDeviceStart(unread.hello()), 100);
    assertLessOrEqual(lab.deliver(unread.endpoint, forged)[0]!.bytes.length, forged.length);
  }
});

Deno.test("what the coordinator tells by itself goes to proven addresses: FOUND, REVOKE, CLOSE with other coordinators", () => {
  const lab = labWith("ada", "bob");
  const watcher = new ScriptedPeer(lab).join();
  const sharer = new ScriptedPeer(lab, { account: "bob", device: 2 }).join();
  watcher.ask({ kind: "watch", watch: 1, query: searchFor("substring", "talk").query });
  // From now on the watcher, or who has its datagrams, is somewhere else, and answers no challenge there.
  lab.deliver(unproven, watcher.seal(watcher.status()));
  lab.clear();
  const entries = [{ name: "talk.mkv", id: contentIdOf(1), bytes: 9, ...forEveryone }];
  sharer.ask({ kind: "share", entries });
  sharer.ask({ kind: "remove", names: ["talk.mkv"], scope: "account" });
  lab.input({ kind: "accountChanged", account: "bob", code: "disabled" });
  lab.wait(5_000);
  const elsewhere = Array.from({ length: 4 }, (_, i) => ({ ip: `192.0.2.${i}`, port: 5000 }));
  lab.input({ kind: "drain", elsewhere, atOnce: limits.closesAtOnce });
  assert(lab.sent.some(({ to }) => to.ip === watcher.endpoint.ip), "it is told at all");
  assertEquals(lab.sent.filter(({ to }) => to.ip === unproven.ip), []);
});

Deno.test("unproven addresses leave no state behind and cause no question to the store", () => {
  const lab = labWith("ada");
  const start = new ScriptedPeer(lab).makeStart(new Uint8Array(24));
  const deviceStart = new ScriptedPeer(lab).makeDeviceStart(new Uint8Array(24));
  const before = lab.role.figures();
  for (let i = 0; i < 2_000; i++) {
    const from = { ip: `203.0.${i >> 8}.${i & 255}`, port: 1 + i };
    lab.deliver(from, encodeHello(lab.random(16)));
    lab.deliver(from, flipped(start, 2 + i % 40));
    lab.deliver(from, flipped(deviceStart, 2 + i % 240));
    lab.deliver(from, lab.random(i % 1_200));
  }
  const { sessions, pendingLogins } = lab.role.figures();
  assertEquals([sessions, pendingLogins], [before.sessions, before.pendingLogins]);
  assertEquals(lab.role.wakeAtMs, Infinity);
  assertEquals(lab.asked, []);
});
