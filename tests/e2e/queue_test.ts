/** Fetches as things that a person handles: paused, gone on with, cancelled, put in order, and there again after a SIGKILL. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { mib } from "../../lib/core/limits.ts";
import { type Ended, type Line, type Program, Stage } from "../../scripts/programs.ts";
import { assertDone, assertFailed, ofType } from "./ended.ts";
import { fetchedPath, listFiles, sha256, writeSparse } from "./files.ts";
import { type LeftJournal, readJournals } from "./journals.ts";
import { Session } from "./session.ts";

const accounts = { alice: "alice's password", bob: "bob's password" };
const largeBytes = 96 * mib;
const verifiedMin = 8;
const attemptsMax = 20;

/** A holder of some files, and bob's peer, which stays. */
class Scene implements AsyncDisposable {
  readonly stage: Stage;
  readonly holder: Program;
  readonly home: string;
  readonly folder: string;

  private constructor(stage: Stage, holder: Program) {
    this.stage = stage;
    this.holder = holder;
    this.home = stage.path("home-bob");
    this.folder = stage.path("files-bob");
  }

  static async open(files: Readonly<Record<string, number>>): Promise<Scene> {
    const stage = await Stage.open(accounts);
    await stage.coordinator();
    for (const [name, bytes] of Object.entries(files)) await writeSparse(stage.path(name), bytes);
    const holder = stage.peer("alice", ["share", ...Object.keys(files).map((name) => stage.path(name))]);
    await holder.ready();
    return new Scene(stage, holder);
  }

  bob(command: readonly string[]): Program {
    return this.stage.peer("bob", command);
  }

  async ask(command: readonly string[]): Promise<Ended> {
    return assertDone(await this.bob(command).end());
  }

  async transfers(): Promise<readonly Line[]> {
    return ofType(await this.ask(["transfers"]), "transfer").filter((line) => line["direction"] === "down");
  }

  /**
   * Begins fetches and stops their holder in the middle of all of them; what was faster is undone and begun again. Until the holder
   * is continued no byte comes.
   */
  async stall(names: readonly string[], begin: () => Program | void): Promise<Program | void> {
    for (let attempt = 0; attempt < attemptsMax; attempt++) {
      const begun = begin();
      const isUnderWay = (journals: readonly LeftJournal[]) =>
        journals.length === names.length && journals.every(({ verified }) => verified.size >= verifiedMin);
      while (!isUnderWay(readJournals(this.home)) && !this.#areAllThere(names)) {
        await new Promise((wake) => setTimeout(wake, 1));
      }
      this.holder.signal("SIGSTOP");
      await this.#untilStill();
      if (isUnderWay(readJournals(this.home))) return begun;
      this.holder.signal("SIGCONT");
      while (!this.#areAllThere(names)) await new Promise((wake) => setTimeout(wake, 10));
      await begun?.end();
      for (const name of names) await Deno.remove(fetchedPath(this.stage, "bob", name));
    }
    throw new Error(`Cannot stop the fetch of ${names.join()} in its middle: it is done too fast`);
  }

  /** What was on its way when the holder stopped arrives still; after that nothing does. */
  async #untilStill(): Promise<void> {
    const count = () => readJournals(this.home).reduce((sum, { verified }) => sum + verified.size, 0);
    for (let before = -1; before !== count(); await new Promise((wake) => setTimeout(wake, 50))) before = count();
  }

  #areAllThere(names: readonly string[]): boolean {
    return names.every((name) => {
      try {
        return Deno.statSync(fetchedPath(this.stage, "bob", name)).isFile;
      } catch {
        return false;
      }
    });
  }

  async assertArrived(name: string): Promise<void> {
    assertEquals(await sha256(fetchedPath(this.stage, "bob", name)), await sha256(this.stage.path(name)), name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stage[Symbol.asyncDispose]();
  }
}

function verifiedBytes(journal: LeftJournal): number {
  const pieceBytes = mib / 4;
  assertEquals(journal.contentBytes % pieceBytes, 0);
  return journal.verified.size * pieceBytes;
}

