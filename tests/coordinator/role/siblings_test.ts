/** Two coordinators on one store, each hearing the other at once: what holds at one holds at the other. */

import { assert, assertEquals } from "@std/assert";
import { limits } from "../../../lib/core/limits.ts";
import { errorCodes } from "../../../lib/core/errors.ts";
import type { News } from "../../../lib/coordinator/role/news.ts";
import { openTicket } from "../../../lib/session/ticket.ts";
import { type FileEntry, type Message, type MessageKind, type MessageOf } from "../../../lib/wire/message.ts";
import { searchFor } from "../../../lib/wire/search_query.ts";
import { contentIdOf, Lab, labWith, ScriptedPeer } from "./lab.ts";

const nothing = new Uint8Array(0);
const content = { id: contentIdOf(7), bytes: 107 };

function share(name: string, audience: FileEntry["audience"] = null): MessageOf<"share"> {
  return { kind: "share", entries: [{ name, ...content, audience, description: "" }] };
}

/** ada at one coordinator, bob at another; what each is told from now on. */
function apart() {
  const one = new Lab(undefined, true);
  for (const name of ["ada", "bob"]) one.addAccount(name);
  const two = new Lab(one);
  for (const lab of [one, two]) lab.input({ kind: "joined", isAgain: false });
  const ada = new ScriptedPeer(one, { account: "ada", device: 1 }).join();
  const bob = new ScriptedPeer(two, { account: "bob", device: 2 }).join();
  return { one, two, ada, bob };
}

/** What a peer was sent while something happened, answering DONE to nothing. */
function heard(peer: ScriptedPeer, act: () => unknown): readonly Message[] {
  const from = peer.lab.sent.length;
  act();
  return peer.read(peer.lab.sent.slice(from)).map(({ message }) => message);
}

function ofKind<K extends MessageKind>(messages: readonly Message[], kind: K): readonly MessageOf<K>[] {
  return messages.filter((one) => one.kind === kind) as unknown as readonly MessageOf<K>[];
}

function locate(peer: ScriptedPeer) {
  return peer.askFor("holders", { kind: "locate", content, offer: false, cursor: nothing }).holders;
}

function kindsTold(lab: Lab): readonly News["kind"][] {
  return lab.told.splice(0).map(({ kind }) => kind);
}

Deno.test("a holder at another coordinator is named, where it was met, with a ticket that it opens", () => {
  const { ada, bob } = apart();
  ada.ask(share("the plan"));
  const [holder] = locate(bob);
  assertEquals(holder!.endpoints, [{ ip: ada.endpoint.ip, port: ada.tcpPort }]);
  const opened = openTicket(ada.askFor("alive", ada.status()).ticketKeys, holder!.ticket);
  assert(opened.ok);
  assertEquals([opened.value.account, opened.value.id], ["bob", content.id]);
  const set = bob.askFor("setTicketIs", { kind: "setTicket", deviceId: ada.deviceId, contents: [content] });
  assertEquals(set.covered, 1);
  assert(set.ticket !== null);
});

Deno.test("a holder whose port nobody met is not named at another coordinator, and is once it was met", () => {
  const { one, ada, bob } = apart();
  ada.ask(share("the plan"));
  one.reachable = undefined;
  one.nowMs += limits.probeEveryMs;
  ada.tcpPort = 6001;
  ada.askFor("alive", ada.status());
  assertEquals(locate(bob), [], "its old port is nobody's");
  one.answerProbes(true);
  assertEquals(locate(bob).map(({ endpoints }) => endpoints[0]!.port), [6001]);
});

Deno.test("a keep-alive tells the store nothing, at any coordinator", () => {
  const { one, ada } = apart();
  one.clear();
  kindsTold(one);
  one.nowMs += limits.keepAliveMs;
  ada.askFor("alive", ada.status());
  assertEquals(one.asked, []);
  assertEquals(kindsTold(one), []);
});

