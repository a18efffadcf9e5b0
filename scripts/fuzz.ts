/**
 * fuzz: damaged input, behind `deno task fuzz`: first for every decoder in this process, then as datagrams for a running coordinator that
 * honest peers use meanwhile, then as TCP connections to a peer's transfer port and a coordinator's admin address. Exits 1 if a decoder
 * throws, a program dies or reports a mistake of its own, an honest peer is not served, memory or descriptors grow, or strangers
 * are answered more than they sent.
 *
 *     deno task fuzz                                       1,000,000 datagrams, 1,000 connections
 *     deno task fuzz --count 10000000                      the long form: ten times that of both
 *     deno task fuzz --count 30000 --seed 7
 *     deno task fuzz --count 0 --connections 10000         connections alone
 */

import { parseArgs } from "@std/cli";
import { loadOpaque } from "../lib/session/opaque.ts";
import { runSeed, seeded } from "../tests/sim/seeded.ts";
import { fuzzDecoders } from "./fuzz/decoders.ts";
import { type ConnectionsReport, floodConnections } from "./fuzz/connections.ts";
import { flood, type FloodReport } from "./fuzz/flood.ts";

/** What the coordinator's memory may be at the end over the most that it was while it warmed up, in KiB. */
const growthKibMax = 16 * 1024;
/** Datagrams that warm it up: by then code is compiled, tables have their size, and garbage comes and goes. */
const warmUpCount = 100_000;
/** The system drops what finds a full queue; more than this share would mean that the flood did not arrive. */
const lostShareMax = 0.01;
/** Descriptors that an honest connection may hold just then. */
const descriptorsMore = 8;

function check(holds: boolean, claim: string): void {
  if (!holds) throw new Error(`The fuzz failed: ${claim}`);
}

function number(text: string | undefined, otherwise: number): number {
  const value = text === undefined ? otherwise : Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new TypeError(`not a number: ${text}`);
  return value;
}

function tell(report: FloodReport): void {
  const lost = report.datagrams - report.received;
  const kinds = Object.entries(report.sent).map(([kind, count]) => `${count} ${kind}`).join(", ");
  console.log(`coordinator: ${kinds}`);
  console.log(
    `  ${report.datagrams} datagrams in ${
      report.seconds.toFixed(1)
    } s, ${report.received} received (${lost} dropped by the system)`,
  );
  const { asked, answered } = report;
  console.log(
    `  strangers sent ${asked.datagrams} (${asked.bytes} bytes) and got ${answered.datagrams} (${answered.bytes})`,
  );
  console.log(`  the insider was answered ${report.insiderAnswers} times`);
  console.log(
    `  honest peers: ${report.questions} questions, each answered rightly, the slowest after ${
      report.slowestMs.toFixed(0)
    } ms; ` +
      `${report.keptAlive} keep-alives, ${report.logins} logins`,
  );
  console.log(`  memory: at most ${report.baseKib} KiB warming up, ${report.endKib} KiB at the end`);
}

function tellConnections({ seconds, connections, refused, fetches, pages, before, after }: ConnectionsReport): void {
  console.log(`connections: ${connections} of junk in ${seconds.toFixed(1)} s, ${refused} of them refused or reset`);
  console.log(`  honest meanwhile: ${fetches} fetches and ${pages} pages, each as it should be`);
  for (const [i, { program, kib, descriptors }] of after.entries()) {
    const was = before[i]!;
    console.log(
      `  ${program}: ${was.kib} KiB and ${was.descriptors} descriptors, ${kib} and ${descriptors} at the end`,
    );
  }
}

async function fuzzDatagrams(count: number): Promise<void> {
  for (const { name, inputs, accepted } of fuzzDecoders(random, Math.ceil(count / 10))) {
    console.log(`${name}: ${inputs} inputs, ${accepted} of them legal`);
  }
  const report = await flood({
    random,
    count,
    addresses: number(args.addresses, 16),
    warmUpCount: Math.min(warmUpCount, count / 5),
    secondsMax: 60 + count / 500,
    onProgress: (sent, kib) => console.error(`${sent} datagrams, ${kib} KiB …`),
  });
  tell(report);
  check(report.faults.length === 0, `the coordinator made a mistake: ${report.faults[0]}`);
  check(report.datagrams - report.received <= lostShareMax * report.datagrams, "the datagrams arrive");
  const { asked, answered } = report;
  check(answered.datagrams <= asked.datagrams && answered.bytes <= asked.bytes, "strangers get less than they send");
  check(report.insiderAnswers > 0, "the insider has a session");
  // A shorter run ends before the memory has settled.
  if (count >= 5 * warmUpCount) check(report.endKib - report.baseKib <= growthKibMax, "the memory does not grow");
}

async function fuzzConnections(count: number): Promise<void> {
  const report = await floodConnections({ random, count, secondsMax: 120 + count / 20 });
  tellConnections(report);
  check(report.faults.length === 0, `a program made a mistake: ${report.faults[0]}`);
  for (const [i, { program, kib, descriptors }] of report.after.entries()) {
    const was = report.before[i]!;
    check(descriptors <= was.descriptors + descriptorsMore, `${program} has no more descriptors than before`);
    if (count >= 1_000) check(kib <= was.kib + growthKibMax, `${program} has no more memory than before`);
  }
}

await loadOpaque();
const args = parseArgs(Deno.args, { string: ["count", "seed", "addresses", "connections"] });
const count = number(args.count, 1_000_000);
const connections = number(args.connections, Math.ceil(count / 1000));
const seed = number(args.seed, runSeed());
const random = seeded(seed);
console.log(`seed ${seed}`);
try {
  if (count > 0) await fuzzDatagrams(count);
  if (connections > 0) await fuzzConnections(connections);
} catch (error) {
  console.error(error);
  console.error(`Run it again with --seed ${seed} --count ${count} --connections ${connections}`);
  Deno.exit(1);
}
console.log("ok");
