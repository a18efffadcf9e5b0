/** Who sees what: shares for groups and accounts, filters and orders, and standing searches, by the real programs. */

import { assert, assertEquals } from "@std/assert";
import { randomBytes } from "node:crypto";
import { join } from "@std/path";
import { type Line, Stage } from "../../scripts/programs.ts";
import { assertDone } from "./ended.ts";
import { Session } from "./session.ts";

const accounts = { alice: "alice's password", bob: "bob's password", carol: "carol's password" };

/** Runs `coordinator group …` for a stage. */
async function group(stage: Stage, ...words: string[]): Promise<readonly Line[]> {
  const program = stage.start("coordinator", ["group", ...words, "--data", stage.path("data"), "--json"]);
  return assertDone(await program.end()).lines;
}

async function writeFiles(stage: Stage, sizes: Readonly<Record<string, number>>): Promise<(name: string) => string> {
  await Deno.mkdir(stage.path("src"));
  for (const [name, bytes] of Object.entries(sizes)) {
    await Deno.writeFile(stage.path("src", name), randomBytes(bytes));
  }
  return (name) => JSON.stringify(stage.path("src", name));
}

const names = (lines: readonly Line[]) => lines.filter(({ type }) => type === "file").map((line) => line["name"]);
const errorCode = (lines: readonly Line[]) => lines.find(({ type }) => type === "error")?.["code"];

/** Asks until it is so: the coordinator's answer is at once, a dial-back to a new peer is not. */
async function fetches(peer: Session, what: string): Promise<boolean> {
  return (await peer.run(`fetch --overwrite ${what}`)).some(({ type }) => type === "fetched");
}

Deno.test("a share for a group is found, fetched and located by its members alone, and a change holds at once", async () => {
  await using stage = await Stage.open(accounts);
  await stage.coordinator();
  const path = await writeFiles(stage, { "plan.odt": 300_000, "open.txt": 10, "note.txt": 5_000 });
  const [alice, bob, carol] = await Promise.all(["alice", "bob", "carol"].map((one) => Session.open(stage, one)));
  assertEquals(errorCode(await alice!.run(`share ${path("plan.odt")} --to group:friends`)), "notFound");
  await group(stage, "create", "friends");
  for (const account of ["alice", "bob"]) await group(stage, "add", "Friends", account);
  assertEquals((await group(stage, "list"))[0], {
    type: "group",
    v: 1,
    name: "friends",
    members: ["alice", "bob"],
    createdAtMs: (await group(stage, "list"))[0]!["createdAtMs"],
  });

  const shared = await alice!.run(`share ${path("plan.odt")} --to group:friends --about "where we meet"`);
  const [file] = shared.filter(({ type }) => type === "shared");
  assertEquals(file?.["audience"], [{ kind: "group", name: "friends" }]);
  await alice!.run(`share ${path("note.txt")} --to bob`);
  await alice!.run(`share ${path("open.txt")}`);
  const id = file!["id"] as string;

  const found = await bob!.run("find plan");
  assertEquals(names(found), ["plan.odt"]);
  assertEquals(found.find(({ type }) => type === "file")?.["description"], "where we meet");
  assertEquals(names(await bob!.run("find meet odt")), ["plan.odt"], "a word may be in the description");
  assertEquals(names(await bob!.run("find group:friends")), ["plan.odt"]);
  assertEquals(names(await bob!.run("find note")), ["note.txt"]);
  assertEquals(names(await carol!.run("find .")), ["open.txt"]);
  for (const question of ["find plan", "find meet", "find group:friends", "find note", "find by:alice odt"]) {
    assertEquals(errorCode(await carol!.run(question)), "notFound", question);
  }
  assertEquals(await fetches(bob!, "plan.odt"), true);
  for (const what of ["plan.odt", id, '"*.odt"', "note.txt"]) assertEquals(await fetches(carol!, what), false, what);
  const mine = (await alice!.run("myfiles")).filter(({ type }) => type === "file");
  const audiences = new Map(mine.map((line) => [line["name"], line["audience"]]));
  assertEquals([audiences.get("open.txt"), audiences.get("note.txt")], [undefined, [{ kind: "account", name: "bob" }]]);

  await group(stage, "add", "friends", "carol");
  assertEquals(names(await carol!.run("find plan")), ["plan.odt"]);
  assertEquals(await fetches(carol!, id), true);
  await group(stage, "remove", "friends", "carol");
  assertEquals(errorCode(await carol!.run("find plan")), "notFound");
  assertEquals(await fetches(carol!, "plan.odt"), false);

  await alice!.run(`share ${path("plan.odt")} --to everyone`);
  assertEquals(names(await carol!.run("find plan")), ["plan.odt"]);
  await alice!.run(`share ${path("plan.odt")} --to me`);
  assertEquals(errorCode(await bob!.run("find plan")), "notFound");
  await alice!.run(`share ${path("plan.odt")}`);
  assertEquals(errorCode(await bob!.run("find plan")), "notFound", "without --to it stays as it was");
});

