/** SET_TICKET and REPORT: what a peer asks about a holder that it knows. */

import { assert, assertEquals } from "@std/assert";
import { errorCodes } from "../../../lib/core/errors.ts";
import type { Content } from "../../../lib/core/ids.ts";
import { limits } from "../../../lib/core/limits.ts";
import { hashSet, openSetTicket, openTicket, sealTicket, ticketDay } from "../../../lib/session/ticket.ts";
import type { HolderEntry, Message, MessageOf } from "../../../lib/wire/message.ts";
import { contentIdOf, type Lab, labWith, type PeerOptions, ScriptedPeer } from "./lab.ts";
import { forEveryone } from "../../../lib/core/audience.ts";

const first = new Uint8Array(0);
const denied = errorCodes.denied.wire;

function content(byte: number): Content {
  return { id: contentIdOf(byte), bytes: 16_384 };
}

function joined(lab: Lab, account: string, device: number, options: PeerOptions = {}): ScriptedPeer {
  return new ScriptedPeer(lab, { account, device, ...options }).join();
}

function sharing(lab: Lab, account: string, device: number, ...bytes: readonly number[]): ScriptedPeer {
  const holder = joined(lab, account, device);
  for (const byte of bytes) {
    holder.ask({ kind: "share", entries: [{ name: `${byte}.bin`, ...content(byte), ...forEveryone }] });
  }
  return holder;
}

function setTicket(asking: ScriptedPeer, holder: ScriptedPeer, ...bytes: readonly number[]): MessageOf<"setTicketIs"> {
  return asking.askFor("setTicketIs", { kind: "setTicket", deviceId: holder.deviceId, contents: bytes.map(content) });
}

const nothing: MessageOf<"setTicketIs"> = { kind: "setTicketIs", ticket: null, covered: 0 };

function located(asking: ScriptedPeer, byte = 1): readonly HolderEntry[] {
  const all: HolderEntry[] = [];
  let cursor: Uint8Array<ArrayBuffer> = first;
  do {
    const page = asking.askFor("holders", { kind: "locate", content: content(byte), offer: false, cursor });
    all.push(...page.holders);
    cursor = page.cursor;
  } while (cursor.length > 0);
  return all;
}

function codeOf(message: Message): number {
  assert(message.kind === "error", message.kind);
  return message.code;
}

Deno.test("SET_TICKET brings one ticket, for those contents that the device shares, in order", () => {
  const lab = labWith("ada", "bob");
  const holder = sharing(lab, "ada", 1, 1, 2, 3);
  sharing(lab, "ada", 2, 4);
  const asking = joined(lab, "bob", 3);
  lab.clear();
  const { ticket, covered } = setTicket(asking, holder, 2, 4, 99, 1);
  assertEquals(lab.asked.map(({ operation }) => operation), ["sharesOf"]);
  assertEquals(covered, 0b1001, "not another's, and not nobody's");
  const { ticketKeys } = holder.askFor("alive", holder.status());
  assertEquals(openSetTicket(ticketKeys, ticket!), {
    ok: true,
    value: {
      account: "bob",
      deviceId: asking.deviceId,
      setHash: hashSet([content(2), content(1)]),
      expiresAtMs: lab.nowMs + limits.ticketMs,
    },
  });
  assert(!openTicket(ticketKeys, ticket!).ok, "it opens as no ticket for a content");
});

Deno.test("SET_TICKET covers as many contents as a question holds, whatever the account's name", () => {
  const long = "n".repeat(limits.accountBytesMax);
  const lab = labWith("ada", long);
  const all = Array.from({ length: limits.setMax }, (_, i) => i + 1);
  const holder = sharing(lab, "ada", 1, ...all);
  assertEquals(setTicket(joined(lab, long, 3), holder, ...all).covered, 2 ** limits.setMax - 1);
});

Deno.test("SET_TICKET for a device that is away, unreachable, not there, or the asking one is null without a question to the store", () => {
  const lab = labWith("ada", "bob");
  const away = sharing(lab, "ada", 1, 1);
  away.ask({ kind: "leave" });
  lab.reachable = false;
  const unreachable = sharing(lab, "ada", 2, 1);
  lab.reachable = true;
  const own = joined(lab, "ada", 5, { endpoint: { ip: "192.168.1.5", port: 4002 } });
  own.ask({ kind: "share", entries: [{ name: "1.bin", ...content(1), ...forEveryone }] });
  const asking = sharing(lab, "bob", 3, 1);
  const stranger = new ScriptedPeer(lab, { device: 77 });
  lab.clear();
  for (const holder of [away, unreachable, own, asking, stranger]) {
    assertEquals(setTicket(asking, holder, 1, 2), nothing);
  }
  assertEquals(lab.asked, []);
});