Deno.test("a paused fetch gets no byte, and a resumed one goes on from there", async () => {
  await using scene = await Scene.open({ "large.bin": largeBytes, "small.bin": 1000 });
  await Session.open(scene.stage, "bob");
  const fetching = (await scene.stall(["large.bin"], () => scene.bob(["fetch", "large.bin", "--no-sync"])))!;
  const [running] = await scene.transfers().then((all) => all.filter((line) => line["state"] !== "done"));
  const number = String(running!["number"]);
  const paused = ofType(await scene.ask(["pause", number]), "transfer");
  assertEquals(paused.map(({ name, state }) => [name, state]), [["large.bin", "paused"]]);
  const [left] = readJournals(scene.home);
  scene.holder.signal("SIGCONT");
  // The holder serves again, and this fetch takes nothing of it.
  await scene.ask(["fetch", "small.bin", "--no-sync"]);
  assertEquals(readJournals(scene.home).map(({ verified }) => verified), [left!.verified]);
  assertEquals(fetching.hasEnded, false, "the command that asked for it waits on");

  assertEquals(ofType(await scene.ask(["resume", "all"]), "transfer").map(({ number }) => String(number)), [number]);
  const [fetched] = ofType(assertDone(await fetching.end()), "fetched");
  assertEquals([fetched!["fetchedBytes"], fetched!["refetchedBytes"]], [
    largeBytes - verifiedBytes(left!),
    (left!.asked.size - left!.asked.intersection(left!.verified).size) * mib / 4,
  ]);
  await scene.assertArrived("large.bin");
});

Deno.test("a fetch whose command is stopped stays, paused; taken up again and cancelled, it leaves neither part nor journal", async () => {
  await using scene = await Scene.open({ "large.bin": largeBytes });
  await Session.open(scene.stage, "bob");
  const fetching = (await scene.stall(["large.bin"], () => scene.bob(["fetch", "large.bin", "--no-sync"])))!;
  fetching.signal("SIGINT");
  assertEquals((await fetching.end()).code, 130);
  const [stopped, ...others] = await scene.transfers();
  assertEquals([stopped!["state"], ofType({ lines: others }, "transfer").map(({ state }) => state)], [
    "paused",
    others.map(() => "done"),
  ]);
  assertEquals(await listFiles(scene.folder), ["large.bin.part"]);

  const again = scene.bob(["fetch", "large.bin", "--no-sync"]);
  while ((await scene.transfers())[0]!["state"] === "paused");
  const cancelled = ofType(await scene.ask(["cancel", "all"]), "transfer");
  assertEquals(cancelled.map(({ number, state }) => [number, state]), [[stopped!["number"], "cancelled"]]);
  const error = assertFailed(await again.end(), 130, "interrupted");
  assertStringIncludes(error["message"] as string, "was cancelled");
  assertEquals([await listFiles(scene.folder), readJournals(scene.home)], [[], []]);
  assertFailed(await scene.bob(["cancel", "99"]).end(), 3, "notFound");
});

Deno.test("a fetch of a higher priority is the next to start, one that is prioritized too", async () => {
  const names = Array.from({ length: 11 }, (_, i) => `${i}.bin`);
  await using scene = await Scene.open(Object.fromEntries(names.map((name) => [name, 1000])));
  await Session.open(scene.stage, "bob");
  scene.holder.signal("SIGSTOP");
  const fetching = scene.bob(["fetch", ...names, "--no-sync", "--priority", "low"]);
  const placesOf = (lines: readonly Line[]) =>
    lines.filter((line) => line["place"] !== undefined)
      .sort((a, b) => (a["place"] as number) - (b["place"] as number)).map((line) => line["name"]);
  let waiting: unknown[];
  while ((waiting = placesOf(await scene.transfers())).length < 3);
  assertEquals(waiting, ["8.bin", "9.bin", "10.bin"]);
  const number = (await scene.transfers()).find(({ name }) => name === "10.bin")!["number"];
  await scene.ask(["priority", String(number), "high"]);
  assertEquals(placesOf(await scene.transfers()), ["10.bin", "8.bin", "9.bin"]);
  scene.holder.signal("SIGCONT");
  assertEquals(ofType(assertDone(await fetching.end()), "fetched").length, names.length);
});

