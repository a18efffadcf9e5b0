/** Many small fetches that begin at once: each is a fetch like any other, whoever brought it. */

import { assert, assertEquals } from "@std/assert";
import { dirname, join } from "@std/path";
import { ShoalError } from "../../lib/core/errors.ts";
import type { Command, PeerEvent } from "../../lib/peer/commands.ts";
import { FetchStore } from "../../lib/peer/fetch_store.ts";
import { type FetchDeps, Fetches } from "../../lib/peer/fetches.ts";
import { leaving } from "../../lib/peer/leaving.ts";
import { laneHere } from "../../lib/transfer/lane.ts";
import { OpenParts } from "../../lib/transfer/open_parts.ts";
import { tempFolder } from "../content/fixtures.ts";
import { makeFiles } from "../transfer/takes.ts";
import { identity, makeFile, type MemoryFile } from "../transfer/world.ts";
import { MemoryHolders } from "./memory_holders.ts";

type FetchCommand = Extract<Command, { command: "fetch" }>;

/** A peer that fetches from holders in memory. */
class World implements AsyncDisposable {
  readonly #temporary = tempFolder();
  readonly holders = new MemoryHolders();
  readonly notes: string[] = [];
  readonly reported: string[] = [];
  readonly files: readonly MemoryFile[];
  store!: FetchStore;
  fetches!: Fetches;
  #onKept: ((count: number) => void) | undefined;

  constructor(files: readonly MemoryFile[]) {
    this.files = files;
    this.start();
  }

  start(): void {
    this.store = FetchStore.open(this.path("state"));
    const finish = this.store.finish.bind(this.store);
    this.store.finish = (finished) => {
      finish(finished);
      this.#onKept?.(finished.length);
    };
    const deps: FetchDeps = {
      control: this.holders,
      locate: this.holders.locate,
      ownFile: () => undefined,
      sharedAlike: () => [],
      identity: () => identity,
      connect: this.holders.connect,
      lane: laneHere(this.holders.connect),
      nowMs: () => performance.now(),
      parts: new OpenParts(),
      withdraw: () => {},
      report: ({ account }, reason) => void this.reported.push(`${account} ${reason}`),
      journalFolder: this.path("state/journals"),
      store: this.store,
      stays: true,
      network: () => "here",
      coordinator: "127.0.0.1:5000",
      note: (message) => void this.notes.push(message),
    };
    this.fetches = new Fetches(deps, 2);
  }

