import { assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { RemoteError, ShoalError, TimeoutError } from "../../lib/core/errors.ts";
import { limits } from "../../lib/core/limits.ts";
import type { PeerEvent, Wanted } from "../../lib/peer/commands.ts";
import { Watches } from "../../lib/peer/watches.ts";
import type { FileEntry, Request } from "../../lib/wire/message.ts";
import { fileEntry } from "./fake_control.ts";

const wanted: Wanted = { terms: [{ mode: "substring", pattern: "linux" }] };

/** A coordinator's answers, and a home that lasts over restarts of the watches. */
class Scene implements Disposable {
  readonly folder = Deno.makeTempDirSync();
  readonly asked: Request[] = [];
  readonly events: PeerEvent[] = [];
  /** What a search finds. */
  searchable: FileEntry[] = [];
  /** What WATCH is refused with. */
  refusal: ShoalError | undefined;
  nowMs = 1_000;
  ours = "";

  open(): Watches {
    return Watches.open({
      stateFolder: this.folder,
      request: (request) => this.#answer(request as Request) as never,
      nowMs: () => this.nowMs,
      isOurs: ({ name }) => name === this.ours,
      emit: (event) => this.events.push(event),
    });
  }

  // deno-lint-ignore require-await -- as Control answers
  async #answer(request: Request) {
    this.asked.push(request);
    if (request.kind === "watch" && this.refusal !== undefined) throw this.refusal;
    if (request.kind !== "search") return { kind: "done" };
    const { sinceMs } = request.query.filter;
    return {
      kind: "files",
      files: this.searchable.filter((one) => one.sharedAtMs >= sinceMs),
      cursor: new Uint8Array(0),
    };
  }

  get told(): string[] {
    return this.events.flatMap((event) => event.type === "found" ? [`${event.watch} ${event.name}`] : []);
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.folder, { recursive: true });
  }
}

function sharedAt(name: string, sharedAtMs: number): FileEntry {
  return { ...fileEntry(name, "1"), sharedAtMs };
}

async function listed(watches: Watches) {
  return (await Array.fromAsync(watches.change(null))).flatMap((event) =>
    event.type === "watch" ? [`${event.number} ${event.words.join(" ")} ${event.state}`] : []
  );
}

Deno.test("what is found is told once, also where the coordinator repeats it, and never what this device shares", async () => {
  using scene = new Scene();
  const watches = scene.open();
  watches.online("net", "ada", true);
  const begun = await watches.add(wanted, ["linux"]);
  assertEquals([begun.number, begun.state], [1, "watching"]);
  scene.ours = "linux 3";
  const files = [sharedAt("linux 1", 1_001), sharedAt("linux 2", 1_001), sharedAt("linux 3", 1_002)];
  watches.found({ watch: 1, files, more: false });
  watches.found({ watch: 1, files, more: false });
  watches.found({ watch: 9, files, more: false });
  assertEquals(scene.told, ["1 linux 1", "1 linux 2"]);
  await watches.close();
});

Deno.test("watches last over a restart, are registered anew, and tell what was missed and nothing twice", async () => {
  using scene = new Scene();
  {
    const watches = scene.open();
    watches.online("net", "ada", true);
    await watches.add(wanted, ["linux", "ext:iso"]);
    watches.found({ watch: 1, files: [sharedAt("linux 1", 1_001)], more: false });
    await watches.close();
  }
  scene.events.length = 0;
  scene.asked.length = 0;
  scene.searchable = [
    sharedAt("linux 0", 900),
    sharedAt("linux 1", 1_001),
    sharedAt("same moment", 1_001),
    sharedAt("linux 2", 1_500),
  ];
  const watches = scene.open();
  watches.online("other net", "ada", true);
  watches.online("net", "bob", true);
  await watches.close();
  assertEquals([scene.asked, await listed(watches)], [[], []], "they belong to one account at one coordinator");
  watches.online("net", "ADA", false);
  await watches.close();
  assertEquals(
    [scene.asked, await listed(watches)],
    [[], ["1 linux ext:iso waiting"]],
    "a command alone leaves it to a peer that stays",
  );
  watches.online("net", "ADA", true);
  await watches.close();
  assertEquals(scene.asked.map(({ kind }) => kind), ["watch", "search"]);
  assertEquals(scene.told, ["1 same moment", "1 linux 2"]);
  const [search] = scene.asked.slice(1);
  assertEquals(search?.kind === "search" && [search.order, search.descending, search.query.filter.sinceMs], [
    "age",
    false,
    1_001,
  ]);
});

Deno.test("watches that are begun together have numbers of their own", async () => {
  using scene = new Scene();
  const watches = scene.open();
  watches.online("net", "ada", true);
  await Promise.all(["linux", "bsd"].map((word) => watches.add(wanted, [word])));
  assertEquals(await listed(watches), ["1 linux watching", "2 bsd watching"]);
  await watches.close();
});

Deno.test("FOUND that says there is more is followed by a search that finds it all", async () => {
  using scene = new Scene();
  const watches = scene.open();
  watches.online("net", "ada", true);
  await watches.add(wanted, ["linux"]);
  scene.searchable = [sharedAt("linux 1", 1_001), sharedAt("linux 2", 1_002), sharedAt("linux 3", 1_003)];
  watches.found({ watch: 1, files: [scene.searchable[2]!], more: true });
  await watches.close();
  assertEquals(scene.told, ["1 linux 1", "1 linux 2", "1 linux 3"]);
});

Deno.test("what the coordinator refuses is not kept, and what it refuses later says why", async () => {
  using scene = new Scene();
  const watches = scene.open();
  watches.online("net", "ada", true);
  scene.refusal = new RemoteError("usage", "a standing search needs three characters");
  await assertRejects(() => watches.add(wanted, ["linux"]), RemoteError, "three characters");
  assertEquals(await listed(watches), []);
  scene.refusal = undefined;
  await watches.add(wanted, ["linux"]);
  scene.refusal = new TimeoutError("no answer", 10, 1);
  watches.online("net", "ada", true);
  await watches.close();
  assertEquals(await listed(watches), ["1 linux waiting"]);
  scene.refusal = new RemoteError("limit", "too many");
  watches.online("net", "ada", true);
  await watches.close();
  assertEquals(await listed(watches), ["1 linux refused"]);
});

Deno.test("watches are bounded, end by their numbers, and a file of them that is damaged is refused", async () => {
  using scene = new Scene();
  const watches = scene.open();
  watches.online("net", "ada", true);
  for (let i = 0; i < limits.watchesPerSessionMax; i++) await watches.add(wanted, [`w${i}`]);
  const error = await assertRejects(() => watches.add(wanted, ["more"]), ShoalError);
  assertEquals(error.code, "limit");
  const ended = await Array.fromAsync(watches.change({ kind: "remove", watches: [2] }));
  assertEquals(ended, [{ type: "unwatched", number: 2, words: ["w1"] }]);
  const missing = await assertRejects(
    () => Array.fromAsync(watches.change({ kind: "remove", watches: [2] })),
    ShoalError,
  );
  assertEquals(missing.code, "notFound");
  await Array.fromAsync(watches.change({ kind: "remove", watches: "all" }));
  assertEquals(await listed(watches), []);
  Deno.writeTextFileSync(join(scene.folder, "watches.json"), "{}", { mode: 0o600 });
  await assertRejects(async () => await Promise.resolve(scene.open()), ShoalError, "damaged");
  Deno.writeTextFileSync(join(scene.folder, "watches.json"), '{"schema":9}');
  await assertRejects(async () => await Promise.resolve(scene.open()), ShoalError, "schema 9");
});
