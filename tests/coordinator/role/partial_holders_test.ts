import { assert, assertEquals, assertGreater, assertLessOrEqual, assertNotEquals } from "@std/assert";
import { errorCodes } from "../../../lib/core/errors.ts";
import { limits } from "../../../lib/core/limits.ts";
import { openTicket } from "../../../lib/session/ticket.ts";
import type { HolderEntry, MessageOf } from "../../../lib/wire/message.ts";
import { contentIdOf, type Lab, labWith, type PeerOptions, ScriptedPeer } from "./lab.ts";
import { forEveryone } from "../../../lib/core/audience.ts";

const content = { id: contentIdOf(7), bytes: 1007 };
const share = { kind: "share", entries: [{ name: "a.txt", ...content, ...forEveryone }] } as const;
const first = new Uint8Array(0);

function joined(lab: Lab, account: string, device: number, options: PeerOptions = {}): ScriptedPeer {
  return new ScriptedPeer(lab, { account, device, ...options }).join();
}

function holderOf(lab: Lab, device: number): ScriptedPeer {
  const holder = joined(lab, "ada", device);
  holder.ask(share);
  return holder;
}

function located(peer: ScriptedPeer, offer = false): readonly HolderEntry[] {
  const all: HolderEntry[] = [];
  let cursor: Uint8Array<ArrayBuffer> = first;
  do {
    const locate: MessageOf<"locate"> = { kind: "locate", content, offer, cursor };
    const page = peer.askFor("holders", locate);
    all.push(...page.holders);
    if (cursor.length > 0) assertNotEquals(page.cursor, cursor, "a page leads on");
    cursor = page.cursor;
  } while (cursor.length > 0);
  return all;
}

/** `vm-1` for a whole holder, `(vm-1)` for a partial one. */
function labels(entries: readonly HolderEntry[]): readonly string[] {
  return entries.map(({ label, whole }) => whole ? label : `(${label})`);
}

Deno.test("a device that offers what it fetches is named behind whole holders, with a ticket that it opens", () => {
  const lab = labWith("ada", "bob", "eve");
  holderOf(lab, 1);
  const fetching = joined(lab, "bob", 2);
  const asking = joined(lab, "eve", 3);
  assertEquals(labels(located(fetching, true)), ["vm-1"], "never the one that asks");
  const found = located(asking);
  assertEquals(labels(found), ["vm-1", "(vm-2)"]);
  const { ticket, endpoints, certificate, account } = found[1]!;
  assertEquals([account, endpoints, certificate], [
    "bob",
    [{ ip: fetching.endpoint.ip, port: 6000 }],
    fetching.certificate,
  ]);
  const opened = openTicket(fetching.askFor("alive", fetching.status()).ticketKeys, ticket);
  assert(opened.ok);
  assertEquals(opened.value, {
    account: "eve",
    deviceId: asking.deviceId,
    ...content,
    share: opened.value.share,
    expiresAtMs: lab.nowMs + limits.ticketMs,
  });
  assertEquals(lab.role.figures().offers, 1);
});

Deno.test("an offer ends with its lease, and each LOCATE that repeats it renews it", () => {
  const lab = labWith("ada", "bob", "eve");
  const peers = [holderOf(lab, 1), joined(lab, "bob", 2), joined(lab, "eve", 3)];
  const [, fetching, asking] = peers as [ScriptedPeer, ScriptedPeer, ScriptedPeer];
  const pass = (ms: number) => {
    for (let left = ms; left > 0; left -= 10_000) {
      lab.wait(Math.min(left, 10_000));
      for (const peer of peers) peer.ask(peer.status());
    }
  };
  located(fetching, true);
  pass(limits.offerMs - 10_000);
  located(fetching, true);
  pass(limits.offerMs - 1);
  assertEquals(labels(located(asking)), ["vm-1", "(vm-2)"]);
  pass(1);
  assertEquals(labels(located(asking)), ["vm-1"]);
});

