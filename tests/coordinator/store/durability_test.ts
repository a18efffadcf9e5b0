/** What was acknowledged is there: after SIGKILL of who writes, after a crash of the database, after a loss of power. */

import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { openStore } from "../../../lib/coordinator/store/open_store.ts";
import type { StorePlace } from "../../../lib/coordinator/store/store.ts";
import { killRounds } from "./kill_rounds.ts";
import { LossyDisk, mayLosePower } from "./lossy_disk.ts";
import { postgresBinaries, startPostgres } from "./real_postgres.ts";
import { assertKept, WriterProcess } from "./writer_process.ts";

Deno.test("SQLite loses nothing acknowledged to SIGKILL", async () => {
  const folder = await Deno.makeTempDir({ prefix: "shoal-store-" });
  let last = 0;
  for await (const { acknowledged } of killRounds(join(folder, "coordinator.db"), 3, Math.random)) {
    assert(acknowledged > last, "each round goes on where the one before was killed");
    last = acknowledged;
  }
  await Deno.remove(folder, { recursive: true });
});

Deno.test({
  name: "PostgreSQL loses nothing acknowledged to SIGKILL of the coordinator, nor of the server",
  ignore: postgresBinaries === undefined,
  async fn() {
    await using server = await startPostgres();
    const killed: string[] = [];
    for await (const round of killRounds(await server.createDatabase(), 3, Math.random, server)) {
      killed.push(round.killed);
    }
    assertEquals(killed, ["writer", "writer", "server"]);
  },
});

Deno.test({
  name: "a disk that loses its power keeps what was synced alone",
  ignore: !mayLosePower,
  async fn() {
    await using disk = await LossyDisk.create(16);
    using synced = await Deno.create(join(disk.path, "synced"));
    await synced.write(new Uint8Array([1]));
    await synced.sync();
    await Deno.writeTextFile(join(disk.path, "written"), "1");
    const left = [...Deno.readDirSync(await disk.losePower())].filter(({ isFile }) => isFile);
    assertEquals(left.map(({ name }) => name), ["synced"]);
  },
});

Deno.test({
  name: "SQLite loses nothing acknowledged to a disk that drops what was not synced",
  ignore: !mayLosePower,
  async fn() {
    await using disk = await LossyDisk.create(64);
    await using writer = new WriterProcess(join(disk.path, "coordinator.db"));
    await writer.begun();
    for (let round = 0; round < 3; round++) {
      writer.signal("SIGSTOP");
      const left = await disk.losePower();
      await assertLeft(join(left, "coordinator.db"), writer.acknowledged);
      writer.signal("SIGCONT");
    }
  },
});

Deno.test({
  name: "PostgreSQL loses nothing acknowledged to a disk that drops what was not synced",
  ignore: !mayLosePower || postgresBinaries === undefined,
  async fn() {
    await using disk = await LossyDisk.create(192);
    await using server = await startPostgres(disk.path);
    const url = await server.createDatabase();
    await using writer = new WriterProcess(url, "2000");
    await writer.begun();
    writer.signal("SIGSTOP");
    const left = await disk.losePower();
    const { acknowledged } = writer;
    await writer.kill();
    await server.stop();
    await using copy = await startPostgres(left);
    await assertLeft({ url: copy.urlOf(url), leaseMs: 2_000 }, acknowledged);
  },
});

async function assertLeft(place: StorePlace, acknowledged: number): Promise<void> {
  const store = await openStore(place);
  try {
    await assertKept(store, acknowledged);
  } finally {
    await store.close();
  }
}
