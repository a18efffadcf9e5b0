import { assertEquals, assertThrows } from "@std/assert";
import {
  basename,
  DELIMITER,
  dirname,
  extname,
  fromFileUrl,
  isAbsolute,
  join,
  normalize,
  relative,
  resolve,
  SEPARATOR,
  toFileUrl,
} from "@std/path";

const posix = { ignore: Deno.build.os === "windows" } as const;

Deno.test("basename(), dirname() and extname() take a path apart", posix, () => {
  const table: [path: string, base: string, folder: string, extension: string][] = [
    ["/a/b.tar.gz", "b.tar.gz", "/a", ".gz"],
    ["a//b//", "b", "a", ""],
    ["/", "/", "/", ""],
    ["//a", "a", "/", ""],
    ["", "", ".", ""],
    [".rc", ".rc", ".", ""],
  ];
  for (const [path, base, folder, extension] of table) {
    assertEquals([basename(path), dirname(path), extname(path)], [base, folder, extension], path);
  }
  assertEquals(basename("/a/b.ts", ".ts"), "b");
  assertEquals(basename("/a/.ts", ".ts"), ".ts");
});

Deno.test("join(), normalize(), relative() and resolve() put paths together", posix, () => {
  assertEquals(join("a", "..", "b", "./c"), "b/c");
  assertEquals(join(""), ".");
  assertEquals(normalize("/a/../../b/"), "/b/");
  assertEquals(relative("/a/b", "/a/c/d"), "../c/d");
  assertEquals(resolve("/a", "b", "/c", "d"), "/c/d");
  assertEquals(resolve("x"), `${Deno.cwd()}/x`);
  assertEquals([isAbsolute("/a"), isAbsolute("a")], [true, false]);
  assertEquals([SEPARATOR, DELIMITER], ["/", ":"]);
});

Deno.test("toFileUrl() and fromFileUrl() keep every sign of a path", posix, () => {
  for (const path of ["/a b/c%20d", "/?#\\", "/ü\t\n ", "/a//b/", "/%zz"]) {
    assertEquals(fromFileUrl(toFileUrl(path)), path);
    assertEquals(fromFileUrl(toFileUrl(path).href), path);
  }
});

Deno.test("toFileUrl() refuses a relative path, fromFileUrl() another URL", () => {
  assertThrows(() => toFileUrl("a"), TypeError);
  assertThrows(() => fromFileUrl("https://a/b"), TypeError);
  assertThrows(() => fromFileUrl("a/b"), TypeError);
});
