/**
 * small: measures 2,000 files of 16 KiB from one folder, through a peer that is logged in, beside an rsync daemon, in turns. With sync
 * each file is on the disk before it has its name; without, and with rsync, the kernel writes it out when it likes. Nothing is removed
 * before the end: ext4 passes over inodes that were freed in the last five seconds one by one, which would cost whoever comes next.
 *
 *     deno task bench small [rounds]
 */

import { join } from "@std/path";
import { Stage } from "../programs.ts";
import { isInstalled, makeFile, median, printFigure, run } from "./ground.ts";
import { startRsync } from "./tools/rsync.ts";
import { startTyped, typeFetch } from "./typed.ts";

const files = 2000;
const fileBytes = 16_384;
const folderName = "small";
const ratioMax = 1.5;
const msMax = 10 * 60_000;
/** After this ext4 takes inodes again that were freed before. */
const freedMs = 6_000;

/** A way to get the folder. */
interface Way {
  readonly name: string;
  readonly times: number[];
  fetch(folder: string): Promise<unknown>;
}

/** Measures. @param rounds How many fetches each median is of. */
export async function benchSmall(rounds: number): Promise<void> {
  await using stage = await Stage.open({ alice: "a", bob: "b" });
  const source = stage.path(folderName);
  await Deno.mkdir(source);
  for (let i = 0; i < files; i++) makeFile(join(source, `${String(i).padStart(4, "0")}.small`), fileBytes);
  await stage.coordinator();
  await stage.peer("alice", ["share", source]).ready();
  const bob = await startTyped(stage, "bob");
  const byLine = (folder: string, ...more: string[]) => typeFetch(bob, [`"*.small"`, "--dir", folder, ...more], files);
  const ways: Way[] = [
    { name: "shoal, logged in", times: [], fetch: (folder) => byLine(folder, "--no-sync") },
    { name: "shoal, logged in, synced", times: [], fetch: (folder) => byLine(folder) },
  ];
  if (await isInstalled("rsync")) {
    const { url } = await startRsync(stage, source, stage.folder);
    const byRsync = (folder: string) => run("rsync", ["--no-motd", "-r", url, join(folder, folderName, "/")]);
    ways.push({ name: "rsync daemon", times: [], fetch: byRsync });
  } else console.log("small: rsync is not installed: nothing to compare with");

  await new Promise((resolve) => setTimeout(resolve, freedMs));
  const endsAtMs = performance.now() + msMax;
  for (let round = 0; round <= rounds && performance.now() < endsAtMs; round++) {
    for (const [i, way] of ways.entries()) {
      const got = stage.path(`got-${round}-${i}`);
      await Deno.mkdir(got);
      const fromMs = performance.now();
      await way.fetch(got);
      if (round > 0) way.times.push(performance.now() - fromMs);
      else await run("diff", ["-r", source, join(got, folderName)]);
    }
  }
  console.log(`small: ${files} files of ${fileBytes} bytes, medians of ${ways[0]!.times.length}`);
  const [ours, synced, rsync] = ways.map(({ times }) => median(times));
  for (const { name, times } of ways) printFigure(name, `${(median(times) / 1000).toFixed(2)} s`);
  if (rsync === undefined) return;
  const target = (ratio: number) => ({ text: `at most ${ratioMax}`, isReached: ratio <= ratioMax });
  printFigure("time / rsync's", (ours! / rsync).toFixed(2), target(ours! / rsync));
  printFigure("time / rsync's, synced", (synced! / rsync).toFixed(2));
}