Deno.test("after a SIGKILL the peer goes on with two unfinished fetches by itself, fetches nothing twice, and leaves receipts", async () => {
  await using scene = await Scene.open({ "a.bin": largeBytes, "b.bin": largeBytes });
  const names = ["a.bin", "b.bin"];
  const first = await Session.open(scene.stage, "bob");
  await scene.stall(names, () => first.program.type("fetch a.bin b.bin --no-sync\n"));
  await first.program.kill();
  const left = readJournals(scene.home);
  assertEquals(left.length, 2);
  scene.holder.signal("SIGCONT");

  const second = await Session.open(scene.stage, "bob");
  await second.program.note("Unfinished fetches of an earlier run: 2 go on");
  for (const name of names) await second.program.note(`Fetched ${name}: it is in `);
  for (const name of names) await scene.assertArrived(name);
  assertEquals([await listFiles(scene.folder), readJournals(scene.home)], [names, []]);
  const receipts = ofType({ lines: await second.run("receipts") }, "receipt");
  assertEquals(
    receipts.map((line) => line["fetchedBytes"] as number).sort(),
    left.map((journal) => largeBytes - verifiedBytes(journal)).sort(),
  );
  const [receipt] = receipts;
  const [holder] = receipt!["holders"] as Line[];
  assertEquals([holder!["account"], holder!["bytes"]], ["alice", receipt!["fetchedBytes"]]);
  assert(/^[0-9a-f]{64}$/.test(holder!["deviceId"] as string));

  const path = fetchedPath(scene.stage, "bob", "a.bin");
  for (const word of [path, "a.bin"]) {
    const verified = ofType({ lines: await second.run(`verify --receipt ${word}`) }, "verified");
    assertEquals(verified.map((line) => [line["path"], line["name"], line["by"]]), [[path, "a.bin", "receipt"]]);
  }
  const line = scene.stage.path("receipt.json");
  await Deno.writeTextFile(line, JSON.stringify(receipts.find(({ name }) => name === "a.bin")) + "\n");
  {
    using file = await Deno.open(path, { write: true });
    await file.seek(50_000_000, Deno.SeekMode.Start);
    await file.write(new Uint8Array([1]));
  }
  for (const word of [path, line]) {
    const [error] = ofType({ lines: await second.run(`verify --receipt ${word}`) }, "error");
    assertEquals(error?.["code"], "integrity", JSON.stringify(error));
  }
  second.program.type("", { last: true });
  assertDone(await second.program.end());
});

Deno.test("a paused fetch stays paused over a restart, one of a quick command is its own business, and each can be cancelled", async () => {
  await using scene = await Scene.open({ "large.bin": largeBytes });
  const first = await Session.open(scene.stage, "bob");
  const fetching = (await scene.stall(["large.bin"], () => scene.bob(["fetch", "large.bin", "--no-sync"])))!;
  await scene.ask(["pause", "all"]);
  await first.program.kill();
  await fetching.end();
  scene.holder.signal("SIGCONT");
  const second = await Session.open(scene.stage, "bob");
  await second.program.note("Unfinished fetches of an earlier run: 1 paused");
  const states = async () => (await scene.transfers()).map(({ state }) => state);
  assertEquals(await states(), ["paused"]);
  second.program.type("", { last: true });
  assertDone(await second.program.end());
  // Nobody serves the home now: the command looks at what is kept.
  assertEquals(await states(), ["paused"]);
  await scene.ask(["cancel", "all"]);
  assertEquals([await listFiles(scene.folder), readJournals(scene.home), await states()], [[], [], []]);
});
