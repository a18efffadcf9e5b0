import { assert, assertEquals, assertLess } from "@std/assert";
import { errorCodes, ok } from "../../../lib/core/errors.ts";
import { limits } from "../../../lib/core/limits.ts";
import { emptyShareDigest, toggleShare } from "../../../lib/session/share_digest.ts";
import type { Message, ShareEntry } from "../../../lib/wire/message.ts";
import { contentIdOf, type Lab, labWith, ScriptedPeer } from "./lab.ts";
import { searchFor } from "../../../lib/wire/search_query.ts";
import { forEveryone } from "../../../lib/core/audience.ts";
import type { SearchPlace } from "../../../lib/coordinator/role/store_effects.ts";

const first = new Uint8Array(0);

function entry(name: string, byte = 7): ShareEntry {
  return { name, id: contentIdOf(byte), bytes: 1000 + byte, ...forEveryone };
}

function countAsked(lab: Lab, operation: string): number {
  return lab.asked.filter((ask) => ask.operation === operation).length;
}

function codeOf(message: Message): number {
  assert(message.kind === "error", message.kind);
  return message.code;
}

Deno.test("a write takes effect once however often it is sent, and its answer is repeated", () => {
  const lab = labWith("ada");
  const peer = new ScriptedPeer(lab).join();
  const share: Message = { kind: "share", entries: [entry("a.txt")] };
  lab.holds = ({ operation }) => operation === "share";
  const transaction = ++peer.transaction;
  assertEquals(peer.say(share, transaction), [], "not before it is stored");
  assertEquals(peer.say(share, transaction), [], "it is under way");
  const done = { transaction, message: { kind: "done" } } as const;
  assertEquals(peer.read(lab.release()), [done]);
  assertEquals(peer.say(share, transaction), [done]);
  assertEquals(countAsked(lab, "share"), 1);
});

Deno.test("a write whose transaction fell out of the cache is refused, not done again", () => {
  const lab = labWith("ada");
  const peer = new ScriptedPeer(lab).join();
  const old = ++peer.transaction;
  peer.say({ kind: "share", entries: [entry("a.txt")] }, old);
  for (let i = 0; i < limits.answersKeptMax; i++) peer.ask({ kind: "remove", names: ["none"], scope: "device" });
  const asked = lab.asked.length;
  const [answer] = peer.say({ kind: "share", entries: [entry("a.txt")] }, old);
  assertEquals(codeOf(answer!.message), errorCodes.protocol.wire);
  assertEquals(lab.asked.length, asked);
});

Deno.test("an answer is let go when nobody asks for it again, also that of a session which says nothing more", () => {
  const lab = labWith("ada", "bob");
  const peer = new ScriptedPeer(lab).join();
  const bob = new ScriptedPeer(lab, { account: "bob", device: 2 }).join();
  const share: Message = { kind: "share", entries: [entry("a.txt")] };
  const transaction = ++peer.transaction;
  const answered = () => peer.say(share, transaction)[0]!.message;
  assertEquals(answered(), { kind: "done" });
  const remove: Message = { kind: "remove", names: ["none"], scope: "device" };
  lab.nowMs += limits.answersKeptMs - 1;
  bob.ask(remove);
  assertEquals(answered(), { kind: "done" });
  lab.nowMs += 1;
  bob.ask(remove);
  assertEquals(codeOf(answered()), errorCodes.protocol.wire);
});

Deno.test("a read is done again when it is repeated, but not while it is under way", () => {
  const lab = labWith("ada");
  const peer = new ScriptedPeer(lab).join();
  const list: Message = { kind: "listPeers", cursor: first };
  lab.holds = ({ operation }) => operation === "listPeers";
  const transaction = ++peer.transaction;
  assertEquals(peer.say(list, transaction), []);
  assertEquals(peer.say(list, transaction), []);
  assertEquals(countAsked(lab, "listPeers"), 1);
  assertEquals(peer.read(lab.release()).length, 1);
  assertEquals(peer.say(list, transaction).length, 1);
  assertEquals(countAsked(lab, "listPeers"), 2);
});

Deno.test("the store questions of one session are bounded, of others not", () => {
  const lab = labWith("ada", "bob");
  const peer = new ScriptedPeer(lab).join();
  const bob = new ScriptedPeer(lab, { account: "bob", device: 2 }).join();
  lab.holds = ({ operation }) => operation === "search";
  const search: Message = { kind: "search", ...searchFor("substring", "x"), cursor: first };
  for (let i = 0; i < limits.storeAsksPerSessionMax; i++) assertEquals(peer.say(search), []);
  const refused = peer.ask(search);
  assert(refused.kind === "error");
  assertEquals([refused.code, refused.retryAfterMs], [errorCodes.busy.wire, 1000]);
  assertEquals(bob.say(search), [], "asked");
  assertEquals(lab.release().length, limits.storeAsksPerSessionMax + 1);
  assertEquals(peer.ask(search).kind, "files");
});

