import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { posix, win32 } from "node:path";
import { foldName, safePath, unsafeName } from "../../lib/content/safe_path.ts";

function reasonFor(name: string): string {
  const path = safePath(name);
  return path.ok ? `taken as ${path.value}` : path.error;
}

Deno.test("safePath() takes ordinary names as they are", () => {
  const names = [
    "a",
    "report.pdf",
    "folder/sub folder/file.tar.gz",
    ".profile",
    "..a",
    "a..b",
    "12:30 notes.txt",
    "-rf",
    "~",
    '"; rm -rf ~; "',
    "naïve.txt",
    "写真/夏.jpg",
    "👨‍👩‍👧.png",
    "CONTRACT.doc",
    "com.txt",
    "COM10",
    "nully",
    "aux1",
    "x.part",
  ]; // deno-fmt-ignore
  for (const name of names) assertEquals(safePath(name), { ok: true, value: name as never });
});

Deno.test("safePath() refuses every way out, with its reason", () => {
  const outside = "it leads out of its folder";
  const device = "it names a device";
  const control = "it has control or text direction characters";
  const ending = "it has a component that ends in a dot or a space";
  const rows: [string, string][] = [
    ["", "it is empty"],
    ["..", outside],
    [".", outside],
    ["../x", outside],
    ["a/../b", outside],
    ["a/..", outside],
    ["./a", outside],
    ["/etc/passwd", "it is an absolute path"],
    ["//server/share", "it is an absolute path"],
    ["a//b", "it has an empty component"],
    ["a/", "it has an empty component"],
    ["C:", "it has a drive letter"],
    ["c:x", "it has a drive letter"],
    ["a/d:/x", "it has a drive letter"],
    ["a\\b", "it has a backslash"],
    ["\\\\server\\share", "it has a backslash"],
    ["..\\..\\x", "it has a backslash"],
    ["a\0b", control],
    ["a\nb", control],
    ["a\x1b[2Jb", control],
    ["a\x7f", control],
    ["a\x9b31m", control],
    ["a\u2028b", control],
    ["invoice\u202egnp.exe", control],
    ["a\u2066b", control],
    ["a\u061cb", control],
    ["CON", device],
    ["nul.txt", device],
    ["a/Aux.tar.gz", device],
    ["PRN/x", device],
    ["com1", device],
    ["LPT9.log", device],
    ["COM\u00b9", device],
    ["lpt\u00b3.txt", device],
    ["CONIN$", device],
    ["nul .txt", device],
    ["a.", ending],
    ["a ", ending],
    ["...", ending],
    ["a /b", ending],
    ["a./b", ending],
    ["\ud800", "it is not valid Unicode"],
    ["a\ufffdb", "it is not valid Unicode"],
    ["é".repeat(121), "it has a component that is too long"],
    ["x".repeat(241), "it has a component that is too long"],
    [`${"x".repeat(200)}/${"y".repeat(200)}`, "it is too long"],
    ["x".repeat(1_000_000), "it is too long"],
  ];
  for (const [name, reason] of rows) assertEquals(reasonFor(name), reason, JSON.stringify(name.slice(0, 40)));
});

Deno.test("safePath() takes names at the limits", () => {
  assert(safePath("x".repeat(240)).ok);
  assert(safePath("é".repeat(120)).ok);
  assert(safePath(`${"x".repeat(200)}/${"y".repeat(199)}`).ok);
});

Deno.test("safePath() never lets a name leave its folder, whatever it is made of", () => {
  const hostile = fc.constantFrom(
    "..",
    ".",
    "/",
    "\\",
    "C:",
    "c",
    ":",
    "con",
    "NUL",
    " ",
    "\0",
    "\n",
    "\u202e",
    "e\u0301",
    "a",
    "\u0130",
  );
  const names = fc.oneof(
    fc.array(hostile, { maxLength: 8 }).map((parts) => parts.join("")),
    fc.string({ unit: "binary", maxLength: 20 }),
    fc.string({ unit: "grapheme", maxLength: 20 }),
  );
  fc.assert(
    fc.property(names, (name) => {
      const path = safePath(name);
      if (!path.ok) return;
      const value: string = path.value;
      assert(posix.resolve("/home/me", value).startsWith("/home/me/"));
      assert(win32.resolve("D:\\home\\me", value).startsWith("D:\\home\\me\\"));
      assertEquals(posix.normalize(value), value);
      assertEquals(value, value.normalize("NFC"));
      assertEquals(safePath(value), path, "a safe path is safe again");
    }),
    { numRuns: 2000 },
  );
});

Deno.test("two spellings of one name become one path", () => {
  const [composed, decomposed] = ["caf\u00e9.txt", "cafe\u0301.txt"];
  assertEquals(safePath(decomposed), safePath(composed));
});

Deno.test("foldName() gives one key to names that one file system entry could hold", () => {
  const same = [["README.md", "readme.MD"], ["café", "CAFE\u0301"], ["straße", "STRASSE"], ["Σίσυφος", "σίσυφοσ"], [
    "ﬁ",
    "FI",
  ]];
  for (const [a, b] of same) assertEquals(foldName(a!), foldName(b!), `${a} ${b}`);
  assert(foldName("a.txt") !== foldName("b.txt"));
  assert(foldName("e") !== foldName("é"));
});

Deno.test("unsafeName() is an error that can be printed as it is", () => {
  const error = unsafeName("a\x1b[2J", "it has control characters");
  assertEquals([error.code, error.message], [
    "unsafeName",
    'Cannot use the name "a\\x1b[2J": it has control characters',
  ]);
});
