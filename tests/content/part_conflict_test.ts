import { assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { findFetched } from "../../lib/content/final_name.ts";
import {
  bytes,
  codeOf,
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
import { manifestOf, pattern, safe, type TempFolder, tempFolder } from "./fixtures.ts";

Deno.test("PartFile is done at once where the same content has the name", async () => {
  using folder = tempFolder();
  await fetchWhole(folder);
  const path = `${folder.path}/down/file.bin`;
  for (const onExists of ["refuse", "overwrite", "rename"] as const) {
    assertEquals(await open(folder, { onExists }), { kind: "complete", path });
    const destination = { folder: `${folder.path}/down`, name: safe("file.bin"), content: manifest.content, onExists };
    assertEquals(await findFetched(destination), path);
  }
  assertEquals([namesIn(`${folder.path}/down`), namesIn(`${folder.path}/state`)], [["file.bin"], []]);
});

Deno.test("PartFile refuses a name that something else has, whatever its size", async () => {
  for (const other of ["x", pattern(bytes, 2)]) {
    using folder = tempFolder();
    write(folder, "file.bin", other);
    const destination = {
      folder: `${folder.path}/down`,
      name: safe("file.bin"),
      content: manifest.content,
      onExists: "refuse",
    } as const;
    assertEquals(await codeOf(() => open(folder)), "exists");
    assertEquals(await codeOf(() => findFetched(destination)), "exists");
    assertEquals([namesIn(`${folder.path}/down`), namesIn(`${folder.path}/state`)], [["file.bin"], []]);
  }
});

Deno.test("overwrite replaces a file in one step, at the end", async () => {
  using folder = tempFolder();
  const other = pattern(bytes, 2);
  write(folder, "file.bin", other);
  using before = Deno.openSync(`${folder.path}/down/file.bin`);
  using part = await openPart(folder, { onExists: "overwrite" });
  fill(part);
  assertEquals(Deno.readFileSync(`${folder.path}/down/file.bin`), other);
  assertEquals(Deno.readFileSync(await part.finish({ sync: true })), file);
  const kept = new Uint8Array(bytes);
  assertEquals([before.readSync(kept), kept], [bytes, other]);
});

Deno.test("overwrite replaces a link, not what it leads to, and never a folder", async () => {
  using folder = tempFolder();
  write(folder, "precious", "keep me");
  Deno.symlinkSync("precious", `${folder.path}/down/file.bin`);
  const path = await fetchWhole(folder, { onExists: "overwrite" });
  assertEquals(Deno.lstatSync(path).isFile, true);
  assertEquals(Deno.readTextFileSync(`${folder.path}/down/precious`), "keep me");
  Deno.removeSync(path);
  Deno.mkdirSync(path);
  assertEquals(await codeOf(() => open(folder, { onExists: "overwrite" })), "exists");
});

Deno.test("rename takes the next free number, and knows its own work again", async () => {
  using folder = tempFolder();
  write(folder, "file.bin", "x");
  write(folder, "file (1).bin", "y");
  const path = await fetchWhole(folder, { onExists: "rename" });
  assertEquals(path, `${folder.path}/down/file (2).bin`);
  assertEquals(await open(folder, { onExists: "rename" }), { kind: "complete", path });
});

Deno.test("a name that is taken while the download runs is not overwritten unasked", async () => {
  using folder = tempFolder();
  using part = await openPart(folder);
  fill(part);
  write(folder, "file.bin", "x");
  assertEquals(await codeOf(() => part.finish({ sync: false })), "exists");
  part.close();
  using again = await openPart(folder, { onExists: "rename" });
  assertEquals([...again.missing()], []);
  assertEquals(await again.finish({ sync: false }), `${folder.path}/down/file (1).bin`);
  assertEquals(Deno.readTextFileSync(`${folder.path}/down/file.bin`), "x");
});

Deno.test("a .part that is somebody else's is left alone, unless overwrite says otherwise", async () => {
  using folder = tempFolder();
  write(folder, "file.bin.part", "mine");
  assertEquals(await codeOf(() => open(folder)), "exists");
  assertEquals(namesIn(`${folder.path}/state`), []);
  const path = await fetchWhole(folder, { onExists: "rename" });
  assertEquals(path, `${folder.path}/down/file.bin`);
  assertEquals(Deno.readTextFileSync(`${folder.path}/down/file.bin.part`), "mine");
  Deno.removeSync(path);
  await fetchWhole(folder, { onExists: "overwrite" });
  assertEquals(namesIn(`${folder.path}/down`), ["file.bin"]);
});

Deno.test("a .part that was replaced by somebody else's file is left alone, though the journal names it", async () => {
  using folder = tempFolder();
  {
    using part = await openPart(folder);
    part.writeVerified(0, pieceOf(file, 0));
  }
  write(folder, "file.bin.part", "mine");
  assertEquals(await codeOf(() => open(folder)), "exists");
  assertEquals(Deno.readTextFileSync(`${folder.path}/down/file.bin.part`), "mine");
});

Deno.test("an empty .part, which a crash may leave before there is a journal, is nobody's", async () => {
  using folder = tempFolder();
  write(folder, "file.bin.part", "");
  assertEquals(await fetchWhole(folder), `${folder.path}/down/file.bin`);
});

Deno.test("a .part that is a link or a folder is refused", async () => {
  for (const onExists of ["refuse", "overwrite", "rename"] as const) {
    using folder = tempFolder();
    write(folder, "precious", "keep me");
    const path = `${folder.path}/down/file.bin.part`;
    Deno.symlinkSync("precious", path);
    assertEquals(await codeOf(() => open(folder, { onExists })), "exists");
    Deno.removeSync(path);
    Deno.symlinkSync("missing", path);
    assertEquals(await codeOf(() => open(folder, { onExists })), "exists");
    Deno.removeSync(path);
    Deno.mkdirSync(path);
    assertEquals(await codeOf(() => open(folder, { onExists })), "exists");
    assertEquals(namesIn(`${folder.path}/down`), ["file.bin.part", "precious"]);
    assertEquals(Deno.readTextFileSync(`${folder.path}/down/precious`), "keep me");
  }
});

Deno.test("a partial file is not another download's prey, though its name is legal", async () => {
  using folder = tempFolder();
  const other = pattern(1000, 7);
  using part = await openPart(folder, { name: "a" });
  part.writeVerified(0, pieceOf(file, 0));
  for (const onExists of ["refuse", "overwrite"] as const) {
    assertEquals(await codeOf(() => open(folder, { name: "a.part", onExists, manifest: manifestOf(other) })), "exists");
  }
  const path = await fetchWhole(folder, { name: "a.part", onExists: "rename" }, other);
  assertEquals(path, `${folder.path}/down/a (1).part`);
  fill(part);
  assertEquals(Deno.readFileSync(await part.finish({ sync: false })), file);
});

Deno.test("two contents of one name are fetched side by side with rename, and resumed each", async () => {
  using folder = tempFolder();
  const other = pattern(bytes, 9);
  const second = { onExists: "rename", manifest: manifestOf(other) } as const;
  {
    using one = await openPart(folder, { onExists: "rename" });
    using two = await openPart(folder, second);
    one.writeVerified(0, pieceOf(file, 0));
    two.writeVerified(1, pieceOf(other, 1));
    assertEquals(two.path, `${folder.path}/down/file (1).bin.part`);
  }
  {
    using two = await openPart(folder, second);
    assertEquals([...two.missing()], [0, 2, 3, 4]);
    fill(two, other);
    assertEquals(await two.finish({ sync: false }), `${folder.path}/down/file.bin`);
  }
  using one = await openPart(folder, { onExists: "rename" });
  assertEquals([...one.missing()], [1, 2, 3, 4]);
  fill(one);
  assertEquals(Deno.readFileSync(await one.finish({ sync: false })), file);
  assertEquals(namesIn(`${folder.path}/down`), ["file (1).bin", "file.bin"]);
});

Deno.test("one content is fetched once at a time to one place", async () => {
  using folder = tempFolder();
  using part = await openPart(folder);
  for (const onExists of ["refuse", "overwrite", "rename"] as const) {
    assertEquals(await codeOf(() => open(folder, { onExists })), "exists");
  }
  fill(part);
  await part.finish({ sync: false });
});

/** Runs part_file_process and answers what it printed. */
async function runProcess(folder: TempFolder, journalFolder: string, action: string): Promise<string> {
  const script = fromFileUrl(import.meta.resolve("./part_file_process.ts"));
  const args = ["run", "-q", "-A", script, `${folder.path}/down`, "file.bin", journalFolder, String(bytes), action];
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), { args }).output();
  return new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
}

Deno.test("a download that another process runs is refused, even with another home", async () => {
  using folder = tempFolder();
  using _part = await openPart(folder);
  const printed = await Promise.all(
    ["state", "other"].map((home) => runProcess(folder, `${folder.path}/${home}`, "try")),
  );
  assertEquals(printed, ["exists\n", "exists\n"]);
});

Deno.test("a download whose process was killed goes on, and fetches no verified byte again", async () => {
  using folder = tempFolder();
  assertEquals(await runProcess(folder, `${folder.path}/state`, "crash"), "");
  using part = await openPart(folder);
  assertEquals([[...part.missing()], part.refetchedBytes], [[0, 2, 4], 2 * pieceBytes]);
  fill(part);
  assertEquals(Deno.readFileSync(await part.finish({ sync: true })), file);
});
