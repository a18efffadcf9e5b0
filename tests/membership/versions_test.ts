/** What a peer makes of coordinators of other releases. */

import { assertEquals } from "@std/assert";
import { errorCodes } from "../../lib/core/errors.ts";
import { limits } from "../../lib/core/limits.ts";
import { protocolVersion } from "../../lib/core/version.ts";
import { encodeCbor } from "../../lib/wire/cbor.ts";
import { encodeHello, envelopeKinds } from "../../lib/wire/envelope.ts";
import { encodeMessage, type Message, messageCodes } from "../../lib/wire/message.ts";
import { reshape, withFewer, withMore } from "../wire/reshape.ts";
import { MemberBench } from "./member_bench.ts";
import { ScriptedCoordinator } from "./scripted_coordinator.ts";

const unknownCode = Math.max(...messageCodes.keys()) + 1;
const newer = new Uint8Array([0, 1, protocolVersion + 1]);

Deno.test("a login where HELLO gets version lists alone ends by saying who speaks what, and which of the two to update", () => {
  const bench = new MemberBench();
  bench.login();
  bench.datagram(newer);
  bench.pass(5_000);
  const { error } = bench.takeEvent("denied");
  assertEquals([error.code, error.exitCode], ["version", 5]);
  assertEquals(
    error.message,
    `Cannot log in: the coordinator speaks protocol ${protocolVersion + 1} and this peer speaks ${protocolVersion}`,
  );
  assertEquals(error.hint, "Update this peer");
  assertEquals(bench.sent.length, 3, "three HELLOs first: the list proves nothing");
});

Deno.test("forged version lists stop no login that is answered, at whatever step they come", () => {
  const coordinator = new ScriptedCoordinator();
  const bench = new MemberBench();
  bench.login();
  for (let next = bench.sent.shift(); next !== undefined; next = bench.sent.shift()) {
    bench.datagram(newer);
    const answer = coordinator.answer(next.bytes);
    if (answer !== undefined) bench.datagram(answer);
    bench.datagram(newer);
  }
  assertEquals(bench.takeEvents().map(({ kind }) => kind), ["online", "alive"]);
});

Deno.test("a peer whose coordinator comes back with another protocol says so, and a list alone does not log it out", () => {
  const coordinator = new ScriptedCoordinator();
  const bench = new MemberBench();
  bench.goOnline(coordinator);
  bench.datagram(newer);
  assertEquals([bench.member.state, bench.events], ["online", []]);
  for (let step = 0; step < 100 && bench.member.state !== "stopped"; step++) {
    bench.pass(1_000);
    for (const _ of bench.sent.splice(0)) bench.datagram(newer);
  }
  const events = bench.takeEvents();
  // Once for the silence, then for lists that may have been forged as long as that goes on; the fifth is believed.
  assertEquals(events.map(({ kind }) => kind), [...Array(5).fill("offline"), "denied"]);
  for (const event of events.slice(1)) assertEquals("error" in event && event.error.code, "version");
});

Deno.test("a kind of datagram that is not known changes nothing, in a login and in a session", () => {
  const coordinator = new ScriptedCoordinator();
  const bench = new MemberBench();
  const known = new Set<number>(Object.values(envelopeKinds));
  const strange = () => {
    for (let kind = 0; kind < 256; kind++) {
      if (known.has(kind)) continue;
      const datagram = encodeHello(new Uint8Array(16));
      datagram[1] = kind;
      bench.datagram(datagram);
    }
  };
  bench.login();
  const hello = bench.takeSent();
  strange();
  bench.datagram(coordinator.cookie(hello));
  strange();
  bench.converse(coordinator);
  strange();
  assertEquals(bench.takeEvents().map(({ kind }) => kind), ["online", "alive"]);
  assertEquals([bench.sent.length, bench.member.state], [0, "online"]);
});

Deno.test("answers and pushes with fields that are not known count as if they had none; with too few they are as if they had not come", () => {
  const coordinator = new ScriptedCoordinator();
  const bench = new MemberBench();
  const transaction = bench.reachFinish(coordinator);
  const authenticated = encodeMessage(transaction, coordinator.authenticated());
  bench.datagram(coordinator.sealPayload(reshape(authenticated, withFewer)));
  assertEquals([bench.member.state, bench.sent.length], ["finish", 0]);
  bench.datagram(coordinator.sealPayload(reshape(authenticated, withMore)));
  assertEquals(bench.member.state, "enrol");
  bench.converse(coordinator);
  assertEquals(bench.takeEvents().map(({ kind }) => kind), ["online", "alive"]);

  const revoke = encodeMessage(1, { kind: "revoke", contents: [], devices: [] });
  bench.datagram(coordinator.sealPayload(reshape(revoke, withFewer)));
  assertEquals([bench.events, bench.sent.length], [[], 0]);
  bench.datagram(coordinator.sealPayload(reshape(revoke, withMore)));
  bench.takeEvent("revoked");
  assertEquals(coordinator.open(bench.sent[0]!.bytes), { transaction: 1, message: { kind: "done" } });
});

Deno.test("a push that is not known is refused with `version` under its transaction; a notice that is not known is not answered", () => {
  const coordinator = new ScriptedCoordinator();
  const bench = new MemberBench();
  bench.goOnline(coordinator);
  bench.datagram(coordinator.sealPayload(encodeCbor([unknownCode, 4, "more"])));
  const { transaction, message } = coordinator.open(bench.takeSent());
  assertEquals([transaction, message.kind === "error" && message.code], [4, errorCodes.version.wire]);
  for (const silent of [[unknownCode, 0], [unknownCode], ["future", 4], []]) {
    bench.datagram(coordinator.sealPayload(encodeCbor(silent)));
    assertEquals(bench.sent.length, 0, JSON.stringify(silent));
  }
  assertEquals(bench.member.state, "online");
});

Deno.test("a request that the coordinator does not know fails at once with `version`, and says which side is the older one", () => {
  const coordinator = new ScriptedCoordinator();
  const bench = new MemberBench();
  bench.goOnline(coordinator);
  const ask = (code: number) => {
    const request = { kind: "account", account: "ada" } as const;
    bench.give({ kind: "request", handle: 1, request, timeoutMs: limits.requestMs });
    const { transaction } = coordinator.open(bench.takeSent());
    const answer: Message = { kind: "error", code, text: "that message is not known here", retryAfterMs: 0 };
    bench.datagram(coordinator.seal(transaction, answer));
    return bench.takeEvent("failed").error;
  };
  const unknown = ask(errorCodes.version.wire);
  assertEquals([unknown.code, unknown.retryable], ["version", false]);
  assertEquals(unknown.hint, "Update the coordinator: it is older than this peer");
  assertEquals(ask(200).code, "unknown", "a code of a later release");
});
