import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import fc from "fast-check";
import { StoreError } from "../../lib/core/errors.ts";
import {
  bytes,
  fetchWhole,
  file,
  fill,
  manifest,
  namesIn,
  open,
  openPart,
  pieceBytes,
  pieceOf,
  write,
} from "./download.ts";
import { type TempFolder, tempFolder } from "./fixtures.ts";

Deno.test("PartFile brings a download under its name, and leaves nothing else", async () => {
  using folder = tempFolder();
  using part = await openPart(folder);
  assertEquals(namesIn(`${folder.path}/down`), ["file.bin.part"]);
  assertEquals([[...part.missing()], part.doneBytes, part.refetchedBytes], [[0, 1, 2, 3, 4], 0, 0]);
  for (const index of [4, 0, 2, 1]) part.writeVerified(index, pieceOf(file, index));
  assertEquals([[...part.missing()], part.doneBytes, part.has(4), part.has(3)], [[3], bytes - pieceBytes, true, false]);
  part.writeVerified(3, pieceOf(file, 3));
  const path = await part.finish({ sync: true });
  assertEquals([path, namesIn(`${folder.path}/down`)], [`${folder.path}/down/file.bin`, ["file.bin"]]);
  assertEquals(Deno.readFileSync(path), file);
  assertEquals(namesIn(`${folder.path}/state`), []);
  part.close();
});

Deno.test("PartFile makes the folders of a name, and an empty file without a piece", async () => {
  using folder = tempFolder();
  const path = await fetchWhole(folder, { name: "a/b/nothing" }, new Uint8Array(0));
  assertEquals([path, Deno.statSync(path).size], [`${folder.path}/down/a/b/nothing`, 0]);
});

Deno.test("PartFile goes on where it was closed", async () => {
  using folder = tempFolder();
  {
    using part = await openPart(folder);
    for (const index of [1, 2, 3]) part.asked(index);
    part.writeVerified(2, pieceOf(file, 2));
    part.writeVerified(4, pieceOf(file, 4));
  }
  using part = await openPart(folder);
  assertEquals([[...part.missing()], part.doneBytes, part.refetchedBytes], [
    [0, 1, 3],
    pieceBytes + 1000,
    2 * pieceBytes,
  ]);
  fill(part);
  assertEquals(Deno.readFileSync(await part.finish({ sync: false })), file);
});

Deno.test("PartFile counts as refetched what an earlier run asked for and did not verify, once", async () => {
  using folder = tempFolder();
  {
    using part = await openPart(folder);
    part.asked(4);
    part.asked(0);
  }
  {
    using part = await openPart(folder);
    assertEquals(part.refetchedBytes, pieceBytes + 1000);
    part.asked(0);
    part.writeVerified(0, pieceOf(file, 0));
    part.asked(1);
  }
  using part = await openPart(folder);
  assertEquals(part.refetchedBytes, pieceBytes + 1000);
});

Deno.test("PartFile hashes again what the journal calls verified", async () => {
  using folder = tempFolder();
  {
    using part = await openPart(folder);
    fill(part);
  }
  const path = `${folder.path}/down/file.bin.part`;
  {
    using damaged = Deno.openSync(path, { write: true });
    damaged.seekSync(pieceBytes + 77, Deno.SeekMode.Start);
    damaged.writeSync(new Uint8Array([1, 2, 3]));
  }
  Deno.truncateSync(path, bytes - 1);
  {
    using part = await openPart(folder);
    assertEquals([...part.missing()], [1, 4]);
    part.writeVerified(4, pieceOf(file, 4));
  }
  using part = await openPart(folder);
  assertEquals([...part.missing()], [1]);
  fill(part);
  assertEquals(Deno.readFileSync(await part.finish({ sync: true })), file);
});

Deno.test("no damage to journal or part ever makes a wrong piece count", async () => {
  using folder = tempFolder();
  {
    using part = await openPart(folder);
    for (const index of [0, 1, 2, 3]) part.asked(index);
    part.writeVerified(0, pieceOf(file, 0));
    part.writeVerified(3, pieceOf(file, 3));
  }
  const [name] = namesIn(`${folder.path}/state`);
  const journalPath = `${folder.path}/state/${name}`;
  const partPath = `${folder.path}/down/file.bin.part`;
  const [journal, stored] = [Deno.readFileSync(journalPath), Deno.readFileSync(partPath)];
  const damages = fc.record({
    journalBytes: fc.oneof(fc.constant(journal.length), fc.nat(journal.length)),
    journalFlips: fc.array(fc.nat(journal.length * 8 - 1), { maxLength: 3 }),
    partBytes: fc.oneof(fc.constant(bytes), fc.nat(bytes)),
    partFlips: fc.array(fc.nat(bytes * 8 - 1), { maxLength: 2 }),
  });
  await fc.assert(
    fc.asyncProperty(damages, async ({ journalBytes, journalFlips, partBytes, partFlips }) => {
      const [damagedJournal, damagedPart] = [journal.slice(), stored.slice()];
      for (const bit of journalFlips) damagedJournal[bit >> 3]! ^= 1 << (bit & 7);
      for (const bit of partFlips) damagedPart[bit >> 3]! ^= 1 << (bit & 7);
      Deno.writeFileSync(journalPath, damagedJournal.subarray(0, journalBytes));
      Deno.writeFileSync(partPath, damagedPart.subarray(0, partBytes));
      try {
        using part = await openPart(folder);
        const onDisk = Deno.readFileSync(partPath);
        for (let index = 0; index < manifest.pieceCount; index++) {
          if (part.has(index)) assertEquals(pieceOf(onDisk, index), pieceOf(file, index));
        }
      } catch (error) {
        // A part with no right piece and no journal is somebody else's; a version that we do not know is refused.
        if (!(error instanceof StoreError)) throw error;
        assert(["exists", "version"].includes(error.code), error.message);
      }
    }),
    { numRuns: 60 },
  );
});

