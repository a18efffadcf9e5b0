import { assertEquals, assertNotEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { formatHex } from "../../lib/core/bytes.ts";
import { StoreError } from "../../lib/core/errors.ts";
import { dhKeyFrom } from "../../lib/session/dh_key.ts";
import { openKeyFile } from "../../lib/coordinator/key_file.ts";
import { temporaryFolder } from "./temporary_folder.ts";

const random = (size: number) => crypto.getRandomValues(new Uint8Array(size));
const yes = () => Promise.resolve(true);
const no = () => Promise.resolve(false);

Deno.test("openKeyFile() makes keys once and reads the same ones ever after", async () => {
  using folder = temporaryFolder();
  const path = `${folder.path}/keys.json`;
  const made = await openKeyFile(path, { mayCreate: yes, random });
  assertEquals(Deno.statSync(path).mode! & 0o777, 0o600);
  assertEquals(await openKeyFile(path, { mayCreate: yes, random }), made);
  assertEquals(await openKeyFile(path, { mayCreate: no, random }), made);
});

Deno.test("openKeyFile() derives a key of its own for each purpose", async () => {
  using folder = temporaryFolder();
  const { keys } = await openKeyFile(`${folder.path}/a`, { mayCreate: yes, random });
  const other = await openKeyFile(`${folder.path}/b`, { mayCreate: yes, random });
  const all = [...Object.values(keys), ...Object.values(other.keys)].map(formatHex);
  assertEquals(new Set(all).size, 10);
  for (const key of Object.values(keys)) assertEquals(key.length, 32);
  assertNotEquals(other.serverSetup, (await openKeyFile(`${folder.path}/a`, { mayCreate: yes, random })).serverSetup);
});

Deno.test("a key file of before logins by key goes on working, with the same keys each time", async () => {
  using folder = temporaryFolder();
  const path = `${folder.path}/keys.json`;
  await openKeyFile(path, { mayCreate: yes, random });
  const { schema, opaqueServerSetup } = JSON.parse(Deno.readTextFileSync(path));
  assertEquals(schema, 1);
  Deno.writeTextFileSync(path, JSON.stringify({ schema, opaqueServerSetup, rootKey: "A".repeat(43) }));
  const { keys } = await openKeyFile(path, { mayCreate: no, random });
  // As devices have pinned it: another derivation would lock them out.
  assertEquals(
    formatHex(dhKeyFrom(keys.login).publicKey),
    "c29fae664dcae370671acf340b4b404fd873992c6d09f2232b85e72b0d29f87b",
  );
});

Deno.test("openKeyFile() makes no new keys where accounts need the old ones", async () => {
  using folder = temporaryFolder();
  const error = await assertRejects(
    () => openKeyFile(`${folder.path}/keys.json`, { mayCreate: no, random }),
    StoreError,
    "it is missing",
  );
  assertEquals(error.code, "notFound");
  assertEquals([...Deno.readDirSync(folder.path)], []);
});

Deno.test("openKeyFile() refuses a damaged file without repeating what is in it", async () => {
  using folder = temporaryFolder();
  const path = `${folder.path}/keys.json`;
  await openKeyFile(path, { mayCreate: yes, random });
  const good = JSON.parse(Deno.readTextFileSync(path));
  const damaged: readonly string[] = [
    "",
    "[]",
    "null",
    '{"rootKey": SECRET}',
    JSON.stringify({ ...good, schema: 0 }),
    JSON.stringify({ ...good, schema: "2" }),
    JSON.stringify({ ...good, rootKey: "SECRET" }),
    JSON.stringify({ ...good, opaqueServerSetup: "SECRET" }),
    JSON.stringify({ ...good, opaqueServerSetup: "A".repeat(good.opaqueServerSetup.length) }),
    JSON.stringify({ ...good, opaqueServerSetup: undefined }),
  ];
  for (const text of damaged) {
    Deno.writeTextFileSync(path, text);
    const error = await assertRejects(() => openKeyFile(path, { mayCreate: yes, random }), StoreError, path);
    assertEquals(error.message.includes("SECRET"), false);
    assertEquals(Deno.readTextFileSync(path), text, "it is left as it is");
  }
});

Deno.test("openKeyFile() refuses a newer program's file, says so, and leaves it as it is", async () => {
  using folder = temporaryFolder();
  const path = `${folder.path}/keys.json`;
  const newer = JSON.stringify({ schema: 2, opaque: { setup: "SECRET" } });
  Deno.writeTextFileSync(path, newer, { mode: 0o600 });
  const error = await assertRejects(() => openKeyFile(path, { mayCreate: yes, random }), StoreError, path);
  assertEquals([error.code, error.message.includes("SECRET")], ["version", false]);
  assertStringIncludes(error.message, "it has schema 2, and this program knows 1");
  assertEquals(Deno.readTextFileSync(path), newer);
});

Deno.test("openKeyFile() refuses keys that others can read", async () => {
  using folder = temporaryFolder();
  const path = `${folder.path}/keys.json`;
  await openKeyFile(path, { mayCreate: yes, random });
  Deno.chmodSync(path, 0o644);
  await assertRejects(() => openKeyFile(path, { mayCreate: yes, random }), StoreError, "others can read it");
});
