/** A PostgreSQL store that several coordinators share, and one that goes away and comes back. */

import { assert, assertEquals, assertNotEquals, assertRejects, assertStringIncludes } from "@std/assert";
import postgres from "postgres";
import { ShoalError, StoreError } from "../../../lib/core/errors.ts";
import { limits } from "../../../lib/core/limits.ts";
import { PostgresDatabase, withoutPassword } from "../../../lib/coordinator/store/postgres_database.ts";
import { blockFiles, migrate, migrations } from "../../../lib/coordinator/store/postgres_schema.ts";
import { openPostgresStore } from "../../../lib/coordinator/store/postgres_store.ts";
import { openWorkerStore } from "../../../lib/coordinator/store/worker_store.ts";
import { asking, entry, names } from "./conformance.ts";
import { postgresBinaries, type RealPostgres, startPostgres } from "./real_postgres.ts";
import { WriterProcess } from "./writer_process.ts";

let server: RealPostgres;
const isThere = postgresBinaries !== undefined;
/** Long: nobody's lease runs out in a test that does not want it to. */
const leaseMs = 60_000;

if (isThere) {
  Deno.test.beforeAll(async () => {
    server = await startPostgres();
  });
  Deno.test.afterAll(async () => await server[Symbol.asyncDispose]());
}

function test(name: string, fn: (url: string) => Promise<void>): void {
  Deno.test({ name, ignore: !isThere, fn: async () => await fn(await server.createDatabase()) });
}

/** Asks again until it is so; a test that waits in vain ends with its own limit. */
async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!await isSo()) await new Promise((resolve) => setTimeout(resolve, 20));
}

async function query(url: string, sql: string): Promise<readonly postgres.Row[]> {
  const own = postgres("postgres://shoal@localhost/x", {
    host: decodeURIComponent(new URL(url).hostname),
    database: new URL(url).pathname.slice(1),
    max: 1,
    onnotice: () => {},
  });
  try {
    return await own.unsafe(sql);
  } finally {
    await own.end();
  }
}

test("devices that come at two coordinators at once have labels of their own", async (url) => {
  const stores = await Promise.all([openPostgresStore(url, leaseMs), openPostgresStore(url, leaseMs)]);
  const [one, two] = stores.map(asking) as [ReturnType<typeof asking>, ReturnType<typeof asking>];
  await one.addAccount("ada");
  const enrolled = await Promise.all(
    Array.from({ length: 20 }, (_, key) => (key % 2 === 0 ? one : two).enrol("ada", key, "vm")),
  );
  assertEquals(new Set(enrolled.map(({ label }) => label)).size, 20);
  const again = await Promise.all([one.enrol("ada", 99, "pc"), two.enrol("ada", 99, "pc")]);
  assertEquals([again[0].device, again[0].label], [again[1].device, "pc"], "one key is one device");
  for (const store of stores) await store.close();
});

test("the same file shared through two coordinators at once is one row", async (url) => {
  const stores = await Promise.all([openPostgresStore(url, leaseMs), openPostgresStore(url, leaseMs)]);
  const both = stores.map(asking);
  await both[0]!.addAccount("ada");
  const devices = [await both[0]!.enrol("ada", 1), await both[1]!.enrol("ada", 2)];
  for (let i = 0; i < 10; i++) {
    await Promise.all(both.map((asks, at) => asks.share(devices[at]!.device, entry(`same ${i}`, i), entry("x", i))));
  }
  assertEquals((await stores[0]!.figures()).files, 11);
  assertEquals((await stores[0]!.findAccount("ada"))!.shares, 22);
  for (const store of stores) await store.close();
});

test("a cursor skips no row, though two coordinators commit at once", async (url) => {
  const stores = await Promise.all([openPostgresStore(url, leaseMs), openPostgresStore(url, leaseMs)]);
  const both = stores.map(asking);
  await both[0]!.addAccount("ada");
  const devices = [await both[0]!.enrol("ada", 1), await both[1]!.enrol("ada", 2)];
  let writing = 2;
  const write = async (at: number) => {
    const share = (i: number) => both[at]!.share(devices[at]!.device, entry(`${at} ${i}`, 1000 * at + i));
    for (let i = 0; i < 60; i += 4) await Promise.all([share(i), share(i + 1), share(i + 2), share(i + 3)]);
    writing--;
  };
  const seen: string[] = [];
  const read = async () => {
    for (let after = 0, isLast = false; !isLast;) {
      isLast = writing === 0;
      const page = await both[0]!.files(devices[0]!.device, "account", after, 10);
      seen.push(...names(page));
      after = page.at(-1)?.row ?? after;
      if (page.length > 0) isLast = false;
    }
  };
  await Promise.all([write(0), write(1), read()]);
  assertEquals(seen.length, 120);
  assertEquals(new Set(seen).size, 120);
  for (const store of stores) await store.close();
});

