import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { type Bytes, concatBytes, parseHex } from "../../lib/core/bytes.ts";
import { limits } from "../../lib/core/limits.ts";
import {
  bytes,
  choice,
  decodeCbor,
  encodeCbor,
  type Field,
  flag,
  hexId,
  list,
  optional,
  record,
  text,
  uint,
} from "../../lib/wire/cbor.ts";

/** Takes anything: what is refused with this field is refused before any field looks at it. */
const anything: Field<unknown> = { toCbor: () => null, fromCbor: (value) => value };

function hex(digits: string): Bytes {
  return parseHex(digits.replaceAll(" ", ""))!;
}

function isRefused(digits: string, field: Field<unknown> = anything): boolean {
  return !decodeCbor(hex(digits), field).ok;
}

Deno.test("decodeCbor() refuses everything outside the payload subset", () => {
  const illegal: Readonly<Record<string, readonly string[]>> = {
    "nothing": [""],
    "maps": ["a0", "a1 61 61 01", "81 a0", "a1 69 5f5f70726f746f5f5f 01", "bf ff"],
    "negative numbers": ["20", "81 20", "3b ffffffffffffffff"],
    "floats": ["f9 7e00", "f9 3c00", "fa 47c35000", "fb 3ff0000000000000", "fb 7ff8000000000000", "81 f9 0000"],
    "tags and bignums": ["c2 49 010000000000000000", "c3 41 01", "c1 1a 514b67b0", "d9 d9f7 01"],
    "undefined and simple values": ["f7", "f0", "f8 ff", "e0"],
    "indefinite lengths": ["9f ff", "5f 41 01 ff", "7f 61 61 ff", "81 9f 01 ff", "ff"],
    "numbers over 2^53": ["1b 0020000000000000", "1b ffffffffffffffff"],
    "numbers that are not shortest": ["18 17", "19 00ff", "1a 0000ffff", "1b 00000000ffffffff"],
    "lengths that are not shortest": ["58 01 00", "78 01 61", "98 01 01", "59 0001 00"],
    "trailing bytes": ["01 01", "80 00", "81 01 f6"],
    "less than it says": [
      "18",
      "19 01",
      "41",
      "42 00",
      "61",
      "82 01",
      "9b 0000000000000001 01",
      "5b 0000000000000001 00",
    ],
    "huge claims": ["9a ffffffff", "99 ffff 01", "5a ffffffff 00", "7a 7fffffff", "9b 001fffffffffffff", "bb 00ff"],
    "reserved lengths": ["1c", "1d", "1e", "1f", "9c", "5d", "7e"],
  };
  for (const [what, all] of Object.entries(illegal)) {
    for (const digits of all) assert(isRefused(digits), `${what}: ${digits}`);
  }
});

Deno.test("decodeCbor() takes what the subset has", () => {
  for (
    const [digits, value] of [
      ["00", 0],
      ["17", 23],
      ["18 18", 24],
      ["1b 001fffffffffffff", 2 ** 53 - 1],
      ["f4", false],
      ["f5", true],
      ["f6", null],
      ["40", new Uint8Array(0)],
      ["61 61", "a"],
      ["82 01 81 80", [1, [[]]]],
    ] as const
  ) {
    const decoded = decodeCbor(hex(digits), anything);
    assert(decoded.ok, digits);
    assertEquals(decoded.value, value as unknown);
  }
});

Deno.test("decodeCbor() takes nesting up to its limit and refuses it above, however deep", () => {
  const nested = (depth: number) => concatBytes(new Uint8Array(depth).fill(0x81), new Uint8Array([1]));
  assert(decodeCbor(nested(limits.cborDepthMax), anything).ok);
  for (const depth of [limits.cborDepthMax + 1, 100, 1_199, 1_000_000]) {
    assertEquals(decodeCbor(nested(depth), anything).ok, false, `${depth}`);
  }
  // Depth, not number: lists one after another are fine, also after deep ones have ended.
  const flat = concatBytes(new Uint8Array([0x98, 200]), new Uint8Array(200).fill(0x80));
  assert(decodeCbor(flat, anything).ok);
  assert(decodeCbor(hex("83 81818181 01 81818181 01 81 01"), anything).ok);
  assert(isRefused("82 8181818181 01 01"));
});

