import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import type { AdminRequest } from "../../lib/coordinator/admin.ts";
import { Audit, auditPaths, entryOf, entryOfRequest, filesMax } from "../../lib/coordinator/audit.ts";
import { formatEntryText, readAudit } from "../../lib/coordinator/audit_command.ts";
import { dataPaths } from "../../lib/coordinator/data_folder.ts";
import { StoreError } from "../../lib/core/errors.ts";
import { temporaryFolder } from "./temporary_folder.ts";

/** An audit log in a folder of its own, with a clock. */
function setUp(fileBytesMax?: number) {
  const folder = temporaryFolder();
  const { audit: path } = dataPaths(folder.path);
  const time = { nowMs: Date.UTC(2030, 0, 1) };
  const warnings: string[] = [];
  const options = { path, clock: () => time.nowMs, warn: (text: string) => warnings.push(text) };
  const open = () => new Audit(fileBytesMax === undefined ? options : { ...options, fileBytesMax });
  const read = (sinceMs = 0) => [...readAudit(folder.path, sinceMs)];
  return { folder, path, time, warnings, open, read, [Symbol.dispose]: () => folder[Symbol.dispose]() };
}

const login = (account: string) => ({ event: "loggedIn", account, device: "vm" });

Deno.test("Audit appends one line for each entry, in order, over restarts, in a file for its owner alone", async () => {
  using scene = setUp();
  for (const account of ["ada", "bob"]) {
    await using audit = scene.open();
    audit.note(login(account));
    audit.note({ event: "loggedOut", account });
  }
  assertEquals(scene.read().map(({ event, account }) => `${event} ${account}`), [
    "loggedIn ada",
    "loggedOut ada",
    "loggedIn bob",
    "loggedOut bob",
  ]);
  assertEquals(Deno.statSync(scene.path).mode! & 0o777, 0o600);
  assertEquals(scene.read()[0], { time: "2030-01-01T00:00:00.000Z", event: "loggedIn", account: "ada", device: "vm" });
});

Deno.test("Audit begins a new file at its bound and keeps so many, the newest", async () => {
  using scene = setUp(500);
  {
    await using audit = scene.open();
    for (let i = 0; i < 100; i++) {
      audit.note(login(`account-${i}`));
      // One write for each: what comes while one is written goes into one file together.
      while (audit.written <= i) await new Promise((resolve) => setTimeout(resolve));
    }
  }
  const paths = auditPaths(scene.path);
  assertEquals(paths.length, filesMax);
  for (const path of paths) assert(Deno.statSync(path).size <= 500, path);
  const accounts = scene.read().map(({ account }) => account);
  assertEquals(accounts.at(-1), "account-99");
  const first = Number(String(accounts[0]).split("-")[1]);
  assertEquals(accounts, Array.from({ length: 100 - first }, (_, i) => `account-${first + i}`));
  assertEquals([...Deno.readDirSync(scene.folder.path)].length, filesMax);
});

Deno.test("what cannot be written is counted, told once, and waits for nobody; later entries are written again", async () => {
  using scene = setUp();
  await using audit = scene.open();
  const settle = () => new Promise((resolve) => setTimeout(resolve, 5));
  Deno.mkdirSync(scene.path);
  audit.note(login("lost"));
  while (audit.lost < 1) await settle();
  audit.note(login("lost too"));
  while (audit.lost < 2) await settle();
  assertEquals(scene.warnings.length, 1);
  assertStringIncludes(scene.warnings[0]!, `Cannot write ${scene.path}`);
  Deno.removeSync(scene.path);
  audit.note(login("ada"));
  while (audit.written < 1) await settle();
  assertEquals(scene.read().map(({ account }) => account), ["ada"]);
  assertStringIncludes(scene.warnings[1]!, "2 entries are lost");
});

Deno.test("a line that a crash cut costs that entry alone", async () => {
  using scene = setUp();
  Deno.writeTextFileSync(scene.path, '{"time":"2030-01-01T00:00:00.000Z","event":"logg');
  {
    await using audit = scene.open();
    audit.note(login("ada"));
  }
  assertEquals(scene.read().map(({ account }) => account), ["ada"]);
});

Deno.test("strangers whose logins are refused cannot push out the rest: they are few a second, and counted", async () => {
  using scene = setUp();
  {
    await using audit = scene.open();
    for (let i = 0; i < 5_000; i++) audit.note({ event: "loginRefused", account: `a${i}` });
    audit.note(login("ada"));
    scene.time.nowMs += 1_000;
    audit.note({ event: "loginRefused", account: "later" });
    assertEquals(audit.lost, 4_500);
  }
  const entries = scene.read();
  assertEquals(entries.filter(({ event }) => event === "loginRefused").length, 501);
  assertEquals(entries.find(({ event }) => event === "refusalsLeftOut")?.["count"], 4_500);
  assertEquals(entries.at(-2)?.["account"], "ada");
});

Deno.test("readAudit() says that there is no such folder, rather than that nothing has happened", () => {
  using scene = setUp();
  assertEquals(scene.read(), []);
  const { code } = assertThrows(() => [...readAudit(`${scene.folder.path}/other`, 0)], StoreError, "audit log of");
  assertEquals(code, "notFound");
});

Deno.test("readAudit() begins at a time, and people read escaped names", async () => {
  using scene = setUp();
  {
    await using audit = scene.open();
    audit.note(login("early"));
    scene.time.nowMs += 60_000;
    audit.note({ ...login("a\x1b[31m\u202e"), tookMs: 12 });
  }
  const [entry, ...more] = scene.read(scene.time.nowMs);
  assertEquals(more, []);
  assertEquals(
    formatEntryText(entry!),
    "2030-01-01T00:01:00.000Z loggedIn account=a\\x1b[31m\\u{202e} device=vm tookMs=12",
  );
});

Deno.test("what is everyday is no entry, what an operator changes is one, and never with a secret", () => {
  assertEquals(entryOf({ event: "away", account: "ada" }), undefined);
  assertEquals(entryOf({ event: "reported", account: "ada", reason: "wrongPiece" })?.event, "reported");
  const of = (request: unknown) => entryOfRequest(request as AdminRequest, "uid 7", "ok");
  assertEquals(of({ kind: "listAccounts" }), undefined);
  assertEquals(of({ kind: "status" }), undefined);
  const entry = of({ kind: "addAccount", account: "ada", record: "SECRET", code: "SECRET", other: { a: 1 } });
  assertEquals(entry, { event: "addAccount", account: "ada", by: "uid 7", result: "ok" });
});
