import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { dirname } from "@std/path";
import { StoreError } from "../../lib/core/errors.ts";
import { SmallFiles, type SmallTarget } from "../../lib/content/small_files.ts";
import { hashed, pattern, safe, type TempFolder, tempFolder } from "./fixtures.ts";

const never = new AbortController().signal;
const bytes = pattern(3000);
const { content } = hashed(bytes);

/** A folder to write into, and the files on their way there. */
class World implements Disposable {
  readonly #temporary: TempFolder = tempFolder();
  readonly files = new SmallFiles<SmallTarget>(`${this.#temporary.path}/state`);

  get down(): string {
    return `${this.#temporary.path}/down`;
  }

  path(name: string): string {
    return `${this.down}/${name}`;
  }

  target(name: string, changes: Partial<SmallTarget> = {}): SmallTarget {
    return { folder: this.down, path: safe(name), content, sync: false, ...changes };
  }

  look(name: string) {
    return this.files.look(this.target(name), never);
  }

  put(name: string, of: Uint8Array): void {
    Deno.mkdirSync(dirname(this.path(name)), { recursive: true });
    Deno.writeFileSync(this.path(name), of);
  }

  /** Writes files that were announced, without their names. */
  write(names: readonly string[], changes: Partial<SmallTarget> = {}) {
    const targets = names.map((name) => this.target(name, changes));
    this.files.announce(targets);
    return targets.map((target) => this.files.write(target, bytes));
  }

  /** Path or error code of each. */
  async finish(names: readonly string[], changes: Partial<SmallTarget> = {}, before: () => void = () => {}) {
    const parts = this.write(names, changes);
    before();
    return (await this.files.finish(parts)).map(({ result }) => typeof result === "string" ? result : result.code);
  }

  /** Every file below the download folder. */
  names(folder = this.down): string[] {
    return [...Deno.readDirSync(folder)].flatMap(({ name, isDirectory }) =>
      isDirectory ? this.names(`${folder}/${name}`).map((below) => `${name}/${below}`) : name
    ).sort();
  }

  [Symbol.dispose](): void {
    this.files[Symbol.dispose]();
    this.#temporary[Symbol.dispose]();
  }
}

Deno.test("look() tells what is free, what is there already, and refuses what is something else", async () => {
  using world = new World();
  assertEquals(await world.look("a/free"), "free");
  world.put("there", bytes);
  assertEquals(await world.look("there"), { there: world.path("there") });
  world.put("shorter", bytes.subarray(1));
  world.put("other", pattern(3000, 2));
  Deno.mkdirSync(world.path("folder"));
  Deno.symlinkSync(world.path("there"), world.path("link"));
  Deno.symlinkSync("/nowhere", world.path("dangling"));
  for (const name of ["shorter", "other", "folder", "link", "dangling"]) {
    assertEquals((await assertRejects(() => world.look(name), StoreError)).code, "exists", name);
  }
  // As long as what it leads to.
  const led = pattern(world.path("led").length);
  world.put("led", led);
  Deno.symlinkSync(world.path("led"), world.path("leading"));
  const target = world.target("leading", { content: hashed(led).content });
  await assertRejects(() => world.files.look(target, never), StoreError, "has its place");
  Deno.symlinkSync(world.path("folder"), world.path("linked"));
  await assertRejects(() => world.look("linked/x"), StoreError, "symbolic link");
  world.put("file", bytes);
  await assertRejects(() => world.look("file/x"), StoreError, "not a folder");
  await assertRejects(() => world.files.look(world.target("there"), AbortSignal.abort()));
});

for (const sync of [false, true]) {
  Deno.test(`files get their names together, ${sync ? "" : "not "}synced, with nothing else left`, async () => {
    using world = new World();
    const names = ["a.txt", "b/c/d.txt", "b/e.txt"];
    const parts = world.write(names, { sync });
    assertEquals(world.names().filter((name) => !name.endsWith(".part")), [], "no name before it is finished");
    assertEquals(Deno.readFileSync(parts[1]!.partPath), bytes);
    const finished = await world.files.finish(parts);
    assertEquals(finished.map(({ result }) => result), names.map((name) => world.path(name)));
    assertEquals(finished.map(({ target }) => target.path as string), names);
    assertEquals(world.names(), names);
    for (const name of names) assertEquals(Deno.readFileSync(world.path(name)), bytes);
  });
}

