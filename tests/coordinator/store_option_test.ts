import { assert, assertEquals, assertThrows } from "@std/assert";
import { join } from "@std/path";
import { dataPaths } from "../../lib/coordinator/data_folder.ts";
import { readStoreUrl, storePlace } from "../../lib/coordinator/store_option.ts";
import { StoreError, UsageError } from "../../lib/core/errors.ts";
import { temporaryFolder } from "./temporary_folder.ts";

const around = (cwd = "/here") => ({ env: () => undefined, cwd });
const told = (store?: string, file?: string) => ({ store, "store-file": file });
const secret = "postgres://shoal:hunter2@db/shoal";

Deno.test("storePlace() is the file under --data unless a database is told, whose lease is within two keep-alives", () => {
  const paths = dataPaths("/data");
  assertEquals(storePlace(undefined, paths), "/data/coordinator.db");
  const place = storePlace(secret, paths, 10_000);
  assert(typeof place !== "string");
  assertEquals(place.url, secret);
  // It is renewed, and others' looked for, eight times a lease: peers are back before it ends.
  assert(place.leaseMs * 9 / 8 <= 20_000);
  assert(place.leaseMs * 7 / 8 >= 13_500);
});

Deno.test("readStoreUrl() takes no password from the command line, and does not repeat it", () => {
  for (const typed of [secret, "postgres://db/shoal?user=a&password=hunter2", "postgres://a:hunter2@:bad"]) {
    const error = assertThrows(() => readStoreUrl(told(typed), typed, around()), UsageError, "--store");
    assert(!`${error.message} ${error.hint}`.includes("hunter2"));
  }
  assertEquals(readStoreUrl(told(secret), undefined, around()), secret, "from the environment it does");
  const plain = "postgres://shoal@db/shoal";
  assertEquals(readStoreUrl(told(plain), plain, around()), plain);
  assertEquals(readStoreUrl(told(), undefined, around()), undefined);
});

Deno.test("readStoreUrl() reads a file that its owner alone can read", () => {
  using folder = temporaryFolder();
  const path = join(folder.path, "url");
  Deno.writeTextFileSync(path, `${secret}\n`, { mode: 0o600 });
  assertEquals(readStoreUrl(told(undefined, "url"), undefined, around(folder.path)), secret);
  Deno.chmodSync(path, 0o644);
  assertThrows(() => readStoreUrl(told(undefined, path), undefined, around()), StoreError, "others can read it");
  const missing = assertThrows(() => readStoreUrl(told(undefined, "/no/file"), undefined, around()), StoreError);
  assertEquals(missing.code, "notFound");
  assertThrows(() => readStoreUrl(told(secret, path), undefined, around()), UsageError, "choose one");
});

Deno.test("readStoreUrl() refuses what is no URL of a database", () => {
  for (const url of ["mysql://db/shoal", "coordinator.db", "postgres:shoal", "http://hunter2@db"]) {
    const error = assertThrows(() => readStoreUrl(told(url), undefined, around()), UsageError);
    assert(!error.message.includes("hunter2"));
  }
});
