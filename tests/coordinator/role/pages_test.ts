import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { limits } from "../../../lib/core/limits.ts";
import { Cursors } from "../../../lib/coordinator/role/cursor.ts";
import { sizeOfFile } from "../../../lib/coordinator/role/file_page.ts";
import { Page } from "../../../lib/coordinator/role/pages.ts";
import { cursorOfPlace, placeOfCursor, searchNumbers } from "../../../lib/coordinator/role/search_place.ts";
import { searchOrders } from "../../../lib/wire/search_query.ts";
import type { Audience } from "../../../lib/core/audience.ts";
import { encodeMessage, type FileEntry } from "../../../lib/wire/message.ts";
import { contentIdOf } from "./lab.ts";

const cursors = new Cursors(new Uint8Array(32));
const rowCursor = cursors.make("ada", "search", Number.MAX_SAFE_INTEGER);

Deno.test("Page never takes more than the encoder does, and always takes the largest legal entry", () => {
  const largest: FileEntry = {
    name: "\u{1F600}".repeat(limits.nameBytesMax / 4),
    id: contentIdOf(1),
    bytes: limits.fileBytesMax,
    holders: Number.MAX_SAFE_INTEGER,
    withdrawn: true,
    sharedAtMs: Number.MAX_SAFE_INTEGER,
    description: "\u{1F600}".repeat(limits.descriptionBytesMax / 4),
    audience: null,
  };
  const largestOwn: FileEntry = {
    ...largest,
    audience: Array.from({ length: limits.audienceMembersMax }, () => {
      return { kind: "group", name: "g".repeat(limits.audienceBytesMax / limits.audienceMembersMax) };
    }),
  };
  const byName = new Page<FileEntry>(64, searchNumbers.name, limits.nameBytesMax);
  const nameCursor = cursors.makeAt("ada", "search", { numbers: [Number.MAX_SAFE_INTEGER], text: largest.name });
  for (
    const [page, file, cursor] of [
      [new Page<FileEntry>(64), largestOwn, rowCursor],
      [byName, largest, nameCursor],
    ] as const
  ) {
    assert(page.add(file, sizeOfFile(file)));
    assertEquals(page.add(file, sizeOfFile(file)), false);
    encodeMessage(Number.MAX_SAFE_INTEGER, { kind: "files", files: page.entries, cursor });
  }
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
    sharedAtMs: fc.nat(),
    description: fc.constantFrom("", "what it is", "x".repeat(limits.descriptionBytesMax)),
    audience: fc.constantFrom<Audience>(null, [], [{ kind: "account", name: "bob" }, {
      kind: "group",
      name: "x".repeat(30),
    }]),
  });
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 100, size: "max" }), (entries) => {
      const one = new Page<FileEntry>(64);
      for (const fields of entries) {
        const file = { ...fields, id: contentIdOf(2) };
        if (!one.add(file, sizeOfFile(file))) break;
      }
      encodeMessage(Number.MAX_SAFE_INTEGER, { kind: "files", files: one.entries, cursor: rowCursor });
    }),
    { numRuns: 200, seed: 1 },
  );
});

Deno.test("Cursors tells nobody which file a page ended behind: the asker may not see it", () => {
  const text = "the plan that nobody else knows.txt";
  const made = cursors.makeAt("ada", "search", { numbers: [123_456], text });
  const shown = new TextDecoder().decode(made);
  for (let at = 0; at + 4 <= text.length; at++) assert(!shown.includes(text.slice(at, at + 4)));
  assertEquals(new DataView(made.buffer).getBigUint64(0) === 123_456n, false);
  assertEquals(cursors.readAt(made, "ada", "search", 1), { numbers: [123_456], text });
  assertEquals(cursors.readAt(made, "bob", "search", 1), undefined);
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

Deno.test("a search's cursor holds its order's key and number, and no altered byte or other order reads it", () => {
  const places = {
    found: { key: 0, row: 7, part: 0 },
    name: { key: "\u00e9t\u00e9 \u{1F600}", row: 7, part: 0 },
    size: { key: limits.fileBytesMax, row: 7, part: 0 },
    age: { key: 1_893_499_200, row: 0, part: 0 },
    holders: { key: 3, row: 7, part: 9 },
  };
  for (const order of searchOrders) {
    const made = cursors.makeAt("ada", order, cursorOfPlace(order, places[order]));
    const read = (cursor: Uint8Array, account = "ada", query: string = order) =>
      cursors.readAt(cursor, account, query, searchNumbers[order]);
    assertEquals(placeOfCursor(order, read(made)!), places[order]);
    for (let at = 0; at < made.length; at++) {
      const altered = made.slice();
      altered[at]! ^= 1;
      assertEquals(read(altered), undefined);
      assertEquals(read(made.slice(0, at)), undefined);
    }
    assertEquals([read(made, "bob"), read(made, "ada", "other")], [undefined, undefined]);
  }
  const begin = { key: "", row: 0, part: 20_000 };
  assertEquals(placeOfCursor("holders", cursorOfPlace("holders", begin)), begin, "the beginning of a part");
});
