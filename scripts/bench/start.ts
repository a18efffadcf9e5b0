/**
 * start: measures how long the programs take until they are of use, by `deno run`, as bundles, and as executables where dist has them,
 * beside an empty script and `node -e 0`, in one run and in turns, so that all meet the same machine. Caches are warm. Prints medians,
 * ratios to the empty script, and the limits; asserts nothing. A peer's ready line comes after its login, which by the password costs
 * 0.1 s by design: it is measured and has no limit.
 *
 *     deno task bench start [rounds]
 */

import { fromFileUrl, join } from "@std/path";
import { Program, programArgs, type ProgramOptions, Stage } from "../programs.ts";
import { bundleProgram, commitOf, type ProgramName, programNames, runArgs, runEnv } from "../ship/bundle.ts";

const dist = fromFileUrl(new URL("../../dist", import.meta.url));

/** How the programs are started; milliseconds. */
interface Form {
  readonly name: string;
  /** How long a program may take until it is ready. */
  readonly readyMsMax: number;
  start(program: ProgramName, args: readonly string[], options?: ProgramOptions): Program;
}

/** One thing that is waited for. */
interface Row {
  readonly name: string;
  readonly limitMs: number | undefined;
  measure(): Promise<number>;
}

/** Measures all that can be started here. @param rounds How many starts each median is of. */
export async function benchStart(rounds: number): Promise<void> {
  await using stage = await Stage.open({ alice: "a", bob: "b" });
  await stage.coordinator();
  await Deno.writeTextFile(stage.path("small.txt"), "small");
  await using sharing = stage.peer("bob", ["share", stage.path("small.txt")]);
  await sharing.ready();
  const forms = await formsOf(stage);
  const rows = [...await yardsticks(stage), ...forms.flatMap((form) => rowsOf(form, stage))];
  const medians = await measure(rows, rounds);
  console.log(`start: milliseconds, medians of ${rounds}`);
  for (const [i, { name, limitMs }] of rows.entries()) {
    const ratio = `ratio ${(medians[i]! / medians[0]!).toFixed(1).padStart(4)}`;
    const limit = limitMs === undefined ? "" : `   limit ${limitMs}${medians[i]! > limitMs ? ", over it" : ""}`;
    console.log(`  ${name.padEnd(46)} ${medians[i]!.toFixed(0).padStart(5)}   ${ratio}${limit}`);
  }
}

async function formsOf(stage: Stage): Promise<readonly Form[]> {
  const commit = await commitOf();
  const env = { ...runEnv, HOME: stage.path("nobody") };
  const forms: Form[] = [{
    name: "deno run",
    readyMsMax: 150,
    start: (program, args, options) => new Program([...programArgs(program), ...args], options),
  }];
  for (const program of programNames) await bundleProgram(program, stage.path(`bundle-${program}`), commit);
  forms.push({
    name: "bundle",
    readyMsMax: 300,
    start: (program, args, options) =>
      new Program([...runArgs(program, stage.path(`bundle-${program}`)), ...args], options),
  });
  if (programNames.every((program) => isThere(join(dist, `shoal-${program}`)))) {
    forms.push({
      name: "executable",
      readyMsMax: 300,
      start: (program, args, options) =>
        new Program(args, { ...options, env: { ...env, ...options?.env }, executable: join(dist, `shoal-${program}`) }),
    });
  } else console.log("start: dist has no executables (deno task compile makes them): only deno run and bundles");
  return forms;
}

/** What any program costs that one of these two runs. */
async function yardsticks(stage: Stage): Promise<readonly Row[]> {
  const empty = stage.path("empty.ts");
  await Deno.writeTextFile(empty, "");
  const rows: Row[] = [{
    name: "deno run of an empty script",
    limitMs: undefined,
    measure: () => untilEnd(() => new Program(["run", "-q", "--no-prompt", "--no-config", empty])),
  }];
  const node = () => new Program(["-e", "0"], { executable: "node" });
  try {
    await untilEnd(node);
    rows.push({ name: "node -e 0", limitMs: undefined, measure: () => untilEnd(node) });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    console.log("start: node is missing: nothing to compare with but Deno itself");
  }
  return rows;
}

function rowsOf(form: Form, stage: Stage): readonly Row[] {
  const row = (name: string, limitMs: number | undefined, measure: () => Promise<number>): Row => ({
    name: `${form.name}: ${name}`,
    limitMs,
    measure,
  });
  const data = stage.path(`data-${form.name}`);
  const peer = (account: string, command: readonly string[]) => [
    ...[String(stage.port), "--user", account, "--password-file", stage.path(`${account}.password`)],
    ...["--home", stage.path(`home-${account}`), ...command],
  ];
  return [
    row("coordinator --version", undefined, () => untilEnd(() => form.start("coordinator", ["--version"]))),
    row("coordinator --help", undefined, () => untilEnd(() => form.start("coordinator", ["--help"]))),
    row(
      "coordinator ready",
      form.readyMsMax,
      () => untilReady(() => form.start("coordinator", ["0", "--data", data, "--json"])),
    ),
    row(
      "coordinator user list",
      undefined,
      () => untilEnd(() => form.start("coordinator", ["user", "list", "--data", stage.path("data")])),
    ),
    row("peer --version", undefined, () => untilEnd(() => form.start("peer", ["--version"]))),
    row("peer --help", undefined, () => untilEnd(() => form.start("peer", ["--help"]))),
    row("peer ready, logged in by the password", undefined, async () => {
      await Deno.remove(stage.path("home-alice"), { recursive: true }).catch(() => {
        // The first round has none.
      });
      return await untilReady(() => form.start("peer", peer("alice", ["--json"])));
    }),
    row(
      "peer ready, logged in by its key",
      undefined,
      () => untilReady(() => form.start("peer", peer("alice", ["--json"]))),
    ),
    row(
      "peer status --json, through another",
      form.readyMsMax,
      () => untilEnd(() => form.start("peer", peer("bob", ["status", "--json"]))),
    ),
    row(
      "peer status, through another",
      form.readyMsMax,
      () => untilEnd(() => form.start("peer", peer("bob", ["status"]))),
    ),
  ];
}

/** Measures all rows in turn; the first round warms caches and is not counted. */
async function measure(rows: readonly Row[], rounds: number): Promise<readonly number[]> {
  const times = rows.map(() => [] as number[]);
  for (let round = 0; round <= rounds; round++) {
    for (const [i, row] of rows.entries()) {
      const ms = await row.measure();
      if (round > 0) times[i]!.push(ms);
    }
  }
  return times.map((some) => some.toSorted((a, b) => a - b)[Math.floor(some.length / 2)]!);
}

/** How long a program runs that ends by itself. @throws {Error} If it fails. */
async function untilEnd(start: () => Program): Promise<number> {
  const fromMs = performance.now();
  await using program = start();
  const { code, stderr } = await program.end();
  if (code !== 0) throw new Error(`A program that was to be measured failed: ${stderr}`);
  return performance.now() - fromMs;
}

/** How long a program takes to its ready line. It ends in order, so that the next one finds what any start finds. */
async function untilReady(start: () => Program): Promise<number> {
  const fromMs = performance.now();
  await using program = start();
  await program.ready();
  const tookMs = performance.now() - fromMs;
  program.signal("SIGTERM");
  await program.end();
  return tookMs;
}

function isThere(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
