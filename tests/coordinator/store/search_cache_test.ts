import { assertEquals } from "@std/assert";
import { limits } from "../../../lib/core/limits.ts";
import { ok } from "../../../lib/core/errors.ts";
import type { StoreAnswer, StoreAsk } from "../../../lib/coordinator/role/store_effects.ts";
import { SearchCache } from "../../../lib/coordinator/store/search_cache.ts";
import type { Store } from "../../../lib/coordinator/store/store.ts";
import { openWorkerStore } from "../../../lib/coordinator/store/worker_store.ts";
import { searchFor } from "../../../lib/wire/search_query.ts";
import { temporaryFolder } from "../temporary_folder.ts";
import { asking, entry, names, value } from "./conformance.ts";

type SearchAsk = Extract<StoreAsk, { operation: "search" }>;

const searchBy = (device: number, word = "song"): SearchAsk => ({
  operation: "search",
  ask: { ...searchFor("substring", word), device, after: null, limit: 16 },
});

const forAll: StoreAnswer<"search"> = ok({ rows: [], next: null, isForAll: true });

Deno.test("SearchCache keeps no answer that a change came in between, and none that is not for all or no first one", () => {
  const cache = new SearchCache();
  const keep = cache.asked(searchBy(1));
  cache.change();
  keep(forAll);
  assertEquals(cache.find(searchBy(1)), undefined);
  cache.asked(searchBy(1))(ok({ rows: [], next: null }));
  assertEquals(cache.find(searchBy(1)), undefined);
  cache.asked(searchBy(1))(forAll);
  assertEquals(cache.find(searchBy(2)), forAll, "whoever asks");
  const { ask } = searchBy(1);
  for (
    const other of [
      { ...ask, limit: 17 },
      { ...ask, offline: true },
      { ...ask, descending: true },
      { ...ask, order: "name" as const },
      { ...ask, after: { key: 0, row: 0, part: 0 } },
      searchBy(1, "sing").ask,
    ]
  ) {
    assertEquals(cache.find({ operation: "search", ask: other }), undefined);
  }
  cache.change();
  assertEquals(cache.find(searchBy(1)), undefined);
});

Deno.test("SearchCache keeps a bounded number of answers, and forgets the oldest first", () => {
  const cache = new SearchCache();
  for (let i = 0; i < 1_000; i++) cache.asked(searchBy(1, `word${i}`))(forAll);
  assertEquals(cache.find(searchBy(1, "word999")), forAll);
  assertEquals(cache.find(searchBy(1, "word0")), undefined);
});

Deno.test("a store on a thread has the answer to a search at hand until anything changes, but not where somebody may see less", async () => {
  using folder = temporaryFolder();
  const store: Store = await openWorkerStore(`${folder.path}/coordinator.db`, limits, (reason) => {
    throw reason;
  });
  const asks = asking(store);
  const devices: number[] = [];
  for (const [i, account] of ["ada", "bob"].entries()) {
    await asks.addAccount(account);
    const { device } = await asks.enrol(account, i + 1);
    await asks.presence(device, true);
    devices.push(device);
  }
  const [ada, bob] = devices as [number, number];
  await asks.share(ada, entry("song a", 1));
  const find = async () => names(value(await store.read(searchBy(ada))).rows);
  const known = () => store.known!(searchBy(bob));
  const knownNames = () => {
    const answer = known();
    return answer && names(value(answer).rows);
  };

  assertEquals(knownNames(), undefined, "nobody has asked");
  const changes: readonly [() => Promise<unknown>, readonly string[]][] = [
    [() => asks.share(bob, entry("song b", 2)), ["song a", "song b"]],
    [() => asks.presence(ada, false), ["song b"]],
    [() => asks.presence(ada, true), ["song a", "song b"]],
    [() => asks.remove(ada, "device", "song a"), ["song b"]],
    [() => store.setRole("bob", "readOnly"), []],
    [() => store.setRole("bob", "member"), []],
    [() => asks.share(ada, entry("song c", 3)), ["song c"]],
  ];
  for (const [change, after] of changes) {
    await find();
    assertEquals(knownNames(), await find());
    await change();
    assertEquals(known(), undefined);
    assertEquals(await find(), after);
    assertEquals(knownNames(), after);
  }
  await asks.share(ada, { ...entry("song of ada", 4), audience: [{ kind: "account", name: "ada" }] });
  assertEquals(await find(), ["song c", "song of ada"]);
  assertEquals(known(), undefined);
  await store.close();
});
