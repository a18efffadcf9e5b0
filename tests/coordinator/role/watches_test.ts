import { assertEquals } from "@std/assert";
import { limits } from "../../../lib/core/limits.ts";
import type { Audience } from "../../../lib/core/audience.ts";
import { errorCodes } from "../../../lib/core/errors.ts";
import type { Addressed, Message, MessageOf } from "../../../lib/wire/message.ts";
import { noFilter, type SearchFilter, searchFor, type SearchQuery } from "../../../lib/wire/search_query.ts";
import { Outbox } from "../../../lib/coordinator/role/outbox.ts";
import type { Pushes } from "../../../lib/coordinator/role/pushes.ts";
import type { Session } from "../../../lib/coordinator/role/session.ts";
import { Watches } from "../../../lib/coordinator/role/watches.ts";
import { contentIdOf, type Lab, labWith, ScriptedPeer } from "./lab.ts";

function watching(pattern: string, filter: Partial<SearchFilter> = {}): SearchQuery {
  const terms = pattern === "" ? [] : searchFor("substring", pattern).query.terms;
  return { terms, filter: { ...noFilter, ...filter } };
}

function share(name: string, audience: Audience = null, description = "", byte = 7): Message {
  return { kind: "share", entries: [{ name, id: contentIdOf(byte), bytes: 100 + byte, audience, description }] };
}

type Found = MessageOf<"found">;

/** What a peer is told while somebody does something; where it says something itself, that reads what comes back. */
function heard(lab: Lab, peer: ScriptedPeer, act: () => unknown): readonly Addressed[] {
  const from = lab.sent.length;
  const read = act();
  return [...Array.isArray(read) ? read as Addressed[] : [], ...peer.read(lab.sent.slice(from))];
}

function toldOf(lab: Lab, peer: ScriptedPeer, act: () => unknown) {
  return heard(lab, peer, act).flatMap(({ transaction, message }) => {
    return message.kind === "found" ? [{ transaction, message }] : [];
  });
}

const names = (found: readonly { readonly message: Found }[]) =>
  found.flatMap(({ message }) => message.files.map(({ name }) => name));

function twoPeers() {
  const lab = labWith("ada", "bob", "carol");
  const ada = new ScriptedPeer(lab).join();
  const bob = new ScriptedPeer(lab, { account: "bob", device: 2 }).join();
  return { lab, ada, bob };
}

Deno.test("a standing search is told what others share that matches, and nothing else", () => {
  const { lab, ada, bob } = twoPeers();
  const watch: Message = { kind: "watch", watch: 7, query: watching("LINUX", { extensions: ["iso"] }) };
  assertEquals(bob.ask(watch).kind, "done");
  assertEquals(toldOf(lab, bob, () => ada.ask(share("linux.txt"))), []);
  const [found] = toldOf(lab, bob, () => ada.ask(share("a Linux.iso", null, "new")));
  assertEquals([found?.message.watch, found?.message.more], [7, false]);
  const file = { name: "a Linux.iso", id: contentIdOf(7), bytes: 107, holders: 1, withdrawn: false, audience: null };
  assertEquals(found?.message.files, [{ ...file, sharedAtMs: lab.nowMs, description: "new" }]);
  bob.say({ kind: "done" }, found!.transaction);
  assertEquals(toldOf(lab, bob, () => ada.ask(share("a Linux.iso", null, "new"))), [], "it is there already");
  assertEquals(toldOf(lab, bob, () => bob.ask(share("my linux.iso"))), [], "its own");
  assertEquals(bob.ask({ kind: "unwatch", watch: 7 }).kind, "done");
  assertEquals(toldOf(lab, bob, () => ada.ask(share("b linux.iso"))), []);
  assertEquals(bob.ask({ kind: "unwatch", watch: 7 }).kind, "done", "it is gone already");
});