Deno.test("PartFile takes up a part whose journal was lost, by its right pieces, and remembers them", async () => {
  using folder = tempFolder();
  {
    using part = await openPart(folder);
    part.writeVerified(1, pieceOf(file, 1));
    part.writeVerified(2, pieceOf(file, 2));
  }
  Deno.removeSync(`${folder.path}/state`, { recursive: true });
  (await openPart(folder)).close();
  using part = await openPart(folder);
  assertEquals([...part.missing()], [0, 3, 4]);
});

Deno.test("PartFile begins anew when its part was removed", async () => {
  using folder = tempFolder();
  {
    using part = await openPart(folder);
    part.asked(0);
    part.writeVerified(1, pieceOf(file, 1));
  }
  Deno.removeSync(`${folder.path}/down/file.bin.part`);
  {
    using part = await openPart(folder);
    assertEquals([[...part.missing()], part.refetchedBytes], [[0, 1, 2, 3, 4], pieceBytes]);
  }
  using part = await openPart(folder);
  assertEquals(part.refetchedBytes, 0);
});

Deno.test("PartFile serves verified pieces while it fetches the rest", async () => {
  using folder = tempFolder();
  using part = await openPart(folder);
  part.writeVerified(4, pieceOf(file, 4));
  part.writeVerified(1, pieceOf(file, 1));
  const buffer = new Uint8Array(100);
  part.read(1, 5, buffer);
  assertEquals(buffer, file.slice(pieceBytes + 5, pieceBytes + 105));
  part.read(4, 900, buffer);
  assertEquals(buffer, file.slice(-100));
  for (const [index, offset] of [[0, 0], [4, 901], [1, -1], [5, 0]] as const) {
    assertThrows(() => part.read(index, offset, buffer), RangeError);
  }
  Deno.truncateSync(part.path, pieceBytes);
  assertThrows(() => part.read(1, 0, buffer), StoreError, "truncated");
});

Deno.test("PartFile writes only whole pieces, and finishes only whole files", async () => {
  using folder = tempFolder();
  using part = await openPart(folder);
  assertThrows(() => part.writeVerified(0, file.subarray(0, 100)), RangeError);
  assertThrows(() => part.writeVerified(4, pieceOf(file, 0)), RangeError);
  assertThrows(() => part.writeVerified(5, pieceOf(file, 0)), RangeError);
  await assertRejects(() => part.finish({ sync: false }), RangeError);
});

Deno.test("finish() refuses a part or a folder that was swapped, and keeps what it has", async () => {
  const swaps: Record<string, (folder: TempFolder) => void> = {
    "part replaced": (folder) => {
      write(folder, "x", file);
      Deno.renameSync(`${folder.path}/down/x`, `${folder.path}/down/sub/file.bin.part`);
    },
    "part truncated": (folder) => Deno.truncateSync(`${folder.path}/down/sub/file.bin.part`, 5),
    "folder replaced by a link": (folder) => {
      Deno.renameSync(`${folder.path}/down/sub`, `${folder.path}/elsewhere`);
      Deno.symlinkSync(`${folder.path}/elsewhere`, `${folder.path}/down/sub`);
    },
  };
  for (const [kind, swap] of Object.entries(swaps)) {
    using folder = tempFolder();
    using part = await openPart(folder, { name: "sub/file.bin" });
    fill(part);
    swap(folder);
    const error = await assertRejects(() => part.finish({ sync: false }), StoreError, "Cannot", kind);
    assertEquals(error.code, "io", kind);
    assertEquals(namesIn(`${folder.path}/down/sub`), ["file.bin.part"], kind);
    assertEquals(namesIn(`${folder.path}/state`).length, 1, kind);
  }
});

Deno.test("open() stops when its signal is aborted, with the signal's reason", async () => {
  using folder = tempFolder();
  {
    using part = await openPart(folder);
    fill(part);
  }
  const reason = new Error("enough");
  const opening = () => open(folder, { signal: AbortSignal.abort(reason) });
  assertEquals(await assertRejects(opening), reason);
  using part = await openPart(folder);
  assertEquals([...part.missing()], []);
});

Deno.test("a download is readable as the umask says, its journal by its owner alone", async () => {
  using folder = tempFolder();
  using part = await openPart(folder);
  write(folder, "ordinary", "");
  assertEquals(Deno.statSync(part.path).mode, Deno.statSync(`${folder.path}/down/ordinary`).mode);
  const [name] = namesIn(`${folder.path}/state`);
  assertEquals(Deno.statSync(`${folder.path}/state/${name}`).mode! & 0o777, 0o600);
});
