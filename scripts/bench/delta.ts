/**
 * delta: measures what version 2 of a file of 500 MB costs where version 1 is there and 1 % of its blocks of 16 KiB are others, scattered;
 * beside an rsync daemon. What counts is all that goes over the wire.
 *
 *     deno task bench delta [rounds]
 */

import { Stage } from "../programs.ts";
import { isInstalled, makeFile, median, printFigure, run } from "./ground.ts";
import { Sampler } from "./sampler.ts";
import { startRsync } from "./tools/rsync.ts";
import { startTyped, typeFetch } from "./typed.ts";

const fileBytes = 500e6;
const blockBytes = 16_384;
/** One block in so many is another one. */
const oneIn = 100;
const shareMax = 0.03;
const fileName = "delta.bin";
const msMax = 10 * 60_000;

/** What one update took. */
interface Update {
  readonly share: number;
  readonly seconds: number;
}

/** Measures. @param rounds How many updates each median is of. */
export async function benchDelta(rounds: number): Promise<void> {
  await using stage = await Stage.open({ alice: "a", bob: "b" });
  for (const folder of ["source", "got", "rsync"]) await Deno.mkdir(stage.path(folder));
  const source = stage.path("source", fileName);
  makeFile(source, fileBytes);
  await stage.coordinator();
  const alice = stage.peer("alice", ["share", source]);
  await alice.ready();
  const bob = await startTyped(stage, "bob");
  const byRsync = await isInstalled("rsync")
    ? (await startRsync(stage, stage.path("source"), stage.folder)).url
    : undefined;
  const fetchers = {
    shoal: () => typeFetch(bob, [fileName, "--dir", stage.path("got"), "--overwrite", "--no-sync"]),
    ...(byRsync === undefined ? {} : {
      "rsync daemon": () =>
        run("rsync", ["--no-motd", "--ignore-times", `${byRsync}${fileName}`, stage.path("rsync", "/")]),
    }),
  };
  for (const fetch of Object.values(fetchers)) await fetch();
  const updates = Object.entries(fetchers).map(([name, fetch]) => ({ name, fetch, all: [] as Update[] }));
  const endsAtMs = performance.now() + msMax;
  for (let round = 0; round < rounds && performance.now() < endsAtMs; round++) {
    await stageCommand(stage, ["remove", fileName]);
    change(source, round);
    await stageCommand(stage, ["share", source]);
    for (const { fetch, all } of updates) all.push(await measure(fetch));
    await run("cmp", [source, stage.path("got", fileName)]);
  }
  console.log(`delta: 500 MB of which 1 % is another, medians of ${updates[0]!.all.length}`);
  for (const { name, all } of updates) {
    const share = median(all.map(({ share }) => share));
    const target = { text: `at most ${shareMax * 100} %`, isReached: share <= shareMax };
    printFigure(`${name}, over the network`, `${(share * 100).toFixed(2)} %`, name === "shoal" ? target : undefined);
    printFigure(`${name}, seconds`, median(all.map(({ seconds }) => seconds)).toFixed(2));
  }
}

async function measure(fetch: () => Promise<unknown>): Promise<Update> {
  await using sampler = await Sampler.start();
  const fromMs = performance.now();
  await fetch();
  const seconds = (performance.now() - fromMs) / 1000;
  return { share: (await sampler.stop(fileBytes)).wireBytes / fileBytes, seconds };
}

/** Runs a command through alice's peer. */
async function stageCommand(stage: Stage, command: readonly string[]): Promise<void> {
  await using program = stage.peer("alice", command);
  const { code, stdout, stderr } = await program.end();
  if (code !== 0) throw new Error(`alice cannot ${command.join(" ")}: ${stdout}${stderr}`);
}

/** Changes every hundredth block, others in each round. */
function change(path: string, round: number): void {
  using file = Deno.openSync(path, { write: true });
  const block = new Uint8Array(blockBytes);
  for (let at = round * 37 % oneIn; (at + 1) * blockBytes <= fileBytes; at += oneIn) {
    crypto.getRandomValues(block);
    file.seekSync(at * blockBytes, Deno.SeekMode.Start);
    file.writeSync(block);
  }
}
