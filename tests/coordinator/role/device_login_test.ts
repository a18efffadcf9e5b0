import { assert, assertEquals, assertGreater, assertNotEquals } from "@std/assert";
import { errorCodes } from "../../../lib/core/errors.ts";
import { limits } from "../../../lib/core/limits.ts";
import { dhKeyFrom } from "../../../lib/session/dh_key.ts";
import { encodeHello } from "../../../lib/wire/envelope.ts";
import { contentIdOf, expectKind, flipped, type Lab, labWith, ScriptedPeer } from "./lab.ts";
import { forEveryone } from "../../../lib/core/audience.ts";

const refusedWith = (code: keyof typeof errorCodes) => ({ kind: "refused", code: errorCodes[code].wire }) as const;

function operations(lab: Lab): string[] {
  return lab.asked.map(({ operation }) => operation);
}

Deno.test("a device that logged in with the password logs in by its key, without OPAQUE and without a word about the account in clear", () => {
  const lab = labWith("ada");
  const first = new ScriptedPeer(lab).join();
  const password = first.logIn();
  lab.clear();
  lab.opaqueIsBusy = true;
  const again = new ScriptedPeer(lab, { endpoint: { ip: "203.0.113.5", port: 77 } });
  const answer = again.logInByKey();
  assert(answer.kind === "authenticated" && password.kind === "authenticated");
  assertEquals(answer, { ...password, observed: again.endpoint, resetToken: answer.resetToken });
  assertEquals(answer.loginKey, lab.loginKey.publicKey);
  assert(answer.enrolled);
  assertEquals(operations(lab), ["credential", "enrolDevice", "presence"]);
  assertEquals(again.ask(again.status()).kind, "alive");
  assertEquals(lab.logs.map(({ event, way }) => [event, way]), [["replaced", undefined], ["loggedIn", "key"]]);
  const clear = new TextDecoder("latin1").decode(again.startDatagram);
  assertEquals([clear.includes("ada"), clear.includes(first.deviceId)], [false, false]);
});

Deno.test("nothing is enrolled, replaced or kept for long before AUTH opens", () => {
  const lab = labWith("ada");
  const online = new ScriptedPeer(lab).join();
  lab.clear();
  const again = new ScriptedPeer(lab, { endpoint: { ip: "203.0.113.5", port: 77 } });
  again.readDeviceReply(again.beginByKey());
  assertEquals(operations(lab), ["credential"]);
  assertEquals(online.ask(online.status()).kind, "alive");
  assertEquals(lab.role.figures().pendingLogins, 1);
  const auth = again.sealAuth();
  assertEquals(lab.deliver(again.endpoint, flipped(auth, 40)), []);
  assertEquals(lab.deliver({ ...again.endpoint, port: 9 }, auth), []);
  lab.wait(limits.requestMs);
  assertEquals(lab.role.figures().pendingLogins, 0);
  assertEquals(online.ask(online.status()).kind, "alive");
});

Deno.test("a replayed first message yields nothing: from elsewhere a cookie, from there the same answer, and no session", () => {
  const lab = labWith("ada");
  const peer = new ScriptedPeer(lab).join();
  const reply = peer.beginByKey()!;
  const start = peer.startDatagram;
  expectKind(lab.deliver({ ...peer.endpoint, ip: "203.0.113.9" }, start)[0], "cookie");
  expectKind(lab.deliver({ ...peer.endpoint, port: 9 }, start)[0], "cookie");
  assertEquals(lab.deliver(peer.endpoint, start), [reply]);
  assertEquals(lab.role.figures().pendingLogins, 1);
  lab.nowMs += 2 * limits.cookieSlotMs;
  expectKind(lab.deliver(peer.endpoint, start)[0], "cookie");
  // Under a nonce and a cookie of his own the thief of a message has no use for it: it is bound to those it was made for.
  const thief = new ScriptedPeer(lab, { device: 66 });
  const rebound = start.slice();
  rebound.set(thief.nonce, 2);
  rebound.set(thief.hello(), 18);
  assertEquals(expectKind(lab.deliver(thief.endpoint, rebound)[0], "refused").code, errorCodes.denied.wire);
  assertEquals(lab.role.figures().sessions, 1);
});

