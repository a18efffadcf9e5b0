import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { backUp } from "../../../lib/coordinator/store/backup.ts";
import { openStore } from "../../../lib/coordinator/store/open_store.ts";
import { ShoalError, StoreError } from "../../../lib/core/errors.ts";
import { temporaryFolder } from "../temporary_folder.ts";
import { asking, entry, names } from "./conformance.ts";
import { assertKept, WriterProcess } from "./writer_process.ts";

Deno.test("backUp() writes a whole copy of a store that is open, for its owner alone", async () => {
  using folder = temporaryFolder();
  const place = join(folder.path, "coordinator.db");
  const store = await openStore(place);
  const { addAccount, enrol, share } = asking(store);
  await addAccount("ada");
  const { device } = await enrol("ada", 1);
  await share(device, entry("before", 1), entry("été", 2));
  const file = join(folder.path, "backup.db");
  const bytes = await backUp(place, file);
  await share(device, entry("after", 3));
  const { size, mode } = Deno.statSync(file);
  assertEquals([size, mode! & 0o777], [bytes, 0o600]);
  await store.close();
  const copy = await openStore(file);
  const restored = asking(copy);
  await restored.enrol("ada", 1);
  await restored.presence(device, true);
  assertEquals(names(await restored.files(device, "device")), ["before", "été"]);
  assertEquals(names(await restored.search("substring", "ÉTÉ")), ["été"], "with its index of names");
  await copy.close();
});

Deno.test("backUp() keeps nobody from writing, and has what was acknowledged before it began", async () => {
  using folder = temporaryFolder();
  const place = join(folder.path, "coordinator.db");
  await using writer = new WriterProcess(place);
  await writer.begun();
  const acknowledged = writer.acknowledged;
  const file = join(folder.path, "backup.db");
  await backUp(place, file);
  await writer.kill();
  const copy = await openStore(file);
  await assertKept(copy, acknowledged);
  await copy.close();
});

Deno.test("backUp() leaves a file that is there, and nothing where it fails", async () => {
  using folder = temporaryFolder();
  const place = join(folder.path, "coordinator.db");
  await (await openStore(place)).close();
  const there = join(folder.path, "there");
  Deno.writeTextFileSync(there, "precious");
  const error = await assertRejects(() => backUp(place, there), StoreError, "already exists");
  assertEquals(error.code, "exists");
  assertEquals(Deno.readTextFileSync(there), "precious");
  const missing = await assertRejects(() => backUp(place, join(folder.path, "no", "where")), ShoalError);
  assertEquals(missing.code, "notFound");
  await assertRejects(() => backUp(join(folder.path, "none.db"), join(folder.path, "copy")), ShoalError);
  assertEquals([...Deno.readDirSync(folder.path)].map(({ name }) => name).sort(), ["coordinator.db", "there"]);
});

Deno.test("backUp() says what to do for a database, and nothing of its password", async () => {
  const place = { url: "postgres://shoal:secret@db/shoal", leaseMs: 1 };
  const error = await assertRejects(() => backUp(place, "/tmp/x"), ShoalError);
  assertEquals(error.code, "usage");
  assertStringIncludes(error.hint!, "pg_dump");
  assert(!`${error.message} ${error.hint}`.includes("secret"));
});
