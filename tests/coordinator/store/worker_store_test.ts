import { assert, assertEquals, assertRejects } from "@std/assert";
import { ShoalError } from "../../../lib/core/errors.ts";
import { limits } from "../../../lib/core/limits.ts";
import { openWorkerStore } from "../../../lib/coordinator/store/worker_store.ts";
import { temporaryFolder } from "../temporary_folder.ts";

const mustLive = (reason: ShoalError) => {
  throw reason;
};

Deno.test("a store on a thread gives each of many calls its own answer, and one that fails takes none along", async () => {
  using folder = temporaryFolder();
  const store = await openWorkerStore(`${folder.path}/coordinator.db`, limits, mustLive);
  for (let i = 0; i < 3; i++) await store.putAccount(`account${i}`, "record", { overwrite: false, nowMs: i });
  // All at once: the first ones go alone, the others together with what came meanwhile.
  const calls = Array.from({ length: 60 }, async (_, i) => {
    if (i % 4 === 3) {
      // A write that comes as a read is a mistake of ours, which its caller alone is told.
      const wrong = await store.read({ operation: "presence", ask: { device: i, online: true, nowMs: 1 } });
      assertEquals(wrong.ok, false);
    } else {
      assertEquals((await store.findAccount(`account${i % 4}`))?.createdAtMs, i % 4);
    }
    return i;
  });
  assertEquals(await Promise.all(calls), Array.from({ length: 60 }, (_, i) => i));
  await store.close();
});

Deno.test("a store on a thread that closes answers what was asked before, and refuses what comes after", async () => {
  using folder = temporaryFolder();
  const store = await openWorkerStore(`${folder.path}/coordinator.db`, limits, mustLive);
  const before = Array.from({ length: 20 }, () => store.figures());
  const closed = store.close();
  for (const figures of before) assertEquals((await figures).accounts, 0);
  await closed;
  await assertRejects(() => store.figures(), ShoalError, "closed");
  assert(!(await store.read({ operation: "listPeers", ask: { after: 0, limit: 1 } })).ok);
});
