/**
 * SIGKILL at any point of a fetch costs less than 16 MB, and never a wrong byte. SHOAL_KILL_ROUNDS sets the number of rounds,
 * SHOAL_KILL_SEED where they are cut; the names of the tests tell both.
 */

import { assert, assertEquals } from "@std/assert";
import { mib } from "../../lib/core/limits.ts";
import { type Program, Stage } from "../../scripts/programs.ts";
import { assertDone, ofType } from "./ended.ts";
import { fetchedPath, listFiles, sha256, writeRandom } from "./files.ts";
import { journalBytes, readJournal } from "./journals.ts";
import { readBytes } from "./read_bytes.ts";

const fileBytes = 200_000_000;
const pieceBytes = mib / 4;
const pieces = Math.ceil(fileBytes / pieceBytes);
/** Header, and two records a piece: asked, verified. */
const journalBytesMax = 128 + 16 * pieces;
const lossBytesMax = 16_000_000;

const rounds = Number(Deno.env.get("SHOAL_KILL_ROUNDS") ?? 50);
const seed = Number(Deno.env.get("SHOAL_KILL_SEED") ?? crypto.getRandomValues(new Uint32Array(1))[0]);
/** Rounds run side by side, each lane on a stage of its own: a program that starts uses one core. */
const lanes = [0, 1];

Deno.test(`a fetch killed at ${rounds} points goes on by the same command, with less than 16 MB sent twice (seed ${seed})`, async () => {
  await Promise.all(lanes.map(async (lane) => {
    await using scene = await Scene.open();
    const holder = await scene.share();
    for (let round = lane; round < rounds; round += lanes.length) {
      const before = await readBytes(holder.pid);
      await scene.killAndGoOn(round, async () => {});
      const after = await readBytes(holder.pid);
      if (before === undefined || after === undefined) continue;
      const lossBytes = after - before - fileBytes;
      assert(lossBytes >= 0, `the holder's reads do not tell what it sent: ${lossBytes}`);
      assert(lossBytes < lossBytesMax, `${lossBytes} bytes were sent twice in round ${round} of seed ${seed}`);
    }
  }));
});

Deno.test(`a fetch goes on by itself when its holder is killed and comes back on another port (seed ${seed})`, async () => {
  await using scene = await Scene.open();
  for (const round of [101, 102, 103]) {
    const holder = await scene.share();
    const fetching = scene.fetch();
    await scene.untilCut(round, fetching);
    await holder.kill();
    const again = await scene.share();
    const ended = assertDone(await fetching.end());
    assertEquals(ofType(ended, "fetched")[0]?.["fetchedBytes"], fileBytes, ended.stdout);
    await scene.assertArrived(ended.stdout);
    await again.kill();
  }
});

Deno.test(`a fetch and its holder are both killed, and both go on by the same commands (seed ${seed})`, async () => {
  await using scene = await Scene.open();
  let holder = await scene.share();
  for (const round of [201, 202, 203]) {
    await scene.killAndGoOn(round, async () => {
      await holder.kill();
      holder = await scene.share();
    });
  }
});

/** A coordinator, a file, and the two commands. */
class Scene implements AsyncDisposable {
  readonly #stage: Stage;
  readonly #source: string;
  readonly #sourceHash: string;
  readonly #home: string;

  private constructor(stage: Stage, source: string, sourceHash: string) {
    this.#stage = stage;
    this.#source = source;
    this.#sourceHash = sourceHash;
    this.#home = stage.path("home-bob");
  }

  static async open(): Promise<Scene> {
    const stage = await Stage.open({ alice: "alice's password", bob: "bob's password" });
    await stage.coordinator();
    const source = stage.path("big.bin");
    await writeRandom(source, fileBytes);
    return new Scene(stage, source, await sha256(source));
  }

  async share(): Promise<Program> {
    const holder = this.#stage.peer("alice", ["share", this.#source]);
    await holder.ready();
    return holder;
  }

  /** A SIGKILL takes nothing from the page cache: without waiting for the disk there is time for more rounds. */
  fetch(): Program {
    return this.#stage.peer("bob", ["fetch", "big.bin", "--no-sync"]);
  }

  /** Waits until the journal has grown to where this round cuts, or the fetch is done. */
  async untilCut(round: number, fetching: Program): Promise<void> {
    const cut = cutOf(round);
    while (!fetching.hasEnded && journalBytes(this.#home) < cut) await new Promise((wake) => setTimeout(wake, 1));
  }

  /** Kills a fetch where this round cuts, lets `meanwhile` happen, and runs the same command again. */
  async killAndGoOn(round: number, meanwhile: () => Promise<void>): Promise<void> {
    const first = this.fetch();
    await this.untilCut(round, first);
    await first.kill();
    await meanwhile();
    const left = readJournal(this.#home);
    const ended = assertDone(await this.fetch().end());
    const second = ofType(ended, "fetched")[0]!;
    const where = `round ${round} of seed ${seed}, after ${first.stdout} then ${ended.stdout}`;
    // The kill may come before the first run made a journal, and after it gave the file its final name.
    const { verified, asked } = left ?? { verified: new Set<number>(), asked: new Set<number>() };
    const wasNamed = left === undefined && second["fetchedBytes"] === 0;
    if (!wasNamed) assertEquals(second["fetchedBytes"], fileBytes - bytesOf(verified), where);
    assertEquals(second["refetchedBytes"], bytesOf(asked.difference(verified)), where);
    if (ofType(first, "fetched").length > 0) assert(wasNamed, where);
    await this.assertArrived(where);
  }

  /** Asserts that the file is here, whole, and nothing beside it; then removes it. */
  async assertArrived(where: string): Promise<void> {
    const path = fetchedPath(this.#stage, "bob", "big.bin");
    assertEquals(await sha256(path), this.#sourceHash, where);
    assertEquals(await listFiles(this.#stage.path("files-bob")), ["big.bin"], where);
    assertEquals(journalBytes(this.#home), 0, where);
    await Deno.remove(path);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stage[Symbol.asyncDispose]();
  }
}

/** The size of the journal at which a round cuts; for some a little beyond the last, while the file is given its name. */
function cutOf(round: number): number {
  // Mulberry32: the same seed gives the same points.
  const state = (seed + round * 0x6d2b79f5) | 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return Math.floor(((t ^ (t >>> 14)) >>> 0) / 2 ** 32 * 1.02 * journalBytesMax);
}

function bytesOf(some: ReadonlySet<number>): number {
  return some.size * pieceBytes - (some.has(pieces - 1) ? pieces * pieceBytes - fileBytes : 0);
}
