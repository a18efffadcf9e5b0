/** Every command's good path and its failures, by the real programs. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { type Line, Stage } from "../../scripts/programs.ts";
import { assertFailed, ofType } from "./ended.ts";

const accounts = { alice: "alice's password", bob: "bob's password" };

async function writeFile(path: string, bytes: number | string): Promise<Uint8Array> {
  const content = typeof bytes === "string" ? new TextEncoder().encode(bytes) : new Uint8Array(bytes);
  if (typeof bytes === "number") {
    for (let at = 0; at < bytes; at += 65_536) {
      crypto.getRandomValues(content.subarray(at, Math.min(bytes, at + 65_536)));
    }
  }
  await Deno.writeFile(path, content);
  return content;
}

Deno.test("peers, find, fetch, myfiles and remove do what they say across two machines' worth of processes", async () => {
  await using stage = await Stage.open(accounts);
  await stage.coordinator();
  const source = stage.path("report 1.bin");
  const content = await writeFile(source, 3_000_000);
  const alice = stage.peer("alice", ["share", source]);
  const shared = await alice.line((line) => line.type === "shared");
  assertEquals([shared["name"], shared["bytes"]], ["report 1.bin", 3_000_000]);
  assert(/^[0-9a-f]{64}$/.test(shared["id"] as string));
  await alice.ready();

  const peers = await stage.peer("bob", ["peers"]).end();
  const seen = ofType(peers, "peer").find((line) => line["account"] === "alice");
  assertEquals(seen?.["online"], true);
  assertEquals(ofType(await stage.peer("bob", ["find", "REPORT"]).end(), "file").map((line) => line["holders"]), [1]);
  assertEquals(ofType(await stage.peer("bob", ["find", "rep*.bin"]).end(), "file").length, 1);

  const fetched = await stage.peer("bob", ["fetch", "report 1.bin"]).end();
  assertEquals(fetched.code, 0, fetched.stdout + fetched.stderr);
  const line = ofType(fetched, "fetched")[0]!;
  assertEquals(await Deno.readFile(line["path"] as string), content);
  assertEquals(line["refetchedBytes"], 0);
  assertEquals((line["holders"] as Line[]).map((holder) => [holder["account"], holder["bytes"]]), [[
    "alice",
    3_000_000,
  ]]);

  const again = await stage.peer("bob", ["fetch", shared["id"] as string]).end();
  assertEquals([again.code, ofType(again, "fetched")[0]?.["holders"]], [0, []]);

  const mine = await stage.peer("alice", ["myfiles"]).end();
  assertEquals(ofType(mine, "file").map((file) => file["name"]), ["report 1.bin"]);
  assertEquals((await stage.peer("alice", ["remove", "report 1.bin"]).end()).code, 0);
  assertFailed(await stage.peer("bob", ["find", "report"]).end(), 3, "notFound");
});

Deno.test("failures end with their own exit code and a line that says what to do", async () => {
  await using stage = await Stage.open(accounts);
  await stage.coordinator();
  assertFailed(await stage.peer("bob", ["fetch", "nothing"]).end(), 3, "notFound");
  assertFailed(await stage.peer("bob", ["remove", "nothing"]).end(), 3, "notFound");
  assertFailed(await stage.peer("bob", ["share", stage.path("nothing")]).end(), 3, "notFound");
  assertFailed(await stage.peer("bob", ["fetchh", "x"]).end(), 2, "usage");
  assertFailed(await stage.peer("bob", ["fetch"]).end(), 2, "usage");
  const nearest = assertFailed(await stage.peer("bob", ["peers", "--jsonn"]).end(), 2, "usage");
  assertStringIncludes(`${nearest["message"]} ${nearest["hint"]}`, "--json");
});

Deno.test("a wrong password, an unknown account and a disabled one are denied, and say the least", async () => {
  await using stage = await Stage.open(accounts);
  await stage.coordinator();
  await Deno.writeTextFile(stage.path("wrong"), "not it", { mode: 0o600 });
  const wrong = assertFailed(
    await stage.peer("bob", ["peers", "--password-file", stage.path("wrong")], { home: "w" }).end(),
    4,
    "denied",
  );
  await Deno.writeTextFile(stage.path("carol.password"), "not it", { mode: 0o600 });
  const unknown = assertFailed(await stage.peer("carol", ["peers"]).end(), 4, "denied");
  assertEquals((unknown["message"] as string).replace("carol", "bob"), wrong["message"]);
  const disabled = stage.start("coordinator", ["user", "disable", "bob", "--data", stage.path("data")]);
  assertEquals((await disabled.end()).code, 0);
  assertFailed(await stage.peer("bob", ["peers"]).end(), 4, "disabled");
});

Deno.test("a name that means two contents lists them and exits 2; an id fetches one of them", async () => {
  await using stage = await Stage.open(accounts);
  await stage.coordinator();
  const ids: string[] = [];
  for (const home of ["a1", "a2"]) {
    await Deno.mkdir(stage.path(home));
    await writeFile(stage.path(home, "same.txt"), `of ${home}`);
    const holder = stage.peer("alice", ["share", stage.path(home, "same.txt")], { home });
    ids.push((await holder.line((line) => line.type === "shared"))["id"] as string);
    await holder.ready();
  }
  const ambiguous = await stage.peer("bob", ["fetch", "same.txt"]).end();
  assertFailed(ambiguous, 2, "usage");
  for (const id of ids) assertStringIncludes(ambiguous.stdout, id);
  const one = await stage.peer("bob", ["fetch", ids[1]!]).end();
  assertEquals(one.code, 0, one.stdout + one.stderr);
  assertEquals(await Deno.readTextFile(join(stage.path("files-bob"), "same.txt")), "of a2");
  // The other content has the name taken by now.
  assertFailed(await stage.peer("bob", ["fetch", ids[0]!]).end(), 10, "exists");
  assertEquals((await stage.peer("bob", ["fetch", ids[0]!, "--rename"]).end()).code, 0);
  assertEquals(await Deno.readTextFile(join(stage.path("files-bob"), "same (1).txt")), "of a1");
  assertEquals((await stage.peer("bob", ["fetch", ids[0]!, "--overwrite"]).end()).code, 0);
  assertEquals(await Deno.readTextFile(join(stage.path("files-bob"), "same.txt")), "of a1");
});

Deno.test("files of 0 bytes, 1 byte and around block and piece borders arrive whole, by one glob", async () => {
  await using stage = await Stage.open(accounts);
  await stage.coordinator();
  const folder = stage.path("sizes");
  await Deno.mkdir(folder);
  const sizes = [0, 1, 16_383, 16_384, 16_385, 262_143, 262_144, 262_145, 1_000_000];
  for (const size of sizes) await writeFile(join(folder, `${size}.bin`), size);
  await stage.peer("alice", ["share", folder]).ready();
  const fetched = await stage.peer("bob", ["fetch", "sizes/*"]).end();
  assertEquals(fetched.code, 0, fetched.stdout + fetched.stderr);
  assertEquals(ofType(fetched, "fetched").length, sizes.length);
  for (const size of sizes) {
    const name = `${size}.bin`;
    assertEquals(
      await Deno.readFile(join(stage.path("files-bob"), "sizes", name)),
      await Deno.readFile(join(folder, name)),
    );
  }
});

Deno.test("a second command of one home runs through the peer that is serving", async () => {
  await using stage = await Stage.open(accounts);
  await stage.coordinator();
  await writeFile(stage.path("one.txt"), "one");
  await writeFile(stage.path("two.txt"), "two");
  const serving = stage.peer("alice", ["share", stage.path("one.txt")]);
  const port = await serving.ready();
  const status = ofType(await stage.peer("alice", ["status"]).end(), "status")[0]!;
  assertEquals([status["account"], status["port"], status["shares"]], ["alice", port, 1]);
  const second = await stage.peer("alice", ["share", stage.path("two.txt")]).end();
  assertEquals([second.code, ofType(second, "shared").length], [0, 1]);
  assertEquals(ofType(await stage.peer("alice", ["myfiles"]).end(), "file").length, 2);
  assertEquals((await stage.peer("alice", ["quit"]).end()).code, 0);
  assertEquals((await serving.end()).code, 0);
});

Deno.test("a lock and a socket left by SIGKILL are taken over, and what was shared is served again", async () => {
  await using stage = await Stage.open(accounts);
  await stage.coordinator();
  await writeFile(stage.path("kept.txt"), "kept");
  const first = stage.peer("alice", ["share", stage.path("kept.txt")]);
  await first.ready();
  await first.kill();
  const other = stage.path("other.txt");
  await writeFile(other, "other");
  await stage.peer("alice", ["share", other]).ready();
  const fetched = await stage.peer("bob", ["fetch", "kept.txt"]).end();
  assertEquals(fetched.code, 0, fetched.stdout + fetched.stderr);
});

Deno.test("serve needs no terminal, serves what was shared before, and ends by SIGTERM", async () => {
  await using stage = await Stage.open(accounts);
  await stage.coordinator();
  await writeFile(stage.path("kept.txt"), "kept");
  const sharing = stage.peer("alice", ["share", stage.path("kept.txt")]);
  await sharing.ready();
  assertEquals((await stage.peer("alice", ["serve"]).end()).code, 10);
  sharing.signal("SIGTERM");
  await sharing.end();
  const serving = stage.peer("alice", ["serve"]);
  await serving.ready();
  const fetched = await stage.peer("bob", ["fetch", "kept.txt"]).end();
  assertEquals(fetched.code, 0, fetched.stdout + fetched.stderr);
  serving.signal("SIGTERM");
  assertEquals((await serving.end()).code, 0);
});

Deno.test("SIGTERM ends a peer that serves, and does not wait for the fetches of other processes", async () => {
  await using stage = await Stage.open(accounts);
  await stage.coordinator();
  await writeFile(stage.path("held.txt"), "held");
  const holder = stage.peer("bob", ["share", stage.path("held.txt")]);
  await holder.ready();
  const serving = stage.peer("alice", ["serve"]);
  await serving.ready();
  holder.signal("SIGSTOP");
  const fetching = stage.peer("alice", ["fetch", "held.txt"]);
  while (ofType(await stage.peer("alice", ["transfers"]).end(), "transfer").length === 0);
  serving.signal("SIGTERM");
  const [served, fetched] = await Promise.all([serving.end(), fetching.end()]);
  assertEquals([served.code, fetched.code], [0, 5], served.stderr + fetched.stdout);
});

Deno.test("verify tells a file that the network has from one that is altered", async () => {
  await using stage = await Stage.open(accounts);
  await stage.coordinator();
  const path = stage.path("v.bin");
  await writeFile(path, 500_000);
  await stage.peer("alice", ["share", path]).ready();
  await stage.peer("bob", ["fetch", "v.bin"]).end();
  const copy = join(stage.path("files-bob"), "v.bin");
  assertEquals(ofType(await stage.peer("bob", ["verify", copy]).end(), "verified").length, 1);
  const bytes = await Deno.readFile(copy);
  bytes[100_000]! ^= 1;
  await Deno.writeFile(copy, bytes);
  assertFailed(await stage.peer("bob", ["verify", copy]).end(), 8, "integrity");
});

Deno.test("fingerprint shows the same words to both sides, and a changed account key is refused until trust", async () => {
  await using stage = await Stage.open(accounts);
  await stage.coordinator();
  const path = stage.path("t.bin");
  await writeFile(path, 100_000);
  const alice = stage.peer("alice", ["share", path]);
  await alice.ready();
  const own = ofType(await stage.peer("alice", ["fingerprint"]).end(), "fingerprint")[0]!;
  assertEquals((await stage.peer("bob", ["fetch", "t.bin"]).end()).code, 0);
  const seen = ofType(await stage.peer("bob", ["fingerprint", "alice"]).end(), "fingerprint")[0]!;
  assertEquals([seen["fingerprint"], seen["trust"]], [own["fingerprint"], "remembered"]);

  // The operator sets a new password: the account gets a new key, as it would if somebody else took the account over.
  await alice.kill();
  await Deno.writeTextFile(stage.path("alice.password"), "another", { mode: 0o600 });
  const passwd = stage.start("coordinator", [
    "user",
    "passwd",
    "alice",
    "--data",
    stage.path("data"),
    "--password-file",
    stage.path("alice.password"),
  ]);
  assertEquals((await passwd.end()).code, 0);
  await stage.peer("alice", ["share", path], { home: "alice2" }).ready();
  await Deno.remove(join(stage.path("files-bob"), "t.bin"));
  assertFailed(await stage.peer("bob", ["fetch", "t.bin"]).end(), 4, "untrusted");
  assertEquals((await stage.peer("bob", ["trust", "alice"]).end()).code, 0);
  assertEquals((await stage.peer("bob", ["fetch", "t.bin"]).end()).code, 0);
});
