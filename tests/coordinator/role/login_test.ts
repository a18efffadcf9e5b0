import { assert, assertEquals, assertExists, assertGreater, assertLessOrEqual, assertNotEquals } from "@std/assert";
import { errorCodes } from "../../../lib/core/errors.ts";
import { limits } from "../../../lib/core/limits.ts";
import { protocolVersion } from "../../../lib/core/version.ts";
import { signDevice } from "../../../lib/session/proofs.ts";
import { encodeHello, encodeStart } from "../../../lib/wire/envelope.ts";
import { accountKeyOf, expectKind, flipped, Lab, labWith, ScriptedPeer, type Sent } from "./lab.ts";

Deno.test("a login with the right password becomes a session, enrolled only after its first sealed datagram opened", () => {
  const lab = labWith("ada");
  const peer = new ScriptedPeer(lab);
  const finish = peer.makeFinish(peer.begin()!)!;
  assertEquals(lab.asked.map(({ operation }) => operation), ["credential"]);
  const { message } = peer.one(lab.deliver(peer.endpoint, finish));
  assert(message.kind === "authenticated");
  assertEquals(message.account, "ada");
  assertEquals(message.label, "vm-1");
  assertEquals(message.accountKey, null);
  assertEquals(message.enrolled, false);
  assertEquals(message.observed, peer.endpoint);
  assertEquals(message.timeMs, lab.nowMs);
  assertEquals(message.sharesMatch, true);
  assertEquals(lab.asked.map(({ operation }) => operation), ["credential", "enrolDevice", "presence"]);
  assertEquals(lab.logs.map(({ event }) => event), ["loggedIn"]);
  assertEquals(lab.role.figures(), {
    sessions: 1,
    pendingLogins: 0,
    datagramsIn: 3,
    datagramsRefused: 0,
    datagramsShed: 0,
    logins: 1,
    offers: 0,
    reports: 0,
  });
});

Deno.test("any spelling that folds to the account logs in to it, and is told the stored spelling", () => {
  const lab = labWith("Zo\u00eb");
  const answer = new ScriptedPeer(lab, { account: "ZOE\u0308" }).logIn();
  assert(answer.kind === "authenticated");
  assertEquals(answer.account, "Zo\u00eb");
});

Deno.test("a wrong password is noticed by the peer alone and enrols nothing", () => {
  const lab = labWith("ada");
  const peer = new ScriptedPeer(lab, { password: "wrong" });
  assertEquals(peer.makeFinish(peer.begin()!), undefined);
  assertEquals(lab.asked.map(({ operation }) => operation), ["credential"]);
  assertEquals(lab.role.figures().sessions, 0);
});

Deno.test("an account that is not there takes the same datagrams, sizes and effects as one that is", () => {
  const trace = (account: string, lab: Lab) => {
    const peer = new ScriptedPeer(lab, { account, password: "wrong" });
    const steps: unknown[] = [];
    for (let i = 0; i < 12; i++) {
      const from = lab.sent.length;
      peer.begin();
      steps.push(lab.sent.slice(from).map(({ bytes }) => [bytes[1], bytes.length]));
    }
    return { steps, asked: lab.asked.map(({ operation }) => operation), logs: lab.logs.map(({ event }) => event) };
  };
  const known = trace("ada", labWith("ada"));
  assertEquals(trace("eve", labWith("ada")), known);
  assertEquals(known.steps.length, 12);
});

Deno.test("a repeated START is answered with the same REPLY and costs one try", () => {
  const lab = labWith("ada");
  const peer = new ScriptedPeer(lab);
  const reply = peer.begin()!;
  lab.asked.length = 0;
  assertEquals(lab.deliver(peer.endpoint, peer.startDatagram), [reply]);
  assertEquals(lab.asked, []);
});

Deno.test("a START that comes again while the store is asked is dropped", () => {
  const lab = labWith("ada");
  const peer = new ScriptedPeer(lab);
  lab.holds = (ask) => ask.operation === "credential";
  assertEquals(peer.begin(), undefined);
  assertEquals(lab.deliver(peer.endpoint, peer.startDatagram), []);
  assertEquals(lab.asked.length, 1);
  expectKind(lab.release()[0], "reply");
});

