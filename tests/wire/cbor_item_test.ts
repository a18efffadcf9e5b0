import { assert, assertEquals, assertThrows } from "@std/assert";
import { decode, encode } from "cborg";
import fc from "fast-check";
import { Buffer } from "node:buffer";
import { type Bytes, concatBytes } from "../../lib/core/bytes.ts";
import { limits } from "../../lib/core/limits.ts";
import { type CborValue, Illegal, readItem, writeItem } from "../../lib/wire/cbor_item.ts";

/** The heads on both sides of each size of argument. */
const edges = [0, 23, 24, 255, 256, 65_535, 65_536, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1];

const text = fc.oneof(
  fc.string({ unit: "binary", maxLength: 60 }).map((value) => value.toWellFormed()),
  fc.string({ unit: "grapheme-ascii", maxLength: 300 }),
);
const leaf: fc.Arbitrary<CborValue> = fc.oneof(
  fc.constantFrom(...edges),
  fc.maxSafeNat(),
  fc.boolean(),
  fc.constant(null),
  text,
  fc.uint8Array({ maxLength: 300 }).map((value) => new Uint8Array(value)),
);
const { value } = fc.letrec<{ value: CborValue }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small", maxDepth: limits.cborDepthMax - 1 },
    leaf,
    fc.array(tie("value"), { maxLength: 30 }),
  ),
}));

function read(bytes: Bytes): { readonly value: CborValue } | undefined {
  try {
    return { value: readItem(bytes) };
  } catch (error) {
    assert(error instanceof Illegal, `${error}`);
    return undefined;
  }
}

Deno.test("writeItem() writes what another encoder writes, and readItem() reads it back", () => {
  fc.assert(
    fc.property(value, (one) => {
      const written = writeItem(one);
      assertEquals(written, new Uint8Array(encode(one)));
      assertEquals(readItem(written), one);
    }),
    { numRuns: 500, seed: 1 },
  );
});

Deno.test("readItem() reads nothing that a strict decoder refuses, and nothing that has another encoding", () => {
  const options = { strict: true, useMaps: true, allowIndefinite: false, allowUndefined: false, allowBigInt: false };
  const damaged = fc.tuple(value, fc.array(fc.tuple(fc.nat(400), fc.nat(255)), { minLength: 1, maxLength: 3 })).map(
    ([one, changes]) => {
      const bytes = writeItem(one);
      for (const [at, byte] of changes) bytes[at % bytes.length] = byte;
      return bytes;
    },
  );
  let taken = 0;
  fc.assert(
    fc.property(damaged, (bytes) => {
      const item = read(bytes);
      if (item === undefined) return;
      taken++;
      assertEquals(item.value, decode(bytes, options));
      assertEquals(writeItem(item.value), bytes);
    }),
    { numRuns: 3_000, seed: 2 },
  );
  assert(taken > 300, `${taken} of the damaged ones were legal still`);
});

Deno.test("readItem() copies byte strings, also out of a view whose slices are views", () => {
  const written = writeItem([new Uint8Array([1, 2, 3])]);
  const buffer = Buffer.from(written);
  const [bytes] = readItem(buffer) as [Uint8Array];
  buffer.fill(9);
  assertEquals(bytes, new Uint8Array([1, 2, 3]));
});

Deno.test("writeItem() grows with the item, keeps nothing of the last one, and throws for what no payload has", () => {
  const large = new Uint8Array(100_000).fill(7);
  assertEquals(writeItem(large), concatBytes(new Uint8Array([0x5a, 0, 1, 0x86, 0xa0]), large));
  for (const wrong of [-1, 1.5, NaN, Infinity, 2 ** 53]) assertThrows(() => writeItem([1, wrong]), RangeError);
  assertEquals(writeItem([1]), new Uint8Array([0x81, 1]));
});
