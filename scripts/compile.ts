/**
 * compile: makes dist/shoal-coordinator and dist/shoal-peer, behind `deno task compile`: by `deno compile`, or, where the base binary
 * that it needs cannot be had, as self-contained executables of the same names that hold the Deno runtime. (I/O)
 *
 *     deno task compile [--target TARGET] [--runtime FILE] [--out DIR]
 */

import { parseArgs } from "@std/cli";
import { createHash } from "node:crypto";
import { basename, join, resolve } from "@std/path";
import { version } from "../lib/core/version.ts";
import { type Bundle, bundleProgram, commitOf, programNames, v8Args } from "./ship/bundle.ts";
import { machines, packRuntime, writeExecutable } from "./ship/executable.ts";

const help = `deno task compile [options]

Makes the executables shoal-coordinator and shoal-peer, and SHA256SUMS beside them.

Options:
  --target TARGET   the machine that they are for, as deno compile names it; this one unless told (${Deno.build.target})
  --runtime FILE    make self-contained executables with this Deno binary, without trying deno compile
  --out DIR         where to put them; dist unless told`;

/** Something the caller should read, not a fault of this script. */
class CompileError extends Error {}

interface Options {
  readonly target: string;
  readonly runtime: string | undefined;
  /** Absolute. */
  readonly out: string;
}

async function main(options: Options): Promise<void> {
  const { target, out } = options;
  const commit = await commitOf();
  await Deno.mkdir(out, { recursive: true });
  const bundles = [];
  for (const program of programNames) bundles.push(await bundleProgram(program, join(out, "bundle", program), commit));
  const isWindows = target.includes("windows");
  const paths = bundles.map(({ program }) => join(out, `shoal-${program}${isWindows ? ".exe" : ""}`));
  // deno compile does not write over what it did not make.
  const removeAll = () => Promise.all(paths.map((path) => Deno.remove(path).catch(ignoreNotFound)));
  await removeAll();
  try {
    const reason = options.runtime === undefined ? await compileAll(bundles, paths, target) : "A runtime was given";
    if (reason === undefined) console.log(`Compiled by deno compile for ${target}`);
    else await packAll(bundles, paths, options, reason);
    if (target === Deno.build.target) await checkRun(paths);
  } catch (error) {
    await removeAll();
    throw error;
  }
  await writeSums(out, paths);
  for (const path of paths) console.log(`${path}  ${((await Deno.stat(path)).size / 1e6).toFixed(1)} MB`);
}

/**
 * Compiles the bundles by `deno compile`.
 * @returns Undefined, or why there is no base binary.
 * @throws {CompileError} If it fails otherwise.
 */
async function compileAll(
  bundles: readonly Bundle[],
  paths: readonly string[],
  target: string,
): Promise<string | undefined> {
  for (const [i, { program, folder, files }] of bundles.entries()) {
    const [main, ...others] = files.map((name) => join(folder, name));
    const { success, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [
        ...["compile", "-q", "--no-prompt", "--no-check", "--no-remote", "--no-npm", "--target", target],
        ...["--config", join(folder, "deno.json"), `-P=${program}`, ...v8Args[program]],
        ...others.flatMap((path) => ["--include", path]),
        ...["-o", paths[i]!, main!],
      ],
      env: { NO_COLOR: "1" },
      stdin: "null",
    }).output();
    if (success) continue;
    const said = new TextDecoder().decode(stderr).trim();
    const reason = /base binary\.?\s+(?:1: )?(.+)/.exec(said)?.[1];
    if (reason !== undefined && !Deno.env.has("DENORT_BIN")) return `deno compile has no base binary (${reason})`;
    throw new CompileError(`deno compile cannot make ${paths[i]}: ${said}`);
  }
}

/** Makes self-contained executables, and says so. */
async function packAll(
  bundles: readonly Bundle[],
  paths: readonly string[],
  options: Options,
  reason: string,
): Promise<void> {
  const { target, runtime } = options;
  if (machines[target] === undefined) {
    throw new CompileError(
      `Cannot make executables for ${target}: ${reason}, and self-contained ones are for ` +
        Object.keys(machines).join(", "),
    );
  }
  if (runtime === undefined && target !== Deno.build.target) {
    throw new CompileError(
      `Cannot make executables for ${target}: ${reason}; name the Deno binary of that ` +
        "machine with --runtime FILE",
    );
  }
  console.log(`${reason}: making self-contained executables, which hold the Deno runtime`);
  const packed = await packRuntime(runtime ?? Deno.execPath()).catch((error) => {
    throw new CompileError(`Cannot read ${runtime}: ${error.message}`);
  });
  for (const [i, bundle] of bundles.entries()) {
    await writeExecutable({ bundle, version, runtime: packed, target, path: paths[i]! });
  }
}

/** Starts each executable once: a base binary that is none makes a file that runs something else. */
async function checkRun(paths: readonly string[]): Promise<void> {
  const cache = await Deno.makeTempDir({ prefix: "shoal-compile-" });
  try {
    for (const path of paths) {
      const { stdout, stderr } = await new Deno.Command(path, {
        args: ["--version"],
        env: { XDG_CACHE_HOME: cache },
        stdin: "null",
      }).output();
      const said = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
      const program = basename(path).replace(/^shoal-|\.exe$/g, "");
      if (!said.startsWith(`${program} ${version} `)) {
        throw new CompileError(`${path} does not run: --version printed ${JSON.stringify(said.slice(0, 500))}`);
      }
    }
  } finally {
    await Deno.remove(cache, { recursive: true });
  }
}

/** Writes the SHA-256 of each file as `sha256sum --check` reads them. */
async function writeSums(out: string, paths: readonly string[]): Promise<void> {
  const lines = await Promise.all(paths.map(async (path) => {
    const sum = createHash("sha256").update(await Deno.readFile(path)).digest("hex");
    return `${sum}  ${basename(path)}\n`;
  }));
  await Deno.writeTextFile(join(out, "SHA256SUMS"), lines.join(""));
}

function ignoreNotFound(error: unknown): void {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}

function readOptions(args: readonly string[]): Options | undefined {
  const unknown: string[] = [];
  const { target, runtime, out, help } = parseArgs([...args], {
    string: ["target", "runtime", "out"],
    boolean: ["help"],
    default: { target: Deno.build.target, out: "dist" },
    unknown: (arg) => void unknown.push(arg),
  });
  if (help) return undefined;
  if (unknown.length > 0) throw new CompileError(`Cannot read ${unknown[0]}; --help tells the options`);
  if (!target || runtime === "" || !out) throw new CompileError("An option lacks its value; --help tells the options");
  return { target, runtime: runtime === undefined ? undefined : resolve(runtime), out: resolve(out) };
}

if (import.meta.main) {
  try {
    const options = readOptions(Deno.args);
    if (options === undefined) console.log(help);
    else await main(options);
  } catch (error) {
    if (!(error instanceof CompileError)) throw error;
    console.error(`error: ${error.message}`);
    Deno.exit(1);
  }
}
