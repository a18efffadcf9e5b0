/**
 * search_conformance: what every engine of the Store must do where not everybody sees everything, and where searches have several words,
 * bounds and orders. An engine's test file calls `testSearch` beside `testStore`.
 */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { ShoalError } from "../../../lib/core/errors.ts";
import { limits } from "../../../lib/core/limits.ts";
import type { Store, StoreBounds } from "../../../lib/coordinator/store/store.ts";
import type { FoundRow, SearchPlace, StoreAnswer } from "../../../lib/coordinator/role/store_effects.ts";
import type { Audience } from "../../../lib/core/audience.ts";
import type { ShareEntry } from "../../../lib/wire/message.ts";
import { noFilter, type SearchFilter, searchFor, type SearchQuestion } from "../../../lib/wire/search_query.ts";
import { asking, contentOf, digestOf, entry, names, type OpenStore, type Place, value } from "./conformance.ts";

const account = (name: string) => ({ kind: "account", name }) as const;
const group = (name: string) => ({ kind: "group", name }) as const;

function entryFor(name: string, content: number, audience: Audience, description = ""): ShareEntry {
  return { ...entry(name, content), audience, description };
}

/** A question of several words, which are substrings. */
function question(
  words: readonly string[],
  filter: Partial<SearchFilter> = {},
  order: Partial<Pick<SearchQuestion, "order" | "descending" | "offline">> = {},
): SearchQuestion {
  const terms = words.map((pattern) => ({ mode: "substring", pattern }) as const);
  return { ...searchFor("name", "-"), query: { terms, filter: { ...noFilter, ...filter } }, ...order };
}

/** A network of accounts with a device each, online and signed. */
async function network(store: Store, ...accounts: readonly string[]) {
  const asks = asking(store);
  const devices = new Map<string, number>();
  for (const [i, name] of accounts.entries()) {
    await asks.addAccount(name);
    const { device } = await asks.enrol(name, i + 1);
    await asks.sign(name, device, 100 + i);
    await asks.presence(device, true);
    devices.set(name, device);
  }
  const device = (name: string) => devices.get(name)!;
  const page = async (name: string, ask: SearchQuestion, after: SearchPlace | null = null, limit = 100) =>
    value(await store.read({ operation: "search", ask: { ...ask, device: device(name), after, limit } }));
  /** All rows, page by page. */
  const find = async (name: string, ask: SearchQuestion, limit = 100): Promise<FoundRow[]> => {
    const rows: FoundRow[] = [];
    for (let after: SearchPlace | null = null;;) {
      const { rows: more, next } = await page(name, ask, after, limit);
      assert(more.length <= limit);
      rows.push(...more);
      if (next === null) return rows;
      after = next;
    }
  };
  const shareAt = async (name: string, nowMs: number, ...entries: ShareEntry[]) => {
    const [answer] = await store.write([{ operation: "share", ask: { device: device(name), entries, nowMs } }]);
    return value(answer!);
  };
  return {
    ...asks,
    device,
    page,
    find,
    shareAt,
    put: (name: string, ...entries: ShareEntry[]) => shareAt(name, 1_000, ...entries),
    sees: async (name: string, content: number) =>
      (await asks.locate(contentOf(content), device(name))).map((row) => row.account),
    ticketAt: async (name: string, holder: string, content: number) => {
      const ask = { device: device(holder), askingDevice: device(name), contents: [contentOf(content)] };
      return value(await store.read({ operation: "sharesOf", ask }))[0] !== null;
    },
  };
}