Deno.test("a standing search goes by size, who shares, group and description too", () => {
  const { lab, ada, bob } = twoPeers();
  lab.store.groups.set("friends", new Set(["ada", "bob"]));
  const queries = {
    1: watching("graz"),
    2: watching("", { accounts: ["nobody", "ADA"], minBytes: 109 }),
    3: watching("", { groups: ["friends"] }),
    4: { ...watching(""), terms: [{ mode: "glob", pattern: "*.flac" } as const] },
  };
  for (const [watch, query] of Object.entries(queries)) {
    assertEquals(bob.ask({ kind: "watch", watch: Number(watch), query }).kind, "done");
  }
  const hits = (message: Message) => {
    const watches: number[] = [];
    for (let found = toldOf(lab, bob, () => ada.ask(message)); found.length > 0;) {
      watches.push(...found.map(({ message }) => message.watch));
      found = toldOf(lab, bob, () => bob.say({ kind: "done" }, found[0]!.transaction));
    }
    return watches;
  };
  assertEquals(hits(share("x", null, "sunset in Graz", 8)), [1]);
  assertEquals(hits(share("y", null, "", 9)), [2]);
  assertEquals(hits(share("z.flac", [{ kind: "group", name: "friends" }], "", 8)).toSorted(), [3, 4]);
});

Deno.test("nobody is told of what he may not see", () => {
  const { lab, ada, bob } = twoPeers();
  const carol = new ScriptedPeer(lab, { account: "carol", device: 3 }).join();
  for (const peer of [bob, carol]) peer.ask({ kind: "watch", watch: 1, query: watching("plan") });
  const from = lab.sent.length;
  ada.ask(share("the plan", [{ kind: "account", name: "bob" }]));
  const sent = lab.sent.slice(from);
  const kinds = (peer: ScriptedPeer) => peer.read(sent).map(({ message }) => message.kind);
  assertEquals([kinds(bob), kinds(carol)], [["found"], []]);
  assertEquals(names(toldOf(lab, carol, () => ada.ask(share("the plan")))), ["the plan"], "now for everyone");
});

Deno.test("one FOUND is under way at a time; what comes meanwhile waits, and what does not fit is said to be more", () => {
  const { lab, ada, bob } = twoPeers();
  bob.ask({ kind: "watch", watch: 1, query: watching("file") });
  const [first] = toldOf(lab, bob, () => ada.ask(share("file 1")));
  assertEquals(
    toldOf(lab, bob, () => {
      for (let i = 2; i <= 4; i++) ada.ask(share(`file ${i}`));
    }),
    [],
  );
  const [second] = toldOf(lab, bob, () => bob.say({ kind: "done" }, first!.transaction));
  assertEquals([names([second!]), second!.message.more], [["file 2", "file 3", "file 4"], false]);
  toldOf(lab, bob, () => {
    for (let i = 0; i < 60; i++) ada.ask(share(`another file ${i} ${"x".repeat(60)}`));
  });
  const [third] = toldOf(lab, bob, () => bob.say({ kind: "done" }, second!.transaction));
  assertEquals([third!.message.more, third!.message.files.length > 3], [true, true]);
  assertEquals(toldOf(lab, bob, () => bob.say({ kind: "done" }, third!.transaction)), []);
});

Deno.test("a lost FOUND is repeated under its transaction until it is answered", () => {
  const { lab, ada, bob } = twoPeers();
  bob.ask({ kind: "watch", watch: 1, query: watching("file") });
  const [first] = toldOf(lab, bob, () => ada.ask(share("file 1")));
  const repeats = toldOf(lab, bob, () => void lab.wait(2_000));
  assertEquals(repeats[0], first);
  bob.say({ kind: "done" }, first!.transaction);
  assertEquals(toldOf(lab, bob, () => void lab.wait(5_000)), []);
});

