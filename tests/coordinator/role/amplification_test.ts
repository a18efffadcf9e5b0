import { assert, assertEquals, assertLessOrEqual } from "@std/assert";
import type { Endpoint } from "../../../lib/core/transport.ts";
import { protocolVersion } from "../../../lib/core/version.ts";
import { emptyShareDigest } from "../../../lib/session/share_digest.ts";
import { encodeHello, encodeVersions, envelopeKinds, sealedHeader } from "../../../lib/wire/envelope.ts";
import type { Message } from "../../../lib/wire/message.ts";
import { contentIdOf, flipped, type Lab, labWith, ScriptedPeer } from "./lab.ts";

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
    member.ask({ kind: "share", entries: [{ name: `${i} ${"x".repeat(300)}`, id: contentIdOf(i), bytes: 9 }] });
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
  const futureHello = encodeHello(stranger.nonce);
  futureHello[0] = protocolVersion + 1;

  const first = new Uint8Array(0);
  const asked: readonly Message[] = [
    { kind: "leave" },
    { kind: "done" },
    { kind: "pathResponse", token: new Uint8Array(8) },
    { kind: "status", tcpPort: 6000, shareDigest: emptyShareDigest() },
    { kind: "share", entries: [{ name: "y", id: contentIdOf(9), bytes: 9 }] },
    { kind: "remove", names: ["none"], scope: "device" },
    { kind: "listPeers", cursor: first },
    { kind: "listFiles", scope: "account", cursor: first },
    { kind: "search", mode: "substring", pattern: "x", cursor: first },
    { kind: "locate", content: { id: contentIdOf(1), bytes: 9 }, offer: true, cursor: first },
    { kind: "tickets", deviceId: member.deviceId, contents: [{ id: contentIdOf(1), bytes: 9 }] },
    { kind: "report", deviceId: member.deviceId, ticket: new Uint8Array(119), reason: "stalled" },
    { kind: "account", account: "ada" },
  ];
  return [
    { what: "another version, shortest answered", request: futureHello.subarray(0, 26) },
    { what: "another version", request: futureHello },
    { what: "HELLO", request: encodeHello(stranger.nonce) },
    { what: "COOKIE", request: cookie },
    { what: "START, cookie not good", request: stranger.makeStart(new Uint8Array(24)) },
    { what: "REPLY", request: replyDatagram },
    { what: "REFUSED", request: new Uint8Array([protocolVersion, envelopeKinds.refused, ...new Uint8Array(19)]) },
    { what: "FINISH of a pending login", request: finish },
    { what: "FINISH of no login", request: flipped(finish, 5) },
    { what: "SEALED, shortest, id of a lost session", request: lost.seal({ kind: "leave" }) },
    { what: "SEALED, a foreign id", request: flipped(lost.seal({ kind: "leave" }), 4) },
    { what: "SEALED, a live id, forged", request: forgedFor(member) },
    { what: "RESET", request: reset },
    { what: "version list", request: encodeVersions() },
    ...asked.slice(2).map((message) => ({
      what: `SEALED by a member: ${message.kind}`,
      request: member.seal(message),
    })),
    { what: "SEALED by a member: done", request: member.seal({ kind: "done" }) },
    { what: "SEALED by a member: leave", request: member.seal({ kind: "leave" }) },
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

Deno.test("unproven addresses leave no state behind and cause no question to the store", () => {
  const lab = labWith("ada");
  const start = new ScriptedPeer(lab).makeStart(new Uint8Array(24));
  const before = lab.role.figures();
  for (let i = 0; i < 2_000; i++) {
    const from = { ip: `203.0.${i >> 8}.${i & 255}`, port: 1 + i };
    lab.deliver(from, encodeHello(lab.random(16)));
    lab.deliver(from, flipped(start, 2 + i % 40));
    lab.deliver(from, lab.random(i % 1_200));
  }
  const { sessions, pendingLogins } = lab.role.figures();
  assertEquals([sessions, pendingLogins], [before.sessions, before.pendingLogins]);
  assertEquals(lab.role.wakeAtMs, Infinity);
  assertEquals(lab.asked, []);
});
