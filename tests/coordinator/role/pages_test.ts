import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { limits } from "../../../lib/core/limits.ts";
import { Cursors } from "../../../lib/coordinator/role/cursor.ts";
import { idSize, Page, sizeOf } from "../../../lib/coordinator/role/pages.ts";
import { encodeMessage, type FileEntry } from "../../../lib/wire/message.ts";
import { contentIdOf } from "./lab.ts";

const cursor = new Cursors(new Uint8Array(32)).make("ada", "search", Number.MAX_SAFE_INTEGER);

function sizeOfFile({ name, bytes, holders }: FileEntry): number {
  return 2 + idSize + sizeOf(name) + sizeOf(bytes) + sizeOf(holders);
}

Deno.test("Page never takes more than the encoder does, and always takes the largest legal entry", () => {
  const largest: FileEntry = {
    name: "\u{1F600}".repeat(limits.nameBytesMax / 4),
    id: contentIdOf(1),
    bytes: limits.fileBytesMax,
    holders: Number.MAX_SAFE_INTEGER,
    withdrawn: true,
  };
  const page = new Page<FileEntry>(64);
  assert(page.add(largest, sizeOfFile(largest)));
  assert(page.add(largest, sizeOfFile(largest)));
  assertEquals(page.add(largest, sizeOfFile(largest)), false);
  encodeMessage(Number.MAX_SAFE_INTEGER, { kind: "files", files: page.entries, cursor });
  const many = new Page<number>(64);
  for (let i = 0; i < 64; i++) assert(many.add(i, 1));
  assertEquals(many.add(64, 1), false, "the list's own limit");
  const entry = fc.record({
    name: fc.string({ unit: "grapheme", minLength: 1, maxLength: 60 }).map((text) =>
      text.toWellFormed().replaceAll("\ufffd", "?")
    ),
    bytes: fc.nat(limits.fileBytesMax),
    holders: fc.nat(),
    withdrawn: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 100, size: "max" }), (entries) => {
      const one = new Page<FileEntry>(64);
      for (const fields of entries) {
        const file = { ...fields, id: contentIdOf(2) };
        if (!one.add(file, sizeOfFile(file))) break;
      }
      encodeMessage(Number.MAX_SAFE_INTEGER, { kind: "files", files: one.entries, cursor });
    }),
    { numRuns: 200, seed: 1 },
  );
});

Deno.test("Cursors reads what it made, for that account and query alone, and no altered byte", () => {
  const cursors = new Cursors(new Uint8Array(32).fill(1));
  const made = cursors.make("ada", "search glob *", 123_456);
  assertEquals(cursors.read(made, "ada", "search glob *"), [123_456]);
  assertEquals(cursors.read(new Uint8Array(0), "ada", "search glob *"), []);
  for (let at = 0; at < made.length; at++) {
    const altered = made.slice();
    altered[at]! ^= 0x80;
    assertEquals(cursors.read(altered, "ada", "search glob *"), undefined);
  }
  assertEquals(cursors.read(made, "bob", "search glob *"), undefined);
  assertEquals(cursors.read(made, "ada", "search glob **"), undefined);
  assertEquals(new Cursors(new Uint8Array(32)).read(made, "ada", "search glob *"), undefined);
});