  path(name: string): string {
    return join(this.#temporary.path, name);
  }

  put(name: string, bytes: Uint8Array): void {
    Deno.mkdirSync(dirname(this.path(`in/${name}`)), { recursive: true });
    Deno.writeFileSync(this.path(`in/${name}`), bytes);
  }

  /** Fetches files under the names f/0, f/1, … */
  run(changes: Partial<FetchCommand> = {}, signal = new AbortController().signal) {
    const targets = this.files.map(({ content }, i) => ({ file: { name: `f/${i}`, ...content } }));
    const options = { folder: this.path("in"), onExists: "refuse", timeoutMs: 60_000, sync: false } as const;
    const events: PeerEvent[] = [];
    const command: FetchCommand = { command: "fetch", targets, ...options, ...changes };
    return { done: this.fetches.run(command, signal, (event) => void events.push(event)), events };
  }

  /** Waits until a receipt of so many more is kept. */
  kept(count: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    let sum = 0;
    this.#onKept = (more) => (sum += more) >= count && resolve();
    return promise;
  }

  /** Numbers of the files that are there, after it is asserted that they are right and that nothing else is there. */
  there(): number[] {
    const names = [...Deno.readDirSync(this.path("in/f"))].map(({ name }) => name);
    assertEquals(names.filter((name) => !/^\d+$/.test(name)), []);
    for (const name of names) {
      assertEquals(Deno.readFileSync(this.path(`in/f/${name}`)), this.files[Number(name)]!.bytes);
    }
    return names.map(Number).sort((a, b) => a - b);
  }

  async end(): Promise<void> {
    await this.fetches.close();
    this.store[Symbol.dispose]();
    await this.holders.ended();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end();
    this.#temporary[Symbol.dispose]();
  }
}

const upTo = (count: number) => Array.from({ length: count }, (_, index) => index);
const ofType = <T extends PeerEvent["type"]>(events: readonly PeerEvent[], type: T) =>
  events.filter((event): event is Extract<PeerEvent, { type: T }> => event.type === type);

Deno.test("every file of a fetch together has its line, its receipt and its place among the fetches, and then a summary", async () => {
  await using world = new World([...makeFiles(30, (index) => 100 + index), makeFile(0), makeFile(700_000)]);
  const holder = world.holders.add("ada", world.files);
  const { done, events } = world.run();
  await done;
  assertEquals(world.there(), upTo(32));
  const fetched = ofType(events, "fetched");
  assertEquals(fetched.map(({ name }) => name).toSorted(), upTo(32).map((index) => `f/${index}`).toSorted());
  const receipts = [...world.store.receipts()];
  assertEquals(receipts.length, 32);
  for (const { name, path, holders, bytes } of fetched) {
    assertEquals(holders, bytes === 0 ? [] : [{ account: "ada", device: "nas", bytes }]);
    const receipt = receipts.find((one) => one.name === name)!;
    assertEquals([receipt.path, receipt.content.bytes], [path, bytes]);
    assertEquals(
      receipt.holders,
      bytes === 0 ? [] : [{ account: "ada", device: "nas", deviceId: holder.deviceId, bytes }],
    );
  }
  const sum = world.files.reduce((bytes, { content }) => bytes + content.bytes, 0);
  const [summary] = ofType(events, "summary");
  assertEquals(
    { ...summary, tookMs: 0 },
    { type: "summary", name: fetchedNames(32), files: 32, done: 32, bytes: sum, fetchedBytes: sum, tookMs: 0 },
  );
  assertEquals(events.at(-1)?.type, "summary");
  assertEquals([world.fetches.running, world.store.fetchesOf("here")], [0, []]);
  assertEquals(new Set([...world.fetches.list()].map(({ state }) => state)), new Set(["done"]));
});

const fetchedNames = (count: number) => upTo(count).map((index) => `f/${index}`).join(" ");

Deno.test("what cannot be had together is had by its own run, as it was asked for", async () => {
  await using world = new World(makeFiles(12, () => 500));
  const holder = world.holders.add("ada", world.files);
  world.put("f/3", makeFile(9).bytes);
  world.put("f/4", world.files[4]!.bytes);
  holder.library.changed.add(world.files[7]!.content.id);
  // The first try finds it changed; by the next it is as it was.
  holder.deps = { onChanged: ({ id }) => void holder.library.changed.delete(id) };
  const { done, events } = world.run({ onExists: "rename" });
  await done;
  const paths = new Map(ofType(events, "fetched").map(({ name, path }) => [name, path]));
  assertEquals(paths.get("f/3"), world.path("in/f/3 (1)"));
  assertEquals(Deno.readFileSync(world.path("in/f/3 (1)")), world.files[3]!.bytes);
  assertEquals(Deno.readFileSync(world.path("in/f/3")), makeFile(9).bytes);
  assertEquals(paths.size, 12);
  assertEquals(ofType(events, "fetched").filter(({ holders }) => holders.length === 0).map(({ name }) => name), [
    "f/4",
  ]);
  assertEquals([...world.store.receipts()].length, 12);
});

Deno.test("a name that is taken fails alone, with its own error", async () => {
  await using world = new World(makeFiles(12, () => 500));
  world.holders.add("ada", world.files);
  world.put("f/3", makeFile(9).bytes);
  const { done, events } = world.run();
  await done;
  const errors = ofType(events, "error");
  assertEquals(errors.map(({ code }) => code), ["exists"]);
  assert(errors[0]!.message.includes("f/3"), errors[0]!.message);
  const [summary] = ofType(events, "summary");
  assertEquals([summary?.files, summary?.done, summary?.bytes], [12, 11, 11 * 500]);
  assertEquals(Deno.readFileSync(world.path("in/f/3")), makeFile(9).bytes);
});

Deno.test("a fetch that is cancelled or paused in the middle gets no file, and the others finish", async () => {
  await using world = new World(makeFiles(60, () => 500));
  const holder = world.holders.add("ada", world.files);
  const stopped = Promise.withResolvers<readonly PeerEvent[]>();
  holder.atRead(10, () => {
    const cancelled = Array.fromAsync(world.fetches.cancel([31]));
    const paused = Array.fromAsync(world.fetches.pause([41]));
    Promise.all([cancelled, paused]).then((all) => stopped.resolve(all.flat()), stopped.reject);
  });
  const { done, events } = world.run();
  const states = (await stopped.promise).map((event) => event.type === "transfer" && `${event.name} ${event.state}`);
  assertEquals(states, ["f/30 cancelled", "f/40 paused"]);
  while (ofType(events, "fetched").length < 58) await new Promise((wake) => setTimeout(wake, 1));
  assertEquals(world.there(), upTo(60).filter((index) => index !== 30 && index !== 40));
  assertEquals(world.store.fetchesOf("here").map(({ number, isPaused }) => [number, isPaused]), [[41, true]]);
  await Array.fromAsync(world.fetches.resume([41]));
  await done;
  assertEquals(world.there(), upTo(60).filter((index) => index !== 30));
  assertEquals(ofType(events, "error").map(({ code }) => code), ["interrupted"]);
  assertEquals(ofType(events, "summary")[0]?.done, 59);
});

Deno.test("when the holder dies in the middle, the rest comes when it is back", async () => {
  await using world = new World(makeFiles(80, () => 20_000));
  const holder = world.holders.add("ada", world.files);
  holder.atRead(30, () => {
    holder.die();
    holder.named.clear();
  });
  const { done, events } = world.run();
  while (!events.some((event) => event.type === "note" && event.message.includes("waits for a holder"))) {
    await new Promise((wake) => setTimeout(wake, 1));
  }
  const before = world.there();
  assert(before.length < 30, `${before.length} there`);
  for (const { content } of world.files) holder.named.add(`${content.id}:${content.bytes}`);
  holder.isGone = false;
  await done;
  assertEquals(world.there(), upTo(80));
  assertEquals(ofType(events, "fetched").length, 80, "none twice");
  assertEquals(ofType(events, "fetched").every(({ holders }) => holders.length === 1), true);
});

Deno.test("what a peer that ended had begun goes on together at its next start, and nothing comes twice", async () => {
  await using world = new World(makeFiles(100, () => 20_000));
  const holder = world.holders.add("ada", world.files);
  const controller = new AbortController();
  holder.atRead(60, () => controller.abort(leaving));
  await world.run({}, controller.signal).done;
  await world.end();
  const before = world.there();
  assert(before.length < 100, `${before.length} there`);
  const kept = 100 - before.length;
  world.start();
  const all = world.kept(kept);
  assertEquals(world.fetches.restore(), { goesOn: kept, paused: 0 });
  const connections = holder.connections;
  await all;
  while (world.fetches.running > 0) await new Promise((wake) => setTimeout(wake, 1));
  assertEquals(world.there(), upTo(100));
  assertEquals(holder.connections, connections + 1);
  assertEquals([[...world.store.receipts()].length, world.store.fetchesOf("here").length], [100, 0]);
  assertEquals(world.notes.length, kept, "each tells its end");
});

Deno.test("a liar among the holders is told and reported once, and all is right", async () => {
  await using world = new World(makeFiles(40, () => 500));
  const lies = world.files.map((file) => ({ ...file, bytes: file.bytes.map((byte) => byte ^ 1) }));
  world.holders.add("mallory", lies);
  world.holders.add("ada", world.files);
  const { done, events } = world.run();
  await done;
  assertEquals(world.there(), upTo(40));
  assertEquals(world.reported, ["mallory wrongPiece"]);
  assertEquals(ofType(events, "fetched").map(({ holders }) => holders[0]!.account), Array(40).fill("ada"));
  const told = [...world.notes, ...ofType(events, "note").map(({ message }) => message)];
  assertEquals(told.filter((message) => message.includes("mallory")).length, 1, told.join("\n"));
});

Deno.test("receipts that cannot be kept are told, and the files are there all the same", async () => {
  await using world = new World(makeFiles(5, () => 500));
  world.holders.add("ada", world.files);
  world.store.finish = () => {
    throw new ShoalError("io", "Cannot write: the disk");
  };
  const { done, events } = world.run();
  await done;
  assertEquals(world.there(), upTo(5));
  assertEquals(ofType(events, "fetched").length, 5);
  assertEquals(world.notes.length, 5);
});

Deno.test("once a command has waited in vain for a holder, its other files only try; another command waits anew", async () => {
  await using world = new World(Array.from({ length: 6 }, (_, i) => makeFile(300_000, i + 1)));
  world.holders.add("ada", world.files).die();
  for (let command = 1; command <= 2; command++) {
    world.holders.located.length = 0;
    const { done, events } = world.run({ timeoutMs: 400 });
    await done;
    assertEquals(events.filter((event) => event.type === "error").map(({ code }) => code), Array(6).fill("unfinished"));
    const asked = world.files.map(({ content }) => world.holders.located.filter(({ id }) => id === content.id).length);
    assert(asked[0]! > 1 && asked[1]! > 1, `asked ${asked.join(", ")} times`);
    assertEquals(asked.slice(2), [1, 1, 1, 1]);
  }
});