Deno.test("an offer ends at once when it is taken back, or its device shares the content, leaves, is away or ends", () => {
  const endings: Readonly<Record<string, (fetching: ScriptedPeer, lab: Lab, asking: ScriptedPeer) => void>> = {
    "taken back": (fetching) => void located(fetching, false),
    "left": (fetching) => void fetching.ask({ kind: "leave" }),
    "away and back": (fetching, lab, asking) => {
      lab.wait(limits.keepAliveMs * limits.keepAliveMisses - 1);
      asking.ask(asking.status());
      lab.wait(1);
      fetching.ask(fetching.status());
    },
    "logged in again": (fetching) => void new ScriptedPeer(fetching.lab, { account: "bob", device: 2 }).join(),
    "disabled": (_, lab) => void lab.input({ kind: "accountChanged", account: "bob", code: "disabled" }),
    "removed from elsewhere": (fetching, lab) => {
      fetching.ask(share);
      located(fetching, true);
      joined(lab, "bob", 9).ask({ kind: "remove", names: ["a.txt"], scope: "account" });
    },
  };
  for (const [what, end] of Object.entries(endings)) {
    const lab = labWith("ada", "bob", "eve");
    joined(lab, "ada", 1, { tcpPort: 0 }).ask(share);
    const fetching = joined(lab, "bob", 2);
    const asking = joined(lab, "eve", 3);
    located(fetching, true);
    assertEquals(labels(located(asking)), ["(vm-2)"]);
    end(fetching, lab, asking);
    assertEquals(labels(located(asking)), [], what);
    assertEquals(lab.role.figures().offers, 0, what);
  }
  const lab = labWith("ada", "bob", "eve");
  const fetching = joined(lab, "bob", 2);
  holderOf(lab, 1);
  located(fetching, true);
  const older = fetching.transaction;
  fetching.ask(share);
  fetching.say({ kind: "locate", content, offer: true, cursor: first }, older);
  assertEquals(labels(located(joined(lab, "eve", 3))).toSorted(), ["vm-1", "vm-2"], "it has the content whole now");
  assertEquals(lab.role.figures().offers, 0);
});

Deno.test("a partial holder is named while somebody shares the content, online or not, and to nobody after that", () => {
  const lab = labWith("ada", "bob", "eve");
  const fetching = joined(lab, "bob", 2);
  const asking = joined(lab, "eve", 3);
  located(fetching, true);
  assertEquals(labels(located(asking)), [], "nobody shares it yet");
  const holder = holderOf(lab, 1);
  const second = holderOf(lab, 4);
  holder.ask({ kind: "leave" });
  second.ask({ kind: "leave" });
  assertEquals(labels(located(asking)), ["(vm-2)"]);
  const back = joined(lab, "ada", 1);
  back.ask({ kind: "remove", names: ["a.txt"], scope: "account" });
  assertEquals(labels(located(asking)), []);
});

Deno.test("of many partial holders none is named where nobody shares the content, and the list ends", () => {
  const lab = labWith("bob", "eve");
  for (let device = 1; device <= 30; device++) located(joined(lab, "bob", device), true);
  assertEquals(located(joined(lab, "eve", 99)), []);
});

Deno.test("an offer that is withdrawn while the store is asked is named no more", () => {
  const lab = labWith("ada", "bob", "eve");
  holderOf(lab, 1);
  const fetching = joined(lab, "bob", 2);
  located(fetching, true);
  const asking = joined(lab, "eve", 3);
  lab.holds = ({ operation }) => operation === "locate";
  assertEquals(asking.say({ kind: "locate", content, offer: false, cursor: first }), []);
  fetching.say({ kind: "locate", content, offer: false, cursor: first });
  const [answer] = asking.read(lab.release());
  assert(answer?.message.kind === "holders");
  assertEquals(labels(answer.message.holders), ["vm-1"]);
});

