import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { createHash } from "node:crypto";
import { DatabaseSync } from "node:sqlite";
import { xorBytes } from "../../lib/core/bytes.ts";
import { ShoalError, StoreError } from "../../lib/core/errors.ts";
import { contentKey } from "../../lib/core/ids.ts";
import { mib } from "../../lib/core/limits.ts";
import { Library, type SharedFile, type ShareEvent, type ShareOptions } from "../../lib/content/library.ts";
import { hashed, manifestOf, pattern, type TempFolder, tempFolder } from "./fixtures.ts";

function entryHash({ name, content }: Pick<SharedFile, "name" | "content">): Uint8Array {
  return createHash("sha256").update(`${name}\0${contentKey(content)}`).digest();
}

function openLibrary(folder: TempFolder): Library {
  return Library.open({ stateFolder: `${folder.path}/state`, cacheFolder: `${folder.path}/cache`, entryHash });
}

/** Makes files below `folder` and answers the folder's path. */
function makeFiles(folder: string, files: Record<string, Uint8Array | string>): string {
  for (const [name, bytes] of Object.entries(files)) {
    const path = `${folder}/${name}`;
    Deno.mkdirSync(path.slice(0, path.lastIndexOf("/")), { recursive: true });
    if (typeof bytes === "string") Deno.writeTextFileSync(path, bytes);
    else Deno.writeFileSync(path, bytes);
  }
  return folder;
}

async function shareAll(library: Library, path: string, options?: ShareOptions): Promise<ShareEvent[]> {
  return await Array.fromAsync(library.share(path, options));
}

function namesOf(events: readonly ShareEvent[]): string[] {
  return events.flatMap((event) => event.kind === "shared" ? [event.file.name] : []);
}

function skippedOf(events: readonly ShareEvent[], root: string): Record<string, string> {
  return Object.fromEntries(
    events.flatMap((event) => event.kind === "skipped" ? [[event.path.slice(root.length + 1), event.reason]] : []),
  );
}

Deno.test("share() keeps a file under its name, or the one given, across restarts", async () => {
  using folder = tempFolder();
  makeFiles(folder.path, { "a.bin": pattern(300_000), "b.bin": pattern(5) });
  const content = hashed(pattern(300_000)).content;
  let kept: SharedFile[];
  {
    using library = openLibrary(folder);
    const [event] = await shareAll(library, `${folder.path}/a.bin`);
    assertEquals(event, { kind: "shared", file: library.get("a.bin")!, replaced: undefined });
    await shareAll(library, `${folder.path}/b.bin`, { name: "other/name.bin" });
    kept = library.list();
  }
  using library = openLibrary(folder);
  assertEquals(library.list(), kept);
  assertEquals(kept.map((file) => file.name as string), ["a.bin", "other/name.bin"]);
  assertEquals(library.get("a.bin"), kept[0]);
  assertEquals(library.find(content), [kept[0]!]);
  assertEquals(library.find({ ...content, bytes: 64 }), []);
  assertEquals(library.layer(content), hashed(pattern(300_000)).layer);
  assertEquals(library.layer({ ...content, bytes: 64 }), undefined);
});

Deno.test("share() names a folder's files below the folder's own name, in order", async () => {
  using folder = tempFolder();
  const root = makeFiles(`${folder.path}/trip`, { "b.jpg": "1", "a/2.jpg": "2", "a/deep/3.jpg": "3", ".hidden": "4" });
  using library = openLibrary(folder);
  const events = await shareAll(library, `${root}/`);
  assertEquals(namesOf(events), ["trip/.hidden", "trip/a/2.jpg", "trip/a/deep/3.jpg", "trip/b.jpg"]);
  const renamed = await shareAll(library, root, { name: "holiday" });
  assertEquals(namesOf(renamed)[0], "holiday/.hidden");
});

Deno.test("share() skips what a folder must not share, and says each", async () => {
  using folder = tempFolder();
  const secret = makeFiles(folder.path, { "secret.txt": "x" }) + "/secret.txt";
  const root = makeFiles(`${folder.path}/box`, {
    "good.txt": "1",
    "sub/also.txt": "2",
    "half.iso.part": "3",
    "CON.txt": "4",
    "line\nbreak": "5",
    "cafe\u0301": "6",
    "caf\u00e9": "7",
  });
  Deno.symlinkSync(secret, `${root}/out`);
  Deno.symlinkSync(folder.path, `${root}/up`);
  Deno.symlinkSync("good.txt", `${root}/in`);
  Deno.symlinkSync("sub", `${root}/folder`);
  Deno.symlinkSync("half.iso.part", `${root}/unfinished`);
  Deno.symlinkSync("nowhere", `${root}/dangling`);
  new Deno.Command("mkfifo", { args: [`${root}/pipe`] }).outputSync();
  using library = openLibrary(folder);
  const events = await shareAll(library, root);
  assertEquals(namesOf(events).sort(), ["box/café", "box/good.txt", "box/in", "box/sub/also.txt"]);
  assertEquals(library.get("box/in")?.path, `${root}/good.txt`);
  const reasons = skippedOf(events, root);
  assertEquals(reasons, {
    "CON.txt": "its name cannot be shared: it names a device",
    "caf\u00e9": "another file has the same name in another Unicode form",
    dangling: `Cannot follow ${root}/dangling: there is no such file or folder`,
    folder: "it is a symbolic link to something other than a file",
    "half.iso.part": "it is an unfinished download; share it by its own path if you mean it",
    "line\nbreak": "its name cannot be shared: it has control or text direction characters",
    out: "it is a symbolic link that leads out of the shared folder",
    pipe: "it is not a regular file",
    unfinished: "it is a symbolic link to an unfinished download",
    up: "it is a symbolic link that leads out of the shared folder",
  });
});

