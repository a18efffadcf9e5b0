import { assert, assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { Journal } from "../../lib/content/journal.ts";
import { NetworkError, ShoalError } from "../../lib/core/errors.ts";
import type { Content } from "../../lib/core/ids.ts";
import type { Command, PeerEvent, TransferEvent } from "../../lib/peer/commands.ts";
import { FetchStore } from "../../lib/peer/fetch_store.ts";
import { type FetchDeps, Fetches } from "../../lib/peer/fetches.ts";
import { leaving } from "../../lib/peer/leaving.ts";
import { untilAborted } from "../../lib/peer/until_aborted.ts";
import { OpenParts } from "../../lib/transfer/open_parts.ts";
import { hashed, pattern, tempFolder } from "../content/fixtures.ts";
import { identity, makeHolder } from "../transfer/world.ts";
import { FakeControl } from "./fake_control.ts";

type FetchCommand = Extract<Command, { command: "fetch" }>;

/** A file of ten bytes that differ with its name. */
const bytesOf = (name: string) => pattern(10, name.charCodeAt(0));
const contentOf = (name: string): Content => hashed(bytesOf(name)).content;

/** A peer's fetches over a folder; nobody can be connected to. */
class World implements AsyncDisposable {
  readonly #temporary = tempFolder();
  readonly #stack = new AsyncDisposableStack();
  readonly notes: string[] = [];
  readonly located: string[] = [];
  /** Names of files that a holder has, whose door never opens. */
  held = new Set<string>();
  /** Whether holders refuse connections, instead of sending nothing. */
  isRefused = false;
  nowMs = 0;
  store!: FetchStore;
  fetches!: Fetches;

  constructor(options: { readonly stays?: boolean; readonly places?: number } = {}) {
    this.start(options);
  }

  /** Starts them; the ones before have been closed. */
  start({ stays = true, places = 1 }: { readonly stays?: boolean; readonly places?: number } = {}): void {
    this.store = FetchStore.open(this.path("state"));
    const deps: FetchDeps = {
      control: new FakeControl() as unknown as FetchDeps["control"],
      locate: (content) => {
        const name = "abcdefgh".split("").find((one) => contentOf(one).id === content.id)!;
        this.located.push(name);
        const holders = this.held.has(name) ? [makeHolder(new Uint8Array(8))] : [];
        return Promise.resolve({ holders, refused: [] });
      },
      ownFile: () => undefined,
      sharedAlike: () => [],
      identity: () => identity,
      lane: ({ signal }) =>
        this.isRefused ? Promise.reject(new NetworkError("")) : untilAborted(new Promise(() => {}), signal),
      connect: () => Promise.reject(new NetworkError("")),
      nowMs: () => this.nowMs,
      parts: new OpenParts(),
      withdraw: () => {},
      report: () => {},
      journalFolder: this.path("state/journals"),
      store: this.store,
      stays,
      network: () => "here",
      coordinator: "127.0.0.1:5000",
      note: (message) => void this.notes.push(message),
    };
    this.fetches = new Fetches(deps, places);
  }

  path(name: string): string {
    return join(this.#temporary.path, name);
  }

  /** Puts a file where it is to be fetched to. */
  put(name: string): void {
    Deno.mkdirSync(this.path("in"), { recursive: true });
    Deno.writeFileSync(this.path(`in/${name}`), bytesOf(name));
  }

  command(names: string, changes: Partial<FetchCommand> = {}): FetchCommand {
    const targets = names.split("").map((name) => ({ file: { name, ...contentOf(name) } }));
    const options = { folder: this.path("in"), onExists: "refuse", timeoutMs: 60_000, sync: false } as const;
    return { command: "fetch", targets, ...options, ...changes };
  }

  /** Runs a fetch; `done` settles with it. */
  run(names: string, changes: Partial<FetchCommand> = {}) {
    const controller = new AbortController();
    const events: PeerEvent[] = [];
    const command = this.command(names, changes);
    const done = this.fetches.run(command, controller.signal, (event) => void events.push(event));
    return { done, events, stop: (reason?: unknown) => controller.abort(reason) };
  }

  /** State of each fetch, in short. */
  get states(): readonly string[] {
    return [...this.fetches.list()].map(short);
  }

  /** Waits until the fetches stand so. */
  async until(...states: readonly string[]): Promise<void> {
    for (let turn = 0; turn < 2_000; turn++) {
      if (JSON.stringify(this.states) === JSON.stringify(states)) return;
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    assertEquals(this.states, states);
  }

  async restart(options: { readonly stays?: boolean; readonly places?: number } = {}) {
    await this.end();
    this.start(options);
    return this.fetches.restore();
  }

  async end(): Promise<void> {
    await this.fetches.close();
    this.store[Symbol.dispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end();
    await this.#stack.disposeAsync();
    this.#temporary[Symbol.dispose]();
  }
}

function short({ number, name, state, place, why }: TransferEvent): string {
  return [`${number} ${name} ${state}`, place ?? [], why ?? []].flat().join(" ");
}

async function all(events: AsyncIterable<PeerEvent> | Iterable<PeerEvent>): Promise<readonly string[]> {
  return (await Array.fromAsync(events)).map((event) =>
    event.type === "transfer" ? short(event) : event.type === "error" ? `${event.code} ${event.message}` : event.type
  );
}

const codesOf = (events: readonly PeerEvent[]) => events.flatMap((event) => event.type === "error" ? [event.code] : []);

Deno.test("a fetch that nobody has waits for a holder without a place, so that others go on", async () => {
  await using world = new World();
  world.put("b");
  const both = world.run("ab");
  await world.until("1 a waiting for a holder", "2 b done");
  assertEquals(both.events.filter(({ type }) => type === "note").length, 1, "it says so once");
  world.held.add("a");
  await world.until("1 a running", "2 b done");
  both.stop();
  await both.done;
  assertEquals(codesOf(both.events), ["interrupted"]);
});

Deno.test("fetches wait for their turn by priority, each with its place", async () => {
  await using world = new World();
  world.held = new Set("abcd");
  const first = world.run("abc");
  await world.until("1 a running", "2 b waiting 1", "3 c waiting 2");
  const second = world.run("d", { priority: "high" });
  await world.until("1 a running", "2 b waiting 2", "3 c waiting 3", "4 d waiting 1");
  assertEquals(await all(world.fetches.prioritize([3, 9], "high")), [
    "3 c waiting",
    "notFound Cannot prioritize fetch 9: there is no such fetch",
  ]);
  assertEquals(world.states.slice(2), ["3 c waiting 2", "4 d waiting 1"]);
  assertEquals(await all(world.fetches.pause([1])), ["1 a paused"]);
  await world.until("1 a paused", "2 b waiting 2", "3 c waiting 1", "4 d running");
  first.stop();
  second.stop();
  await Promise.all([first.done, second.done]);
});

Deno.test("a fetch that gets nothing for a while lets others go first, and comes behind them", async () => {
  await using world = new World();
  world.held = new Set("ab");
  world.isRefused = true;
  const both = world.run("ab");
  await world.until("1 a running", "2 b waiting 1");
  world.nowMs += 10_001;
  await world.until("1 a waiting 1", "2 b running");
  world.nowMs += 10_001;
  await world.until("1 a running", "2 b waiting 1");
  both.stop();
  await both.done;
});

Deno.test("what a person stops stays paused, what the program's end stops goes on at the next start", async () => {
  await using world = new World({ places: 8 });
  world.held = new Set("abc");
  const [stopped, left, paused] = [
    world.run("a"),
    world.run("b", { priority: "high", onExists: "rename" }),
    world.run("c"),
  ];
  await world.until("1 a running", "2 b running", "3 c running");
  assertEquals(world.store.fetchesOf("here").map(({ number, isPaused }) => [number, isPaused]), [
    [1, false],
    [2, false],
    [3, false],
  ]);
  stopped.stop();
  await stopped.done;
  await all(world.fetches.pause([3]));
  left.stop(leaving);
  await left.done;
  assertEquals(codesOf(stopped.events.concat(left.events)), ["interrupted", "interrupted"]);
  assertEquals(await world.restart({ places: 8 }), { goesOn: 1, paused: 2 });
  await paused.done;
  await world.until("1 a paused", "2 b running", "3 c paused");
  const [b] = world.store.fetchesOf("here").filter(({ number }) => number === 2);
  assertEquals([b!.wish.priority, b!.wish.onExists], ["high", "rename"]);
  const next = world.run("d");
  await world.until("1 a paused", "2 b running", "3 c paused", "4 d waiting for a holder");
  next.stop();
  await next.done;
});

Deno.test("a fetch that goes on by itself tells its end in a note, and leaves a receipt", async () => {
  await using world = new World();
  world.held.add("a");
  const first = world.run("a");
  await world.until("1 a running");
  first.stop(leaving);
  await first.done;
  world.put("a");
  assertEquals(await world.restart(), { goesOn: 1, paused: 0 });
  await world.until("1 a done");
  assertEquals(world.notes, [`Fetched a: it is in ${world.path("in/a")}`]);
  assertEquals(world.store.fetchesOf("here"), []);
  const [receipt] = world.store.receipts();
  assertEquals([receipt?.name, receipt?.path, receipt?.content], ["a", world.path("in/a"), contentOf("a")]);
  assert(receipt!.startedAtMs <= receipt!.finishedAtMs);
});

Deno.test("a command whose peer ends with it keeps nothing, and begins nothing that is kept", async () => {
  await using world = new World({ stays: false });
  world.held = new Set("ab");
  const own = world.run("a");
  await world.until("1 a running");
  own.stop();
  await own.done;
  assertEquals([world.states, world.store.fetchesOf("here")], [[], []]);

  await world.restart({ stays: true });
  const kept = world.run("b");
  await world.until("1 b running");
  await world.end();
  await kept.done;
  world.start({ stays: false });
  assertEquals(world.fetches.restore(), { goesOn: 0, paused: 0 });
  assertEquals(world.states, ["1 b waiting for a peer that stays"]);
  assertEquals(await all(world.fetches.pause("all")), ["1 b paused"]);
  assertEquals(await all(world.fetches.resume("all")), ["1 b waiting for a peer that stays"]);
  // The same fetch by hand is that one, and its end is its end.
  world.put("b");
  const again = world.run("b");
  await again.done;
  assertEquals(again.events.map(({ type }) => type), ["fetched"]);
  assertEquals([world.states, world.store.fetchesOf("here")], [["1 b done"], []]);
});

Deno.test("the same fetch twice is refused while a command waits for it, and taken up where none does", async () => {
  await using world = new World();
  world.held.add("a");
  const first = world.run("a");
  await world.until("1 a running");
  const second = world.run("a");
  await second.done;
  assertEquals(codesOf(second.events), ["exists"]);
  first.stop();
  await first.done;
  await world.until("1 a paused");
  const third = world.run("a");
  await world.until("1 a running");
  third.stop(leaving);
  await third.done;
  await world.restart();
  await world.until("1 a running");
  const fourth = world.run("a", { priority: "low" });
  while ([...world.fetches.list()][0]!.priority !== "low") await new Promise((wake) => setTimeout(wake, 1));
  await world.until("1 a running");
  fourth.stop();
  await fourth.done;
  await world.until("1 a paused");
});

Deno.test("a cancelled fetch is gone, its command is told, and its place is another's", async () => {
  await using world = new World();
  world.held = new Set("ab");
  const both = world.run("ab");
  await world.until("1 a running", "2 b waiting 1");
  assertEquals(await all(world.fetches.cancel([1, 7])), [
    "1 a cancelled",
    "notFound Cannot cancel fetch 7: there is no such fetch",
  ]);
  await world.until("2 b running");
  assertEquals(world.store.fetchesOf("here").map(({ number }) => number), [2]);
  await all(world.fetches.cancel("all"));
  await both.done;
  assertEquals(codesOf(both.events), ["interrupted", "interrupted"]);
  assertEquals([world.states, world.fetches.running, world.store.fetchesOf("here")], [[], 0, []]);
});

Deno.test("a time that was told ends a fetch for good; it can be resumed, and is forgotten by the next start", async () => {
  await using world = new World();
  const told = world.run("a", { timeoutMs: 1, timeoutTold: true, inBackground: true });
  await told.done;
  assertEquals(codesOf(told.events), ["unfinished"]);
  assert(world.states[0]!.startsWith("1 a failed Cannot finish fetching"), world.states[0]);
  assertEquals(world.store.fetchesOf("here"), []);
  assertEquals(await all(world.fetches.resume("all")), [], "all: those that are paused");
  assertEquals(await all(world.fetches.resume([1])), ["1 a waiting"]);
  assertEquals(world.store.fetchesOf("here").length, 1);
  while (world.notes.length === 0) await new Promise((wake) => setTimeout(wake, 1));
  assert(world.notes[0]!.startsWith("Fetch 1 failed: Cannot finish"), world.notes[0]);
  assertEquals(await world.restart(), { goesOn: 0, paused: 0 });
});

Deno.test("a time that nobody told ends what a command waits for, and nothing that goes on in the background", async () => {
  await using world = new World();
  const waited = world.run("a", { timeoutMs: 1 });
  await waited.done;
  assertEquals(codesOf(waited.events), ["unfinished"]);
  const background = world.run("b", { timeoutMs: 1, inBackground: true });
  while (world.located.filter((name) => name === "b").length < 3) await new Promise((wake) => setTimeout(wake, 1));
  assertEquals(world.states[0], "2 b waiting for a holder");
  background.stop(leaving);
  await background.done;
  await world.restart();
  world.located.length = 0;
  while (world.located.length < 3) await new Promise((wake) => setTimeout(wake, 1));
  assertEquals(world.states, ["2 b waiting for a holder"]);
});

Deno.test("a paused fetch keeps its command waiting, and resume goes on for it", async () => {
  await using world = new World();
  world.held.add("a");
  const one = world.run("a");
  await world.until("1 a running");
  assertEquals(await all(world.fetches.pause("all")), ["1 a paused"]);
  assertEquals(await all(world.fetches.pause([1])), ["notFound Cannot pause fetch 1: it is paused"]);
  assertEquals(world.fetches.running, 0);
  world.put("a");
  assertEquals(await all(world.fetches.resume("all")), ["1 a waiting"]);
  await one.done;
  assertEquals(one.events.map(({ type }) => type), ["fetched"]);
});

Deno.test("fetches of another network are left alone", async () => {
  await using world = new World();
  const wish = {
    ...world.command("a"),
    name: "a",
    path: "a",
    content: contentOf("a"),
    priority: "normal",
    askedAtMs: 1,
  };
  world.store.keep("there", [{ number: 41, wish: wish as never, isPaused: false, doneBytes: 0 }]);
  assertEquals(world.fetches.restore(), { goesOn: 0, paused: 0 });
  const one = world.run("b");
  await world.until("42 b waiting for a holder");
  one.stop();
  await one.done;
});

Deno.test("a fetch that cannot be kept is not begun", async () => {
  await using world = new World();
  Deno.writeTextFileSync(world.path("state"), "a file has the folder's place");
  const one = world.run("a");
  await assertRejects(() => one.done, ShoalError, "fetches.db");
  assertEquals([world.located, world.states], [[], []]);
});

Deno.test("what a kill between a file's last rename and the end of its fetch left is taken away by the next fetch", async () => {
  await using world = new World();
  world.put("a");
  const journal = Journal.open(world.path("state/journals"), world.path("in/a"), contentOf("a"))!;
  journal.begin(0);
  journal.noteVerified(0);
  journal.close();
  await world.run("a").done;
  assertEquals([...Deno.readDirSync(world.path("state/journals"))], []);
});