Deno.test("a partial holder is named as a whole one is: reachable, enrolled, not on another's own network", () => {
  const lab = labWith("ada", "bob", "eve");
  holderOf(lab, 1);
  located(joined(lab, "bob", 2, { tcpPort: 0 }), true);
  located(joined(lab, "bob", 3, { endpoint: { ip: "192.168.1.5", port: 4002 } }), true);
  lab.reachable = false;
  located(joined(lab, "bob", 4), true);
  lab.reachable = true;
  const unsigned = new ScriptedPeer(lab, { account: "bob", device: 5 });
  unsigned.logIn();
  const refused = unsigned.askFor("error", { kind: "locate", content, offer: true, cursor: first });
  assertEquals(refused.code, errorCodes.denied.wire);
  assertEquals(labels(located(joined(lab, "eve", 6))), ["vm-1"]);
  assertEquals(labels(located(joined(lab, "eve", 7, { endpoint: { ip: "10.0.0.7", port: 9 } }))), ["vm-1", "(vm-3)"]);
});

Deno.test("LOCATE waits for the dial-back to a partial holder too", () => {
  const lab = labWith("ada", "bob", "eve");
  holderOf(lab, 1);
  const asking = joined(lab, "eve", 3);
  lab.reachable = undefined;
  located(joined(lab, "bob", 2), true);
  const locate: MessageOf<"locate"> = { kind: "locate", content, offer: false, cursor: first };
  assertEquals(asking.say(locate), []);
  const [answer] = asking.read(lab.answerProbes(true));
  assert(answer?.message.kind === "holders");
  assertEquals(labels(answer.message.holders), ["vm-1", "(vm-2)"]);
});

Deno.test("pages name every whole and every partial holder once, and begin elsewhere with each question", () => {
  const lab = labWith("ada", "bob", "eve");
  const wholes = Array.from({ length: 7 }, (_, i) => `vm-${i + 1}`);
  const partials = Array.from({ length: 25 }, (_, i) => `(vm-${i + 11})`);
  for (let device = 1; device <= 7; device++) holderOf(lab, device);
  for (let device = 11; device <= 35; device++) located(joined(lab, "bob", device), true);
  const asking = joined(lab, "eve", 99);
  const firstWhole = new Set<string>();
  const firstPartial = new Set<string>();
  for (let i = 0; i < 30; i++) {
    const found = labels(located(asking));
    assertEquals(found.slice(0, 7).toSorted(), wholes);
    assertEquals(found.slice(7).toSorted(), partials);
    firstWhole.add(found[0]!);
    firstPartial.add(found[7]!);
  }
  assertGreater(firstWhole.size, 3);
  assertGreater(firstPartial.size, 8);
});

Deno.test("LOCATE goes past any number of partial holders that are not offered", () => {
  const lab = labWith("ada", "bob", "eve");
  joined(lab, "ada", 1, { tcpPort: 0 }).ask(share);
  lab.reachable = undefined;
  const offer: MessageOf<"locate"> = { kind: "locate", content, offer: true, cursor: first };
  for (let device = 11; device <= 40; device++) joined(lab, "bob", device).say(offer);
  lab.reachable = true;
  joined(lab, "bob", 41).say(offer);
  const asking = joined(lab, "eve", 99);
  // Those being dialled are candidates until it is known that nobody is there.
  const pages: HolderEntry[] = [];
  let cursor: Uint8Array<ArrayBuffer> = first;
  let rounds = 0;
  do {
    const locate: MessageOf<"locate"> = { kind: "locate", content, offer: false, cursor };
    const sent = [...lab.deliver(asking.endpoint, asking.seal(locate)), ...lab.answerProbes(false)];
    const answer = asking.read(sent).find(({ message }) => message.kind === "holders")?.message;
    assert(answer?.kind === "holders");
    pages.push(...answer.holders);
    cursor = answer.cursor;
    assertLessOrEqual(++rounds, 10);
  } while (cursor.length > 0);
  assertEquals(labels(pages), ["(vm-41)"]);
});

Deno.test("when an account ends, the partial holders that its devices were named are told too", () => {
  const lab = labWith("ada", "bob", "eve");
  holderOf(lab, 1);
  const fetching = joined(lab, "bob", 2);
  located(fetching, true);
  const asking = joined(lab, "eve", 3);
  located(asking);
  const sent = lab.input({ kind: "accountChanged", account: "eve", code: "disabled" });
  assertEquals(fetching.read(sent).map(({ message }) => message), [{
    kind: "revoke",
    contents: [],
    devices: [asking.deviceId],
  }]);
});