Deno.test("SET_TICKET for a partial holder is null, and a device that is not signed gets none", () => {
  const lab = labWith("ada", "bob");
  const holder = sharing(lab, "ada", 1, 1);
  const fetching = joined(lab, "bob", 2);
  fetching.ask({ kind: "locate", content: content(1), offer: true, cursor: first });
  assertEquals(setTicket(joined(lab, "bob", 3), fetching, 1), nothing);
  const unsigned = new ScriptedPeer(lab, { account: "bob", device: 4 });
  unsigned.logIn();
  assertEquals(codeOf(unsigned.ask({ kind: "setTicket", deviceId: holder.deviceId, contents: [content(1)] })), denied);
});

Deno.test("a holder for which a set was given is told when the account ends", () => {
  const lab = labWith("ada", "bob");
  const holder = sharing(lab, "ada", 1, 1);
  const asking = joined(lab, "bob", 3);
  setTicket(asking, holder, 99);
  assertEquals(holder.read(lab.input({ kind: "accountChanged", account: "bob", code: "disabled" })), []);
  const again = joined(lab, "bob", 3);
  setTicket(again, holder, 1);
  const sent = lab.input({ kind: "accountChanged", account: "bob", code: "disabled" });
  assertEquals(holder.read(sent).map(({ message }) => message.kind), ["revoke"]);
});

function report(holder: HolderEntry, changes: Partial<MessageOf<"report">> = {}): MessageOf<"report"> {
  return { kind: "report", deviceId: holder.deviceId, ticket: holder.ticket, reason: "wrongPiece", ...changes };
}

Deno.test("a reported holder is named behind all others of its content, and of another content as before", () => {
  const lab = labWith("ada", "bob", "cyd", "eve");
  for (const device of [1, 2, 3]) sharing(lab, "ada", device, 1, 2);
  const bob = joined(lab, "bob", 10);
  const cyd = joined(lab, "cyd", 11);
  cyd.ask({ kind: "locate", content: content(1), offer: true, cursor: first });
  const eve = joined(lab, "eve", 12);
  const labels = (byte = 1) => located(eve, byte).map(({ label }) => label);
  const of = (asking: ScriptedPeer, label: string, byte = 1) => {
    return located(asking, byte).find((one) => one.label === label)!;
  };
  assertEquals(bob.ask(report(of(bob, "vm-2"))).kind, "done");
  for (let i = 0; i < 8; i++) {
    const [one, two, ...rest] = labels();
    assertEquals([one, two].toSorted(), ["vm-1", "vm-3"]);
    assertEquals(rest, ["vm-11", "vm-2"], "behind the partial holder too, which nobody reported");
  }
  for (const asking of [bob, cyd, eve]) asking.ask(report(of(asking, "vm-3")));
  assertEquals(labels(), ["vm-1", "vm-2", "vm-3"], "one report before three");
  assertEquals(new Set(Array.from({ length: 20 }, () => labels(2)[0])).size, 3);
  assertEquals(lab.role.figures().reports, 4);
});

Deno.test("a reported holder that shares the content no more is not named", () => {
  const lab = labWith("ada", "bob");
  for (const device of [1, 2]) sharing(lab, "ada", device, 1);
  const holder = sharing(lab, "ada", 3, 1);
  const bob = joined(lab, "bob", 10);
  bob.ask(report(located(bob).find(({ label }) => label === "vm-3")!));
  assertEquals(located(bob).at(-1)!.label, "vm-3");
  holder.ask({ kind: "remove", names: ["1.bin"], scope: "device" });
  assertEquals(located(bob).map(({ label }) => label).toSorted(), ["vm-1", "vm-2"]);
});

Deno.test("an account counts once, however often and from however many devices it reports", () => {
  const lab = labWith("ada", "bob", "cyd", "eve");
  for (const device of [1, 2]) sharing(lab, "ada", device, 1);
  const eve = joined(lab, "eve", 12);
  const labels = () => located(eve).map(({ label }) => label);
  const liar = (asking: ScriptedPeer, label: string) => located(asking).find((one) => one.label === label)!;
  const bobs = [joined(lab, "bob", 10), joined(lab, "bob", 11)];
  lab.clear();
  for (const bob of [...bobs, ...bobs]) {
    assertEquals(bob.ask(report(liar(bob, "vm-1"), { reason: "stalled" })).kind, "done");
  }
  assertEquals(lab.logs, [{
    event: "reported",
    account: "bob",
    device: "vm-10",
    holder: `${liar(eve, "vm-1").deviceId} ada vm-1`,
    reason: "stalled",
  }]);
  for (const account of ["cyd", "eve"]) {
    const asking = joined(lab, account, account === "cyd" ? 13 : 14);
    asking.ask(report(liar(asking, "vm-2")));
  }
  assertEquals(labels(), ["vm-1", "vm-2"], "one against two");
});

