/** Many at once, and one very large: everything arrives, once, and memory stays small. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { statfsSync } from "node:fs";
import { mib } from "../../lib/core/limits.ts";
import { Stage } from "../../scripts/programs.ts";
import { assertDone, assertFailed, ofType, said } from "./ended.ts";
import { fetchedPath, listFiles, sha256, writeRandom, writeSparse, writeText } from "./files.ts";
import { Session } from "./session.ts";
import { stopFetch } from "./stopped_fetch.ts";

const accounts = {
  alice: "alice's password",
  bob: "bob's password",
  carol: "carol's password",
  dave: "dave's password",
};

Deno.test("three peers fetch six files each from two holders, all at once, and every file is whole", async () => {
  await using stage = await Stage.open(accounts);
  await stage.coordinator();
  const names = ["1.bin", "2.bin", "3.bin", "4.bin", "5.bin", "6.bin"];
  await Deno.mkdir(stage.path("many"));
  for (const [i, name] of names.entries()) await writeRandom(stage.path("many", name), 3_000_000 + i);
  const holders = ["alice", "carol"].map((account) => stage.peer(account, ["share", stage.path("many")]));
  await Promise.all(holders.map((holder) => holder.ready()));
  const homes = ["bob", "dave", "carol2"];
  const fetches = homes.map((home) => {
    return stage.peer(home.replace("2", ""), ["fetch", home === "bob" ? "many" : "many/*"], { home });
  });
  for (const fetch of fetches) assertEquals(ofType(assertDone(await fetch.end()), "fetched").length, names.length);
  for (const name of names) {
    const hash = await sha256(stage.path("many", name));
    for (const home of homes) {
      assertEquals(await sha256(fetchedPath(stage, home, `many/${name}`)), hash, `${home} ${name}`);
    }
  }
});

Deno.test("the same file fetched twice at once to one place is fetched once, and the other fetch is refused", async () => {
  await using stage = await Stage.open(accounts);
  await stage.coordinator();
  const source = stage.path("large.bin");
  await writeSparse(source, 96 * mib);
  await stage.peer("alice", ["share", source]).ready();
  const target = fetchedPath(stage, "bob", "large.bin");
  const undo = () => Deno.remove(target);
  const first = await stopFetch({ stage, account: "bob", command: ["fetch", "large.bin"], undo });
  const second = await stage.peer("dave", ["fetch", "large.bin", "--dir", stage.path("files-bob")]).end();
  const error = assertFailed(second, 10, "exists");
  assertStringIncludes(error["message"] as string, "another fetch is writing it now");
  first.signal("SIGCONT");
  assertDone(await first.end());
  assertEquals(await sha256(target), await sha256(source));
  assertEquals(await listFiles(stage.path("files-bob")), ["large.bin"]);
});

Deno.test("two commands of one home that fetch the same file fetch it once", async () => {
  await using stage = await Stage.open(accounts);
  await stage.coordinator();
  const source = stage.path("large.bin");
  await writeSparse(source, 96 * mib);
  const holder = stage.peer("alice", ["share", source]);
  await holder.ready();
  await Session.open(stage, "bob");
  const ended = await Promise.all([1, 2].map(() => stage.peer("bob", ["fetch", "large.bin", "--no-sync"]).end()));
  const fetched = ended.flatMap((one) => ofType(one, "fetched"));
  // Whichever came second was refused, or came so late that the file was there.
  assertEquals(fetched.filter((line) => line["fetchedBytes"] === 96 * mib).length, 1, ended.map(said).join());
  for (const one of ended) {
    if (ofType(one, "fetched").length === 0) assertFailed(one, 10, "exists");
    else assertDone(one);
  }
  assertEquals(await sha256(fetchedPath(stage, "bob", "large.bin")), await sha256(source));
});

Deno.test("a thousand small files arrive by one glob", async () => {
  await using stage = await Stage.open(accounts);
  await stage.coordinator();
  const names = Array.from({ length: 1_000 }, (_, i) => `small/${i}.txt`);
  for (const name of names) await writeText(stage.path(name), `${name} `.repeat(300));
  await stage.peer("alice", ["share", stage.path("small")]).ready();
  const fetched = assertDone(await stage.peer("bob", ["fetch", "small/*", "--no-sync"]).end());
  assertEquals(ofType(fetched, "fetched").length, names.length);
  for (const name of names) {
    assertEquals(await Deno.readTextFile(fetchedPath(stage, "bob", name)), `${name} `.repeat(300));
  }
});

const hugeBytes = 2_048 * mib;
const roomBytes = 6_000_000_000;
const memoryBytesMax = 300_000_000;
const place = statfsSync(Deno.env.get("TMPDIR") ?? "/tmp");
const hasRoom = place.bavail * place.bsize >= roomBytes;
if (!hasRoom) console.log(`skipped: a part of many_test needs ${roomBytes / 1e9} GB of room for temporary files`);

Deno.test({
  name: "a file of 2 GiB is shared and fetched in less than 300 MB of memory on either side",
  ignore: !hasRoom,
  async fn() {
    await using stage = await Stage.open(accounts);
    await stage.coordinator();
    const source = stage.path("huge.bin");
    await writeSparse(source, hugeBytes);
    const alice = stage.peer("alice", ["share", source]);
    await alice.ready();
    const bob = await Session.open(stage, "bob");
    const [fetched] = ofType({ lines: await bob.run("fetch huge.bin --no-sync") }, "fetched");
    assertEquals(fetched?.["fetchedBytes"], hugeBytes, said(bob.program));
    const peaks = await Promise.all([alice, bob.program].map(({ pid }) => peakBytes(pid)));
    for (const peak of peaks) assert(peak === undefined || peak < memoryBytesMax, `peaks of ${peaks.join()} bytes`);
    const same = new Deno.Command("cmp", { args: [source, fetchedPath(stage, "bob", "huge.bin")] });
    assert((await same.output()).success, "what arrived is not what was shared");
  },
});

/** The most memory that a process has had; undefined where the system does not tell. */
async function peakBytes(pid: number): Promise<number | undefined> {
  const { stdout } = await new Deno.Command("cat", { args: [`/proc/${pid}/status`], stderr: "null" }).output();
  const [, count] = /^VmHWM:\s*(\d+) kB$/m.exec(new TextDecoder().decode(stdout)) ?? [];
  return count === undefined ? undefined : Number(count) * 1024;
}