Deno.test("answers of the store to a session that ended meanwhile go nowhere, what they changed is told to others all the same", () => {
  const lab = labWith("ada");
  const peer = new ScriptedPeer(lab).join();
  const other = new ScriptedPeer(lab, { device: 2 }).join();
  other.ask({ kind: "share", entries: [entry("a.txt")] });
  lab.holds = ({ operation }) => operation === "remove";
  peer.say({ kind: "remove", names: ["a.txt"], scope: "account" });
  new ScriptedPeer(lab).logIn();
  const sent = lab.release();
  assertEquals(peer.read(sent), []);
  assertEquals(other.read(sent).map(({ message }) => message.kind), ["revoke"]);
});

Deno.test("a refusal of the store is the request's answer", () => {
  const lab = labWith("ada");
  const peer = new ScriptedPeer(lab).join();
  lab.refuses = () => true;
  for (
    const request of [
      { kind: "share", entries: [entry("a")] },
      { kind: "remove", names: ["a"], scope: "device" },
      { kind: "listPeers", cursor: first },
      { kind: "listFiles", scope: "device", cursor: first },
      { kind: "search", ...searchFor("glob", "*"), cursor: first },
      { kind: "locate", content: { id: contentIdOf(7), bytes: 5 }, offer: true, cursor: first },
      { kind: "account", account: "ada" },
    ] as const
  ) assertEquals(codeOf(peer.ask(request)), errorCodes.busy.wire, request.kind);
});

Deno.test("share refuses an empty list, control characters, and an empty file by another id", () => {
  const lab = labWith("ada");
  const peer = new ScriptedPeer(lab).join();
  const share = (...entries: ShareEntry[]) => codeOf(peer.ask({ kind: "share", entries }));
  assertEquals(share(), errorCodes.usage.wire);
  for (const name of ["a\nb", "a\u0000b", "\u001b[2Jx", "a\u007f", "a\u0085b"]) {
    assertEquals(share(entry("fine"), entry(name)), errorCodes.unsafeName.wire);
  }
  assertEquals(share({ ...entry("a"), bytes: 0 }), errorCodes.usage.wire);
  assertEquals(codeOf(peer.ask({ kind: "remove", names: [], scope: "device" })), errorCodes.usage.wire);
  assertEquals(countAsked(lab, "share"), 0);
});

Deno.test("a keep-alive tells whether the share lists are the same, the time, the address and the day's ticket keys", () => {
  const lab = labWith("ada");
  const peer = new ScriptedPeer(lab).join();
  const digest = emptyShareDigest();
  const alive = (shareDigest: Uint8Array<ArrayBuffer>) =>
    peer.askFor("alive", { kind: "status", tcpPort: 6000, shareDigest });
  assertEquals(alive(digest).sharesMatch, true);
  peer.ask({ kind: "share", entries: [entry("a.txt"), entry("b.txt")] });
  assertEquals(alive(digest).sharesMatch, false);
  for (const one of [entry("a.txt"), entry("b.txt")]) toggleShare(digest, one);
  const now = alive(digest);
  assertEquals(now.sharesMatch, true);
  assertEquals(now.timeMs, lab.nowMs);
  assertEquals(now.observed, peer.endpoint);
  assertEquals(now.ticketKeys.map(({ day }) => day - Math.floor(lab.nowMs / 86_400_000)), [-1, 0, 1]);
  lab.nowMs += 86_400_000 - limits.sessionMs / 2;
  const later = alive(digest).ticketKeys;
  assertEquals(later.slice(0, 2), now.ticketKeys.slice(1), "the next day's keys overlap");
});

Deno.test("lists come in pages that fit, without a gap or a repeat, and end with an empty cursor", () => {
  const lab = labWith("ada");
  const peer = new ScriptedPeer(lab).join();
  const names: string[] = [];
  for (let i = 0; i < 40; i++) {
    const batch = [0, 1, 2].map((part) => entry(`file ${i * 3 + part} ${"x".repeat((i * 37) % 300)}`, i));
    names.push(...batch.map(({ name }) => name));
    for (const one of batch) assertEquals(peer.ask({ kind: "share", entries: [one] }).kind, "done");
  }
  for (
    const request of [
      { kind: "listFiles", scope: "account" },
      { kind: "listFiles", scope: "device" },
      { kind: "search", ...searchFor("substring", "file") },
    ] as const
  ) {
    const found: string[] = [];
    let pages = 0;
    for (let cursor: Uint8Array<ArrayBuffer> = first; pages === 0 || cursor.length > 0; pages++) {
      const page = peer.askFor("files", { ...request, cursor });
      found.push(...page.files.map(({ name }) => name));
      cursor = page.cursor;
      assertLess(pages, names.length);
    }
    assertEquals(found, names);
  }
});

