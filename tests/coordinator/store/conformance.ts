/**
 * conformance: what every engine of the Store must do. An engine's test file calls `testStore` with a way to open it;
 * `open` may be called again for the same place once the store before is closed.
 */

import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { type Bytes, copyBytes, formatHex, utf8 } from "../../../lib/core/bytes.ts";
import { type Content, contentIdFrom, deviceIdFrom } from "../../../lib/core/ids.ts";
import { limits } from "../../../lib/core/limits.ts";
import type { Store, StoreBounds } from "../../../lib/coordinator/store/store.ts";
import type { FileRow, StoreAnswer, StoreAsk, StoreOperations } from "../../../lib/coordinator/role/store_effects.ts";
import { emptyShareDigest, toggleShare } from "../../../lib/session/share_digest.ts";
import type { ShareEntry, ShareScope } from "../../../lib/wire/message.ts";
import { searchFor, type SearchMode } from "../../../lib/wire/search_query.ts";

/** Opens the engine under test at a place of its own. */
export type OpenStore = (place: string, bounds: StoreBounds) => Promise<Store>;

/** A place for one test, removed after it. */
export interface Place extends AsyncDisposable {
  readonly place: string;
}

/** Text as a plain array, which is what stores answer. */
function textBytes(text: string): Bytes {
  return copyBytes(utf8(text));
}

/** An id whose first byte is `number`. */
function idOf(number: number): Bytes {
  const id = new Uint8Array(32);
  new DataView(id.buffer).setUint32(0, number);
  return id;
}

export function entry(name: string, content: number, bytes = 100 + content): ShareEntry {
  return { name, id: contentIdFrom(idOf(content)), bytes, audience: null, description: "" };
}

/** What an enrolment of ada's tells of its login. */
const byPassword = { loginKey: new Uint8Array(32), record: "record of ada" } as const;

export function contentOf(content: number, bytes = 100 + content): Content {
  return { id: contentIdFrom(idOf(content)), bytes };
}

export function digestOf(...entries: ShareEntry[]): string {
  const digest = emptyShareDigest();
  for (const one of entries) toggleShare(digest, one);
  return formatHex(digest);
}

/** The answer's value. */
export function value<T>(
  answer: { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: unknown },
): T {
  assert(answer.ok, `refused: ${JSON.stringify(answer)}`);
  return answer.value;
}

/** The asks that tests make often, in short. */
export function asking(store: Store) {
  /** Who searches: the device that was enrolled last. */
  let asker = 0;
  const one = async <A extends StoreAsk>(ask: A): Promise<StoreAnswer<A["operation"]>> =>
    (await store.write([ask]))[0]! as StoreAnswer<A["operation"]>;
  return {
    addAccount: (name: string) => store.putAccount(name, `record of ${name}`, { overwrite: false, nowMs: 1 }),
    enrol: async (account: string, key: number, label = "vm", nowMs = 10) => {
      const found = await store.read({ operation: "credential", ask: { account, deviceId: null } });
      const enrolled = value(
        await one({
          operation: "enrolDevice",
          ask: {
            account,
            deviceId: deviceIdFrom(idOf(key)),
            label,
            certificate: textBytes(`certificate ${key}`),
            loginKey: idOf(1000 + key),
            record: value(found).record,
            nowMs,
          },
        }),
      );
      asker = enrolled.device;
      return enrolled;
    },
    enrolByKey: (account: string, key: number, loginKey = 1000 + key, nowMs = 40) =>
      one({
        operation: "enrolDevice",
        ask: {
          account,
          deviceId: deviceIdFrom(idOf(key)),
          label: "vm",
          certificate: textBytes(`certificate ${key}`),
          loginKey: idOf(loginKey),
          record: null,
          nowMs,
        },
      }),
    devices: async (account: string, after = 0, limit = 100) =>
      value(await store.read({ operation: "listDevices", ask: { account, after, limit } })),
    revokeDevice: (account: string, label: string) => one({ operation: "revokeDevice", ask: { account, label } }),
    sign: async (account: string, device: number, key: number, sealed = "sealed") =>
      value(
        await one({
          operation: "putAccountKey",
          ask: {
            account,
            device,
            accountKey: { publicKey: idOf(key), sealed: textBytes(sealed) },
            signature: new Uint8Array(64).fill(device),
          },
        }),
      ),
    presence: (device: number, online: boolean, nowMs = 20) =>
      one({ operation: "presence", ask: { device, online, nowMs } }),
    share: async (device: number, ...entries: ShareEntry[]) =>
      value(await one({ operation: "share", ask: { device, entries, nowMs: 30 } })),
    remove: async (device: number, scope: ShareScope, ...names: string[]) =>
      value(await one({ operation: "remove", ask: { device, names, scope } })),
    files: async (device: number, scope: ShareScope, after = 0, limit = 100) =>
      value(await store.read({ operation: "listFiles", ask: { device, scope, after, limit } })),
    search: async (mode: SearchMode, pattern: string, after = 0, limit = 100) =>
      value(await store.read({ operation: "search", ask: searchAsk(mode, pattern, asker, after, limit) })).rows,
    /** `next` as the row that the next answer begins behind, 0 for none. */
    searchPage: async (mode: SearchMode, pattern: string, after = 0, limit = 100) => {
      const ask = searchAsk(mode, pattern, asker, after, limit);
      const { rows, next } = value(await store.read({ operation: "search", ask }));
      return { rows, next: next?.row ?? 0 };
    },
    locate: async (content: Content, askingDevice = 0, after = 0, limit = 100) => {
      const round = { start: 1, pick: 0, after };
      return value(await store.read({ operation: "locate", ask: { content, askingDevice, round, known: [], limit } }))
        .round;
    },
    locatePage: async (ask: StoreOperations["locate"]["ask"]) => value(await store.read({ operation: "locate", ask })),
    sharesOf: async (device: number, ...contents: Content[]) =>
      value(await store.read({ operation: "sharesOf", ask: { device, askingDevice: asker, contents } })),
    peers: async (after = 0, limit = 100) => value(await store.read({ operation: "listPeers", ask: { after, limit } })),
    credential: async (account: string, key: number | null = null) =>
      value(
        await store.read({
          operation: "credential",
          ask: { account, deviceId: key === null ? null : deviceIdFrom(idOf(key)) },
        }),
      ),
  };
}