/** Registers the suite. */
export function testSearch(engine: string, makePlace: () => Promise<Place>, open: OpenStore): void {
  const test = (claim: string, act: (store: Store) => Promise<void>, bounds: Partial<StoreBounds> = {}) =>
    Deno.test(`${engine} ${claim}`, async () => {
      await using here = await makePlace();
      const store = await open(here.place, { ...limits, ...bounds });
      try {
        await act(store);
      } finally {
        await store.close();
      }
    });

  test("makes groups, and puts accounts in and takes them out under any spelling", async (store) => {
    const { addAccount } = asking(store);
    for (const name of ["Ada", "bob"]) await addAccount(name);
    assertEquals(await store.createGroup("Friends", 5), true);
    assertEquals(await store.createGroup("FRIENDS", 6), false);
    assertEquals(await store.setGroupMember("friends", "ADA", true), true);
    assertEquals(await store.setGroupMember("friends", "ada", true), false);
    assertEquals(await store.setGroupMember("friends", "bob", true), true);
    assertEquals(await store.listGroups(), [{ name: "Friends", members: ["Ada", "bob"], createdAtMs: 5 }]);
    assertEquals(await store.setGroupMember("friends", "bob", false), true);
    assertEquals(await store.setGroupMember("friends", "bob", false), false);
    for (const [group, name] of [["others", "ada"], ["friends", "nobody"]] as const) {
      const error = await assertRejects(() => store.setGroupMember(group, name, true), ShoalError);
      assertEquals(error.code, "notFound");
    }
    await store.removeAccount("ada");
    assertEquals((await store.listGroups())[0]!.members, []);
    assertEquals(await store.deleteGroup("friends"), []);
    assertEquals(await store.deleteGroup("friends"), undefined);
    assertEquals(await store.listGroups(), []);
  });

  test("bounds the groups of an account and groups in all", async (store) => {
    const { addAccount } = asking(store);
    await addAccount("ada");
    for (let i = 0; i < limits.groupsMax; i++) assertEquals(await store.createGroup(`g${i}`, i), true);
    assertEquals((await assertRejects(() => store.createGroup("more", 1), ShoalError)).code, "limit");
    for (let i = 0; i < limits.groupsPerAccountMax; i++) await store.setGroupMember(`g${i}`, "ada", true);
    const over = `g${limits.groupsPerAccountMax}`;
    assertEquals((await assertRejects(() => store.setGroupMember(over, "ada", true), ShoalError)).code, "limit");
    assertEquals((await store.listGroups()).find(({ name }) => name === over)!.members, [], "and undoes it");
  });

  test("finds a word where it stands whole, not where its parts stand apart", async (store) => {
    const net = await network(store, "alice");
    const all = [
      "abc def.txt",
      "abcdef.txt",
      "defabc.txt",
      "abcdefg",
      "abc defg efg",
      "\u{1f41f}a\u{1f420}b\u{1f421}c d",
    ];
    await net.shareAt("alice", 30, ...all.map((name, i) => entryFor(name, i, null)));
    const find = async (word: string) => names(await net.find("alice", question([word])));
    assertEquals(await find("abcdef"), ["abcdef.txt", "abcdefg"]);
    assertEquals(await find("abcdefg"), ["abcdefg"]);
    assertEquals(await find("abcd"), ["abcdef.txt", "abcdefg"]);
    assertEquals(await find("\u{1f41f}A\u{1f420}b\u{1f421}"), all.slice(-1));
    assertEquals(await find("\u{1f41f}a\u{1f420}c d"), []);
  });

  test("shows a share to its audience alone, in every answer, and to its owner", async (store) => {
    const net = await network(store, "alice", "bob", "carol", "dave");
    await store.createGroup("friends", 1);
    for (const name of ["alice", "carol"]) await store.setGroupMember("friends", name, true);
    await net.put(
      "alice",
      entryFor("for all", 1, null),
      entryFor("for bob", 2, [account("BOB")]),
      entryFor("for friends", 3, [group("Friends")]),
      entryFor("for both", 4, [account("bob"), group("friends")]),
      entryFor("for me", 5, []),
    );
    const seen = { alice: [1, 2, 3, 4, 5], bob: [1, 2, 4], carol: [1, 3, 4], dave: [1] };
    for (const [name, contents] of Object.entries(seen)) {
      const wanted = ["for all", "for bob", "for friends", "for both", "for me"].filter((_, i) =>
        contents.includes(i + 1)
      );
      assertEquals(names(await net.find(name, question(["for"]))), wanted, name);
      assertEquals(names(await net.find(name, question(["fo"]))), wanted, `${name}, by a scan`);
      for (const order of ["name", "size", "age", "holders"] as const) {
        assertEquals(
          names(await net.find(name, question(["for"], {}, { order }))).toSorted(),
          wanted.toSorted(),
          order,
        );
      }
      assertEquals(names(await net.find(name, question(["for"], { accounts: ["Alice"] }))), wanted);
      for (let content = 1; content <= 5; content++) {
        const mine = name === "alice";
        assertEquals(
          await net.sees(name, content),
          contents.includes(content) && !mine ? ["alice"] : [],
          `${name} ${content}`,
        );
        if (!mine) assertEquals(await net.ticketAt(name, "alice", content), contents.includes(content));
        const found = await net.find(name, { ...searchFor("id", contentOf(content).id) });
        assertEquals(found.length, contents.includes(content) ? 1 : 0);
      }
    }
    assertEquals(names(await net.find("carol", question([], { groups: ["friends"] }))), ["for friends", "for both"]);
    assertEquals(await net.find("bob", question([], { groups: ["friends"] })), [], "a group that he is not in");
    assertEquals((await net.find("bob", question(["for"]))).every((row) => row.audience === null), true);
    const mine = await net.files(net.device("alice"), "account");
    assertEquals(mine.map((row) => row.audience), [
      null,
      [account("BOB")],
      [group("Friends")],
      [account("bob"), group("friends")],
      [],
    ]);
    assertEquals(
      (await net.files(net.device("alice"), "device")).map((row) => row.audience),
      mine.map((row) => row.audience),
    );
  });

  test("follows groups, accounts and audiences at once, and resurrects nothing", async (store) => {
    const net = await network(store, "alice", "bob", "carol");
    const find = async (name: string) => names(await net.find(name, question(["plan"])));
    await net.put("alice", entryFor("plan", 1, [group("friends")]));
    await store.createGroup("friends", 1);
    await store.setGroupMember("friends", "bob", true);
    assertEquals(await find("bob"), [], "a group that was not there, or not hers, when she named it");
    await store.setGroupMember("friends", "alice", true);
    await net.put("alice", entryFor("plan", 1, [group("friends")]));
    assertEquals([await find("bob"), await find("carol")], [["plan"], []]);
    await store.setGroupMember("friends", "carol", true);
    assertEquals(await find("carol"), ["plan"]);
    await store.setGroupMember("friends", "carol", false);
    assertEquals([await find("carol"), await net.sees("carol", 1), await net.ticketAt("carol", "alice", 1)], [
      [],
      [],
      false,
    ]);
    await store.deleteGroup("friends");
    assertEquals(await find("bob"), []);
    await store.createGroup("friends", 2);
    await store.setGroupMember("friends", "bob", true);
    assertEquals(await find("bob"), [], "another group of that name");

    await net.put("alice", entryFor("plan", 1, [account("carol")]));
    assertEquals([await find("bob"), await find("carol")], [[], ["plan"]]);
    await store.removeAccount("carol");
    await net.addAccount("carol");
    const { device } = await net.enrol("carol", 9);
    const ask = { ...question(["plan"]), device, after: null, limit: 9 };
    assertEquals(value(await store.read({ operation: "search", ask })).rows, [], "another account of that name");
    await net.put("alice", entryFor("plan", 1, null));
    assertEquals(await find("bob"), ["plan"]);
  });

  test("tells which shares are new and for whom they are now, and keeps them in the digest", async (store) => {
    const net = await network(store, "alice", "bob");
    const plain = entryFor("a", 1, null);
    const first = await net.put("alice", plain, entryFor("b", 2, [account("bob")], "a plan"));
    assertEquals([first.added.map(({ entry }) => entry), first.narrowed], [[0, 1], []]);
    const again = await net.put("alice", plain, entryFor("b", 2, [account("bob")], "the plan"));
    assertEquals([again.added, again.ended], [[], []], "a description is no news");
    const narrowed = await net.put("alice", entryFor("a", 1, [account("bob")]));
    assert(narrowed.added[0]!.share > first.added[1]!.share, "another share, and another ticket");
    assertEquals(narrowed.narrowed, [narrowed.added[0]!.share]);
    assertEquals(narrowed.ended, [], "the device still shares it");
    const changed = await net.put("alice", entryFor("a", 7, [account("bob")]));
    assertEquals([changed.added.length, changed.ended, changed.narrowed], [1, [contentOf(1)], []]);
    const { shareDigest } = await net.enrol("alice", 1);
    const present = [entryFor("a", 7, [account("bob")]), entryFor("b", 2, [account("bob")], "the plan")];
    assertEquals(shareDigest.toHex(), digestOf(...present));
    const shares = [...changed.added, ...first.added.slice(1)].map(({ share }) => share);
    await net.addAccount("carol");
    const carol = (await net.enrol("carol", 3)).device;
    const devices = [net.device("bob"), carol, net.device("alice"), 99_999];
    const seen = value(await store.read({ operation: "sees", ask: { shares: [...shares, 99_999], devices } }));
    assertEquals(seen, [[net.device("bob"), net.device("alice")], [net.device("bob"), net.device("alice")], []]);
    const unknown = [account("bob"), account("nobody"), group("friends")];
    const ask = { device: net.device("alice"), audience: unknown };
    assertEquals(value(await store.read({ operation: "unknownAudience", ask })), unknown.slice(1));
  });

  test("tells which share is left of a content of which one went, unless it is for everyone", async (store) => {
    const net = await network(store, "alice", "bob");
    const device = net.device("alice");
    const put = await net.put("alice", entryFor("a", 1, null), entryFor("b", 1, [account("bob")]));
    const b = put.added[1]!.share;
    const remove = async (name: string) => {
      const ask = { device, names: [name], scope: "device" } as const;
      const [answer] = await store.write([{ operation: "remove", ask }]);
      const [list] = value(answer as StoreAnswer<"remove">).devices;
      return [list!.ended, list!.narrowed];
    };
    assertEquals(await remove("a"), [[], [b]]);
    await net.put("alice", entryFor("a", 1, null));
    assertEquals(await remove("b"), [[], []]);
    await net.put("alice", entryFor("b", 1, []));
    const other = await net.put("alice", entryFor("a", 2, null));
    assertEquals([other.ended, other.narrowed.length], [[], 1], "another content under the name that all saw");
    assertEquals(await remove("b"), [[contentOf(1)], []]);
  });

  test("names a partial holder to those alone who may see what it may fetch", async (store) => {
    const net = await network(store, "alice", "bob", "carol", "dave");
    await net.put("alice", entryFor("plan", 1, [account("bob"), account("carol")]));
    await net.put("dave", entryFor("mine", 1, []));
    const known = async (name: string) => {
      const ask = {
        content: contentOf(1),
        askingDevice: net.device(name),
        round: null,
        known: [net.device("bob")],
        limit: 9,
      };
      return (await net.locatePage(ask)).known.length;
    };
    assertEquals(
      [await known("carol"), await known("dave")],
      [1, 0],
      "dave sees another share of it, which bob does not",
    );
    await net.put("alice", entryFor("plan", 1, [account("carol")]));
    assertEquals(await known("carol"), 0, "bob may not fetch it any more");
  });

  test("finds words in descriptions that the asker may see, also beside words of the name", async (store) => {
    const net = await network(store, "alice", "bob", "carol");
    await net.put(
      "alice",
      entryFor("IMG_1.jpg", 1, [account("bob")], "Sunset in Graz"),
      entryFor("IMG_2.jpg", 2, null),
    );
    await net.put("carol", entryFor("IMG_1.jpg", 1, null, "dull"));
    assertEquals(names(await net.find("bob", question(["graz", "img"]))), ["IMG_1.jpg"]);
    assertEquals(names(await net.find("bob", question(["az", "g_1"]))), ["IMG_1.jpg"]);
    assertEquals(names(await net.find("carol", question(["graz"]))), [], "another's description");
    assertEquals(names(await net.find("carol", question(["dull"]))), ["IMG_1.jpg"]);
    assertEquals((await net.find("carol", question(["img_1"]))).map((row) => [row.description, row.holders]), [[
      "dull",
      1,
    ]]);
    assertEquals((await net.find("bob", question(["img_1"]))).map((row) => row.holders), [2]);
    await net.put("carol", entryFor("IMG_1.jpg", 1, null, "bright"));
    assertEquals(names(await net.find("bob", question(["dull"]))), []);
    assertEquals(names(await net.find("bob", question(["bright", "sunset"]))), ["IMG_1.jpg"]);
    await net.remove(net.device("alice"), "device", "IMG_1.jpg");
    assertEquals(names(await net.find("bob", question(["sunset"]))), []);
    assertEquals(names(await net.find("bob", { ...searchFor("glob", "*bright*") })), [], "a glob is the whole name");
  });

  test("filters by size, extension, age, account and words in any order", async (store) => {
    const net = await network(store, "alice", "bob");
    const sized = (name: string, content: number, bytes: number) => ({ ...entryFor(name, content, null), bytes });
    await net.shareAt("alice", 1_000, sized("Film One.MKV", 1, 100), sized("film two.mp4", 2, 200));
    await net.shareAt("bob", 2_000, sized("film three.mkv", 3, 300), sized("mkv", 4, 400));
    const find = async (words: string[], filter: Partial<SearchFilter>) =>
      names(await net.find("bob", question(words, filter)));
    assertEquals(await find(["one", "FILM"], {}), ["Film One.MKV"]);
    assertEquals(await find(["one", "two"], {}), []);
    assertEquals(await find([], { extensions: ["mkv"] }), ["Film One.MKV", "film three.mkv"]);
    assertEquals(await find(["film"], { extensions: ["mp4", "MKV"], minBytes: 200 }), [
      "film two.mp4",
      "film three.mkv",
    ]);
    assertEquals(await find([], { minBytes: 200, maxBytes: 300 }), ["film two.mp4", "film three.mkv"]);
    assertEquals(await find([], { sinceMs: 1_001 }), ["film three.mkv", "mkv"]);
    assertEquals(await find([], { untilMs: 1_999 }), ["Film One.MKV", "film two.mp4"]);
    assertEquals(await find([], { accounts: ["nobody", "BOB"] }), ["film three.mkv", "mkv"]);
    assertEquals(await find([], { accounts: ["nobody"] }), []);
    assertEquals((await net.find("bob", question(["two"])))[0]!.sharedAtMs, 1_000);
    await net.shareAt("bob", 3_000, sized("film two.mp4", 2, 200));
    assertEquals((await net.find("bob", question(["two"])))[0]!.sharedAtMs, 1_000, "the first who shares it");
    assertEquals((await net.find("bob", question(["two"], { accounts: ["bob"] })))[0]!.sharedAtMs, 3_000);
    await net.shareAt("bob", 5, sized("late", 9, 1));
    assertEquals((await net.find("bob", question(["late"])))[0]!.sharedAtMs, 3_000, "a clock that was set back");
  });

  test("shows what only devices share that are away when asked, with nobody online", async (store) => {
    const net = await network(store, "alice", "bob");
    await net.put("alice", entryFor("a film", 1, null), entryFor("for me", 2, []));
    await net.presence(net.device("alice"), false);
    assertEquals(await net.find("bob", question(["film"])), []);
    const away = await net.find("bob", question([], {}, { offline: true }));
    assertEquals(away.map((row) => [row.name, row.holders]), [["a film", 0]]);
    await net.put("bob", entryFor("a film", 1, null));
    assertEquals((await net.find("bob", question(["film"], {}, { offline: true }))).map((row) => row.holders), [1]);
  });

  const sortedClaim = "sorts by every key both ways, page by page, without a gap or a repeat";
  for (
    const [claim, bounds] of [[sortedClaim, {}], [`${sortedClaim}, also where candidates are many`, {
      searchCandidatesMax: 7,
    }]] as const
  ) {
    test(claim, async (store) => {
      const net = await network(store, "alice", "bob", "carol");
      const all = Array.from({ length: 40 }, (_, i) => {
        return {
          ...entryFor(`file ${(i * 7) % 40} ${i % 2 === 0 ? "even" : "odd"}`, i % 30, null),
          bytes: 1 + (i * 13) % 11,
        };
      });
      for (const [i, one] of all.entries()) await net.shareAt("alice", 1_000 + i, one);
      // The same files, and others of the same names.
      const others = all.slice(20, 25).map((one, i) => ({ ...entryFor(one.name, 90 + i, null), bytes: 5 }));
      await net.shareAt("bob", 2_000, ...all.slice(5, 15), ...others, entryFor("hidden file", 77, []));
      for (const words of [["file"], ["fi"], ["file", "odd"], []]) {
        const whole = (await net.find("carol", question(words))).toSorted((a, b) => a.row - b.row);
        for (const order of ["name", "size", "age", "holders"] as const) {
          for (const descending of [false, true]) {
            const rows = await net.find("carol", question(words, {}, { order, descending }), 3);
            const claim = `${words} ${order} ${descending}`;
            assertEquals(rows.map((row) => row.row).toSorted((a, b) => a - b), whole.map((row) => row.row), claim);
            if (order === "holders" && "searchCandidatesMax" in bounds) continue; // Parts are in order there.
            const keys = rows.map((
              row,
            ) => ({ name: row.name, size: row.content.bytes, age: row.sharedAtMs, holders: row.holders }[order]));
            const sorted = keys.toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0) * (descending ? -1 : 1));
            assertEquals(keys, sorted, claim);
          }
        }
      }
      const since = question(["file"], { sinceMs: 1_030 }, { order: "age" });
      const times = [...Array.from({ length: 10 }, (_, i) => 1_030 + i), ...Array(5).fill(2_000)];
      assertEquals((await net.find("carol", since, 4)).map((row) => row.sharedAtMs), times);
      const latest = { ...since, descending: true };
      assertEquals((await net.find("carol", latest, 4)).map((row) => row.sharedAtMs), times.toReversed());
    }, bounds);
  }

  test("goes on at a place whose file is gone, and tells of nothing twice that stays", async (store) => {
    const net = await network(store, "alice", "bob");
    await net.put("alice", ...Array.from({ length: 9 }, (_, i) => ({ ...entryFor(`n${i}`, i, null), bytes: i + 1 })));
    for (const order of ["name", "size", "age", "holders"] as const) {
      const ask = question(["n"], {}, { order });
      const { rows, next } = await net.page("bob", ask, null, 4);
      await net.remove(net.device("alice"), "device", rows.at(-1)!.name);
      const rest = await net.page("bob", ask, next, 9);
      assertEquals(rest.rows.some(({ name }) => rows.some((row) => row.name === name)), false, order);
      assertEquals(rows.length + rest.rows.length, names(await net.find("bob", ask)).length + 1, order);
    }
  });
}