Deno.test("write() never writes into a file that is there, nor through a link", () => {
  using world = new World();
  const [part] = world.write(["a"]);
  // Somebody guesses the partial name of the next.
  const partOfB = part!.partPath.replace(/a(\.[0-9a-f]+\.part)$/, "b$1");
  assert(partOfB !== part!.partPath);
  world.put("elsewhere", pattern(10));
  Deno.symlinkSync(world.path("elsewhere"), partOfB);
  assertEquals(assertThrows(() => world.write(["b"]), StoreError).code, "exists");
  assertEquals(Deno.readFileSync(world.path("elsewhere")), pattern(10));
  assert(Deno.lstatSync(partOfB).isSymlink, "and takes nothing away that is not its own");
  world.files.drop(part!);
});

Deno.test("drop() takes a file back", () => {
  using world = new World();
  const [kept, dropped] = world.write(["a", "b"]);
  world.files.drop(dropped!);
  assertEquals(world.names(), [kept!.partPath.slice(world.down.length + 1)]);
  world.files.drop(kept!);
  assertEquals(world.names(), []);
});

Deno.test("a name that was taken meanwhile stays what it is, and the others get theirs", async () => {
  using world = new World();
  assertEquals(await world.look("b"), "free");
  const meanwhile = () => {
    world.put("b", pattern(7));
    Deno.symlinkSync(world.path("b"), world.path("c"));
    Deno.mkdirSync(world.path("d"));
  };
  const results = await world.finish(["a", "b", "c", "d", "e"], {}, meanwhile);
  assertEquals(results, [world.path("a"), "exists", "exists", "exists", world.path("e")]);
  assertEquals(world.names(), ["a", "b", "c", "e"], "no part is left");
  assertEquals(Deno.readFileSync(world.path("b")), pattern(7));
  assertEquals(Deno.readLinkSync(world.path("c")), world.path("b"));
});

Deno.test("a link that leads nowhere and was made meanwhile gives way, and nothing is made where it led", async () => {
  using world = new World();
  const led = world.path("led");
  const results = await world.finish(["a"], {}, () => Deno.symlinkSync(led, world.path("a")));
  assertEquals([results, world.names()], [[world.path("a")], ["a"]]);
  assertEquals(Deno.readFileSync(world.path("a")), bytes);
});

Deno.test("the same name twice in a group gets one file, and the second is told", async () => {
  using world = new World();
  const [first] = world.write(["a"]);
  await world.files.finish([first!]);
  assertEquals(await world.finish(["a"]), ["exists"]);
  assertEquals(world.names(), ["a"]);
});

Deno.test("a folder that was swapped between write and finish gets no file, and where the link leads neither", async () => {
  for (const kind of ["link", "folder", "nothing"]) {
    using world = new World();
    const results = await world.finish(["a", "in/deep/b", "in/deep/c"], {}, () => {
      Deno.renameSync(world.path("in"), world.path("moved"));
      if (kind === "link") Deno.symlinkSync(world.path("moved"), world.path("in"));
      if (kind === "folder") Deno.mkdirSync(world.path("in/deep"), { recursive: true });
    });
    assertEquals(results[0], world.path("a"), kind);
    assert(results.slice(1).every((code) => !code.startsWith("/")), `${kind}: ${results}`);
    assertEquals(world.names().filter((name) => !name.endsWith(".part")), kind === "link" ? ["a", "in"] : ["a"], kind);
    // What is reached by the old name is taken away; what is not cannot be.
    if (kind === "link") assertEquals(world.names(`${world.down}/moved`), []);
  }
});

Deno.test("a partial file that is gone is told, and the others get their names", async () => {
  for (const sync of [false, true]) {
    using world = new World();
    const parts = world.write(["a", "b", "c"], { sync });
    Deno.removeSync(parts[1]!.partPath);
    const finished = await world.files.finish(parts);
    assertEquals(finished.map(({ result }) => result instanceof StoreError), [false, true, false]);
    assertEquals(world.names(), ["a", "c"]);
  }
});

Deno.test("a file that cannot be written leaves no partial file", () => {
  for (const sync of [false, true]) {
    using world = new World();
    const target = world.target("in/a", { sync });
    world.files.announce([target]);
    Deno.removeSync(world.path("in"));
    assertThrows(() => world.files.write(target, bytes), StoreError);
    assertEquals(world.names(), []);
  }
});

Deno.test("a run that ended leaves no list behind", async () => {
  using folder = tempFolder();
  {
    using files = new SmallFiles<SmallTarget>(`${folder.path}/state`);
    const target: SmallTarget = { folder: `${folder.path}/down`, path: safe("a"), content, sync: true };
    files.announce([target]);
    await files.finish([files.write(target, bytes)]);
  }
  assertEquals([...Deno.readDirSync(`${folder.path}/state`)], []);
});
