import { assert, assertEquals, assertLess } from "@std/assert";
import { errorCodes } from "../../../lib/core/errors.ts";
import { limits } from "../../../lib/core/limits.ts";
import { AddressRates } from "../../../lib/coordinator/role/address_rates.ts";
import { Outbox } from "../../../lib/coordinator/role/outbox.ts";
import { Shedding, type Work, works } from "../../../lib/coordinator/role/shedding.ts";
import type { Message } from "../../../lib/wire/message.ts";
import { forEveryone } from "../../../lib/core/audience.ts";
import { contentIdOf, expectKind, type Lab, labWith, ScriptedPeer } from "./lab.ts";

/** A queue that is filled to a part of what it holds. */
function filled(load: number) {
  return { ...new Outbox().underWay, writes: load * limits.storeWritesMax };
}

/** Which of 100 are done at a load. */
function shareOf(work: Work, load: number): number {
  const shedding = new Shedding(filled(load));
  return Array.from({ length: 100 }, () => shedding.admits(work, 0)).filter((done) => done).length;
}

const first = new Uint8Array(0);
const share = (turn: number) =>
  ({
    kind: "share",
    entries: [{ name: `file ${turn}`, id: contentIdOf(turn + 1), bytes: 9, ...forEveryone }],
  }) as const;
const locate = { kind: "locate", content: { id: contentIdOf(1), bytes: 9 }, offer: false, cursor: first } as const;
const crowd = Array.from({ length: 20 }, (_, i) => `member${i}`);

/** A lab whose store answers no LOCATE, and has been asked so many that the load is what is wanted; and ada, who was there before. */
function loaded(load: number): { readonly lab: Lab; readonly member: ScriptedPeer } {
  const lab = labWith("ada", ...crowd);
  const member = new ScriptedPeer(lab).join();
  const askers = crowd.map((account, i) => new ScriptedPeer(lab, { account, device: 100 + i }).join());
  lab.holds = (ask) => ask.operation === "locate";
  for (let turn = 0; lab.role.tallies.shedding.load(lab.nowMs) < load && turn < 20_000; turn++) {
    askers[turn % askers.length]!.say(locate);
    lab.nowMs++;
  }
  return { lab, member };
}

Deno.test("at ease nothing is given up, and with growing load one kind of work after the other", () => {
  for (const work of works) assertEquals(shareOf(work, 0.3), 100, work);
  // Each is given up wholly, or as far as it ever is, before the next but one begins to be.
  const begins = works.map((work) => [...Array(101).keys()].find((load) => shareOf(work, load / 100) < 100)!);
  assertEquals(begins, [...begins].sort((a, b) => a - b));
  assertEquals([...works], ["hello", "registration", "passwordLogin", "search", "write"]);
  assertEquals(works.map((work) => shareOf(work, 1)), [12, 6, 6, 0, 0]);
});

Deno.test("what is given up is a share that grows with the load, and is counted", () => {
  const shares = [0.5, 0.55, 0.6, 0.65, 0.7].map((load) => shareOf("passwordLogin", load));
  for (const [i, share] of shares.slice(1).entries()) assertLess(share, shares[i]!);
  const shedding = new Shedding(filled(0.7));
  for (let i = 0; i < 100; i++) shedding.admits("passwordLogin", 0);
  assertEquals(shedding.shed.passwordLogin, 100 - shareOf("passwordLogin", 0.7));
});

Deno.test("a loop that is behind is load, until it has caught up for a while; and never enough to refuse members", () => {
  const shedding = new Shedding(filled(0));
  for (let i = 0; i < 100; i++) shedding.noteBehind(i * 100);
  assert(shedding.load(9_900) > 0.5 && shedding.admits("search", 9_900) && shedding.admits("write", 9_900));
  assertEquals(shedding.memberPrice(64), 1, "nor to make what they ask dearer");
  assert(shedding.price(64, 9_900) > 10);
  assertLess(shedding.load(12_000), shedding.load(9_900));
  assertEquals(shedding.load(20_000), 0);
});

Deno.test("a busy coordinator refuses strangers with a time to wait, and goes on for members and known devices", () => {
  const { lab, member } = loaded(0.75);
  let refused = 0;
  for (let i = 0; i < 20; i++) {
    const endpoint = { ip: `203.0.${i}.1`, port: 5 };
    const answer = new ScriptedPeer(lab, { account: `nobody${i}`, signs: false, endpoint }).begin()!;
    if (answer.bytes.length > 21) continue;
    const { code, retryAfterMs } = expectKind(answer, "refused");
    assertEquals(code, errorCodes.busy.wire);
    assert(retryAfterMs >= 1_000);
    refused++;
  }
  assert(refused > 5 && refused < 20, `${refused} of 20 were refused`);
  assertEquals(lab.role.tallies.shedding.shed.passwordLogin, refused);
  assertEquals(member.ask(share(1)).kind, "done");
  assertEquals(member.ask({ kind: "listPeers", cursor: first }).kind, "peers");
  assertEquals(member.logInByKey().kind, "authenticated");
});

