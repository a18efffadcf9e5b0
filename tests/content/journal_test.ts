import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { StoreError } from "../../lib/core/errors.ts";
import type { Content, ContentId } from "../../lib/core/ids.ts";
import { kib } from "../../lib/core/limits.ts";
import { Journal } from "../../lib/content/journal.ts";
import { tempFolder } from "./fixtures.ts";

const content: Content = { id: "ab".repeat(32) as ContentId, bytes: 10 * 256 * kib };
const target = "/downloads/naïve file.iso";
const indexes = Array.from({ length: 10 }, (_, index) => index);

function open(folder: string, path = target, of = content): Journal {
  const journal = Journal.open(folder, path, of);
  if (journal === undefined) throw new Error("locked");
  return journal;
}

/** "-" for a piece that was not asked for, "a" for asked, "v" for verified. */
function stateOf(journal: Journal): string {
  return indexes.map((i) => journal.wasVerified(i) ? "v" : journal.wasAsked(i) ? "a" : "-").join("");
}

/** Leaves a journal with records in `folder`, and answers its path. */
function leaveJournal(folder: string): string {
  using journal = open(folder);
  journal.begin(3);
  for (const index of [0, 1, 2, 3]) journal.noteAsked(index);
  for (const index of [2, 0]) journal.noteVerified(index);
  return journal.path;
}

Deno.test("Journal keeps what was asked and what was verified", () => {
  using folder = tempFolder();
  leaveJournal(folder.path);
  using journal = open(folder.path);
  assertEquals([journal.isResumed, journal.partNumber, stateOf(journal)], [true, 3, "vava------"]);
});

Deno.test("Journal has the layout that its file documents", () => {
  using folder = tempFolder();
  const stored = Deno.readFileSync(leaveJournal(folder.path));
  const path = new TextEncoder().encode(target);
  const view = new DataView(stored.buffer);
  assertEquals(new TextDecoder().decode(stored.subarray(0, 8)), "SHOALJNL");
  assertEquals([view.getUint16(8), view.getUint16(10), view.getUint32(12)], [1, 3, path.length]);
  assertEquals([view.getUint8(16), view.getUint8(47), view.getBigUint64(48)], [0xab, 0xab, BigInt(content.bytes)]);
  assertEquals(stored.slice(56, 56 + path.length), path);
  const records = Math.ceil((56 + path.length) / 8) * 8;
  assertEquals(stored.length, records + 6 * 8);
  assertEquals(new TextDecoder().decode(stored.subarray(records, records + 4)), "askd");
  assertEquals(stored.slice(-8), new Uint8Array([...new TextEncoder().encode("vrfd"), 0, 0, 0, 0]));
});

Deno.test("Journal does not repeat a note, in one run or the next", () => {
  using folder = tempFolder();
  const path = leaveJournal(folder.path);
  const { size } = Deno.statSync(path);
  using journal = open(folder.path);
  journal.noteAsked(0);
  journal.noteAsked(1);
  journal.noteVerified(2);
  assertEquals(Deno.statSync(path).size, size);
  journal.noteVerified(1);
  journal.noteAsked(1);
  assertEquals(Deno.statSync(path).size, size + 8);
});

Deno.test("Journal is one file for each content and path, private to its owner", () => {
  using folder = tempFolder();
  const state = `${folder.path}/state/journals`;
  using one = open(state);
  using other = open(state, "/downloads/other");
  using twin = open(state, target, { ...content, bytes: 64 });
  assertEquals(new Set([one.path, other.path, twin.path]).size, 3);
  assertEquals([one.isResumed, other.isResumed, twin.isResumed], [false, false, false]);
  assertEquals([Deno.statSync(state).mode! & 0o777, Deno.statSync(one.path).mode! & 0o777], [0o700, 0o600]);
});

Deno.test("Journal is open once at a time, until it is closed or removed", () => {
  using folder = tempFolder();
  const journal = open(folder.path);
  assertEquals(Journal.open(folder.path, target, content), undefined);
  journal.close();
  journal.close();
  const again = open(folder.path);
  again.remove();
  assertEquals([...Deno.readDirSync(folder.path)], []);
  open(folder.path).close();
});

