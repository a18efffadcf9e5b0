/**
 * crowd: measures 1,000 fetches of one content of 1 MB from one holder, all asked for at the same moment and all from one address, as in
 * an office. A peer runs eight fetches at once, so 125 peers make 1,000 connections; the content has eight names, so that one line asks
 * for it eight times. Holder and coordinator are the real programs; the peers share a few processes (crowd_peers.ts).
 *
 *     deno task bench crowd [rounds]
 */

import { join } from "@std/path";
import { type Line, type Program, Stage } from "../programs.ts";
import { emptyFolder, makeFile, median, printFigure } from "./ground.ts";
import { Sampler } from "./sampler.ts";

const fetches = 1000;
const fileBytes = 1e6;
/** What a peer runs at once. */
const fetchesEach = 8;
const peers = fetches / fetchesEach;
const processes = 5;
const ratioMax = 3;
const msMax = 20 * 60_000;

/** Measures. @param rounds How many times. */
export async function benchCrowd(rounds: number): Promise<void> {
  const accounts = ["alice", ...Array.from({ length: peers }, (_, i) => `peer${i}`)];
  await using stage = await Stage.open(Object.fromEntries(accounts.map((name) => [name, name])));
  const source = stage.path("source");
  await Deno.mkdir(source);
  const paths = Array.from({ length: fetchesEach }, (_, i) => join(source, `crowd-${i}.bin`));
  makeFile(paths[0]!, fileBytes);
  for (const path of paths.slice(1)) await Deno.link(paths[0]!, path);
  await stage.coordinator();
  const sharing = stage.peer("alice", ["share", ...paths]);
  await sharing.ready();
  const crowds = Array.from({ length: processes }, (_, i) => startCrowd(stage, i * peers / processes));
  for (const crowd of crowds) await crowd.ready();
  const endsAtMs = performance.now() + msMax;
  for (let round = 0; round < rounds && performance.now() < endsAtMs; round++) await fetchAll(stage, sharing, crowds);
}

function startCrowd(stage: Stage, first: number): Program {
  const program = ["run", "-q", "--no-prompt", "-P=peer", new URL("./crowd_peers.ts", import.meta.url).pathname];
  const words = [stage.port, stage.folder, first, peers / processes].map(String);
  return stage.run([...program, ...words], { isTypedTo: true });
}

async function fetchAll(stage: Stage, sharing: Program, crowds: readonly Program[]): Promise<void> {
  await using got = await emptyFolder(stage.path("got"));
  await using sampler = await Sampler.start({ sending: [sharing.pid], receiving: [] });
  const [times, failures] = [[] as number[], [] as string[]];
  let networkBytes = 0;
  const fromMs = performance.now();
  await Promise.all(crowds.map(async (crowd) => {
    for await (const line of typedLines(crowd, `${got.path} crowd-*`, fetches / processes)) {
      if (line.type === "error") failures.push(String(line["message"]));
      else {
        times.push(performance.now() - fromMs);
        networkBytes += Number(line["fetchedBytes"]);
      }
    }
  }));
  const { sending } = await sampler.stop(fileBytes);
  console.log(`crowd: ${peers} peers at one address that fetch 1 MB ${fetchesEach} times each from one holder`);
  printFigure("done", `${times.length} of ${fetches}`, { text: "all", isReached: times.length === fetches });
  for (const why of new Set(failures)) console.log(`  ${failures.filter((other) => other === why).length} × ${why}`);
  if (times.length === 0) return;
  const slowest = Math.max(...times);
  const ratio = slowest / median(times);
  printFigure("from the network, MB", (networkBytes / 1e6).toFixed(0));
  printFigure(
    "first, median, slowest, seconds",
    [Math.min(...times), median(times), slowest].map(inSeconds).join(", "),
  );
  printFigure("slowest / median", ratio.toFixed(2), { text: `at most ${ratioMax}`, isReached: ratio <= ratioMax });
  printFigure("the holder's peak memory, MB", (sending.peakBytes / 1e6).toFixed(0));
  printFigure("the holder's CPU seconds", sending.cpuSeconds.toFixed(2));
}

/** Types a line to a crowd, and yields what comes of each of its fetches. */
async function* typedLines(crowd: Program, text: string, count: number): AsyncGenerator<Line> {
  let after = crowd.lines.length;
  crowd.type(`${text}\n`);
  for (let i = 0; i < count; i++) {
    yield await crowd.line(({ type }) => type === "fetched" || type === "error", after);
    after = crowd.lines.findIndex(({ type }, at) => at >= after && (type === "fetched" || type === "error")) + 1;
  }
}

function inSeconds(ms: number): string {
  return (ms / 1000).toFixed(2);
}
