import { assertEquals } from "@std/assert";
import { completeLine, type CompletionSources } from "../../lib/cli/completion.ts";
import { scanWords } from "../../lib/cli/words.ts";

const folders: Readonly<Record<string, readonly (readonly [name: string, isFolder: boolean])[]>> = {
  "/here": [["talk.pdf", false], ["my films", true], ["music", true], [".hidden", false], ["evil\x1b[2J", false]],
  "/here/my films": [["one.mp4", false]],
  "/here/my films/": [["one.mp4", false]],
  "/home/ada": [["Pictures", true]],
  "/home/ada/": [["Pictures", true]],
  "/": [["etc", true]],
};
const names = ["holiday.mp4", "my file.txt", "mine.txt", 'say "x"', "evil\x1b]0;x\x07", "exe.\u202etxt"];

const sources: CompletionSources = {
  cwd: "/here",
  homeFolder: "/home/ada",
  knownNames: () => Promise.resolve(names),
  listFolder(path) {
    const entries = folders[path];
    if (entries === undefined) return Promise.reject(new Deno.errors.NotFound(path));
    return Promise.resolve(entries.map(([name, isFolder]) => ({ name, isFolder })));
  },
};

Deno.test("completeLine() offers what fits where the cursor is", async () => {
  const cases: readonly (readonly [line: string, hits: readonly string[], replaced: string])[] = [
    ["f", ["fetch ", "find ", "fingerprint "], "f"],
    ["ex", ["exit "], "ex"],
    ["help tr", ["transfers ", "trust "], "tr"],
    ["fetch h", ["holiday.mp4 "], "h"],
    ["fetch my", ['"my file.txt" '], "my"],
    ['fetch "my', ['"my file.txt" '], '"my'],
    ["fetch 'my", ["'my file.txt' "], "'my"],
    ["fetch my\\ f", ['"my file.txt" '], "my\\ f"],
    ["fetch say", ['"say \\"x\\"" '], "say"],
    ["fetch holiday.mp4 h", [], "h"],
    ["remove mi", ["mine.txt "], "mi"],
    ["pause ", ["all "], ""],
    ["priority 3 h", ["high "], "h"],
    ["cancel 3 ", [], ""],
    ["fetch --o", ["--overwrite "], "--o"],
    ["fetch x --dir m", ['"my films/', "music/"], "m"],
    ["share t", ["talk.pdf "], "t"],
    ["share ", ['"my films/', "music/", "talk.pdf "], ""],
    ["share .h", [".hidden "], ".h"],
    ["share my", ['"my films/'], "my"],
    ['share "my films/', ['"my films/one.mp4" '], '"my films/'],
    ["share ~", ["~/"], "~"],
    ["share ~/P", ["~/Pictures/"], "~/P"],
    ["share /e", ["/etc/"], "/e"],
    ["share nowhere/x", [], "nowhere/x"],
    ["verify talk.pdf ", [], ""],
    ["peers x", [], "x"],
    ["nonsense x", [], "x"],
  ];
  for (const [line, hits, replaced] of cases) {
    assertEquals(await completeLine(line, sources), [[...hits], replaced], line);
  }
});

Deno.test("completeLine() offers no name that would act on the terminal", async () => {
  for (const line of ["fetch ", "fetch e", "share ", "share e"]) {
    const [hits] = await completeLine(line, sources);
    // deno-lint-ignore no-control-regex
    assertEquals(hits.filter((hit) => /[\x00-\x1f\u202e]/.test(hit)), [], line);
  }
});

Deno.test("completeLine() offers words that are read back as the name", async () => {
  const [hits] = await completeLine("fetch ", sources);
  const read = hits.map((hit) => scanWords(hit).words.map(({ text }) => text));
  assertEquals(read, [["my file.txt"], ['say "x"'], ["holiday.mp4"], ["mine.txt"]]);
});

Deno.test("completeLine() offers nothing where names cannot be had", async () => {
  const broken = { ...sources, knownNames: () => Promise.reject(new Error("gone")) };
  assertEquals(await completeLine("fetch h", broken), [[], "h"]);
});
