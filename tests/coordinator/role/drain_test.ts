import { assert, assertEquals } from "@std/assert";
import { errorCodes } from "../../../lib/core/errors.ts";
import { limits } from "../../../lib/core/limits.ts";
import { Lab, ScriptedPeer } from "./lab.ts";

const elsewhere = [{ ip: "192.0.2.7", port: 5000 }, { ip: "192.0.2.8", port: 5001 }];
const close = { kind: "close", code: errorCodes.busy.wire, elsewhere } as const;

function labWith(...accounts: readonly string[]): Lab {
  const lab = new Lab();
  for (const account of accounts) lab.addAccount(account);
  return lab;
}

/** Logs in some devices. */
function crowd(lab: Lab, count: number): ScriptedPeer[] {
  return Array.from({ length: count }, (_, i) => {
    lab.addAccount("ada");
    const peer = new ScriptedPeer(lab, { device: i + 1, endpoint: { ip: `198.51.100.${i}`, port: 4000 + i } });
    peer.logIn();
    return peer;
  });
}

Deno.test("a drain ends each session once and tells where to go, a part of them with each input", () => {
  const lab = new Lab();
  const peers = crowd(lab, 20);
  let told = 0;
  let inputs = 0;
  while (lab.role.figures().sessions > 0) {
    const sent = lab.input({ kind: "drain", elsewhere, atOnce: 7 });
    inputs++;
    assert(sent.length <= 7, `${sent.length} at once`);
    for (const peer of peers) {
      for (const { message } of peer.read(sent.filter(({ to }) => to.port === peer.endpoint.port))) {
        assertEquals(message, close);
        told++;
      }
    }
  }
  assertEquals([told, inputs], [20, 3]);
});

Deno.test("a login that is in its last step when the drain begins gets its CLOSE too", () => {
  const lab = labWith("ada");
  const peer = new ScriptedPeer(lab);
  const finish = peer.makeFinish(peer.begin()!)!;
  lab.holds = (ask) => ask.operation === "enrolDevice";
  lab.deliver(peer.endpoint, finish);
  assertEquals(lab.input({ kind: "drain", elsewhere, atOnce: 7 }), []);
  const messages = peer.read(lab.release()).map(({ message }) => message);
  assertEquals(messages.map(({ kind }) => kind), ["authenticated", "close"]);
  assertEquals(messages[1], close);
  assertEquals(lab.role.figures().sessions, 0);
});

Deno.test("a FINISH that comes during the drain gets a session and its end", () => {
  const lab = labWith("ada");
  const peer = new ScriptedPeer(lab);
  const finish = peer.makeFinish(peer.begin()!)!;
  lab.input({ kind: "drain", elsewhere, atOnce: 7 });
  const messages = peer.read(lab.deliver(peer.endpoint, finish)).map(({ message }) => message);
  assertEquals(messages.map(({ kind }) => kind), ["authenticated", "close"]);
});

Deno.test("what ended how is counted: logins by result, requests by kind and result, with their times", () => {
  const lab = labWith("ada");
  const counted = () => Object.fromEntries(lab.role.tallies.logins.entries());
  new ScriptedPeer(lab, { device: 2, password: "wrong" }).begin();
  assertEquals(counted(), {});
  lab.wait(limits.loginPendingMs);
  assertEquals(counted(), { timeout: 1 }, "whose third message never comes had a wrong password");
  assertEquals(lab.logs.map(({ event, reason }) => [event, reason]), [["loginRefused", "timeout"]]);
  const peer = new ScriptedPeer(lab).join();
  assertEquals(counted(), { timeout: 1, ok: 1 });
  peer.ask({ kind: "listPeers", cursor: new Uint8Array(0) });
  peer.ask({ kind: "listPeers", cursor: new Uint8Array(7) });
  lab.holds = (ask) => ask.operation === "account";
  peer.say({ kind: "account", account: "ada" });
  lab.nowMs += 30;
  lab.release();
  const requests = new Map(lab.role.tallies.requests.entries());
  assertEquals(Object.fromEntries(requests.get("listPeers")!.results.entries()), { ok: 1, usage: 1 });
  const { counts, sumMs, bucketsMs } = requests.get("account")!.times;
  assertEquals([sumMs, counts[bucketsMs.indexOf(50)]], [30, 1]);
});
