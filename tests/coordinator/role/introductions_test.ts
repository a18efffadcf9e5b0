import { assert, assertEquals, assertGreater } from "@std/assert";
import { errorCodes } from "../../../lib/core/errors.ts";
import { limits } from "../../../lib/core/limits.ts";
import { openTicket } from "../../../lib/session/ticket.ts";
import type { HolderEntry, Message, MessageOf } from "../../../lib/wire/message.ts";
import { contentIdOf, type Lab, labWith, type PeerOptions, ScriptedPeer } from "./lab.ts";
import { forEveryone } from "../../../lib/core/audience.ts";

const content = { id: contentIdOf(7), bytes: 1007 };
const share: Message = { kind: "share", entries: [{ name: "a.txt", ...content, ...forEveryone }] };
const locate: MessageOf<"locate"> = { kind: "locate", content, offer: false, cursor: new Uint8Array(0) };

function holderOf(lab: Lab, options: PeerOptions): ScriptedPeer {
  const holder = new ScriptedPeer(lab, options).join();
  holder.ask(share);
  return holder;
}

function fetcherOf(lab: Lab, options: PeerOptions = {}): ScriptedPeer {
  return new ScriptedPeer(lab, { account: "bob", device: 99, ...options }).join();
}

function located(peer: ScriptedPeer): readonly HolderEntry[] {
  const all: HolderEntry[] = [];
  let cursor: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  do {
    const page = peer.askFor("holders", { ...locate, cursor });
    all.push(...page.holders);
    cursor = page.cursor;
  } while (cursor.length > 0);
  return all;
}

function byLabel(entries: readonly HolderEntry[]): readonly HolderEntry[] {
  return entries.toSorted((a, b) => a.label < b.label ? -1 : 1);
}

Deno.test("locate names every reachable holder once, with its key, endpoint and a ticket that only it can open", () => {
  const lab = labWith("ada", "bob");
  const holders = [1, 2, 3, 4, 5].map((device) => holderOf(lab, { device }));
  const fetcher = fetcherOf(lab);
  const found = byLabel(located(fetcher));
  assertEquals(found.map(({ deviceId }) => deviceId), holders.map(({ deviceId }) => deviceId));
  for (const [i, entry] of found.entries()) {
    const holder = holders[i]!;
    assertEquals(entry.endpoints, [{ ip: holder.endpoint.ip, port: 6000 }]);
    assertEquals(entry.certificate, holder.certificate);
    const { ticketKeys } = holder.askFor("alive", holder.status());
    const ticket = openTicket(ticketKeys, entry.ticket);
    assert(ticket.ok);
    assertEquals(ticket.value, {
      account: "bob",
      deviceId: fetcher.deviceId,
      ...content,
      share: ticket.value.share,
      expiresAtMs: lab.nowMs + limits.ticketMs,
    });
    const other = holders[(i + 1) % holders.length]!;
    assertEquals(openTicket(other.askFor("alive", other.status()).ticketKeys, entry.ticket).ok, false);
  }
});

Deno.test("locate names nobody who is away, unreachable, without a port, of a low port, not enrolled, or the asking device", () => {
  const lab = labWith("ada", "bob");
  holderOf(lab, { device: 1 });
  holderOf(lab, { device: 2, tcpPort: 0 });
  holderOf(lab, { device: 3, tcpPort: 1023 });
  lab.reachable = false;
  holderOf(lab, { device: 4 });
  lab.reachable = true;
  const unsigned = new ScriptedPeer(lab, { device: 5 });
  unsigned.logIn();
  unsigned.ask(share);
  const left = holderOf(lab, { device: 6 });
  left.ask({ kind: "leave" });
  const fetcher = holderOf(lab, { account: "bob", device: 7 });
  assertEquals(located(fetcher).map(({ label }) => label), ["vm-1"]);
  assertEquals(lab.probes.map(({ endpoint }) => endpoint.port), [6000, 6000, 6000, 6000, 6000]);
  lab.wait(limits.keepAliveMs * limits.keepAliveMisses - 1);
  fetcher.ask(fetcher.status());
  lab.wait(1);
  assertEquals(located(fetcher), []);
});

