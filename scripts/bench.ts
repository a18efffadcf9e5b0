/**
 * bench: the benchmarks, behind `deno task bench`. They print ratios measured in one run; none is a test. Those that transfer run in a
 * network of their own where the machine lets them (bench/own_network.ts).
 *
 *     deno task bench [transfer|small|limited|crowd|delta|rates|zstd|start] [rounds]
 *     deno task bench control [options]        bench/control.ts tells which
 *     deno task bench flood [options]          bench/flood.ts the same
 */

import { benchControl } from "./bench/control.ts";
import { benchCrowd } from "./bench/crowd.ts";
import { benchDelta } from "./bench/delta.ts";
import { benchFlood } from "./bench/flood.ts";
import { benchLimited } from "./bench/limited.ts";
import { isAlone, runAlone } from "./bench/own_network.ts";
import { benchRates } from "./bench/rates.ts";
import { benchSmall } from "./bench/small.ts";
import { benchStart } from "./bench/start.ts";
import { benchTransfer } from "./bench/transfer.ts";
import { benchZstd } from "./bench/zstd.ts";

/** Each with the rounds that its medians are of unless told. */
const benches = {
  transfer: { run: benchTransfer, rounds: 5, isAlone: true },
  small: { run: benchSmall, rounds: 5, isAlone: true },
  limited: { run: benchLimited, rounds: 1, isAlone: true },
  crowd: { run: benchCrowd, rounds: 1, isAlone: true },
  delta: { run: benchDelta, rounds: 3, isAlone: true },
  rates: { run: benchRates, rounds: 1, isAlone: true },
  zstd: { run: benchZstd, rounds: 3, isAlone: true },
  start: { run: benchStart, rounds: 15, isAlone: false },
} as const;

/** Those that take options, in place of rounds. */
const measured = { control: benchControl, flood: benchFlood } as const;

const [chosen = "", ...options] = Deno.args;
if (Object.hasOwn(measured, chosen)) {
  await measured[chosen as keyof typeof measured](options);
  Deno.exit();
}
const [name = "transfer", roundsText, ...more] = Deno.args;
if (!Object.hasOwn(benches, name) || more.length > 0) {
  console.error(`bench: one of control, flood, ${Object.keys(benches).join(", ")}, and how many rounds`);
  Deno.exit(2);
}
const bench = benches[name as keyof typeof benches];
const rounds = roundsText === undefined ? bench.rounds : Number(roundsText);
if (!Number.isSafeInteger(rounds) || rounds < 1) {
  console.error(`bench: ${roundsText} is no number of rounds`);
  Deno.exit(2);
}
if (bench.isAlone && !isAlone()) {
  const code = await runAlone(new URL(import.meta.url));
  if (code !== undefined) Deno.exit(code);
  console.log(`${name}: no network namespace is to be had here: on 127.0.0.1`);
}
await bench.run(rounds);
