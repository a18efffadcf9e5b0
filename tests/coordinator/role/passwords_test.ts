import { assertEquals, assertNotEquals } from "@std/assert";
import { forEveryone } from "../../../lib/core/audience.ts";
import { errorCodeFromWire } from "../../../lib/core/errors.ts";
import { limits } from "../../../lib/core/limits.ts";
import { openAccountKey, sealAccountKey } from "../../../lib/session/account_key.ts";
import { finishLogin, finishRegistration, startLogin, startRegistration } from "../../../lib/session/opaque.ts";
import type { Message, MessageOf } from "../../../lib/wire/message.ts";
import { accountKeyOf, cheap, contentIdOf, labWith, ScriptedPeer, secret } from "./lab.ts";

const noCursor = new Uint8Array(0);

function refusal(message: Message): string {
  return message.kind === "error" ? errorCodeFromWire(message.code) : message.kind;
}

/** Begins a change and makes the message that ends it; undefined where the old password does not fit. */
function prepare(peer: ScriptedPeer, oldPassword: string, newPassword: string, everywhere = false) {
  const started = startLogin(oldPassword);
  const fresh = startRegistration(newPassword);
  const answer = peer.ask({ kind: "changePassword", ke1: started.ke1, request: fresh.request });
  if (answer.kind !== "provePassword") return { answer, message: undefined };
  const login = finishLogin(oldPassword, started.state, answer.ke2, cheap);
  const registration = finishRegistration(newPassword, fresh.state, answer.response, cheap)!;
  const key = accountKeyOf(peer.account);
  const message: MessageOf<"setPassword"> = {
    kind: "setPassword",
    ke3: login?.ke3 ?? new Uint8Array(64),
    record: registration.record,
    accountKey: {
      publicKey: key.publicKey,
      sealed: sealAccountKey(registration.exportKey, peer.account, key, peer.lab.random),
    },
    everywhere,
  };
  return { answer, message };
}

Deno.test("a password is changed by who proves the old one, and the account's key goes on under the new one", () => {
  const lab = labWith("ada");
  const ada = new ScriptedPeer(lab).join();
  const { message } = prepare(ada, secret, "new password");
  assertEquals(ada.ask(message!), { kind: "done" });
  const old = new ScriptedPeer(lab, { device: 2 });
  assertEquals(old.makeFinish(old.begin()!), undefined, "the old password proves nothing now");
  const next = new ScriptedPeer(lab, { device: 2, password: "new password" });
  const authenticated = next.logIn() as MessageOf<"authenticated">;
  assertEquals(
    openAccountKey(next.login!.exportKey, "ada", authenticated.accountKey!)?.publicKey,
    accountKeyOf("ada").publicKey,
  );
});

Deno.test("a session alone changes no password: a forged proof, a missing one, one twice, one too late", () => {
  const lab = labWith("ada");
  const ada = new ScriptedPeer(lab).join();
  const record = lab.store.accounts.get("ada")!.record;
  const guess = prepare(ada, "a guess", "new password").message!;
  assertEquals(refusal(ada.ask(guess)), "denied");
  assertEquals(refusal(ada.ask(guess)), "usage", "each proof has its own beginning");
  const late = prepare(ada, secret, "new password").message!;
  lab.nowMs += limits.passwordChangeMs;
  assertEquals(refusal(ada.ask(late)), "usage");
  assertEquals(lab.store.accounts.get("ada")!.record, record);
});

Deno.test("a change that another one overtook is refused", () => {
  const lab = labWith("ada");
  const [one, two] = [new ScriptedPeer(lab).join(), new ScriptedPeer(lab, { device: 2 }).join()];
  const first = prepare(one, secret, "first").message!;
  const second = prepare(two, secret, "second").message!;
  assertEquals(refusal(one.ask(first)), "done");
  assertEquals(refusal(two.ask(second)), "changed");
});

Deno.test("a stolen session has few tries at the old password, however often it logs in", () => {
  const lab = labWith("ada");
  const ada = new ScriptedPeer(lab).join();
  for (let i = 0; i < limits.passwordChangesPerMinute; i++) {
    assertEquals(refusal(prepare(ada, "a guess", "x").answer), "provePassword");
  }
  assertEquals(refusal(prepare(ada, "a guess", "x").answer), "tooManyTries");
  const again = new ScriptedPeer(lab, { device: 2 }).join();
  assertEquals(refusal(prepare(again, secret, "x").answer), "tooManyTries");
  lab.nowMs += 60_000;
  assertEquals(refusal(prepare(again, secret, "x").answer), "provePassword");
});

Deno.test("a login that proved the old password before it was changed enrols nothing and gets no session", () => {
  for (const everywhere of [false, true]) {
    const lab = labWith("ada");
    const ada = new ScriptedPeer(lab).join();
    const thief = new ScriptedPeer(lab, { device: 2 });
    const finish = thief.makeFinish(thief.begin()!)!;
    assertEquals(refusal(ada.ask(prepare(ada, secret, "new password", everywhere).message!)), "done");
    assertEquals(refusal(thief.one(lab.deliver(thief.endpoint, finish)).message), "denied");
    assertEquals(lab.store.devices.length, 1);
  }
});

Deno.test("other sessions stay, unless the password is changed everywhere", () => {
  const lab = labWith("ada");
  const [one, two] = [new ScriptedPeer(lab).join(), new ScriptedPeer(lab, { device: 2 }).join()];
  one.ask(prepare(one, secret, "second").message!);
  assertEquals(two.ask(two.status()).kind, "alive");

  const last = prepare(one, "second", "third", true).message!;
  const transaction = ++one.transaction;
  const sent = lab.deliver(one.endpoint, one.seal(last, transaction));
  assertEquals(two.read(sent).map(({ message }) => message.kind), ["close"]);
  assertEquals(one.read(sent).map(({ message }) => message.kind), ["done"]);
  assertEquals(one.ask(one.status()).kind, "alive");
  assertEquals(lab.role.figures().sessions, 1);
  assertNotEquals(lab.store.devices[0]!.loginKey, null);
  assertEquals(lab.store.devices[1]!.loginKey, null);
});

Deno.test("a password that is changed everywhere ends what other devices fetch, and nothing of this one", () => {
  const lab = labWith("ada", "bob");
  const [one, two] = [new ScriptedPeer(lab).join(), new ScriptedPeer(lab, { device: 2 }).join()];
  const holder = new ScriptedPeer(lab, { account: "bob", device: 3 }).join();
  const content = { id: contentIdOf(1), bytes: 9 };
  holder.ask({ kind: "share", entries: [{ name: "a", ...content, ...forEveryone }] });
  for (const peer of [one, two]) peer.askFor("holders", { kind: "locate", content, offer: false, cursor: noCursor });
  two.ask({ kind: "leave" }); // Who is gone may still fetch.
  const from = lab.sent.length;
  one.ask(prepare(one, secret, "second", true).message!);
  const told = holder.read(lab.sent.slice(from)).map(({ message }) => message);
  assertEquals(told, [{ kind: "revoke", contents: [], devices: [two.deviceId] }]);
});
