/**
 * containers: podman with a store of a test's own. Laws: 1) nothing of the machine's own images and containers is seen or touched;
 * 2) what was started and stored is gone at the end.  (I/O)
 */

import { join } from "@std/path";
import { Program, type ProgramOptions } from "../../scripts/programs.ts";
import { assertDone } from "./ended.ts";

/** What machines that are containers themselves need: no systemd, and no higher limits than they have. */
const podmanArgs = ["--runtime", "runc", "--cgroup-manager", "cgroupfs", "--events-backend", "file"];
const limitArgs = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"];
/** The least that a container can be given. */
const confinedArgs = ["--read-only", "--cap-drop", "all", "--security-opt", "no-new-privileges"];

export class Containers implements AsyncDisposable {
  readonly folder: string;
  readonly #started: Program[] = [];

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async open(): Promise<Containers> {
    const folder = await Deno.makeTempDir({ prefix: "shoal-" });
    const [graph, run] = [join(folder, "graph"), join(folder, "run")];
    await Deno.writeTextFile(
      join(folder, "storage.conf"),
      `[storage]\ndriver = "vfs"\ngraphroot = "${graph}"\nrunroot = "${run}"\n`,
    );
    return new Containers(folder);
  }

  /** Tells whether this machine can run containers: buildah, podman and runc are there, and one with nothing of ours in it starts. */
  static async areHere(): Promise<boolean> {
    if (Deno.build.os !== "linux" || Deno.uid() !== 0) return false;
    try {
      for (const tool of ["buildah", "podman", "runc"]) {
        await new Deno.Command(tool, { args: ["--version"], stdout: "null", stderr: "null" }).output();
      }
    } catch {
      return false;
    }
    await using containers = await Containers.open();
    const root = join(containers.folder, "root");
    const folders = ["/usr", "/lib", "/lib64"];
    for (const path of folders) await Deno.mkdir(root + path, { recursive: true });
    const mounts = folders.flatMap((path) => ["--volume", `${path}:${path}:ro`]);
    const { code } = await containers.container([...mounts, "--rootfs", root, "/usr/bin/true"]).end();
    return code === 0;
  }

  /** What makes builders use this store. */
  get env(): Readonly<Record<string, string>> {
    return { CONTAINERS_STORAGE_CONF: join(this.folder, "storage.conf") };
  }

  /** Runs podman; ended, at the latest, with the store. */
  podman(args: readonly string[], options: ProgramOptions = {}): Program {
    const program = new Program([...podmanArgs, "--tmpdir", join(this.folder, "tmp"), ...args], {
      ...options,
      executable: "podman",
      env: this.env,
    });
    this.#started.push(program);
    return program;
  }

  /** Runs a container with the least that it can be given, network included; it is removed when it ends. */
  container(
    args: readonly string[],
    { network = "none", ...options }: ProgramOptions & { readonly network?: "none" | "host" } = {},
  ): Program {
    return this.podman(["run", "--rm", "--network", network, ...limitArgs, ...confinedArgs, ...args], options);
  }

  /** Runs podman to its end, which is to be a good one; answers what it printed. */
  async ask(...args: readonly string[]): Promise<string> {
    return assertDone(await this.podman(args).end()).stdout.trim();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.ask("rm", "--all", "--force", "--time", "0");
    await Promise.all(this.#started.map((program) => program.kill()));
    await Deno.remove(this.folder, { recursive: true });
  }
}
