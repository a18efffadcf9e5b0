import { assert, assertEquals, assertGreater } from "@std/assert";
import { errorCodes } from "../../../lib/core/errors.ts";
import { limits } from "../../../lib/core/limits.ts";
import { addressBlock, wideAddressBlock } from "../../../lib/coordinator/role/address.ts";
import { TokenBuckets } from "../../../lib/coordinator/role/token_buckets.ts";
import { TryBuckets } from "../../../lib/coordinator/role/try_buckets.ts";
import type { DeviceId } from "../../../lib/core/ids.ts";
import { decodeEnvelope } from "../../../lib/wire/envelope.ts";
import { expectKind, type Lab, labWith, livingOf, ScriptedPeer } from "./lab.ts";

/** Guesses from an address; how many second messages came. */
function guess(lab: Lab, times: number, ip: string, account = "ada"): number {
  let replies = 0;
  for (let i = 0; i < times; i++) {
    const peer = new ScriptedPeer(lab, { account, password: "guess", signs: false, endpoint: { ip, port: 1000 + i } });
    if (peer.begin()!.bytes.length > 21) replies++;
  }
  return replies;
}

/** How many guesses from these addresses are answered within some seconds, each address trying all the time. */
function guessFor(lab: Lab, seconds: number, ips: readonly string[], account = "ada"): number {
  let replies = 0;
  for (let second = 0; second < seconds; second++) {
    for (const ip of ips) replies += guess(lab, 1, ip, account);
    lab.nowMs += 1_000;
  }
  return replies;
}

Deno.test("an address block has four tries at an account at once, and then three a minute", () => {
  for (const account of ["ada", "eve"]) {
    const lab = labWith("ada");
    assertEquals(guess(lab, 10, "198.51.100.1", account), 4, "one address");
    assertEquals(guess(lab, 10, "198.51.100.99", account), 0, "the same /24");
    lab.nowMs += 60_000;
    assertEquals(guessFor(lab, 60, ["198.51.100.1", "198.51.100.2"], account), 4, "two at once, and two more");
    lab.nowMs += 60_000;
    assertEquals(guess(lab, 10, "2001:db8::1", account), 4, "a fresh /64");
    assertEquals(guess(lab, 10, "2001:db8::ffff:1", account), 0, "the same /64");
  }
});

Deno.test("a thousand addresses have ten tries at an account in any minute, and its owner comes in from another block", () => {
  const lab = labWith("ada");
  const known = new ScriptedPeer(lab).join();
  // Of 250 blocks in one wide block.
  const guessers = Array.from({ length: 1_000 }, (_, i) => `198.18.${i % 250}.${1 + Math.floor(i / 250)}`);
  const fromMs = lab.nowMs;
  const repliedAtMs: number[] = [];
  let turn = 0;
  const guessAll = (seconds: number) => {
    for (let second = 0; second < seconds; second++) {
      for (let i = 0; i < 30; i++) if (guess(lab, 1, guessers[turn++ % 1_000]!) > 0) repliedAtMs.push(lab.nowMs);
      lab.nowMs += 1_000;
    }
  };
  guessAll(130);
  assert(repliedAtMs.length > 10, "guessers are answered at all");
  for (const atMs of repliedAtMs) {
    const inMinute = repliedAtMs.filter((other) => other >= atMs && other < atMs + 60_000).length;
    assert(inMinute <= limits.loginTriesPerMinute, `${inMinute} tries from ${atMs - fromMs} ms on`);
  }
  assertEquals(known.logIn().kind, "authenticated", "a known device, by the password");
  known.ask({ kind: "leave" });
  assertEquals((known.logInByKey() as { kind: string }).kind, "authenticated", "a known device, by its key");
  const owner = new ScriptedPeer(lab, { device: 2, endpoint: { ip: "203.0.113.9", port: 4000 } });
  let reply = owner.begin()!;
  let waitedSeconds = 0;
  for (; reply.bytes.length <= 21; reply = owner.begin()!, waitedSeconds++) guessAll(1);
  assert(waitedSeconds < 60, `the owner waited ${waitedSeconds} s`);
  const authenticated = owner.one(lab.deliver(owner.endpoint, owner.makeFinish(reply)!)).message;
  assertEquals(authenticated.kind, "authenticated", "a device that is new, from another block");
});

Deno.test("several coordinators have ten tries a minute together, and known devices go on at once", () => {
  for (const live of [2, 3, 5, 10]) {
    let replies = 0;
    for (let coordinator = 0; coordinator < live; coordinator++) {
      const lab = labWith("ada");
      const owner = new ScriptedPeer(lab).join();
      lab.input(livingOf(live));
      assertEquals(owner.logIn().kind, "authenticated");
      lab.nowMs += 60_000;
      replies += guessFor(lab, 60, ["198.51.100.1", "203.0.113.1", "192.0.2.1", "198.18.0.1"]);
    }
    assert(replies <= limits.loginTriesPerMinute, `${replies} tries at ${live} coordinators`);
    assert(replies >= live, "each has some");
  }
});

Deno.test("a coordinator that leaves or comes does not begin a new minute of tries", () => {
  const lab = labWith("ada");
  const replies = guess(lab, 10, "198.51.100.1");
  lab.input(livingOf(2));
  lab.input(livingOf(1));
  assertEquals([replies, guess(lab, 10, "198.51.100.1")], [4, 0]);
});

