/**
 * transfer: measures a fetch of 1 GiB on loopback by the real programs beside the tools that people use, in one run and in turns, so that
 * all meet the same machine. Of each it prints the whole command and the wire alone, and what both sides took. Prints medians and
 * ratios; asserts nothing but that the bytes are the right ones. Ends after twenty minutes with the rounds that it has.
 *
 *     deno task bench transfer [rounds]
 */

import { join } from "@std/path";
import { mib } from "../../lib/core/limits.ts";
import { Stage } from "../programs.ts";
import { isInstalled, makeFile, median, run } from "./ground.ts";
import { isAlone } from "./own_network.ts";
import { type Sample, Sampler } from "./sampler.ts";
import type { Getter, Ground, Tool } from "./tool.ts";
import { startTyped } from "./typed.ts";
import { aria2 } from "./tools/aria2.ts";
import { ourTools } from "./tools/ours.ts";
import { qbittorrent } from "./tools/qbittorrent.ts";
import { rsync } from "./tools/rsync.ts";
import { syncthing } from "./tools/syncthing.ts";
import { web } from "./tools/web.ts";
import { webtorrent } from "./tools/webtorrent.ts";
import { wormhole } from "./tools/wormhole.ts";

const others: readonly Tool[] = [web, rsync, wormhole, syncthing, qbittorrent, aria2, webtorrent];
const fileBytes = 1024 * mib;
const fileName = "gigabyte.bin";
const msMax = 20 * 60_000;

/** What we want to reach; `whole` and `wire` say how many times as fast. */
const targets = [
  { way: "command with login", of: "whole", peers: 1.9, web: 1.05 },
  { way: "logged in", of: "whole", peers: 2.3, web: 1.3 },
  { way: "logged in", of: "wire", peers: 1.5, web: undefined },
] as const;
const peakBytesMax = 150e6;

/** A tool that takes part, and what it has shown. */
interface Contender {
  readonly tool: Tool;
  readonly getter: Getter;
  readonly results: Result[];
}

interface Result extends Sample {
  readonly wholeMs: number;
}

/** The medians of a tool's results; rates in bytes a second. */
interface Medians {
  readonly tool: Tool;
  readonly whole: number;
  readonly wire: number;
  readonly results: readonly Result[];
}

/** Measures all tools. @param rounds How many fetches each median is of. */
export async function benchTransfer(rounds: number): Promise<void> {
  if (Deno.build.os !== "linux" || !await isInstalled("bash")) {
    return console.log(
      "transfer: needs Linux and bash, from which it knows what the wire and the processes do: nothing measured",
    );
  }
  await using stage = await Stage.open({ alice: "a", bob: "b", carol: "c" });
  const ground: Ground = { stage, source: stage.path("source"), fileName, fileBytes };
  await Deno.mkdir(ground.source);
  makeFile(join(ground.source, fileName), fileBytes);
  await stage.coordinator();
  const sharing = stage.peer("alice", ["share", join(ground.source, fileName)]);
  await sharing.ready();
  const typedTo = await startTyped(stage, "bob");

  const contenders: Contender[] = [];
  try {
    for (const tool of [...ourTools(sharing, typedTo, "carol"), ...others]) {
      const contender = await enter(tool, ground, contenders.length);
      if (contender !== undefined) contenders.push(contender);
    }
    await measure(contenders, ground, rounds);
  } finally {
    for (const { getter } of contenders) await getter.stop?.();
  }
  report(contenders.filter(({ results }) => results.length > 0).map(medians));
}

/** Prepares a tool; one that is missing or does not work here is left out, and a line says why. */
async function enter(tool: Tool, ground: Ground, number: number): Promise<Contender | undefined> {
  const skip = (why: string): undefined => console.log(`transfer: ${tool.name} is skipped: ${why}`) as undefined;
  for (const program of tool.needs) if (!await isInstalled(program)) return skip(`${program} is not installed`);
  if (tool.loud !== undefined && !isAlone()) return skip(tool.loud);
  const work = ground.stage.path(`work-${number}`);
  await Deno.mkdir(work);
  try {
    return { tool, getter: await tool.prepare(ground, work), results: [] };
  } catch (error) {
    if (tool.kind === "ours") throw error;
    return skip(firstLine(error));
  }
}

