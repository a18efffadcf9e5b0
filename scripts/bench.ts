/**
 * bench: the benchmarks, behind `deno task bench`. They print ratios measured in one run; none is a test.
 *
 *     deno task bench [transfer|start] [rounds]
 */

import { benchStart } from "./bench/start.ts";
import { benchTransfer } from "./bench/transfer.ts";

/** Each with the rounds that its medians are of unless told. */
const benches = {
  transfer: { run: benchTransfer, rounds: 5 },
  start: { run: benchStart, rounds: 15 },
} as const;

const [name = "transfer", roundsText, ...more] = Deno.args;
if (!Object.hasOwn(benches, name) || more.length > 0) {
  console.error(`bench: one of ${Object.keys(benches).join(", ")}, and how many rounds`);
  Deno.exit(2);
}
const bench = benches[name as keyof typeof benches];
const rounds = roundsText === undefined ? bench.rounds : Number(roundsText);
if (!Number.isSafeInteger(rounds) || rounds < 1) {
  console.error(`bench: ${roundsText} is no number of rounds`);
  Deno.exit(2);
}
await bench.run(rounds);