Deno.test("share() does not walk out through a folder that is swapped for a link meanwhile", async () => {
  using folder = tempFolder();
  makeFiles(folder.path, { "outside/secret": "x", "box/a": pattern(2 * mib), "box/sub/secret": "y" });
  const sub = `${folder.path}/box/sub`;
  using library = openLibrary(folder);
  const events = await shareAll(library, `${folder.path}/box`, {
    onProgress(name) {
      if (!name.endsWith("/a") || Deno.lstatSync(sub).isSymlink) return;
      Deno.renameSync(sub, `${folder.path}/moved`);
      Deno.symlinkSync(`${folder.path}/outside`, sub);
    },
  });
  assertEquals(namesOf(events), ["box/a"]);
  assertEquals(skippedOf(events, folder.path), {
    "box/sub/secret": `Cannot share ${sub}/secret: a symbolic link came in its way`,
  });
});

Deno.test("share() takes a link that the user names if it leads to a file, by the file's real path", async () => {
  using folder = tempFolder();
  makeFiles(folder.path, { "real/file.txt": "x", "real/half.part": "y" });
  Deno.symlinkSync(`${folder.path}/real/file.txt`, `${folder.path}/link.txt`);
  Deno.symlinkSync(`${folder.path}/real`, `${folder.path}/linked`);
  using library = openLibrary(folder);
  const [event] = await shareAll(library, `${folder.path}/link.txt`);
  assertEquals(event?.kind, "shared");
  assertEquals(library.get("link.txt")?.path, `${folder.path}/real/file.txt`);
  const error = await assertRejects(() => shareAll(library, `${folder.path}/linked`), StoreError, "link to a folder");
  assertEquals(error.code, "usage");
  assertEquals(namesOf(await shareAll(library, `${folder.path}/linked/half.part`)), ["half.part"]);
});

Deno.test("share() refuses a path that is missing, no file, or has a name that others cannot take", async () => {
  using folder = tempFolder();
  makeFiles(folder.path, { "a\nb": "x", good: "y" });
  using library = openLibrary(folder);
  const rows: [string, ShareOptions, string][] = [
    ["missing", {}, "notFound"],
    ["a\nb", {}, "unsafeName"],
    ["good", { name: "../up" }, "unsafeName"],
  ];
  for (const [path, options, code] of rows) {
    const error = await assertRejects(() => shareAll(library, `${folder.path}/${path}`, options), ShoalError);
    assertEquals(error.code, code);
  }
  await assertRejects(() => shareAll(library, "/dev/null"), StoreError, "neither a file nor a folder");
  assertEquals(library.list(), []);
});

Deno.test("share() replaces the file of the same name, and says what it replaced", async () => {
  using folder = tempFolder();
  makeFiles(folder.path, { "one/x": "first", "two/x": "second" });
  using library = openLibrary(folder);
  await shareAll(library, `${folder.path}/one/x`);
  const first = library.get("x");
  const [again] = await shareAll(library, `${folder.path}/one/x`);
  assertEquals(again?.kind === "shared" && again.replaced, undefined);
  const [other] = await shareAll(library, `${folder.path}/two/x`);
  assertEquals(other?.kind === "shared" && other.replaced, first);
  assertEquals(library.list().map((file) => file.path), [`${folder.path}/two/x`]);
});

Deno.test("share() hashes a file once, until it changes", async () => {
  using folder = tempFolder();
  makeFiles(folder.path, { x: pattern(mib) });
  using library = openLibrary(folder);
  let steps = 0;
  const onProgress = () => steps++;
  await shareAll(library, `${folder.path}/x`, { onProgress });
  const hashing = steps;
  await shareAll(library, `${folder.path}/x`, { onProgress, name: "y" });
  library.remove(["x", "y"]);
  await shareAll(library, `${folder.path}/x`, { onProgress });
  assertEquals([hashing > 0, steps], [true, hashing]);
  Deno.writeFileSync(`${folder.path}/x`, pattern(mib, 2));
  await shareAll(library, `${folder.path}/x`, { onProgress });
  assertEquals(steps, 2 * hashing);
  assertEquals(library.get("x")?.content, hashed(pattern(mib, 2)).content);
});