export const names = (rows: readonly FileRow[]) => rows.map((row) => row.name);

function searchAsk(mode: SearchMode, pattern: string, device: number, after: number, limit: number) {
  return { ...searchFor(mode, pattern), device, after: after === 0 ? null : { key: 0, row: after, part: 0 }, limit };
}

/** Registers the suite. */
export function testStore(engine: string, makePlace: () => Promise<Place>, open: OpenStore): void {
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

  test("takes look-alikes by case and Unicode form for one account, and keeps its first spelling", async (store) => {
    assertEquals(await store.putAccount("Zoé", "first", { overwrite: false, nowMs: 1 }), "added");
    assertEquals(await store.putAccount("ZOE\u0301", "second", { overwrite: false, nowMs: 2 }), "kept");
    const { credential } = asking(store);
    assertEquals(await credential("zoe\u0301"), {
      record: "first",
      disabled: false,
      deviceKnown: false,
      loginKey: null,
    });
    assertEquals(value(await store.read({ operation: "account", ask: { account: "zoé" } })), {
      account: "Zoé",
      publicKey: null,
      role: "member",
      rate: null,
    });
    assertEquals((await store.listAccounts()).map((one) => one.name), ["Zoé"]);
  });

  test("answers for an unknown account as for one without a record", async (store) => {
    const { credential } = asking(store);
    const none = { record: null, disabled: false, deviceKnown: false, loginKey: null };
    assertEquals(await credential("nobody", 1), none);
    assertEquals(await credential("x'; DROP TABLE accounts; --"), none);
    assertEquals(value(await store.read({ operation: "account", ask: { account: "nobody" } })), undefined);
  });

  test("disables and enables an account", async (store) => {
    const { addAccount, credential } = asking(store);
    await addAccount("ada");
    assertEquals(await store.setDisabled("ADA", true), true);
    assertEquals((await credential("ada")).disabled, true);
    assertEquals((await store.findAccount("ada"))?.disabled, true);
    assertEquals(await store.setDisabled("ada", false), true);
    assertEquals((await credential("ada")).disabled, false);
    assertEquals(await store.setDisabled("bob", true), false);
  });

  test("knows a device by its key and gives each a label of its own", async (store) => {
    const { addAccount, enrol, credential } = asking(store);
    await addAccount("ada");
    await addAccount("bob");
    const first = await enrol("ada", 1);
    const second = await enrol("ada", 2);
    const third = await enrol("ada", 3);
    assertEquals([first.label, second.label, third.label], ["vm", "vm-2", "vm-3"]);
    assertEquals([first.enrolled, first.accountKey, first.withdrawn], [false, null, 0]);
    assertEquals(formatHex(first.shareDigest), digestOf());
    assertEquals((await enrol("bob", 1)).label, "vm", "another account's labels do not count");
    const again = await enrol("ADA", 2, "vm");
    assertEquals([again.device, again.label], [second.device, "vm-2"], "the numbered label is kept");
    const renamed = await enrol("ada", 2, "laptop");
    assertEquals([renamed.device, renamed.label], [second.device, "laptop"]);
    assertEquals((await credential("ada", 2)).deviceKnown, true);
    assertEquals((await credential("ada", 9)).deviceKnown, false);
    assertEquals((await store.findAccount("ada"))?.devices, 3);
  });

  test("cuts a long label at a character to make room for its number", async (store) => {
    const { addAccount, enrol } = asking(store);
    await addAccount("ada");
    const wished = "é".repeat(32);
    assertEquals((await enrol("ada", 1, wished)).label, wished);
    assertEquals((await enrol("ada", 2, wished)).label, `${"é".repeat(31)}-2`);
  });

  test("refuses a device of an account that is not there", async (store) => {
    const [answer] = await store.write([{
      operation: "enrolDevice",
      ask: {
        account: "ada",
        deviceId: deviceIdFrom(idOf(1)),
        label: "vm",
        certificate: textBytes("c"),
        ...byPassword,
        nowMs: 1,
      },
    }]);
    assert(!answer!.ok);
    assertEquals(answer.error.code, "denied");
  });

  test("forgets the device that is longest away and shares nothing when an account has too many", async (store) => {
    const { addAccount, enrol, presence, share, credential } = asking(store);
    await addAccount("ada");
    const one = await enrol("ada", 1, "a", 10);
    const two = await enrol("ada", 2, "b", 20);
    await presence(one.device, true);
    await enrol("ada", 3, "c", 30);
    assertEquals([(await credential("ada", 2)).deviceKnown, (await credential("ada", 1)).deviceKnown], [false, true]);
    assertNotEquals((await enrol("ada", 4, "d", 40)).device, two.device, "numbers are not given twice");
    const three = await enrol("ada", 5, "e", 50);
    await share(three.device, entry("x", 1));
    const [full] = await store.write([{
      operation: "enrolDevice",
      ask: {
        account: "ada",
        deviceId: deviceIdFrom(idOf(6)),
        label: "f",
        certificate: textBytes("c"),
        ...byPassword,
        nowMs: 1,
      },
    }]);
    assert(!full!.ok);
    assertEquals(full.error.code, "limit");
  }, { devicesPerAccountMax: 2 });

  test("keeps the first account key and the signatures by it alone", async (store) => {
    const { addAccount, enrol, sign } = asking(store);
    await addAccount("ada");
    const one = await enrol("ada", 1);
    const two = await enrol("ada", 2);
    assertEquals((await sign("ada", one.device, 7)).enrolled, true);
    const other = await sign("ada", two.device, 8, "another");
    assertEquals([formatHex(other.accountKey.publicKey), other.enrolled], [formatHex(idOf(7)), false]);
    assertEquals(other.accountKey.sealed, textBytes("sealed"));
    assertEquals((await sign("ada", two.device, 7)).enrolled, true);
    const again = await enrol("ada", 1);
    assertEquals([again.enrolled, again.accountKey?.sealed], [true, textBytes("sealed")]);
    await addAccount("bob");
    const [foreign] = await store.write([{
      operation: "putAccountKey",
      ask: {
        account: "bob",
        device: one.device,
        accountKey: { publicKey: idOf(7), sealed: textBytes("x") },
        signature: new Uint8Array(64),
      },
    }]);
    assert(!foreign!.ok, "a device of another account is refused");
  });

  test("forgets the account key with the record it was sealed under", async (store) => {
    const { addAccount, enrol, sign, credential } = asking(store);
    await addAccount("ada");
    const { device } = await enrol("ada", 1);
    await sign("ada", device, 7);
    assertEquals(await store.putAccount("Ada", "new", { overwrite: true, nowMs: 2 }), "replaced");
    assertEquals((await credential("ada")).record, "new");
    const after = await enrol("ada", 1);
    assertEquals([after.device, after.accountKey, after.enrolled], [device, null, false]);
  });

  test("knows the key by which a device logs in, and nobody else's", async (store) => {
    const { addAccount, enrol, credential } = asking(store);
    await addAccount("ada");
    await addAccount("bob");
    await enrol("ada", 1);
    assertEquals((await credential("ADA", 1)).loginKey, idOf(1001));
    for (const [account, key] of [["ada", 2], ["ada", null], ["bob", 1], ["nobody", 1]] as const) {
      assertEquals((await credential(account, key)).loginKey, null, `${account} ${key}`);
    }
  });

  test("enrols by key only a device that is there with that key, and changes nothing else", async (store) => {
    const { addAccount, enrol, enrolByKey, sign, devices } = asking(store);
    await addAccount("ada");
    const first = await enrol("ada", 1);
    await sign("ada", first.device, 7);
    const again = value(await enrolByKey("Ada", 1));
    assertEquals([again.device, again.label, again.enrolled], [first.device, "vm", true]);
    assertEquals((await devices("ada"))[0]!.enrolledAtMs, 10);
    for (const refused of [await enrolByKey("ada", 1, 9), await enrolByKey("ada", 2), await enrolByKey("nobody", 1)]) {
      assert(!refused.ok);
      assertEquals(refused.error.code, "denied");
    }
    assertEquals((await devices("ada")).length, 1);
  });

  test("revokes a device: without its key and signature, with its label and shares, until the password enrols it", async (store) => {
    const { addAccount, enrol, enrolByKey, sign, share, files, credential, revokeDevice, devices } = asking(store);
    await addAccount("ada");
    const one = await enrol("ada", 1, "laptop");
    const two = await enrol("ada", 2, "phone");
    for (const { device } of [one, two]) await sign("ada", device, 7);
    await share(one.device, entry("a", 1));
    // Twice is as once.
    for (let i = 0; i < 2; i++) assertEquals(value(await revokeDevice("ADA", "laptop")), { device: one.device });
    assertEquals((await credential("ada", 1)).loginKey, null);
    assertEquals((await credential("ada", 2)).loginKey, idOf(1002));
    assertEquals((await devices("ada")).map(({ label, enrolledAtMs }) => [label, enrolledAtMs]), [
      ["laptop", null],
      ["phone", 10],
    ]);
    assertEquals((await enrolByKey("ada", 1)).ok, false);
    assertEquals(names(await files(one.device, "device")), ["a"]);
    const back = await enrol("ada", 1, "laptop", 50);
    assertEquals([back.device, back.label, back.enrolled], [one.device, "laptop", false]);
    assertEquals(back.accountKey?.publicKey, idOf(7));
    assertEquals((await devices("ada"))[0]!.enrolledAtMs, 50);
    for (const refused of [await revokeDevice("ada", "none"), await revokeDevice("nobody", "phone")]) {
      assert(!refused.ok);
      assertEquals(refused.error.code, "notFound");
    }
  });

  test("revokes every device with the record that is replaced", async (store) => {
    const { addAccount, enrol, enrolByKey, credential, devices } = asking(store);
    await addAccount("ada");
    await addAccount("bob");
    await enrol("ada", 1);
    await enrol("bob", 1);
    await store.putAccount("ada", "new", { overwrite: true, nowMs: 2 });
    assertEquals((await credential("ada", 1)).loginKey, null);
    assertEquals((await enrolByKey("ada", 1)).ok, false);
    assertEquals((await devices("ada"))[0]!.enrolledAtMs, null);
    assertEquals((await enrolByKey("bob", 1)).ok, true);
  });

  test("lists an account's own devices in pages, with who is here", async (store) => {
    const { addAccount, enrol, presence, devices } = asking(store);
    await addAccount("ada");
    await addAccount("bob");
    await enrol("bob", 9);
    const enrolled = [];
    for (const key of [1, 2, 3]) enrolled.push(await enrol("ada", key));
    await presence(enrolled[1]!.device, true, 25);
    const all = await devices("Ada");
    assertEquals(all.map(({ row, label, online, changedAtMs }) => [row, label, online, changedAtMs]), [
      [enrolled[0]!.device, "vm", false, 10],
      [enrolled[1]!.device, "vm-2", true, 25],
      [enrolled[2]!.device, "vm-3", false, 10],
    ]);
    assertEquals(await devices("ada", all[0]!.row, 1), [all[1]!]);
    assertEquals(await devices("ada", all[2]!.row), []);
    assertEquals(await devices("nobody"), []);
  });

  test("keeps a device's share digest, and says which contents ended", async (store) => {
    const { addAccount, enrol, share, files } = asking(store);
    await addAccount("ada");
    const { device } = await enrol("ada", 1);
    const [a, b, twin] = [entry("a", 1), entry("b", 2), entry("twin", 1)];
    assertEquals(formatHex((await share(device, a, b, twin)).shareDigest), digestOf(a, b, twin));
    const same = await share(device, a);
    assertEquals(
      [formatHex(same.shareDigest), same.ended],
      [digestOf(a, b, twin), []],
      "sharing twice changes nothing",
    );
    const newA = entry("a", 3);
    const replaced = await share(device, newA);
    assertEquals([formatHex(replaced.shareDigest), replaced.ended], [digestOf(newA, b, twin), []], "twin has it still");
    const newTwin = entry("twin", 3);
    assertEquals((await share(device, newTwin)).ended, [contentOf(1)]);
    const longer = entry("b", 2, 999);
    assertEquals((await share(device, longer)).ended, [contentOf(2)], "another size is another content");
    const rows = await files(device, "device");
    assertEquals(rows.map((row) => [row.name, row.content.bytes]).sort(), [["a", 103], ["b", 999], ["twin", 103]]);
    assertEquals(formatHex((await enrol("ada", 1)).shareDigest), digestOf(newA, longer, newTwin));
    assertEquals((await store.findAccount("ada"))?.shares, 3);
    assertEquals((await store.figures()).files, 3, "files that nobody shares are gone");
  });

  test("ends no content that comes back within the same ask", async (store) => {
    const { addAccount, enrol, share } = asking(store);
    await addAccount("ada");
    const { device } = await enrol("ada", 1);
    await share(device, entry("a", 1));
    assertEquals((await share(device, entry("a", 2), entry("b", 1))).ended, []);
    assertEquals((await share(device, entry("a", 3), entry("a", 4))).ended, [contentOf(2), contentOf(3)]);
  });

  test("removes at the asking device, and withdraws at the account's others until they agree", async (store) => {
    const { addAccount, enrol, share, remove, files, presence, search } = asking(store);
    await addAccount("ada");
    await addAccount("bob");
    const one = (await enrol("ada", 1)).device;
    const two = (await enrol("ada", 2)).device;
    const foreign = (await enrol("bob", 3)).device;
    for (const device of [one, two, foreign]) await presence(device, true);
    const [a, b] = [entry("a", 1), entry("b", 2)];
    await share(one, a, b);
    await share(two, a, b);
    await share(foreign, a);

    const here = await remove(one, "device", "a", "a", "missing");
    assertEquals(here.count, 1);
    assertEquals(here.devices, [{
      device: one,
      shareDigest: here.devices[0]!.shareDigest,
      ended: [contentOf(1)],
      narrowed: [],
    }]);
    assertEquals(formatHex(here.devices[0]!.shareDigest), digestOf(b));

    const everywhere = await remove(one, "account", "a", "b");
    assertEquals(everywhere.count, 3);
    const changed = new Map(everywhere.devices.map((device) => [device.device, device]));
    assertEquals([...changed.keys()].sort(), [one, two]);
    assertEquals(formatHex(changed.get(two)!.shareDigest), digestOf());
    assertEquals(changed.get(two)!.ended, [contentOf(1), contentOf(2)]);
    assertEquals(await files(one, "account"), []);
    assertEquals((await files(two, "device")).map((row) => [row.name, row.withdrawn]), [["a", true], ["b", true]]);
    assertEquals((await search("name", "a")).map((row) => row.holders), [1], "the other account's share stays");
    assertEquals(await search("name", "b"), []);
    const seen = await enrol("ada", 2);
    assertEquals([seen.withdrawn, formatHex(seen.shareDigest)], [2, digestOf()]);

    assertEquals((await remove(one, "account", "a")).count, 0, "what is withdrawn has ended already");
    const agreed = await remove(two, "device", "a");
    assertEquals([agreed.count, agreed.devices], [0, []]);
    assertEquals((await enrol("ada", 2)).withdrawn, 1);
    const back = await share(two, b);
    assertEquals(formatHex(back.shareDigest), digestOf(b), "sharing again takes the withdrawal back");
    assertEquals((await enrol("ada", 2)).withdrawn, 0);
    assertEquals((await search("name", "b")).length, 1);
  });

  test("refuses shares over an account's limit, and undoes that ask alone", async (store) => {
    const { addAccount, enrol, files } = asking(store);
    await addAccount("ada");
    const one = (await enrol("ada", 1)).device;
    const two = (await enrol("ada", 2)).device;
    const ask = (device: number, ...entries: ShareEntry[]) =>
      ({ operation: "share", ask: { device, entries, nowMs: 1 } }) as const;
    const answers = await store.write([
      ask(one, entry("a", 1), entry("b", 2)),
      ask(two, entry("c", 3), entry("d", 4)),
      ask(two, entry("c", 3)),
      ask(two, entry("c", 5)),
      ask(9999, entry("x", 1)),
    ]);
    assertEquals(answers.map((answer) => answer.ok || answer.error.code), [true, "limit", true, true, "sessionEnded"]);
    assertEquals(names(await files(two, "account")), ["a", "b", "c"]);
    assertEquals(formatHex(value(answers[3]!).shareDigest), digestOf(entry("c", 5)));
    assertEquals((await store.findAccount("ada"))?.shares, 3);
    assertEquals((await store.figures()).files, 3);
  }, { sharesPerAccountMax: 3 });

  test("refuses names with NUL, which engines do not keep", async (store) => {
    const { addAccount, enrol } = asking(store);
    await addAccount("ada");
    const { device } = await enrol("ada", 1);
    const answers = await store.write([
      { operation: "share", ask: { device, entries: [entry("a\0b", 1)], nowMs: 1 } },
      {
        operation: "enrolDevice",
        ask: {
          account: "ada",
          deviceId: deviceIdFrom(idOf(2)),
          label: "v\0m",
          certificate: textBytes("c"),
          ...byPassword,
          nowMs: 1,
        },
      },
    ]);
    assertEquals(answers.map((answer) => answer.ok || answer.error.code), ["unsafeName", "unsafeName"]);
  });

  test("finds only what an online device shares now", async (store) => {
    const { addAccount, enrol, share, presence, search, locate, remove } = asking(store);
    await addAccount("ada");
    const { device } = await enrol("ada", 1);
    await share(device, entry("holiday.jpg", 1));
    assertEquals(await search("substring", "holiday"), []);
    await presence(device, true);
    assertEquals((await search("substring", "holiday")).map((row) => [row.content, row.holders]), [[contentOf(1), 1]]);
    assertEquals(await locate(contentOf(1)), [], "a device that its account has not signed is no holder");
    await presence(device, false);
    assertEquals(await search("name", "holiday.jpg"), []);
    await presence(device, true);
    await remove(device, "device", "holiday.jpg");
    assertEquals(await search("glob", "holi*"), []);
  });

  test("searches substrings without regard to case, and takes every character for itself", async (store) => {
    const { addAccount, enrol, share, presence, search } = asking(store);
    await addAccount("ada");
    const { device } = await enrol("ada", 1);
    await presence(device, true);
    const all = [
      "Holiday 100%.JPG",
      "holiday_1.jpg",
      'say "hi".txt',
      "ÉTÉ.txt",
      "e\u0301te\u0301 2.txt",
      "a*b?c.txt",
      "AND OR NOT",
      "x",
    ];
    await share(device, ...all.map((name, i) => entry(name, i)));
    const find = async (pattern: string) => names(await search("substring", pattern));
    assertEquals(await find("HOLIDAY"), all.slice(0, 2));
    assertEquals(await find("100%"), [all[0]]);
    assertEquals(await find("0%"), [all[0]]);
    assertEquals(await find("%"), [all[0]]);
    assertEquals(await find("_"), [all[1]]);
    assertEquals(await find('"hi"'), [all[2]]);
    assertEquals(await find('"'), [all[2]]);
    assertEquals(await find("été"), [all[3], all[4]]);
    assertEquals(await find("*b?c"), [all[5]]);
    assertEquals(await find("OR NOT"), [all[6]]);
    assertEquals(await find("or"), [all[6]]);
    assertEquals(await find("X"), [all[2], all[3], all[4], all[5], all[7]]);
    assertEquals(await find("say\0hi"), []);
    assertEquals(await find("' OR 1=1 --"), []);
    assertEquals(await find('" OR name : "x'), []);
  });

  test("searches globs, whole names and ids", async (store) => {
    const { addAccount, enrol, share, presence, search } = asking(store);
    await addAccount("ada");
    const { device } = await enrol("ada", 1);
    await presence(device, true);
    const all = ["music/Song 1.mp3", "music/song 2.MP3", "music/song 10.mp3", "other.mp3", "a[1].txt"];
    await share(device, ...all.map((name, i) => entry(name, i)));
    await share(device, entry("copy", 3, 555));
    const glob = async (pattern: string) => names(await search("glob", pattern));
    assertEquals(await glob("*.mp3"), all.slice(0, 4));
    assertEquals(await glob("music/song ?.mp3"), all.slice(0, 2));
    assertEquals(await glob("MUSIC/*[02-9].mp3"), [all[1], all[2]]);
    assertEquals(await glob("music/song [!1]*"), [all[1]]);
    assertEquals(await glob("song*"), []);
    assertEquals(await glob("a[[]1].txt"), [all[4]]);
    assertEquals(await glob("?*[x]*t"), [all[4]]);
    assertEquals(names(await search("name", "other.mp3")), ["other.mp3"]);
    assertEquals(await search("name", "OTHER.MP3"), [], "a whole name is exact");
    assertEquals(names(await search("id", contentOf(3).id.toUpperCase())), ["other.mp3", "copy"]);
    assertEquals(await search("id", "not an id"), []);
  });

  test("pages searches by growing numbers that are not given twice", async (store) => {
    const { addAccount, enrol, share, presence, search, remove } = asking(store);
    await addAccount("ada");
    const { device } = await enrol("ada", 1);
    await presence(device, true);
    const all = Array.from({ length: 25 }, (_, i) => entry(`photo ${i}`, i % 5 === 0 ? 77 : i));
    await share(device, ...all);
    for (
      const [mode, pattern] of [["substring", "photo"], ["substring", "ot"], ["glob", "*photo*"], [
        "glob",
        "*",
      ]] as const
    ) {
      const seen: string[] = [];
      for (let after = 0;;) {
        const page = await search(mode, pattern, after, 7);
        if (page.length === 0) break;
        assert(page.length <= 7);
        for (const row of page) {
          assert(row.row > after, "rows grow");
          after = row.row;
          seen.push(row.name);
        }
      }
      assertEquals(seen, all.map((one) => one.name), `${mode} ${pattern}`);
    }
    const last = (await search("substring", "photo")).at(-1)!;
    await remove(device, "device", last.name);
    await share(device, entry("photo new", 1000));
    assert((await search("name", "photo new"))[0]!.row > last.row);
  });

  test("looks at a bounded number of candidates, and says where the next search goes on", async (store) => {
    const { addAccount, enrol, share, presence, searchPage } = asking(store);
    await addAccount("ada");
    const away = (await enrol("ada", 1)).device;
    const here = (await enrol("ada", 2)).device;
    await presence(here, true);
    await share(away, ...[1, 2, 3, 4, 5].map((i) => entry(`photo ${i}`, 6)));
    await share(here, entry("photo 6", 6));
    const questions = [["substring", "photo"], ["substring", "ph"], ["glob", "photo*"], [
      "id",
      contentOf(6).id,
    ]] as const;
    for (const [mode, pattern] of questions) {
      const first = await searchPage(mode, pattern);
      assertEquals(names(first.rows), [], `${mode} ${pattern}`);
      assertEquals(first.next > 0, true, `${mode} ${pattern}`);
      const second = await searchPage(mode, pattern, first.next);
      assertEquals([names(second.rows), second.next], [["photo 6"], 0], `${mode} ${pattern}`);
      const full = await searchPage(mode, pattern, first.next, 1);
      assertEquals(full.next, full.rows[0]!.row, "a full page goes on behind its last row");
    }
  }, { searchCandidatesMax: 5 });

  test("compares a bounded number of characters in one search", async (store) => {
    const { addAccount, enrol, share, presence, searchPage } = asking(store);
    await addAccount("ada");
    const { device } = await enrol("ada", 1);
    await presence(device, true);
    const hostile = Array.from({ length: 300 }, (_, i) => entry("a".repeat(390) + i, i));
    const wanted = entry(`${"a".repeat(198)}b`, 1000);
    await share(device, ...hostile, wanted);
    // The first has no literal for the index, the second one that all the names have.
    for (const glob of [`*${"aa?".repeat(66)}b`, `*aaa${"?aa".repeat(64)}?b`]) {
      const seen: string[] = [];
      let pages = 0;
      let after = 0;
      do {
        const { rows, next } = await searchPage("glob", glob, after);
        assert(next === 0 || next > after, "it goes on");
        seen.push(...names(rows));
        after = next;
        pages++;
      } while (after !== 0);
      assertEquals(seen, [wanted.name], glob);
      assert(pages >= 3, `${glob}: ${pages} pages`);
    }
  });

  test("locates online signed holders of a content by device, whatever the name, never the asker", async (store) => {
    const { addAccount, enrol, share, presence, sign, locate, remove } = asking(store);
    await addAccount("Ada");
    await addAccount("bob");
    const devices: number[] = [];
    for (const [account, key] of [["Ada", 1], ["Ada", 2], ["bob", 3], ["bob", 4]] as const) {
      const { device } = await enrol(account, key, `d${key}`);
      devices.push(device);
      await sign(account, device, account === "Ada" ? 70 : 80);
      await presence(device, true);
      await share(device, entry(`name ${key}`, 1), entry(`other ${key}`, 1), entry("else", 2));
    }
    const [one, two, three, four] = devices as [number, number, number, number];
    await share(three, entry("same id, other size", 1, 5));
    const unsigned = (await enrol("Ada", 5)).device;
    await presence(unsigned, true);
    await share(unsigned, entry("name 5", 1));
    await presence(four, false);
    const all = await locate(contentOf(1), two);
    assertEquals(all.map((row) => [row.device, row.account, row.label]), [[one, "Ada", "d1"], [three, "bob", "d3"]]);
    assertEquals(all[0]!.deviceId, deviceIdFrom(idOf(1)));
    assertEquals(formatHex(all[0]!.accountKey), formatHex(idOf(70)));
    assertEquals(all[0]!.certificate, textBytes("certificate 1"));
    assertEquals(all[0]!.deviceSignature, new Uint8Array(64).fill(one));
    assert(all[0]!.share > 0);
    assertEquals((await locate(contentOf(1), two, 0, 1)).map((row) => row.device), [one]);
    assertEquals((await locate(contentOf(1), two, one, 1)).map((row) => row.device), [three]);
    assertEquals(await locate(contentOf(1), two, three), []);
    await remove(one, "device", "name 1");
    assertEquals((await locate(contentOf(1), two)).length, 2, "it has it under another name");
    await remove(one, "device", "other 1");
    assertEquals((await locate(contentOf(1), two)).map((row) => row.device), [three]);
    assertEquals(await locate(contentOf(9), two), []);
    await share(one, entry("last", 30));
    const [last] = await locate(contentOf(30), two);
    await remove(one, "device", "last");
    await share(one, entry("last", 30));
    assert((await locate(contentOf(30), two))[0]!.share > last!.share, "a share that ended is not the next one");
  });

  test("names holders as a round that begins anywhere, in pages without a gap or a repeat", async (store) => {
    const { addAccount, enrol, share, presence, sign, locatePage, locate } = asking(store);
    await addAccount("ada");
    const devices: number[] = [];
    for (let key = 1; key <= 7; key++) {
      const { device } = await enrol("ada", key, `d${key}`);
      devices.push(device);
      await sign("ada", device, 70);
      await presence(device, true);
      await share(device, entry(`name ${key}`, 1), entry(`again ${key}`, 1));
    }
    const asker = devices.splice(3, 1)[0]!;
    const starts = new Set<number>();
    for (let pick = 0; pick < 12; pick++) {
      let round = { start: 0, pick, after: 0 };
      const seen: number[] = [];
      for (let ended = false; !ended;) {
        const page = await locatePage({ content: contentOf(1), askingDevice: asker, round, known: [], limit: 4 });
        seen.push(...page.round.map((row) => row.device));
        ended = page.round.length < 4;
        round = { start: page.start, pick: 99, after: seen.at(-1)! };
      }
      assertEquals(seen, [...devices.slice(pick % 6), ...devices.slice(0, pick % 6)], "each once, from the pick-th on");
      starts.add(seen[0]!);
    }
    assertEquals(starts.size, 6);
    await presence(devices[5]!, false);
    const gone = { start: devices[5]!, pick: 0, after: 0 };
    const page = await locatePage({ content: contentOf(1), askingDevice: asker, round: gone, known: [], limit: 9 });
    assertEquals(page.round.map((row) => row.device), devices.slice(0, 5), "where it began may go");
    assertEquals((await locate(contentOf(1), asker)).every((row) => row.whole), true);
  });

  test("tells of known devices once the round is over, and of none where nobody shares the content", async (store) => {
    const { addAccount, enrol, share, presence, sign, locatePage, remove } = asking(store);
    await addAccount("ada");
    await addAccount("bob");
    const device = async (account: string, key: number) => {
      const { device } = await enrol(account, key, `d${key}`);
      await sign(account, device, account === "ada" ? 70 : 80);
      await presence(device, true);
      return device;
    };
    const holder = await device("ada", 1);
    const fetching = await device("bob", 2);
    const asker = await device("bob", 3);
    const unsigned = (await enrol("bob", 4)).device;
    await share(holder, entry("a", 1));
    const ask = (round: StoreOperations["locate"]["ask"]["round"], ...known: number[]) =>
      locatePage({ content: contentOf(1), askingDevice: asker, round, known, limit: 2 });
    const fresh = { start: 0, pick: 0, after: 0 };
    const { round, known } = await ask(fresh, fetching, unsigned, 999, holder);
    assertEquals(round.map((row) => [row.device, row.whole]), [[holder, true]]);
    assertEquals(known.map((row) => [row.device, row.whole, row.account]), [[fetching, false, "bob"], [
      holder,
      true,
      "ada",
    ]], "in the order asked for");
    assertEquals(known[0]!.share, round[0]!.share, "somebody's share");
    assertEquals(known[0]!.deviceId, deviceIdFrom(idOf(2)));
    assertEquals(formatHex(known[0]!.accountKey), formatHex(idOf(80)));
    await share(asker, entry("a", 1));
    await share(unsigned, entry("a", 1));
    const second = await device("ada", 5);
    await share(second, entry("a", 1));
    assertEquals((await ask(fresh, fetching)).known, [], "not before the round is over");
    assertEquals(await ask(null, fetching).then(({ round, known }) => [round.length, known.length]), [0, 1]);
    await presence(holder, false);
    await presence(second, false);
    assertEquals((await ask(null, fetching)).known.length, 1, "those who share it are away");
    for (const one of [asker, unsigned, second]) await remove(one, "device", "a");
    assertEquals((await ask(null, fetching)).known.length, 1);
    assertEquals(await store.setDisabled("ada", true), true);
    assertEquals((await ask(null, fetching)).known, [], "the only one who shares it is disabled");
    await store.setDisabled("ada", false);
    await share(await device("ada", 6), entry("b", 2));
    const [row] = (await ask(null, fetching)).known;
    assert(row !== undefined);
    await remove(second, "account", "a");
    assertEquals((await ask(null, fetching)).known, [], "nobody shares it any more");
  });

  test("finds the shares of many contents at one device, in the order asked for", async (store) => {
    const { addAccount, enrol, share, sharesOf, remove } = asking(store);
    await addAccount("ada");
    const { device } = await enrol("ada", 1, "one");
    const other = (await enrol("ada", 2, "two")).device;
    await share(device, entry("a", 1), entry("b", 2), entry("c", 3));
    await share(other, entry("d", 4));
    const [two, none, one, size, again] = await sharesOf(
      device,
      contentOf(2),
      contentOf(4),
      contentOf(1),
      contentOf(1, 7),
      contentOf(2),
    );
    assertEquals([none, size, again], [null, null, two]);
    assert(two! > one!);
    await remove(other, "account", "b");
    assertEquals(await sharesOf(device, contentOf(2), contentOf(3)).then(([b, c]) => [b, c !== null]), [null, true]);
    assertEquals(await sharesOf(device), []);
  });

  test("lists an account's files once each, in pages, with their online holders", async (store) => {
    const { addAccount, enrol, share, presence, files } = asking(store);
    await addAccount("ada");
    const one = (await enrol("ada", 1)).device;
    const two = (await enrol("ada", 2)).device;
    await presence(two, true);
    await share(one, entry("a", 1), entry("b", 2), entry("c", 3));
    await share(two, entry("b", 2), entry("c", 4), entry("d", 5));
    const whole = await files(one, "account");
    assertEquals(whole.map((row) => [row.name, row.content.bytes, row.holders]), [
      ["a", 101, 0],
      ["b", 102, 1],
      ["c", 103, 0],
      ["c", 104, 1],
      ["d", 105, 1],
    ]);
    const first = await files(one, "account", 0, 2);
    assertEquals([...first, ...await files(one, "account", first[1]!.row, 10)], [...whole]);
    assertEquals(names(await files(two, "device")), ["b", "c", "d"]);
  });

  test("lists devices with who is here, and when they last came or went", async (store) => {
    const { addAccount, enrol, presence, peers } = asking(store);
    await addAccount("Ada");
    await addAccount("bob");
    const one = (await enrol("ada", 1, "vm", 10)).device;
    await enrol("bob", 2, "pc", 11);
    await presence(one, true, 50);
    await presence(one, true, 60);
    const all = await peers();
    assertEquals(all.map(({ account, label, online, changedAtMs }) => [account, label, online, changedAtMs]), [
      ["Ada", "vm", true, 50],
      ["bob", "pc", false, 11],
    ]);
    await presence(one, false, 70);
    assertEquals((await peers(0, 1)).map((row) => [row.online, row.changedAtMs]), [[false, 70]]);
    assertEquals((await peers(all[0]!.row)).map((row) => row.account), ["bob"]);
    assertEquals((await presence(9999, true)).ok, true, "a device that is gone is no failure");
    assertEquals((await store.figures()).online, 0);
  });

  test("removes an account with its devices and shares, and nobody else's", async (store) => {
    const { addAccount, enrol, share, presence, search, peers, credential } = asking(store);
    await addAccount("ada");
    await addAccount("bob");
    const one = (await enrol("ada", 1)).device;
    const two = (await enrol("bob", 2)).device;
    for (const device of [one, two]) await presence(device, true);
    for (let i = 0; i < 10; i++) {
      await share(one, ...Array.from({ length: 50 }, (_, j) => entry(`file ${i} ${j}`, 100 * i + j)));
    }
    await share(two, entry("file 1 1", 101), entry("mine", 1));
    assertEquals(await store.removeAccount("ADA"), true);
    assertEquals(await store.removeAccount("ada"), false);
    assertEquals((await credential("ada")).record, null);
    assertEquals((await peers()).map((row) => row.account), ["bob"]);
    assertEquals(names(await search("substring", "file")), ["file 1 1"]);
    assertEquals(await store.figures(), { accounts: 1, devices: 1, online: 1, files: 2, shares: 2 });
    assertEquals(await store.putAccount("ada", "again", { overwrite: false, nowMs: 5 }), "added");
  });

  test("remembers the first keys that it is told of, and no others", async (store, place) => {
    assertEquals([await store.claimKeys("one"), await store.claimKeys("two")], [true, false]);
    await store.close();
    const again = await open(place, limits);
    assertEquals([await again.claimKeys("two"), await again.claimKeys("one")], [false, true]);
    await again.close();
  });

  test("keeps everything but presence over a restart", async (store, place) => {
    const { addAccount, enrol, share, presence, sign } = asking(store);
    await addAccount("ada");
    const { device } = await enrol("ada", 1);
    await sign("ada", device, 7);
    await presence(device, true, 40);
    await share(device, entry("a", 1));
    await store.close();
    const again = await open(place, limits);
    try {
      const now = asking(again);
      assertEquals(await now.search("name", "a"), []);
      assertEquals((await now.peers()).map((row) => [row.online, row.changedAtMs]), [[false, 40]]);
      const known = await now.enrol("ada", 1);
      assertEquals([known.device, known.enrolled, formatHex(known.shareDigest)], [
        device,
        true,
        digestOf(entry("a", 1)),
      ]);
      await now.presence(device, true);
      assertEquals(names(await now.search("substring", "A")), ["a"]);
    } finally {
      await again.close();
    }
  });

  test("agrees with a plain model after a thousand random writes", async (store) => {
    const { addAccount, enrol, share, remove, presence, files, search } = asking(store);
    await addAccount("ada");
    const devices = [(await enrol("ada", 1)).device, (await enrol("ada", 2)).device];
    for (const device of devices) await presence(device, true);
    const model = new Map(
      devices.map((device) => [device, new Map<string, { entry: ShareEntry; withdrawn: boolean }>()]),
    );
    let seed = 12345;
    const random = (below: number) => (seed = (seed * 1103515245 + 12345) % 2147483648) % below;
    for (let i = 0; i < 1000; i++) {
      const device = devices[random(2)]!;
      const own = model.get(device)!;
      const name = `n${random(12)}`;
      if (random(3) > 0) {
        const one = entry(name, random(6));
        await share(device, one);
        own.set(name, { entry: one, withdrawn: false });
      } else {
        const scope = random(2) === 0 ? "device" : "account";
        await remove(device, scope, name);
        own.delete(name);
        for (const other of model.values()) {
          const row = other.get(name);
          if (scope === "account" && row !== undefined) row.withdrawn = true;
        }
      }
      if (i % 100 !== 99) continue;
      const shared = new Set<string>();
      for (const [one, rows] of model) {
        const present = [...rows.values()].filter((row) => !row.withdrawn).map((row) => row.entry);
        for (const { name, id } of present) shared.add(`${name} ${id}`);
        const known = await enrol("ada", devices.indexOf(one) + 1);
        assertEquals(formatHex(known.shareDigest), digestOf(...present), `digest after ${i}`);
        assertEquals(
          (await files(one, "device")).map((row) => `${row.name} ${row.content.id} ${row.withdrawn}`).sort(),
          [...rows.values()].map(({ entry, withdrawn }) => `${entry.name} ${entry.id} ${withdrawn}`).sort(),
        );
      }
      const found = (await search("glob", "n*")).map((row) => `${row.name} ${row.content.id}`).sort();
      assertEquals(found, [...shared].sort());
      assertEquals((await files(devices[0]!, "account")).length, shared.size);
      const rows = [...model.values()].flatMap((own) => [...own.values()]);
      const kept = new Set(rows.map(({ entry }) => `${entry.name} ${entry.id}`));
      assertEquals((await store.figures()).files, kept.size, "no file outlives its shares");
    }
  });
}
