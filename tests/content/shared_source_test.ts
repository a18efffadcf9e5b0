import { assertEquals, assertThrows } from "@std/assert";
import { ContentError } from "../../lib/core/errors.ts";
import { hashFile } from "../../lib/content/file_hash.ts";
import type { SharedFile } from "../../lib/content/library.ts";
import { SharedSource } from "../../lib/content/shared_source.ts";
import { forEveryone } from "../../lib/core/audience.ts";
import { pattern, safe, type TempFolder, tempFolder } from "./fixtures.ts";

const bytes = 700_000;

async function shareOne(folder: TempFolder): Promise<SharedFile> {
  const path = `${folder.path}/file`;
  Deno.writeFileSync(path, pattern(bytes));
  const { content, stamp } = await hashFile(path);
  return { name: safe("file"), path, content, stamp, ...forEveryone };
}

function assertChanged(work: () => unknown, kind: string): void {
  assertEquals(assertThrows(work, ContentError, "no longer the file", kind).code, "changed");
}

/** What may happen to a shared file. */
const changes: Record<string, (path: string) => void> = {
  "written with its size kept"(path) {
    using file = Deno.openSync(path, { write: true });
    file.writeSync(pattern(10, 2));
  },
  truncated: (path) => Deno.truncateSync(path, 100),
  grown: (path) => Deno.writeFileSync(path, pattern(1), { append: true }),
  removed: (path) => Deno.removeSync(path),
  "replaced by a copy"(path) {
    Deno.copyFileSync(path, `${path}.copy`);
    Deno.renameSync(`${path}.copy`, path);
  },
  "replaced by a link to itself"(path) {
    Deno.renameSync(path, `${path}.real`);
    Deno.symlinkSync(`${path}.real`, path);
  },
  "replaced by a folder"(path) {
    Deno.removeSync(path);
    Deno.mkdirSync(path);
  },
};

Deno.test("SharedSource reads any range of an unchanged file", async () => {
  using folder = tempFolder();
  using source = SharedSource.open(await shareOne(folder));
  for (const [offset, length] of [[0, bytes], [1, 5], [bytes - 3, 3], [300_000, 262_144], [bytes, 0]] as const) {
    const buffer = new Uint8Array(length);
    source.read(offset, buffer);
    assertEquals(buffer, pattern(bytes).slice(offset, offset + length));
  }
});

Deno.test("SharedSource refuses a range that leaves the file", async () => {
  using folder = tempFolder();
  using source = SharedSource.open(await shareOne(folder));
  for (const [offset, length] of [[-1, 1], [0, bytes + 1], [bytes, 1], [2 ** 53, 1], [0.5, 1]] as const) {
    assertThrows(() => source.read(offset, new Uint8Array(length)), RangeError);
  }
});

for (const [kind, change] of Object.entries(changes)) {
  Deno.test(`SharedSource answers changed for a file ${kind} since SHARE or since it was opened`, async () => {
    using folder = tempFolder();
    const file = await shareOne(folder);
    using source = SharedSource.open(file);
    change(file.path);
    assertChanged(() => source.read(0, new Uint8Array(100)), kind);
    assertChanged(() => source.read(bytes - 100, new Uint8Array(100)), kind);
    assertChanged(() => SharedSource.open(file), kind);
  });
}

Deno.test("SharedSource compares size, both times and inode", async () => {
  using folder = tempFolder();
  const file = await shareOne(folder);
  for (const part of ["bytes", "mtimeMs", "ctimeMs", "inode"] as const) {
    const stamp = { ...file.stamp, [part]: file.stamp[part] - 1 };
    assertChanged(() => SharedSource.open({ ...file, stamp }), part);
  }
});

Deno.test("SharedSource does not follow a parent folder that was swapped for a link", async () => {
  using folder = tempFolder();
  Deno.mkdirSync(`${folder.path}/a`);
  Deno.mkdirSync(`${folder.path}/b`);
  const file = await shareOne({ ...folder, path: `${folder.path}/a` });
  Deno.copyFileSync(`${folder.path}/a/file`, `${folder.path}/b/file`);
  using source = SharedSource.open(file);
  Deno.renameSync(`${folder.path}/a`, `${folder.path}/c`);
  Deno.symlinkSync(`${folder.path}/b`, `${folder.path}/a`);
  assertChanged(() => source.read(0, new Uint8Array(1)), "open");
  assertChanged(() => SharedSource.open(file), "opening");
});
