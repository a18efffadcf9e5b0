import { assert, assertEquals } from "@std/assert";
import { limits } from "../../../lib/core/limits.ts";
import { inviteName, invitePassword, openSecret } from "../../../lib/session/invite_code.ts";
import { finishRegistration, startRegistration } from "../../../lib/session/opaque.ts";
import { formatBase64Url } from "../../../lib/core/base64.ts";
import type { Message, MessageOf, Role } from "../../../lib/wire/message.ts";
import { errorCodeFromWire } from "../../../lib/core/errors.ts";
import { cheap, expectKind, Lab, type PeerOptions, recordOf, ScriptedPeer } from "./lab.ts";

const secret = new Uint8Array(16).fill(5);
const dayMs = 24 * 60 * 60 * 1000;

/** A peer that has an invite's code. */
class Invited extends ScriptedPeer {
  constructor(lab: Lab, options: PeerOptions = {}, of: Uint8Array = secret) {
    super(lab, { account: inviteName(of), password: invitePassword(of), ...options });
  }

  /** Asks for a name, and makes the record of a password under it. */
  register(account: string, password = "new password"): { readonly answer: Message; readonly record: Uint8Array } {
    const { request, state } = startRegistration(password);
    const answer = this.ask({ kind: "register", account, request });
    if (answer.kind !== "registering") return { answer, record: new Uint8Array(192) };
    const { record } = finishRegistration(password, state, answer.response, cheap)!;
    return { answer, record };
  }

  /** The whole registration; what ends it. */
  makeAccount(account: string, password?: string): Message {
    const { answer, record } = this.register(account, password);
    return answer.kind === "registering"
      ? this.ask({ kind: "registerRecord", account, record: record.slice() })
      : answer;
  }
}

function labWithInvite(expiresInMs = dayMs, role: Role = "member", of: Uint8Array = secret): Lab {
  const lab = new Lab();
  const record = recordOf(inviteName(of), invitePassword(of));
  lab.store.invites.set(inviteName(of), { record, role, expiresAtMs: lab.nowMs + expiresInMs });
  return lab;
}

function refusal(message: Message): string {
  return message.kind === "error" ? errorCodeFromWire(message.code) : message.kind;
}

Deno.test("an invite's session makes one account, which then logs in with its own password", () => {
  const lab = labWithInvite(dayMs, "readOnly");
  const invited = new Invited(lab);
  assertEquals(invited.logIn(), { kind: "invited", role: "readOnly" });
  assertEquals(invited.makeAccount("ada"), { kind: "registered", account: "ada" });
  assertEquals(lab.store.accounts.get("ada")?.role, "readOnly");
  assert(lab.logs.some(({ event, account }) => event === "registered" && account === "ada"));
  const ada = new ScriptedPeer(lab, { account: "ada", password: "new password", device: 2 });
  assertEquals((ada.logIn() as MessageOf<"authenticated">).role, "readOnly");
});

Deno.test("an invite's session does nothing but register: no list, no search, no share, no presence", () => {
  const lab = labWithInvite();
  const invited = new Invited(lab);
  invited.logIn();
  const asked = lab.asked.length;
  for (
    const message of [
      invited.status(),
      { kind: "listPeers", cursor: new Uint8Array(0) },
      { kind: "account", account: "ada" },
      { kind: "changePassword", ke1: new Uint8Array(96), request: new Uint8Array(32) },
    ] as const
  ) {
    assertEquals(refusal(invited.ask(message)), "denied", message.kind);
  }
  assertEquals(lab.asked.length, asked, "the store is asked nothing");
  assertEquals(lab.role.figures().sessions, 0);
  assertEquals(lab.store.devices.length, 0, "its device is enrolled nowhere");
});