Deno.test("a cookie that is forged, of another address, port or nonce, or too old costs nothing and yields a fresh one", () => {
  const lab = labWith("ada");
  const peer = new ScriptedPeer(lab);
  const cookie = peer.hello();
  const refused = (sent: readonly Sent[]) => {
    assertEquals(sent.length, 1);
    return expectKind(sent[0], "cookie").cookie;
  };
  refused(lab.deliver(peer.endpoint, peer.makeStart(flipped(cookie, 3))));
  const start = peer.makeStart(cookie);
  refused(lab.deliver({ ...peer.endpoint, ip: "203.0.113.9" }, start));
  refused(lab.deliver({ ...peer.endpoint, port: 9 }, start));
  refused(lab.deliver(peer.endpoint, flipped(start, 2)));
  lab.nowMs += 2 * limits.cookieSlotMs;
  const fresh = refused(lab.deliver(peer.endpoint, start));
  assertEquals(lab.asked, []);
  assertEquals(lab.role.figures().pendingLogins, 0);
  // The fresh one lets a slow peer go on.
  expectKind(lab.deliver(peer.endpoint, peer.makeStart(fresh))[0], "reply");
});

Deno.test("a cookie is good in its slot and the next", () => {
  const lab = labWith("ada");
  const peer = new ScriptedPeer(lab);
  const start = peer.makeStart(peer.hello());
  lab.nowMs += limits.cookieSlotMs;
  expectKind(lab.deliver(peer.endpoint, start)[0], "reply");
});

Deno.test("a FINISH from another address, of another password or altered does nothing, and the genuine one still counts", () => {
  const lab = labWith("ada");
  const peer = new ScriptedPeer(lab);
  const finish = peer.makeFinish(peer.begin()!)!;
  assertEquals(lab.deliver({ ...peer.endpoint, port: 9 }, finish), []);
  assertEquals(lab.deliver(peer.endpoint, flipped(finish, 20)), []); // KE3
  assertEquals(lab.deliver(peer.endpoint, flipped(finish, 90)), []); // sealed
  assertEquals(lab.role.figures().sessions, 0);
  assertEquals(peer.one(lab.deliver(peer.endpoint, finish)).message.kind, "authenticated");
});

Deno.test("FINISH messages that a pending login checks are bounded", () => {
  const lab = labWith("ada");
  const peer = new ScriptedPeer(lab);
  const finish = peer.makeFinish(peer.begin()!)!;
  for (let i = 0; i < limits.loginFinishesMax; i++) lab.deliver(peer.endpoint, flipped(finish, 20));
  assertEquals(lab.deliver(peer.endpoint, finish), []);
  assertEquals(lab.role.figures().sessions, 0);
});

Deno.test("a FINISH without the proof of the device's key is not believed", () => {
  const lab = labWith("ada");
  const peer = new ScriptedPeer(lab, { signs: false });
  const other = new ScriptedPeer(lab, { device: 2 });
  const finish = peer.makeFinish(peer.begin()!, { deviceId: other.deviceId })!;
  assertEquals(lab.deliver(peer.endpoint, finish), []);
  assertEquals(lab.role.figures().sessions, 0);
});

Deno.test("who signs START with one device cannot log in another one with it, who signs nothing can", () => {
  const lab = labWith("ada");
  const other = new ScriptedPeer(lab, { device: 2 });
  for (const signs of [true, false]) {
    const peer = new ScriptedPeer(lab, { device: 1, signs });
    lab.deliver(peer.endpoint, peer.makeFinish(peer.begin()!, {}, other)!);
    assertEquals(lab.role.figures().sessions, signs ? 0 : 1);
  }
});

Deno.test("a FINISH that comes twice is one login, and a repeated AUTH gets the stored answer", () => {
  const lab = labWith("ada");
  const peer = new ScriptedPeer(lab);
  const first = peer.logIn();
  assertEquals(lab.deliver(peer.endpoint, peer.finishDatagram), []); // The same packet number: a replay.
  const { message } = peer.one(lab.deliver(
    peer.endpoint,
    peer.channel!.sealFinish(peer.login!.ke3, peer.lastAuth),
  ));
  assertEquals(message, first);
  assertEquals(lab.role.figures().logins, 1);
  assertEquals(lab.asked.filter(({ operation }) => operation === "enrolDevice").length, 1);
});

