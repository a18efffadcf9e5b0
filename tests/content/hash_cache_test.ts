import { assertEquals, assertThrows } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { HashCache } from "../../lib/content/hash_cache.ts";
import type { HashedFile } from "../../lib/content/file_hash.ts";
import { hashed, pattern, tempFolder } from "./fixtures.ts";

const stamp = { bytes: 300_000, mtimeMs: 1_700_000_000_123, ctimeMs: 1_700_000_000_000, inode: 77 };
const file: HashedFile = { ...hashed(pattern(stamp.bytes)), stamp };

Deno.test("HashCache finds what a file hashed to, across restarts, for the very same stamp alone", () => {
  using folder = tempFolder();
  {
    using cache = HashCache.open(folder.path);
    cache.keep("/a", file);
  }
  using cache = HashCache.open(folder.path);
  const found = cache.find("/a", stamp);
  assertEquals([found?.content, found?.layer], [file.content, file.layer]);
  assertEquals(cache.find("/b", stamp), undefined);
  for (const change of [{ bytes: 300_001 }, { mtimeMs: 1 }, { ctimeMs: 1 }, { inode: 78 }]) {
    assertEquals(cache.find("/a", { ...stamp, ...change }), undefined, Object.keys(change)[0]!);
  }
});

Deno.test("HashCache begins anew when its file is damaged or a later version's", () => {
  using folder = tempFolder();
  const path = `${folder.path}/hashes.db`;
  Deno.writeTextFileSync(path, "no database at all".repeat(500));
  {
    using cache = HashCache.open(folder.path);
    cache.keep("/a", file);
  }
  {
    using db = new DatabaseSync(path);
    db.exec("PRAGMA user_version = 9");
  }
  using cache = HashCache.open(folder.path);
  assertEquals(cache.find("/a", stamp), undefined);
});

Deno.test("HashCache does not believe an entry whose layer is not its id's", () => {
  using folder = tempFolder();
  using cache = HashCache.open(folder.path);
  const layer = file.layer.slice();
  layer[40]! ^= 1;
  cache.keep("/a", { ...file, layer });
  assertEquals(cache.find("/a", stamp), undefined);
});

Deno.test("HashCache goes without when its database fails it later", () => {
  using folder = tempFolder();
  using cache = HashCache.open(folder.path);
  {
    using db = new DatabaseSync(`${folder.path}/hashes.db`);
    db.exec("DROP TABLE hashes");
  }
  cache.keep("/a", file);
  assertEquals(cache.find("/a", stamp), undefined);
});

Deno.test("HashCache says so when its folder cannot be used", () => {
  using folder = tempFolder();
  Deno.writeTextFileSync(`${folder.path}/file`, "");
  assertThrows(() => HashCache.open(`${folder.path}/file`), Error, "Cannot open");
});
