/**
 * account_conformance: what every engine of the Store must do with names, roles, limits, invites and passwords. Called beside
 * `testStore`, with the same ways.
 */

import { assert, assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import { ShoalError } from "../../../lib/core/errors.ts";
import { deviceIdFrom } from "../../../lib/core/ids.ts";
import { limits } from "../../../lib/core/limits.ts";
import type { NewInvite, Store, StoreBounds } from "../../../lib/coordinator/store/store.ts";
import type { StoreAsk, StoredAccountKey } from "../../../lib/coordinator/role/store_effects.ts";
import { asking, entry, names, type OpenStore, type Place, value } from "./conformance.ts";

const dayMs = 24 * 60 * 60 * 1000;

function inviteOf(number: number, changes: Partial<NewInvite> = {}): NewInvite {
  return {
    name: `#${String(number).padStart(20, "0")}`,
    record: `record of invite ${number}`,
    role: "member",
    note: "",
    createdAtMs: 1,
    expiresAtMs: 1_000,
    ...changes,
  };
}

function keyOf(byte: number, sealed = "sealed"): StoredAccountKey {
  return { publicKey: new Uint8Array(32).fill(byte), sealed: new TextEncoder().encode(sealed) };
}

/** The one write's answer. */
async function write<A extends StoreAsk>(store: Store, ask: A) {
  return (await store.write([ask]))[0]!;
}

function register(store: Store, account: string, invite: string, nowMs = 10) {
  return write(store, {
    operation: "registerAccount",
    ask: { account, record: `record of ${account}`, invite, nowMs },
  });
}

function codeOf(answer: Awaited<ReturnType<typeof write>>): string | undefined {
  return answer.ok ? undefined : answer.error.code;
}

/** Registers the suite. */
export function testAccounts(engine: string, makePlace: () => Promise<Place>, open: OpenStore): void {
  const test = (
    claim: string,
    act: (store: Store, place: string) => Promise<void>,
    bounds: Partial<StoreBounds> = {},
  ) =>
    Deno.test(`${engine} ${claim}`, async () => {
      await using here = await makePlace();
      const store = await open(here.place, { ...limits, ...bounds });
      try {
        await act(store, here.place);
      } finally {
        await store.close();
      }
    });

  test("adds no account whose name looks like another's", async (store) => {
    const { addAccount } = asking(store);
    assertEquals(await addAccount("Ida"), "added");
    assertEquals(await addAccount("lda"), "lookAlike");
    assertEquals(await addAccount("1DA"), "lookAlike");
    assertEquals(await addAccount("ida"), "kept");
    assertEquals(await addAccount("аcp"), "added"); // Cyrillic а; whoever calls has checked scripts
    assertEquals(await addAccount("acp"), "lookAlike");
    assertEquals((await store.listAccounts()).map(({ name }) => name), ["Ida", "аcp"]);
  });

  test("makes an account with an invite, and spends it in the same ask", async (store) => {
    await store.putInvites([inviteOf(1, { role: "readOnly", note: "for ada" })], 5);
    assertEquals(
      await store.read({ operation: "credential", ask: { account: inviteOf(1).name, deviceId: null } }),
      { ok: true, value: { record: "record of invite 1", disabled: false, deviceKnown: false, loginKey: null } },
    );
    assertEquals(value(await store.read({ operation: "invite", ask: { invite: inviteOf(1).name, nowMs: 10 } })), {
      role: "readOnly",
    });
    assertEquals(value(await register(store, "Ada", inviteOf(1).name)), { account: "Ada" });
    const account = await store.findAccount("ada");
    assertEquals([account?.name, account?.role, account?.createdAtMs], ["Ada", "readOnly", 10]);
    assertEquals((await asking(store).credential("ada")).record, "record of Ada");

    assertEquals(codeOf(await register(store, "bob", inviteOf(1).name)), "denied");
    const spent = await store.read({ operation: "credential", ask: { account: inviteOf(1).name, deviceId: null } });
    assertEquals(value(spent).record, null, "a spent invite answers as an unknown account");
    const [listed] = await store.listInvites();
    assertEquals([listed?.usedBy, listed?.usedAtMs, listed?.note, listed?.role], ["Ada", 10, "for ada", "readOnly"]);
  });

  test("spends an invite once, also where two ask in one group", async (store) => {
    await store.putInvites([inviteOf(1), inviteOf(2)], 5);
    const ask = (account: string, invite: string) =>
      ({ operation: "registerAccount", ask: { account, record: "r", invite, nowMs: 10 } }) as const;
    const answers = await store.write([
      ask("ada", inviteOf(1).name),
      ask("bob", inviteOf(1).name),
      ask("ADA", inviteOf(2).name),
      ask("bob", inviteOf(2).name),
    ]);
    assertEquals(answers.map(codeOf), [undefined, "denied", "nameTaken", undefined]);
    assertEquals((await store.listAccounts()).map(({ name }) => name), ["ada", "bob"]);
  });

  test("refuses an invite that is expired, revoked or was never there, and makes no account", async (store) => {
    await store.putInvites([inviteOf(1), inviteOf(2)], 5);
    assertEquals(codeOf(await register(store, "ada", inviteOf(1).name, 1_000)), "denied");
    const [, second] = await store.listInvites();
    assertEquals(await store.revokeInvite(second!.invite), true);
    assertEquals(await store.revokeInvite(second!.invite), false);
    assertEquals(codeOf(await register(store, "ada", inviteOf(2).name)), "denied");
    assertEquals(codeOf(await register(store, "ada", inviteOf(3).name)), "denied");
    assertEquals(await store.listAccounts(), []);
    assertEquals(value(await register(store, "ada", inviteOf(1).name, 999)), { account: "ada" });
    assertEquals(await store.revokeInvite((await store.listInvites())[0]!.invite), false, "it is spent");
  });

  test("keeps an invite whose name was refused", async (store) => {
    await asking(store).addAccount("ada");
    await store.putInvites([inviteOf(1)], 5);
    assertEquals(codeOf(await register(store, "Ada", inviteOf(1).name)), "nameTaken");
    assertEquals(codeOf(await register(store, "a b", inviteOf(1).name)), "usage");
    assertEquals(codeOf(await register(store, "everyone", inviteOf(1).name)), "usage");
    assertEquals(value(await register(store, "bob", inviteOf(1).name)), { account: "bob" });
  });

  test("checks a name as a registration will, and says how it is spelled", async (store) => {
    await asking(store).addAccount("Ida");
    const check = (account: string) => store.read({ operation: "checkName", ask: { account } });
    assertEquals(value(await check("zoe\u0301")), { account: "zoé" });
    assertEquals(value(await check("ＢＯＢ")), { account: "BOB" });
    for (
      const [name, code] of [["ida", "nameTaken"], ["lda", "nameTaken"], ["a b", "usage"], ["#1", "usage"]] as const
    ) {
      const answer = await check(name);
      assertEquals(answer.ok ? undefined : answer.error.code, code, name);
    }
  });

  test("never spends the invite of open registration, lists it not, and forgets it when told", async (store) => {
    const everybody = inviteOf(7, { expiresAtMs: null });
    await store.putInvites([everybody], 5);
    await store.putInvites([everybody], 6);
    assertEquals(value(await register(store, "ada", everybody.name)), { account: "ada" });
    assertEquals(value(await register(store, "bob", everybody.name, 1e9)), { account: "bob" });
    assertEquals(await store.listInvites(), []);
    assertEquals(await store.revokeInvite(0), true);
    assertEquals(codeOf(await register(store, "eve", everybody.name)), "denied");
  });

  test("bounds the invites that can be used, and forgets those of long ago", async (store) => {
    const many = Array.from({ length: limits.invitesMax }, (_, i) => inviteOf(i, { expiresAtMs: dayMs }));
    await store.putInvites(many, 5);
    const error = await assertRejects(() => store.putInvites([inviteOf(limits.invitesMax, { expiresAtMs: dayMs })], 5));
    assertEquals((error as ShoalError).code, "limit");
    const laterMs = dayMs + limits.inviteKeptMs + 1;
    await store.putInvites([inviteOf(limits.invitesMax, { expiresAtMs: 2 * laterMs })], laterMs);
    assertEquals((await store.listInvites()).length, 1);
  });

  test("tells an account's role and rate, and sets them", async (store) => {
    const { addAccount } = asking(store);
    await addAccount("ada");
    const standing = async () => {
      const { role, rate } = value(await store.read({ operation: "account", ask: { account: "ada" } }))!;
      return [role, rate];
    };
    assertEquals(await standing(), ["member", null]);
    assertEquals(await store.setRole("ADA", "operator"), true);
    assertEquals(await store.setLimits("ada", { sharesMax: 2, rate: 50 }), true);
    assertEquals(await standing(), ["operator", 50]);
    const { sharesMax, rate } = (await store.findAccount("ada"))!;
    assertEquals([sharesMax, rate], [2, 50]);
    await store.setLimits("ada", { sharesMax: null, rate: null });
    assertEquals(await standing(), ["operator", null]);
    assertEquals(await store.setRole("bob", "member"), false);
    assertEquals(await store.setLimits("bob", { sharesMax: 1, rate: 1 }), false);
  });

  test("holds an account's own limit of shares instead of that of all", async (store) => {
    const { addAccount, enrol, share } = asking(store);
    await addAccount("ada");
    const { device } = await enrol("ada", 1);
    await store.setLimits("ada", { sharesMax: 3, rate: null });
    await share(device, entry("a", 1), entry("b", 2), entry("c", 3));
    const over = await write(store, { operation: "share", ask: { device, entries: [entry("d", 4)], nowMs: 1 } });
    assertEquals(codeOf(over), "limit");
    await store.setLimits("ada", { sharesMax: null, rate: null });
    const still = await write(store, { operation: "share", ask: { device, entries: [entry("d", 4)], nowMs: 1 } });
    assertEquals(codeOf(still), "limit", "that of all is 2, and 3 are there");
  }, { sharesPerAccountMax: 2 });

  test("withdraws what a read-only account shares, takes nothing new of it, and lets it share again as a member", async (store) => {
    const { addAccount, enrol, share, search, presence, files } = asking(store);
    await addAccount("bob");
    const other = (await enrol("bob", 9)).device;
    await addAccount("ada");
    const one = (await enrol("ada", 1)).device;
    const two = (await enrol("ada", 2, "phone")).device;
    for (const device of [other, one, two]) await presence(device, true);
    await share(one, entry("a", 1), entry("b", 2));
    await share(two, entry("c", 3));
    await share(other, entry("d", 4));
    await store.setRole("ada", "readOnly");
    assertEquals(names(await search("glob", "*")), ["d"]);
    assertEquals((await files(one, "device")).map(({ name, withdrawn }) => [name, withdrawn]), [["a", true], [
      "b",
      true,
    ]]);
    const { shareDigest } = await enrol("ada", 1);
    assert(shareDigest.every((byte) => byte === 0), "its list is empty, and it will see so");
    const refused = await write(store, {
      operation: "share",
      ask: { device: one, entries: [entry("a", 1)], nowMs: 1 },
    });
    assertEquals(codeOf(refused), "readOnly");
    await store.setRole("ada", "member");
    await share(one, entry("a", 1));
    assertEquals(names(await search("glob", "*")).sort(), ["a", "d"]);
  });

  test("changes a password and what is sealed under it together, and keeps every device", async (store) => {
    const { addAccount, enrol, sign, credential } = asking(store);
    await addAccount("ada");
    const { device } = await enrol("ada", 1);
    await enrol("ada", 2, "phone");
    await sign("ada", device, 7);
    const before = value(await store.read({ operation: "passwordOf", ask: { account: "ADA" } }));
    assertEquals(before.record, "record of ada");
    const { publicKey } = before.accountKey!;
    const change = (from: string, accountKey: StoredAccountKey | null, everywhere = false) =>
      write(store, {
        operation: "changePassword",
        ask: { account: "ada", device, from, record: "new record", accountKey, everywhere },
      });
    const sealed = new TextEncoder().encode("sealed anew");
    assertEquals(codeOf(await change("another record", { publicKey, sealed })), "changed");
    assertEquals(codeOf(await change("record of ada", keyOf(9))), "changed", "another key");
    assertEquals(codeOf(await change("record of ada", null)), "changed", "no key");
    assertEquals((await credential("ada", 1)).record, "record of ada");

    assertEquals(codeOf(await change("record of ada", { publicKey, sealed })), undefined);
    assertEquals(codeOf(await change("record of ada", { publicKey, sealed })), "changed", "it has changed since");
    const after = value(await store.read({ operation: "passwordOf", ask: { account: "ada" } }));
    assertEquals(after, { record: "new record", accountKey: { publicKey, sealed } });
    const again = await enrol("ada", 1);
    assertEquals([again.enrolled, again.accountKey?.publicKey], [true, publicKey]);
    assertNotEquals((await credential("ada", 2)).loginKey, null);

    assertEquals(codeOf(await change("new record", { publicKey, sealed }, true)), undefined);
    assertEquals((await credential("ada", 2)).loginKey, null, "others need the password now");
    assertNotEquals((await credential("ada", 1)).loginKey, null);
    const gone = await store.read({ operation: "passwordOf", ask: { account: "nobody" } });
    assertEquals(gone.ok ? undefined : gone.error.code, "denied");
  });

  test("takes no device for a password that is another one by now", async (store) => {
    const { addAccount, enrol, credential } = asking(store);
    await addAccount("ada");
    const { device } = await enrol("ada", 1);
    const prove = (record: string, key: number) =>
      write(store, {
        operation: "enrolDevice",
        ask: {
          account: "ada",
          deviceId: deviceIdFrom(new Uint8Array(32).fill(key)),
          label: "vm",
          certificate: new Uint8Array(1),
          loginKey: new Uint8Array(32).fill(key),
          record,
          nowMs: 1,
        },
      });
    const ask = { account: "ada", device, from: "record of ada", record: "new", accountKey: null, everywhere: true };
    assertEquals(codeOf(await write(store, { operation: "changePassword", ask })), undefined);
    assertEquals(codeOf(await prove("record of ada", 2)), "denied");
    assertEquals((await credential("ada", 2)).deviceKnown, false);
    assertEquals(codeOf(await prove("new", 2)), undefined);
    await store.putAccount("ada", "the operator's", { overwrite: true, nowMs: 2 });
    assertEquals(codeOf(await prove("new", 2)), "denied");
    assertEquals(codeOf(await prove("the operator's", 2)), undefined);
  });

  test("keeps invites, roles and limits over a restart", async (store, place) => {
    await asking(store).addAccount("Ida");
    await store.setRole("ida", "readOnly");
    await store.setLimits("ida", { sharesMax: 5, rate: 6 });
    await store.putInvites([inviteOf(1)], 5);
    await store.close();
    const again = await open(place, limits);
    try {
      const { role, sharesMax, rate } = (await again.findAccount("ida"))!;
      assertEquals([role, sharesMax, rate], ["readOnly", 5, 6]);
      assertEquals(await again.putAccount("lda", "r", { overwrite: false, nowMs: 1 }), "lookAlike");
      assertEquals(codeOf(await register(again, "bob", inviteOf(1).name)), undefined);
    } finally {
      await again.close();
    }
  });
}