Deno.test("a disabled account is told so only inside the sealed channel, as often as it asks", () => {
  const lab = labWith("ada");
  lab.store.accounts.get("ada")!.disabled = true;
  const peer = new ScriptedPeer(lab);
  const answer = peer.logIn();
  assert(answer.kind === "error");
  assertEquals(answer.code, errorCodes.disabled.wire);
  const again = peer.one(lab.deliver(
    peer.endpoint,
    peer.channel!.sealFinish(peer.login!.ke3, peer.lastAuth),
  ));
  assertEquals(again.message, answer);
  assertEquals(lab.role.figures().sessions, 0);
  assertEquals(lab.asked.some(({ operation }) => operation === "enrolDevice"), false);
  // Who does not know the password is not told.
  const guess = new ScriptedPeer(lab, { password: "wrong", device: 2 });
  expectKind(guess.begin(), "reply");
});

Deno.test("a newer login of the same device ends the older session and tells it; of another device never", () => {
  const lab = labWith("ada");
  const first = new ScriptedPeer(lab);
  const second = new ScriptedPeer(lab, { device: 2 });
  first.logIn();
  second.logIn();
  assertEquals(lab.role.figures().sessions, 2);
  const again = new ScriptedPeer(lab, { endpoint: { ip: "203.0.113.5", port: 77 } });
  lab.clear();
  again.logIn();
  const closed = first.read(lab.sent.filter(({ to }) => to.ip === first.endpoint.ip));
  assertEquals(closed, [{
    transaction: 0,
    message: { kind: "close", code: errorCodes.sessionEnded.wire, elsewhere: [] },
  }]);
  assertEquals(lab.role.figures().sessions, 2);
  assertEquals(second.ask(second.status()).kind, "alive");
  assertEquals(again.ask(again.status()).kind, "alive");
  assertEquals(lab.logs.map(({ event }) => event), ["replaced", "loggedIn"]);
  again.ask({ kind: "leave" });
  again.logIn();
  const lately = lab.logs.slice(2).map(({ event }) => event);
  assertEquals(lately, ["loggedOut", "loggedIn"], "who has left is not replaced");
  const told = lab.asked.flatMap((one) => one.operation === "presence" ? [one.ask.online] : []);
  assertEquals(told, [true, false, true], "the device was away when it had left, and never else");
});

Deno.test("the same device key in two accounts has two sessions", () => {
  const lab = labWith("ada", "bob");
  new ScriptedPeer(lab).logIn();
  new ScriptedPeer(lab, { account: "bob", endpoint: { ip: "203.0.113.5", port: 77 } }).logIn();
  assertEquals(lab.role.figures().sessions, 2);
});

Deno.test("an account at its session limit is refused while all are online, and loses the one away longest otherwise", () => {
  const lab = labWith("ada");
  const peers = [];
  for (let device = 1; device <= limits.sessionsPerAccountMax; device++) {
    const peer = new ScriptedPeer(lab, { device });
    assertEquals(peer.logIn().kind, "authenticated");
    peers.push(peer);
  }
  const over = new ScriptedPeer(lab, { device: 99 });
  lab.asked.length = 0;
  const answer = over.logIn();
  assert(answer.kind === "error");
  assertEquals(answer.code, errorCodes.limit.wire);
  assertEquals(lab.asked.some(({ operation }) => operation === "enrolDevice"), false);
  // A device that has a session already still gets in.
  assertEquals(new ScriptedPeer(lab, { device: 5 }).logIn().kind, "authenticated");
  // All but three fall silent; the limit then costs the one that was silent first.
  lab.nowMs += limits.keepAliveMs * 2;
  for (const peer of peers.slice(10, 13)) peer.say(peer.status());
  lab.wait(limits.keepAliveMs);
  assertEquals(new ScriptedPeer(lab, { device: 99, account: "ada" }).logIn().kind, "authenticated");
  assertEquals(lab.role.figures().sessions, limits.sessionsPerAccountMax);
  assertEquals(peers[10]!.ask(peers[10]!.status()).kind, "alive");
});

Deno.test("OPAQUE or store at their limit mean REFUSED busy, and no try is lost", () => {
  const lab = labWith("ada");
  const peer = new ScriptedPeer(lab, { signs: false });
  lab.opaqueIsBusy = true;
  for (let i = 0; i < 20; i++) {
    const { code, retryAfterMs } = expectKind(peer.begin(), "refused");
    assertEquals([code, retryAfterMs], [errorCodes.busy.wire, 1000]);
  }
  lab.opaqueIsBusy = false;
  lab.refuses = ({ operation }) => operation === "credential";
  assertEquals(expectKind(peer.begin(), "refused").code, errorCodes.busy.wire);
  lab.refuses = () => false;
  expectKind(peer.begin(), "reply");
  assertEquals(lab.role.figures().pendingLogins, 1);
});