Deno.test("standing searches are bounded, of a session and an account, and end with the session", () => {
  const { lab, ada, bob } = twoPeers();
  const put = (peer: ScriptedPeer, watch: number) => {
    const answer = peer.ask({ kind: "watch", watch, query: watching("file") });
    return answer.kind === "error" ? answer.code : answer.kind;
  };
  const limit = errorCodes.limit.wire;
  for (let i = 1; i <= limits.watchesPerSessionMax; i++) assertEquals(put(bob, i), "done");
  assertEquals(put(bob, limits.watchesPerSessionMax + 1), limit);
  assertEquals(put(bob, 1), "done", "in place of the one of that number");
  const perAccount = limits.watchesPerAccountMax / limits.watchesPerSessionMax;
  const devices = Array.from(
    { length: perAccount },
    (_, i) => new ScriptedPeer(lab, { account: "bob", device: 10 + i }).join(),
  );
  for (const device of devices.slice(1)) {
    for (let i = 1; i <= limits.watchesPerSessionMax; i++) assertEquals(put(device, i), "done");
  }
  assertEquals(put(devices[0]!, 1), limit);
  bob.ask({ kind: "leave" });
  assertEquals(put(devices[0]!, 1), "done");
  assertEquals(toldOf(lab, bob, () => ada.ask(share("file"))), []);
  for (const query of [watching("ab"), watching(""), watching("", { minBytes: 5 })]) {
    const answer = ada.askFor("error", { kind: "watch", watch: 1, query });
    assertEquals(answer.code, errorCodes.usage.wire);
  }
});

Deno.test("Watches compares a bounded number with one SHARE", () => {
  const outbox = new Outbox();
  const told: string[] = [];
  const pushes = {
    found: (session: { readonly foldedAccount: string }) => void told.push(session.foldedAccount),
  } as unknown as Pushes;
  const bounds = { watchesPerSessionMax: 9, watchesPerAccountMax: 9, watchesMax: 30, watchLooksMax: 10 };
  const watches = new Watches(outbox, pushes, bounds);
  const sessionOf = (name: string) => ({ foldedAccount: name, device: 1 }) as unknown as Session;
  const sessions = Array.from({ length: 31 }, (_, i) => sessionOf(`a${i}`));
  const answers = sessions.map((session) => watches.put(session, 1, watching("file")));
  assertEquals([answers.filter((one) => one === undefined).length, answers.at(-1), watches.size], [30, "busy", 30]);
  const entry = { name: "file", id: contentIdOf(1), bytes: 1, audience: null, description: "" };
  const news = [1, 2].map((share) => ({ entry, share }));
  watches.shared({ device: 99, foldedAccount: "sharer" }, news, 1);
  assertEquals(told.length, 10);
  for (const session of sessions) watches.removeAll(session);
  assertEquals(watches.size, 0);
});

Deno.test("a standing search made to be slow is refused, and a slow one counts for several", () => {
  const { bob } = twoPeers();
  const globs = (...patterns: readonly string[]): Message => ({
    kind: "watch",
    watch: 1,
    query: { terms: patterns.map((pattern) => ({ mode: "glob", pattern })), filter: noFilter },
  });
  assertEquals(bob.ask(globs(`*${"a".repeat(limits.watchGlobMax - 2)}*`)).kind, "done");
  const { code, text } = bob.askFor("error", globs(`*${"a".repeat(80)}*`));
  assertEquals([code, text], [errorCodes.usage.wire, "the globs of a standing search have at most 64 characters"]);
  const wide = bob.askFor("error", { kind: "watch", watch: 2, query: watching("ab") });
  assertEquals(wide.text, "it needs three characters in a row, an account or a group", "whole");
  assertEquals(bob.askFor("error", globs(...new Array(8).fill("*aaaaaaaa*"))).code, errorCodes.usage.wire);

  const told: Message[] = [];
  const pushes = { found: (_: unknown, message: Message) => told.push(message) > 0 } as unknown as Pushes;
  const bounds = { watchesPerSessionMax: 9, watchesPerAccountMax: 99, watchesMax: 99, watchLooksMax: 10 };
  const watches = new Watches(new Outbox(), pushes, bounds);
  for (let device = 1; device <= 10; device++) {
    const session = { foldedAccount: "bob", device } as unknown as Session;
    const pattern = `*${"[!b]".repeat(40)}*aaa`;
    assertEquals(watches.put(session, 1, { terms: [{ mode: "glob", pattern }], filter: noFilter }), undefined);
  }
  const entry = {
    name: "a".repeat(limits.nameBytesMax),
    id: contentIdOf(1),
    bytes: 1,
    audience: null,
    description: "",
  };
  watches.shared({ device: 99, foldedAccount: "ada" }, [{ entry, share: 1 }], 1);
  assertEquals(told.length, 2, "each costs five looks");
});