Deno.test("a newer login of a device at another coordinator ends its session here, and not one that began here since", () => {
  const { one, two, ada } = apart();
  const again = new ScriptedPeer(two, { account: "ada", device: 1 });
  two.reachable = undefined;
  one.nowMs += 1_000;
  two.nowMs += 1_000;
  const closed = ofKind(heard(ada, () => again.logIn()), "close");
  assertEquals(closed.map(({ code }) => code), [errorCodes.sessionEnded.wire]);
  const devices = again.askFor("peers", { kind: "listPeers", cursor: nothing }).peers;
  assertEquals(devices.filter(({ online }) => online).map(({ account }) => account), ["ada", "bob"]);
  assertEquals(one.store.devices[0]!.online, true, "the older one's end, told last, does not count");
  const { device } = two.told.findLast((news) => news.kind === "loggedIn")!;
  const late: News = { kind: "loggedIn", device, atMs: two.nowMs - 1 };
  assertEquals(heard(again, () => two.input({ kind: "told", from: 1, news: late })), []);
});

Deno.test("who is disabled at one coordinator has no session at the other, and holders end his transfers", () => {
  const { one, ada, bob } = apart();
  ada.ask(share("the plan"));
  locate(bob);
  let closed: readonly Message[] = [];
  const atHolder = heard(ada, () => {
    closed = heard(bob, () => one.input({ kind: "accountChanged", account: "Bob", code: "disabled" }));
  });
  assertEquals(ofKind(closed, "close").map(({ code }) => code), [errorCodes.disabled.wire]);
  assertEquals(ofKind(atHolder, "revoke").map(({ devices }) => devices), [[bob.deviceId]]);
});

Deno.test("a device that is revoked, and all but the one that changed the password everywhere, end at every coordinator", () => {
  const { one, two, bob } = apart();
  const other = new ScriptedPeer(one, { account: "bob", device: 3, label: "other" }).join();
  const { label } = bob.askFor("devicesAre", { kind: "devices", cursor: nothing }).devices
    .find((device) => device.label !== other.label)!;
  const closed = heard(bob, () => other.ask({ kind: "revokeDevice", label }));
  assertEquals(ofKind(closed, "close").map(({ code }) => code), [errorCodes.denied.wire]);
  const third = new ScriptedPeer(two, { account: "bob", device: 4, label: "third" }).join();
  const { device } = one.told.findLast((news) => news.kind === "loggedIn")!;
  const news: News = { kind: "othersEnded", account: "bob", device };
  assertEquals(ofKind(heard(third, () => two.input({ kind: "told", from: 1, news })), "close").length, 1);
  assertEquals(heard(other, () => one.input({ kind: "told", from: 2, news })), []);
});

Deno.test("who lost the right to a share is revoked at its holder, wherever he got his ticket", () => {
  const { ada, bob } = apart();
  ada.ask(share("the plan"));
  assertEquals(locate(bob).length, 1);
  const told = heard(ada, () => ada.lab.deliver(ada.endpoint, ada.seal(share("the plan", []))));
  assertEquals(ofKind(told, "revoke").map(({ devices }) => devices), [[bob.deviceId]]);
  assertEquals(locate(bob), []);
});

Deno.test("a share that is removed for the whole account ends at the device that has it, at another coordinator", () => {
  const { two, ada } = apart();
  ada.ask(share("the plan"));
  const second = new ScriptedPeer(two, { account: "ada", device: 3, label: "second" }).join();
  const told = heard(ada, () => second.ask({ kind: "remove", names: ["the plan"], scope: "account" }));
  assertEquals(ofKind(told, "revoke").map(({ contents }) => contents), [[content]]);
  assertEquals(ada.askFor("alive", ada.status()).sharesMatch, true, "both lists are empty");
});

Deno.test("a standing search hears of shares at other coordinators, which tell only where somebody waits", () => {
  const { one, ada, bob } = apart();
  kindsTold(one);
  ada.ask(share("a first file"));
  assertEquals(kindsTold(one), []);
  const { query } = searchFor("substring", "file");
  bob.askFor("done", { kind: "watch", watch: 5, query });
  const told = ofKind(heard(bob, () => ada.ask(share("a second file"))), "found");
  assertEquals(told.map(({ watch, files }) => [watch, files.map(({ name }) => name)]), [[5, ["a second file"]]]);
  assertEquals(kindsTold(one), ["shared"]);
  bob.askFor("done", { kind: "unwatch", watch: 5 });
  ada.ask(share("a third file"));
  assertEquals(kindsTold(one), []);
});

