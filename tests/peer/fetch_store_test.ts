import { assert, assertEquals, assertThrows } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { StoreError } from "../../lib/core/errors.ts";
import { FetchStore, type FetchWish, type KeptFetch } from "../../lib/peer/fetch_store.ts";
import type { Receipt } from "../../lib/peer/receipt.ts";
import { safe, tempFolder } from "../content/fixtures.ts";
import { idOf } from "./fake_control.ts";

const wish = (name: string, changes: Partial<FetchWish> = {}): FetchWish => ({
  name,
  path: safe(name),
  content: { id: idOf("a"), bytes: 2 ** 44 },
  folder: "/in",
  onExists: "rename",
  sync: false,
  timeoutMs: undefined,
  priority: "normal",
  askedAtMs: 1_700_000_000_000,
  ...changes,
});
const kept = (number: number, name: string, changes: Partial<KeptFetch> = {}): KeptFetch => ({
  number,
  wish: wish(name),
  isPaused: false,
  doneBytes: 0,
  ...changes,
});
const receipt = (name: string, changes: Partial<Receipt> = {}): Receipt => ({
  name,
  path: `/in/${name}`,
  content: { id: idOf("a"), bytes: 10 },
  holders: [{ account: "ada", device: "nas", deviceId: idOf("d"), bytes: 10 }],
  fetchedBytes: 10,
  startedAtMs: 1,
  finishedAtMs: 2,
  coordinator: "127.0.0.1:5000",
  ...changes,
});

Deno.test("FetchStore keeps fetches across a restart as they were asked for, each in its network", () => {
  using folder = tempFolder();
  const first = kept(3, "a/ü.bin");
  const second = kept(4, "b", {
    wish: wish("b", { timeoutMs: 5000, priority: "high", sync: true, onExists: "refuse" }),
    isPaused: true,
    doneBytes: 77,
  });
  {
    using store = FetchStore.open(folder.path);
    assertEquals([...Deno.readDirSync(folder.path)], [], "a peer that fetches nothing writes nothing");
    assertEquals([store.fetchesOf("here"), store.lastNumber(), [...store.receipts()]], [[], 0, []]);
    store.keep("here", [first, second]);
    store.keep("there", [kept(9, "c")]);
    assertEquals(Deno.statSync(`${folder.path}/fetches.db`).mode! & 0o777, 0o600);
  }
  using store = FetchStore.open(folder.path);
  assertEquals(store.fetchesOf("here"), [first, second]);
  assertEquals(store.lastNumber(), 9);
  store.keep("here", [{ ...first, isPaused: true }]);
  store.forget(4);
  assertEquals(store.fetchesOf("here"), [{ ...first, isPaused: true }]);
});

Deno.test("FetchStore forgets a fetch with its receipt's coming; a file that was there already keeps the older receipt", () => {
  using folder = tempFolder();
  using store = FetchStore.open(folder.path);
  store.keep("here", [kept(1, "a"), kept(2, "b")]);
  store.finish([{ number: 1, receipt: receipt("a") }]);
  store.finish([{ number: 7, receipt: receipt("b") }]);
  assertEquals(store.fetchesOf("here").map(({ number }) => number), [2]);
  store.finish([{ number: 8, receipt: receipt("a", { holders: [], fetchedBytes: 0, finishedAtMs: 9 }) }]);
  assertEquals([...store.receipts()], [receipt("b"), receipt("a")]);
  store.finish([{ number: 9, receipt: receipt("a", { finishedAtMs: 10 }) }]);
  const other = receipt("a", { content: { id: idOf("b"), bytes: 10 } });
  store.finish([{ number: 10, receipt: other }]);
  assertEquals([...store.receipts({ name: "a" })], [other, receipt("a", { finishedAtMs: 10 })], "the newest first");
  assertEquals([...store.receipts({ path: "/in/b" })], [receipt("b")]);
});

Deno.test("FetchStore finishes several fetches at once, or none of them", () => {
  using folder = tempFolder();
  using store = FetchStore.open(folder.path);
  store.keep("here", [kept(1, "a"), kept(2, "b"), kept(3, "c")]);
  store.finish([]);
  const unreadable = receipt("b", { fetchedBytes: Number.NaN });
  const both = [{ number: 1, receipt: receipt("a") }, { number: 2, receipt: unreadable }];
  assertThrows(() => store.finish(both), StoreError);
  assertEquals([[...store.receipts()], store.fetchesOf("here").length], [[], 3]);
  store.finish(["a", "b"].map((name, i) => ({ number: i + 1, receipt: receipt(name) })));
  assertEquals([...store.receipts()].map(({ name }) => name), ["b", "a"]);
  assertEquals(store.fetchesOf("here").map(({ number }) => number), [3]);
});

Deno.test("FetchStore keeps the newest ten thousand receipts", () => {
  using folder = tempFolder();
  using store = FetchStore.open(folder.path);
  store.finish(Array.from({ length: 10_002 }, (_, number) => ({ number, receipt: receipt(`${number}`) })));
  store.finish([{ number: 10_002, receipt: receipt("10002") }]);
  const names = [...store.receipts()].map(({ name }) => name);
  assertEquals([names.length, names[0], names.at(-1)], [10_000, "10002", "3"]);
});

Deno.test("FetchStore.open() refuses a newer program's file and leaves it as it is", () => {
  using folder = tempFolder();
  const path = `${folder.path}/fetches.db`;
  {
    using db = new DatabaseSync(path);
    db.exec("PRAGMA user_version = 99; CREATE TABLE of_the_future (a)");
  }
  const before = Deno.readFileSync(path);
  const error = assertThrows(() => FetchStore.open(folder.path), StoreError, "it has schema 99");
  assertEquals([error.code, error.path], ["version", path]);
  assertEquals(Deno.readFileSync(path), before);
});

Deno.test("FetchStore begins no fetch whose name may not be used any more", () => {
  using folder = tempFolder();
  using store = FetchStore.open(folder.path);
  store.keep("here", [
    kept(1, "fine"),
    kept(2, "x", { wish: { ...wish("x"), path: "../../etc/x" as FetchWish["path"] } }),
  ]);
  assertEquals(store.fetchesOf("here").map(({ number }) => number), [1]);
  assert(store.lastNumber() === 2);
});
