import { assert, assertEquals } from "@std/assert";
import { dirname, join } from "@std/path";
import { ShoalError } from "../../lib/core/errors.ts";
import { limits } from "../../lib/core/limits.ts";
import { dataHeaderBytes } from "../../lib/wire/frame.ts";
import type { Timers } from "../../lib/transfer/timers.ts";
import { Bandwidth, type BandwidthOptions, unlimited } from "../../lib/peer/bandwidth.ts";
import { FetchPlaces } from "../../lib/peer/fetch_places.ts";
import type { FetchRunResult } from "../../lib/peer/fetch_run.ts";
import { isSmall, type SmallJob, SmallRun, type SmallRunDeps } from "../../lib/peer/small_run.ts";
import { safe, tempFolder } from "../content/fixtures.ts";
import { UploadSlots } from "../../lib/transfer/upload_slots.ts";
import { FakeTimers, settle } from "../transfer/fake_timers.ts";
import { makeFiles, until } from "../transfer/takes.ts";
import { identity, makeFile, type MemoryFile } from "../transfer/world.ts";
import { MemoryHolders } from "./memory_holders.ts";

interface Job extends SmallJob {
  readonly file: MemoryFile;
}

/** Small files that are wanted, their holders, and where they go. */
class World implements Disposable {
  readonly #temporary = tempFolder();
  readonly holders = new MemoryHolders();
  readonly places = new FetchPlaces(1);
  readonly blamed: string[] = [];
  /** Names in the order in which files got them, by groups. */
  readonly groups: string[][] = [];
  readonly asked: string[] = [];
  readonly queuedAt: string[] = [];
  onAsked: (name: string) => void = () => {};
  onGroup: () => void = () => {};
  readonly files: readonly MemoryFile[];

  constructor(files: readonly MemoryFile[]) {
    this.files = files;
  }

