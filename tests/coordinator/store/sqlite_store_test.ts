import { assert, assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { ShoalError, StoreError } from "../../../lib/core/errors.ts";
import { contentIdFrom, deviceIdFrom } from "../../../lib/core/ids.ts";
import { limits } from "../../../lib/core/limits.ts";
import { openDatabase } from "../../../lib/coordinator/store/sqlite_database.ts";
import { checkSchema, migrate, migrations } from "../../../lib/coordinator/store/sqlite_schema.ts";
import { openSqliteStore } from "../../../lib/coordinator/store/sqlite_store.ts";
import { openWorkerStore } from "../../../lib/coordinator/store/worker_store.ts";
import { testAccounts } from "./account_conformance.ts";
import { type Place, testStore } from "./conformance.ts";
import { testSearch } from "./search_conformance.ts";
import { forEveryone } from "../../../lib/core/audience.ts";
import { searchFor } from "../../../lib/wire/search_query.ts";

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

for (const suite of [testStore, testAccounts, testSearch]) {
  suite("SqliteStore", () => Promise.resolve(makePlace()), (path, bounds) => {
    return Promise.resolve(openSqliteStore(path, bounds));
  });
  suite(
    "SqliteStore on a thread",
    () => Promise.resolve(makePlace()),
    (path, bounds) => openWorkerStore(path, bounds, mustLive),
  );
}

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
    `it has schema 99, and this program knows ${migrations.length}`,
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

Deno.test("devices of the first schema need the password once, and keep their numbers, labels and signatures", async () => {
  using here = makePlace();
  const deviceId = deviceIdFrom(new Uint8Array(32).fill(1));
  {
    using db = new DatabaseSync(here.place);
    migrate(db, migrations.slice(0, 1));
    db.exec("INSERT INTO accounts (account, name, name_key, record, created_at) VALUES (3, 'ada', 'ada', 'record', 1)");
    db.exec(`INSERT INTO devices (device, account, device_id, label, certificate, signature, share_digest, changed_at)
      VALUES (5, 3, x'${deviceId}', 'laptop', x'00', x'11', zeroblob(32), 2)`);
  }
  const store = openSqliteStore(here.place);
  const devices = async () => {
    const listed = await store.read({ operation: "listDevices", ask: { account: "ada", after: 0, limit: 9 } });
    assert(listed.ok);
    return listed.value;
  };
  const old = { row: 5, label: "laptop", online: false, changedAtMs: 2 };
  assertEquals(await devices(), [{ ...old, enrolledAtMs: null }]);
  const certificate = new Uint8Array(1);
  const ask = {
    account: "ada",
    deviceId,
    label: "laptop",
    certificate,
    loginKey: new Uint8Array(32).fill(7),
    nowMs: 9,
  };
  const [byKey] = await store.write([{ operation: "enrolDevice", ask: { ...ask, record: null } }]);
  assertEquals(byKey.ok, false);
  const [byPassword] = await store.write([{ operation: "enrolDevice", ask: { ...ask, record: "record" } }]);
  assert(byPassword.ok);
  assertEquals([byPassword.value.device, byPassword.value.enrolled], [5, true]);
  assertEquals(await devices(), [{ ...old, enrolledAtMs: 9 }]);
  await store.close();
});

Deno.test("accounts of the first schema log in as before, whatever they look like, and nobody new may look like them", async () => {
  using here = makePlace();
  const old = new DatabaseSync(here.place);
  migrate(old, migrations.slice(0, 1));
  const insert = old.prepare("INSERT INTO accounts (name, name_key, record, created_at) VALUES (?, ?, ?, 1)");
  // None of them could be registered now: two look alike, one mixes scripts, one has a lower case that Unicode composes.
  const accounts = [["Ida", "ida"], ["lda", "lda"], ["adaж", "adaж"], ["J\u030c", "j\u030c"]] as const;
  for (const [name, key] of accounts) insert.run(name, key, `record of ${name}`);
  old.close();
  const store = openSqliteStore(here.place);
  for (const [name] of accounts) {
    const found = await store.read({ operation: "credential", ask: { account: name, deviceId: null } });
    assertEquals(found.ok && found.value.record, `record of ${name}`);
    assertEquals((await store.findAccount(name))?.role, "member");
  }
  assertEquals(await store.putAccount("1da", "record", { overwrite: false, nowMs: 1 }), "lookAlike");
  assertEquals(await store.putAccount("Ida", "another", { overwrite: true, nowMs: 1 }), "replaced");
  await store.close();
});

Deno.test("a database of the first schema keeps its shares, for everyone, and they are found by size too", async () => {
  using here = makePlace();
  {
    using db = new DatabaseSync(here.place);
    migrate(db, migrations.slice(0, 1));
    db.exec(`
      INSERT INTO accounts (account, name, name_key, record, shares, created_at) VALUES (1, 'ada', 'ada', 'r', 2, 1);
      INSERT INTO devices (device, account, device_id, label, certificate, share_digest, changed_at)
        VALUES (1, 1, zeroblob(32), 'vm', x'00', zeroblob(32), 1);
      INSERT INTO contents (content, id, bytes) VALUES (1, zeroblob(32), 10), (2, zeroblob(32), 20);
      INSERT INTO files (file, name, content) VALUES (1, 'film one', 1), (2, 'film two', 2);
      INSERT INTO shares (device, name, file, content) VALUES (1, 'film one', 1, 1), (1, 'film two', 2, 2);
      INSERT INTO names (rowid, name) VALUES (1, 'film one'), (2, 'film two');
    `);
  }
  const store = openSqliteStore(here.place);
  await store.write([{ operation: "presence", ask: { device: 1, online: true, nowMs: 1 } }]);
  const question = { ...searchFor("substring", "film"), order: "size", descending: true } as const;
  const found = await store.read({ operation: "search", ask: { ...question, device: 1, after: null, limit: 9 } });
  assert(found.ok);
  const rows = found.value.rows.map((
    { name, content, sharedAtMs, audience },
  ) => [name, content.bytes, sharedAtMs, audience]);
  assertEquals(rows, [["film two", 20, 0, null], ["film one", 10, 0, null]]);
  await store.close();
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
        loginKey: new Uint8Array(32),
        record: "record",
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
        loginKey: new Uint8Array(32),
        record: "record",
        nowMs: 1,
      },
    }],
  );
  assert(enrolled.ok);
  const { device } = enrolled.value;
  const entries = ["photo 1", "photo 2"].map((name) => {
    return { name, id: contentIdFrom(new Uint8Array(32)), bytes: 1, ...forEveryone };
  });
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
