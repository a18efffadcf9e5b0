import { assertEquals, assertThrows } from "@std/assert";
import { StoreError } from "../../lib/core/errors.ts";
import { numberedName, TargetFolder } from "../../lib/content/target_folder.ts";
import { safe, tempFolder } from "./fixtures.ts";

Deno.test("TargetFolder makes the folders that a name needs, and the download folder", () => {
  using folder = tempFolder();
  const target = TargetFolder.open(`${folder.path}/new/downloads`, safe("a/b/file.txt"));
  assertEquals([target.path, target.fileName], [`${folder.path}/new/downloads/a/b`, "file.txt"]);
  assertEquals(target.pathOf("x"), `${target.path}/x`);
  assertEquals(Deno.statSync(target.path).isDirectory, true);
  target.check();
  target.sync();
  assertEquals(TargetFolder.open(`${folder.path}/new/downloads`, safe("a/b/c")).path, target.path);
});

Deno.test("TargetFolder takes a download folder that is a link, and no other link", () => {
  using folder = tempFolder();
  Deno.mkdirSync(`${folder.path}/real`);
  Deno.mkdirSync(`${folder.path}/elsewhere`);
  Deno.symlinkSync(`${folder.path}/real`, `${folder.path}/link`);
  assertEquals(TargetFolder.open(`${folder.path}/link`, safe("a/x")).path, `${folder.path}/real/a`);
  Deno.symlinkSync(`${folder.path}/elsewhere`, `${folder.path}/real/b`);
  Deno.symlinkSync("/nowhere", `${folder.path}/real/dangling`);
  for (const name of ["b/x", "b/deep/x", "dangling/x"]) {
    assertThrows(() => TargetFolder.open(`${folder.path}/real`, safe(name)), StoreError, "symbolic link");
  }
  assertEquals([...Deno.readDirSync(`${folder.path}/elsewhere`)], []);
});

Deno.test("TargetFolder refuses a file where it needs a folder", () => {
  using folder = tempFolder();
  Deno.writeTextFileSync(`${folder.path}/file`, "");
  const error = assertThrows(() => TargetFolder.open(folder.path, safe("file/x")), StoreError, "not a folder");
  assertEquals(error.code, "exists");
  assertThrows(() => TargetFolder.open(`${folder.path}/file`, safe("x")), StoreError, "not a folder");
});

Deno.test("check() notices any folder on the way that was swapped, for a link or for another folder", () => {
  for (const swapped of ["a", "a/b"]) {
    for (const kind of ["link", "folder", "nothing"]) {
      using folder = tempFolder();
      const target = TargetFolder.open(folder.path, safe("a/b/file"));
      const path = `${folder.path}/${swapped}`;
      Deno.renameSync(path, `${folder.path}/moved`);
      if (kind === "link") Deno.symlinkSync(`${folder.path}/moved`, path);
      if (kind === "folder") Deno.mkdirSync(`${path}/b`, { recursive: true });
      assertThrows(() => target.check(), StoreError, "Cannot use the folder", `${swapped}: ${kind}`);
    }
  }
});

Deno.test("numberedName() numbers names as people know it", () => {
  const rows: [string, number, string][] = [
    ["name.ext", 0, "name.ext"],
    ["name.ext", 1, "name (1).ext"],
    ["name", 12, "name (12)"],
    [".profile", 1, ".profile (1)"],
    ["a.tar.gz", 2, "a.tar (2).gz"],
  ];
  for (const [name, number, expected] of rows) assertEquals(numberedName(name, number), expected);
});
