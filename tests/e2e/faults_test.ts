/** What goes wrong on the way is survived, or told with the exit code of its class: never a wrong byte, never a peer that hangs. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { mib } from "../../lib/core/limits.ts";
import { listenUdp } from "../../lib/net/udp.ts";
import { type Ended, Stage } from "../../scripts/programs.ts";
import { assertDone, assertFailed, ofType, said } from "./ended.ts";
import { fetchedPath, listFiles, rot, sha256, writeRandom, writeSparse } from "./files.ts";
import { readJournal } from "./journals.ts";
import { Session } from "./session.ts";
import { stopFetch } from "./stopped_fetch.ts";

const accounts = { alice: "alice's password", bob: "bob's password" };
const largeBytes = 96 * mib;
const pieceBytes = mib / 4;

Deno.test("a coordinator that is not there or never answers ends a command with exit 5 and its address", async () => {
  await using stage = await Stage.open(accounts);
  const silent = listenUdp({ ip: "127.0.0.1", port: 0 });
  using _silent = { [Symbol.dispose]: () => silent.close() };
  const gone = listenUdp({ ip: "127.0.0.1", port: 0 });
  gone.close();
  const ports = [gone.local.port, silent.local.port];
  await Promise.all(ports.map(async (port) => {
    const args = ["--user", "bob", "--password-file", stage.path("bob.password"), "--home", stage.path(`home-${port}`)];
    const error = assertFailed(
      await stage.start("peer", [String(port), "peers", ...args, "--json"]).end(),
      5,
      "unreachable",
    );
    assertStringIncludes(error["message"] as string, `127.0.0.1:${port}`);
    assert(error["hint"] !== "");
  }));
});

for (const signal of ["SIGKILL", "SIGTERM"] as const) {
  Deno.test(`a peer that serves logs in again by itself after ${signal} to the coordinator, and its shares are found`, async () => {
    await using stage = await Stage.open(accounts);
    const coordinator = await stage.coordinator(["--keep-alive", "1"]);
    const source = stage.path("kept.bin");
    await writeRandom(source, 100_000);
    const alice = stage.peer("alice", ["share", source]);
    await alice.ready();
    const bob = await Session.open(stage, "bob");
    // Nobody may type the password again, nor read it again.
    await Deno.remove(stage.path("alice.password"));
    coordinator.signal(signal);
    await coordinator.end();
    await stage.coordinator(["--keep-alive", "1"]);
    await alice.note("Connected again");
    await bob.program.note("Connected again");
    const fetched = await bob.run("fetch kept.bin");
    assertEquals(ofType({ lines: fetched }, "fetched").length, 1, said(bob.program));
    assertEquals(await sha256(fetchedPath(stage, "bob", "kept.bin")), await sha256(source));
    assertStringIncludes(alice.stderr, "again");
  });
}

Deno.test("a transfer goes on while the coordinator is gone", async () => {
  await using stage = await Stage.open(accounts);
  const coordinator = await stage.coordinator();
  const source = stage.path("large.bin");
  await writeSparse(source, largeBytes);
  await stage.peer("alice", ["share", source]).ready();
  const fetching = await stopFetch({
    stage,
    account: "bob",
    command: ["fetch", "large.bin"],
    undo: () => Deno.remove(fetchedPath(stage, "bob", "large.bin")),
  });
  await coordinator.kill();
  fetching.signal("SIGCONT");
  assertDone(await fetching.end());
  assertEquals(await sha256(fetchedPath(stage, "bob", "large.bin")), await sha256(source));
});

Deno.test("a holder that is gone ends a fetch with exit 7, and from its next port only the rest is fetched", async () => {
  await using stage = await Stage.open(accounts);
  await stage.coordinator();
  const source = stage.path("large.bin");
  await writeSparse(source, largeBytes);
  const holder = stage.peer("alice", ["share", source]);
  await holder.ready();
  const command = ["fetch", "large.bin", "--timeout", "1s"];
  const target = fetchedPath(stage, "bob", "large.bin");
  const fetching = await stopFetch({ stage, account: "bob", command, undo: () => Deno.remove(target) });
  await holder.kill();
  fetching.signal("SIGCONT");
  const error = assertFailed(await fetching.end(), 7, "unfinished");
  assertStringIncludes(error["hint"] as string, "Run the same command again");
  const left = readJournal(stage.path("home-bob"))!;
  assertEquals(await listFiles(stage.path("files-bob")), ["large.bin.part"]);

  await stage.peer("alice", ["share", source]).ready();
  const again = assertDone(await stage.peer("bob", command).end());
  assertEquals(
    ofType(again, "fetched")[0]?.["fetchedBytes"],
    largeBytes - left.verified.size * pieceBytes,
    said(again),
  );
  assertEquals(await sha256(target), await sha256(source));
});

/** What may happen to a shared file while it is fetched, and whether the network has something under its name afterwards. */
const changes: readonly { readonly what: string; readonly isThere: boolean; change(path: string): Promise<void> }[] = [
  { what: "removed", isThere: false, change: (path) => Deno.remove(path) },
  { what: "truncated", isThere: true, change: (path) => Deno.truncate(path, largeBytes / 2) },
  {
    what: "replaced",
    isThere: true,
    async change(path) {
      await writeSparse(`${path}.new`, largeBytes);
      await Deno.rename(`${path}.new`, path);
    },
  },
  {
    what: "written to",
    isThere: true,
    async change(path) {
      using file = await Deno.open(path, { write: true });
      await file.seek(largeBytes / 2, Deno.SeekMode.Start);
      await file.write(crypto.getRandomValues(new Uint8Array(10)));
    },
  },
];

