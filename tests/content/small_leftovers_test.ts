import { assert, assertEquals } from "@std/assert";
import { basename } from "@std/path";
import { SmallLeftovers } from "../../lib/content/small_leftovers.ts";
import { namesIn } from "./download.ts";
import { type TempFolder, tempFolder } from "./fixtures.ts";

const stateOf = (folder: TempFolder) => `${folder.path}/state`;
const listsIn = (folder: TempFolder) => namesIn(stateOf(folder));

/** A run that crashed: its list is there, and nobody has it locked; answers the path of each of its partial files. */
function crashed(folder: TempFolder, names: readonly string[], change: (list: string) => string = (list) => list) {
  const copy = `${folder.path}/copy`;
  let list = "";
  const paths: string[] = [];
  {
    using run = SmallLeftovers.begin(stateOf(folder));
    paths.push(...names.map((name) => `${folder.path}/${name}${run.suffix}`));
    run.note(paths);
    list = listsIn(folder).at(-1)!;
    Deno.copyFileSync(`${stateOf(folder)}/${list}`, copy);
  }
  Deno.writeTextFileSync(`${stateOf(folder)}/${list}`, change(Deno.readTextFileSync(copy)));
  Deno.removeSync(copy);
  for (const path of paths) Deno.writeTextFileSync(path, "half");
  return { paths, list };
}

const isThere = (path: string) => {
  try {
    return Deno.lstatSync(path) !== undefined;
  } catch {
    return false;
  }
};

Deno.test("what a crashed run left is taken away when the next begins, with its list", () => {
  using folder = tempFolder();
  const { paths } = crashed(folder, ["a", 'ü \n"b', "c"]);
  Deno.removeSync(paths[2]!);
  Deno.writeTextFileSync(`${folder.path}/a`, "whole");
  using run = SmallLeftovers.begin(stateOf(folder));
  assertEquals(paths.filter(isThere), []);
  assertEquals(Deno.readTextFileSync(`${folder.path}/a`), "whole");
  assertEquals(listsIn(folder).length, 1);
  assert(run.suffix.endsWith(".part"));
});

Deno.test("what a living run writes stays, and its list too", () => {
  using folder = tempFolder();
  using living = SmallLeftovers.begin(stateOf(folder));
  const path = `${folder.path}/a${living.suffix}`;
  living.note([path]);
  Deno.writeTextFileSync(path, "half");
  using other = SmallLeftovers.begin(stateOf(folder));
  assert(isThere(path));
  assert(other.suffix !== living.suffix, "each run has a word of its own");
  assertEquals(listsIn(folder).length, 2);
});

Deno.test("a list whose last line is torn takes away what its whole lines name", () => {
  using folder = tempFolder();
  const { paths } = crashed(folder, ["a", "b", "c"], (list) => list.slice(0, -7));
  using _run = SmallLeftovers.begin(stateOf(folder));
  assertEquals(paths.filter(isThere), [paths[2]!], "the third was not made when the line was torn");
});

Deno.test("a list is never followed to what its run did not make", () => {
  using folder = tempFolder();
  const innocent = ["plain", "a.part", "b.0000000000000000.part"].map((name) => `${folder.path}/${name}`);
  for (const path of innocent) Deno.writeTextFileSync(path, "mine");
  const junk = ['"', "7", "null", "{}", '["x"]', ""].join("\n");
  const { paths, list } = crashed(
    folder,
    ["x", "link", "folder"],
    (text) => innocent.map((path) => JSON.stringify(path)).join("\n") + `\n${junk}\n${text}`,
  );
  for (const path of paths.slice(1)) Deno.removeSync(path);
  Deno.symlinkSync(innocent[0]!, paths[1]!);
  Deno.mkdirSync(paths[2]!);
  using _run = SmallLeftovers.begin(stateOf(folder));
  assertEquals(innocent.filter(isThere), innocent);
  assertEquals(paths.map(isThere), [false, true, true], "a link and a folder are no partial file");
  assertEquals(listsIn(folder).includes(list), false);
});

Deno.test("other files of the folder stay, and a list that cannot be used does not stop a run", () => {
  using folder = tempFolder();
  Deno.mkdirSync(stateOf(folder));
  for (const name of ["abc.journal", "small"]) Deno.writeTextFileSync(`${stateOf(folder)}/${name}`, "x");
  Deno.mkdirSync(`${stateOf(folder)}/folder.small`);
  Deno.symlinkSync("/nowhere", `${stateOf(folder)}/link.small`);
  using run = SmallLeftovers.begin(stateOf(folder));
  const word = run.suffix.slice(1, -".part".length);
  assertEquals(listsIn(folder), ["abc.journal", "folder.small", "link.small", "small", `${word}.small`].sort());
  assertEquals(Deno.statSync(`${stateOf(folder)}/${word}.small`).mode! & 0o777, 0o600);
});

Deno.test("what cannot be taken away now stays on the list, and goes at a later start", () => {
  using folder = tempFolder();
  const { paths, list } = crashed(folder, ["in"]);
  const inner = `${folder.path}/deep`;
  Deno.mkdirSync(inner);
  const path = `${inner}/${basename(paths[0]!)}`;
  Deno.renameSync(paths[0]!, path);
  Deno.writeTextFileSync(`${stateOf(folder)}/${list}`, `${JSON.stringify(path)}\n`);
  Deno.chmodSync(inner, 0o500);
  {
    using _run = SmallLeftovers.begin(stateOf(folder));
  }
  // Root takes away what it likes.
  if (isThere(path)) assertEquals(listsIn(folder), [list]);
  Deno.chmodSync(inner, 0o700);
  using _run = SmallLeftovers.begin(stateOf(folder));
  assertEquals(isThere(path), false);
  assertEquals(listsIn(folder).includes(list), false);
});
