/** A fetch takes from everybody who has the file, also from those who still fetch it, and from nobody who lies. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { mib } from "../../lib/core/limits.ts";
import { type Line, Stage } from "../../scripts/programs.ts";
import { assertDone, ofType, said } from "./ended.ts";
import { fetchedPath, rot, sha256, writeRandom } from "./files.ts";
import { Session } from "./session.ts";

const holders = ["alice", "carol", "dave"] as const;
const accounts = { alice: "a's password", bob: "b's password", carol: "c's password", dave: "d's password" };

/** A copy of a file for each account, so that each shares its own. */
async function copies(stage: Stage, name: string, bytes: number): Promise<Readonly<Record<string, string>>> {
  const original = stage.path("original");
  await writeRandom(original, bytes);
  const paths: Record<string, string> = {};
  for (const account of holders) {
    paths[account] = stage.path(account, name);
    await Deno.mkdir(stage.path(account), { recursive: true });
    await Deno.copyFile(original, paths[account]!);
  }
  return paths;
}

/** Bytes by account. */
function delivered(fetched: Line): Record<string, number> {
  const from = fetched["holders"] as readonly { readonly account: string; readonly bytes: number }[];
  return Object.fromEntries(from.map(({ account, bytes }) => [account, bytes]));
}

Deno.test("two fetches of one slow holder's file give each other what they have", async () => {
  await using stage = await Stage.open(accounts);
  await stage.coordinator();
  const source = stage.path("slow.bin");
  await writeRandom(source, 16 * mib);
  await stage.peer("alice", ["share", source, "--limit-up", "4M"]).ready();
  const accountsThatFetch = ["bob", "carol"] as const;
  const ended = await Promise.all(accountsThatFetch.map((one) => stage.peer(one, ["fetch", "slow.bin"]).end()));
  let fromAlice = 0;
  for (const [i, account] of accountsThatFetch.entries()) {
    const from = delivered(ofType(assertDone(ended[i]!), "fetched")[0]!);
    fromAlice += from["alice"]!;
    assert(from[accountsThatFetch[1 - i]!]! > 0, `${account} got nothing of the other: ${JSON.stringify(from)}`);
    assertEquals(await sha256(fetchedPath(stage, account, "slow.bin")), await sha256(source));
  }
  assert(fromAlice < 1.7 * 16 * mib, `the slow one sent ${fromAlice} bytes`);
});

Deno.test("of three holders one that lies is named and left, and what the others send is whole", async () => {
  await using stage = await Stage.open(accounts);
  await stage.coordinator();
  const bytes = 48 * mib;
  const paths = await copies(stage, "shared.bin", bytes);
  const carol = await Session.open(stage, "carol");
  await carol.run(`share '${paths["carol"]}'`);
  await carol.program.kill();
  // Every other piece, so that it cannot get by with those that are right.
  for (let offset = 1000; offset < bytes; offset += mib / 2) rot(paths["carol"]!, offset, stage.path("home-carol"));
  await Session.open(stage, "carol");
  for (const account of ["alice", "dave"]) await stage.peer(account, ["share", paths[account]!]).ready();

  const ended = assertDone(await stage.peer("bob", ["fetch", "shared.bin"]).end());
  const from = delivered(ofType(ended, "fetched")[0]!);
  assert(from["alice"]! > 0 && from["dave"]! > 0, JSON.stringify(from));
  assertStringIncludes(said(ended), "carol (");
  assertStringIncludes(said(ended), "sent a wrong piece");
  assertEquals(await sha256(fetchedPath(stage, "bob", "shared.bin")), await sha256(paths["alice"]!));
});

Deno.test("holders that vanish are done without, and one that comes is asked while the fetch runs", async () => {
  await using stage = await Stage.open(accounts);
  await stage.coordinator();
  const paths = await copies(stage, "wandering.bin", 24 * mib);
  const slowly = ["--limit-up", "4M"];
  const first = stage.peer("alice", ["share", paths["alice"]!, ...slowly]);
  await first.ready();
  const fetching = stage.peer("bob", ["fetch", "wandering.bin"]);
  await fetching.line((line) => line.type === "progress" && (line["doneBytes"] as number) > 0);
  await stage.peer("carol", ["share", paths["carol"]!, ...slowly]).ready();
  await fetching.line((line) => line.type === "progress" && line["holders"] === 2);
  await first.kill();
  const ended = assertDone(await fetching.end());
  const from = delivered(ofType(ended, "fetched")[0]!);
  assert(from["alice"]! > 0 && from["carol"]! > 0, JSON.stringify(from));
  assertEquals(await sha256(fetchedPath(stage, "bob", "wandering.bin")), await sha256(paths["carol"]!));
});