Deno.test("a coordinator that comes later learns where somebody waits", () => {
  const { two, bob } = apart();
  const { query } = searchFor("substring", "file");
  bob.askFor("done", { kind: "watch", watch: 5, query });
  const third = new Lab(two);
  third.input({ kind: "joined", isAgain: false });
  const ada = new ScriptedPeer(third, { account: "ada", device: 9 }).join();
  assertEquals(ofKind(heard(bob, () => ada.ask(share("the file"))), "found").length, 1);
});

Deno.test("after a gap in the news every session is looked up: who is disabled or revoked by now is out, others go on", () => {
  const { one, two, ada, bob } = apart();
  const carol = new ScriptedPeer(two, { account: "ada", device: 3, label: "carol's" }).join();
  const { label } = carol.askFor("devicesAre", { kind: "devices", cursor: nothing }).devices
    .find((device) => device.label === carol.label)!;
  one.store.accounts.get("bob")!.disabled = true;
  one.store.answer({ operation: "revokeDevice", ask: { account: "ada", label } });
  let isAway = true;
  two.refuses = () => isAway;
  two.input({ kind: "joined", isAgain: true });
  isAway = false;
  let atCarol: readonly Message[] = [];
  const atBob = heard(bob, () => {
    atCarol = heard(carol, () => two.input({ kind: "coordinators", live: [], own: undefined }));
  });
  assertEquals(ofKind(atBob, "close").map(({ code }) => code), [errorCodes.disabled.wire]);
  assertEquals(ofKind(atCarol, "close").map(({ code }) => code), [errorCodes.denied.wire]);
  assertEquals(heard(ada, () => one.input({ kind: "joined", isAgain: true })), []);
  ada.askFor("alive", ada.status());
});

Deno.test("peers are told of the coordinators that live, and sent to the others when theirs stops", () => {
  const { one, ada } = apart();
  assertEquals(ada.askFor("alive", ada.status()).coordinators, []);
  const at = (port: number) => ({ ip: "198.51.100.1", port });
  const live = [5000, 5001, 5002].map((port, i) => ({ instance: i + 1, endpoint: at(port) }));
  one.input({ kind: "coordinators", live: [...live, { instance: 9, endpoint: null }], own: at(5001) });
  const { coordinators } = ada.askFor("alive", ada.status());
  assertEquals(coordinators.toSorted((a, b) => a.port - b.port), live.map(({ endpoint }) => endpoint));
  const [closed] = ofKind(heard(ada, () => one.input({ kind: "drain", elsewhere: [], atOnce: 9 })), "close");
  assertEquals(closed!.elsewhere.map(({ port }) => port).toSorted(), [5000, 5002]);
});

Deno.test("REPORT at one coordinator puts a holder last at another", () => {
  const { one, two, ada, bob } = apart();
  one.addAccount("eve");
  const eve = new ScriptedPeer(one, { account: "eve", device: 5 }).join();
  ada.ask(share("the plan"));
  eve.ask(share("the plan"));
  const [liar] = locate(bob);
  one.addAccount("carol");
  const carol = new ScriptedPeer(two, { account: "carol", device: 6 }).join();
  bob.askFor("done", { kind: "report", deviceId: liar!.deviceId, ticket: liar!.ticket, reason: "wrongPiece" });
  for (let i = 0; i < 8; i++) assertEquals(locate(carol).map(({ deviceId }) => deviceId).at(-1), liar!.deviceId);
});

Deno.test("a coordinator that is alone tells nobody anything", () => {
  const lab = labWith("ada");
  const ada = new ScriptedPeer(lab, { account: "ada" }).join();
  ada.ask(share("the plan"));
  lab.input({ kind: "accountChanged", account: "ada", code: "disabled" });
  assertEquals(lab.told, []);
  assertEquals(lab.asked.some((ask) => ask.operation === "presence" && ask.ask.at !== null), false);
});