Deno.test("a device that is unknown, revoked or of another account, and an account that is not there, get one answer", () => {
  const lab = labWith("ada", "bob");
  const known = new ScriptedPeer(lab).join();
  const sizes = new Set<number>();
  const told = (peer: ScriptedPeer) => {
    const reply = peer.beginByKey();
    sizes.add(reply!.bytes.length);
    return peer.readDeviceReply(reply);
  };
  assertEquals(told(new ScriptedPeer(lab)).kind, "session");
  const revoked = new ScriptedPeer(lab, { device: 2 }).join();
  known.askFor("done", { kind: "revokeDevice", label: revoked.label });
  for (
    const stranger of [
      revoked,
      new ScriptedPeer(lab, { device: 3 }),
      new ScriptedPeer(lab, { account: "bob" }),
      new ScriptedPeer(lab, { account: "nobody" }),
    ]
  ) {
    lab.asked.length = 0;
    assertEquals(told(stranger), refusedWith("denied"), stranger.account);
    assertEquals(operations(lab), ["credential"]);
  }
  assertEquals(sizes.size, 1, "an observer cannot tell them apart");
  // Who names the device of another, and has not its key.
  const thief = new ScriptedPeer(lab, { device: 3 });
  const start = thief.makeDeviceStart(thief.hello(), { deviceId: known.deviceId });
  assertEquals(thief.readDeviceReply(lab.deliver(thief.endpoint, start)[0]), refusedWith("denied"));
  assertEquals(lab.role.figures().sessions, 1);
});

Deno.test("that an account is disabled is told to its own devices alone", () => {
  const lab = labWith("ada");
  const known = new ScriptedPeer(lab).join();
  lab.store.accounts.get("ada")!.disabled = true;
  lab.input({ kind: "accountChanged", account: "ada", code: "disabled" });
  assertEquals(known.logInByKey(), refusedWith("disabled"));
  assertEquals(new ScriptedPeer(lab, { device: 2 }).logInByKey(), refusedWith("denied"));
  lab.store.accounts.get("ada")!.disabled = false;
  const answer = known.logInByKey();
  assertEquals(answer.kind, "authenticated");
});

Deno.test("AUTH must be by the device whose key it was, and tell the same key", () => {
  const lab = labWith("ada");
  const peer = new ScriptedPeer(lab).join();
  const other = new ScriptedPeer(lab, { device: 2 }).join();
  lab.wait(limits.cookieSlotMs);
  peer.readDeviceReply(peer.beginByKey());
  const before = lab.role.figures().logins;
  for (
    const changes of [
      { deviceId: other.deviceId },
      { loginKey: other.loginKey.publicKey },
      { proof: new Uint8Array(64) },
    ]
  ) {
    assertEquals(lab.deliver(peer.endpoint, peer.sealAuth(changes)), []);
  }
  assertEquals(lab.role.figures().logins, before);
  assertEquals(peer.one(lab.deliver(peer.endpoint, peer.sealAuth())).message.kind, "authenticated");
});

Deno.test("a device's name with control characters is refused, however it logs in", () => {
  const lab = labWith("ada");
  const peer = new ScriptedPeer(lab).join();
  peer.readDeviceReply(peer.beginByKey());
  const { message } = peer.one(lab.deliver(peer.endpoint, peer.sealAuth({ label: "vm\u001b[2J" })));
  assert(message.kind === "error");
  assertEquals(message.code, errorCodes.usage.wire);
});

