/**
 * kill_rounds: a store whose writer, or whose server, is killed at a random moment under load, again and again. Law: after each round all
 * that was acknowledged is there.
 */

import { openStore } from "../../../lib/coordinator/store/open_store.ts";
import type { StorePlace } from "../../../lib/coordinator/store/store.ts";
import { limits } from "../../../lib/core/limits.ts";
import type { RealPostgres } from "./real_postgres.ts";
import { assertKept, WriterProcess } from "./writer_process.ts";

export interface KillRound {
  readonly killed: "writer" | "server";
  readonly acknowledged: number;
}

/** The longest that a writer writes before it is killed, in milliseconds. */
const writingMs = 60;
const leaseMs = 2_000;

/**
 * Kills the writer of one store, round after round.
 * @param random From 0 to below 1.
 * @param server Of the database, if it is one: every third round it is the one that is killed.
 * @throws {Error} At the first round that lost something.
 */
export async function* killRounds(
  place: string,
  rounds: number,
  random: () => number,
  server?: RealPostgres,
): AsyncGenerator<KillRound> {
  const args = server === undefined ? [place] : [place, String(leaseMs)];
  const opened: StorePlace = server === undefined ? place : { url: place, leaseMs };
  for (let round = 0; round < rounds; round++) {
    const killed = server !== undefined && round % 3 === 2 ? "server" : "writer";
    await using writer = new WriterProcess(...args);
    await writer.begun();
    await new Promise((resolve) => setTimeout(resolve, writingMs * random()));
    if (killed === "server") await server!.crash();
    await writer.kill();
    if (killed === "server") await server!.start();
    const { acknowledged } = writer;
    const store = await openStore(opened, limits);
    try {
      await assertKept(store, acknowledged);
    } finally {
      await store.close();
    }
    yield { killed, acknowledged };
  }
}
