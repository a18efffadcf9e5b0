/** Compression between the real programs: a log through a limited holder, and noise beside it. */

import { assert, assertEquals } from "@std/assert";
import { Stage } from "../../scripts/programs.ts";
import { assertDone, ofType } from "./ended.ts";
import { fetchedPath, sha256, writeRandom } from "./files.ts";

const accounts = { alice: "alice's password", bob: "bob's password" };
const bytes = 4_000_000;

Deno.test("through --limit-up a log costs a fraction of its bytes, and noise all of its own; both arrive whole", async () => {
  await using stage = await Stage.open(accounts);
  await stage.coordinator();
  let log = "";
  for (let i = 0; log.length < bytes; i++) {
    log += `01:12:${i % 60} request ${i} of ${(i * 7919) % 997} took ${i % 311} ms\n`;
  }
  await Deno.writeTextFile(stage.path("app.log"), log.slice(0, bytes));
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