/** Lets all fetch in turn. The first round warms caches and is not counted; in it the bytes are compared. */
async function measure(contenders: Contender[], ground: Ground, rounds: number): Promise<void> {
  const endsAtMs = performance.now() + msMax;
  for (let round = 0; round <= rounds && performance.now() < endsAtMs; round++) {
    const order = round % 2 === 0 ? [...contenders] : contenders.toReversed();
    for (const contender of order) {
      try {
        const result = await fetchOnce(contender.getter, ground, round === 0);
        if (round > 0) contender.results.push(result);
      } catch (error) {
        if (contender.tool.kind === "ours") throw error;
        console.log(`transfer: ${contender.tool.name} failed and is left out from here on: ${firstLine(error)}`);
        await contender.getter.stop?.();
        contenders.splice(contenders.indexOf(contender), 1);
      }
    }
  }
}

async function fetchOnce(getter: Getter, ground: Ground, isCompared: boolean): Promise<Result> {
  const folder = ground.stage.path("got");
  await Deno.mkdir(folder);
  try {
    await using sampler = await Sampler.start(getter.running);
    const watch = (side: "sending" | "receiving", { pid }: { readonly pid: number }) => sampler.watch(side, pid);
    await getter.before?.(folder, watch);
    const fromMs = performance.now();
    await getter.fetch(folder, watch);
    const wholeMs = performance.now() - fromMs;
    const sample = await sampler.stop(ground.fileBytes);
    if (isCompared) await run("cmp", [join(ground.source, fileName), join(folder, fileName)]);
    await getter.after?.();
    return { wholeMs, ...sample };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function medians({ tool, results }: Contender): Medians {
  const wires = results.map(({ wireBytesPerSecond }) => wireBytesPerSecond).filter((rate) => rate !== undefined);
  return {
    tool,
    whole: fileBytes / median(results.map(({ wholeMs }) => wholeMs)) * 1000,
    wire: wires.length === 0 ? NaN : median(wires),
    results,
  };
}

function report(all: readonly Medians[]): void {
  const place = isAlone() ? "a network of its own" : "127.0.0.1";
  const counts = all.map(({ results }) => results.length);
  console.log(`transfer: 1 GiB in ${place}, medians of ${Math.min(...counts)}; MB/s; then sending / receiving side`);
  console.log(`  ${"".padEnd(34)}  seconds  whole   wire   CPU seconds     peak MB`);
  for (const { tool, whole, wire, results } of all) {
    const cpu = sides(results, ({ cpuSeconds }) => cpuSeconds, median).map((s) => s.toFixed(2).padStart(5)).join(" /");
    const peak = sides(results, ({ peakBytes }) => peakBytes, (values) => Math.max(...values)).map(inMega).join(" /");
    const seconds = (fileBytes / whole).toFixed(2).padStart(7);
    console.log(`  ${tool.name.padEnd(34)}  ${seconds} ${inMega(whole)}  ${inMega(wire)}   ${cpu}  ${peak}`);
  }
  const peers = all.filter(({ tool }) => tool.kind === "peer to peer");
  const byWeb = all.find(({ tool }) => tool === web);
  for (const { way, of, peers: wanted, web: wantedOfWeb } of targets) {
    const synced = of === "wire" ? [way] : [way, `${way}, synced`];
    for (const name of synced) {
      const ours = all.find(({ tool }) => tool.name === `shoal, ${name}`)!;
      const fastest = peers.toSorted((a, b) => (b[of] || 0) - (a[of] || 0))[0];
      if (fastest !== undefined) ratio(`${name}, ${of} / ${fastest.tool.name}`, ours[of] / fastest[of], wanted);
      if (byWeb !== undefined) ratio(`${name}, ${of} / ${byWeb.tool.name}`, ours[of] / byWeb[of], wantedOfWeb);
    }
  }
  const peak = Math.max(
    ...all.filter(({ tool }) => tool.kind === "ours").flatMap(({ results }) =>
      sides(results, ({ peakBytes }) => peakBytes, (values) => Math.max(...values))
    ),
  );
  console.log(`  our peak memory, either side: ${inMega(peak)} MB, target ${inMega(peakBytesMax)} MB`);
}

function ratio(name: string, value: number, target: number | undefined): void {
  const beside = target === undefined ? "" : `   target ${target.toFixed(2)}${value < target ? ", not reached" : ""}`;
  console.log(`  ratio ${name.padEnd(64)} ${value.toFixed(2).padStart(5)}${beside}`);
}

function sides(
  results: readonly Result[],
  of: (side: Sample["sending"]) => number,
  among: (values: readonly number[]) => number,
): readonly number[] {
  return [among(results.map((result) => of(result.sending))), among(results.map((result) => of(result.receiving)))];
}

function inMega(bytes: number): string {
  return (Number.isNaN(bytes) ? "–" : (bytes / 1e6).toFixed(0)).padStart(5);
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split("\n")[0]!.slice(0, 200);
}
