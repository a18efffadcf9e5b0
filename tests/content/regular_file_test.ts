import { assertEquals, assertThrows } from "@std/assert";
import { StoreError } from "../../lib/core/errors.ts";
import { RegularFile } from "../../lib/content/regular_file.ts";
import { pattern, tempFolder } from "./fixtures.ts";

Deno.test("RegularFile reads where it is told, at once or on another thread, up to the end", async () => {
  using folder = tempFolder();
  const path = `${folder.path}/file`;
  Deno.writeFileSync(path, pattern(1000));
  using file = RegularFile.open(path);
  for (
    const [offset, length, count] of [[0, 1000, 1000], [7, 10, 10], [990, 20, 10], [1000, 5, 0], [2000, 5, 0]] as const
  ) {
    const [now, later] = [new Uint8Array(length), new Uint8Array(length)];
    assertEquals([file.read(offset, now), await file.readAhead(offset, later)], [count, count]);
    assertEquals([now.slice(0, count), later], [pattern(1000).slice(offset, offset + count), now]);
  }
});

Deno.test("stamp() speaks for the open file, and for none once the path leads elsewhere", () => {
  using folder = tempFolder();
  const path = `${folder.path}/file`;
  Deno.writeFileSync(path, pattern(10));
  using file = RegularFile.open(path);
  assertEquals(file.stamp()?.bytes, 10);
  Deno.writeFileSync(path, pattern(11));
  assertEquals(file.stamp()?.bytes, 11);
  Deno.renameSync(path, `${path}.old`);
  assertEquals(file.stamp(), undefined);
  Deno.writeFileSync(path, pattern(11));
  assertEquals(file.stamp(), undefined);
});

Deno.test("RegularFile opens no link, folder, pipe or device, and does not wait for one", () => {
  using folder = tempFolder();
  Deno.writeFileSync(`${folder.path}/file`, pattern(1));
  Deno.symlinkSync("file", `${folder.path}/link`);
  new Deno.Command("mkfifo", { args: [`${folder.path}/pipe`] }).outputSync();
  for (const path of [`${folder.path}/link`, folder.path, `${folder.path}/pipe`, "/dev/null"]) {
    assertThrows(() => RegularFile.open(path), StoreError, "not a regular file");
  }
  assertEquals(assertThrows(() => RegularFile.open(`${folder.path}/no`), StoreError).code, "notFound");
});

Deno.test("RegularFile may be closed twice", () => {
  using folder = tempFolder();
  Deno.writeFileSync(`${folder.path}/file`, pattern(1));
  using file = RegularFile.open(`${folder.path}/file`);
  file.close();
  assertThrows(() => file.read(0, new Uint8Array(1)), StoreError);
});
