/**
 * lossy_disk: a file system on a disk that loses its power. Law: what a program wrote and did not sync is in the kernel's memory alone; the
 * disk's own bytes, copied, are what a loss of power leaves.  (needs root: it mounts)
 */

import { join } from "@std/path";

const tools = ["/usr/sbin/mkfs.ext4", "/usr/bin/mount", "/usr/bin/umount"];
export const mayLosePower = Deno.uid() === 0 && tools.every(isThere);
if (!mayLosePower) console.log("skipped: tests of lost power need to be root, to mount, and mkfs.ext4");

export class LossyDisk implements AsyncDisposable {
  /** Where its files are. */
  readonly path: string;
  readonly #folder: string;
  readonly #mounted: string[] = [];

  private constructor(folder: string) {
    this.#folder = folder;
    this.path = join(folder, "before");
  }

  static async create(megabytes: number): Promise<LossyDisk> {
    const disk = new LossyDisk(await Deno.makeTempDir({ prefix: "shoal-disk-" }));
    await Deno.chmod(disk.#folder, 0o755); // A server runs as another user.
    const image = join(disk.#folder, "disk");
    await Deno.writeFile(image, new Uint8Array(0));
    await Deno.truncate(image, megabytes * 1024 * 1024);
    await run("mkfs.ext4", "-q", "-F", image);
    await disk.#mount(image, disk.path);
    return disk;
  }

  /** What is left where the power goes now; nobody may be syncing meanwhile. Its folder. */
  async losePower(): Promise<string> {
    const copy = join(this.#folder, `copy${this.#mounted.length}`);
    await Deno.copyFile(join(this.#folder, "disk"), copy);
    const path = join(this.#folder, `after${this.#mounted.length}`);
    await this.#mount(copy, path);
    return path;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const path of this.#mounted.reverse()) await run("umount", path);
    await Deno.remove(this.#folder, { recursive: true });
  }

  async #mount(image: string, path: string): Promise<void> {
    await Deno.mkdir(path);
    // The kernel writes back on its own every few seconds unless told otherwise; a test is shorter.
    await run("mount", "-o", "loop,commit=300", image, path);
    this.#mounted.push(path);
  }
}

async function run(program: string, ...args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(program, { args, stdout: "null", stderr: "piped" }).output();
  if (!success) throw new Error(`${program} failed: ${new TextDecoder().decode(stderr)}`);
}

function isThere(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}
