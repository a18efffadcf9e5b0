/**
 * test: the one gate, behind `deno task test`. Formatting, lint, types and layers are judged on the whole project, then the
 * tests run. The last line is `N passed, M failed`, with `, K skipped` if some were; N and K are what `deno test` counted, and
 * each gate that fails counts as one failure. Files, folders and flags of `deno test` narrow the tests, not the gates.
 *
 *     deno task test
 *     deno task test tests/wire --filter=truncated
 */

import { join, normalize, SEPARATOR } from "@std/path";

/** Folders whose tests start programs and measure time: they run one after another, on a machine left to them. */
export const serialFolders = ["tests/e2e", "tests/netlab", "tests/browser"];

/** A run that hangs is ended after this, in milliseconds: before the half hour that a build may take. */
const runMsMax = 24 * 60 * 1000;

/** As much of the end of a run's output as is searched for its result, in characters. */
const tailCharsMax = 64 * 1024;

const gates: readonly (readonly [name: string, ...args: string[]])[] = [
  ["formatting", "fmt", "--check"],
  ["lint", "lint"],
  ["types", "check", "-q"],
  ["layers", "run", "-q", "--no-prompt", "--allow-read=.", "scripts/check_layers.ts"],
];

/** Types are a gate of their own. Without `-q`, which would hide what tests print. */
const testArgs = ["test", "-P=test", "--no-prompt", "--no-check", "--trace-leaks", "--permit-no-files"];

/** What a run of tests came to. */
export interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** Reads the result that `deno test` prints last; undefined if it did not come that far. Steps are not counted. */
export function parseResult(output: string): Counts | undefined {
  // deno-lint-ignore no-control-regex
  const plain = output.replace(/\x1b\[[\d;]*m/g, "");
  const result = [...plain.matchAll(/^(?:ok|FAILED) \| (\d+) passed.*? \| (\d+) failed(.*)$/gm)].at(-1);
  if (!result) return undefined;
  const skipped = / \| (\d+) ignored/.exec(result[3]!)?.[1] ?? 0;
  return { passed: Number(result[1]), failed: Number(result[2]), skipped: Number(skipped) };
}

/** The part of `deno test`'s output that tells which tests failed and how; empty if none did. */
export function parseFailures(output: string): string {
  // deno-lint-ignore no-control-regex
  const plain = output.replace(/\x1b\[[\d;]*m/g, "");
  const end = plain.search(/^FAILED \| /m);
  if (end < 0) return "";
  const begin = plain.search(/^ (?:ERRORS|FAILURES) $/m);
  return begin < 0 ? "" : plain.slice(begin, end).trim();
}

/** Writes the last line. */
export function formatCounts({ passed, failed, skipped }: Counts): string {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`;
}

/**
 * Divides the tests into runs: one for those that may run side by side, one for those in serial folders.
 *
 * @param args Test files, folders and flags; none means all tests.
 * @param serial The serial folders that exist.
 * @returns The arguments of each run.
 */
export function planRuns(args: readonly string[], serial: readonly string[]): string[][] {
  const flags: string[] = [];
  const paths: string[] = [];
  for (let at = 0; at < args.length; at++) {
    const arg = args[at]!;
    if (arg === "--filter") flags.push(`--filter=${args[++at] ?? ""}`);
    else if (arg.startsWith("-")) flags.push(arg);
    else paths.push(normalize(arg).replaceAll(SEPARATOR, "/").replace(/\/$/, ""));
  }
  const roots = paths.length > 0 ? paths : ["tests"];
  const isInside = (path: string, folder: string) => path === folder || path.startsWith(`${folder}/`);
  const alone = [
    ...roots.filter((root) => serial.some((folder) => isInside(root, folder))),
    ...serial.filter((folder) => roots.some((root) => root !== folder && (root === "." || isInside(folder, root)))),
  ];
  const together = roots.filter((root) => !alone.includes(root));
  const runs: string[][] = [];
  if (together.length > 0) {
    runs.push([...flags, "--parallel", ...serial.map((folder) => `--ignore=${folder}`), ...together]);
  }
  if (alone.length > 0) runs.push([...flags, ...alone]);
  return runs;
}

/** Runs deno and tells whether it was content. */
async function runGate(args: readonly string[]): Promise<boolean> {
  const child = new Deno.Command(Deno.execPath(), { args: [...args], stdin: "null" });
  return (await child.spawn().status).success;
}

/** Runs tests, showing what they print as it comes. */
async function runTests(args: readonly string[], signal: AbortSignal): Promise<Counts & { readonly failures: string }> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [...testArgs, ...args],
    stdin: "null",
    stdout: "piped",
  }).spawn();
  const reader = child.stdout.getReader();
  const end = () => {
    // A lesser signal waits for the test that hangs, and a program that it left behind may hold the pipe open.
    child.kill("SIGKILL");
    reader.cancel();
  };
  if (signal.aborted) end();
  else signal.addEventListener("abort", end, { once: true });
  const decoder = new TextDecoder();
  let tail = "";
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    for (let at = 0; at < part.value.length;) at += await Deno.stdout.write(part.value.subarray(at));
    tail = (tail + decoder.decode(part.value, { stream: true })).slice(-tailCharsMax);
  }
  const { success } = await child.status;
  signal.removeEventListener("abort", end);
  if (signal.aborted) console.error(`\nThe tests were ended after ${runMsMax / 60_000} minutes`);
  const counts = parseResult(tail) ?? { passed: 0, failed: 0, skipped: 0 };
  const failed = success || counts.failed > 0 ? counts.failed : 1;
  return { ...counts, failed, failures: parseFailures(tail) };
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

if (import.meta.main) {
  Deno.chdir(join(import.meta.dirname!, ".."));
  const signal = AbortSignal.timeout(runMsMax);
  let total: Counts = { passed: 0, failed: 0, skipped: 0 };
  const add = ({ passed, failed, skipped }: Counts) => {
    total = { passed: total.passed + passed, failed: total.failed + failed, skipped: total.skipped + skipped };
  };
  for (const [name, ...args] of gates) {
    const content = await runGate(args);
    console.log(`${name}: ${content ? "ok" : "FAILED"}`);
    if (!content) add({ passed: 0, failed: 1, skipped: 0 });
  }
  const serial = (await Promise.all(serialFolders.map(async (folder) => await exists(folder) ? [folder] : []))).flat();
  let ran = 0;
  const failures: string[] = [];
  for (const args of planRuns(Deno.args, serial)) {
    const counts = await runTests(args, signal);
    ran += counts.passed + counts.failed + counts.skipped;
    add(counts);
    if (counts.failures) failures.push(counts.failures);
  }
  if (ran === 0) {
    console.log("No test ran");
    add({ passed: 0, failed: 1, skipped: 0 });
  }
  // Again at the end: a log of which only the end is kept still tells what failed.
  for (const text of failures) console.log(`\n${text}\n`);
  console.log(formatCounts(total));
  Deno.exit(total.failed > 0 ? 1 : 0);
}