Deno.test("a spent invite is as an unknown account is, and so is a wrong code", () => {
  const lab = labWithInvite();
  const first = new Invited(lab);
  first.logIn();
  first.makeAccount("ada");
  const second = new Invited(lab, { device: 2 });
  assertEquals(second.makeFinish(second.begin()!), undefined, "its REPLY proves nothing");
  const wrong = new Invited(lab, { device: 3 }, new Uint8Array(16).fill(6));
  assertEquals(wrong.begin()!.bytes.length, second.begin()!.bytes.length);
});

Deno.test("two sessions of one invite: the first account spends it, the second is refused", () => {
  const lab = labWithInvite();
  const [one, two] = [new Invited(lab), new Invited(lab, { device: 2 })];
  one.logIn();
  two.logIn();
  const prepared = two.register("bob");
  assertEquals(refusal(one.makeAccount("ada")), "registered");
  const late = two.ask({ kind: "registerRecord", account: "bob", record: prepared.record.slice() });
  assertEquals(refusal(late), "denied");
  assertEquals([...lab.store.accounts.keys()], ["ada"]);
});

Deno.test("a registered session makes nothing more, and repeats its answer", () => {
  const lab = labWithInvite();
  const everybody = labWithInvite(Infinity, "member", openSecret);
  const invited = new Invited(everybody, {}, openSecret);
  invited.logIn();
  const { record } = invited.register("ada");
  const payload = { kind: "registerRecord", account: "ada", record: record.slice() } as const;
  const transaction = ++invited.transaction;
  assertEquals(
    refusal(invited.one(everybody.deliver(invited.endpoint, invited.seal(payload, transaction))).message),
    "registered",
  );
  assertEquals(
    refusal(invited.one(everybody.deliver(invited.endpoint, invited.seal(payload, transaction))).message),
    "registered",
  );
  assertEquals(refusal(invited.ask(payload)), "usage");
  assertEquals(refusal(invited.register("bob").answer), "limit");
  assertEquals(everybody.store.accounts.size, 1);
  assertEquals(lab.store.accounts.size, 0);
});

Deno.test("an invite that expired is refused inside the session", () => {
  const lab = labWithInvite(1_000);
  lab.nowMs += 1_000;
  assertEquals(refusal(new Invited(lab).logIn()), "denied");
});

Deno.test("a name that is taken is refused, the next one may be tried, and only so many", () => {
  const lab = labWithInvite();
  lab.addAccount("ada");
  const invited = new Invited(lab);
  invited.logIn();
  assertEquals(refusal(invited.register("Ada").answer), "nameTaken");
  for (let i = 1; i < limits.registrationNamesMax; i++) {
    assertEquals(refusal(invited.register("ada").answer), "nameTaken");
  }
  assertEquals(refusal(invited.register("bob").answer), "limit");
});

Deno.test("the record is taken under the name that was asked for alone", () => {
  const lab = labWithInvite();
  const invited = new Invited(lab);
  invited.logIn();
  assertEquals(refusal(invited.ask({ kind: "registerRecord", account: "ada", record: new Uint8Array(192) })), "usage");
  const { record } = invited.register("ada");
  assertEquals(refusal(invited.ask({ kind: "registerRecord", account: "bob", record: record.slice() })), "usage");
  assertEquals(lab.store.accounts.size, 0);
});

Deno.test("an invite's session ends by itself, and is bound to the address that it was proven from", () => {
  const lab = labWithInvite();
  const invited = new Invited(lab);
  invited.logIn();
  const { request } = startRegistration("x");
  const register = invited.seal({ kind: "register", account: "ada", request });
  assertEquals(lab.deliver({ ip: "203.0.113.9", port: 9 }, register), []);
  lab.wait(limits.registrationMs);
  const after = lab.deliver(invited.endpoint, invited.seal({ kind: "register", account: "ada", request }));
  assertEquals(after.map(({ bytes }) => expectKind({ to: invited.endpoint, bytes }, "reset").kind), ["reset"]);
});

