/** A thread is started where there are descriptors for it. */

import { assertEquals } from "@std/assert";

const module = (path: string) => JSON.stringify(import.meta.resolve(path));

/** Uses up descriptors, but for so many; then starts a thread. */
const program = (left: number) => `
  import { startWorker } from ${module("../../lib/core/worker.ts")};
  const opened = [];
  try {
    for (;;) opened.push(Deno.openSync(Deno.execPath()));
  } catch {
    for (const file of opened.splice(0, ${left})) file.close();
  }
  try {
    const worker = startWorker(new URL(${module("../../lib/peer/password_worker.ts")}));
    worker.onmessage = ({ data }) => {
      console.log(data.kind);
      Deno.exit();
    };
    worker.postMessage({ kind: "start", password: "correct horse" });
  } catch (error) {
    console.log(error.code, error.message);
  }
`;

async function run(left: number): Promise<string> {
  const words = ["eval", "--config", new URL("../../deno.json", import.meta.url).pathname, program(left)];
  const command = ["ulimit -n 128", 'exec "$0" "$@"'].join(" && ");
  const { stdout, stderr } = await new Deno.Command("sh", { args: ["-c", command, Deno.execPath(), ...words] })
    .output();
  return new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
}

Deno.test("startWorker() refuses where descriptors are used up, and does not end the program", async () => {
  assertEquals(await run(0), "io Cannot start a thread: too many open files\n");
  assertEquals(await run(3), "io Cannot start a thread: too many open files\n");
  assertEquals(await run(40), "start\n");
});
