/** A database of the first release, with rows, as the present program finds it. */

import { assertEquals } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { join } from "@std/path";
import { formatHex } from "../../../lib/core/bytes.ts";
import { idBytes } from "../../../lib/core/ids.ts";
import { foldName } from "../../../lib/coordinator/role/pattern.ts";
import { migrate, migrations } from "../../../lib/coordinator/store/sqlite_schema.ts";
import { openSqliteStore } from "../../../lib/coordinator/store/sqlite_store.ts";
import { emptyShareDigest, toggleShare } from "../../../lib/session/share_digest.ts";
import { searchFor } from "../../../lib/wire/search_query.ts";
import { temporaryFolder } from "../temporary_folder.ts";
import { asking, contentOf, entry, names, value } from "./conformance.ts";

const [first, second, withdrawn] = [entry("Été.txt", 1), entry("song.mp3", 2, 5_000), entry("old", 3)];

/** Writes what the first release would have. */
function makeFirst(path: string): void {
  const db = new DatabaseSync(path);
  migrate(db, migrations.slice(0, 1));
  const digest = emptyShareDigest();
  for (const one of [first, second]) toggleShare(digest, one);
  const key = new Uint8Array(32).fill(7);
  db.prepare(
    "INSERT INTO accounts (name, name_key, record, public_key, sealed_key, shares, created_at) VALUES (?, ?, ?, ?, ?, 3, 5)",
  ).run("Ada", "ada", "record of Ada", key, new Uint8Array([1, 2]));
  const deviceId = new Uint8Array(32);
  new DataView(deviceId.buffer).setUint32(0, 1);
  db.prepare(
    `INSERT INTO devices (account, device_id, label, certificate, signature, share_digest, changed_at)
     VALUES (1, ?, 'laptop', ?, ?, ?, 40)`,
  ).run(deviceId, new Uint8Array([3]), new Uint8Array(64), digest);
  for (const [i, { name, id, bytes }] of [first, second, withdrawn].entries()) {
    db.prepare("INSERT INTO contents (id, bytes) VALUES (?, ?)").run(idBytes(id), bytes);
    db.prepare("INSERT INTO files (name, content) VALUES (?, ?)").run(name, i + 1);
    db.prepare("INSERT INTO names (rowid, name) VALUES (?, ?)").run(i + 1, foldName(name));
    db.prepare("INSERT INTO shares (device, name, file, content, withdrawn) VALUES (1, ?, ?, ?, ?)")
      .run(name, i + 1, i + 1, i === 2 ? 1 : 0);
  }
  db.close();
}

Deno.test("a database of the first release keeps its accounts, devices, shares and their numbers", async () => {
  using folder = temporaryFolder();
  const path = join(folder.path, "coordinator.db");
  makeFirst(path);
  const store = openSqliteStore(path);
  const { enrol, credential, files, presence, search, share, locate, peers } = asking(store);
  assertEquals(
    (await store.listAccounts()).map(({ name, devices, shares, createdAtMs }) => {
      return [name, devices, shares, createdAtMs];
    }),
    [["Ada", 1, 3, 5]],
  );
  const known = await credential("ada", 1);
  assertEquals(
    [known.record, known.deviceKnown, known.loginKey],
    ["record of Ada", true, null],
    "it needs the password",
  );
  const enrolled = await enrol("ada", 1, "laptop");
  assertEquals([enrolled.device, enrolled.label, enrolled.enrolled, enrolled.withdrawn], [1, "laptop", true, 1]);
  const digest = emptyShareDigest();
  for (const one of [first, second]) toggleShare(digest, one);
  assertEquals(formatHex(enrolled.shareDigest), formatHex(digest));
  assertEquals(
    (await files(1, "device")).map(({ row, name, withdrawn, audience, description }) => {
      return [row, name, withdrawn, audience, description];
    }),
    [[1, "Été.txt", false, null, ""], [2, "song.mp3", false, null, ""], [3, "old", true, null, ""]],
  );
  assertEquals((await peers()).map(({ changedAtMs }) => changedAtMs), [40]);

  await presence(1, true, 50);
  assertEquals(names(await search("substring", "ÉTÉ")), ["Été.txt"]);
  const bySize = {
    ...searchFor("glob", "*"),
    order: "size",
    descending: true,
    device: 1,
    after: null,
    limit: 9,
  } as const;
  const sorted = value(await store.read({ operation: "search", ask: bySize }));
  assertEquals(sorted.rows.map(({ name, content }) => [name, content.bytes]), [["song.mp3", 5_000], ["Été.txt", 101]]);
  assertEquals((await locate(contentOf(1))).map(({ share }) => share), [1], "a ticket for it is one still");

  assertEquals((await share(1, first, second)).added, [], "nothing is new");
  assertEquals((await share(1, entry("new", 9))).added.map(({ share }) => share), [4]);
  await store.close();
  const again = new DatabaseSync(path);
  assertEquals(again.prepare("PRAGMA user_version").get()!.user_version, migrations.length);
  assertEquals(again.prepare("PRAGMA quick_check").get()!.quick_check, "ok");
  assertEquals(again.prepare("PRAGMA foreign_key_check").all(), []);
  again.close();
});