Deno.test("a store that fails while the device is enrolled is told inside the sealed channel", () => {
  const lab = labWith("ada");
  lab.refuses = ({ operation }) => operation === "enrolDevice";
  const answer = new ScriptedPeer(lab).logIn();
  assert(answer.kind === "error");
  assertEquals(answer.code, errorCodes.busy.wire);
  assertEquals(lab.role.figures().sessions, 0);
});

Deno.test("pending logins end after their time", () => {
  const lab = labWith("ada");
  const peer = new ScriptedPeer(lab);
  const finish = peer.makeFinish(peer.begin()!)!;
  assertEquals(lab.role.figures().pendingLogins, 1);
  lab.wait(limits.loginPendingMs);
  assertEquals(lab.role.figures().pendingLogins, 0);
  assertEquals(lab.deliver(peer.endpoint, finish), []);
});

Deno.test("an account that is changed loses its pending logins", () => {
  const lab = labWith("ada");
  const peer = new ScriptedPeer(lab);
  const finish = peer.makeFinish(peer.begin()!)!;
  lab.input({ kind: "accountChanged", account: "ADA", code: "disabled" });
  assertEquals(lab.deliver(peer.endpoint, finish), []);
  assertEquals(lab.role.figures(), { ...lab.role.figures(), sessions: 0, pendingLogins: 0 });
});

Deno.test("an account that is changed while its device is being enrolled gets no session", () => {
  const lab = labWith("ada");
  const peer = new ScriptedPeer(lab);
  const finish = peer.makeFinish(peer.begin()!)!;
  lab.holds = (ask) => ask.operation === "enrolDevice";
  assertEquals(lab.deliver(peer.endpoint, finish), []);
  lab.input({ kind: "accountChanged", account: "ada", code: "disabled" });
  assertEquals(lab.release(), []);
  assertEquals(lab.role.figures().sessions, 0);
});

Deno.test("a device is enrolled by the account key's signature of it, and by no other", () => {
  const lab = labWith("ada");
  const peer = new ScriptedPeer(lab);
  peer.logIn();
  const accountKey = { publicKey: accountKeyOf("ada").publicKey, sealed: new Uint8Array(60) };
  const refused = peer.askFor("error", { kind: "enrol", accountKey, signature: new Uint8Array(64) });
  assertEquals(refused.code, errorCodes.denied.wire);
  assertEquals(lab.store.accounts.get("ada")!.key, null);
  const joined = new ScriptedPeer(lab, { device: 2 }).join();
  const again = joined.logIn();
  assert(again.kind === "authenticated");
  assert(again.enrolled);
  assertEquals(again.accountKey?.publicKey, accountKey.publicKey);
});

Deno.test("an account key that comes second is not stored, and the first is told", () => {
  const lab = labWith("ada");
  new ScriptedPeer(lab).join();
  const second = new ScriptedPeer(lab, { device: 2 });
  second.logIn();
  const other = accountKeyOf("x");
  const signature = signDevice(other, "ada", second.deviceId);
  const enrolled = second.askFor("enrolled", {
    kind: "enrol",
    accountKey: { publicKey: other.publicKey, sealed: new Uint8Array(60) },
    signature,
  });
  assertEquals(enrolled.enrolled, false);
  assertNotEquals(enrolled.accountKey.publicKey, other.publicKey);
});

Deno.test("draining tells every peer to come back, and starts no login", () => {
  const lab = labWith("ada", "bob");
  const ada = new ScriptedPeer(lab);
  const bob = new ScriptedPeer(lab, { account: "bob", device: 2 });
  ada.logIn();
  bob.logIn();
  const elsewhere = [{ ip: "192.0.2.7", port: 5000 }];
  const sent = lab.input({ kind: "drain", elsewhere, atOnce: 100 });
  for (const peer of [ada, bob]) {
    assertEquals(peer.read(sent).map(({ message }) => message), [{
      kind: "close",
      code: errorCodes.busy.wire,
      elsewhere,
    }]);
  }
  assertEquals(lab.role.figures().sessions, 0);
  assertEquals(lab.role.wakeAtMs, Infinity);
  assertEquals(expectKind(ada.begin(), "refused").code, errorCodes.busy.wire);
});

