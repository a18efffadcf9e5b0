/**
 * control: measures the coordinator under a crowd: sealed sessions that were logged in by their passwords ask a real coordinator over
 * loopback, from a process of their own; with npm's bittorrent-tracker beside it. Closed loops have 64 requests out all the time and
 * tell how much it carries; open loops send at a stated rate and tell how long an answer takes, counted from when it was to be sent.
 *
 *     deno task bench control [--sessions 1000,10000,100000] [--files 1000000] [--seconds 10] [--data FOLDER]
 *     deno task bench control --short       a minute or two: --sessions 1000,10000 --files 100000 --seconds 4
 *
 * With --data the accounts and files are made once in that folder, and used again by runs of the same sizes.
 */

import { parseArgs } from "@std/cli";
import { fromFileUrl, join } from "@std/path";
import { Program, programArgs } from "../programs.ts";
import { v8Args } from "../ship/bundle.ts";
import type { LoadReport, Order } from "./control/generator.ts";
import { filesPerShare } from "./control/generator.ts";
import { wantedByClients } from "./control/announces.ts";
import type { LoadFigures, LoginFigures } from "./control/fleet.ts";
import { accountsFor, populate } from "./control/population.ts";
import { usageOf } from "./control/usage.ts";
import { isThere, printFigure } from "./ground.ts";
import { startTracker, trackerPackage } from "./tools/udp_tracker.ts";

const inFlight = 64;
/** Rates of the open loops, a second: what a full coordinator is asked by 100,000 peers, and a crowd of searchers. */
const statusPerSecond = 10_000;
const searchesPerSecond = 1_000;
/** Devices that the generator logs in before it reports. */
const loginsAtOnce = 2_000;
/** STATUS requests a second beside the searches: they tell how long a search keeps others waiting. */
const besidePerSecond = 200;

interface Sizes {
  /** Growing. */
  readonly sessions: readonly number[];
  readonly files: number;
  readonly seconds: number;
}

/** Measures all. @param words The options above. */
export async function benchControl(words: readonly string[]): Promise<void> {
  const { short, data, ...told } = parseArgs([...words], {
    boolean: ["short"],
    string: ["sessions", "files", "seconds", "data"],
  });
  const sizes: Sizes = {
    sessions: (told.sessions ?? (short ? "1000,10000" : "1000,10000,100000")).split(",").map(readNumber),
    files: readNumber(told.files ?? (short ? "100000" : "1000000")),
    seconds: readNumber(told.seconds ?? (short ? "4" : "10")),
  };
  const temporary = await Deno.makeTempDir({ prefix: "shoal-bench-" });
  try {
    await measure(sizes, data ?? join(temporary, "data"), temporary);
  } finally {
    await Deno.remove(temporary, { recursive: true });
  }
}

function readNumber(text: string): number {
  if (/^[1-9]\d{0,6}$/.test(text)) return Number(text);
  console.error(`bench control: ${text} is no number`);
  Deno.exit(2);
}

