/**
 * flood: what members notice while strangers flood their coordinator: 1,000 logged-in peers keep their presence and search, at ease, then
 * under well-formed first messages of logins from 1,000 proven addresses, then under junk from many. Flooders and members are processes
 * of their own; the flooders' has the lowest priority, for a real flood does not come from the coordinator's own machine.
 *
 *     deno task bench flood [--seconds 10] [--junk 200000] [--starts 5000] [--searches 200] [--seed 1]
 */

import { parseArgs } from "@std/cli";
import { fromFileUrl, join } from "@std/path";
import { openRunningAdmin } from "../../lib/coordinator/admin.ts";
import { dataPaths } from "../../lib/coordinator/data_folder.ts";
import { Program, programArgs } from "../programs.ts";
import { accountsFor, populate } from "./control/population.ts";
import type { LoadReport, Order } from "./control/generator.ts";
import { usageOf } from "./control/usage.ts";
import type { FloodFigures, FloodOrder } from "./flood/flooder.ts";
import { printFigure } from "./ground.ts";

const members = 1_000;
const files = 10_000;
const provenAddresses = 1_000;
const junkAddresses = 500;
const statusPerSecond = 200;
const p99MsMax = 50;

/** Measures all. @param words The options above. */
export async function benchFlood(words: readonly string[]): Promise<void> {
  const told = parseArgs([...words], { string: ["seconds", "junk", "starts", "searches", "seed"] });
  const number = (name: "seconds" | "junk" | "starts" | "searches" | "seed", otherwise: number) =>
    Number(told[name] ?? otherwise);
  const seconds = number("seconds", 10);
  const folder = await Deno.makeTempDir({ prefix: "shoal-bench-" });
  try {
    const data = join(folder, "data");
    await populate(data, { devices: members, files });
    await using coordinator = new Program([...programArgs("coordinator"), "0", "--data", data, "-q", "--json"]);
    const endpoint = { ip: "127.0.0.1", port: await coordinator.ready() };
    await using admin = await openRunningAdmin(dataPaths(data));
    await using generator = program<Order>("control/generator.ts");
    await using flooder = program<FloodOrder>("flood/flooder.ts", ["nice", "-n", "19"]);
    await generator.tell({ do: "open", coordinator: endpoint, accounts: accountsFor(members), files });
    await generator.tell({ do: "logIn", sessions: members, loginsMax: members, inFlight: 16 });

    const load: Order = {
      ...{ do: "load", request: "mix", sessions: members, seconds, besidePerSecond: statusPerSecond, repeats: true },
      pace: { perSecond: number("searches", 200) },
    };
    const { pid } = coordinator;
    const measure = async (what: string, flood?: Pick<FloodOrder, "do" | "addresses" | "perSecond">) => {
      const order = flood && { ...flood, coordinator: endpoint, seconds: seconds + 1, seed: number("seed", 1) };
      const flooding = order && flooder.tell<FloodFigures>(order);
      const before = { status: await admin.ask({ kind: "status" }), usage: await usageOf(pid) };
      const report = await generator.tell<LoadReport>(load);
      const after = { status: await admin.ask({ kind: "status" }), usage: await usageOf(pid) };
      const figures = await flooding;
      const took = report.seconds;
      console.log(what);
      if (figures !== undefined) {
        const { sent, answers, proven } = figures;
        const from = proven === 0 ? junkAddresses : proven;
        printFigure(`  sent from ${from} addresses, a second`, (sent / figures.seconds).toFixed(0), {
          text: String(flood!.perSecond),
          isReached: sent / figures.seconds >= 0.95 * flood!.perSecond,
        });
        printFigure("  of these answered", answers.toFixed(0));
      }
      const rate = (name: "datagramsIn" | "datagramsShed" | "datagramsRefused") =>
        ((after.status[name] - before.status[name]) / took).toFixed(0);
      printFigure("  the coordinator received, a second", rate("datagramsIn"));
      const busy = (after.usage.loopSeconds - before.usage.loopSeconds) / took;
      printFigure("  its datagram loop was busy, of one processor", `${(100 * busy).toFixed(0)} %`);
      printFigure("  its resident memory, MB", (after.usage.residentBytes / 1e6).toFixed(0));
      const target = (p99Ms: number) => ({ text: `${p99MsMax} ms`, isReached: p99Ms < p99MsMax });
      for (const [name, one] of [["searches", report], ["keep-alives", report.beside!]] as const) {
        const { answered, p50Ms, p99Ms, maxMs, refused, lost, repeated } = one;
        const failed = `${repeated} repeated, ${refused} refused, ${lost} lost`;
        const times = `p50 ${p50Ms.toFixed(2)}, longest ${maxMs.toFixed(0)} ms`;
        printFigure(
          `  ${answered} ${name} of members: ${times}, ${failed}; p99`,
          `${p99Ms.toFixed(1)} ms`,
          target(p99Ms),
        );
      }
      printFigure("  members online at the end", String(after.status.online), {
        text: String(members),
        isReached: after.status.online === members,
      });
    };
    await measure("at ease");
    await measure("first messages of logins by password", {
      do: "starts",
      addresses: provenAddresses,
      perSecond: number("starts", 5_000),
    });
    await measure("junk", { do: "junk", addresses: junkAddresses, perSecond: number("junk", 200_000) });
    await measure("at ease again");
    const faults = coordinator.stderr.split("\n").filter((line) => line.includes("fault"));
    printFigure("mistakes that the coordinator made", String(faults.length), {
      text: "0",
      isReached: faults.length === 0,
    });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** A process beside this file that does what it is told. */
function program<O>(path: string, before: readonly string[] = []) {
  const run = [Deno.execPath(), "run", "-q", "--no-prompt", "-P=scripts", fromFileUrl(new URL(path, import.meta.url))];
  const [executable, ...args] = [...before, ...run];
  const started = new Program(args, { isTypedTo: true, executable: executable! });
  return {
    /** Has it do something. @throws {Error} If it cannot. */
    async tell<Report>(order: O): Promise<Report> {
      const after = started.lines.length;
      started.type(`${JSON.stringify(order)}\n`);
      const line = await started.line(({ type }) => type === "done" || type === "failed", after);
      if (line.type === "failed") throw new Error(String(line["message"]));
      return line as unknown as Report;
    },
    [Symbol.asyncDispose]: () => started.kill(),
  };
}
