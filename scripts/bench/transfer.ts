/**
 * transfer: measures a fetch of 1 GiB on loopback by the real programs, beside curl from nginx over TLS 1.3 followed by
 * `openssl dgst -sha256`, in one run and in turns, so that all meet the same machine. Ours is encrypted, hashes each piece and writes
 * it; theirs is encrypted, written, and then hashed. Prints medians and ratios; asserts nothing.
 *
 *     deno task bench transfer [rounds]
 */

import { mib } from "../../lib/core/limits.ts";
import { Stage } from "../programs.ts";
import { Web } from "./web.ts";

const fileBytes = 1024 * mib;
const fileName = "gigabyte.bin";

/** One way to get the file; milliseconds. */
interface Way {
  readonly name: string;
  fetch(sync: boolean): Promise<number>;
}

/** Measures all ways, not synced and synced. @param rounds How many fetches each median is of. */
export async function benchTransfer(rounds: number): Promise<void> {
  await using stage = await Stage.open({ alice: "a", bob: "b", carol: "c" });
  const source = stage.path("source");
  await Deno.mkdir(source);
  makeFile(stage.path("source", fileName));
  await Deno.writeTextFile(stage.path("small.txt"), "small");
  await stage.coordinator();
  const sharing = stage.peer("alice", ["share", stage.path("source", fileName)]);
  await sharing.ready();
  const serving = stage.peer("bob", ["share", stage.path("small.txt")]);
  await serving.ready();
  const work = stage.path("nginx");
  await Deno.mkdir(work);
  await using web = await Web.start(source, work);

  const ways: Way[] = [
    { name: "peer that is logged in", fetch: async (sync) => (await fetchBy(stage, "bob", sync)).tookMs },
    { name: "whole command, login included", fetch: async (sync) => (await fetchBy(stage, "carol", sync)).wallMs },
  ];
  if (web === undefined) console.log("transfer: nginx, curl or openssl is missing: nothing to compare with");
  else ways.push({ name: "curl from nginx, then openssl", fetch: (sync) => byWeb(stage, web, sync) });

  for (const sync of [false, true]) {
    const title = `1 GiB, TLS, verified, on disk, ${sync ? "synced" : "not synced"}`;
    console.log(`transfer: ${title} (median of ${rounds})`);
    const medians = await measure(ways, rounds, sync);
    for (const [i, way] of ways.entries()) {
      const ratio = web === undefined || i === ways.length - 1
        ? ""
        : `   ratio ${(medians.at(-1)! / medians[i]!).toFixed(2)}`;
      console.log(`  ${way.name.padEnd(30)} ${speed(medians[i]!)}${ratio}`);
    }
  }
  for (const [side, program] of [["sending", sharing], ["receiving", serving]] as const) {
    console.log(`  ${side} peer: peak memory ${await peakMemory(program.pid)}`);
  }
}

/** Measures all ways in turn; the first round warms caches and is not counted. */
async function measure(ways: readonly Way[], rounds: number, sync: boolean): Promise<readonly number[]> {
  const times = ways.map(() => [] as number[]);
  for (let round = 0; round <= rounds; round++) {
    const order = round % 2 === 0 ? [...ways.keys()] : [...ways.keys()].reverse();
    for (const i of order) {
      const ms = await ways[i]!.fetch(sync);
      if (round > 0) times[i]!.push(ms);
    }
  }
  return times.map((some) => some.toSorted((a, b) => a - b)[Math.floor(some.length / 2)]!);
}

/** Fetches by a command of its own; through the peer that owns the account's home, if one does. */
async function fetchBy(
  stage: Stage,
  account: string,
  sync: boolean,
): Promise<{ readonly tookMs: number; readonly wallMs: number }> {
  const fromMs = performance.now();
  await using command = stage.peer(account, ["fetch", fileName, ...(sync ? [] : ["--no-sync"])]);
  const ended = await command.end();
  const wallMs = performance.now() - fromMs;
  const fetched = ended.lines.find((line) => line.type === "fetched");
  if (fetched === undefined) throw new Error(`The fetch failed: ${ended.stdout}${ended.stderr}`);
  await Deno.remove(fetched["path"] as string);
  return { tookMs: fetched["tookMs"] as number, wallMs };
}

async function byWeb(stage: Stage, web: Web, sync: boolean): Promise<number> {
  const target = stage.path("by-curl.bin");
  const ms = await web.fetch(fileName, target, sync);
  await Deno.remove(target);
  return ms;
}

/** Writes random bytes that no file system and no compression makes shorter. */
function makeFile(path: string): void {
  using file = Deno.openSync(path, { write: true, create: true });
  const step = new Uint8Array(mib);
  for (let done = 0; done < fileBytes; done += step.length) {
    for (let at = 0; at < step.length; at += 65_536) crypto.getRandomValues(step.subarray(at, at + 65_536));
    for (let at = 0; at < step.length;) at += file.writeSync(step.subarray(at));
  }
}

function speed(ms: number): string {
  return `${(fileBytes / 1000 / ms).toFixed(0).padStart(5)} MB/s  ${(ms / 1000).toFixed(2)} s`;
}

/** Deno lets no program with fewer than all permissions read /proc: `cat` does. */
async function peakMemory(pid: number): Promise<string> {
  const { stdout } = await new Deno.Command("cat", { args: [`/proc/${pid}/status`], stderr: "null" }).output();
  const peak = /VmHWM:\s+(\d+) kB/.exec(new TextDecoder().decode(stdout))?.[1];
  return peak === undefined ? "unknown" : `${(Number(peak) * 1.024 / 1000).toFixed(0)} MB`;
}
