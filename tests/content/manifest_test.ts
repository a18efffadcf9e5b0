import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { type ContentId, emptyContentId } from "../../lib/core/ids.ts";
import { kib, limits } from "../../lib/core/limits.ts";
import { layerBytesFor, manifestFrom } from "../../lib/content/manifest.ts";
import { hashBlocks } from "../../lib/content/merkle.ts";
import { hashed, manifestOf, pattern } from "./fixtures.ts";

const pieceBytes = 256 * kib;
const file = pattern(2 * pieceBytes + 1000);
const { content, layer } = hashed(file);

Deno.test("verifyPiece() accepts each piece in its place and nothing else", () => {
  const manifest = manifestOf(file);
  assertEquals([manifest.pieceBytes, manifest.pieceCount], [pieceBytes, 3]);
  const pieces = [0, 1, 2].map((i) => file.slice(i * pieceBytes, (i + 1) * pieceBytes));
  for (let index = 0; index < 3; index++) {
    assertEquals(pieces.map((piece) => manifest.verifyPiece(index, piece)), [0, 1, 2].map((i) => i === index));
  }
  for (const index of [-1, 3, 0.5, NaN, 2 ** 32]) assertEquals(manifest.verifyPiece(index, pieces[2]!), false);
  assertEquals(manifest.verifyPiece(2, pieces[2]!.subarray(0, 999)), false);
  assertEquals(manifest.verifyPiece(2, new Uint8Array(0)), false);
  assertEquals(manifest.verifyPiece(2, new Uint8Array(64 * 1024 * kib)), false);
});

Deno.test("verifyPiece() refuses a piece with any one bit flipped", () => {
  const manifest = manifestOf(file);
  fc.assert(
    fc.property(fc.nat(999), fc.nat(7), (at, bit) => {
      const piece = file.slice(2 * pieceBytes);
      piece[at]! ^= 1 << bit;
      assertEquals(manifest.verifyPiece(2, piece), false);
    }),
  );
});

Deno.test("verifyLeaves() accepts each piece's own leaves, all of them, and nothing else", () => {
  const manifest = manifestOf(file);
  const leaves = [0, 1, 2].map((i) => hashBlocks(file.subarray(i * pieceBytes, (i + 1) * pieceBytes)));
  assertEquals(leaves.map(({ length }) => length), [16 * 32, 16 * 32, 32]);
  for (let index = 0; index < 3; index++) {
    assertEquals(leaves.map((of) => manifest.verifyLeaves(index, of)), [0, 1, 2].map((i) => i === index));
  }
  for (const index of [-1, 3, 0.5, NaN]) assertEquals(manifest.verifyLeaves(index, leaves[2]!), false);
  for (const bytes of [0, 31, 33, 15 * 32, 17 * 32, 1024 * 32 + 32]) {
    assertEquals(manifest.verifyLeaves(0, new Uint8Array(bytes)), false, `${bytes} bytes`);
  }
  fc.assert(
    fc.property(fc.nat(16 * 32 - 1), fc.nat(7), (at, bit) => {
      const wrong = leaves[0]!.slice();
      wrong[at]! ^= 1 << bit;
      assertEquals(manifest.verifyLeaves(0, wrong), false);
    }),
    { numRuns: 50 },
  );
});

Deno.test("manifestFrom() refuses any layer but the content's own", () => {
  assertEquals(manifestFrom(content, layer).ok, true);
  fc.assert(
    fc.property(fc.nat(layer.length - 1), fc.nat(7), (at, bit) => {
      const wrong = layer.slice();
      wrong[at]! ^= 1 << bit;
      assertEquals(manifestFrom(content, wrong).ok, false);
    }),
  );
  for (const bytes of [0, 32, 95, 97, 128]) {
    const wrong = new Uint8Array(bytes);
    wrong.set(layer.subarray(0, bytes));
    assertEquals(manifestFrom(content, wrong).ok, false, `${bytes} bytes`);
  }
});

Deno.test("manifestFrom() refuses a content with the right root and another size", () => {
  // The layer of the 64-byte twin of a two-piece file is its root alone, and the other way round.
  const large = pattern(2 * pieceBytes);
  const { content: one, layer: pair } = hashed(large);
  const { content: twin } = hashed(pair);
  assertEquals([one.id === twin.id, twin.bytes], [true, 64]);
  assertEquals(manifestFrom({ id: one.id, bytes: 64 }, pair).ok, false);
  assertEquals(manifestFrom(twin, manifestOf(pair).layer).ok, true);
  assertEquals(
    manifestFrom({ ...one, bytes: 2 * pieceBytes - 1 }, pair).ok,
    true,
    "the root does not tell; the piece does",
  );
  const claimed = manifestFrom({ ...one, bytes: 2 * pieceBytes - 1 }, pair);
  assertEquals(claimed.ok && claimed.value.verifyPiece(1, large.subarray(pieceBytes, -1)), false);
});

Deno.test("manifestFrom() answers any bytes and any size without throwing", () => {
  for (const bytes of [-1, 0.5, NaN, Infinity, limits.fileBytesMax + 1, 2 ** 53, 2 ** 60]) {
    assertEquals(manifestFrom({ id: content.id, bytes }, layer).ok, false);
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(), (junk, bytes) => {
      assertEquals(manifestFrom({ id: content.id, bytes }, junk).ok, false);
    }),
  );
});

Deno.test("manifestFrom() knows the empty content by its one id", () => {
  const nothing = new Uint8Array(0);
  assertEquals(manifestFrom({ id: emptyContentId, bytes: 0 }, nothing).ok, true);
  assertEquals(manifestFrom({ id: "00".repeat(32) as ContentId, bytes: 0 }, nothing).ok, false);
  assertEquals(manifestFrom({ id: emptyContentId, bytes: 1 }, nothing).ok, false);
});

Deno.test("a manifest keeps its layer when the buffer it came in is used again", () => {
  const received = layer.slice();
  const manifest = manifestFrom(content, received);
  received.fill(0);
  assertEquals(manifest.ok && manifest.value.verifyPiece(0, file.slice(0, pieceBytes)), true);
});

Deno.test("layerBytesFor() says how long a layer may be before any of it is read", () => {
  assertEquals([0, 1, pieceBytes + 1, limits.fileBytesMax].map(layerBytesFor), [0, 32, 64, 32 * 1024 * kib]);
});