Deno.test("AUTH that comes again while the store is asked is dropped, and later gets the stored answer", () => {
  const lab = labWith("ada");
  const peer = new ScriptedPeer(lab).join();
  peer.readDeviceReply(peer.beginByKey());
  lab.holds = ({ operation }) => operation === "enrolDevice";
  assertEquals(lab.deliver(peer.endpoint, peer.sealAuth()), []);
  assertEquals(lab.deliver(peer.endpoint, peer.channel!.seal(peer.lastAuth)), []);
  const first = peer.read(lab.release()).find(({ message }) => message.kind === "authenticated");
  const { message } = peer.one(lab.deliver(peer.endpoint, peer.channel!.seal(peer.lastAuth)));
  assertEquals(message, first!.message);
  assertEquals(lab.asked.filter(({ operation }) => operation === "enrolDevice").length, 2, "of both logins, one each");
});

Deno.test("a device that is revoked between DEVICE_REPLY and AUTH gets no session", () => {
  const lab = labWith("ada");
  const peer = new ScriptedPeer(lab).join();
  const other = new ScriptedPeer(lab, { device: 2 }).join();
  peer.readDeviceReply(peer.beginByKey());
  other.askFor("done", { kind: "revokeDevice", label: peer.label });
  const { message } = peer.one(lab.deliver(peer.endpoint, peer.sealAuth()));
  assert(message.kind === "error");
  assertEquals(message.code, errorCodes.denied.wire);
  // As often as it asks.
  assertEquals(peer.one(lab.deliver(peer.endpoint, peer.channel!.seal(peer.lastAuth))).message, message);
  assertEquals(lab.role.figures().sessions, 1);
});

Deno.test("an account that changes while the store is asked about a device ends that login", () => {
  const lab = labWith("ada");
  const peer = new ScriptedPeer(lab).join();
  lab.holds = ({ operation }) => operation === "credential";
  assertEquals(peer.beginByKey(), undefined);
  lab.input({ kind: "accountChanged", account: "ada", code: "disabled" });
  assertEquals(lab.release(), []);
  assertEquals(lab.role.figures().pendingLogins, 0);
  // And one that is pending.
  peer.readDeviceReply(peer.beginByKey());
  lab.input({ kind: "accountChanged", account: "ADA", code: "disabled" });
  assertEquals(peer.read(lab.deliver(peer.endpoint, peer.sealAuth())), []);
  assertEquals(lab.role.figures().sessions, 0);
});

Deno.test("a first message to another coordinator's key is refused in clear, and no answer to it is believed", () => {
  const lab = labWith("ada");
  const peer = new ScriptedPeer(lab).join();
  const moved = labWith("ada");
  const other = new ScriptedPeer(moved);
  Object.assign(moved, { loginKey: dhKeyFrom(new Uint8Array(32).fill(77)) });
  const { code } = expectKind(other.beginByKey(), "refused");
  assertEquals(code, errorCodes.denied.wire);
  assertEquals(operations(moved), []);
  assertEquals(peer.ask(peer.status()).kind, "alive");
});

Deno.test("guessing passwords never slows a login by key, and strangers' handshakes slow those of their own address alone", () => {
  const lab = labWith("ada");
  const owner = new ScriptedPeer(lab).join();
  const guesser = new ScriptedPeer(lab, { device: 9, password: "wrong", signs: false });
  for (let i = 0; i < 30; i++) guesser.begin();
  const stranger = new ScriptedPeer(lab, { device: 8 });
  const codes = new Set<string>();
  for (let i = 0; i < limits.deviceStartsPerMinute + 10; i++) {
    codes.add(lab.deliver(...startOf(stranger))[0]!.bytes[1]!.toString());
  }
  assertEquals(codes.size, 2, "refused under its key, then in clear");
  const { code, retryAfterMs } = expectKind(lab.deliver(...startOf(stranger))[0], "refused");
  assertEquals(code, errorCodes.tooManyTries.wire);
  assertGreater(retryAfterMs, 0);
  for (let i = 0; i < limits.deviceStartsPerMinute + 5; i++) {
    assertEquals(owner.logInByKey().kind, "authenticated", "each valid login gives back what it took");
  }
});