Deno.test("a file that is removed, truncated, replaced or written to while it is fetched is told as changed, and never gets its name", async () => {
  await using stage = await Stage.open(accounts);
  await stage.coordinator();
  const alice = await Session.open(stage, "alice");
  for (const { what, isThere, change } of changes) {
    const name = `${what}.bin`;
    const source = stage.path(name);
    const target = fetchedPath(stage, "bob", name);
    await writeSparse(source, largeBytes);
    await alice.run(`share '${source}'`);
    const command = ["fetch", name, "--timeout", "1s"];
    const fetching = await stopFetch({ stage, account: "bob", command, undo: () => Deno.remove(target) });
    await change(source);
    fetching.signal("SIGCONT");
    const ended = await fetching.end();
    assertEquals(ended.code, 7, `${what}: ${said(ended)}`);
    assertStringIncludes(ended.stdout, "no longer what was shared", what);
    assert(!(await listFiles(stage.path("files-bob"))).includes(name), what);

    await alice.program.note(isThere ? `${name} has changed` : `${name} is not shared any more`);
    const refetched = await fetchUntilNew(stage, name);
    if (isThere) assertEquals(await sha256(target), await sha256(source), what);
    else assertFailed(refetched, 3, "notFound");
    // Journals of contents that nobody has any more would be found by the next round.
    await Deno.remove(stage.path("home-bob", "state", "journals"), { recursive: true });
  }
});

/** Fetches until the coordinator no longer says what was there before: the holder announces a moment after it notes a change. */
async function fetchUntilNew(stage: Stage, name: string): Promise<Ended> {
  for (let attempt = 0;; attempt++) {
    const ended = await stage.peer("bob", ["fetch", name, "--overwrite", "--timeout", "1s"]).end();
    if (ended.code !== 7 || attempt === 10) return ended;
  }
}

Deno.test("a file that is only touched while it is fetched is served again, and the fetch goes on where it was", async () => {
  await using stage = await Stage.open(accounts);
  await stage.coordinator();
  const source = stage.path("touched.bin");
  const target = fetchedPath(stage, "bob", "touched.bin");
  await writeSparse(source, largeBytes);
  const alice = await Session.open(stage, "alice");
  await alice.run(`share '${source}'`);
  const command = ["fetch", "touched.bin", "--timeout", "1s"];
  const fetching = await stopFetch({ stage, account: "bob", command, undo: () => Deno.remove(target) });
  await Deno.utime(source, 1, 1);
  fetching.signal("SIGCONT");
  const first = await fetching.end();
  const left = readJournal(stage.path("home-bob"));
  assertEquals(first.code, 7, said(first));
  const again = await fetchUntilNew(stage, "touched.bin");
  assertDone(again);
  assertEquals(ofType(again, "fetched")[0]?.["fetchedBytes"], largeBytes - left!.verified.size * pieceBytes);
  assertEquals(await sha256(target), await sha256(source));
});

Deno.test("a byte that rotted on the holder's disk ends the fetch with exit 8 and the holder's name, and no file", async () => {
  await using stage = await Stage.open(accounts);
  await stage.coordinator();
  const source = stage.path("rotten.bin");
  await writeRandom(source, 3_000_000);
  const alice = await Session.open(stage, "alice");
  await alice.run(`share '${source}'`);
  await alice.program.kill();
  rot(source, 2_000_000, stage.path("home-alice"));
  await Session.open(stage, "alice");
  const error = assertFailed(await stage.peer("bob", ["fetch", "rotten.bin"]).end(), 8, "integrity");
  assertStringIncludes(error["message"] as string, "alice (");
  assertEquals(await listFiles(stage.path("files-bob")), ["rotten.bin.part"]);
});

Deno.test("the same device key at work twice ends the older peer, which says so", async () => {
  await using stage = await Stage.open(accounts);
  await stage.coordinator();
  const older = await Session.open(stage, "alice");
  const copied = new Deno.Command("cp", { args: ["-r", stage.path("home-alice"), stage.path("home-copy")] });
  assert((await copied.output()).success);
  const newer = await Session.open(stage, "alice", "copy");
  const error = assertFailed(await older.program.end(), 5, "sessionEnded");
  assertStringIncludes(`${error["message"]} ${error["hint"]}`, "Run one peer for each home");
  assertEquals(ofType({ lines: await newer.run("peers") }, "peer").filter((one) => one["online"]).length, 1);
});

Deno.test("two devices of one account are online at once, under names of their own", async () => {
  await using stage = await Stage.open(accounts);
  await stage.coordinator();
  const first = await Session.open(stage, "alice", "first");
  const second = await Session.open(stage, "alice", "second");
  for (const session of [first, second]) {
    const online = ofType({ lines: await session.run("peers") }, "peer").filter((one) => one["online"]);
    assertEquals(online.map((one) => one["account"]), ["alice", "alice"]);
    assertEquals(new Set(online.map((one) => one["device"])).size, 2);
  }
});

for (const action of ["disable", "remove"] as const) {
  Deno.test(`coordinator user ${action} ends a peer that is online with exit 4, and its fetch at the holder`, async () => {
    await using stage = await Stage.open(accounts);
    await stage.coordinator();
    const source = stage.path("large.bin");
    await writeSparse(source, largeBytes);
    await stage.peer("alice", ["share", source]).ready();
    const fetching = await stopFetch({
      stage,
      account: "bob",
      command: ["fetch", "large.bin"],
      undo: () => Deno.remove(fetchedPath(stage, "bob", "large.bin")),
    });
    assertDone(await stage.start("coordinator", ["user", action, "bob", "--data", stage.path("data")]).end());
    fetching.signal("SIGCONT");
    assertFailed(await fetching.end(), 4, action === "disable" ? "disabled" : "denied");
    assertEquals(await listFiles(stage.path("files-bob")), ["large.bin.part"]);
  });
}