Deno.test("a transfer ends when its fetcher may not see the file any more, and what an audience is survives restarts", async () => {
  await using stage = await Stage.open(accounts);
  const coordinator = await stage.coordinator();
  const path = await writeFiles(stage, { "large.bin": 20_000_000 });
  const bytes = 20_000_000;
  const alice = stage.peer("alice", ["--limit-up", "2M"], { isTypedTo: true });
  await alice.ready();
  const tell = async (line: string) => {
    const before = alice.lines.length;
    alice.type(`${line}\nstatus\n`);
    await alice.line((one) => one.type === "status", before);
  };
  await tell(`share ${path("large.bin")} --to bob,carol`);
  const carol = stage.peer("carol", ["fetch", "large.bin", "--timeout", "3"]);
  await carol.line((line) => line.type === "progress" && (line["doneBytes"] as number) > 0);
  await tell(`share ${path("large.bin")} --to bob`);
  const ended = await carol.end();
  assert(ended.code !== 0, ended.stdout);
  assert((ended.lines.findLast(({ type }) => type === "progress")!["doneBytes"] as number) < bytes);

  // Both programs come back, and nobody says for whom it is.
  await coordinator.kill();
  await alice.kill();
  await stage.coordinator();
  const again = await Session.open(stage, "alice");
  assertEquals(names(await again.run("myfiles")), ["large.bin"]);
  const bob = await Session.open(stage, "bob");
  assertEquals(names(await bob.run("find large")), ["large.bin"]);
  const other = await Session.open(stage, "carol");
  assertEquals(errorCode(await other.run("find large")), "notFound");
});

Deno.test("find filters, sorts and shows what is away when asked", async () => {
  await using stage = await Stage.open(accounts);
  await stage.coordinator();
  const sizes = { "film one.mkv": 3_000, "film two.mp4": 2_000, "film three.MKV": 1_000, "song.mp3": 4_000 };
  const path = await writeFiles(stage, sizes);
  const [alice, bob] = await Promise.all(["alice", "bob"].map((one) => Session.open(stage, one)));
  for (const name of Object.keys(sizes)) await alice!.run(`share ${path(name)}`);
  await bob!.run(`share ${path("song.mp3")}`);
  const find = async (words: string) => names(await bob!.run(`find ${words}`));
  assertEquals(await find("film sort:size"), ["film one.mkv", "film two.mp4", "film three.MKV"]);
  assertEquals(await find("film sort:size-asc"), ["film three.MKV", "film two.mp4", "film one.mkv"]);
  assertEquals(await find("sort:name film"), ["film one.mkv", "film three.MKV", "film two.mp4"]);
  assertEquals(await find("o m sort:age"), ["song.mp3", "film two.mp4", "film one.mkv"]);
  assertEquals(await find("sort:holders sort.nothing"), [], "a word that nothing has");
  assertEquals((await find("by:alice sort:holders"))[0], "song.mp3");
  assertEquals(await find("ext:mkv two"), []);
  assertEquals((await find("ext:mkv")).toSorted(), ["film one.mkv", "film three.MKV"]);
  assertEquals(await find("film size:>1k size"), []);
  assertEquals((await find("film size:2k..3k sort:size")).length, 2);
  assertEquals(await find("by:bob"), ["song.mp3"]);
  assertEquals(await find("by:nobody"), []);
  assertEquals((await find("age:<1h")).length, 4);
  assertEquals(await find("age:>1h"), []);
  assertEquals(await find("sort:size --limit 1"), ["song.mp3"]);
  await alice!.program.kill();
  // Told by silence: three keep-alives. Who leaves says so.
  const other = await Session.open(stage, "alice");
  other.program.type("quit\n");
  await other.program.end();
  assertEquals(await find("film"), []);
  const away = (await bob!.run("find film --offline sort:name")).filter(({ type }) => type === "file");
  assertEquals(away.map((line) => line["holders"]), [0, 0, 0]);
});

Deno.test("watch tells what appears, also what appeared while the peer was away, and only what may be seen", async () => {
  await using stage = await Stage.open(accounts);
  await stage.coordinator();
  const path = await writeFiles(stage, { "linux 1.iso": 10, "linux 2.iso": 20, "linux 3.iso": 30, "linux 4.iso": 40 });
  const alice = await Session.open(stage, "alice");
  const bob = await Session.open(stage, "bob");
  const [watch] = await bob.run("watch linux ext:iso");
  assertEquals([watch?.type, watch?.["number"], watch?.["state"]], ["watch", 1, "watching"]);
  await alice.run(`share ${path("linux 1.iso")}`);
  const first = await bob.program.line(({ type }) => type === "found");
  assertEquals([first["name"], first["watch"], first["bytes"]], ["linux 1.iso", 1, 10]);
  await alice.run(`share ${path("linux 2.iso")} --to carol`);
  await alice.run(`share ${path("linux 3.iso")} --to bob`);
  const second = await bob.program.line(({ type, name }) => type === "found" && name !== "linux 1.iso");
  assertEquals(second["name"], "linux 3.iso", "what is for carol is not told");

  bob.program.type("quit\n");
  await bob.program.end();
  await alice.run(`share ${path("linux 4.iso")}`);
  const back = await Session.open(stage, "bob");
  const missed = await back.program.line(({ type }) => type === "found");
  assertEquals(missed["name"], "linux 4.iso", "what was told is not told again");
  const listed = (await back.run("watch list")).filter(({ type }) => type === "watch");
  assertEquals(listed.map((line) => [line["number"], line["words"], line["state"]]), [[
    1,
    ["linux", "ext:iso"],
    "watching",
  ]]);
  assertEquals((await back.run("watch remove 1")).map(({ type }) => type).includes("unwatched"), true);
  assertEquals((await back.run("watch list")).filter(({ type }) => type === "watch"), []);
  assertEquals(errorCode(await back.run("watch ab")), "usage");
  assertEquals(await exists(join(stage.path("home-bob"), "state", "watches.json")), true);
});

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}
