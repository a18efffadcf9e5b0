/**
 * zstd: measures what compression between peers makes of a log, beside random bytes, which go as they are: over loopback without a limit,
 * where it must not make anything slower, and from a holder that is limited to 10 MB/s.
 *
 *     deno task bench zstd [rounds]
 */

import { join } from "@std/path";
import { mib } from "../../lib/core/limits.ts";
import { Stage } from "../programs.ts";
import { emptyFolder, makeFile, median, printFigure, run } from "./ground.ts";
import { startTyped, typeFetch } from "./typed.ts";

const cases = [
  { name: "unlimited", options: [], fileBytes: 1024 * mib },
  { name: "10 MB/s", options: ["--limit-up", "10M"], fileBytes: 64 * mib },
] as const;
const files = ["app.log", "noise.bin"] as const;

/** @param rounds How many fetches each median is of. */
export async function benchZstd(rounds: number): Promise<void> {
  await using stage = await Stage.open({ alice: "a", bob: "b" });
  await stage.coordinator();
  for (const { name, options, fileBytes } of cases) {
    await using source = await emptyFolder(stage.path("source"));
    makeLog(join(source.path, files[0]), fileBytes);
    makeFile(join(source.path, files[1]), fileBytes);
    // What is still on its way to the disk would hold up whoever writes next.
    await run("sync", []);
    const sharing = stage.peer("alice", ["share", ...files.map((file) => join(source.path, file)), ...options]);
    await sharing.ready();
    const fetching = await startTyped(stage, "bob");
    for (const file of files) {
      const [rates, shares] = [[] as number[], [] as number[]];
      for (let round = 0; round < rounds; round++) {
        await using got = await emptyFolder(stage.path("got"));
        const lines = await typeFetch(fetching, [file, "--dir", got.path, "--no-sync"]);
        const { tookMs, wireBytes } = lines.find(({ type }) => type === "fetched") as unknown as Figures;
        rates.push(fileBytes / 1000 / tookMs);
        shares.push(wireBytes / fileBytes);
      }
      printFigure(`${file}, ${name}, MB/s`, median(rates).toFixed(0));
      printFigure("  of its bytes over the network", median(shares).toFixed(3));
    }
    await fetching.kill();
    await sharing.kill();
  }
}

interface Figures {
  readonly tookMs: number;
  readonly wireBytes: number;
}

/** Writes lines as a server logs them: 16 MiB of them, again and again, which no frame sees. */
function makeLog(path: string, bytes: number): void {
  using file = Deno.openSync(path, { write: true, create: true, truncate: true });
  const part = new Uint8Array(Math.min(bytes, 16 * mib));
  const encoder = new TextEncoder();
  for (let filled = 0, i = 0; filled < part.length; i++) {
    const line =
      `2026-11-23T01:12:${i % 60}.${i * 7919 % 1000} INFO request=${(i * 2_654_435_761 % 2 ** 32).toString(16)} ` +
      `path=/api/items/${i * 31 % 9973} status=${i % 7 === 0 ? 404 : 200} took=${i * 17 % 311}ms\n`;
    filled += encoder.encodeInto(line, part.subarray(filled)).written || part.length - filled;
  }
  for (let done = 0; done < bytes; done += part.length) {
    const some = part.subarray(0, Math.min(part.length, bytes - done));
    for (let at = 0; at < some.length;) at += file.writeSync(some.subarray(at));
  }
}
