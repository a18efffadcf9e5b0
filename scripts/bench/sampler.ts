/**
 * sampler: watches the loopback device every 10 ms, and the processor time and peak memory of processes with all their children every
 * 30 ms. It is a small bash script beside the benchmark, which starts no process for a sample: Deno lets no program with fewer than all
 * permissions read /proc. Law: a process's last 30 ms may be missing.  (I/O)
 */

import { Program } from "../programs.ts";

/** One line a sample: `lo SECONDS BYTES`, and `p PID TICKS KIB` for each process that was named on standard input; ends with that. */
const script = `exec 2>/dev/null
set -f
count=0
tree() {
  local text= kids= kid
  IFS= read -rd '' text <"/proc/$1/stat"
  [[ $text ]] || return
  local fields=(\${text##*) })
  (( ticks += fields[11] + fields[12] + fields[13] + fields[14] ))
  IFS= read -rd '' text <"/proc/$1/status"
  [[ $text =~ VmHWM:[[:space:]]+([0-9]+) ]] && (( kib += BASH_REMATCH[1] ))
  read -r kids <"/proc/$1/task/$1/children"
  for kid in $kids; do tree "$kid"; done
}
while IFS= read -rt 0.01 named; code=$?; (( code == 0 || code > 128 )); do
  (( code == 0 )) && { pids+=("$named"); count=0; }
  IFS= read -rd '' text </proc/net/dev
  [[ $text =~ [[:space:]]lo:[[:space:]]*([0-9]+) ]] && echo "lo $EPOCHREALTIME \${BASH_REMATCH[1]}"
  (( count++ % 3 )) || for pid in "\${pids[@]}"; do ticks=0 kib=0; tree "$pid"; echo "p $pid $ticks $kib"; done
done`;

/** The kernel tells processor time in these. */
const ticksPerSecond = 100;

export type SideName = "sending" | "receiving";

/** What one side of a transfer took. */
export interface Side {
  readonly cpuSeconds: number;
  readonly peakBytes: number;
}

/** What one transfer took. */
export interface Sample {
  /** Between 1 % and 99 % of the file's bytes on the loopback device; undefined if they did not all come. */
  readonly wireBytesPerSecond: number | undefined;
  /** All that went over the loopback device. */
  readonly wireBytes: number;
  /** The times of the samples in seconds, and what the device had counted then. */
  readonly wire: readonly (readonly [number, number])[];
  readonly sending: Side;
  readonly receiving: Side;
}

/** A process that is watched. */
interface Watched {
  readonly side: SideName;
  /** It ran before the transfer: what it had used then does not count. */
  readonly isOld: boolean;
}

/** Watches one transfer. */
export class Sampler implements AsyncDisposable {
  readonly #program = new Program(["-c", script], { executable: "bash", isTypedTo: true });
  readonly #watched = new Map<number, Watched>();

  private constructor() {}

  /** Starts to watch. @param old The processes that run already. */
  static async start(
    old: Readonly<Record<SideName, readonly number[]>> = { sending: [], receiving: [] },
  ): Promise<Sampler> {
    const sampler = new Sampler();
    for (const side of ["sending", "receiving"] as const) {
      for (const pid of old[side]) sampler.#watch(side, pid, true);
    }
    for (const pid of sampler.#watched.keys()) await sampler.#program.output(`p ${pid} `);
    await sampler.#program.output("lo ");
    return sampler;
  }

  /** Watches a process that was started just now, too. */
  watch(side: SideName, pid: number): void {
    this.#watch(side, pid, false);
  }

  /** Ends, and tells what was seen. @param fileBytes How much was to be transferred. */
  async stop(fileBytes: number): Promise<Sample> {
    this.#program.type("", { last: true });
    const { stdout } = await this.#program.end();
    const lines = stdout.split("\n").slice(0, -1).map((line) => line.split(" "));
    const wire = lines.filter(([kind]) => kind === "lo").map(([, seconds, bytes]) =>
      [Number(seconds), Number(bytes)] as const
    );
    const side = (name: SideName) => this.#sum(name, lines);
    const wireBytes = (wire.at(-1)?.[1] ?? 0) - (wire[0]?.[1] ?? 0);
    return {
      wireBytesPerSecond: wireRate(wire, fileBytes),
      wireBytes,
      wire,
      sending: side("sending"),
      receiving: side("receiving"),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#program.kill();
  }

  #watch(side: SideName, pid: number, isOld: boolean): void {
    this.#watched.set(pid, { side, isOld });
    this.#program.type(`${pid}\n`);
  }

  #sum(side: SideName, lines: readonly string[][]): Side {
    let [ticks, kib] = [0, 0];
    for (const [pid, watched] of this.#watched) {
      if (watched.side !== side) continue;
      const its = lines.filter(([kind, id]) => kind === "p" && Number(id) === pid).map((line) =>
        line.slice(2).map(Number)
      );
      const most = (column: number) => its.reduce((max, line) => Math.max(max, line[column]!), 0);
      ticks += most(0) - (watched.isOld ? its[0]?.[0] ?? 0 : 0);
      kib = Math.max(kib, most(1));
    }
    return { cpuSeconds: ticks / ticksPerSecond, peakBytes: kib * 1024 };
  }
}

/** The rate between 1 % and 99 % of the bytes; both moments lie between two samples. */
function wireRate(samples: readonly (readonly [number, number])[], fileBytes: number): number | undefined {
  const from = samples[0]?.[1] ?? 0;
  const secondsAt = (bytes: number): number | undefined => {
    const after = samples.findIndex(([, count]) => count - from >= bytes);
    if (after < 1) return undefined;
    const [[beforeAt, before], [afterAt, count]] = [samples[after - 1]!, samples[after]!];
    return beforeAt + (afterAt - beforeAt) * (bytes - (before - from)) / (count - before);
  };
  const [first, last] = [secondsAt(fileBytes * 0.01), secondsAt(fileBytes * 0.99)];
  return first === undefined || last === undefined ? undefined : fileBytes * 0.98 / (last - first);
}
