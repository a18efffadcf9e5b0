/**
 * rates: measures how well rate limits hold over ten seconds: what goes over the wire, with all headers, beside what was set; the holder's
 * limit, the fetcher's, and one holder's that four fetchers share.
 *
 *     deno task bench rates [rounds]
 */

import { join } from "@std/path";
import { Stage } from "../programs.ts";
import { emptyFolder, makeFile, printFigure } from "./ground.ts";
import { Sampler } from "./sampler.ts";
import { hasOption, startTyped, typeFetch } from "./typed.ts";

const offMax = 0.03;
/** What comes before the ten seconds is not measured. */
const fromSeconds = 2;
const overSeconds = 10;
const fileName = "rates.bin";
const msMax = 20 * 60_000;

/** A limit; megabytes a second. */
interface Case {
  readonly side: "up" | "down";
  readonly megabytes: number;
  readonly fetchers: number;
}

const cases: readonly Case[] = [
  { side: "up", megabytes: 1, fetchers: 1 },
  { side: "up", megabytes: 20, fetchers: 1 },
  { side: "up", megabytes: 100, fetchers: 1 },
  { side: "up", megabytes: 20, fetchers: 4 },
  { side: "down", megabytes: 1, fetchers: 1 },
  { side: "down", megabytes: 20, fetchers: 1 },
  { side: "down", megabytes: 100, fetchers: 1 },
];

/** Measures all cases. @param rounds How many times. */
export async function benchRates(rounds: number): Promise<void> {
  const endsAtMs = performance.now() + msMax;
  for (let round = 0; round < rounds; round++) {
    console.log(`rates: over ${overSeconds} s, on the wire`);
    for (const one of cases) {
      if (performance.now() >= endsAtMs) return;
      const rate = await measure(one);
      if (rate === undefined) return console.log("rates: this peer has no --limit-up: nothing measured");
      const off = rate / (one.megabytes * 1e6) - 1;
      printFigure(
        `${one.side} ${one.megabytes} MB/s, ${one.fetchers} ${one.fetchers === 1 ? "fetch" : "fetches"}: ${
          (rate / 1e6).toFixed(2)
        } MB/s`,
        `${off < 0 ? "" : "+"}${(off * 100).toFixed(1)} %`,
        { text: `within ${offMax * 100} %`, isReached: Math.abs(off) <= offMax },
      );
    }
  }
}

/** The rate in bytes a second; undefined where there are no limits. */
async function measure({ side, megabytes, fetchers }: Case): Promise<number | undefined> {
  const names = Array.from({ length: fetchers }, (_, i) => `peer${i}`);
  await using stage = await Stage.open(Object.fromEntries(["alice", ...names].map((name) => [name, name])));
  if (!await hasOption(stage, "--limit-up")) return undefined;
  await stage.coordinator();
  await using source = await emptyFolder(stage.path("source"));
  // Each fetcher has a file of its own, so that nobody fetches from another one; none is done before the end.
  const fileBytes = Math.ceil(megabytes * 1e6 * (fromSeconds + overSeconds + 3) / fetchers);
  const paths = names.map((name) => join(source.path, `${name}-${fileName}`));
  for (const path of paths) makeFile(path, fileBytes);
  const limit = [`--limit-${side}`, `${megabytes}M`];
  await stage.peer("alice", ["share", ...paths, ...(side === "up" ? limit : [])]).ready();
  const peers = [];
  for (const name of names) peers.push(await startTyped(stage, name, side === "down" ? limit : []));
  await using sampler = await Sampler.start();
  await Promise.all(
    peers.map((peer, i) => typeFetch(peer, [`${names[i]}-${fileName}`, "--dir", stage.path(`got-${i}`), "--no-sync"])),
  );
  const { wire } = await sampler.stop(fileBytes);
  const begin = wire.find(([, bytes]) => bytes > wire[0]![1] + 100_000)![0] + fromSeconds;
  const within = wire.filter(([seconds]) => seconds >= begin && seconds <= begin + overSeconds);
  const [first, last] = [within[0]!, within.at(-1)!];
  return (last[1] - first[1]) / (last[0] - first[0]);
}
