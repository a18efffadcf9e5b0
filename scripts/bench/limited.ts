/**
 * limited: measures what a swarm makes of holders with little uplink: one fetch from four holders of 20 MB/s each, and eight fetches of
 * 100 MB at once from one holder of 10 MB/s, beside one fetch alone.
 *
 *     deno task bench limited [rounds]
 */

import { join } from "@std/path";
import { type Program, Stage } from "../programs.ts";
import { emptyFolder, makeFile, median, printFigure } from "./ground.ts";
import { hasOption, startTyped, typeFetch } from "./typed.ts";

const holders = { count: 4, bytesPerSecond: 20e6, fileBytes: 400e6, shareMin: 0.95 } as const;
const fetchers = { count: 8, bytesPerSecond: 10e6, fileBytes: 100e6, ratioMax: 1.5 } as const;
const fileName = "limited.bin";
const msMax = 20 * 60_000;

/** Measures both. @param rounds How many fetches each median is of. */
export async function benchLimited(rounds: number): Promise<void> {
  const accounts = Array.from({ length: 13 }, (_, i) => [`peer${i}`, `p${i}`]);
  await using stage = await Stage.open(Object.fromEntries(accounts));
  if (!await hasOption(stage, "--limit-up")) {
    return console.log("limited: this peer has no --limit-up: nothing measured");
  }
  await stage.coordinator();
  const endsAtMs = performance.now() + msMax;
  const [rates, ratios] = [[] as number[], [] as number[]];
  for (let round = 0; round < rounds && performance.now() < endsAtMs; round++) {
    rates.push(await fromMany(stage));
    ratios.push(await toMany(stage));
  }
  console.log(`limited: medians of ${rates.length}`);
  const share = median(rates) / (holders.count * holders.bytesPerSecond);
  const ratio = median(ratios);
  printFigure(`from ${holders.count} holders of 20 MB/s each, MB/s`, (median(rates) / 1e6).toFixed(1));
  const shareTarget = { text: `at least ${holders.shareMin}`, isReached: share >= holders.shareMin };
  printFigure("  of what they may send", share.toFixed(3), shareTarget);
  const ratioTarget = { text: `at most ${fetchers.ratioMax}`, isReached: ratio <= fetchers.ratioMax };
  printFigure(`to ${fetchers.count} at once from one of 10 MB/s, slowest / one alone`, ratio.toFixed(2), ratioTarget);
}

/** The rate of one fetch from all holders, in bytes a second. */
async function fromMany(stage: Stage): Promise<number> {
  await using source = await emptyFolder(stage.path("source"));
  await using got = await emptyFolder(stage.path("got"));
  makeFile(join(source.path, fileName), holders.fileBytes);
  const sharing = [1, 2, 3, 4].map((i) => share(stage, `peer${i}`, source.path, "20M"));
  for (const program of sharing) await program.ready();
  const fetcher = await startTyped(stage, "peer0");
  const fromMs = performance.now();
  await typeFetch(fetcher, [fileName, "--dir", got.path, "--no-sync"]);
  const tookMs = performance.now() - fromMs;
  await forget(stage, sharing, [fetcher]);
  return holders.fileBytes / tookMs * 1000;
}

/** How many times as long the slowest of all takes as one alone. */
async function toMany(stage: Stage): Promise<number> {
  await using source = await emptyFolder(stage.path("source"));
  await using got = await emptyFolder(stage.path("got"));
  makeFile(join(source.path, fileName), fetchers.fileBytes);
  const sharing = share(stage, "peer0", source.path, "10M");
  await sharing.ready();
  const fetchAll = async (numbers: readonly number[]) => {
    const programs = await Promise.all(numbers.map((i) => startTyped(stage, `peer${i}`)));
    const fromMs = performance.now();
    await Promise.all(
      programs.map((program, i) =>
        typeFetch(program, [fileName, "--dir", join(got.path, String(numbers[i])), "--no-sync"])
      ),
    );
    const tookMs = performance.now() - fromMs;
    await forget(stage, [], programs);
    return tookMs;
  };
  const aloneMs = await fetchAll([1]);
  const allMs = await fetchAll(Array.from({ length: fetchers.count }, (_, i) => i + 2));
  await forget(stage, [sharing], []);
  return allMs / aloneMs;
}

function share(stage: Stage, account: string, folder: string, limit: string): Program {
  return stage.peer(account, ["share", join(folder, fileName), "--limit-up", limit]);
}

/** Ends peers; those that share stop sharing first, so that the next round finds nothing of this one. */
async function forget(stage: Stage, sharing: readonly Program[], fetching: readonly Program[]): Promise<void> {
  for (const program of fetching) await program.kill();
  for (const [i, program] of sharing.entries()) {
    await using removing = stage.peer(sharing.length === 1 ? "peer0" : `peer${i + 1}`, ["remove", fileName]);
    await removing.end();
    await program.kill();
  }
}
