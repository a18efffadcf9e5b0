/** rsync: from an rsync daemon: a checksum of the whole file, not encrypted.  (I/O) */

import { join } from "@std/path";
import type { Program, Stage } from "../../programs.ts";
import { freePort, run, untilListening } from "../ground.ts";
import type { Tool } from "../tool.ts";

export const rsync: Tool = {
  name: "rsync daemon",
  kind: "server",
  needs: ["rsync"],
  prepare: async ({ stage, source, fileName }, work) => {
    const { program, url } = await startRsync(stage, source, work);
    return {
      running: { sending: [program.pid], receiving: [] },
      fetch: async (folder, watch) => {
        const started = (program: { readonly pid: number }) => watch("receiving", program);
        await run("rsync", ["--no-motd", "-W", `${url}${fileName}`, `${folder}/`], { started });
      },
    };
  },
};

/** Starts a daemon that has one folder. @returns It, and the folder's address with a slash at its end. */
export async function startRsync(
  stage: Stage,
  folder: string,
  work: string,
): Promise<{ readonly program: Program; readonly url: string }> {
  const port = freePort();
  const asRoot = Deno.uid() === 0 ? "uid = root\ngid = root\n" : "";
  const config = join(work, "rsyncd.conf");
  await Deno.writeTextFile(config, `${asRoot}use chroot = no\n[bench]\npath = ${folder}\n`);
  const words = ["--daemon", "--no-detach", `--config=${config}`, `--port=${port}`, "--address=127.0.0.1"];
  const program = stage.run(words, { executable: "rsync" });
  await untilListening(program, port);
  return { program, url: `rsync://127.0.0.1:${port}/bench/` };
}