Deno.test("a share for two groups that a standing search asks for is told once", () => {
  const { lab, ada, bob } = twoPeers();
  for (const group of ["friends", "choir"]) lab.store.groups.set(group, new Set(["ada", "bob"]));
  bob.ask({ kind: "watch", watch: 1, query: watching("", { groups: ["friends", "choir"] }) });
  const audience = ["choir", "friends"].map((name) => ({ kind: "group", name } as const));
  const [found] = toldOf(lab, bob, () => ada.ask(share("song", audience)));
  assertEquals(found?.message.files.map(({ name }) => name), ["song"]);
  assertEquals(toldOf(lab, bob, () => bob.say({ kind: "done" }, found!.transaction)), []);
});

Deno.test("who lost the right to a share is revoked at its holder at once, and others are not", () => {
  const { lab, ada, bob } = twoPeers();
  const carol = new ScriptedPeer(lab, { account: "carol", device: 3 }).join();
  ada.ask(share("the plan"));
  const content = { id: contentIdOf(7), bytes: 107 };
  const holdersFor = (peer: ScriptedPeer) =>
    peer.askFor("holders", { kind: "locate", content, offer: false, cursor: new Uint8Array(0) }).holders.length;
  assertEquals([holdersFor(bob), holdersFor(carol)], [1, 1]);
  const revoked = (act: () => unknown) =>
    heard(lab, ada, act).flatMap(({ message }) => message.kind === "revoke" ? message.devices : []);
  assertEquals(revoked(() => ada.say(share("the plan", [{ kind: "account", name: "bob" }]))), [carol.deviceId]);
  assertEquals([holdersFor(bob), holdersFor(carol)], [1, 0]);
  assertEquals(revoked(() => void lab.input({ kind: "rightsLost", accounts: ["BOB"] })), [bob.deviceId]);
  assertEquals(
    revoked(() => void lab.input({ kind: "rightsLost", accounts: ["bob", "nobody"] })),
    [],
    "his tickets are taken",
  );
  assertEquals(holdersFor(bob), 1, "he asks anew and goes on");
  lab.refuses = ({ operation }) => operation === "sees";
  assertEquals(
    revoked(() => ada.say(share("the plan", [{ kind: "account", name: "carol" }]))),
    [bob.deviceId],
    "a store that cannot say keeps nobody's right",
  );
});

Deno.test("a right that is lost while a holder is dialled makes no ticket any more", () => {
  const lab = labWith("ada", "bob");
  lab.reachable = undefined;
  const ada = new ScriptedPeer(lab).join();
  const bob = new ScriptedPeer(lab, { account: "bob", device: 2 }).join();
  const content = { id: contentIdOf(7), bytes: 107 };
  const locate: Message = { kind: "locate", content, offer: false, cursor: new Uint8Array(0) };
  const named = (narrow: () => unknown) => {
    ada.ask(share("the plan"));
    assertEquals(bob.say(locate), [], "it waits for the dial-back");
    narrow();
    const [answer] = bob.read(lab.answerProbes(true)).map(({ message }) => message);
    return answer?.kind === "holders" ? answer.holders.length : undefined;
  };
  assertEquals(named(() => ada.ask(share("the plan", []))), 0);
  lab.wait(limits.probeEveryMs);
  ada.ask({ ...ada.status(), tcpPort: 7000 } as Message);
  assertEquals(named(() => {}), 1);
});

Deno.test("who saw a content under a name that went is revoked where the holder shares it with others alone", () => {
  const { lab, ada, bob } = twoPeers();
  const content = { id: contentIdOf(7), bytes: 107 };
  const locate: Message = { kind: "locate", content, offer: false, cursor: new Uint8Array(0) };
  const revoked = (message: Message) =>
    heard(lab, ada, () => ada.say(message)).flatMap(({ message }) => message.kind === "revoke" ? message.devices : []);
  ada.ask(share("public"));
  ada.ask(share("private", []));
  ada.ask(share("also public"));
  assertEquals(bob.askFor("holders", locate).holders.length, 1);
  assertEquals(revoked({ kind: "remove", names: ["also public"], scope: "device" }), [], "he sees another");
  assertEquals(revoked({ kind: "remove", names: ["public"], scope: "device" }), [bob.deviceId]);
  assertEquals(bob.askFor("holders", locate).holders, []);
});
