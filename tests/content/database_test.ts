import { assertEquals, assertThrows } from "@std/assert";
import { StoreError } from "../../lib/core/errors.ts";
import { openDatabase, type Schema } from "../../lib/content/database.ts";
import { tempFolder } from "./fixtures.ts";

const first: Schema = {
  synchronous: "NORMAL",
  migrations: ["CREATE TABLE things (name TEXT); CREATE TABLE others (a)"],
};
const second: Schema = {
  ...first,
  migrations: [...first.migrations, "ALTER TABLE things ADD COLUMN bytes INTEGER NOT NULL DEFAULT 7"],
};

function rowsAndSchema(folder: string, schema: Schema) {
  using db = openDatabase(folder, "x.db", schema);
  return [
    db.prepare("SELECT * FROM things").all().map((row) => ({ ...row })),
    db.prepare("PRAGMA user_version").get()!.user_version,
  ];
}

Deno.test("openDatabase() makes the tables once, takes an older schema forward with its rows, and refuses a newer one untouched", () => {
  using folder = tempFolder();
  {
    using db = openDatabase(folder.path, "x.db", first);
    db.exec("INSERT INTO things VALUES ('a')");
  }
  assertEquals(rowsAndSchema(folder.path, first), [[{ name: "a" }], 1]);
  assertEquals(rowsAndSchema(folder.path, second), [[{ name: "a", bytes: 7 }], 2]);
  assertEquals(rowsAndSchema(folder.path, second), [[{ name: "a", bytes: 7 }], 2]);
  const path = `${folder.path}/x.db`;
  const stored = Deno.readFileSync(path);
  const error = assertThrows(
    () => openDatabase(folder.path, "x.db", first),
    StoreError,
    "it has schema 2, and this program knows 1",
  );
  assertEquals([error.code, error.path, Deno.readFileSync(path)], ["version", path, stored]);
  using fresh = tempFolder();
  assertEquals(rowsAndSchema(fresh.path, second), [[], 2]);
});

Deno.test("openDatabase() leaves an older database as it was if a migration fails half-way", () => {
  using folder = tempFolder();
  openDatabase(folder.path, "x.db", first).close();
  const broken: Schema = { ...first, migrations: [...first.migrations, "DROP TABLE others; not SQL"] };
  assertThrows(() => openDatabase(folder.path, "x.db", broken), StoreError, "x.db");
  using db = openDatabase(folder.path, "x.db", first);
  assertEquals(db.prepare("SELECT * FROM others").all(), []);
});
