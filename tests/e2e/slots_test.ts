/** A holder whom more fetch from than it sends to at once: who waits knows its place, and everything arrives. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { limits } from "../../lib/core/limits.ts";
import { type Line, Stage } from "../../scripts/programs.ts";
import { assertDone, ofType } from "./ended.ts";
import { fetchedPath, sha256, writeRandom } from "./files.ts";
import { Session } from "./session.ts";

const accounts = { alice: "alice's password", bob: "bob's password", carol: "carol's password" };
const files = 8;
const homes = { bob: "bob", bob2: "bob", carol: "carol" };

Deno.test("who fetches from a holder without a free slot sees its place, and gets the file in its turn", async () => {
  await using stage = await Stage.open(accounts);
  await stage.coordinator();
  const names = Array.from({ length: files }, (_, i) => `many/${i}.bin`);
  await Deno.mkdir(stage.path("many"));
  for (const name of names) await writeRandom(stage.path(name), 300_000);
  // So slow that all slots are taken when the others come.
  await stage.peer("alice", ["share", stage.path("many"), "--limit-up", "10k"]).ready();
  const sessions = await Promise.all(
    Object.entries(homes).map(([home, account]) => Session.open(stage, account, home)),
  );
  for (const { program } of sessions) program.type("fetch many/* --no-sync\n");

  const transfers = async (home: string, account: string, direction: "up" | "down") =>
    ofType(assertDone(await stage.peer(account, ["transfers"], { home }).end()), "transfer")
      .filter((line) => line["direction"] === direction);
  const waiting = (lines: readonly Line[]) => lines.filter(({ state }) => state === "waiting");
  let uploads: readonly Line[] = [];
  while (uploads.length < files * sessions.length) uploads = await transfers("alice", "alice", "up");
  // One that has a slot and has not asked yet keeps nobody waiting: for a moment there may be more.
  const sentTo = uploads.length - waiting(uploads).length;
  assert(sentTo >= limits.uploadSlots && sentTo < uploads.length, `${sentTo} of ${uploads.length} have a slot`);
  let queued: readonly Line[] = [];
  while (queued.length === 0) {
    const all = await Promise.all(Object.entries(homes).map(([home, account]) => transfers(home, account, "down")));
    queued = waiting(all.flat());
  }
  for (const { why } of queued) assertMatch(why as string, /^place \d+ at alice, in about \d+ s$/);

  assertDone(await stage.peer("alice", ["limit", "up", "unlimited"]).end());
  for (const { program } of sessions) {
    for (const name of names) await program.line((line) => line.type === "fetched" && line["name"] === name);
  }
  for (const name of names) {
    const hash = await sha256(stage.path(name));
    for (const home of Object.keys(homes)) assertEquals(await sha256(fetchedPath(stage, home, name)), hash);
  }
});