function startOf(peer: ScriptedPeer) {
  peer.nonce = peer.lab.random(16);
  return [peer.endpoint, peer.makeDeviceStart(peer.hello())] as const;
}

Deno.test("a device has so many handshakes a minute that it does not finish", () => {
  const lab = labWith("ada");
  const peer = new ScriptedPeer(lab).join();
  for (let i = 0; i < limits.deviceTriesPerMinute; i++) {
    assertEquals(peer.readDeviceReply(peer.beginByKey()).kind, "session");
  }
  assertEquals(expectKind(peer.beginByKey(), "refused").code, errorCodes.tooManyTries.wire);
  assertEquals(lab.role.figures().pendingLogins, limits.deviceTriesPerMinute);
  lab.nowMs += 60_000 / limits.deviceTriesPerMinute;
  assertEquals(peer.logInByKey().kind, "authenticated");
});

Deno.test("DEVICE_START that comes again while the store is asked is one login", () => {
  const lab = labWith("ada");
  const peer = new ScriptedPeer(lab).join();
  lab.holds = ({ operation }) => operation === "credential";
  assertEquals(peer.beginByKey(), undefined);
  assertEquals(lab.deliver(peer.endpoint, peer.startDatagram), []);
  const replies = lab.release();
  assertEquals(replies.length, 1);
  assertEquals(peer.readDeviceReply(replies[0]).kind, "session");
  assertEquals(lab.role.figures().pendingLogins, 1);
});

Deno.test("a full store means REFUSED busy, and draining lets nobody in", () => {
  const lab = labWith("ada");
  const peer = new ScriptedPeer(lab).join();
  lab.refuses = ({ operation }) => operation === "credential";
  for (let i = 0; i < 2 * limits.deviceStartsPerMinute; i++) {
    assertEquals(expectKind(peer.beginByKey(), "refused").code, errorCodes.busy.wire);
  }
  lab.refuses = () => false;
  assertEquals(peer.logInByKey().kind, "authenticated");
  lab.input({ kind: "drain", elsewhere: [], atOnce: limits.closesAtOnce });
  assertEquals(expectKind(peer.beginByKey(), "refused").code, errorCodes.busy.wire);
});

Deno.test("the id of a session to be gets no RESET: its token would end the session that comes of it", () => {
  const lab = labWith("ada");
  const spy = { ip: "203.0.113.66", port: 6 };
  const byKey = new ScriptedPeer(lab).join();
  byKey.readDeviceReply(byKey.beginByKey());
  assertEquals(lab.deliver(spy, byKey.sealAuth()), []);
  const byPassword = new ScriptedPeer(lab, { device: 2 });
  byPassword.makeFinish(byPassword.begin()!);
  assertEquals(lab.deliver(spy, byPassword.seal({ kind: "leave" })), []);
});

Deno.test("the devices of an account are listed page by page, to its own devices alone", () => {
  const lab = labWith("ada", "bob");
  new ScriptedPeer(lab, { account: "bob", device: 90 }).join();
  const peers = Array.from({ length: 20 }, (_, i) => {
    return new ScriptedPeer(lab, { device: 1 + i, label: `${"x".repeat(60)}${10 + i}` }).join();
  });
  peers[3]!.askFor("done", { kind: "leave" });
  const labels: string[] = [];
  let cursor = new Uint8Array(0);
  let pages = 0;
  do {
    const page = peers[0]!.askFor("devicesAre", { kind: "devices", cursor });
    for (const { label, online, enrolledAtMs } of page.devices) {
      labels.push(label);
      assertEquals(online, label !== peers[3]!.label);
      assertNotEquals(enrolledAtMs, null);
    }
    cursor = page.cursor;
    pages++;
  } while (cursor.length > 0);
  assertGreater(pages, 1);
  assertEquals(labels, peers.map(({ label }) => label));
});

