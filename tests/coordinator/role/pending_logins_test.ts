import { assert, assertEquals } from "@std/assert";
import { limits } from "../../../lib/core/limits.ts";
import { type PendingLogin, PendingLogins } from "../../../lib/coordinator/role/pending_logins.ts";

let next = 0n;

function login(block: string, account = "ada", expiresAtMs = 1_000): PendingLogin {
  next++;
  return {
    key: `${next}`,
    account,
    typedAccount: account,
    endpoint: { ip: `${block}.1`, port: 1 },
    block,
    start: new Uint8Array(0),
    sessionId: next,
    deviceId: null,
    expiresAtMs,
    stage: { kind: "asking" },
    reply: new Uint8Array(0),
    opaqueState: "",
    spent: undefined,
    record: "",
    disabled: false,
    finishes: 0,
  };
}

Deno.test("PendingLogins is bounded, and a flood from one block pushes out itself, never another block's login", () => {
  const pending = new PendingLogins();
  const honest = login("10.0.0");
  pending.add(honest);
  for (let i = 0; i < 5_000; i++) pending.add(login("10.6.6"));
  assertEquals(pending.size, limits.loginsPendingMax * 3 / 4);
  assert(pending.has(honest));
  assertEquals(pending.find(honest.key), honest);
});

Deno.test("PendingLogins of known devices have a share of their own, by account", () => {
  const pending = new PendingLogins();
  const owner = login("10.0.0");
  pending.add(owner);
  pending.promote(owner);
  for (let block = 0; block < 2_000; block++) pending.add(login(`10.1.${block}`));
  assert(pending.has(owner));
  for (let i = 0; i < 2_000; i++) {
    const one = login("10.2.0", "bob");
    pending.add(one);
    pending.promote(one);
  }
  assert(pending.has(owner), "another account's devices do not push it out either");
  assertEquals(pending.size <= limits.loginsPendingMax, true);
});

Deno.test("PendingLogins loses the oldest of the largest group first", () => {
  const pending = new PendingLogins();
  const logins = Array.from(
    { length: limits.loginsPendingMax * 3 / 4 },
    (_, i) => login(i % 6 < 2 ? "a" : i % 6 < 5 ? "b" : "c"),
  );
  for (const one of logins) pending.add(one);
  pending.add(login("d"));
  assertEquals(logins.filter((one) => !pending.has(one)), [logins[2]]);
});

Deno.test("PendingLogins forgets what has expired, was removed, or is of a removed account, and under every name", () => {
  const pending = new PendingLogins();
  const [early, late, other] = [login("a", "ada", 10), login("a", "ada", 20), login("a", "bob", 30)];
  for (const one of [early, late, other]) pending.add(one!);
  assertEquals(pending.wakeAtMs, 10);
  pending.expire(10);
  assertEquals([pending.has(early!), pending.has(late!)], [false, true]);
  pending.removeAccount("ada");
  assertEquals([pending.find(late!.key), pending.findBySession(late!.sessionId)], [undefined, undefined]);
  pending.remove(other!);
  assertEquals([pending.size, pending.wakeAtMs], [0, Infinity]);
});