Deno.test("a search that stopped early has a cursor, even behind an empty page, and goes on behind what was looked at", () => {
  const lab = labWith("ada");
  const peer = new ScriptedPeer(lab).join();
  const afters: (SearchPlace | null)[] = [];
  const answer = lab.store.answer.bind(lab.store);
  const place = { key: 0, row: 20_000, part: 0 };
  lab.store.answer = (ask) => {
    if (ask.operation !== "search") return answer(ask);
    afters.push(ask.ask.after);
    return ok({ rows: [], next: ask.ask.after === null ? place : null });
  };
  const search = { kind: "search", ...searchFor("substring", "rare") } as const;
  const page = peer.askFor("files", { ...search, cursor: first });
  assertEquals([page.files.length, page.cursor.length], [0, 24]);
  assertEquals(peer.askFor("files", { ...search, cursor: page.cursor }).cursor.length, 0);
  assertEquals(afters, [null, place]);
});

Deno.test("peers are listed in pages of at most 64", () => {
  const lab = labWith("ada", "bob");
  for (let device = 1; device <= 60; device++) new ScriptedPeer(lab, { device }).logIn();
  const peer = new ScriptedPeer(lab, { account: "bob", device: 61 }).join();
  for (let device = 62; device <= 80; device++) new ScriptedPeer(lab, { account: "bob", device }).logIn();
  const labels: string[] = [];
  let cursor: Uint8Array<ArrayBuffer> = first;
  do {
    const page = peer.askFor("peers", { kind: "listPeers", cursor });
    labels.push(...page.peers.map(({ label }) => label));
    cursor = page.cursor;
  } while (cursor.length > 0);
  assertEquals(labels, Array.from({ length: 80 }, (_, i) => `vm-${i + 1}`));
});

Deno.test("a cursor that is forged, of another account, query, mode, scope or content is refused", () => {
  const lab = labWith("ada", "bob");
  const ada = new ScriptedPeer(lab).join();
  const bob = new ScriptedPeer(lab, { account: "bob", device: 2 }).join();
  for (let i = 0; i < 40; i++) ada.ask({ kind: "share", entries: [entry(`file ${i} ${"x".repeat(100)}`)] });
  const search = { kind: "search", ...searchFor("substring", "file") } as const;
  const { cursor } = ada.askFor("files", { ...search, cursor: first });
  assertEquals(ada.ask({ ...search, cursor }).kind, "files");
  const altered = cursor.slice();
  altered[7]! ^= 1;
  const usage = errorCodes.usage.wire;
  lab.clear();
  assertEquals(codeOf(ada.ask({ ...search, cursor: altered })), usage);
  assertEquals(codeOf(ada.ask({ ...search, cursor: cursor.slice(0, 23) })), usage);
  assertEquals(codeOf(ada.ask({ ...search, cursor: new Uint8Array(24) })), usage);
  assertEquals(codeOf(ada.ask({ ...search, cursor: new Uint8Array(24).fill(255) })), usage);
  assertEquals(codeOf(bob.ask({ ...search, cursor })), usage);
  assertEquals(codeOf(ada.ask({ ...search, ...searchFor("substring", "fil"), cursor })), usage);
  assertEquals(codeOf(ada.ask({ ...search, descending: true, cursor })), usage);
  assertEquals(codeOf(ada.ask({ kind: "listFiles", scope: "account", cursor })), usage);
  assertEquals(codeOf(ada.ask({ kind: "listPeers", cursor })), usage);
  const ofAccount = ada.askFor("files", { kind: "listFiles", scope: "account", cursor: first }).cursor;
  assertEquals(codeOf(ada.ask({ kind: "listFiles", scope: "device", cursor: ofAccount })), usage);
  assertEquals(
    codeOf(ada.ask({ kind: "locate", content: { id: contentIdOf(7), bytes: 1007 }, offer: false, cursor })),
    usage,
  );
  assertEquals(lab.asked.map(({ operation }) => operation), ["listFiles"], "the one with a cursor of its own");
});

Deno.test("an account is told with its public key once it has one, and not found where it is not", () => {
  const lab = labWith("Ada", "bob");
  const bob = new ScriptedPeer(lab, { account: "bob", device: 2 }).join();
  assertEquals(bob.ask({ kind: "account", account: "ADA" }), { kind: "accountIs", account: "Ada", publicKey: null });
  const { publicKey } = bob.askFor("accountIs", { kind: "account", account: "bob" });
  assertEquals(publicKey?.length, 32);
  assertEquals(codeOf(bob.ask({ kind: "account", account: "eve" })), errorCodes.notFound.wire);
});

Deno.test("a second AUTH in a session is refused", () => {
  const lab = labWith("ada");
  const peer = new ScriptedPeer(lab).join();
  const auth: Message = {
    kind: "auth",
    deviceId: peer.deviceId,
    label: "x",
    proof: new Uint8Array(64),
    certificate: peer.certificate,
    tcpPort: 1,
    shareDigest: emptyShareDigest(),
    loginKey: peer.loginKey.publicKey,
  };
  assertEquals(codeOf(peer.ask(auth)), errorCodes.protocol.wire);
});