Deno.test("share() stops when its signal is aborted and keeps what it told", async () => {
  using folder = tempFolder();
  const files = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`${String(i).padStart(3, "0")}`, `${i}`]));
  makeFiles(`${folder.path}/many`, files);
  using library = openLibrary(folder);
  const stop = new AbortController();
  const reason = new ShoalError("interrupted", "enough");
  const told: string[] = [];
  const error = await assertRejects(async () => {
    for await (const event of library.share(`${folder.path}/many`, { signal: stop.signal })) {
      if (event.kind === "shared") told.push(event.file.name);
      if (told.length === 64) stop.abort(reason);
    }
  });
  assertEquals(error, reason);
  assertEquals(library.list().map((file) => file.name as string), told);
});

Deno.test("share() does not take the abort of its last file for a fault of that file", async () => {
  using folder = tempFolder();
  makeFiles(`${folder.path}/one`, { x: pattern(4 * mib) });
  using library = openLibrary(folder);
  const stop = new AbortController();
  const reason = new ShoalError("interrupted", "enough");
  const onProgress = () => stop.abort(reason);
  const sharing = shareAll(library, `${folder.path}/one`, { signal: stop.signal, onProgress });
  assertEquals(await assertRejects(() => sharing), reason);
});

Deno.test("remove() answers what it removed, and forgets it", async () => {
  using folder = tempFolder();
  makeFiles(`${folder.path}/f`, { a: "1", b: "2", c: "3" });
  using library = openLibrary(folder);
  await shareAll(library, `${folder.path}/f`);
  const removed = library.remove(["f/a", "nothing", "f/c", "f/a"]);
  assertEquals(removed.map((file) => file.name as string), ["f/a", "f/c"]);
  assertEquals(library.list().map((file) => file.name as string), ["f/b"]);
});

Deno.test("digest() is the exclusive or of its entries' hashes, whatever came between", async () => {
  using folder = tempFolder();
  makeFiles(`${folder.path}/f`, { a: "1", b: "2", c: "3" });
  makeFiles(`${folder.path}/g`, { a: "9" });
  const expected = (library: Library) =>
    library.list().map((file) => entryHash(file)).reduce(xorBytes, new Uint8Array(32));
  using library = openLibrary(folder);
  assertEquals(library.digest(), new Uint8Array(32));
  await shareAll(library, `${folder.path}/f`);
  assertEquals(library.digest(), new Uint8Array(expected(library)));
  await shareAll(library, `${folder.path}/g`, { name: "f" });
  await shareAll(library, `${folder.path}/f/b`, { name: "f/b" });
  library.remove(["f/c", "nothing"]);
  assertEquals(library.digest(), new Uint8Array(expected(library)));
  using again = openLibrary(folder);
  assertEquals(again.digest(), library.digest());
});

Deno.test("a change that the database refuses leaves list and digest as they were", async () => {
  using folder = tempFolder();
  makeFiles(`${folder.path}/f`, { a: "1", b: "2" });
  using library = openLibrary(folder);
  await shareAll(library, `${folder.path}/f`);
  const before = [library.digest(), library.list()];
  using other = new DatabaseSync(`${folder.path}/state/library.db`);
  other.exec("CREATE TRIGGER no BEFORE DELETE ON entries WHEN old.name = 'f/b' BEGIN SELECT RAISE(ABORT, 'no'); END");
  assertThrows(() => library.remove(["f/a", "f/b"]), StoreError, "library.db");
  assertEquals([library.digest(), library.list()], before);
});

Deno.test("refresh() finds what changed and what vanished", async () => {
  using folder = tempFolder();
  const root = makeFiles(`${folder.path}/f`, {
    same: "1",
    written: "2",
    gone: "3",
    swapped: "4",
    "sub/lost": "5",
    "loop/out": "6",
  });
  using library = openLibrary(folder);
  await shareAll(library, root);
  assertEquals(await library.refresh(), []);
  Deno.removeSync(`${root}/loop`, { recursive: true });
  Deno.symlinkSync("loop", `${root}/loop`); // Looking at what was below it fails, as in a folder without permission.
  Deno.writeTextFileSync(`${root}/written`, "x");
  Deno.removeSync(`${root}/gone`);
  Deno.removeSync(`${root}/swapped`);
  Deno.symlinkSync(`${root}/same`, `${root}/swapped`);
  Deno.removeSync(`${root}/sub`, { recursive: true });
  Deno.writeTextFileSync(`${root}/sub`, "now a file");
  const stale = await library.refresh();
  assertEquals(Object.fromEntries(stale.map(({ file, kind }) => [file.name, kind])), {
    "f/gone": "vanished",
    "f/loop/out": "vanished",
    "f/sub/lost": "vanished",
    "f/swapped": "vanished",
    "f/written": "changed",
  });
});

