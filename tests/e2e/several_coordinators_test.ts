/** Three coordinators on one PostgreSQL that are killed while peers fetch; the long form is `deno task kills coordinators`. */

import { assert } from "@std/assert";
import { killCoordinators } from "../../scripts/kills/coordinators.ts";
import { postgresBinaries, startPostgres } from "../coordinator/store/real_postgres.ts";
import { runSeed } from "../sim/seeded.ts";

Deno.test({
  name: "coordinators that are killed cost their peers no fetch and no password, and everybody is back",
  ignore: postgresBinaries === undefined,
  async fn() {
    await using server = await startPostgres();
    const seed = runSeed();
    const notes = [`seed ${seed}`];
    try {
      const { kills, fetches } = await killCoordinators({
        server,
        seed,
        seconds: 6,
        sessions: 20,
        fetchers: 1,
        keepAliveMs: 2_000,
        note: (line) => notes.push(line),
      });
      assert(kills > 0 && fetches > 0, notes.join("\n"));
    } catch (error) {
      console.error(notes.join("\n"));
      throw error;
    }
  },
});
