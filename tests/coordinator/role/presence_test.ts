import { assertEquals } from "@std/assert";
import { errorCodes } from "../../../lib/core/errors.ts";
import { limits } from "../../../lib/core/limits.ts";
import { encodeMessage } from "../../../lib/wire/message.ts";
import { expectKind, type Lab, labWith, ScriptedPeer } from "./lab.ts";

const silenceMs = limits.keepAliveMs * limits.keepAliveMisses;

function told(lab: Lab): boolean[] {
  return lab.asked.flatMap((one) => one.operation === "presence" ? [one.ask.online] : []);
}

function isOnline(lab: Lab): boolean {
  return lab.store.devices[0]!.online;
}

Deno.test("a silent peer is away after three intervals, and online again with its next authentic datagram", () => {
  const lab = labWith("ada");
  const peer = new ScriptedPeer(lab).join();
  lab.wait(silenceMs - 1);
  assertEquals(isOnline(lab), true);
  peer.ask(peer.status());
  lab.wait(silenceMs - 1);
  assertEquals(isOnline(lab), true, "the keep-alive counted");
  lab.wait(1);
  assertEquals(isOnline(lab), false);
  assertEquals(lab.logs.at(-1)?.event, "away");
  lab.deliver(peer.endpoint, new Uint8Array(peer.seal(peer.status())).fill(7, 40));
  assertEquals(isOnline(lab), false, "what does not open is no sign of life");
  assertEquals(peer.ask(peer.status()).kind, "alive");
  assertEquals(isOnline(lab), true);
  assertEquals(told(lab), [true, false, true]);
  lab.wait(silenceMs);
  assertEquals(isOnline(lab), false);
});

Deno.test("a replayed datagram keeps nobody online", () => {
  const lab = labWith("ada");
  const peer = new ScriptedPeer(lab).join();
  const old = peer.seal(peer.status());
  lab.deliver(peer.endpoint, old);
  lab.wait(silenceMs);
  assertEquals(isOnline(lab), false);
  assertEquals(lab.deliver(peer.endpoint, old), []);
  assertEquals(isOnline(lab), false);
});

Deno.test("LEAVE is away at once, answered as often as it is repeated, and nothing else works after it", () => {
  const lab = labWith("ada");
  const peer = new ScriptedPeer(lab).join();
  const transaction = ++peer.transaction;
  assertEquals(peer.say({ kind: "leave" }, transaction), [{ transaction, message: { kind: "done" } }]);
  assertEquals(isOnline(lab), false);
  assertEquals(peer.say({ kind: "leave" }, transaction), [{ transaction, message: { kind: "done" } }]);
  assertEquals(peer.say(peer.status()), []);
  assertEquals(peer.say({ kind: "remove", names: ["a"], scope: "account" }), []);
  assertEquals(isOnline(lab), false);
  assertEquals(told(lab), [true, false]);
  lab.wait(limits.leaveLingerMs);
  assertEquals(lab.role.figures().sessions, 0);
  assertEquals(lab.role.wakeAtMs, Infinity);
});

Deno.test("a device that left logs in again at once, and is not told that it did", () => {
  const lab = labWith("ada");
  const peer = new ScriptedPeer(lab).join();
  peer.ask({ kind: "leave" });
  lab.clear();
  peer.logIn();
  assertEquals(lab.role.figures().sessions, 1);
  assertEquals(isOnline(lab), true);
  assertEquals(lab.sent.filter(({ bytes }) => bytes.length < 40), []);
  lab.wait(limits.leaveLingerMs);
  assertEquals(lab.role.figures().sessions, 1);
});

Deno.test("a session ends after its time, with a code that lets its peer log in again", () => {
  const lab = labWith("ada");
  const peer = new ScriptedPeer(lab).join();
  for (let i = 0; i < limits.sessionMs / silenceMs - 1; i++) {
    lab.wait(silenceMs - 1);
    peer.say(peer.status());
  }
  assertEquals(lab.role.figures().sessions, 1);
  const closed = peer.read(lab.wait(silenceMs * 2));
  assertEquals(closed.map(({ message }) => message), [{ kind: "close", code: errorCodes.timeout.wire, elsewhere: [] }]);
  assertEquals(lab.role.figures().sessions, 0);
  assertEquals(isOnline(lab), false);
});

Deno.test("a store that is too busy for presence is told again, and then what is true by then", () => {
  const lab = labWith("ada");
  lab.refuses = ({ operation }) => operation === "presence";
  const peer = new ScriptedPeer(lab).join();
  assertEquals(isOnline(lab), false);
  lab.wait(3_000);
  assertEquals(told(lab), [true, true, true, true]);
  peer.ask({ kind: "leave" });
  lab.refuses = () => false;
  lab.wait(1_000);
  assertEquals(told(lab).at(-1), false);
  assertEquals(isOnline(lab), false);
});

Deno.test("a refusal that comes late does not bring back a presence that is over", () => {
  const lab = labWith("ada");
  lab.holds = ({ operation }) => operation === "presence";
  const peer = new ScriptedPeer(lab);
  peer.logIn();
  lab.holds = () => false;
  peer.ask({ kind: "leave" });
  lab.refuses = ({ operation }) => operation === "presence";
  lab.release();
  lab.refuses = () => false;
  lab.wait(2_000);
  assertEquals(told(lab), [true, false, false]);
  assertEquals(isOnline(lab), false);
});

Deno.test("an account that is disabled loses its sessions at once, with the code, and their ids are reset", () => {
  const lab = labWith("ada", "bob");
  const ada = new ScriptedPeer(lab).join();
  const bob = new ScriptedPeer(lab, { account: "bob", device: 2 }).join();
  const sent = lab.input({ kind: "accountChanged", account: "ADA", code: "disabled" });
  assertEquals(ada.read(sent), [{
    transaction: 0,
    message: { kind: "close", code: errorCodes.disabled.wire, elsewhere: [] },
  }]);
  assertEquals(isOnline(lab), false);
  assertEquals(bob.ask(bob.status()).kind, "alive");
  expectKind(lab.deliver(ada.endpoint, ada.seal(ada.status()))[0], "reset");
});

Deno.test("a payload that is no message is not answered", () => {
  const lab = labWith("ada");
  const peer = new ScriptedPeer(lab).join();
  const { datagramsRefused } = lab.role.figures();
  const junk = encodeMessage(9, { kind: "done" });
  junk[1] = 0xff;
  assertEquals(lab.deliver(peer.endpoint, peer.channel!.seal(junk)), []);
  for (const kind of ["alive", "peers"] as const) {
    const message = kind === "peers"
      ? { kind, peers: [], cursor: new Uint8Array(0) }
      : peer.askFor(kind, peer.status());
    assertEquals(peer.say(message), []);
  }
  assertEquals(lab.role.figures().datagramsRefused, datagramsRefused + 3);
});
