/** usage: what a process has used so far, as Linux tells it in /proc, which takes a helper: Deno itself may not read there.  (I/O) */

import { run } from "../ground.ts";

/** The kernel tells processor time in these. */
const ticksPerSecond = 100;

export interface Usage {
  /** Processor time of the main thread alone, and of all threads; seconds. */
  readonly loopSeconds: number;
  readonly seconds: number;
  readonly residentBytes: number;
}

/** Reads what a process has used. */
export async function usageOf(pid: number): Promise<Usage> {
  const text = await run("cat", [`/proc/${pid}/task/${pid}/stat`, `/proc/${pid}/stat`, `/proc/${pid}/status`]);
  const [loop, all] = text.split("\n");
  const kib = /VmRSS:\s+(\d+)/.exec(text)![1];
  return { loopSeconds: secondsOf(loop!), seconds: secondsOf(all!), residentBytes: Number(kib) * 1024 };
}

function secondsOf(stat: string): number {
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}