test("a device is online where it came last, and only there can it go", async (url) => {
  const stores = await Promise.all([openPostgresStore(url, leaseMs), openPostgresStore(url, leaseMs)]);
  const [one, two] = stores.map(asking) as [ReturnType<typeof asking>, ReturnType<typeof asking>];
  await one.addAccount("ada");
  const { device } = await one.enrol("ada", 1);
  await one.presence(device, true, 20);
  await two.presence(device, true, 30);
  assertEquals((await one.peers())[0]!.changedAtMs, 20, "it was here all the time");
  await one.presence(device, false, 40);
  assertEquals((await one.peers())[0]!.online, true, "what the first one still knew is old");
  await two.presence(device, false, 50);
  assertEquals([(await one.peers())[0]!.online, (await one.peers())[0]!.changedAtMs], [false, 50]);
  for (const store of stores) await store.close();
});

test("a coordinator that is killed takes its devices with it, a lease later, and one that stops at once", async (url) => {
  const store = await openPostgresStore(url, 400);
  const { peers, presence, enrol } = asking(store);
  {
    await using writer = new WriterProcess(url, "400");
    await writer.begun();
    assertEquals((await peers()).map(({ online }) => online), [true]);
    const own = await enrol("ada", 2, "own");
    await presence(own.device, true);
  }
  await until(async () => !(await peers())[0]!.online);
  assertEquals((await peers()).map(({ online }) => online), [false, true], "who lives keeps his");
  const other = await openPostgresStore(url, 400);
  const { row } = (await peers())[0]!;
  await asking(other).presence(row, true);
  await other.close();
  assertEquals((await peers())[0]!.online, false);
  await store.close();
});

const away = "a database that is away answers busy, and is used again once it is back, with who is online";
Deno.test({
  name: away,
  ignore: !isThere,
  async fn() {
    await using server = await startPostgres();
    const url = await server.createDatabase();
    const store = await openPostgresStore(url, 400);
    const { addAccount, enrol, share, presence, peers } = asking(store);
    await addAccount("ada");
    const { device } = await enrol("ada", 1);
    await presence(device, true);
    await share(device, entry("a", 1));
    const underWay = Array.from({ length: 8 }, (_, i) => {
      const entries = Array.from({ length: 50 }, (_, j) => entry(`${i} ${j}`, 100 * i + j));
      return store.write([{ operation: "share", ask: { device, entries, nowMs: 1 } }]);
    });
    await server.crash();
    for (const [answer] of await Promise.all(underWay)) assert(answer.ok || answer.error.code === "busy");
    const ask = { operation: "presence", ask: { device, online: true, nowMs: 1 } } as const;
    const [written] = await store.write([ask]);
    const read = await store.read({ operation: "listPeers", ask: { after: 0, limit: 1 } });
    for (const answer of [written, read]) {
      assert(!answer.ok);
      assertEquals(answer.error.code, "busy");
      assert(!answer.error.text.includes("/"), answer.error.text);
    }
    const failed = await assertRejects(() => store.figures(), ShoalError, "nothing listens there");
    assertEquals(failed.code, "busy");
    await server.start();
    await until(async () => (await store.read({ operation: "listPeers", ask: { after: 0, limit: 1 } })).ok);
    await until(async () => (await peers())[0]!.online);
    assertEquals((await store.figures()).shares % 50, 1, "each ask whole or not at all");
    await store.close();
  },
});

test("a coordinator that stands still in a group loses it, and keeps nobody else waiting", async (url) => {
  const stopped = new PostgresDatabase(url);
  await migrate(stopped);
  const store = await openPostgresStore(url, leaseMs);
  const holding = Promise.withResolvers<void>();
  const still = assertRejects(() =>
    stopped.group(async (sql) => {
      await sql.run("SET LOCAL idle_in_transaction_session_timeout = 100");
      await sql.run("INSERT INTO account_groups (name, name_key, created_at) VALUES ('eve', 'eve', 1)");
      holding.resolve();
      await new Promise(() => {});
    })
  );
  await Promise.race([holding.promise, still]);
  assertEquals(await store.putAccount("ada", "record", { overwrite: false, nowMs: 1 }), "added");
  await still;
  assertEquals((await store.listAccounts()).map(({ name }) => name), ["ada"]);
  assertEquals(await store.listGroups(), []);
  await store.close();
  await stopped.close();
});

test("openPostgresStore() refuses a newer schema, and leaves it as it is", async (url) => {
  await (await openPostgresStore(url, leaseMs)).close();
  await query(url, "INSERT INTO shoal_schema (version) VALUES (99)");
  const error = await assertRejects(
    () => openPostgresStore(url, leaseMs),
    StoreError,
    `it has schema 99, and this program knows ${migrations.length}`,
  );
  assertEquals(error.code, "version");
  assertStringIncludes(error.hint!, "newer");
});