Deno.test("open registration makes so many accounts an hour for one address block, and so many in all", () => {
  const lab = labWithInvite(Infinity, "member", openSecret);
  const from = (block: number, device: number) => {
    const endpoint = { ip: `198.51.${block}.7`, port: 4000 + device };
    const peer = new Invited(lab, { device, endpoint }, openSecret);
    const answer = peer.logIn();
    return answer.kind === "invited" ? refusal(peer.makeAccount(`user-${block}-${device}`)) : refusal(answer);
  };
  const perBlock = Array.from({ length: limits.openRegistersPerBlock + 1 }, (_, i) => from(1, i + 1));
  assertEquals(perBlock.filter((one) => one === "registered").length, limits.openRegistersPerBlock);
  assertEquals(perBlock.at(-1), "limit");
  assertEquals(from(2, 1), "registered", "another block has its own");
  const rest = Array.from({ length: limits.openRegistersPerHour }, (_, i) => {
    lab.nowMs += 1;
    return from(3 + Math.floor(i / 3), i % 3 + 1);
  });
  const made = limits.openRegistersPerBlock + 1 + rest.filter((one) => one === "registered").length;
  assertEquals(made, limits.openRegistersPerHour);
  lab.wait(60 * 60 * 1000);
  assertEquals(from(1, 9), "registered", "an hour later they are there again");
});

Deno.test("who holds an invite finds room however many come without one", () => {
  const lab = labWithInvite(Infinity, "member", openSecret);
  lab.store.invites.set(inviteName(secret), {
    record: recordOf(inviteName(secret), invitePassword(secret)),
    role: "member",
    expiresAtMs: lab.nowMs + dayMs,
  });
  const answers = Array.from({ length: limits.registrationsMax / 32 + 1 }, (_, i) => {
    const endpoint = { ip: "198.51.100.7", port: 5000 + i };
    return refusal(new Invited(lab, { device: 1 + i % 200, endpoint }, openSecret).logIn());
  });
  assertEquals(answers.at(-1), "busy");
  assertEquals(answers.slice(0, -1).every((answer) => answer === "invited"), true);
  assertEquals(
    refusal(new Invited(lab, { device: 250, endpoint: { ip: "198.51.100.8", port: 9 } }).logIn()),
    "invited",
  );
});

Deno.test("one invite does not take the room of the others, however often it logs in", () => {
  const lab = labWithInvite();
  const another = new Uint8Array(16).fill(6);
  const record = recordOf(inviteName(another), invitePassword(another));
  lab.store.invites.set(inviteName(another), { record, role: "member", expiresAtMs: lab.nowMs + dayMs });
  const answers = Array.from({ length: limits.registrationsMax / 32 + 1 }, (_, i) => {
    return refusal(new Invited(lab, { device: i + 1, endpoint: { ip: "198.51.100.7", port: 5000 + i } }).logIn());
  });
  assertEquals(answers.indexOf("busy"), limits.registrationsMax / 32);
  const endpoint = { ip: "198.51.100.7", port: 9 };
  assertEquals(refusal(new Invited(lab, { device: 250, endpoint }, another).logIn()), "invited");
});

Deno.test("a coordinator that stops tells invites' sessions too", () => {
  const lab = labWithInvite();
  const invited = new Invited(lab);
  invited.logIn();
  const told = invited.read(lab.input({ kind: "drain", elsewhere: [], atOnce: 1 }));
  assertEquals(told.map(({ message }) => message.kind), ["close"]);
});

Deno.test("a registration in an ordinary session is refused", () => {
  const lab = new Lab();
  lab.addAccount("ada");
  const ada = new ScriptedPeer(lab).join();
  assertEquals(refusal(ada.ask({ kind: "register", account: "bob", request: new Uint8Array(32) })), "usage");
  const record = new Uint8Array(192);
  assertEquals(refusal(ada.ask({ kind: "registerRecord", account: "bob", record })), "usage");
  assertEquals(formatBase64Url(record).length, 256);
});