Deno.test("a report is forgotten after a day, or when its account ends", () => {
  const lab = labWith("ada", "bob", "eve");
  sharing(lab, "ada", 1, 1);
  const bob = joined(lab, "bob", 10);
  bob.ask(report(located(bob)[0]!));
  assertEquals(lab.role.figures().reports, 1);
  lab.input({ kind: "accountChanged", account: "bob", code: "disabled" });
  assertEquals(lab.role.figures().reports, 0);
  const again = joined(lab, "bob", 10);
  again.ask(report(located(again)[0]!));
  const reported = lab.nowMs;
  lab.wait(limits.reportMs);
  const eve = joined(lab, "eve", 12);
  eve.ask({ kind: "locate", content: content(1), offer: false, cursor: first });
  assertEquals([lab.role.figures().reports, lab.nowMs - reported], [0, limits.reportMs]);
});

Deno.test("reports by a holder's own account do not move it", () => {
  const lab = labWith("ada", "bob");
  for (const device of [1, 2]) sharing(lab, "ada", device, 1);
  const own = joined(lab, "ada", 3);
  own.ask(report(located(own).find(({ label }) => label === "vm-1")!));
  const bob = joined(lab, "bob", 10);
  const firsts = new Set(Array.from({ length: 20 }, () => located(bob)[0]!.label));
  assertEquals(firsts.size, 2);
});

Deno.test("REPORT is denied without a ticket that the coordinator sealed for that holder and this account, and that is good", () => {
  const lab = labWith("ada", "bob", "eve");
  const holder = sharing(lab, "ada", 1, 1);
  sharing(lab, "ada", 2, 1);
  const bob = joined(lab, "bob", 10);
  const all = located(bob);
  const one = all.find(({ deviceId }) => deviceId === holder.deviceId)!;
  const two = all.find(({ deviceId }) => deviceId !== holder.deviceId)!;
  const refused = (message: Message, by = bob) => assertEquals(codeOf(by.ask(message)), denied);
  refused(report(one, { deviceId: two.deviceId }));
  refused(report(one, { ticket: one.ticket.map((byte, i) => i === 40 ? byte ^ 1 : byte) }));
  refused(report(one, { ticket: one.ticket.slice(0, 20) }));
  refused(report(one), joined(lab, "eve", 12));
  // What a holder itself can seal, since it has its keys: a ticket that names whom it likes, but for itself alone.
  const { ticketKeys } = holder.askFor("alive", holder.status());
  const day = ticketDay(lab.nowMs);
  const forged = sealTicket(ticketKeys.find((key) => key.day === day)!.key, day, new Uint8Array(12), {
    account: "ada",
    deviceId: holder.deviceId,
    ...content(1),
    share: 1,
    expiresAtMs: lab.nowMs + 1_000,
  });
  refused(report(two, { ticket: forged }), holder);
  for (let left = limits.ticketMs; left > 0; left -= 10_000) {
    lab.wait(10_000);
    bob.ask(bob.status());
  }
  refused(report(one));
  assertEquals(lab.role.figures().reports, 0);
  assertEquals(lab.logs.filter(({ event }) => event === "reported"), []);
});

Deno.test("a ticket of yesterday that is good still proves a report", () => {
  const lab = labWith("ada", "bob");
  lab.nowMs = Date.UTC(2030, 0, 1, 23, 59, 50);
  sharing(lab, "ada", 1, 1);
  const bob = joined(lab, "bob", 10);
  const [holder] = located(bob);
  lab.wait(20_000);
  assertEquals(bob.ask(report(holder!)).kind, "done");
});

Deno.test("a session reports at most so often a minute, good tickets or not, and is told when to come back", () => {
  const lab = labWith("ada", "bob", "eve");
  sharing(lab, "ada", 1, 1);
  const bob = joined(lab, "bob", 10);
  const [holder] = located(bob);
  for (let i = 0; i < limits.reportsPerMinute; i++) bob.ask(report(holder!, { ticket: new Uint8Array(64) }));
  const busy = bob.ask(report(holder!));
  assert(busy.kind === "error");
  assertEquals([busy.code, busy.retryAfterMs], [errorCodes.busy.wire, 60_000 / limits.reportsPerMinute]);
  const eve = joined(lab, "eve", 12);
  assertEquals(eve.ask(report(located(eve)[0]!)).kind, "done", "others may");
  lab.wait(busy.retryAfterMs);
  assertEquals(bob.ask(report(holder!)).kind, "done");
});

Deno.test("a repeated REPORT gets the stored answer", () => {
  const lab = labWith("ada", "bob");
  sharing(lab, "ada", 1, 1);
  const bob = joined(lab, "bob", 10);
  const [holder] = located(bob);
  const transaction = ++bob.transaction;
  for (let i = 0; i <= limits.reportsPerMinute; i++) {
    assertEquals(bob.say(report(holder!), transaction), [{ transaction, message: { kind: "done" } }]);
  }
});
