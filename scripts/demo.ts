/**
 * demo: the main job, for real, in about ten seconds: a coordinator and peers as separate processes on free ports of this machine;
 * what it shares are the running Deno executable and a folder of small files. Exits 0 only if every step did what it says.  (I/O)
 */

import { createHash } from "node:crypto";
import { join } from "@std/path";
import { type Line, type Program, Stage } from "./programs.ts";

const small = 40;
const startedAtMs = performance.now();

/** Prints one step with the time since the start. */
function say(text: string): void {
  const seconds = ((performance.now() - startedAtMs) / 1000).toFixed(1).padStart(5);
  console.log(`${seconds} s  ${text}`);
}

function check(holds: boolean, claim: string): void {
  if (!holds) throw new Error(`The demo failed: ${claim}`);
}

async function sha256(path: string): Promise<string> {
  const hash = createHash("sha256");
  using file = await Deno.open(path);
  const buffer = new Uint8Array(1024 * 1024);
  for (let got = await file.read(buffer); got !== null; got = await file.read(buffer)) {
    hash.update(buffer.subarray(0, got));
  }
  return hash.digest("hex");
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

/** Waits for a program to end well, and gives its lines. */
async function finished(program: Program): Promise<readonly Line[]> {
  const ended = await program.end();
  check(ended.code === 0, `a command ended with ${ended.code}: ${ended.stdout}${ended.stderr}`);
  return ended.lines;
}

await using stage = await Stage.open({ alice: "correct horse", bob: "battery staple" });
const executable = Deno.execPath();
const folder = stage.path("holiday");
await Deno.mkdir(folder);
for (let i = 0; i < small; i++) {
  await Deno.writeTextFile(join(folder, `note ${i}.txt`), `${i}: ${"wish you were here ".repeat(i * 20)}`);
}

say("A coordinator starts, with two accounts");
await stage.coordinator();
say(`It listens on UDP 127.0.0.1:${stage.port}`);

const alice = stage.peer("alice", ["share", executable, folder]);
const alicePort = await alice.ready();
const shared = alice.lines.filter((line) => line.type === "shared");
check(shared.length === small + 1, `alice shared ${shared.length} files`);
const big = shared.find((line) => line["name"] === "deno" || line["bytes"] === Deno.statSync(executable).size)!;
say(
  `alice logged in and shares ${shared.length} files, ${
    megabytes(big["bytes"] as number)
  } the largest, on port ${alicePort}`,
);

const peers = (await finished(stage.peer("bob", ["peers"]))).filter((line) => line.type === "peer");
say(`bob sees: ${peers.map((line) => `${line["account"]} (${line["online"] ? "online" : "away"})`).join(", ")}`);
check(peers.some((line) => line["account"] === "alice" && line["online"] === true), "bob sees alice online");

const found = (await finished(stage.peer("bob", ["find", "note 1"]))).filter((line) => line.type === "file");
say(`bob finds ${found.length} files for "note 1"`);
check(found.length === 11, `find "note 1" answers 11 files, not ${found.length}`);

const notes = (await finished(stage.peer("bob", ["fetch", "holiday/*"]))).filter((line) => line.type === "fetched");
check(notes.length === small, `bob fetched ${notes.length} notes`);
for (const line of notes) {
  const name = (line["name"] as string).split("/").at(-1)!;
  check(await sha256(line["path"] as string) === await sha256(join(folder, name)), `${name} is the same`);
}
say(`bob fetched ${notes.length} small files, all the same as alice's`);

const interrupted = stage.peer("bob", ["fetch", big["id"] as string]);
await interrupted.line((line) =>
  line.type === "progress" && (line["doneBytes"] as number) > 0.3 * (big["bytes"] as number)
);
await interrupted.kill();
const part = stage.path("files-bob", `${big["name"]}.part`);
check((await Deno.stat(part)).isFile, "a part is left");
say("bob fetches the large one and is killed (SIGKILL) on the way; the part and its journal are kept");

const again = await finished(stage.peer("bob", ["fetch", big["id"] as string]));
const fetched = again.find((line) => line.type === "fetched")!;
const fromAlice = (fetched["holders"] as { bytes: number }[]).reduce((sum, holder) => sum + holder.bytes, 0);
check(fromAlice < (big["bytes"] as number), "the second run fetched what was missing alone");
say(
  `the same command again fetched the missing ${megabytes(fromAlice)}, ` +
    `${megabytes(fetched["refetchedBytes"] as number)} of them a second time`,
);
const [mine, theirs] = [await sha256(fetched["path"] as string), await sha256(executable)];
check(mine === theirs, "the SHA-256 of both files is the same");
say(`SHA-256 of both files: ${mine.slice(0, 16)}…, the same`);

alice.signal("SIGTERM");
check((await alice.end()).code === 0, "alice ends in order");
say("alice leaves; everything was encrypted and checked on the way");
