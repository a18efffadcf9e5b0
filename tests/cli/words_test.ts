import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { quoteWord, scanWords, shellQuote } from "../../lib/cli/words.ts";

const texts = (line: string) => scanWords(line).words.map(({ text }) => text);

Deno.test("scanWords() splits and unquotes as a shell does", () => {
  const cases: readonly (readonly [line: string, words: readonly string[]])[] = [
    ["", []],
    ["  peers  ", ["peers"]],
    ["fetch a b", ["fetch", "a", "b"]],
    ['fetch "a b" c', ["fetch", "a b", "c"]],
    ["fetch 'a \"b\\' c", ["fetch", 'a "b\\', "c"]],
    ["fetch a\\ b", ["fetch", "a b"]],
    ['fetch "a \\"b\\" \\\\ \\n"', ["fetch", 'a "b" \\ \\n']],
    ["fetch a'b c'd", ["fetch", "ab cd"]],
    ['fetch ""', ["fetch", ""]],
    ["find *.mp4 [a-z]?", ["find", "*.mp4", "[a-z]?"]],
    ["a\tb", ["a", "b"]],
  ];
  for (const [line, words] of cases) assertEquals(texts(line), words, line);
});

Deno.test("scanWords() tells what a line ends inside of", () => {
  assertEquals(scanWords('fetch "a b').open, '"');
  assertEquals(scanWords("fetch 'a").open, "'");
  assertEquals(scanWords("fetch a\\").open, "\\");
  assertEquals(scanWords("fetch a").open, undefined);
  assertEquals(scanWords("fetch a").inWord, true);
  assertEquals(scanWords("fetch a ").inWord, false);
  assertEquals(scanWords('fetch "a b').words[1], { text: "a b", start: 6, isHome: false });
});

Deno.test("scanWords() takes a bare ~ alone for the home folder", () => {
  const home = (line: string) => scanWords(line).words.map(({ isHome }) => isHome);
  assertEquals(home("share ~ ~/x ~ada '~/x' \"~\" \\~ a~"), [false, true, true, false, false, false, false, false]);
});

Deno.test("quoteWord() writes what scanWords() reads back, whatever the word is", () => {
  const word = fc.string({ unit: "binary", minLength: 1 });
  fc.assert(fc.property(word, (text) => assertEquals(texts(`x ${quoteWord(text)}`), ["x", text])));
  for (const text of ["a b", "", "~/x", "#x", "it's", 'say "x"', "back\\slash"]) {
    assertEquals(texts(quoteWord(text)), [text]);
  }
  assertEquals(quoteWord("plain-日本.mp4"), "plain-日本.mp4");
});

Deno.test("shellQuote() writes words that are harmless to print", () => {
  assertEquals(shellQuote("talk.pdf"), "talk.pdf");
  assertEquals(shellQuote('"; rm -rf ~; "'), `'"; rm -rf ~; "'`);
  assertEquals(shellQuote("it's"), `'it'\\''s'`);
  assertEquals(shellQuote("$(reboot)`x`"), "'$(reboot)`x`'");
  assertEquals(shellQuote("a\x1b[2J'\u202e"), `$'a\\x1b[2J\\'\\u202e'`);
  assertEquals(shellQuote(""), "''");
});

Deno.test("shellQuote() writes what a shell reads back", async () => {
  const words = [
    "",
    "a b",
    "it's",
    '"; rm -rf ~; "',
    "$HOME `id`",
    "back\\slash",
    "new\nline",
    "\x1b[31m",
    "日本 語",
    "*",
  ];
  const script = `printf '%s\\0' ${words.map(shellQuote).join(" ")}`;
  const { stdout } = await new Deno.Command("bash", { args: ["-c", script] }).output();
  assertEquals(new TextDecoder().decode(stdout).split("\0").slice(0, -1), words);
});