async function measure(sizes: Sizes, data: string, temporary: string): Promise<void> {
  const sessionsMax = sizes.sessions.at(-1)!;
  const { files, seconds } = sizes;
  console.log(`control: ${inFlight} in flight, ${seconds} s each; processor µs of the datagram loop / of the process`);
  if (!isThere(data)) {
    const fromMs = performance.now();
    await populate(data, { devices: sessionsMax, files });
    const took = ((performance.now() - fromMs) / 1000).toFixed(0);
    console.log(`  ${accountsFor(sessionsMax)} accounts and ${files} files put into the store in ${took} s`);
  }
  await using generator = new Generator();
  const ratio = await compare(generator, sizes, temporary);
  await using coordinator = new Program([
    ...programArgs("coordinator"),
    ...["0", "--data", data, "--keep-alive", "3600", "--rate-per-account", "100000", "-q", "--json"],
  ]);
  const port = await coordinator.ready();
  const { pid } = coordinator;
  const empty = await usageOf(pid);
  await generator.tell({
    do: "open",
    coordinator: { ip: "127.0.0.1", port },
    accounts: accountsFor(sessionsMax),
    files,
  });

  const rates: number[] = [];
  for (const sessions of sizes.sessions) {
    await logIn(generator, pid, sessions);
    const status = { do: "load", request: "status", sessions } as const;
    await generator.tell({ ...status, seconds: seconds / 4, pace: { inFlight } });
    const closed = await underLoad(generator, pid, { ...status, seconds, pace: { inFlight } });
    printLoad(`STATUS, ${sessions} sessions`, closed, sessions === sessionsMax ? { atLeast: 40_000, p99Ms: 5 } : {});
    rates.push(closed.perSecond);
    const open = await underLoad(generator, pid, { ...status, seconds, pace: { perSecond: statusPerSecond } });
    printLoad(`STATUS, ${sessions} sessions, ${statusPerSecond}/s offered`, open);
  }
  const flat = Math.min(...rates) / Math.max(...rates);
  printFigure("STATUS: slowest / fastest of these", flat.toFixed(2), { text: "0.85", isReached: flat >= 0.85 });
  ratio(rates);

  for (const [request, atLeast] of [["mix", 3_000], ["frequent", 8_000]] as const) {
    const search = { do: "load", request, sessions: sessionsMax } as const;
    const what = `SEARCH of ${files} files, ${request === "mix" ? "all kinds" : "frequent words"}`;
    await generator.tell({ ...search, seconds: 1, pace: { inFlight } });
    printLoad(what, await underLoad(generator, pid, { ...search, seconds, pace: { inFlight }, besidePerSecond }), {
      atLeast,
      ...(request === "mix" ? { p99Ms: 15 } : {}),
    });
    const pace = { perSecond: searchesPerSecond };
    const open = await underLoad(generator, pid, { ...search, seconds, pace, besidePerSecond });
    printLoad(`${what}, ${searchesPerSecond}/s offered`, open);
  }
  const full = await usageOf(pid);
  const megabytes = full.residentBytes / 1e6;
  printFigure(`resident with ${sessionsMax} sessions and ${files} files, MB`, megabytes.toFixed(0), {
    text: "at most 600",
    isReached: megabytes <= 600,
  });
  printFigure("resident when it was ready, MB", (empty.residentBytes / 1e6).toFixed(0));

  const share = { do: "load", request: "share", sessions: sessionsMax, seconds, pace: { inFlight } } as const;
  const sharing = await underLoad(generator, pid, share);
  printLoad("SHARE, durable, files", sharing, { atLeast: 20_000 }, filesPerShare);
}

/** A load, and the processor time that the coordinator took for it. */
interface Measured extends LoadReport {
  readonly perSecond: number;
  readonly loopMicros: number;
  readonly micros: number;
}

async function underLoad(generator: Generator, pid: number, order: Order): Promise<Measured> {
  const before = await usageOf(pid);
  const figures = await generator.tell<LoadReport>(order);
  const after = await usageOf(pid);
  const requests = figures.answered + (figures.beside?.answered ?? 0);
  return {
    ...figures,
    perSecond: figures.answered / figures.seconds,
    loopMicros: (after.loopSeconds - before.loopSeconds) / requests * 1e6,
    micros: (after.seconds - before.seconds) / requests * 1e6,
  };
}

/** Measures the tracker; what is returned prints how the coordinator compares. */
async function compare(
  generator: Generator,
  sizes: Sizes,
  temporary: string,
): Promise<(rates: readonly number[]) => void> {
  const folder = join(temporary, "tracker");
  await Deno.mkdir(folder);
  await using tracker = await startTracker(folder);
  if (tracker === undefined) {
    console.log(`  ${trackerPackage} cannot be installed from npm here: nothing to compare with`);
    return () => {};
  }
  const endpoint = { ip: "127.0.0.1", port: await tracker.ready() };
  const announce = { do: "announce", tracker: endpoint, peers: sizes.sessions.at(-1)!, inFlight } as const;
  const forms = [{ what: "as clients send them", wanted: wantedByClients }, {
    what: "that want one address",
    wanted: 1,
  }];
  const announced: { readonly what: string; readonly perSecond: number }[] = [];
  for (const { what, wanted } of forms) {
    await generator.tell({ ...announce, wanted, seconds: sizes.seconds / 2 });
    const measured = await underLoad(generator, tracker.pid, { ...announce, wanted, seconds: sizes.seconds });
    printLoad(`bittorrent-tracker (npm), plaintext announces ${what}`, measured);
    announced.push({ what, perSecond: measured.perSecond });
  }
  return (rates) => {
    for (const { what, perSecond } of announced) {
      const ratio = Math.min(...rates) / perSecond;
      printFigure(`STATUS, sealed / announces ${what}`, ratio.toFixed(2), { text: "1.20", isReached: ratio >= 1.2 });
    }
  };
}

