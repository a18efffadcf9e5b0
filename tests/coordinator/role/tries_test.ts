import { assert, assertEquals, assertGreater } from "@std/assert";
import { errorCodes } from "../../../lib/core/errors.ts";
import { limits } from "../../../lib/core/limits.ts";
import { TokenBuckets } from "../../../lib/coordinator/role/token_buckets.ts";
import { TryBuckets } from "../../../lib/coordinator/role/try_buckets.ts";
import type { DeviceId } from "../../../lib/core/ids.ts";
import { decodeEnvelope } from "../../../lib/wire/envelope.ts";
import { expectKind, type Lab, labWith, ScriptedPeer } from "./lab.ts";

/** Guesses from an address; how many second messages came. */
function guess(lab: Lab, times: number, ip: string, account = "ada"): number {
  let replies = 0;
  for (let i = 0; i < times; i++) {
    const peer = new ScriptedPeer(lab, { account, password: "guess", signs: false, endpoint: { ip, port: 1000 + i } });
    if (peer.begin()!.bytes.length > 21) replies++;
  }
  return replies;
}

Deno.test("strangers share ten tries a minute at an account, one address block gets half of them", () => {
  for (const account of ["ada", "eve"]) {
    const lab = labWith("ada");
    assertEquals(guess(lab, 10, "198.51.100.1", account), 5, "one address");
    assertEquals(guess(lab, 10, "198.51.100.99", account), 0, "the same /24");
    assertEquals(guess(lab, 10, "203.0.113.1", account), 5, "another /24");
    assertEquals(guess(lab, 10, "2001:db8::1", account), 0, "the account's are spent");
    lab.nowMs += 60_000;
    assertEquals(guess(lab, 10, "2001:db8::1", account), 5, "a minute later");
    assertEquals(guess(lab, 10, "2001:db8::ffff:1", account), 0, "the same /64");
    assertEquals(guess(lab, 10, "2001:db8:0:1::1", account), 5, "another /64");
  }
});

Deno.test("a refused START says when the next try counts, and asks neither store nor OPAQUE", () => {
  const lab = labWith("ada");
  guess(lab, 5, "198.51.100.1");
  lab.clear();
  const peer = new ScriptedPeer(lab, { signs: false, endpoint: { ip: "198.51.100.1", port: 9 } });
  const refused = expectKind(peer.begin(), "refused");
  assertEquals(refused.code, errorCodes.tooManyTries.wire);
  assertEquals(refused.retryAfterMs, 12_000);
  assertEquals(lab.asked, []);
  assertEquals(lab.logs.map(({ event, reason }) => [event, reason]), [["loginRefused", "tooManyTries"]]);
  lab.nowMs += refused.retryAfterMs;
  expectKind(peer.begin(), "reply");
});

Deno.test("guessing never locks the owner out of a device that the account knows", () => {
  const lab = labWith("ada");
  const owner = new ScriptedPeer(lab);
  owner.join();
  for (let block = 0; block < 20; block++) guess(lab, 5, `198.51.${block}.1`);
  assertEquals(owner.logIn().kind, "authenticated");
  // A device that is not known, however well it signs, is a stranger.
  const stranger = new ScriptedPeer(lab, { device: 2 });
  assertEquals(expectKind(stranger.begin(), "refused").code, errorCodes.tooManyTries.wire);
  // Its allowance is not endless either.
  const guesser = new ScriptedPeer(lab, { password: "guess" });
  let replies = 0;
  for (let i = 0; i < 30; i++) if (guesser.begin()!.bytes.length > 21) replies++;
  assertEquals(replies, limits.deviceTriesPerMinute);
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
  for (let i = 0; i < 5; i++) expectKind(tryStolen(), "reply");
  for (const { ask } of lab.asked) assertEquals(ask, { account: "ada", deviceId: null });
  assertEquals(expectKind(tryStolen(), "refused").code, errorCodes.tooManyTries.wire, "a stranger's five are spent");
});

Deno.test("a valid FINISH gives its try back", () => {
  const lab = labWith("ada");
  for (let i = 0; i < 30; i++) {
    const peer = new ScriptedPeer(lab, { signs: false, endpoint: { ip: "198.51.100.1", port: 1000 + i } });
    assertEquals(peer.logIn().kind, "authenticated");
  }
});

Deno.test("TryBuckets keeps accounts, blocks and devices apart", () => {
  const tries = new TryBuckets(new Uint8Array(32).fill(3));
  const takeAll = (account: string, block: string, deviceId: DeviceId | null = null) => {
    let count = 0;
    while (tries.take({ account, block, deviceId }, 0) !== undefined) count++;
    return count;
  };
  assertEquals(takeAll("ada", "10.0.0"), 5);
  assertEquals(takeAll("bob", "10.0.0"), 5, "another account");
  assertEquals(takeAll("ada", "10.0.0", "d".repeat(64) as DeviceId), 10, "a known device");
  assertEquals(takeAll("ada", "10.0.1"), 5);
  assertEquals(takeAll("ada", "10.0.2"), 0);
  assertGreater(tries.waitMs({ account: "ada", block: "10.0.2", deviceId: null }, 0), 0);
});

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
