import { assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { createHash } from "node:crypto";
import { concatBytes, utf8 } from "../../lib/core/bytes.ts";
import { keyedHash, numberOf } from "../../lib/session/keyed_hash.ts";

const key = new Uint8Array(32).fill(7);

Deno.test("keyedHash() is SHA-512/256 of key and data, and another one for another key", () => {
  const data = utf8("some data");
  assertEquals(keyedHash(key, data), createHash("sha512-256").update(concatBytes(key, data)).digest("hex"));
  assertNotEquals(keyedHash(new Uint8Array(32), data), keyedHash(key, data));
  assertEquals(numberOf(`ffffffff${"0".repeat(56)}`), 2 ** 32 - 1);
});

Deno.test("keyedHash() takes no key of another length: what is key and what is data must be plain", () => {
  assertThrows(() => keyedHash(new Uint8Array(31), new Uint8Array(1)), RangeError);
});
