/**
 * ground: small things that the benchmarks share: files of random bytes, free ports, waits with an end, and whether a program is there.
 * (I/O)
 */

import { mib } from "../../lib/core/limits.ts";
import { Program, type ProgramOptions } from "../programs.ts";

/** A wait is given up after this, in milliseconds. */
const waitMsMax = 120_000;

/** Writes random bytes, which no file system and no compression makes shorter. */
export function makeFile(path: string, bytes: number): void {
  using file = Deno.openSync(path, { write: true, create: true, truncate: true });
  const step = new Uint8Array(Math.min(bytes, mib));
  for (let done = 0; done < bytes; done += step.length) {
    for (let at = 0; at < step.length; at += 65_536) crypto.getRandomValues(step.subarray(at, at + 65_536));
    const part = step.subarray(0, Math.min(step.length, bytes - done));
    for (let at = 0; at < part.length;) at += file.writeSync(part.subarray(at));
  }
}

export function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

export async function isInstalled(program: string): Promise<boolean> {
  const command = new Deno.Command("which", { args: [program], stdout: "null", stderr: "null" });
  return (await command.output()).success;
}

/** Asks every 20 ms until the answer is yes. @throws {Error} If it never is. */
export async function until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  const giveUpAtMs = performance.now() + waitMsMax;
  while (!await isSo()) {
    if (performance.now() >= giveUpAtMs) throw new Error(`${waitMsMax} ms went by before ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Waits until somebody accepts connections at a port. @throws {Error} If the program that should ends. */
export async function untilListening(program: Program, port: number): Promise<void> {
  await until(`port ${port} is open`, async () => {
    if (program.hasEnded) throw new Error(`The program ended: ${program.stdout}${program.stderr}`);
    try {
      (await Deno.connect({ hostname: "127.0.0.1", port })).close();
      return true;
    } catch {
      return false;
    }
  });
}

/** Runs a program to its end. @throws {Error} If it fails, with what it said. */
export async function run(
  executable: string,
  args: readonly string[],
  options: ProgramOptions & { readonly started?: (program: Program) => void } = {},
): Promise<string> {
  const { started, ...rest } = options;
  await using program = new Program(args, { ...rest, executable });
  started?.(program);
  const { code, stdout, stderr } = await program.end();
  if (code !== 0) throw new Error(`${executable} failed (${code}): ${stdout}${stderr}`);
  return stdout;
}

export function isThere(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
}

/** Makes an empty folder of the stage, and removes it with what came into it when it is disposed. */
export async function emptyFolder(path: string): Promise<AsyncDisposable & { readonly path: string }> {
  await Deno.mkdir(path);
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

/** Prints a figure beside what is wanted of it. */
export function printFigure(
  name: string,
  value: string,
  target?: { readonly text: string; readonly isReached: boolean },
): void {
  const beside = target === undefined ? "" : `   target ${target.text}${target.isReached ? "" : ", not reached"}`;
  console.log(`  ${name.padEnd(62)} ${value.padStart(12)}${beside}`);
}
