import { assert, assertEquals } from "@std/assert";
import { errorCodeFromWire } from "../../../lib/core/errors.ts";
import { limits } from "../../../lib/core/limits.ts";
import { Standings } from "../../../lib/coordinator/role/standing.ts";
import { emptyShareDigest } from "../../../lib/session/share_digest.ts";
import type { Message, MessageOf } from "../../../lib/wire/message.ts";
import { contentIdOf, labWith, ScriptedPeer } from "./lab.ts";

const read = { kind: "listPeers", cursor: new Uint8Array(0) } as const;

function refusal(message: Message): string {
  return message.kind === "error" ? errorCodeFromWire(message.code) : message.kind;
}

Deno.test("an account that asks more often than its rate is told when to ask again, in all its sessions together", () => {
  const lab = labWith("ada", "bob");
  lab.store.accounts.get("ada")!.rate = 10;
  const [one, two] = [new ScriptedPeer(lab).join(), new ScriptedPeer(lab, { device: 2 }).join()];
  const bob = new ScriptedPeer(lab, { account: "bob", device: 3 }).join();
  const burst = 10 * limits.accountBurstSeconds;
  for (let i = 0; i < burst; i++) assertEquals(refusal((i % 2 === 0 ? one : two).ask(read)), "peers");
  const over = two.ask(read) as MessageOf<"error">;
  assertEquals(refusal(over), "busy");
  assert(over.retryAfterMs > 0 && over.retryAfterMs <= 100);
  assertEquals(refusal(bob.ask(read)), "peers");
  assertEquals(two.ask(two.status()).kind, "alive", "keep-alives are free");
  lab.nowMs += over.retryAfterMs;
  assertEquals(refusal(two.ask(read)), "peers");
});

Deno.test("who logs in again has spent no less", () => {
  const lab = labWith("ada");
  lab.store.accounts.get("ada")!.rate = 1;
  const first = new ScriptedPeer(lab).join();
  for (let i = 0; i < limits.accountBurstSeconds; i++) first.ask(read);
  assertEquals(refusal(first.ask(read)), "busy");
  first.ask({ kind: "leave" });
  lab.wait(limits.leaveLingerMs - 4_500);
  const again = new ScriptedPeer(lab);
  again.logIn();
  assertEquals(refusal(again.ask(read)), "busy");
});

Deno.test("a role or rate that the operator changes holds in sessions that are there", () => {
  const lab = labWith("ada");
  const ada = new ScriptedPeer(lab).join();
  assertEquals(refusal(ada.ask(read)), "peers");
  lab.input({ kind: "standingChanged", account: "ADA", role: "member", rate: 1 });
  for (let i = 0; i < limits.accountBurstSeconds; i++) assertEquals(refusal(ada.ask(read)), "peers");
  assertEquals(refusal(ada.ask(read)), "busy");
  lab.input({ kind: "standingChanged", account: "ada", role: "member", rate: null });
  assertEquals(refusal(ada.ask(read)), "peers");
});

Deno.test("an account that may only read is told to look at its list, and is named as a partial holder no more", () => {
  const lab = labWith("ada", "bob");
  const ada = new ScriptedPeer(lab).join();
  const bob = new ScriptedPeer(lab, { account: "bob", device: 2 }).join();
  const content = { id: contentIdOf(1), bytes: 100 };
  const entry = { name: "a", ...content, audience: null, description: "" };
  bob.ask({ kind: "share", entries: [entry] });
  ada.ask({ kind: "locate", content, offer: true, cursor: new Uint8Array(0) });
  assertEquals(lab.role.figures().offers, 1);

  const told = ada.read(lab.input({ kind: "standingChanged", account: "ada", role: "readOnly", rate: null }));
  assertEquals(told.map(({ message }) => message), [{ kind: "revoke", contents: [], devices: [] }]);
  assertEquals(lab.role.figures().offers, 0);
  ada.ask({ kind: "locate", content, offer: true, cursor: new Uint8Array(0) });
  assertEquals(lab.role.figures().offers, 0, "it fetches, and offers nothing");
  const alive = ada.ask({ kind: "status", tcpPort: 1, shareDigest: emptyShareDigest() }) as MessageOf<"alive">;
  assertEquals(alive.sharesMatch, true);
});

Deno.test("a role that changes while somebody logs in is the new one for this session too", () => {
  const lab = labWith("ada");
  const ada = new ScriptedPeer(lab);
  const finish = ada.makeFinish(ada.begin()!)!;
  lab.holds = ({ operation }) => operation === "enrolDevice";
  lab.deliver(ada.endpoint, finish);
  lab.store.accounts.get("ada")!.role = "readOnly";
  lab.input({ kind: "standingChanged", account: "ada", role: "readOnly", rate: null });
  const told = ada.read(lab.release()).map(({ message }) => message);
  assertEquals(told.map((message) => message.kind === "authenticated" && message.role), ["readOnly"]);
});

Deno.test("standings are bounded: the oldest without a session go first", () => {
  const here = new Set(["user0"]);
  const standings = new Standings(1, (account) => here.has(account));
  const first = standings.begin("user0", "member", null);
  for (let i = 1; i <= limits.accountRatesMax + 10; i++) standings.begin(`user${i}`, "member", null);
  assert(standings.size <= limits.accountRatesMax + 1);
  assertEquals(standings.begin("user0", "member", null), first);
});