  get down(): string {
    return join(this.#temporary.path, "down");
  }

  nameOf(index: number): string {
    return index % 3 === 0 ? `${index}` : `in/${index % 3}/${index}`;
  }

  /** Runs all of it. Answers what became of each, by its index. */
  async run(
    changes: Partial<SmallRunDeps> = {},
    { signals = new Map<number, AbortSignal>(), sync = false, timeoutMs = Infinity } = {},
  ) {
    const deps: SmallRunDeps = {
      control: this.holders,
      locate: this.holders.locate,
      identity: () => identity,
      connect: this.holders.connect,
      blame: ({ account }, reason) => void this.blamed.push(`${account} ${reason}`),
      journalFolder: this.state,
      openDownload: undefined,
      places: this.places,
      waiter: { priority: "normal" },
      ...changes,
    };
    const run = new SmallRun<Job>(deps, (done) => {
      this.groups.push(done.map(([{ path }]) => path));
      this.onGroup();
    });
    const results = this.files.map((file, index) => {
      const signal = signals.get(index) ?? new AbortController().signal;
      const path = safe(this.nameOf(index));
      const onAsked = (place?: string) => {
        if (place === undefined) this.asked.push(path);
        else this.queuedAt.push(place);
        this.onAsked(path);
      };
      return run.add({ folder: this.down, path, content: file.content, sync, signal, timeoutMs, onAsked, file });
    });
    await run.run();
    return await Promise.all(results);
  }

  get state(): string {
    return join(this.#temporary.path, "state");
  }

  put(index: number, bytes: Uint8Array): void {
    const path = join(this.down, this.nameOf(index));
    Deno.mkdirSync(dirname(path), { recursive: true });
    Deno.writeFileSync(path, bytes);
  }

  /** Asserts that these files are there and right, and nothing else is, here or in the journal folder. */
  assertThere(indexes: readonly number[]): void {
    assertEquals(this.names(this.down), indexes.map((index) => this.nameOf(index)).sort());
    for (const index of indexes) {
      assertEquals(Deno.readFileSync(join(this.down, this.nameOf(index))), this.files[index]!.bytes);
    }
    assertEquals(this.names(this.state), []);
  }

  names(folder: string): string[] {
    try {
      return [...Deno.readDirSync(folder)].flatMap(({ name, isDirectory }) =>
        isDirectory ? this.names(`${folder}/${name}`).map((below) => `${name}/${below}`) : name
      ).sort();
    } catch {
      return [];
    }
  }

  [Symbol.dispose](): void {
    this.#temporary[Symbol.dispose]();
  }
}

const indexesOf = (results: readonly (FetchRunResult | undefined)[], of: "done" | "left") =>
  results.flatMap((result, index) => (result === undefined) === (of === "left") ? [index] : []);
const upTo = (count: number) => Array.from({ length: count }, (_, index) => index);

for (const sync of [false, true]) {
  Deno.test(`many small files come over one connection and get their names in groups, ${sync ? "" : "not "}synced`, async () => {
    using world = new World(makeFiles(300, (index) => 1 + index * 10));
    const holder = world.holders.add("ada", world.files);
    const results = await world.run({}, { sync });
    world.assertThere(upTo(300));
    for (const [index, result] of results.entries()) {
      const { bytes } = world.files[index]!.content;
      assertEquals({ ...result, tookMs: 0 }, {
        path: join(world.down, world.nameOf(index)),
        holders: [{ account: "ada", device: "nas", deviceId: holder.deviceId, bytes }],
        fetchedBytes: bytes,
        reusedBytes: 0,
        wireBytes: dataHeaderBytes + bytes,
        refetchedBytes: 0,
        tookMs: 0,
      });
    }
    await world.holders.ended();
    assertEquals([holder.connections, holder.library.openCount, world.holders.located.length], [1, 0, 1]);
    assertEquals(world.groups.flat().length, 300);
    assert(world.groups.length < 60, `${world.groups.length} groups`);
    await world.places.take({ priority: "low" }, AbortSignal.timeout(1000));
  });
}

Deno.test("what is there already is not asked for, and where something else is, nothing is touched", async () => {
  using world = new World(makeFiles(6, () => 500));
  const holder = world.holders.add("ada", world.files);
  world.put(0, world.files[0]!.bytes);
  world.put(1, world.files[2]!.bytes);
  Deno.mkdirSync(join(world.down, world.nameOf(3)), { recursive: true });
  const results = await world.run();
  assertEquals(indexesOf(results, "left"), [1, 3]);
  const { holders, fetchedBytes, wireBytes, path } = results[0]!;
  assertEquals([holders, fetchedBytes, wireBytes, path], [[], 0, 0, join(world.down, world.nameOf(0))]);
  assertEquals(world.asked.toSorted(), [2, 4, 5].map((index) => world.nameOf(index)).toSorted());
  assertEquals(Deno.readFileSync(join(world.down, world.nameOf(1))), world.files[2]!.bytes);
  await world.holders.ended();
  assertEquals(holder.connections, 1);
});

Deno.test("two holders with a half each give all of it together", async () => {
  using world = new World(makeFiles(40, () => 500));
  world.holders.add("ada", world.files.filter((_, index) => index % 2 === 0));
  world.holders.add("bob", world.files.filter((_, index) => index % 2 === 1));
  const results = await world.run();
  world.assertThere(upTo(40));
  assertEquals(results.map((result) => result!.holders[0]!.account), upTo(40).map((i) => i % 2 === 0 ? "ada" : "bob"));
  await world.holders.ended();
});

Deno.test("of two holders that have all each is asked, and no file comes twice", async () => {
  using world = new World(makeFiles(600, () => 300));
  const holders = ["ada", "bob"].map((name) => world.holders.add(name, world.files));
  const results = await world.run();
  world.assertThere(upTo(600));
  assertEquals(indexesOf(results, "left"), []);
  assertEquals(new Set(world.asked).size, world.asked.length);
  await world.holders.ended();
  assertEquals(holders.map(({ connections }) => connections), [1, 1]);
});

Deno.test("one that is aborted is left and gets no file, whenever that comes; the others come", async () => {
  const files = makeFiles(60, () => 500);
  const when: Record<string, (world: World, abort: () => void) => void> = {
    "while it waits for a place": (_, abort) => abort(),
    "when it is asked for": (world, abort) => {
      world.onAsked = (name) => name === world.nameOf(30) && abort();
    },
    "while others are read for it": (world, abort) => world.holders.all[0]!.atRead(10, abort),
    "when it is read": (world, abort) => world.holders.all[0]!.atRead(32, abort),
  };
  for (const [what, act] of Object.entries(when)) {
    using world = new World(files);
    world.holders.add("ada", files);
    const controller = new AbortController();
    const signals = new Map([[30, controller.signal]]);
    await world.places.take({ priority: "high" }, controller.signal);
    const running = world.run({}, { signals });
    act(world, () => controller.abort());
    world.places.giveBack();
    const results = await running;
    assertEquals(indexesOf(results, "left"), [30], what);
    world.assertThere(upTo(60).filter((index) => index !== 30));
    await world.holders.ended();
  }
});

Deno.test("one that is aborted when it is written, and waits for its name, gets none", async () => {
  using world = new World(makeFiles(300, () => 100));
  world.holders.add("ada", world.files);
  const controller = new AbortController();
  // By the time that the first group has its names, the next is written.
  world.onGroup = () => controller.abort();
  const results = await world.run({}, { signals: new Map([[250, controller.signal]]) });
  assertEquals(indexesOf(results, "left"), [250]);
  world.assertThere(upTo(300).filter((index) => index !== 250));
  await world.holders.ended();
});

Deno.test("when all are aborted the run ends at once and leaves nothing, also before it has a place", async () => {
  for (const hasPlace of [true, false]) {
    using world = new World(makeFiles(50, () => 500));
    const holder = world.holders.add("ada", world.files);
    const controller = new AbortController();
    if (!hasPlace) await world.places.take({ priority: "high" }, new AbortController().signal);
    holder.atRead(5, () => controller.abort());
    const signals = new Map(upTo(50).map((index) => [index, controller.signal]));
    const running = world.run({}, { signals });
    if (!hasPlace) controller.abort();
    const done = indexesOf(await running, "done");
    assert(done.length < 50, `${done.length} done`);
    world.assertThere(done);
    if (!hasPlace) world.places.giveBack();
    await world.places.take({ priority: "low" }, AbortSignal.timeout(1000));
    await world.holders.ended();
  }
});

Deno.test("when the holder dies in the middle what came is kept, and the rest is left to runs of its own", async () => {
  using world = new World(makeFiles(200, () => 20_000));
  const holder = world.holders.add("ada", world.files);
  holder.atRead(60, () => holder.die());
  const results = await world.run();
  const done = indexesOf(results, "done");
  assert(done.length < 60 && done.length > 0, `${done.length} done`);
  world.assertThere(done);
  await world.holders.ended();
  assertEquals(world.blamed, [], "whose connection broke did nothing wrong");
});

Deno.test("when a holder's connection is cut in the middle, another connection brings the rest", async () => {
  using world = new World(makeFiles(200, () => 20_000));
  const holder = world.holders.add("ada", world.files);
  holder.atRead(60, () => {
    holder.die();
    holder.isGone = false;
  });
  await world.run();
  world.assertThere(upTo(200));
  await world.holders.ended();
  assertEquals(holder.connections, 2);
});

Deno.test("when a holder dies in the middle, another gives the rest", async () => {
  using world = new World(makeFiles(200, () => 20_000));
  const dying = world.holders.add("ada", world.files);
  dying.atRead(20, () => dying.die());
  world.holders.add("bob", world.files);
  const results = await world.run();
  world.assertThere(upTo(200));
  assertEquals(new Set(results.map((result) => result!.holders[0]!.account)).has("bob"), true);
  await world.holders.ended();
});

Deno.test("a holder that sends a wrong byte is blamed, asked for nothing more, and nothing of it is kept", async () => {
  using world = new World(makeFiles(100, () => 500));
  const lies = world.files.map((file, index) => {
    const bytes = file.bytes.slice();
    if (index === 20) bytes[0]! ^= 1;
    return { ...file, bytes };
  });
  const liar = world.holders.add("mallory", lies);
  assertEquals(indexesOf(await world.run(), "left").includes(20), true);
  await world.holders.ended();
  assertEquals([world.blamed, liar.connections], [["mallory wrongPiece"], 1]);

  using other = new World(world.files);
  const again = other.holders.add("mallory", lies);
  other.holders.add("bob", world.files);
  const results = await other.run();
  other.assertThere(upTo(100));
  assertEquals(results[20]!.holders[0]!.account, "bob");
  await other.holders.ended();
  assert(again.connections === 1 && other.blamed.length <= 1, other.blamed.join());
});

Deno.test("what a holder does not give is left or had from another, and the rest comes", async () => {
  for (const others of [false, true]) {
    using world = new World(makeFiles(50, () => 500));
    const holder = world.holders.add("ada", world.files);
    for (const index of [0, 7, 49]) holder.library.changed.add(world.files[index]!.content.id);
    if (others) world.holders.add("bob", [0, 7, 49].map((index) => world.files[index]!));
    const results = await world.run();
    assertEquals(indexesOf(results, "left"), others ? [] : [0, 7, 49]);
    world.assertThere(indexesOf(results, "done"));
    await world.holders.ended();
    assertEquals(world.blamed, []);
  }
});

Deno.test("a holder that refuses for the sake of the first content gives the others all the same", async () => {
  using world = new World(makeFiles(300, () => 500));
  const holder = world.holders.add("ada", world.files);
  holder.deps = {
    openContent: (content) => content.id === world.files[0]!.content.id ? undefined : holder.library.open(content),
  };
  const results = await world.run();
  assertEquals(indexesOf(results, "left"), [0]);
  world.assertThere(upTo(300).slice(1));
  await world.holders.ended();
});

Deno.test("what nobody has, or the coordinator gives no ticket for, is left", async () => {
  using world = new World(makeFiles(30, () => 500));
  const holder = world.holders.add("ada", world.files);
  for (const index of [0, 13, 29]) {
    holder.named.delete(`${world.files[index]!.content.id}:${world.files[index]!.content.bytes}`);
  }
  const left = indexesOf(await world.run(), "left");
  await world.holders.ended();
  assertEquals(left.filter((index) => holder.named.size === 27 && [0, 13, 29].includes(index)), [0, 13, 29]);
  world.assertThere(upTo(30).filter((index) => !left.includes(index)));
});

Deno.test("a coordinator that does not answer, and a disk that fails, leave all to runs of their own", async () => {
  const away = () => Promise.reject(new ShoalError("unreachable", "Cannot reach the coordinator"));
  const failing: Record<string, (world: World) => Partial<SmallRunDeps>> = {
    "no LOCATE": () => ({ locate: away }),
    "no SET_TICKET": () => ({ control: { request: away } }),
    "no journal folder": (world) => {
      Deno.writeTextFileSync(world.state, "a file");
      return {};
    },
    "no folder": (world) => {
      Deno.writeTextFileSync(world.down, "a file");
      return {};
    },
  };
  for (const [what, changesOf] of Object.entries(failing)) {
    using world = new World(makeFiles(10, () => 500));
    world.holders.add("ada", world.files);
    assertEquals(indexesOf(await world.run(changesOf(world)), "left"), upTo(10), what);
    await world.places.take({ priority: "low" }, AbortSignal.timeout(1000));
    await world.holders.ended();
  }
});

Deno.test("small files wait for a place, and then for their turn in the limit of all downloads", async () => {
  using world = new World(makeFiles(40, () => 5000));
  world.holders.add("ada", world.files);
  const timers = new FakeTimers();
  using bandwidth = limited(timers, { ...unlimited, down: 10_000 });
  await world.places.take({ priority: "high" }, new AbortController().signal);
  const running = world.run({ openDownload: () => bandwidth.openDownload(1) });
  await settle();
  assertEquals([world.holders.located, world.asked], [[], []]);
  world.places.giveBack();
  await until(() => world.asked.length !== 0);
  await timers.advance(10_000);
  await until(() => world.groups.flat().length >= 18);
  for (let turn = 0; turn < 10; turn++) await settle();
  assert(world.groups.flat().length <= 20, `${world.groups.flat().length} of 5 kB in 10 s at 10 kB/s`);
  bandwidth.limit("down", undefined);
  await timers.advance(1);
  assertEquals(indexesOf(await running, "left"), []);
  world.assertThere(upTo(40));
  await world.holders.ended();
  assertEquals(timers.pending, 0);
});

Deno.test("who waits in a holder's queue says where, for as long as it may; then all of it comes", async () => {
  for (const timeoutMs of [0, Infinity]) {
    using world = new World(makeFiles(10, () => 500));
    const holder = world.holders.add("ada", world.files);
    const slots = new UploadSlots(new FakeTimers(), 1);
    const other = slots.join("eve", () => {});
    assertEquals(other.take(), undefined);
    holder.deps = { slots };
    const running = world.run({}, { timeoutMs });
    await until(() => world.queuedAt.length > 0);
    assertEquals(new Set(world.queuedAt), new Set(["place 1 at ada, in about 1 s"]));
    if (timeoutMs > 0) other[Symbol.dispose]();
    assertEquals(indexesOf(await running, "left"), timeoutMs === 0 ? upTo(10) : []);
    // Whoever came to its turn says so again.
    assertEquals(world.asked.length > 10, timeoutMs > 0);
    await world.holders.ended();
    other[Symbol.dispose]();
  }
});

function limited(timers: Timers, options: BandwidthOptions): Bandwidth {
  return new Bandwidth(options, timers, () => new Date(0));
}

Deno.test("isSmall() takes what TAKE may ask for", () => {
  const sizes = [0, 1, limits.takenBytesMax, limits.takenBytesMax + 1];
  assertEquals(sizes.map((bytes) => isSmall({ id: makeFile(1).content.id, bytes })), [false, true, true, false]);
});