Deno.test("Journal does not remove another one that has its place", () => {
  using folder = tempFolder();
  using journal = open(folder.path);
  Deno.removeSync(journal.path);
  using other = open(folder.path);
  journal.remove();
  assertEquals(Deno.statSync(other.path).isFile, true);
});

Deno.test("Journal refuses one of a newer version and leaves it as it is", () => {
  using folder = tempFolder();
  const path = leaveJournal(folder.path);
  const stored = Deno.readFileSync(path);
  stored[9] = 2;
  Deno.writeFileSync(path, stored);
  const error = assertThrows(() => open(folder.path), StoreError, "it has schema 2, and this program knows 1");
  assertEquals(error.code, "version");
  assertEquals(Deno.readFileSync(path), stored);
});

Deno.test("Journal begins anew where the header is of another path or content, of an older schema, or damaged", () => {
  using folder = tempFolder();
  const path = leaveJournal(folder.path);
  const stored = Deno.readFileSync(path);
  for (const at of [0, 7, 9, 14, 16, 47, 50, 56, 60]) {
    const damaged = stored.slice();
    damaged[at]! ^= 1;
    Deno.writeFileSync(path, damaged);
    using journal = open(folder.path);
    assertEquals([journal.isResumed, stateOf(journal)], [false, "----------"], `offset ${at}`);
  }
});

Deno.test("Journal goes on after a torn record, and its later records are read", () => {
  for (let cut = 1; cut < 8; cut++) {
    using folder = tempFolder();
    const path = leaveJournal(folder.path);
    Deno.truncateSync(path, Deno.statSync(path).size - cut);
    {
      using journal = open(folder.path);
      assertEquals(stateOf(journal), "aava------");
      journal.noteVerified(9);
    }
    using journal = open(folder.path);
    assertEquals(stateOf(journal), "aava-----v", `${cut} bytes cut`);
  }
});

Deno.test("Journal ignores records that it does not know and pieces that there are not", () => {
  using folder = tempFolder();
  const path = leaveJournal(folder.path);
  const junk = new Uint8Array([..."vrfd"].map((c) => c.charCodeAt(0)).concat([0, 0, 0, 10], [1, 2, 3, 4, 0, 0, 0, 5]));
  Deno.writeFileSync(path, junk, { append: true });
  using journal = open(folder.path);
  assertEquals(stateOf(journal), "vava------");
});

Deno.test("begin() forgets what an earlier run noted", () => {
  using folder = tempFolder();
  leaveJournal(folder.path);
  {
    using journal = open(folder.path);
    journal.begin(0);
    assertEquals(stateOf(journal), "----------");
    journal.noteAsked(5);
  }
  using journal = open(folder.path);
  assertEquals([journal.partNumber, stateOf(journal)], [0, "-----a----"]);
});

Deno.test("Journal opens after any damage, or refuses it as a newer version's", () => {
  using folder = tempFolder();
  const path = leaveJournal(folder.path);
  const stored = Deno.readFileSync(path);
  const damages = fc.record({
    bytes: fc.nat(stored.length),
    flips: fc.array(fc.nat(stored.length * 8 - 1), { maxLength: 4 }),
    junk: fc.uint8Array({ maxLength: 40 }),
  });
  fc.assert(
    fc.property(damages, ({ bytes, flips, junk }) => {
      const damaged = stored.slice();
      for (const bit of flips) damaged[bit >> 3]! ^= 1 << (bit & 7);
      Deno.writeFileSync(path, new Uint8Array([...damaged.subarray(0, bytes), ...junk]));
      try {
        using journal = open(folder.path);
        journal.noteVerified(7);
        assertEquals(journal.wasVerified(7), true);
      } catch (error) {
        if (!(error instanceof StoreError) || error.code !== "version") throw error;
      }
    }),
    { numRuns: 300 },
  );
});
