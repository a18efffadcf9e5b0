/**
 * kills: programs that are killed at random moments, behind `deno task kills`: the fetcher of a file of 100 MB, one or both of its two
 * holders, or all of them, each time in the middle of a fetch, and then started again by the same command. Exits 1 at the first fault,
 * which it tells with seed and round.
 *
 *     deno task kills store            200 rounds of processes that write to a store, SQLite and PostgreSQL; [rounds] [seed] too
 *     deno task kills coordinators     three coordinators on one PostgreSQL, for two minutes; [seconds] [seed] too
 *     deno task kills                  1,000 rounds
 *     deno task kills 50 SEED          the same 50 each time
 *     deno task kills 1 SEED ROUND     one of them alone
 */

import { limits } from "../lib/core/limits.ts";
import { runSeed } from "../tests/sim/seeded.ts";
import { type Campaign, type KillKind, runCampaign } from "./kills/campaign.ts";
import { killStores } from "./kills/store.ts";

const fileBytes = 100_000_000;
/** Stages side by side, as a start takes one core for a moment: some with time to be killed in, some as fast as they go. */
const limitsUp = ["40M", "unlimited", "80M", "unlimited"];

function number(text: string | undefined, otherwise: number): number {
  const value = text === undefined ? otherwise : Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new TypeError(`not a number: ${text}`);
  return value;
}

if (Deno.args[0] === "store") {
  await killStores(number(Deno.args[1], 200), number(Deno.args[2], runSeed()));
  Deno.exit();
}

if (Deno.args[0] === "coordinators") {
  await killSeveral(number(Deno.args[1], 120), number(Deno.args[2], runSeed()));
  Deno.exit();
}

const count = number(Deno.args[0], 1_000);
const seed = number(Deno.args[1], runSeed());
const from = number(Deno.args[2], 0);
const killed: Record<KillKind, number> = { fetcher: 0, holder: 0, both: 0 };
const startedAtMs = performance.now();
const rate = () => (60_000 * total() / (performance.now() - startedAtMs)).toFixed(0);
const total = () => killed.fetcher + killed.holder + killed.both;

console.log(`kills: ${count} rounds of seed ${seed}, ${fileBytes / 1e6} MB, two holders that come back on other ports`);
let hasFailed = false;
const ended = await Promise.allSettled(limitsUp.map(async (limitUp, stage) => {
  const onRound = (kind: KillKind) => {
    killed[kind]++;
    if (total() % 100 === 0) console.log(`  ${total()} rounds, ${rate()} a minute`);
  };
  try {
    return await runCampaign({ seed, rounds: roundsOf(stage), fileBytes, limitUp, onRound });
  } catch (error) {
    hasFailed = true;
    console.error(error instanceof Error ? error.message : error);
    throw error;
  }
}));
report(ended.flatMap((one) => one.status === "fulfilled" ? one.value : []));
if (hasFailed) Deno.exit(1);

/** Kills coordinators that share a database. */
async function killSeveral(seconds: number, seed: number): Promise<void> {
  const { postgresBinaries, startPostgres } = await import("../tests/coordinator/store/real_postgres.ts");
  if (postgresBinaries === undefined) return;
  const { killCoordinators } = await import("./kills/coordinators.ts");
  const { keepAliveMs } = limits;
  console.log(`kills coordinators: ${seconds} s of seed ${seed}, keep-alives every ${keepAliveMs / 1000} s`);
  await using server = await startPostgres();
  const note = (line: string) => console.log(`  ${line}`);
  const options = { server, seconds, seed, sessions: 300, fetchers: 3, keepAliveMs, note };
  const { kills, fetches, early, backMs, goneMs } = await killCoordinators(options);
  const longestMs = Math.max(...backMs);
  console.log(`  ${kills} kills; everybody was back after ${Math.round(longestMs)} ms at the most`);
  console.log(`  who died with a coordinator was away after ${Math.round(goneMs)} ms`);
  console.log(`  ${fetches} fetches, none lost; ${early} begun while no holder was online; no password was asked for`);
  if (Math.max(longestMs, goneMs) > 2 * keepAliveMs) throw new Error("that is longer than two keep-alives");
}

/** A stage's share of the rounds; none follows on a failure. */
function* roundsOf(stage: number): Generator<number> {
  for (let round = from; round < from + count; round++) {
    if (round % limitsUp.length === stage && !hasFailed) yield round;
  }
}

function report(campaigns: readonly Campaign[]): void {
  const sum = (of: (campaign: Campaign) => number) => campaigns.reduce((all, one) => all + of(one), 0);
  const again = campaigns.flatMap(({ askedAgainBytes }) => askedAgainBytes);
  const mean = again.reduce((all, bytes) => all + bytes, 0) / Math.max(1, again.length);
  const megabytes = (bytes: number) => (bytes / 1e6).toFixed(2);
  const { fetcher, holder, both } = killed;
  console.log(`  killed: the fetcher ${fetcher} times, a holder ${holder}, both ${both}; ${rate()} rounds a minute`);
  console.log(`  files that came whole: ${sum(({ files }) => files)}`);
  const [back, changed] = [sum(({ holdersBack }) => holdersBack), sum(({ portsChanged }) => portsChanged)];
  console.log(`  holders that came back: ${back}, on another port: ${changed}`);
  console.log(
    `  pieces that the journal called verified at a kill, and that were not fetched again: ${
      sum((one) => one.keptPieces)
    }`,
  );
  console.log(
    `  asked for again, MB a kill of the fetcher: ${megabytes(mean)}, at most ${megabytes(Math.max(0, ...again))}`,
  );
  const sent = sum(({ sentTwiceBytes }) => sentTwiceBytes ?? NaN);
  console.log(
    `  programs that were started again because a busy machine kept their login waiting: ${sum((one) => one.unheard)}`,
  );
  console.log(`  sent twice by the holders' own count, MB a kill: ${megabytes(sent / Math.max(1, total()))}`);
}
