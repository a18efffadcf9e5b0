import { assert, assertEquals, assertThrows } from "@std/assert";
import { ShoalError } from "../../lib/core/errors.ts";
import { kib } from "../../lib/core/limits.ts";
import { manifestFrom } from "../../lib/content/manifest.ts";
import { PartFile } from "../../lib/content/part_file.ts";
import type { SafePath } from "../../lib/content/safe_path.ts";
import { OpenParts } from "../../lib/transfer/open_parts.ts";
import { makeFile } from "./world.ts";

const pieceBytes = 256 * kib;
const file = makeFile(3 * pieceBytes + 5);

async function openPart(folder: string): Promise<PartFile> {
  const manifest = manifestFrom(file.content, file.layer);
  assert(manifest.ok);
  const journalFolder = `${folder}/journals`;
  const name = "got" as SafePath;
  const opened = await PartFile.open({ manifest: manifest.value, folder, name, onExists: "refuse", journalFolder });
  assert(opened.kind === "part");
  return opened.part;
}

Deno.test("of a content that is being fetched the verified pieces are served, across their borders, and no others", async () => {
  const folder = await Deno.makeTempDir();
  const part = await openPart(folder);
  try {
    const parts = new OpenParts();
    assertEquals(parts.open(file.content), undefined);
    const served = parts.add(part);
    part.asked(0);
    part.writeVerified(0, file.bytes.subarray(0, pieceBytes));
    using content = parts.open(file.content);
    assert(content?.partial !== undefined);
    assertEquals([...content.partial.has], [0b1000_0000]);
    const news: number[] = [];
    {
      using _watch = content.partial.watch((piece) => void news.push(piece));
      part.writeVerified(1, file.bytes.subarray(pieceBytes, 2 * pieceBytes));
    }
    part.writeVerified(3, file.bytes.subarray(3 * pieceBytes));
    assertEquals(news, [1]);

    const buffer = new Uint8Array(1000);
    content.read(pieceBytes - 500, buffer);
    assertEquals(buffer, file.bytes.slice(pieceBytes - 500, pieceBytes + 500));
    const error = assertThrows(() => content.read(2 * pieceBytes - 1, buffer), ShoalError);
    assertEquals(error.code, "notFound");

    served[Symbol.dispose]();
    assertThrows(() => content.read(0, buffer), ShoalError, "not here any more");
    assertEquals(parts.open(file.content), undefined);
  } finally {
    part.close();
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a part that is finished or left is not read any more", async () => {
  const folder = await Deno.makeTempDir();
  const part = await openPart(folder);
  const parts = new OpenParts();
  using _served = parts.add(part);
  part.writeVerified(0, file.bytes.subarray(0, pieceBytes));
  using content = parts.open(file.content);
  part.close();
  assertThrows(() => content!.read(0, new Uint8Array(10)), ShoalError, "not here any more");
  await Deno.remove(folder, { recursive: true });
});
