/** What a coordinator makes of peers of other releases. */

import { assertEquals } from "@std/assert";
import { errorCodes } from "../../../lib/core/errors.ts";
import { limits } from "../../../lib/core/limits.ts";
import { protocolVersion } from "../../../lib/core/version.ts";
import { encodeCbor } from "../../../lib/wire/cbor.ts";
import { encodeHello, envelopeKinds } from "../../../lib/wire/envelope.ts";
import { encodeMessage, messageCodes } from "../../../lib/wire/message.ts";
import { reshape, reshapeStart, withFewer, withMore } from "../../wire/reshape.ts";
import { expectKind, labWith, ScriptedPeer } from "./lab.ts";
import { forEveryone } from "../../../lib/core/audience.ts";

const unknownCode = Math.max(...messageCodes.keys()) + 1;

Deno.test("a datagram of any other version is answered with the version list, in a login and in a session, and changes nothing", () => {
  const lab = labWith("ada");
  const peer = new ScriptedPeer(lab);
  const reply = peer.begin()!;
  for (let version = 1; version < 256; version++) {
    if (version === protocolVersion) continue;
    for (const datagram of [encodeHello(peer.nonce), peer.startDatagram]) {
      const future = datagram.slice();
      future[0] = version;
      const [list, ...more] = lab.deliver(peer.endpoint, future);
      assertEquals([expectKind(list, "versions").versions, more], [[protocolVersion], []]);
    }
  }
  assertEquals(peer.one(lab.deliver(peer.endpoint, peer.makeFinish(reply)!)).message.kind, "authenticated");
  const sealed = peer.seal(peer.status());
  sealed[0] = protocolVersion + 1;
  assertEquals(expectKind(lab.deliver(peer.endpoint, sealed)[0], "versions").versions, [protocolVersion]);
  assertEquals(peer.ask(peer.status()).kind, "alive");
});

Deno.test("a kind of datagram that is not known gets no answer and changes nothing", () => {
  const lab = labWith("ada");
  const peer = new ScriptedPeer(lab);
  const reply = peer.begin()!;
  const known = new Set<number>(Object.values(envelopeKinds));
  const strange = () => {
    for (let kind = 0; kind < 256; kind++) {
      if (known.has(kind)) continue;
      for (const size of [limits.helloBytes, limits.datagramBytesMax]) {
        const datagram = peer.startDatagram.slice(0, size);
        datagram[1] = kind;
        assertEquals(lab.deliver(peer.endpoint, datagram), [], `kind ${kind}`);
      }
    }
  };
  strange();
  assertEquals(peer.one(lab.deliver(peer.endpoint, peer.makeFinish(reply)!)).message.kind, "authenticated");
  strange();
  assertEquals(peer.ask(peer.status()).kind, "alive");
});

Deno.test("START, AUTH and requests with fields that are not known count as if they had none; with too few they get no answer", () => {
  const lab = labWith("ada");
  const peer = new ScriptedPeer(lab);
  assertEquals(lab.deliver(peer.endpoint, reshapeStart(peer.makeStart(peer.hello()), withFewer)), []);
  peer.startDatagram = reshapeStart(peer.makeStart(peer.hello()), withMore);
  const [reply] = lab.deliver(peer.endpoint, peer.startDatagram);
  peer.makeFinish(reply!);
  const { ke3 } = peer.login!;
  const finish = (payload: Uint8Array) => lab.deliver(peer.endpoint, peer.channel!.sealFinish(ke3, payload));
  assertEquals(finish(reshape(peer.lastAuth, withFewer)), []);
  assertEquals(peer.one(finish(reshape(peer.lastAuth, withMore))).message.kind, "authenticated");

  const ask = (payload: Uint8Array) => peer.read(lab.deliver(peer.endpoint, peer.channel!.seal(payload)));
  const list = encodeMessage(7, { kind: "listPeers", cursor: new Uint8Array(0) });
  assertEquals(ask(reshape(list, withFewer)), []);
  assertEquals(ask(reshape(list, withMore)).map(({ transaction, message }) => [transaction, message.kind]), [
    [7, "peers"],
  ]);
});

Deno.test("a message that is not known is refused with `version` under its transaction, inside a session alone", () => {
  const lab = labWith("ada");
  const peer = new ScriptedPeer(lab).join();
  const tell = (...items: readonly (number | string)[]) =>
    peer.read(lab.deliver(peer.endpoint, peer.channel!.seal(encodeCbor(items))));
  for (const code of [0, unknownCode, Number.MAX_SAFE_INTEGER]) {
    const [answer, ...more] = tell(code, 9, "more");
    assertEquals(more, []);
    assertEquals(answer!.transaction, 9);
    assertEquals(answer!.message.kind === "error" && answer!.message.code, errorCodes.version.wire);
  }
  for (const silent of [[unknownCode, 0], [unknownCode], [unknownCode, "9"], ["future", 9], [5, 9], []]) {
    assertEquals(tell(...silent), [], JSON.stringify(silent));
  }
  peer.ask({ kind: "leave" });
  assertEquals(tell(unknownCode, 9), [], "logged out");
  const before = new ScriptedPeer(lab, { device: 2 });
  before.makeFinish(before.begin()!);
  const { ke3 } = before.login!;
  assertEquals(lab.deliver(before.endpoint, before.channel!.sealFinish(ke3, encodeCbor([unknownCode, 1]))), []);
});

Deno.test("a peer that does not know a push refuses it, and is not asked again", () => {
  const lab = labWith("ada", "bob");
  const holder = new ScriptedPeer(lab).join();
  const other = new ScriptedPeer(lab, { device: 2 }).join();
  const entry = { name: "a", id: "07".repeat(32) as never, bytes: 1, ...forEveryone };
  holder.ask({ kind: "share", entries: [entry] });
  const pushed = holder.read(
    lab.deliver(other.endpoint, other.seal({ kind: "remove", names: ["a"], scope: "account" })),
  );
  assertEquals(pushed.map(({ message }) => message.kind), ["revoke"]);
  const refusal = { kind: "error", code: errorCodes.version.wire, text: "", retryAfterMs: 0 } as const;
  holder.say(refusal, pushed[0]!.transaction);
  assertEquals(holder.read(lab.wait(5_000)), []);
});