Deno.test("decodeCbor() never throws, whatever the bytes, and reads back whatever it wrote", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 80 }), (junk) => void decodeCbor(junk, anything)), {
    numRuns: 3_000,
    seed: 1,
  });
  const leaf = fc.oneof(
    fc.maxSafeNat(),
    fc.boolean(),
    fc.constant(null),
    fc.string({ unit: "binary" }).map((value) => value.toWellFormed()),
    fc.uint8Array({ maxLength: 30 }).map((value) => new Uint8Array(value)),
  );
  const value = fc.array(fc.oneof(leaf, fc.array(fc.oneof(leaf, fc.array(leaf)))));
  fc.assert(
    fc.property(value, (one) => {
      const decoded = decodeCbor(encodeCbor(one), anything);
      assert(decoded.ok);
      assertEquals(decoded.value, one);
    }),
    { numRuns: 300, seed: 2 },
  );
});

/** Checks that these values pass both ways and those pass neither. */
function checkField<T>(field: Field<T>, legal: readonly T[], illegal: readonly unknown[]): void {
  for (const value of legal) {
    const decoded = decodeCbor(encodeCbor(field.toCbor(value)), field);
    assert(decoded.ok, `${value}`);
    assertEquals(decoded.value, value);
  }
  for (const value of illegal) {
    assertThrows(() => field.toCbor(value as T), Error);
    assertThrows(() => field.fromCbor(value), Error);
  }
}

Deno.test("uint() holds its bounds in both directions", () => {
  checkField(uint(10, 2), [2, 10], [1, 11, -1, 2.5, NaN, Infinity, "3", null, 3n]);
  checkField(uint(), [0, 2 ** 53 - 1], [-1, 2 ** 53]);
});

Deno.test("text() counts UTF-8 bytes, and refuses lone surrogates and U+FFFD in both directions", () => {
  const field = text(4, 1);
  checkField(field, ["a", "abcd", "\u00e9\u00e9", "\u{1F600}"], [
    "",
    "abcde",
    "\u{1F600}a",
    "\ud800",
    "a\ufffd",
    5,
    null,
  ]);
  // Broken UTF-8 must not read as a name that another one has too.
  for (const digits of ["61 ff", "62 c3 28", "63 ed a0 80", "62 c0 af", "64 f5 80 80 80"]) {
    assert(isRefused(digits, field), digits);
  }
});

Deno.test("bytes() holds its bounds in both directions and copies what it reads", () => {
  checkField(bytes(3, 1), [new Uint8Array(1), new Uint8Array(3)], [
    new Uint8Array(0),
    new Uint8Array(4),
    "abc",
    [1],
    null,
  ]);
  const encoded = encodeCbor(new Uint8Array([1, 2, 3]));
  const decoded = decodeCbor(encoded, bytes(3));
  encoded.fill(9);
  assert(decoded.ok);
  assertEquals(decoded.value, new Uint8Array([1, 2, 3]));
});

Deno.test("hexId() is 32 bytes and nothing else", () => {
  checkField(hexId<string>(), ["ab".repeat(32)], ["ab".repeat(31), "ab".repeat(33), "xy".repeat(32), ""]);
  for (const size of [0, 31, 33]) assertEquals(decodeCbor(encodeCbor(new Uint8Array(size)), hexId()).ok, false);
});

Deno.test("choice() is an index of its table, and no property of an array", () => {
  checkField(choice(["a", "b"]), ["a", "b"], ["c", "length", "__proto__", -1, 1.5]);
  assertEquals(decodeCbor(hex("02"), choice(["a", "b"])).ok, false);
});

Deno.test("flag, optional() and list() hold their shapes", () => {
  checkField(optional(uint(5)), [null, 5], [6, "x"]);
  checkField(list(uint(5), 2), [[], [1, 2]], [[1, 2, 3], [6]]);
  for (const value of [0, 1, null, "true"]) assertThrows(() => flag.fromCbor(value));
  for (const value of [null, 1, "ab", { length: 1 }]) assertThrows(() => list(uint(5), 2).fromCbor(value));
});

Deno.test("record() ignores fields that a later version appends, and misses none", () => {
  const field = record({ a: uint(), b: flag });
  const read = (value: readonly (number | boolean)[]) => decodeCbor(encodeCbor(value), field);
  assertEquals(read([1, true, 7]), { ok: true, value: { a: 1, b: true } });
  assertEquals(read([1]).ok, false);
  assertEquals(decodeCbor(encodeCbor(5), field).ok, false);
});
