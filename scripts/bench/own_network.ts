/**
 * own_network: starts a benchmark again inside a network namespace of its own, where there is a loopback device and nothing else: no tool
 * reaches anybody outside, and no other traffic is counted. Law: where the machine gives no namespace, the benchmark runs on 127.0.0.1,
 * says so, and is told that it is not alone.  (I/O)
 */

const insideVariable = "SHOAL_BENCH_INSIDE";
const upAndExec = 'ip link set lo up && exec "$@"';

/** Whether this process has a network of its own. */
export function isAlone(): boolean {
  return Deno.env.get(insideVariable) !== undefined;
}

/**
 * Runs this program with its arguments in a new network, and tells its exit code; undefined where there is none to be had. Whatever ends
 * it ends all that it started, and removes its files: its processes are numbered by a namespace of their own, which ends with its first.
 */
export async function runAlone(script: URL): Promise<number | undefined> {
  if (Deno.build.os !== "linux") return undefined;
  const asRoot = Deno.uid() === 0 ? [] : ["--map-root-user"];
  const namespaces = [...asRoot, "--net", "--pid", "--fork", "--kill-child", "--mount-proc"];
  const unshare = (...words: string[]) => [...namespaces, "sh", "-c", upAndExec, "sh", ...words];
  try {
    const probe = new Deno.Command("unshare", { args: unshare("true"), stdout: "null", stderr: "null" });
    if (!(await probe.output()).success) return undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
  const folder = await Deno.makeTempDir({ prefix: "shoal-bench-" });
  const child = new Deno.Command("unshare", {
    args: unshare(Deno.execPath(), "run", "-q", "--no-prompt", "-P=scripts", script.href, ...Deno.args),
    env: { [insideVariable]: "1", TMPDIR: folder },
    stdin: "inherit",
    stdout: "inherit",
    stderr: "inherit",
  }).spawn();
  const end = () => {
    try {
      child.kill("SIGKILL");
    } catch {
      // It has ended: a signal often comes twice.
    }
  };
  for (const signal of ["SIGINT", "SIGTERM"] as const) Deno.addSignalListener(signal, end);
  const { code } = await child.status;
  await removeFolder(folder);
  return code;
}

/** Removes a folder in which something may still be writing that was killed a moment ago. */
async function removeFolder(folder: string): Promise<void> {
  for (let left = 10;; left--) {
    try {
      return await Deno.remove(folder, { recursive: true });
    } catch (error) {
      if (left === 0) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}
