import { assert, assertEquals } from "@std/assert";
import { constants, zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { bytesEqual, concatBytes, utf8 } from "../../lib/core/bytes.ts";
import { limits, mib } from "../../lib/core/limits.ts";
import { compress, compressedForMs, decompress } from "../../lib/transfer/compression.ts";
import { makeFile } from "./world.ts";

const text = utf8("a line of a log, and then another one\n".repeat(6_000));

Deno.test("what compress() makes decompress() makes undone, of any size and content", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 3_000 }), (bytes) => {
      assertEquals(new Uint8Array(decompress(compress(bytes), bytes.length)!), bytes);
    }),
    { numRuns: 300, seed: 4 },
  );
  for (const bytes of [text, makeFile(limits.frameBytesMax).bytes, new Uint8Array(limits.frameBytesMax)]) {
    assert(bytesEqual(decompress(compress(bytes), bytes.length)!, bytes));
  }
  assert(compress(text).length < text.length / 100);
  assert(compressedForMs() > 0);
});

Deno.test("decompress() takes nothing that is shorter or longer than was said, cut short, or goes on", () => {
  const packed = compress(text);
  assert(decompress(packed, text.length) !== undefined);
  for (const bytes of [0, 1, text.length - 1, text.length + 1, limits.frameBytesMax]) {
    assert(decompress(packed, bytes) === undefined, String(bytes));
  }
  // The last bytes may only say that it is the end.
  for (let length = 0; length < packed.length - 4; length++) {
    assert(decompress(packed.subarray(0, length), text.length) === undefined, `cut to ${length}`);
  }
  assert(decompress(concatBytes(packed, new Uint8Array([0])), text.length) === undefined);
  assert(decompress(concatBytes(packed, packed), text.length) === undefined);
});

Deno.test("decompress() ends a bomb at what was said, and refuses a window that is larger than a frame", () => {
  const bomb = zstdCompressSync(new Uint8Array(64 * mib));
  assert(bomb.length < limits.frameBytesMax);
  assert(decompress(bomb, limits.frameBytesMax) === undefined);
  const windowed = (windowLog: number) =>
    zstdCompressSync(text, { params: { [constants.ZSTD_c_windowLog]: windowLog } });
  assertEquals(decompress(windowed(18), text.length)?.length, text.length);
  for (const windowLog of [19, 23, 27]) assert(decompress(windowed(windowLog), text.length) === undefined);
  // A single segment: its window is its size, 100 MiB, of which five bytes come.
  const single = new Uint8Array([0x28, 0xb5, 0x2f, 0xfd, 0xa0, 0, 0, 0x40, 6, 0x29, 0, 0, 1, 2, 3, 4, 5]);
  assertEquals(decompress(single, 5), undefined);
});

Deno.test("decompress() answers for any bytes, and never throws", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(limits.frameBytesMax), (junk, bytes) => {
      const whole = decompress(junk, bytes);
      assert(whole === undefined || whole.length === bytes);
    }),
    { numRuns: 1_000, seed: 5 },
  );
  const packed = compress(text);
  fc.assert(
    fc.property(fc.nat(packed.length - 1), fc.nat(7), (at, bit) => {
      const flipped = packed.slice();
      flipped[at]! ^= 1 << bit;
      const whole = decompress(flipped, text.length);
      assert(whole === undefined || whole.length === text.length);
    }),
    { numRuns: 1_000, seed: 6 },
  );
});
