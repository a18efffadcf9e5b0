/** store: kills of who writes to a store, and of a database's server, behind `deno task kills store`. */

import { join } from "@std/path";
import { killRounds } from "../../tests/coordinator/store/kill_rounds.ts";
import { postgresBinaries, startPostgres } from "../../tests/coordinator/store/real_postgres.ts";
import { seeded } from "../../tests/sim/seeded.ts";

/** Runs these rounds on each engine that this machine has; the first loss ends it with an error. */
export async function killStores(rounds: number, seed: number): Promise<void> {
  console.log(`kills store: ${rounds} rounds of seed ${seed} on each engine`);
  const folder = await Deno.makeTempDir({ prefix: "shoal-kills-" });
  try {
    await report("SQLite", killRounds(join(folder, "coordinator.db"), rounds, seeded(seed).unit));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
  if (postgresBinaries === undefined) return;
  await using server = await startPostgres();
  await report("PostgreSQL", killRounds(await server.createDatabase(), rounds, seeded(seed).unit, server));
}

async function report(engine: string, rounds: ReturnType<typeof killRounds>): Promise<void> {
  const killed = { writer: 0, server: 0 };
  let files = 0;
  for await (const round of rounds) {
    killed[round.killed]++;
    files = round.acknowledged;
  }
  const { writer, server } = killed;
  console.log(
    `  ${engine}: the writer was killed ${writer} times, the server ${server}; ${files} files acknowledged, none missing`,
  );
}
