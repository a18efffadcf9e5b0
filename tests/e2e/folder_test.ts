/** A folder of many small files with all that may be among them: fetched by its name, in one go, over interruptions, and with holes. */

import { assert, assertEquals } from "@std/assert";
import { basename } from "@std/path";
import { Stage } from "../../scripts/programs.ts";
import { assertDone, assertFailed, ofType, said } from "./ended.ts";
import { fetchedPath, listFiles, sha256, writeRandom, writeText } from "./files.ts";

const accounts = { alice: "alice's password", bob: "bob's password" };
const smallCount = 300;
const small = (index: number) => `album/${index % 5 === 0 ? "" : `in ${index % 5}/ü/`}${index}.txt`;

/** A coordinator and alice, who shares a folder: small files, one of several pieces, one empty. */
async function shareAlbum(stage: Stage): Promise<readonly string[]> {
  await stage.coordinator();
  const names = Array.from({ length: smallCount }, (_, index) => small(index));
  for (const name of names) await writeText(stage.path(name), `${name} `.repeat(600));
  await writeRandom(stage.path("album/large.bin"), 1_500_000);
  await writeText(stage.path("album/in 1/empty"), "");
  await stage.peer("alice", ["share", stage.path("album")]).ready();
  return [...names, "album/large.bin", "album/in 1/empty"].sort();
}

/** Asserts that files have what was shared under their names. */
async function assertSame(stage: Stage, names: readonly string[]): Promise<void> {
  for (const name of names) {
    assertEquals(await sha256(fetchedPath(stage, "bob", name)), await sha256(stage.path(name)), name);
  }
}

Deno.test("a folder of many small files, a large one and an empty one arrives whole by its name, and is then there", async () => {
  await using stage = await Stage.open(accounts);
  const names = await shareAlbum(stage);
  const fetched = assertDone(await stage.peer("bob", ["fetch", "album"]).end());
  assertEquals(ofType(fetched, "fetched").map((line) => line["name"] as string).sort(), names);
  const [summary, ...more] = ofType(fetched, "summary");
  assertEquals([summary?.["files"], summary?.["done"], more], [names.length, names.length, []]);
  assertEquals(await listFiles(stage.path("files-bob")), names);
  await assertSame(stage, names);

  const again = assertDone(await stage.start("peer", [...stage.peerWords("bob"), "fetch", "album"]).end());
  const lines = again.stdout.trim().split("\n");
  assertEquals(lines.length, 1, said(again));
  assert(lines[0]!.startsWith(`fetched ${names.length} files (`) && lines[0]!.endsWith("was there already)"), lines[0]);
});

Deno.test("a fetch of a folder that is killed in its middle leaves whole files alone, and the next goes on and cleans up", async () => {
  await using stage = await Stage.open(accounts);
  const names = await shareAlbum(stage);
  const folder = stage.path("files-bob");
  const fetching = stage.peer("bob", ["fetch", "album", "--limit-down", "500k"]);
  await fetching.line((line) => line.type === "fetched" && line["bytes"] !== 0);
  fetching.signal("SIGKILL");
  assertEquals((await fetching.end()).signal, "SIGKILL");
  const before = (await listFiles(folder)).filter((name) => !name.endsWith(".part"));
  assert(before.length > 0 && before.length < names.length, `${before.length} were there`);
  await assertSame(stage, before);
  // As if it had been killed while it wrote: the list of what it was writing names a file that nobody finished.
  await leaveHalf(stage);

  const rest = assertDone(await stage.peer("bob", ["fetch", "album"]).end());
  assertEquals(await listFiles(folder), names, "and nothing half-written");
  await assertSame(stage, names);
  const there = ofType(rest, "fetched").filter((line) => line["fetchedBytes"] === 0 && line["bytes"] !== 0);
  assertEquals(there.map((line) => line["name"]).sort(), before.filter((name) => basename(name) !== "empty"));
  assertEquals(there.flatMap((line) => line["holders"]), []);
  assertEquals((await listFiles(stage.path("home-bob"))).filter((name) => name.endsWith(".small")), []);
});

/** Puts a half-written file beside the others, as the list of the run that was killed has one. */
async function leaveHalf(stage: Stage): Promise<void> {
  const lists = (await listFiles(stage.path("home-bob"))).filter((name) => name.endsWith(".small"));
  assertEquals(lists.length, 1, "the list of the run that was killed");
  const paths = (await Deno.readTextFile(stage.path("home-bob", lists[0]!))).trim().split("\n").map((line) =>
    JSON.parse(line)
  );
  const half = paths.find((path: string) => !path.includes("in "))!;
  await Deno.writeTextFile(half, "half");
}

Deno.test("a file that is gone from its holder fails alone, and the rest of the folder arrives", async () => {
  await using stage = await Stage.open(accounts);
  const names = await shareAlbum(stage);
  await Deno.remove(stage.path(small(7)));
  const ended = await stage.peer("bob", ["fetch", "album", "--timeout", "3"]).end();
  const error = assertFailed(ended, 7, "unfinished");
  assert((error["message"] as string).includes(small(7)), said(ended));
  assertEquals(ofType(ended, "error").length, 1, said(ended));
  const rest = names.filter((name) => name !== small(7));
  assertEquals(await listFiles(stage.path("files-bob")), rest);
  await assertSame(stage, rest);
  const [summary] = ofType(ended, "summary");
  assertEquals([summary?.["files"], summary?.["done"]], [names.length, names.length - 1]);
});
