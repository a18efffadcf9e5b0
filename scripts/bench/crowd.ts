/**
 * crowd: measures 1,000 fetches of one content of 1 MB from one holder, all asked for at the same moment. A peer runs eight fetches at
 * once, so 125 peers would make 1,000 connections at once; where memory does not suffice for so many there are fewer, with more
 * fetches each, of which some wait in their own peer. The content has several names, so that one line asks for it several times.
 *
 *     deno task bench crowd [rounds]
 */

import { join } from "@std/path";
import { type Program, Stage } from "../programs.ts";
import { emptyFolder, makeFile, median, printFigure } from "./ground.ts";
import { Sampler } from "./sampler.ts";
import { startTyped, typedFetch } from "./typed.ts";

const fetches = 1000;
const fileBytes = 1e6;
/** Eight fetches at once are what a peer runs. */
const peersMax = fetches / 8;
/** What a peer is counted as; half of the free memory is used. */
const peerBytes = 120e6;
const ratioMax = 3;
const msMax = 20 * 60_000;

/** Measures. @param rounds How many times. */
export async function benchCrowd(rounds: number): Promise<void> {
  const count = Math.max(1, Math.min(peersMax, Math.floor(await freeMemory() / 2 / peerBytes)));
  const each = Math.ceil(fetches / count);
  const accounts = ["alice", ...Array.from({ length: count }, (_, i) => `peer${i}`)];
  await using stage = await Stage.open(Object.fromEntries(accounts.map((name) => [name, name])));
  const source = stage.path("source");
  await Deno.mkdir(source);
  const paths = Array.from({ length: each }, (_, i) => join(source, `crowd-${i}.bin`));
  makeFile(paths[0]!, fileBytes);
  for (const path of paths.slice(1)) await Deno.link(paths[0]!, path);
  await stage.coordinator();
  const sharing = stage.peer("alice", ["share", ...paths]);
  await sharing.ready();
  const peers: Program[] = [];
  // A few at a time: the logins' password work is heavy by design.
  while (peers.length < count) {
    const some = accounts.slice(1 + peers.length, 1 + peers.length + 4);
    peers.push(...await Promise.all(some.map((account) => startTyped(stage, account))));
  }
  const endsAtMs = performance.now() + msMax;
  for (let round = 0; round < rounds && performance.now() < endsAtMs; round++) {
    await crowd(stage, sharing, peers, each);
  }
}

async function crowd(stage: Stage, sharing: Program, peers: readonly Program[], each: number): Promise<void> {
  await using got = await emptyFolder(stage.path("got"));
  await using sampler = await Sampler.start({ sending: [sharing.pid], receiving: [] });
  const [times, failures] = [[] as number[], [] as string[]];
  let networkBytes = 0;
  const fromMs = performance.now();
  await Promise.all(peers.map(async (peer, i) => {
    const words = [`"crowd-*"`, "--dir", join(got.path, String(i)), "--no-sync"];
    try {
      for await (const line of typedFetch(peer, words, each)) {
        if (line.type === "error") failures.push(String(line["message"]));
        else {
          times.push(performance.now() - fromMs);
          networkBytes += Number(line["fetchedBytes"]);
        }
      }
    } catch {
      failures.push("A peer said no more");
    }
  }));
  const { sending } = await sampler.stop(fileBytes);
  console.log(`crowd: ${peers.length} peers that fetch 1 MB ${each} times each from one holder`);
  const all = peers.length * each;
  printFigure("done", `${times.length} of ${all}`, { text: "all", isReached: times.length === all });
  for (const why of new Set(failures)) console.log(`  ${failures.filter((other) => other === why).length} × ${why}`);
  if (times.length === 0) return;
  const slowest = Math.max(...times);
  const ratio = slowest / median(times);
  printFigure("from the network, MB", (networkBytes / 1e6).toFixed(0));
  printFigure("slowest, median, seconds", `${(slowest / 1000).toFixed(2)}, ${(median(times) / 1000).toFixed(2)}`);
  printFigure("slowest / median", ratio.toFixed(2), { text: `at most ${ratioMax}`, isReached: ratio <= ratioMax });
  printFigure("the holder's peak memory, MB", (sending.peakBytes / 1e6).toFixed(0));
  printFigure("the holder's CPU seconds", sending.cpuSeconds.toFixed(2));
}

/** Deno lets no program with fewer than all permissions read /proc: `cat` does. */
async function freeMemory(): Promise<number> {
  const { stdout } = await new Deno.Command("cat", { args: ["/proc/meminfo"], stderr: "null" }).output();
  return Number(/MemAvailable:\s+(\d+) kB/.exec(new TextDecoder().decode(stdout))?.[1] ?? 4e6) * 1024;
}
