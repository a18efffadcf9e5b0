import { assert, assertEquals, assertLessOrEqual } from "@std/assert";
import { limits } from "../../../lib/core/limits.ts";
import type { Endpoint } from "../../../lib/core/transport.ts";
import { encodeMessage, type Message } from "../../../lib/wire/message.ts";
import { forEveryone } from "../../../lib/core/audience.ts";
import { searchFor } from "../../../lib/wire/search_query.ts";
import { messages } from "../../wire/samples.ts";
import { contentIdOf, type Lab, labWith, ScriptedPeer } from "./lab.ts";

const victim: Endpoint = { ip: "203.0.113.66", port: 25 };
const content = { id: contentIdOf(7), bytes: 9 };

/** Says whatever a peer can say, each kind of message as it is in the vectors; LEAVE comes last. */
function sayAll(peer: ScriptedPeer, from: Endpoint): void {
  const all = Object.values(messages).map(({ message }) => message);
  const inOrder = [...all.filter(({ kind }) => kind !== "leave"), { kind: "leave" } as const];
  for (const message of inOrder) peer.lab.deliver(from, peer.channel!.seal(encodeMessage(++peer.transaction, message)));
}

function sentTo({ sent }: Lab): Set<string> {
  return new Set(sent.map(({ to }) => `${to.ip} ${to.port}`));
}

function place({ ip, port }: Endpoint): string {
  return `${ip} ${port}`;
}

Deno.test("whatever a member says, datagrams go to proven addresses of sessions alone, dials to his own", () => {
  const lab = labWith("ada", "bob", "eve");
  const holder = new ScriptedPeer(lab, { account: "bob", device: 2 }).join();
  holder.ask({ kind: "share", entries: [{ name: "talk.mkv", ...content, ...forEveryone }] });
  const watcher = new ScriptedPeer(lab, { account: "eve", device: 3 }).join();
  watcher.ask({ kind: "watch", watch: 1, query: searchFor("substring", "talk").query });
  const member = new ScriptedPeer(lab).join();
  lab.clear();
  sayAll(member, member.endpoint);
  lab.wait(60_000);
  for (const to of sentTo(lab)) {
    assert([member, holder, watcher].some(({ endpoint }) => place(endpoint) === to), `something went to ${to}`);
  }
  const dialled = new Set(lab.probes.map(({ endpoint }) => endpoint.ip));
  for (const ip of dialled) assert([member, holder, watcher].some(({ endpoint }) => endpoint.ip === ip), ip);
});

Deno.test("a member who forges a victim's address makes the coordinator send it less than he sent, and dial it never", () => {
  const lab = labWith("ada");
  const member = new ScriptedPeer(lab).join();
  lab.clear();
  let forgedBytes = 0;
  const forge = (message: Message) => {
    const datagram = member.seal(message);
    forgedBytes += datagram.length;
    lab.deliver(victim, datagram);
  };
  for (let i = 0; i < 200; i++) {
    lab.nowMs += 100;
    forge({ kind: "status", tcpPort: 2000 + i, shareDigest: new Uint8Array(32) });
    forge({ kind: "listPeers", cursor: new Uint8Array(0) });
    forge({ kind: "pathResponse", token: new Uint8Array(8) });
  }
  const toVictim = lab.sent.filter(({ to }) => to.ip === victim.ip);
  assertLessOrEqual(toVictim.reduce((sum, { bytes }) => sum + bytes.length, 0), forgedBytes / 10);
  assertLessOrEqual(toVictim.length, 1 + 200 * 100 / limits.challengeEveryMs);
  assertEquals(lab.probes.filter(({ endpoint }) => endpoint.ip === victim.ip), []);
});

Deno.test("a port is dialled at the proven address alone, from 1024 on, and no more often than is stated", () => {
  const lab = labWith("ada");
  const member = new ScriptedPeer(lab, { tcpPort: 0 }).join();
  lab.reachable = false;
  const minutes = 10;
  for (let second = 0; second < 60 * minutes; second++) {
    member.ask({ kind: "status", tcpPort: second * 110 % 65_536, shareDigest: new Uint8Array(32) });
    lab.nowMs += 1_000;
  }
  assert(lab.probes.length > minutes);
  assertLessOrEqual(lab.probes.length, minutes * 60_000 / limits.probeEveryMs);
  for (const { endpoint } of lab.probes) {
    assertEquals(endpoint.ip, member.endpoint.ip);
    assert(endpoint.port >= limits.probePortMin, String(endpoint.port));
  }
});

Deno.test("many sessions of one address do not make the coordinator scan it: its dials are bounded together", () => {
  const accounts = Array.from({ length: 6 }, (_, i) => `account${i}`);
  const lab = labWith(...accounts);
  lab.reachable = false;
  const behind = { ip: "198.51.100.7", port: 4000 };
  const peers = accounts.flatMap((account, a) =>
    Array.from({ length: 60 }, (_, i) => {
      const endpoint = { ...behind, port: 4000 + a * 100 + i };
      return new ScriptedPeer(lab, { account, device: 1 + i, tcpPort: 0, endpoint }).join();
    })
  );
  for (const [i, peer] of peers.entries()) {
    peer.ask({ kind: "status", tcpPort: 5000 + i, shareDigest: new Uint8Array(32) });
  }
  assertEquals(lab.probes.length, limits.addressProbesMax);
  // Those that were left out are dialled later.
  lab.nowMs += 15_000;
  peers.at(-1)!.ask({ kind: "status", tcpPort: 5000 + peers.length - 1, shareDigest: new Uint8Array(32) });
  assertEquals(lab.probes.length, limits.addressProbesMax + 1);
});

Deno.test("nobody is sent to an endpoint that no dial-back has met", () => {
  const lab = labWith("ada", "bob");
  const fetcher = new ScriptedPeer(lab).join();
  lab.reachable = false;
  const holder = new ScriptedPeer(lab, { account: "bob", device: 2 }).join();
  holder.ask({ kind: "share", entries: [{ name: "talk.mkv", ...content, ...forEveryone }] });
  const locate = { kind: "locate", content, offer: false, cursor: new Uint8Array(0) } as const;
  assertEquals(fetcher.askFor("holders", locate).holders, []);
  lab.reachable = true;
  lab.nowMs += limits.probeAgainMs;
  holder.ask(holder.status());
  const [named] = fetcher.askFor("holders", locate).holders;
  assertEquals(named?.endpoints, [{ ip: holder.endpoint.ip, port: holder.tcpPort }]);
});
