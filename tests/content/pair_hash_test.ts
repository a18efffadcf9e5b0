import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { createHash } from "node:crypto";
import { hashPairs } from "../../lib/content/pair_hash.ts";

Deno.test("hashPairs() is SHA-256 of each 64 bytes", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5 }), fc.uint8Array({ minLength: 320, maxLength: 320 }), (count, bytes) => {
      const view = new DataView(bytes.buffer, bytes.byteOffset);
      const nodes = Int32Array.from({ length: count * 16 }, (_, i) => view.getInt32(i * 4));
      hashPairs(nodes, count);
      for (let pair = 0; pair < count; pair++) {
        const digest = createHash("sha256").update(bytes.subarray(pair * 64, (pair + 1) * 64)).digest();
        const expected = Array.from({ length: 8 }, (_, i) => digest.readInt32BE(i * 4));
        assertEquals([...nodes.subarray(pair * 8, (pair + 1) * 8)], expected);
      }
    }),
  );
});
