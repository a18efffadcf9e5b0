import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { StoreError } from "../../lib/core/errors.ts";
import { kib, mib } from "../../lib/core/limits.ts";
import { PartFile } from "../../lib/content/part_file.ts";
import { manifestOf, pattern, safe, tempFolder } from "./fixtures.ts";

/** Mounts a file system of 2 MiB at `path`; undefined where this user may not. */
function mountSmall(path: string): Disposable | undefined {
  const run = (command: string, ...args: string[]) => {
    try {
      return new Deno.Command(command, { args, stderr: "null" }).outputSync().success;
    } catch {
      return false;
    }
  };
  if (!run("mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", path)) return undefined;
  return { [Symbol.dispose]: () => assert(run("umount", path)) };
}

const mayMount = (() => {
  using folder = tempFolder();
  using disk = mountSmall(folder.path);
  return disk !== undefined;
})();
if (!mayMount) console.log("skipped: full_disk_test needs to be root to mount a small file system");

const pieceBytes = 256 * kib;
const file = pattern(6 * pieceBytes);
const manifest = manifestOf(file);
const pieceOf = (index: number) => file.subarray(index * pieceBytes, (index + 1) * pieceBytes);

Deno.test({
  name: "PartFile says that a disk is full before it begins, and leaves nothing there",
  ignore: !mayMount,
  async fn() {
    using folder = tempFolder();
    const down = `${folder.path}/down`;
    Deno.mkdirSync(down);
    using _disk = mountSmall(down);
    const options = {
      folder: down,
      name: safe("x"),
      journalFolder: `${folder.path}/state`,
      onExists: "refuse",
    } as const;
    const large = manifestOf(pattern(3 * mib));
    const error = await assertRejects(() => PartFile.open({ ...options, manifest: large }), StoreError, "are free");
    assertEquals(error.code, "diskFull");
    assertEquals([...Deno.readDirSync(down)], []);
    assertEquals([...Deno.readDirSync(`${folder.path}/state`)], []);
  },
});

Deno.test({
  name: "PartFile keeps every verified piece when the disk fills up, and goes on when there is room",
  ignore: !mayMount,
  async fn() {
    using folder = tempFolder();
    const down = `${folder.path}/down`;
    Deno.mkdirSync(down);
    using _disk = mountSmall(down);
    const options = {
      folder: down,
      name: safe("x"),
      manifest,
      journalFolder: `${down}/state`,
      onExists: "refuse",
    } as const;
    {
      const opened = await PartFile.open(options);
      assert(opened.kind === "part");
      using part = opened.part;
      for (const index of [0, 1, 2]) {
        part.asked(index);
        part.writeVerified(index, pieceOf(index));
      }
      // Somebody else takes the rest.
      using filler = Deno.createSync(`${down}/filler`);
      assertThrows(() => {
        while (true) filler.writeSync(new Uint8Array(4 * kib));
      });
      const error = assertThrows(() => part.writeVerified(3, pieceOf(3)), StoreError, "the disk is full");
      assertEquals([error.code, part.has(3)], ["diskFull", false]);
      part.read(2, 0, new Uint8Array(10));
    }
    const error = await assertRejects(() => PartFile.open(options), StoreError);
    assertEquals(error.code, "diskFull");
    Deno.removeSync(`${down}/filler`);
    const opened = await PartFile.open(options);
    assert(opened.kind === "part");
    using part = opened.part;
    assertEquals([...part.missing()], [3, 4, 5], "what was verified stays so");
    for (const index of part.missing()) part.writeVerified(index, pieceOf(index));
    assertEquals(Deno.readFileSync(await part.finish({ sync: true })), file);
  },
});
