/** Limits of the real programs. A time is only ever bounded from below: what is limited cannot be quicker. */

import { assert, assertEquals } from "@std/assert";
import { Stage } from "../../scripts/programs.ts";
import { assertDone, assertFailed, ofType, said } from "./ended.ts";
import { fetchedPath, sha256, writeRandom } from "./files.ts";

const accounts = { alice: "alice's password", bob: "bob's password" };
const bytes = 24_000_000;

/** Alice shares a file under some options; answers its path. */
async function shareLimited(stage: Stage, ...options: readonly string[]): Promise<string> {
  await stage.coordinator();
  const source = stage.path("film.mkv");
  await writeRandom(source, bytes);
  await stage.peer("alice", ["share", source, ...options]).ready();
  return source;
}

Deno.test("24 MB at --limit-up 8M, and at --limit-down 8M, take as long as that takes, and arrive whole", async () => {
  await using stage = await Stage.open(accounts);
  const source = await shareLimited(stage, "--limit-up", "8M");
  const fetch = async (home: string, ...options: readonly string[]) => {
    const fetched = assertDone(await stage.peer("bob", ["fetch", "film.mkv", ...options], { home }).end());
    const tookMs = ofType(fetched, "fetched")[0]!["tookMs"] as number;
    assert(tookMs >= 2_800, `${tookMs} ms`);
    assertEquals(await sha256(fetchedPath(stage, home, "film.mkv")), await sha256(source));
  };
  await fetch("bob");
  const limits = ofType(assertDone(await stage.peer("alice", ["limit"]).end()), "limit");
  assertEquals(
    limits.map((line) => [line["direction"], line["number"], line["bytesPerSecond"], line["by"]]),
    [["up", null, 8_000_000, "option"], ["down", null, null, "option"]],
  );
  assertDone(await stage.peer("alice", ["limit", "up", "unlimited"]).end());
  await fetch("other", "--limit-down", "8M");
});

Deno.test("limits are changed while a transfer runs: of all, and of that one alone", async () => {
  await using stage = await Stage.open(accounts);
  const source = await shareLimited(stage, "--limit-schedule", "up 00:00-24:00=20k");
  const limit = async (...words: readonly string[]) =>
    ofType(assertDone(await stage.peer("alice", ["limit", ...words]).end()), "limit");
  assertEquals((await limit())[0]!["window"], "00:00-24:00");

  const fetching = stage.peer("bob", ["fetch", "film.mkv"]);
  let upload: unknown;
  while (upload === undefined) {
    assert(!fetching.hasEnded, said(fetching));
    const transfers = ofType(assertDone(await stage.peer("alice", ["transfers"]).end()), "transfer");
    upload = transfers.find((line) => line["direction"] === "up" && (line["doneBytes"] as number) > 0)?.["number"];
  }
  assertFailed(await stage.peer("alice", ["limit", "up", "1M", "999"]).end(), 3, "notFound");
  const [own] = await limit("up", "30k", String(upload));
  assertEquals([own!["number"], own!["name"], own!["bytesPerSecond"]], [upload, "film.mkv", 30_000]);
  assertEquals((await limit("up", "unlimited"))[0]!["by"], "command");
  // At 30 kB/s it takes 13 minutes; by the limit of all it would be over by now.
  assertEquals((await limit()).map((line) => line["bytesPerSecond"]), [null, null, 30_000]);
  assert(!fetching.hasEnded, said(fetching));
  await limit("up", "unlimited", String(upload));
  assertDone(await fetching.end());
  assertEquals(await sha256(fetchedPath(stage, "bob", "film.mkv")), await sha256(source));
});

Deno.test("with --lan-unlimited this machine's own addresses are exempt", async () => {
  await using stage = await Stage.open(accounts);
  // At this rate it would take hours.
  await shareLimited(stage, "--limit-up", "1k", "--lan-unlimited");
  assertDone(await stage.peer("bob", ["fetch", "film.mkv"]).end());
});
