/** A new version of a file that is here costs the blocks that changed. */

import { assertEquals } from "@std/assert";
import { mib } from "../../lib/core/limits.ts";
import { Stage } from "../../scripts/programs.ts";
import { assertDone, ofType, said } from "./ended.ts";
import { fetchedPath, sha256, writeRandom } from "./files.ts";

const blockBytes = 16_384;
const accounts = { alice: "a's password", bob: "b's password" };

/** Copies a file, and writes others over some of its blocks; answers how many bytes that are. */
async function writeVersion(from: string, to: string, blocks: readonly number[]): Promise<number> {
  await Deno.mkdir(to.slice(0, to.lastIndexOf("/")), { recursive: true });
  await Deno.copyFile(from, to);
  using file = await Deno.open(to, { write: true });
  for (const block of blocks) {
    await file.seek(block * blockBytes, Deno.SeekMode.Start);
    await file.write(crypto.getRandomValues(new Uint8Array(blockBytes)));
  }
  return blocks.length * blockBytes;
}

// The larger one is fetched on threads.
for (const megabytes of [5, 40]) {
  Deno.test(`a new version of a file of ${megabytes} MiB replaces the old one, and its new blocks alone are fetched`, async () => {
    await using stage = await Stage.open(accounts);
    await stage.coordinator();
    const source = stage.path("news.bin");
    await writeRandom(source, megabytes * mib + 100);
    const got = fetchedPath(stage, "bob", "news.bin");
    const newBytes = await writeVersion(source, got, [0, 17, 40, 41, 64 * megabytes - 1]);
    await stage.peer("alice", ["share", source]).ready();
    const ended = assertDone(await stage.peer("bob", ["fetch", "news.bin", "--overwrite"]).end());
    const [fetched] = ofType(ended, "fetched");
    assertEquals(
      [fetched!["fetchedBytes"], fetched!["reusedBytes"]],
      [newBytes, megabytes * mib + 100 - newBytes],
      said(ended),
    );
    assertEquals((fetched!["holders"] as readonly { readonly bytes: number }[]).map(({ bytes }) => bytes), [newBytes]);
    assertEquals(await sha256(got), await sha256(source));
  });
}

Deno.test("a file that is shared here under another name gives what it has in common with one that is fetched", async () => {
  await using stage = await Stage.open(accounts);
  await stage.coordinator();
  const source = stage.path("second.bin");
  await writeRandom(source, 3 * mib);
  const older = stage.path("shared", "first.bin");
  const newBytes = await writeVersion(source, older, [5, 100]);
  await stage.peer("alice", ["share", source]).ready();
  await stage.peer("bob", ["share", older]).ready();
  const ended = assertDone(await stage.peer("bob", ["fetch", "second.bin"]).end());
  assertEquals(ofType(ended, "fetched")[0]!["fetchedBytes"], newBytes, said(ended));
  assertEquals(await sha256(fetchedPath(stage, "bob", "second.bin")), await sha256(source));
  const receipts = assertDone(await stage.peer("bob", ["receipts"]).end());
  assertEquals(ofType(receipts, "receipt")[0]!["fetchedBytes"], newBytes);
});
