/**
 * bundle: a program as a folder that runs without a network, a cache or a source tree: its modules and packages in one file of
 * JavaScript, its workers beside it, its permissions in a deno.json. Law: one commit makes the same bytes each time.  (I/O)
 *
 *     peer.js            the program
 *     lane_worker.js     a worker that it starts (lib/core/worker.ts)
 *     deno.json          its permission set
 *     LICENSES.txt       of the packages in it
 */

import { basename, fromFileUrl, join } from "@std/path";
import { licensesOf } from "./licenses.ts";

export type ProgramName = "coordinator" | "peer";
export const programNames: readonly ProgramName[] = ["coordinator", "peer"];

const root = fromFileUrl(new URL("../..", import.meta.url));

/** The workers that each program starts: nothing imports them, so they are bundled as files of their own. */
export const workers: Readonly<Record<ProgramName, readonly string[]>> = {
  coordinator: ["lib/coordinator/store/backup_worker.ts", "lib/coordinator/store/store_worker.ts"],
  peer: ["lib/peer/lane_worker.ts", "lib/peer/password_worker.ts"],
};

/**
 * What Deno is told of V8. Both programs make much garbage that dies at once, a few objects for each read or datagram: for it V8 would
 * take up to 16 MiB twice on each thread. In 1 MiB it stays in the processor's cache, and a coordinator's datagram costs a quarter less.
 * What a coordinator keeps for its sessions stays: before V8 looked through it again it would let it double. With limits by the square
 * root that is a third.
 */
export const v8Args: Readonly<Record<ProgramName, readonly string[]>> = {
  coordinator: ["--v8-flags=--max-semi-space-size=1,--sqrt-allocation-limits,--sqrt-allocation-limits-factor=40"],
  peer: ["--v8-flags=--max-semi-space-size=1"],
};

/** Stands in lib/core/version.ts for the commit. */
const commitMark = "@commit@";

export interface Bundle {
  readonly program: ProgramName;
  /** Absolute. */
  readonly folder: string;
  /** The names of its files, the program's own first. */
  readonly files: readonly string[];
}

/**
 * Bundles a program into a folder, which is made, or emptied if it is there.
 * @param commit As `commitOf` tells.
 * @throws {Error} If a module cannot be resolved, or the commit has no place in it.
 */
export async function bundleProgram(program: ProgramName, folder: string, commit: string): Promise<Bundle> {
  await Deno.remove(folder, { recursive: true }).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
  await Deno.mkdir(folder, { recursive: true });
  const modules = [`${program}.ts`, ...workers[program]];
  const files = modules.map((module) => basename(module).replace(/\.ts$/, ".js"));
  for (const [i, module] of modules.entries()) {
    await output(Deno.execPath(), [
      "bundle",
      "-q",
      "--platform=deno",
      "-o",
      join(folder, files[i]!),
      join(root, module),
    ]);
    await forgetFolders(join(folder, files[i]!));
  }
  const main = join(folder, files[0]!);
  const [before, after, ...more] = (await Deno.readTextFile(main)).split(commitMark);
  if (after === undefined || more.length > 0) throw new Error(`Cannot bundle ${program}: it has no one ${commitMark}`);
  await Deno.writeTextFile(main, before + commit + after);
  await Deno.writeTextFile(join(folder, "deno.json"), JSON.stringify(await bundleConfig(program)));
  const info = await output(Deno.execPath(), ["info", "--json", `${program}.ts`]);
  await Deno.writeTextFile(join(folder, "LICENSES.txt"), await licensesOf(info, root));
  return { program, folder, files: [...files, "deno.json", "LICENSES.txt"] };
}

/** Takes out where this machine keeps packages, which the bundler notes in comments and names: elsewhere it would be another place. */
async function forgetFolders(path: string): Promise<void> {
  const text = await Deno.readTextFile(path);
  await Deno.writeTextFile(path, text.replaceAll(/^(\/\/ | +")[^"\s]*\/npm\/[^/"\s]+\//gm, "$1npm/"));
}

/** The arguments that make Deno run a bundle; the program's own follow. @param folder Of the bundle, where it will run. */
export function runArgs(program: ProgramName, folder: string): string[] {
  return [
    ...["run", "-q", "--no-prompt", ...v8Args[program], "--no-remote", "--no-npm"],
    ...["--config", `${folder}/deno.json`, `-P=${program}`, `${folder}/${program}.js`],
  ];
}

/** The environment that Deno runs a bundle in, beside what the program reads. */
export const runEnv = { DENO_NO_UPDATE_CHECK: "1" } as const;

/** Tells the commit of the source tree: 12 digits, and `-changed` if files differ from it; `unknown` where there is no git. */
export async function commitOf(): Promise<string> {
  try {
    const hash = (await output("git", ["rev-parse", "--short=12", "HEAD"])).trim();
    return await output("git", ["status", "--porcelain"]) === "" ? hash : `${hash}-changed`;
  } catch {
    return "unknown";
  }
}

/**
 * What a bundle's program may do: the same as from the source tree. It is a workspace of its own: else Deno would look for one in every
 * folder above the bundle's, and run what somebody else's deno.json there maps imports to.
 */
async function bundleConfig(program: ProgramName): Promise<unknown> {
  const { permissions, unstable } = JSON.parse(await Deno.readTextFile(join(root, "deno.json")));
  return { workspace: [], permissions: { [program]: permissions[program] }, unstable };
}

/** Runs a command in the source tree. @throws {Error} If it fails, with what it said. */
async function output(command: string, args: readonly string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(command, { args: [...args], cwd: root }).output();
  if (!success) throw new Error(`${command} ${args[0]} failed: ${new TextDecoder().decode(stderr).trim()}`);
  return new TextDecoder().decode(stdout);
}
