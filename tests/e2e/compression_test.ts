/** Compression between the real programs: a log through a limited holder, and noise beside it. */

import { assert, assertEquals } from "@std/assert";
import { Stage } from "../../scripts/programs.ts";
import { assertDone, ofType } from "./ended.ts";
import { fetchedPath, sha256, writeRandom } from "./files.ts";

const accounts = { alice: "alice's password", bob: "bob's password" };
const bytes = 4_000_000;

function makeLog(bytes: number): string {
  let log = "";
  for (let i = 0; log.length < bytes; i++) {
    log += `01:12:${i % 60} request ${i} of ${(i * 7919) % 997} took ${i % 311} ms\n`;
  }
  return log.slice(0, bytes);
}

Deno.test("through --limit-up a log costs a fraction of its bytes, and noise all of its own; both arrive whole", async () => {
  await using stage = await Stage.open(accounts);
  await stage.coordinator();
  await Deno.writeTextFile(stage.path("app.log"), makeLog(bytes));
  await writeRandom(stage.path("noise.bin"), bytes);
  const shared = ["app.log", "noise.bin"].map((name) => stage.path(name));
  await stage.peer("alice", ["share", ...shared, "--limit-up", "4M"]).ready();
  const fetch = async (name: string) => {
    const [fetched] = ofType(assertDone(await stage.peer("bob", ["fetch", name]).end()), "fetched");
    assertEquals(await sha256(fetchedPath(stage, "bob", name)), await sha256(stage.path(name)));
    assertEquals(fetched!["fetchedBytes"], bytes);
    return fetched!["wireBytes"] as number;
  };
  const logBytes = await fetch("app.log");
  assert(logBytes < bytes / 3, `${logBytes} bytes for the log`);
  const noiseBytes = await fetch("noise.bin");
  assert(noiseBytes >= bytes && noiseBytes < bytes * 1.01, `${noiseBytes} bytes for noise`);
});

Deno.test("small files that are fetched together are compressed as well", async () => {
  await using stage = await Stage.open(accounts);
  await stage.coordinator();
  await Deno.mkdir(stage.path("logs"));
  const log = makeLog(2_000_000);
  const names = Array.from({ length: 100 }, (_, i) => `${i}.log`);
  for (const [i, name] of names.entries()) {
    await Deno.writeTextFile(stage.path("logs", name), log.slice(i * 20_000, (i + 1) * 20_000));
  }
  await stage.peer("alice", ["share", stage.path("logs"), "--limit-up", "1M"]).ready();
  const fetched = ofType(assertDone(await stage.peer("bob", ["fetch", "logs"]).end()), "fetched");
  for (const name of names) {
    assertEquals(await sha256(fetchedPath(stage, "bob", `logs/${name}`)), await sha256(stage.path("logs", name)));
  }
  const wireBytes = fetched.reduce((sum, line) => sum + (line["wireBytes"] as number), 0);
  assert(wireBytes > 100 * 100 && wireBytes < log.length / 2, `${wireBytes} bytes for ${log.length}`);
});
