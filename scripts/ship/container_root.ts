/**
 * container_root: what the coordinator's image holds, as folders to copy from. Laws: 1) it holds what runs and nothing else: runtime,
 * libraries, bundle, one user;  2) one commit and one runtime make the same bytes, names, modes and times.  (I/O)
 *
 *     root/shoal/                   deno, and the bundle unpacked beside it
 *     root/lib/…, root/lib64/…      the libraries that Deno links to and their loader, at the paths where it looks for them
 *     root/etc/                     passwd and group, with the one user
 *     owned/data/                   empty, to be the user's
 */

import { dirname, join } from "@std/path";
import { bundleProgram } from "./bundle.ts";

/** Where the bundle and its runtime are in the image. */
export const imageFolder = "/shoal";

/** The user that runs it: a number that no host gives to a person. */
const userId = 65_532;

/** What is in a root, in bytes. */
export interface RootSizes {
  readonly runtime: number;
  readonly libraries: number;
  readonly bundle: number;
}

export interface RootOptions {
  /** Absolute; what it holds under the two names is removed. */
  readonly folder: string;
  /** A Deno binary for Linux. */
  readonly runtime: string;
  readonly commit: string;
  /** The time of every file, in seconds since 1970. */
  readonly timestamp: number;
}

/**
 * Fills a folder with `root` and `owned`.
 * @throws {Error} If the libraries cannot be found, or the bundle cannot be made.
 */
export async function makeContainerRoot({ folder, runtime, commit, timestamp }: RootOptions): Promise<RootSizes> {
  const paths = await librariesOf(runtime);
  const [root, owned] = [join(folder, "root"), join(folder, "owned")];
  for (const path of [root, owned]) await removeIfThere(path);
  const bundle = await bundleProgram("coordinator", join(root, imageFolder), commit);
  for (const path of paths) await copy(path, join(root, path));
  for (const path of await Array.fromAsync(paths, noticeOf)) if (path !== undefined) await copy(path, join(root, path));
  await copy(runtime, join(root, imageFolder, "deno"));
  await writeText(join(root, "etc/passwd"), `shoal:x:${userId}:${userId}:Shoal:/data:/sbin/nologin\n`);
  await writeText(join(root, "etc/group"), `shoal:x:${userId}:\n`);
  await Deno.mkdir(join(owned, "data"), { recursive: true });
  for (const path of [root, owned]) await settle(path, timestamp);
  await Deno.chmod(join(owned, "data"), 0o700);
  return {
    runtime: (await Deno.stat(runtime)).size,
    libraries: await sizeOf(paths),
    bundle: await sizeOf(bundle.files.map((name) => join(bundle.folder, name))),
  };
}

/**
 * Reads what `ldd` prints: the libraries that a program is started with, and the loader that finds them.
 * @throws {Error} If one is not there, or the C library is not glibc, which Deno's Linux binaries need.
 */
export function parseLdd(text: string): readonly string[] {
  if (/\bmusl\b/.test(text)) throw new Error("this machine's C library is musl, and Deno's runtime needs glibc");
  const missing = /^\s*(\S+) => not found/m.exec(text);
  if (missing !== null) throw new Error(`this machine has no ${missing[1]}`);
  const paths = [...text.matchAll(/^\s*(?:\S+ => )?(\/\S+) \(0x/gm)].map(([, path]) => path!);
  if (paths.length === 0) throw new Error(`ldd names no libraries of it: ${text.trim()}`);
  return paths.sort();
}

async function librariesOf(runtime: string): Promise<readonly string[]> {
  const { stdout, stderr } = await new Deno.Command("ldd", { args: [runtime], env: { LC_ALL: "C" } }).output();
  const decoder = new TextDecoder();
  return parseLdd(decoder.decode(stdout) + decoder.decode(stderr));
}

/** The licence that Debian keeps of a library's package; undefined on other systems. */
async function noticeOf(path: string): Promise<string | undefined> {
  const file = await Deno.realPath(path);
  for (const name of [file, file.replace(/^\/usr/, ""), path]) {
    const asked = new Deno.Command("dpkg-query", { args: ["-S", name], stderr: "null" });
    try {
      const { success, stdout } = await asked.output();
      if (!success) continue;
      const notice = `/usr/share/doc/${/^[^:]+/.exec(new TextDecoder().decode(stdout))![0]}/copyright`;
      await Deno.stat(notice);
      return notice;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
}

async function removeIfThere(path: string): Promise<void> {
  await Deno.remove(path, { recursive: true }).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
}

/** Copies what a path leads to: in the image there are no links. */
async function copy(from: string, to: string): Promise<void> {
  await Deno.mkdir(dirname(to), { recursive: true });
  await Deno.copyFile(await Deno.realPath(from), to);
  await Deno.chmod(to, 0o755);
}

async function writeText(path: string, text: string): Promise<void> {
  await Deno.mkdir(dirname(path), { recursive: true });
  await Deno.writeTextFile(path, text);
}

/** Gives every file and folder a mode and a time that do not depend on who makes them, and when. */
async function settle(path: string, timestamp: number): Promise<void> {
  const { isDirectory, mode } = await Deno.stat(path);
  const names = isDirectory ? [...Deno.readDirSync(path)].map(({ name }) => name) : [];
  for (const name of names) await settle(join(path, name), timestamp);
  await Deno.chmod(path, isDirectory || (mode! & 0o100) !== 0 ? 0o755 : 0o644);
  await Deno.utime(path, timestamp, timestamp);
}

async function sizeOf(paths: readonly string[]): Promise<number> {
  const sizes = await Promise.all(paths.map(async (path) => (await Deno.stat(path)).size));
  return sizes.reduce((sum, size) => sum + size, 0);
}
