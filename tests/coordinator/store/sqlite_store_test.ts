import { assert, assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { ShoalError, StoreError } from "../../../lib/core/errors.ts";
import { contentIdFrom, deviceIdFrom } from "../../../lib/core/ids.ts";
import { limits } from "../../../lib/core/limits.ts";
import { openDatabase } from "../../../lib/coordinator/store/sqlite_database.ts";
import { checkSchema, migrate, migrations } from "../../../lib/coordinator/store/sqlite_schema.ts";
import { openSqliteStore } from "../../../lib/coordinator/store/sqlite_store.ts";
import { openWorkerStore } from "../../../lib/coordinator/store/worker_store.ts";
import { type Place, testStore } from "./conformance.ts";

interface TestPlace extends Place, Disposable {}

function makePlace(): TestPlace {
  const folder = Deno.makeTempDirSync({ prefix: "shoal-store-" });
  const remove = () => Deno.removeSync(folder, { recursive: true });
  return {
    place: `${folder}/coordinator.db`,
    [Symbol.dispose]: remove,
    [Symbol.asyncDispose]: () => Promise.resolve(remove()),
  };
}

/** A store's thread that dies by itself fails the test that it is in. */
function mustLive(reason: ShoalError): void {
  throw reason;
}

testStore("SqliteStore", () => Promise.resolve(makePlace()), (path, bounds) => {
  return Promise.resolve(openSqliteStore(path, bounds));
});
testStore(
  "SqliteStore on a thread",
  () => Promise.resolve(makePlace()),
  (path, bounds) => openWorkerStore(path, bounds, mustLive),
);

Deno.test("openDatabase() syncs every commit and holds foreign keys", () => {
  using here = makePlace();
  const db = openDatabase(here.place);
  const pragma = (name: string) => Object.values(db.prepare(`PRAGMA ${name}`).get()!)[0];
  assertEquals([pragma("journal_mode"), pragma("synchronous"), pragma("foreign_keys")], ["wal", 2, 1]);
  db.close();
});

Deno.test("openSqliteStore() makes a file that its owner alone can read", async () => {
  using here = makePlace();
  const store = openSqliteStore(here.place);
  await store.putAccount("ada", "record", { overwrite: false, nowMs: 1 });
  for (const suffix of ["", "-wal", "-shm"]) {
    assertEquals(Deno.statSync(here.place + suffix).mode! & 0o777, 0o600, `mode of ${suffix}`);
  }
  await store.close();
});

Deno.test("openSqliteStore() refuses a newer schema, and leaves it as it is", async () => {
  using here = makePlace();
  await openSqliteStore(here.place).close();
  const db = new DatabaseSync(here.place);
  db.exec("PRAGMA user_version = 99");
  db.close();
  const stored = Deno.readFileSync(here.place);
  const error = assertThrows(
    () => openSqliteStore(here.place),
    StoreError,
    "it has schema 99, and this program knows 1",
  );
  assertEquals(error.code, "version");
  assertStringIncludes(error.hint!, "newer");
  assertEquals(Deno.readFileSync(here.place), stored);
});

Deno.test("migrate() takes an older database to the present schema with its rows, or leaves it as it is", async () => {
  using here = makePlace();
  const store = openSqliteStore(here.place);
  await store.putAccount("ada", "record", { overwrite: false, nowMs: 1 });
  await store.close();
  using db = new DatabaseSync(here.place);
  const next = [...migrations, "ALTER TABLE accounts ADD COLUMN made_up INTEGER NOT NULL DEFAULT 7"];
  const schemaOf = () => db.prepare("PRAGMA user_version").get()!.user_version;
  assertThrows(() => migrate(db, [...next, "CREATE TABLE half (a); not SQL"]));
  assertEquals(
    [schemaOf(), db.prepare("SELECT count(*) AS count FROM sqlite_schema WHERE name = 'half'").get()!.count],
    [
      migrations.length,
      0,
    ],
  );
  migrate(db, next);
  assertEquals({ ...db.prepare("SELECT name, made_up FROM accounts").get() }, { name: "ada", made_up: 7 });
  assertEquals(schemaOf(), next.length);
  migrate(db, next);
  assertThrows(() => checkSchema(db, here.place), StoreError, `schema ${next.length}`);
});

Deno.test("openSqliteStore() refuses another program's database and what is no database", () => {
  using here = makePlace();
  const db = new DatabaseSync(here.place);
  db.exec("CREATE TABLE theirs (a)");
  db.close();
  const stored = Deno.readFileSync(here.place);
  assertThrows(() => openSqliteStore(here.place), StoreError, "another program");
  assertEquals(Deno.readFileSync(here.place), stored, "its journal mode included");
  Deno.writeTextFileSync(here.place, "no database ".repeat(1000));
  const error = assertThrows(() => openSqliteStore(here.place), StoreError, here.place);
  assertEquals(error.code, "integrity");
});

Deno.test("openSqliteStore() checks a file that was not closed, and refuses it damaged", async () => {
  using here = makePlace();
  const store = openSqliteStore(here.place);
  for (let i = 0; i < 300; i++) await store.putAccount(`ada${i}`, "r".repeat(500), { overwrite: false, nowMs: i });
  await store.close();
  const file = Deno.readFileSync(here.place);
  file.fill(0x5a, 4096 * 8, 4096 * 12);
  Deno.writeFileSync(here.place, file);
  Deno.writeFileSync(`${here.place}-wal`, new Uint8Array(0));
  const error = assertThrows(() => openSqliteStore(here.place), StoreError, "damaged");
  assertEquals(error.code, "integrity");
});

Deno.test("SqliteStore answers a failing group with refusals that name no path", async () => {
  using here = makePlace();
  const store = openSqliteStore(here.place);
  await store.putAccount("ada", "record", { overwrite: false, nowMs: 1 });
  const other = new DatabaseSync(here.place);
  other.exec("DROP TABLE devices");
  other.close();
  const ask = { operation: "presence", ask: { device: 1, online: true, nowMs: 1 } } as const;
  const answers = await store.write([ask, ask]);
  assertEquals(answers.map((answer) => !answer.ok && answer.error.code), ["io", "io"]);
  const answer = await store.read({ operation: "listPeers", ask: { after: 0, limit: 1 } });
  assert(!answer.ok);
  assertEquals(answer.error.text, "the coordinator's store failed");
  await store.close();
});

Deno.test("SqliteStore undoes a whole group whose commit fails", async () => {
  using here = makePlace();
  const store = openSqliteStore(here.place);
  await store.putAccount("ada", "record", { overwrite: false, nowMs: 1 });
  const trap = new DatabaseSync(here.place);
  trap.exec(
    "CREATE TRIGGER trap BEFORE INSERT ON devices WHEN NEW.label = 'bad' BEGIN SELECT RAISE(ABORT, 'trap'); END",
  );
  trap.close();
  const enrol = (label: string, key: number) =>
    ({
      operation: "enrolDevice",
      ask: {
        account: "ada",
        deviceId: String(key).repeat(64) as never,
        label,
        certificate: new Uint8Array(1),
        nowMs: 1,
      },
    }) as const;
  const answers = await store.write([enrol("good", 1), enrol("bad", 2)]);
  assertEquals(answers.map((answer) => answer.ok), [false, false]);
  assertEquals((await store.figures()).devices, 0, "nothing of a failed group stays");
  assertEquals((await store.write([enrol("good", 1)]))[0]!.ok, true, "the next group works");
  await store.close();
});

Deno.test("the index of names forgets what nobody shares any more", async () => {
  using here = makePlace();
  const store = openSqliteStore(here.place);
  await store.putAccount("ada", "record", { overwrite: false, nowMs: 1 });
  const [enrolled] = await store.write(
    [{
      operation: "enrolDevice",
      ask: {
        account: "ada",
        deviceId: deviceIdFrom(new Uint8Array(32)),
        label: "vm",
        certificate: new Uint8Array(1),
        nowMs: 1,
      },
    }],
  );
  assert(enrolled.ok);
  const { device } = enrolled.value;
  const entries = ["photo 1", "photo 2"].map((name) => ({ name, id: contentIdFrom(new Uint8Array(32)), bytes: 1 }));
  await store.write([{ operation: "share", ask: { device, entries, nowMs: 1 } }]);
  const db = new DatabaseSync(here.place);
  const indexed = () => db.prepare("SELECT count(*) AS count FROM names WHERE names MATCH '\"photo\"'").get()!.count;
  assertEquals(indexed(), 2);
  await store.write([{ operation: "remove", ask: { device, names: ["photo 1"], scope: "device" } }]);
  assertEquals(indexed(), 1);
  await store.removeAccount("ada");
  assertEquals(indexed(), 0);
  db.close();
  await store.close();
});

Deno.test("a search walks its index in order, without sorting what it found", () => {
  using here = makePlace();
  const store = openSqliteStore(here.place);
  const db = new DatabaseSync(here.place);
  const plan = db.prepare(
    "EXPLAIN QUERY PLAN SELECT rowid FROM names WHERE names MATCH ? AND rowid > ? ORDER BY rowid LIMIT 10",
  ).all('"abc"', 0);
  assert(!JSON.stringify(plan).includes("TEMP B-TREE"));
  db.close();
  return store.close();
});

Deno.test("openWorkerStore() rejects where the file cannot be opened", async () => {
  const error = await assertRejects(
    () => openWorkerStore("/nowhere/at/all.db", limits, mustLive),
    ShoalError,
    "/nowhere/at/all.db",
  );
  assertEquals(error.code, "notFound");
});

Deno.test("a closed store on a thread refuses", async () => {
  using here = makePlace();
  const store = await openWorkerStore(here.place, limits, mustLive);
  await store.close();
  await store.close();
  await assertRejects(() => store.figures(), ShoalError, "closed");
  const answer = await store.read({ operation: "listPeers", ask: { after: 0, limit: 1 } });
  assert(!answer.ok);
});

Deno.test("SqliteStore loses nothing it acknowledged to SIGKILL", async () => {
  using here = makePlace();
  const writer = new Deno.Command(Deno.execPath(), {
    args: ["run", "-q", "--no-prompt", "--allow-read", "--allow-write", writerPath, here.place],
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  let acknowledged = 0;
  let text = "";
  for await (const part of writer.stdout.pipeThrough(new TextDecoderStream())) {
    text += part;
    acknowledged = Math.max(acknowledged, ...text.split("\n").slice(0, -1).map(Number));
    if (acknowledged >= 60) break; // Ending the loop cancels the stream.
  }
  writer.kill("SIGKILL");
  await writer.status;
  const store = openSqliteStore(here.place);
  const shares = (await store.findAccount("ada"))!.shares;
  const { files } = await store.figures();
  assert(shares >= acknowledged, `${shares} shares of ${acknowledged} acknowledged`);
  assertEquals(files, shares);
  await store.close();
});

const writerPath = new URL("./sqlite_writer.ts", import.meta.url).pathname;
