/** A disk that is full or read-only ends a fetch with an exit code of its own; what is verified is kept. */

import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { mib } from "../../lib/core/limits.ts";
import { Stage } from "../../scripts/programs.ts";
import { assertDone, assertFailed, ofType, said } from "./ended.ts";
import { fetchedPath, listFiles, sha256, writeSparse } from "./files.ts";
import { readJournal } from "./journals.ts";
import { stopFetch } from "./stopped_fetch.ts";

const accounts = { alice: "alice's password", bob: "bob's password" };
const fileBytes = 96 * mib;
const pieceBytes = mib / 4;

function run(command: string, ...args: string[]): boolean {
  try {
    return new Deno.Command(command, { args, stderr: "null" }).outputSync().success;
  } catch {
    return false;
  }
}

/** Mounts a file system in memory; undefined where this user may not. */
function mount(path: string, options: string): Disposable | undefined {
  Deno.mkdirSync(path, { recursive: true });
  if (!run("mount", "-t", "tmpfs", "-o", options, "tmpfs", path)) return undefined;
  // Lazily: a test that failed may have left a program that has files open there.
  return { [Symbol.dispose]: () => assert(run("umount", "-l", path)) };
}

const mayMount = (() => {
  const folder = Deno.makeTempDirSync();
  try {
    using disk = mount(folder, "size=1m");
    return disk !== undefined;
  } finally {
    Deno.removeSync(folder);
  }
})();
if (!mayMount) console.log("skipped: disk_test needs to be root to mount a small file system");

Deno.test({
  name: "a disk that fills up ends a fetch with exit 9, and with room again the same command fetches the rest",
  ignore: !mayMount,
  async fn() {
    await using stage = await Stage.open(accounts);
    await stage.coordinator();
    const source = stage.path("large.bin");
    await writeSparse(source, fileBytes);
    await stage.peer("alice", ["share", source]).ready();
    using _disk = mount(stage.path("files-bob"), "size=100m");
    const command = ["fetch", "large.bin"];
    const target = fetchedPath(stage, "bob", "large.bin");
    const fetching = await stopFetch({ stage, account: "bob", command, undo: () => Deno.remove(target) });
    const filler = stage.path("files-bob", "filler");
    fill(filler);
    fetching.signal("SIGCONT");
    const error = assertFailed(await fetching.end(), 9, "diskFull");
    assertNotEquals(error["hint"], "");
    assertEquals(await listFiles(stage.path("files-bob")), ["filler", "large.bin.part"]);
    const left = readJournal(stage.path("home-bob"));
    assert(left !== undefined && left.verified.size > 0);
    assertFailed(await stage.peer("bob", command).end(), 9, "diskFull");

    await Deno.remove(filler);
    const ended = assertDone(await stage.peer("bob", command).end());
    const restBytes = fileBytes - left.verified.size * pieceBytes;
    assertEquals(ofType(ended, "fetched")[0]?.["fetchedBytes"], restBytes, said(ended));
    assertEquals(await sha256(target), await sha256(source));
  },
});

Deno.test({
  name: "a file that is larger than the room there is ends a fetch with exit 9 before a byte is fetched",
  ignore: !mayMount,
  async fn() {
    await using stage = await Stage.open(accounts);
    await stage.coordinator();
    const source = stage.path("large.bin");
    await writeSparse(source, fileBytes);
    await stage.peer("alice", ["share", source]).ready();
    using _disk = mount(stage.path("files-bob"), "size=50m");
    const ended = await stage.peer("bob", ["fetch", "large.bin"]).end();
    assertFailed(ended, 9, "diskFull");
    assertEquals(ofType(ended, "progress"), []);
    assertEquals(await listFiles(stage.path("files-bob")), []);
  },
});

Deno.test({
  name: "a folder that nobody may write to ends a fetch with exit 11 and what to do",
  ignore: !mayMount,
  async fn() {
    await using stage = await Stage.open(accounts);
    await stage.coordinator();
    const source = stage.path("small.txt");
    await Deno.writeTextFile(source, "small");
    await stage.peer("alice", ["share", source]).ready();
    using _disk = mount(stage.path("files-bob"), "ro");
    const error = assertFailed(await stage.peer("bob", ["fetch", "small.txt"]).end(), 11, "io");
    assertEquals(error["hint"], "Choose a writable folder with --dir");
  },
});

/** Writes until there is no room. */
function fill(path: string): void {
  using file = Deno.createSync(path);
  for (const step of [new Uint8Array(mib), new Uint8Array(4_096)]) {
    try {
      while (true) file.writeSync(step);
    } catch (error) {
      assert(error instanceof Error && /os error 28/.test(error.message), String(error));
    }
  }
}
