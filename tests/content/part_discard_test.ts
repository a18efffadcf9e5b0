import { assertEquals, assertThrows } from "@std/assert";
import { discardPart } from "../../lib/content/part_discard.ts";
import { StoreError } from "../../lib/core/errors.ts";
import { bytes, fetchWhole, file, fill, manifest, namesIn, openPart, pieceOf, write } from "./download.ts";
import { safe, type TempFolder, tempFolder } from "./fixtures.ts";

function discard(folder: TempFolder, name = "file.bin"): void {
  discardPart({
    folder: `${folder.path}/down`,
    name: safe(name),
    content: manifest.content,
    journalFolder: `${folder.path}/state`,
  });
}

Deno.test("discardPart() takes part and journal away, and nothing beside them", async () => {
  using folder = tempFolder();
  write(folder, "other.bin.part", "somebody's");
  {
    using part = await openPart(folder);
    part.asked(0);
    part.writeVerified(0, pieceOf(file, 0));
  }
  assertEquals(namesIn(`${folder.path}/down`), ["file.bin.part", "other.bin.part"]);
  discard(folder);
  assertEquals([namesIn(`${folder.path}/down`), namesIn(`${folder.path}/state`)], [["other.bin.part"], []]);
});

Deno.test("discardPart() finds the part that had to take another name", async () => {
  using folder = tempFolder();
  write(folder, "file.bin.part", "somebody's");
  (await openPart(folder, { onExists: "rename" })).close();
  assertEquals(namesIn(`${folder.path}/down`), ["file (1).bin.part", "file.bin.part"]);
  discard(folder);
  assertEquals([namesIn(`${folder.path}/down`), namesIn(`${folder.path}/state`)], [["file.bin.part"], []]);
});

Deno.test("discardPart() leaves a finished file, a part without a journal, and one that is not as large as it must be", async () => {
  using folder = tempFolder();
  await fetchWhole(folder);
  write(folder, "file.bin.part", new Uint8Array(bytes));
  discard(folder);
  assertEquals(namesIn(`${folder.path}/down`), ["file.bin", "file.bin.part"]);

  (await openPart(folder, { name: "a/b" })).close();
  Deno.truncateSync(`${folder.path}/down/a/b.part`, 5);
  discard(folder, "a/b");
  assertEquals([namesIn(`${folder.path}/down/a`), namesIn(`${folder.path}/state`)], [["b.part"], []]);
});

Deno.test("discardPart() makes no folder, and refuses a download that is running", async () => {
  using folder = tempFolder();
  discard(folder, "a/b/c");
  assertEquals(namesIn(folder.path), []);
  using part = await openPart(folder);
  const error = assertThrows(() => discard(folder), StoreError, "another fetch is writing it now");
  assertEquals(error.code, "exists");
  fill(part);
  await part.finish({ sync: false });
});