test("migrate() takes an older database to the present schema with its rows, or leaves it as it is", async (url) => {
  const store = await openPostgresStore(url, leaseMs);
  await store.putAccount("ada", "record", { overwrite: false, nowMs: 1 });
  await store.close();
  await using database = Object.assign(new PostgresDatabase(url), {
    [Symbol.asyncDispose]: () => database.close(),
  });
  const next = [...migrations, "ALTER TABLE accounts ADD COLUMN made_up integer NOT NULL DEFAULT 7"];
  await assertRejects(() => migrate(database, [...next, "CREATE TABLE half (a integer); not SQL"]), StoreError);
  assertEquals((await query(url, "SELECT max(version) AS version FROM shoal_schema"))[0]!.version, migrations.length);
  assertEquals((await query(url, "SELECT to_regclass('half') AS half"))[0]!.half, null);
  await migrate(database, next);
  assertEquals({ ...(await query(url, "SELECT name, made_up FROM accounts"))[0] }, { name: "ada", made_up: 7 });
  await migrate(database, next);
});

test("coordinators that start at once on an empty database make its tables once", async (url) => {
  const stores = await Promise.all([1, 2, 3].map(() => openPostgresStore(url, leaseMs)));
  assertEquals((await query(url, "SELECT version FROM shoal_schema")).length, migrations.length);
  for (const store of stores) await store.close();
});

test("openPostgresStore() refuses another program's database, and one that is not there", async (url) => {
  await query(url, "CREATE TABLE theirs (a integer)");
  await assertRejects(() => openPostgresStore(url, leaseMs), StoreError, "another program");
  const missing = await assertRejects(() => openPostgresStore(`${url}none`, leaseMs), StoreError, "does not exist");
  assertEquals(missing.code, "notFound");
});

test("a store in PostgreSQL works on a thread too", async (url) => {
  const store = await openWorkerStore({ url, leaseMs }, limits, (reason) => {
    throw reason;
  });
  const { addAccount, enrol, share, files } = asking(store);
  await addAccount("ada");
  const { device } = await enrol("ada", 1);
  await share(device, entry("a", 1));
  assertEquals(names(await files(device, "device")), ["a"]);
  await store.close();
  const error = await assertRejects(
    () => openWorkerStore({ url: `${url}none`, leaseMs }, limits, () => {}),
    ShoalError,
    "does not exist",
  );
  assertEquals(error.code, "notFound");
});

test("a search goes from block to block of the index of names, in order, and no further than its bound", async (url) => {
  const store = await openPostgresStore(url, leaseMs);
  const { addAccount, enrol, presence, share, searchPage } = asking(store);
  await addAccount("ada");
  const { device } = await enrol("ada", 1);
  await presence(device, true);
  const all: string[] = [];
  // Beside a border of blocks, some blocks on, and further than one answer looks.
  for (const [at, first] of [blockFiles - 2, 5 * blockFiles, 600 * blockFiles].entries()) {
    await query(url, `ALTER TABLE files ALTER COLUMN file RESTART WITH ${first}`);
    const made = Array.from({ length: 4 }, (_, i) => entry(`photo ${at} ${i}`, 10 * at + i));
    all.push(...made.map(({ name }) => name));
    await share(device, ...made);
  }
  const scans = async () => {
    const [row] = await query(
      url,
      "SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelname = 'files_by_trigrams'",
    );
    return Number(row!.idx_scan);
  };
  for (const limit of [1, 3, 4, 100]) {
    const seen: string[] = [];
    let pages = 0;
    for (let after = 0, isLast = false; !isLast; pages++) {
      const { rows, next } = await searchPage("substring", "PHOTO", after, limit);
      assert(next === 0 || next > after);
      seen.push(...names(rows));
      isLast = next === 0;
      after = next;
    }
    assertEquals(seen, all, `pages of ${limit}`);
    assert(pages > 1, "the last ones are further than one answer looks");
  }
  assertEquals(names((await searchPage("substring", "to 2")).rows), all.slice(8), "what the index cannot find");
  await store.close(); // Its sessions tell what they used as they end.
  assert(await scans() > 0, "by the index");
});

Deno.test("withoutPassword() shows a URL as anybody may see it", () => {
  assertEquals(withoutPassword("postgres://ada:p%40ss@host:5432/db"), "postgres://ada@host:5432/db");
  assertEquals(withoutPassword("postgres://host/db?password=x&user=ada"), "postgres://host/db?password=…&user=ada");
  assertNotEquals(withoutPassword("postgres://a:b:c@host/db"), "postgres://a:b:c@host/db");
});