/** Logs devices in until there are so many sessions, a few thousand at a time: no order to the generator may take for ever. */
async function logIn(generator: Generator, pid: number, sessions: number): Promise<void> {
  const before = await usageOf(pid);
  let [logins, seconds, repeated, p99Ms] = [0, 0, 0, 0];
  for (let isDone = false; !isDone;) {
    const step = await generator.tell<LoginFigures>({ do: "logIn", sessions, loginsMax: loginsAtOnce, inFlight });
    logins += step.logins;
    seconds += step.seconds;
    repeated += step.repeated;
    p99Ms = Math.max(p99Ms, step.p99Ms);
    isDone = step.sessions === sessions;
  }
  const after = await usageOf(pid);
  const perSecond = logins / seconds;
  const micros = ((after.loopSeconds - before.loopSeconds) / logins * 1e6).toFixed(0);
  printFigure(
    `${logins} logins: p99 ${p99Ms.toFixed(0)} ms, ${micros} µs each, ${repeated} repeated`,
    `${perSecond.toFixed(0)}/s`,
    { text: "500/s", isReached: perSecond >= 500 },
  );
  const kilobytes = (after.residentBytes - before.residentBytes) / logins / 1e3;
  printFigure("  resident memory that they added, kB each", kilobytes.toFixed(1));
}

function printLoad(
  name: string,
  { perSecond, loopMicros, micros, p50Ms, p99Ms, refused, lost, beside }: Measured,
  target: { readonly atLeast?: number; readonly p99Ms?: number } = {},
  units = 1,
): void {
  const rate = perSecond * units;
  const failed = refused + lost === 0 ? "" : `, ${refused} refused, ${lost} lost`;
  const processor = `${(loopMicros / units).toFixed(1)}/${(micros / units).toFixed(1)} µs`;
  const times = `p50 ${p50Ms.toFixed(2)} p99 ${p99Ms.toFixed(2)} ms`;
  printFigure(
    `${name}: ${times}, ${processor}${failed}`,
    `${rate.toFixed(0)}/s`,
    target.atLeast === undefined ? undefined : {
      text: `${target.atLeast}/s${target.p99Ms === undefined ? "" : `, p99 ${target.p99Ms} ms`}`,
      isReached: rate >= target.atLeast && p99Ms <= (target.p99Ms ?? Infinity),
    },
  );
  if (beside !== undefined) printBeside(beside);
}

function printBeside({ p50Ms, p99Ms, maxMs }: LoadFigures): void {
  const times = `p50 ${p50Ms.toFixed(2)} p99 ${p99Ms.toFixed(2)} ms`;
  printFigure(`  STATUS meanwhile, ${besidePerSecond}/s offered: ${times}, longest`, `${maxMs.toFixed(1)} ms`);
}

/** The process that plays the peers. */
class Generator implements AsyncDisposable {
  readonly #program = new Program(
    [
      ...["run", "-q", "--no-prompt", ...v8Args.peer, "-P=scripts"],
      fromFileUrl(new URL("./control/generator.ts", import.meta.url)),
    ],
    { isTypedTo: true },
  );

  /** Has it do something. @throws {Error} If it cannot. */
  async tell<Report>(order: Order): Promise<Report> {
    const after = this.#program.lines.length;
    this.#program.type(`${JSON.stringify(order)}\n`);
    const line = await this.#program.line(({ type }) => type === "done" || type === "failed", after);
    if (line.type === "failed") throw new Error(String(line["message"]));
    return line as unknown as Report;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#program.kill();
  }
}