Deno.test("a revoked device loses its session at once, and its fetches: holders are told; others go on", () => {
  const lab = labWith("ada", "bob");
  const [thief, owner] = [1, 2].map((device) => new ScriptedPeer(lab, { device }).join()) as [
    ScriptedPeer,
    ScriptedPeer,
  ];
  const holder = new ScriptedPeer(lab, { account: "bob", device: 3 }).join();
  const content = { id: contentIdOf(1), bytes: 9 };
  holder.ask({ kind: "share", entries: [{ name: "a", ...content, ...forEveryone }] });
  for (const peer of [thief, owner]) {
    const { holders } = peer.askFor("holders", { kind: "locate", content, offer: false, cursor: new Uint8Array(0) });
    assertEquals(holders.length, 1);
  }
  const from = lab.sent.length;
  owner.askFor("done", { kind: "revokeDevice", label: thief.label });
  const sent = lab.sent.slice(from);
  assertEquals(thief.read(sent).map(({ message }) => message.kind === "close" && message.code), [
    errorCodes.denied.wire,
  ]);
  assertEquals(holder.read(sent).map(({ message }) => message), [
    { kind: "revoke", contents: [], devices: [thief.deviceId] },
  ]);
  assertEquals(owner.ask(owner.status()).kind, "alive");
  assertEquals(thief.logInByKey(), refusedWith("denied"));
  // With the password it is enrolled anew.
  assertEquals(thief.logIn().kind, "authenticated");
  assertEquals(thief.logInByKey().kind, "authenticated");
});

Deno.test("a device of that label must be there, and of the own account", () => {
  const lab = labWith("ada", "bob");
  const ada = new ScriptedPeer(lab).join();
  const bob = new ScriptedPeer(lab, { account: "bob", device: 2 }).join();
  for (const label of ["none", bob.label]) {
    assertEquals(ada.askFor("error", { kind: "revokeDevice", label }).code, errorCodes.notFound.wire);
  }
  assertEquals(bob.ask(bob.status()).kind, "alive");
});

Deno.test("a device that revokes itself is logged out: it is told that it is done, however often it asks", () => {
  const lab = labWith("ada");
  const peer = new ScriptedPeer(lab).join();
  const transaction = ++peer.transaction;
  const ask = { kind: "revokeDevice", label: peer.label } as const;
  for (let i = 0; i < 2; i++) {
    assertEquals(peer.say(ask, transaction).map(({ message }) => message.kind), ["done"]);
  }
  lab.wait(limits.leaveLingerMs);
  assertEquals(lab.role.figures().sessions, 0);
  assertEquals(peer.logInByKey(), refusedWith("denied"));
});

Deno.test("the operator's revocation ends a device's session and transfers", () => {
  const lab = labWith("ada");
  const peer = new ScriptedPeer(lab).join();
  const sent = lab.input({ kind: "deviceRevoked", device: 1 });
  assertEquals(peer.read(sent).map(({ message }) => message.kind), ["close"]);
  assertEquals(lab.role.figures().sessions, 0);
  assertEquals(lab.input({ kind: "deviceRevoked", device: 99 }), []);
});

Deno.test("pending logins by key are bounded, and a flood of one account pushes out itself", () => {
  const lab = labWith("ada", "bob");
  const victim = new ScriptedPeer(lab, { account: "bob", device: 250 }).join();
  victim.readDeviceReply(victim.beginByKey());
  const flood = Array.from({ length: 40 }, (_, i) => new ScriptedPeer(lab, { device: 1 + i }).join());
  const before = lab.role.figures().pendingLogins;
  for (const peer of flood) for (let i = 0; i < 5; i++) peer.beginByKey();
  assertEquals(lab.role.figures().pendingLogins, before + 200);
  assertEquals(victim.one(lab.deliver(victim.endpoint, victim.sealAuth())).message.kind, "authenticated");
  lab.wait(limits.requestMs);
  assertEquals(lab.role.figures().pendingLogins, 0);
  assertEquals(lab.deliver(victim.endpoint, encodeHello(lab.random(16))).length, 1);
});