Deno.test("the library is its owner's alone, and one of a newer version is left as it is", async () => {
  using folder = tempFolder();
  makeFiles(folder.path, { x: "1" });
  const path = `${folder.path}/state/library.db`;
  {
    using library = openLibrary(folder);
    await shareAll(library, `${folder.path}/x`);
    assertEquals(Deno.statSync(`${folder.path}/state`).mode! & 0o777, 0o700);
    for (const suffix of ["", "-wal", "-shm"]) assertEquals(Deno.statSync(path + suffix).mode! & 0o777, 0o600, suffix);
  }
  {
    using db = new DatabaseSync(path);
    db.exec("PRAGMA user_version = 3");
    using cache = new DatabaseSync(`${folder.path}/cache/hashes.db`);
    cache.exec("PRAGMA user_version = 2");
  }
  const files = [path, `${folder.path}/cache/hashes.db`];
  const stored = files.map((file) => Deno.readFileSync(file));
  const error = assertThrows(() => openLibrary(folder), StoreError, "it has schema 3, and this program knows 2");
  assertEquals([error.code, error.path], ["version", path]);
  assertEquals(files.map((file) => Deno.readFileSync(file)), stored, "the cache of that newer program stays too");
});

Deno.test("alike() finds the same content, the same last name and pieces in the same places, and nothing else", async () => {
  using folder = tempFolder();
  const pieceBytes = 256 * 1024;
  const wanted = pattern(5 * pieceBytes);
  const near = wanted.slice();
  near[0]! ^= 1;
  near[pieceBytes]! ^= 1;
  const nearer = wanted.slice(0, 4 * pieceBytes);
  const shifted = new Uint8Array(5 * pieceBytes);
  shifted.set(wanted.subarray(pieceBytes));
  makeFiles(folder.path, {
    ...{ "near": near, "nearer": nearer, "same": wanted, "shifted": shifted },
    ...{ "other": pattern(5 * pieceBytes, 9), "film.mkv": pattern(9, 3), "xfilm.mkv": pattern(9, 4) },
  });
  using library = openLibrary(folder);
  for (const name of ["near", "nearer", "same", "shifted", "other", "xfilm.mkv"]) {
    await shareAll(library, `${folder.path}/${name}`);
  }
  await shareAll(library, `${folder.path}/film.mkv`, { name: "films/film.mkv" });
  const alike = (name: string) => library.alike(name, manifestOf(wanted)).map((file) => file.name as string);
  assertEquals(alike("a/film.mkv"), ["same", "films/film.mkv", "nearer", "near"]);
  assertEquals(alike("shifted"), ["same", "shifted", "nearer", "near"]);
  assertEquals(alike("100%"), ["same", "nearer", "near"]);
  assertEquals(library.alike("x", manifestOf(pattern(7, 8))), []);
});

Deno.test("share() keeps for whom a file is and what it is, and goes by what it is told alone", async () => {
  using folder = tempFolder();
  makeFiles(folder.path, { x: "1" });
  const path = `${folder.path}/x`;
  const audience = [{ kind: "account", name: "bob" }, { kind: "group", name: "friends" }] as const;
  {
    using library = openLibrary(folder);
    await shareAll(library, path);
    assertEquals([library.get("x")!.audience, library.get("x")!.description], [null, ""]);
    await shareAll(library, path, { audience, description: "a plan" });
    await shareAll(library, path);
  }
  using again = openLibrary(folder);
  assertEquals([again.get("x")!.audience, again.get("x")!.description], [audience, "a plan"]);
  await shareAll(again, path, { audience: [] });
  assertEquals([again.get("x")!.audience, again.get("x")!.description], [[], "a plan"]);
  await shareAll(again, path, { audience: null, description: "" });
  assertEquals([again.get("x")!.audience, again.get("x")!.description], [null, ""]);
});

Deno.test("a library of the first schema is opened with its entries for everyone", async () => {
  using folder = tempFolder();
  makeFiles(folder.path, { x: "1" });
  {
    using library = openLibrary(folder);
    await shareAll(library, `${folder.path}/x`);
  }
  {
    using db = new DatabaseSync(`${folder.path}/state/library.db`);
    db.exec("ALTER TABLE entries DROP COLUMN audience; ALTER TABLE entries DROP COLUMN description");
    db.exec("PRAGMA user_version = 1");
  }
  using library = openLibrary(folder);
  assertEquals(library.list().map(({ name, audience, description }) => [name, audience, description]), [[
    "x",
    null,
    "",
  ]]);
});
