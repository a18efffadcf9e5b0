import { assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { createHash } from "node:crypto";
import { bytesEqual, concatBytes, formatHex } from "../../lib/core/bytes.ts";
import { contentKey, emptyContentId } from "../../lib/core/ids.ts";
import { kib, limits, mib } from "../../lib/core/limits.ts";
import {
  hashPiece,
  LayerBuilder,
  pieceBytesFor,
  pieceCount,
  pieceRange,
  rootFromLayer,
} from "../../lib/content/merkle.ts";
import { counted, hashed, pattern } from "./fixtures.ts";

const gib = 1024 * mib;

/** BEP 52 word for word, and nothing of the code under test. */
function naiveRoot(file: Uint8Array): string {
  const sha256 = (bytes: Uint8Array) => new Uint8Array(createHash("sha256").update(bytes).digest());
  let level: Uint8Array[] = [];
  for (let at = 0; at < file.length; at += 16384) level.push(sha256(file.subarray(at, at + 16384)));
  while (!Number.isInteger(Math.log2(level.length))) level.push(new Uint8Array(32));
  while (level.length > 1) {
    const above: Uint8Array[] = [];
    for (let i = 0; i < level.length; i += 2) above.push(sha256(concatBytes(level[i]!, level[i + 1]!)));
    level = above;
  }
  return formatHex(level[0]!);
}

Deno.test("LayerBuilder finds the pieces roots that libtorrent finds", () => {
  const lines = Deno.readTextFileSync(new URL("../vectors/content/pieces_roots.txt", import.meta.url)).split("\n");
  const rows = lines.filter((line) => /^\d/.test(line)).map((line) => line.split(" "));
  assertEquals(rows.length, 16);
  for (const [bytes, root] of rows) assertEquals(hashed(counted(Number(bytes))).content.id, root!);
});

Deno.test("LayerBuilder agrees with a naive tree over any file", () => {
  // Two-piece files and block edges are where padding goes wrong.
  const sizes = fc.oneof(
    fc.integer({ min: 1, max: 40 * 16 * kib }),
    fc.tuple(fc.integer({ min: 1, max: 66 }), fc.constantFrom(-1, 0, 1)).map(([blocks, by]) => blocks * 16 * kib + by),
  );
  fc.assert(
    fc.property(sizes, fc.integer(), (bytes, seed) => {
      const file = pattern(bytes, seed);
      assertEquals(hashed(file).content, { id: naiveRoot(file) as typeof emptyContentId, bytes });
    }),
    { numRuns: 60 },
  );
});

Deno.test("LayerBuilder puts steps of 1 MiB together to the pieces of a larger file", () => {
  const bytes = gib + 5;
  const builder = new LayerBuilder(bytes);
  assertEquals([pieceBytesFor(bytes), builder.stepBytes], [2 * mib, mib]);
  const steps = [pattern(mib, 1), pattern(mib, 2)];
  for (let step = 0; step < 1024; step++) builder.add(steps[step % 2]!);
  builder.add(pattern(5));
  const { layer } = builder.finish();
  assertEquals(layer.length, 513 * 32);
  assertEquals(layer.slice(0, 32), hashPiece(concatBytes(...steps), bytes));
  assertEquals(layer.slice(32, 64), layer.slice(0, 32));
  assertEquals(layer.slice(512 * 32), hashPiece(pattern(5), bytes));
});

Deno.test("LayerBuilder refuses steps of another length and a file cut short", () => {
  const builder = new LayerBuilder(300 * kib);
  assertThrows(() => builder.add(new Uint8Array(100)), RangeError);
  builder.add(new Uint8Array(256 * kib));
  assertThrows(() => builder.finish(), RangeError, "still missing");
  assertThrows(() => builder.add(new Uint8Array(45 * kib)), RangeError);
  builder.add(new Uint8Array(44 * kib));
  assertThrows(() => builder.add(new Uint8Array(0)), RangeError);
  assertEquals(builder.finish().content.bytes, 300 * kib);
});

Deno.test("rootFromLayer() finds a file's root from its pieces' hashes", () => {
  for (const bytes of [1, 256 * kib, 256 * kib + 1, 5 * 256 * kib, 9 * 256 * kib - 20_000]) {
    const file = pattern(bytes);
    const pieces: Uint8Array[] = [];
    for (let index = 0; index < pieceCount(bytes); index++) {
      const range = pieceRange(bytes, index);
      pieces.push(hashPiece(file.subarray(range.offset, range.offset + range.bytes), bytes));
    }
    assertEquals(formatHex(rootFromLayer(concatBytes(...pieces), bytes)), naiveRoot(file));
  }
});

Deno.test("an empty file has SHA-256 of nothing as its id and no pieces", () => {
  const { content, layer } = hashed(new Uint8Array(0));
  assertEquals([content, layer.length, pieceCount(0)], [{ id: emptyContentId, bytes: 0 }, 0, 0]);
});

Deno.test("the 64 bytes at the top of a tree have the same root, but are another content", () => {
  const file = pattern(2 * 16 * kib);
  const halves = [file.subarray(0, 16 * kib), file.subarray(16 * kib)];
  const twin = concatBytes(...halves.map((half) => createHash("sha256").update(half).digest()));
  const [one, other] = [hashed(file).content, hashed(twin).content];
  assertEquals([one.id, other.bytes], [other.id, 64]);
  assertNotEquals(contentKey(one), contentKey(other));
});

Deno.test("pieceBytesFor() keeps a file under 1,024 pieces until pieces have 16 MiB", () => {
  const rows: [number, number, number][] = [
    [0, 256 * kib, 0],
    [1, 256 * kib, 1],
    [256 * mib, 256 * kib, 1024],
    [256 * mib + 1, 512 * kib, 513],
    [gib, mib, 1024],
    [16 * gib, 16 * mib, 1024],
    [16 * gib + 1, 16 * mib, 1025],
    [limits.fileBytesMax, 16 * mib, 2 ** 20],
  ];
  for (const [bytes, pieceBytes, pieces] of rows) {
    assertEquals([pieceBytesFor(bytes), pieceCount(bytes)], [pieceBytes, pieces]);
  }
  for (const bytes of [-1, 0.5, NaN, limits.fileBytesMax + 1, 2 ** 60]) {
    assertThrows(() => pieceBytesFor(bytes), RangeError, "Not a file size");
  }
});

Deno.test("pieceRange() covers a file without gaps and nothing outside", () => {
  const bytes = 3 * 256 * kib + 7;
  assertEquals(pieceRange(bytes, 0), { offset: 0, bytes: 256 * kib });
  assertEquals(pieceRange(bytes, 3), { offset: 3 * 256 * kib, bytes: 7 });
  for (const index of [-1, 4, 0.5, NaN]) assertThrows(() => pieceRange(bytes, index), RangeError);
  assertThrows(() => pieceRange(0, 0), RangeError);
});

Deno.test("hashPiece() answers an array of its own each time, and refuses what is no piece", () => {
  const first = hashPiece(pattern(100), 100);
  const kept = first.slice();
  const second = hashPiece(pattern(101), 101);
  assertEquals([bytesEqual(first, kept), bytesEqual(first, second)], [true, false]);
  assertThrows(() => hashPiece(new Uint8Array(0), 100), RangeError);
  assertThrows(() => hashPiece(new Uint8Array(16 * kib + 1), 16 * kib), RangeError);
  assertThrows(() => hashPiece(new Uint8Array(256 * kib + 1), mib), RangeError);
});