Deno.test("versions, answers of our own kinds and junk are not answered, an unknown version is", () => {
  const lab = labWith("ada");
  const peer = new ScriptedPeer(lab);
  const reply = peer.begin()!;
  const cookie = lab.sent[0]!.bytes;
  for (const bytes of [reply.bytes, cookie, new Uint8Array([0, 1, 1]), new Uint8Array(0), new Uint8Array(1200)]) {
    assertEquals(lab.deliver(peer.endpoint, bytes), []);
  }
  const future = encodeHello(peer.nonce);
  future[0] = protocolVersion + 1;
  const [versions] = lab.deliver(peer.endpoint, future);
  assertEquals(expectKind(versions, "versions").versions, [protocolVersion]);
  assertEquals(lab.deliver(peer.endpoint, future.subarray(0, limits.datagramBytesMin - 1)), []);
  assertExists(lab.deliver(peer.endpoint, future.subarray(0, limits.datagramBytesMin))[0]);
});

Deno.test("answers to unproven addresses stop at their rate, and few log events tell of it", () => {
  const lab = labWith("ada");
  const hello = encodeHello(new Uint8Array(16));
  const count = { send: 0, log: 0 };
  for (let i = 0; i < limits.unprovenAnswersPerSecond + 500; i++) {
    const from = { ip: `192.0.2.${i & 255}`, port: 1 + i };
    for (const { kind } of lab.role.handle({ kind: "datagram", from, bytes: hello }, lab.nowMs)) {
      count[kind as keyof typeof count]++;
    }
  }
  // The buckets' instants are floating point: a thousandth is lost at today's dates.
  assertLessOrEqual(count.send, limits.unprovenAnswersPerSecond);
  assertGreater(count.send, limits.unprovenAnswersPerSecond * 0.99);
  assertEquals(count.log, limits.strangerLogsPerSecond);
  lab.nowMs += 1;
  assertEquals(lab.deliver({ ip: "192.0.2.1", port: 1 }, hello).length, 1);
});

Deno.test("another START under the same nonce takes the place of the one before", () => {
  const lab = labWith("ada");
  const peer = new ScriptedPeer(lab);
  const cookie = peer.hello();
  const first = expectKind(lab.deliver(peer.endpoint, peer.makeStart(cookie))[0], "reply");
  const reply = lab.deliver(peer.endpoint, peer.makeStart(cookie))[0]!;
  assertNotEquals(expectKind(reply, "reply").sessionId, first.sessionId);
  assertEquals(lab.role.figures().pendingLogins, 1);
  assertEquals(peer.one(lab.deliver(peer.endpoint, peer.makeFinish(reply)!)).message.kind, "authenticated");
});

Deno.test("a device's name with control characters is refused", () => {
  const lab = labWith("ada");
  const answer = new ScriptedPeer(lab, { label: "vm\u001b[2J" }).logIn();
  assert(answer.kind === "error");
  assertEquals(answer.code, errorCodes.usage.wire);
  assertEquals(lab.asked.some(({ operation }) => operation === "enrolDevice"), false);
});

Deno.test("a flood of strangers from many blocks does not push out the login of a device that the account knows", () => {
  const lab = labWith("ada", "bob");
  const owner = new ScriptedPeer(lab).join();
  const finish = owner.makeFinish(owner.begin()!)!;
  lab.holds = ({ operation }) => operation === "credential";
  for (let i = 0; i < limits.loginsPendingMax + 100; i++) {
    const endpoint = { ip: `10.${i >> 8}.${i & 255}.1`, port: 9 };
    const stranger = new ScriptedPeer(lab, { account: "bob", endpoint });
    const start = encodeStart(stranger.nonce, stranger.hello(), {
      account: "bob",
      ke1: new Uint8Array(96),
      device: null,
    });
    // Nothing, or that it is busy.
    for (const { bytes } of lab.deliver(endpoint, start)) expectKind({ to: endpoint, bytes }, "refused");
  }
  assertLessOrEqual(lab.role.figures().pendingLogins, limits.loginsPendingMax);
  assertEquals(owner.one(lab.deliver(owner.endpoint, finish)).message.kind, "authenticated");
});
