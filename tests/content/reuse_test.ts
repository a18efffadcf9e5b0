import { assert, assertEquals } from "@std/assert";
import { bytesEqual } from "../../lib/core/bytes.ts";
import { kib, limits } from "../../lib/core/limits.ts";
import type { Manifest } from "../../lib/content/manifest.ts";
import { hashBlocks } from "../../lib/content/merkle.ts";
import { Reuse } from "../../lib/content/reuse.ts";
import { manifestOf, pattern, tempFolder } from "./fixtures.ts";

const pieceBytes = 256 * kib;
const { blockBytes } = limits;
const file = pattern(3 * pieceBytes + 5);

/** `file` with some blocks altered. */
function without(...blocks: readonly number[]): Uint8Array {
  const bytes = file.slice();
  for (const block of blocks) bytes[block * blockBytes]! ^= 1;
  return bytes;
}

function pieceOf(bytes: Uint8Array<ArrayBuffer>, manifest: Manifest, index: number): Uint8Array<ArrayBuffer> {
  const range = manifest.pieceRange(index);
  return bytes.slice(range.offset, range.offset + range.bytes);
}

function open(manifest: Manifest, folder: string, ...files: readonly Uint8Array[]): Reuse {
  const paths = files.map((bytes, i) => {
    Deno.writeFileSync(`${folder}/${i}`, bytes);
    return `${folder}/${i}`;
  });
  const reuse = Reuse.open(paths, manifest);
  assert(reuse !== undefined);
  return reuse;
}

Deno.test("a whole piece is found as it is, the short last one too, and checked against its hash", async () => {
  using folder = tempFolder();
  const manifest = manifestOf(file);
  using reuse = open(manifest, folder.path, without(20));
  for (const index of [0, 3]) {
    const whole = (await reuse.look(index))?.whole;
    assert(whole !== undefined && bytesEqual(whole, pieceOf(file, manifest, index)), String(index));
  }
  assert((await reuse.look(1))?.whole === undefined);
});

Deno.test("of other pieces the blocks that no file has are missing, and the rest is read from where it is", async () => {
  using folder = tempFolder();
  const manifest = manifestOf(file);
  using reuse = open(manifest, folder.path, without(18, 19, 24), without(16, 19));
  const here = await reuse.look(1);
  assert(here !== undefined && here.whole === undefined);
  const right = pieceOf(file, manifest, 1);
  const plan = reuse.plan(here, hashBlocks(right));
  assertEquals(plan.missing, [{ offset: 19 * blockBytes, bytes: blockBytes }]);
  const piece = new Uint8Array(pieceBytes);
  await reuse.fill(1, plan, piece);
  piece.set(right.subarray(3 * blockBytes, 4 * blockBytes), 3 * blockBytes);
  assertEquals(manifest.verifyPiece(1, piece), true);
});

Deno.test("a file that is shorter gives the blocks that it has, and nothing beyond its end", async () => {
  using folder = tempFolder();
  const manifest = manifestOf(file);
  using reuse = open(manifest, folder.path, file.subarray(0, pieceBytes + 2 * blockBytes + 7));
  const here = await reuse.look(1);
  assert(here !== undefined && here.whole === undefined);
  assertEquals(reuse.plan(here, hashBlocks(pieceOf(file, manifest, 1))).missing, [
    { offset: pieceBytes + 2 * blockBytes, bytes: pieceBytes - 2 * blockBytes },
  ]);
  assertEquals(await reuse.look(2), undefined);
});

Deno.test("a file that has nothing in common is looked into less and less, and again as before once it has", async () => {
  using folder = tempFolder();
  const large = pattern(40 * pieceBytes);
  const manifest = manifestOf(large);
  const other = pattern(40 * pieceBytes, 7);
  other.set(large.subarray(38 * pieceBytes), 38 * pieceBytes);
  using reuse = open(manifest, folder.path, other);
  const look = async (index: number) => {
    const here = await reuse.look(index);
    if (here !== undefined && here.whole === undefined) reuse.plan(here, hashBlocks(pieceOf(large, manifest, index)));
    return here;
  };
  let looks = 0;
  for (let index = 0; index < 38; index++) if (await look(index) !== undefined) looks++;
  assert(looks >= 4 && looks <= 10, `${looks} looks at 38 pieces`);
  while ((await look(39))?.whole === undefined);
  for (const index of [0, 38, 1, 39]) assert(await look(index) !== undefined, String(index));
});

Deno.test("files that are not there, are no files or are links are left out", () => {
  using folder = tempFolder();
  Deno.writeFileSync(`${folder.path}/file`, file);
  Deno.symlinkSync(`${folder.path}/file`, `${folder.path}/link`);
  const paths = [`${folder.path}/none`, folder.path, `${folder.path}/link`];
  assertEquals(Reuse.open(paths, manifestOf(file)), undefined);
});