Deno.test("an invite's code is guessed at no faster than a password", () => {
  const lab = labWith("ada");
  assert(guessFor(lab, 60, ["198.51.100.1", "203.0.113.1", "192.0.2.1"], `#${"0".repeat(20)}`) <= 10);
});

Deno.test("a refused START says when the next try counts, and asks neither store nor OPAQUE", () => {
  const lab = labWith("ada");
  guess(lab, 4, "198.51.100.1");
  lab.clear();
  const peer = new ScriptedPeer(lab, { signs: false, endpoint: { ip: "198.51.100.1", port: 9 } });
  const refused = expectKind(peer.begin(), "refused");
  assertEquals(refused.code, errorCodes.tooManyTries.wire);
  assertEquals(refused.retryAfterMs, 20_000);
  assertEquals(lab.asked, []);
  assertEquals(lab.logs.map(({ event, reason }) => [event, reason]), [["loginRefused", "tooManyTries"]]);
  lab.nowMs += refused.retryAfterMs;
  expectKind(peer.begin(), "reply");
});

Deno.test("guessing never locks the owner out of a device that the account knows", () => {
  const lab = labWith("ada");
  const owner = new ScriptedPeer(lab);
  owner.join();
  for (let block = 0; block < 200; block++) guess(lab, 2, `198.${block}.51.1`);
  assertEquals(owner.logIn().kind, "authenticated");
  // A device that is not known, however well it signs, is a stranger.
  const stranger = new ScriptedPeer(lab, { device: 2 });
  assertEquals(expectKind(stranger.begin(), "refused").code, errorCodes.tooManyTries.wire);
  // Its allowance is not endless either.
  const guesser = new ScriptedPeer(lab, { password: "guess" });
  let replies = 0;
  for (let i = 0; i < 30; i++) if (guesser.begin()!.bytes.length > 21) replies++;
  assertEquals(replies, limits.deviceTriesPerMinute / 2, "half of a minute's at once");
});

Deno.test("a device's allowance is for who signs with its key", () => {
  const lab = labWith("ada");
  const owner = new ScriptedPeer(lab).join();
  const thief = new ScriptedPeer(lab, { device: 2 });
  const cookie = thief.hello();
  const start = decodeEnvelope(thief.makeStart(cookie));
  assert(start.ok && start.value.kind === "start");
  const stolen = { id: owner.deviceId, signature: start.value.body.device!.signature };
  const tryStolen = () => lab.deliver(thief.endpoint, thief.makeStart(cookie, { device: stolen }))[0];
  lab.clear();
  for (let i = 0; i < 4; i++) expectKind(tryStolen(), "reply");
  for (const { ask } of lab.asked) assertEquals(ask, { account: "ada", deviceId: null });
  assertEquals(expectKind(tryStolen(), "refused").code, errorCodes.tooManyTries.wire, "a stranger's are spent");
});

Deno.test("a valid FINISH gives its try back", () => {
  const lab = labWith("ada");
  for (let i = 0; i < 30; i++) {
    const peer = new ScriptedPeer(lab, { signs: false, endpoint: { ip: "198.51.100.1", port: 1000 + i } });
    assertEquals(peer.logIn().kind, "authenticated");
  }
});

Deno.test("TryBuckets keeps accounts and devices apart, and tries for fresh blocks from those that failed", () => {
  const tries = new TryBuckets(new Uint8Array(32).fill(3));
  const takeAll = (account: string, ip: string, deviceId: DeviceId | null = null) => {
    let count = 0;
    while (tries.take(trier(account, ip, deviceId), 0) !== undefined) count++;
    return count;
  };
  assertEquals(takeAll("ada", "10.0.0.1"), 2 + 1 + 1);
  assertEquals(takeAll("bob", "10.0.0.1"), 2, "another account, from where somebody failed");
  assertEquals(takeAll("ada", "10.0.0.1", "d".repeat(64) as DeviceId), 5, "a known device");
  assertEquals(takeAll("ada", "10.0.1.1"), 0, "a fresh block in a wide one where somebody failed");
  assertEquals(takeAll("ada", "10.1.0.1"), 1, "a fresh wide block");
  assertEquals(takeAll("ada", "10.2.0.1"), 0, "one more");
  assertGreater(tries.waitMs(trier("ada", "10.3.0.1", null), 0), 0);
});

Deno.test("TryBuckets gives a try back whole: who knows the password stays fresh", () => {
  const tries = new TryBuckets(new Uint8Array(32).fill(3));
  for (let i = 0; i < 100; i++) {
    const taken = Array.from({ length: 4 }, () => tries.take(trier("ada", "10.0.0.1", null), 0));
    for (const one of taken) tries.giveBack(one!);
  }
});

function trier(account: string, ip: string, deviceId: DeviceId | null) {
  return { account, block: addressBlock(ip), wideBlock: wideAddressBlock(ip), deviceId };
}

Deno.test("TokenBuckets refills at its rate, never above its capacity, and gives back what was taken", () => {
  const buckets = new TokenBuckets({ count: 2, capacity: 3, tokenMs: 100 });
  const take = (nowMs: number) => buckets.take(1, nowMs);
  assertEquals([take(0), take(0), take(0), take(0)], [true, true, true, false]);
  assertEquals(buckets.waitMs(1, 0), 100);
  assert(buckets.take(0, 0), "the other bucket is full");
  assertEquals([take(99), take(100), take(100)], [false, true, false]);
  buckets.giveBack(1);
  assertEquals([take(100), take(100)], [true, false]);
  assertEquals([take(1e9), take(1e9), take(1e9), take(1e9)], [true, true, true, false]);
});