Deno.test("locate goes past any number of holders that are not offered", () => {
  const lab = labWith("ada", "bob");
  lab.reachable = false;
  for (let device = 1; device <= 20; device++) holderOf(lab, { device });
  lab.reachable = true;
  holderOf(lab, { device: 21 });
  assertEquals(located(fetcherOf(lab)).map(({ label }) => label), ["vm-21"]);
});

Deno.test("locate does not name a device that has left, though the store was too busy to hear of it", () => {
  const lab = labWith("ada", "bob");
  const holder = holderOf(lab, { device: 1 });
  const fetcher = fetcherOf(lab);
  lab.refuses = ({ operation }) => operation === "presence";
  holder.ask({ kind: "leave" });
  assertEquals(located(fetcher), []);
});

Deno.test("a device that its account key has not signed may share and list, but not locate", () => {
  const lab = labWith("ada");
  const peer = new ScriptedPeer(lab);
  peer.logIn();
  const refused = peer.askFor("error", locate);
  assertEquals(refused.code, errorCodes.denied.wire);
  assertEquals(peer.ask(share).kind, "done");
  assertEquals(peer.ask({ kind: "listPeers", cursor: new Uint8Array(0) }).kind, "peers");
});

Deno.test("locate waits for the dial-back to a holder that has just logged in", () => {
  const lab = labWith("ada", "bob");
  lab.reachable = undefined;
  holderOf(lab, { device: 1 });
  holderOf(lab, { device: 2 });
  const fetcher = fetcherOf(lab, { tcpPort: 0 });
  assertEquals(fetcher.say(locate), []);
  const sent = lab.answerProbes(true);
  const answers = fetcher.read(sent).map(({ message }) => message);
  assertEquals(answers.map((one) => one.kind === "holders" ? byLabel(one.holders).map(({ label }) => label) : []), [[
    "vm-1",
    "vm-2",
  ]]);
  assertEquals(located(fetcher).length, 2);
});

Deno.test("a dial-back goes to the proven address alone, one at a time and each ten seconds, and is repeated after a failure", () => {
  const lab = labWith("ada");
  lab.reachable = undefined;
  const peer = new ScriptedPeer(lab).join();
  const status = (tcpPort: number) => peer.askFor("alive", { ...peer.status(), tcpPort } as Message).reachable;
  assertEquals(lab.probes.map(({ endpoint, certificate }) => [endpoint, certificate]), [
    [{ ip: peer.endpoint.ip, port: 6000 }, peer.certificate],
  ]);
  for (let port = 7000; port < 7020; port++) assertEquals(status(port), "unknown");
  lab.wait(limits.probeEveryMs);
  assertEquals(status(7019), "unknown");
  assertEquals(lab.probes.length, 1, "one is under way");
  lab.answerProbes(true);
  assertEquals(status(7019), "unknown", "the answer was about another port");
  assertEquals(lab.probes.map(({ endpoint }) => endpoint.port), [7019]);
  lab.answerProbes(true);
  assertEquals(status(7018), "unknown");
  assertEquals(lab.probes.length, 0, "not yet ten seconds");
  lab.wait(limits.probeEveryMs);
  status(7019);
  assertEquals(lab.probes.map(({ endpoint }) => endpoint.port), [7019]);
  lab.answerProbes(false);
  assertEquals(status(7019), "no");
  lab.wait(limits.probeAgainMs - 1);
  status(7019);
  assertEquals(lab.probes.length, 0);
  lab.wait(1);
  status(7019);
  lab.answerProbes(true);
  assertEquals(status(7019), "yes");
  lab.wait(limits.probeAgainMs);
  status(7019);
  assertEquals(lab.probes.length, 0, "what is reachable is let be");
  assertEquals(status(80), "no");
  lab.wait(limits.probeAgainMs);
  status(80);
  assertEquals(lab.probes.length, 0, "a low port is never dialled");
});

Deno.test("nobody is sent to his own machine or network: loopback is offered on loopback, private addresses in private ones", () => {
  const lab = labWith("ada", "bob");
  holderOf(lab, { device: 1, endpoint: { ip: "127.0.0.1", port: 4001 } });
  holderOf(lab, { device: 2, endpoint: { ip: "192.168.1.5", port: 4002 } });
  holderOf(lab, { device: 3, endpoint: { ip: "198.51.100.5", port: 4003 } });
  const seenFrom = (ip: string) => {
    const fetcher = fetcherOf(lab, { endpoint: { ip, port: 9 } });
    return byLabel(located(fetcher)).map(({ label }) => label);
  };
  assertEquals(seenFrom("203.0.113.5"), ["vm-3"]);
  assertEquals(seenFrom("10.0.0.5"), ["vm-2", "vm-3"]);
  assertEquals(seenFrom("127.0.0.9"), ["vm-1", "vm-2", "vm-3"]);
});