Deno.test("a device that signs START and that the account knows is let in where strangers are not", () => {
  const lab = labWith("ada", ...crowd);
  const known = new ScriptedPeer(lab).join();
  for (let i = 0; i < 10; i++) lab.input({ kind: "behind" });
  const replies = Array.from({ length: 10 }, () => known.begin()!.bytes.length).filter((size) => size > 21);
  assert(replies.length >= 2, "as often as its address may");
  const strangers = Array.from({ length: 12 }, (_, i) => {
    const endpoint = { ip: `203.${i}.0.1`, port: 5 };
    return new ScriptedPeer(lab, { account: crowd[i]!, device: 30 + i, endpoint }).begin()!.bytes.length;
  });
  assert(strangers.filter((size) => size === 21).length > 6, "however well they sign");
});

Deno.test("under full load searches are refused before what changes something, that before presence; known devices come in", () => {
  const answers = (member: ScriptedPeer, message: (turn: number) => Message) =>
    Array.from({ length: 20 }, (_, i) => member.ask(message(i))).map((one) =>
      one.kind === "error" ? one.code : one.kind
    );
  const busy = errorCodes.busy.wire;
  const { lab, member } = loaded(0.93);
  assertEquals(member.logInByKey().kind, "authenticated");
  lab.nowMs += 1_000;
  const searched = answers(member, () => ({ kind: "listPeers", cursor: first }));
  const shared = answers(member, share);
  assert(searched.filter((answer) => answer === busy).length > shared.filter((answer) => answer === busy).length);
  assert(shared.includes("done"));
  const status: Message = { kind: "status", tcpPort: 0, shareDigest: new Uint8Array(32) };
  assertEquals(new Set<unknown>(answers(member, () => status)), new Set(["alive"]));
});

Deno.test("an address has many logins and requests at ease, fewer under load, and takes nothing from others", () => {
  const underWay = filled(0);
  const rates = new AddressRates(new Shedding(underWay), new Uint8Array(32).fill(5));
  const logins = (ip: string, nowMs: number) => {
    let count = 0;
    while (rates.spendLogin(ip, nowMs) === 0) count++;
    return count;
  };
  assertEquals(logins("198.51.100.1", 0), limits.addressLoginsPerSecond);
  assertEquals(rates.spendRequest(rates.placesOf("198.51.100.1"), 0), 0, "requests of members there");
  assertEquals(logins("203.0.113.1", 0), limits.addressLoginsPerSecond, "another address");
  const together = (ips: readonly string[]) => ips.reduce((sum, ip) => sum + logins(ip, 0), 0);
  const of64 = Array.from({ length: 100 }, (_, i) => `2001:db8::${i + 1}`);
  assertEquals(together(of64), limits.addressLoginsPerSecond, "a /64 is one address, however many it has");
  const of24 = Array.from({ length: 100 }, (_, i) => `192.0.2.${i + 1}`);
  assertEquals(
    together(of24),
    4 * limits.addressLoginsPerSecond,
    "a /24 has four times as many as one of its addresses",
  );
  underWay.writes = limits.storeWritesMax;
  assertEquals(logins("198.51.100.77", 10_000), limits.addressLoginsPerSecond / limits.loginPriceMax);
  const places = rates.placesOf("203.0.113.200");
  let requests = 0;
  while (rates.spendRequest(places, 10_000) === 0) requests++;
  assertEquals(requests, Math.floor(limits.addressRequestsPerSecond / limits.requestPriceMax));
  const waitMs = rates.spendRequest(places, 10_000);
  assert(waitMs > 0 && waitMs < 100);
});

Deno.test("an address that is forged spends nobody's tokens: without a cookie there is no bucket", () => {
  const lab = labWith("ada");
  const victim = new ScriptedPeer(lab);
  const forged = victim.makeStart(new Uint8Array(24));
  for (let i = 0; i < 2 * limits.addressLoginsPerSecond; i++) lab.deliver(victim.endpoint, forged);
  assertEquals(victim.logIn().kind, "authenticated");
});

Deno.test("an account's requests cost more under load, and others' do not wait for them", () => {
  const { lab, member } = loaded(0.8);
  const countOf = (peer: ScriptedPeer) => {
    for (let done = 0;; done++) if (peer.ask({ kind: "account", account: "ada" }).kind === "error") return done;
  };
  assertLess(countOf(member), limits.accountRequestsPerSecond * limits.accountBurstSeconds / 10);
  const other = new ScriptedPeer(lab, { account: "member0", device: 100 });
  for (let i = 0; i < 5 && other.channel === undefined; i++) {
    lab.nowMs += 1_000;
    const reply = other.begin()!;
    if (reply.bytes.length > 21) lab.deliver(other.endpoint, other.makeFinish(reply)!);
  }
  assert(countOf(other) > 10);
});