Deno.test("removing at the whole account tells the other devices that are online to end those uploads, until they answer", () => {
  const lab = labWith("ada");
  const other = holderOf(lab, { device: 2 });
  const away = holderOf(lab, { device: 3 });
  lab.wait(limits.keepAliveMs * limits.keepAliveMisses);
  other.ask(other.status());
  const peer = holderOf(lab, { device: 1 });
  lab.clear();
  const removed = peer.askFor("removed", { kind: "remove", names: ["a.txt"], scope: "account" });
  assertEquals(removed.count, 3);
  assertEquals(lab.sent.length, 2, "the answer, and a push to the other device that is online");
  const [push] = other.read(lab.sent);
  assertEquals(push?.message, { kind: "revoke", contents: [content], devices: [] });
  assertEquals(other.askFor("alive", other.status()).sharesMatch, true, "its list is empty here now");
  const again = other.read(lab.wait(limits.retransmitMaxMs));
  assertGreater(again.length, 0);
  for (const one of again) assertEquals(one, push!);
  other.say({ kind: "done" }, push!.transaction);
  assertEquals(other.read(lab.wait(limits.retransmitMaxMs * 2)), []);
  assertEquals(away.say(away.status()).map(({ message }) => message.kind), ["alive"], "it sees by the digest");
});

Deno.test("a device that is away gets no pushes, and those about tickets when it is back", () => {
  const lab = labWith("ada", "bob", "eve");
  const holder = holderOf(lab, { device: 1 });
  const fetcher = fetcherOf(lab);
  assertEquals(located(fetcher).length, 1);
  lab.wait(limits.keepAliveMs * limits.keepAliveMisses);
  assertEquals(holder.read(lab.input({ kind: "accountChanged", account: "bob", code: "disabled" })), []);
  assertEquals(holder.read(lab.wait(60_000)), []);
  const back = holder.say(holder.status()).map(({ message }) => message);
  assertEquals(back.find(({ kind }) => kind === "revoke"), {
    kind: "revoke",
    contents: [],
    devices: [fetcher.deviceId],
  });
});

Deno.test("holders named in an account's tickets are told when it is disabled, others and expired ones not", () => {
  const lab = labWith("ada", "bob", "eve");
  const holder = holderOf(lab, { device: 1 });
  const bystander = new ScriptedPeer(lab, { account: "eve", device: 3 }).join();
  located(fetcherOf(lab));
  const late = fetcherOf(lab, { account: "eve", device: 4 });
  const sent = lab.input({ kind: "accountChanged", account: "bob", code: "disabled" });
  assertEquals(holder.read(sent).map(({ message }) => message.kind), ["revoke"]);
  assertEquals(bystander.read(sent), []);
  located(late);
  for (let passedMs = 0; passedMs < limits.ticketMs; passedMs += 10_000) {
    lab.wait(10_000);
    for (const one of [holder, late]) one.say(one.status());
  }
  const later = lab.input({ kind: "accountChanged", account: "eve", code: "disabled" });
  assertEquals(holder.read(later), []);
});

Deno.test("pushes that wait for one session are bounded", () => {
  const lab = labWith("ada");
  const other = new ScriptedPeer(lab, { device: 2 }).join();
  const peer = new ScriptedPeer(lab).join();
  for (let i = 0; i < limits.pushesPerSessionMax + 20; i++) {
    other.ask({ kind: "share", entries: [{ name: "a", id: contentIdOf(i % 256), bytes: 10 + i, ...forEveryone }] });
    peer.ask({ kind: "remove", names: ["a"], scope: "account" });
  }
  const pushed = new Set<number>();
  for (let round = 0; round < 20; round++) {
    for (const { transaction, message } of other.read(lab.wait(limits.retransmitMaxMs))) {
      if (message.kind !== "revoke") continue;
      pushed.add(transaction);
      other.say({ kind: "done" }, transaction);
    }
  }
  assertEquals(pushed.size <= limits.pushesPerSessionMax, true);
  assertGreater(pushed.size, 64);
});
