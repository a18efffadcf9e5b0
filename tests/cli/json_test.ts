import { assert, assertEquals } from "@std/assert";
import { formatJsonLine, JsonLines } from "../../lib/cli/json.ts";
import type { PeerEvent } from "../../lib/peer/commands.ts";
import { jsonExamples } from "../../scripts/docs_cli.ts";
import { MemoryScreen } from "./fakes.ts";

const id = "0123456789abcdef".repeat(4);

/** The lines that scripts rely on. A change here breaks them. */
const goldens: Readonly<Record<PeerEvent["type"], string>> = {
  ready: '{"type":"ready","v":1,"program":"peer","address":"127.0.0.1","port":41234,"account":"ada","device":"laptop"}',
  peer: '{"type":"peer","account":"ada","device":"laptop","online":true,"changedAtMs":1700000000000}',
  file: `{"type":"file","name":"talk.pdf","bytes":1500000,"id":"${id}","holders":2,"sharedAtMs":1699990000000}`,
  watch: '{"type":"watch","number":1,"words":["linux","ext:iso"],"state":"watching"}',
  unwatched: '{"type":"unwatched","number":1,"words":["linux","ext:iso"]}',
  found:
    `{"type":"found","name":"linux 1.iso","bytes":1500000,"id":"${id}","holders":1,"sharedAtMs":1699990000000,"description":"the new one","watch":1}`,
  shared: `{"type":"shared","name":"talk.pdf","bytes":1500000,"id":"${id}"}`,
  removed: '{"type":"removed","name":"talk.pdf"}',
  progress:
    '{"type":"progress","name":"talk.pdf","doneBytes":524288,"totalBytes":1500000,"activity":"fetch","bytesPerSecond":35200000,"holders":2,"path":"direct"}',
  fetching: '{"type":"fetching","name":"talks/*","files":40,"bytes":60000000}',
  summary:
    '{"type":"summary","name":"talks/*","files":40,"done":40,"bytes":60000000,"fetchedBytes":58500000,"tookMs":812}',
  fetched:
    `{"type":"fetched","name":"talk.pdf","path":"/home/bob/talk.pdf","bytes":1500000,"id":"${id}","holders":[{"account":"ada","device":"laptop","bytes":1200000}],"refetchedBytes":0,"fetchedBytes":1200000,"reusedBytes":300000,"wireBytes":1200062,"tookMs":43}`,
  status:
    '{"type":"status","online":true,"account":"ada","device":"laptop","coordinator":"127.0.0.1:5000","address":"127.0.0.1","port":41234,"reachable":"unknown","shares":3,"uploads":0,"downloads":1,"roundTripMs":0.4,"home":"/home/ada/.local/state/shoal"}',
  transfer:
    `{"type":"transfer","number":1,"direction":"down","name":"talk.pdf","id":"${id}","account":"","device":"","doneBytes":524288,"totalBytes":1500000,"bytesPerSecond":0,"state":"waiting","priority":"high","place":1,"why":"for a holder"}`,
  listed: '{"type":"listed","atMs":1700000000000}',
  receipt:
    `{"type":"receipt","name":"talk.pdf","path":"/home/bob/talk.pdf","bytes":1500000,"id":"${id}","holders":[{"account":"ada","device":"laptop","deviceId":"${
      "fedcba9876543210".repeat(4)
    }","bytes":1500000}],"fetchedBytes":1500000,"startedAtMs":1700000000000,"finishedAtMs":1700000000043,"coordinator":"127.0.0.1:5000"}`,
  limit:
    '{"type":"limit","direction":"up","number":null,"name":"","bytesPerSecond":2000000,"by":"schedule","window":"09:00-17:00","lanUnlimited":false}',
  verified:
    `{"type":"verified","path":"/home/bob/talk.pdf","bytes":1500000,"id":"${id}","name":"talk.pdf","by":"network"}`,
  fingerprint: '{"type":"fingerprint","account":"ada","fingerprint":"amber-basin-cedar","trust":"remembered"}',
  registered: '{"type":"registered","account":"ada"}',
  passwordChanged: '{"type":"passwordChanged","account":"ada","everywhere":false}',
  device:
    '{"type":"device","device":"laptop","isThis":true,"online":true,"changedAtMs":1700000000000,"enrolledAtMs":1690000000000}',
  revoked: '{"type":"revoked","device":"old-laptop"}',
  loggedOut: '{"type":"loggedOut","account":"ada","device":"laptop"}',
  trusted: '{"type":"trusted","account":"ada","fingerprint":"amber-basin-cedar"}',
  ambiguous:
    `{"type":"ambiguous","name":"talk.pdf","choices":[{"type":"file","name":"talk.pdf","bytes":1500000,"id":"${id}","holders":2,"sharedAtMs":1699990000000},{"type":"file","name":"talk.pdf","bytes":900,"id":"${id}","holders":1,"sharedAtMs":1699990000000}]}`,
  note: '{"type":"note","message":"Connected again"}',
  error: '{"type":"error","code":"notFound","message":"Cannot fetch \\"x\\": nobody online shares it","hint":""}',
};

Deno.test("formatJsonLine() writes the lines that are documented", () => {
  for (const [type, golden] of Object.entries(goldens)) {
    const { event } = jsonExamples[type as PeerEvent["type"]];
    assertEquals(formatJsonLine(event, false), golden, type);
  }
});

Deno.test("formatJsonLine() writes the version into the first line, whatever that is", () => {
  const { event } = jsonExamples.removed;
  assertEquals(formatJsonLine(event, true), '{"type":"removed","v":1,"name":"talk.pdf"}');
  assertEquals(formatJsonLine(jsonExamples.ready.event, true), goldens.ready);
});

Deno.test("formatJsonLine() escapes what would act on a terminal or end a line, and loses nothing", () => {
  const name = "a\x1b[2J\x7f\x9b\u202e\u200b\u2028\n\ud800 日本 😀 \u{e0041}";
  const line = formatJsonLine({ type: "removed", name }, false);
  // deno-lint-ignore no-control-regex
  assert(!/[\x00-\x1f\x7f-\x9f\u200b\u2028\u202e]|\p{Cf}/u.test(line), line);
  assertEquals(JSON.parse(line).name, name);
});

Deno.test("JsonLines writes results and errors to stdout and notes to stderr", () => {
  const screen = new MemoryScreen();
  const lines = new JsonLines(screen, () => 0, false);
  for (const { event } of Object.values(jsonExamples)) lines.show(event);
  assertEquals(screen.dataLines.length, Object.keys(jsonExamples).length - 1);
  assertEquals(screen.dataLines.filter((line) => "v" in JSON.parse(line)).length, 1);
  assertEquals(screen.noticeLines, ["Connected again"]);
});

Deno.test("JsonLines writes at most ten progress lines a second in all, and no file starves", () => {
  const screen = new MemoryScreen();
  let nowMs = 0;
  const lines = new JsonLines(screen, () => nowMs, false);
  for (; nowMs < 3_000; nowMs += 10) {
    for (const name of ["a", "b", "c"]) lines.show({ type: "progress", name, doneBytes: nowMs, totalBytes: 3_000 });
  }
  const names = screen.dataLines.map((line) => JSON.parse(line).name);
  assert(names.length <= 30, String(names.length));
  for (const name of ["a", "b", "c"]) assert(names.filter((one) => one === name).length >= 9, name);
});

Deno.test("JsonLines writes no progress of a file after the line that it is fetched", () => {
  const screen = new MemoryScreen();
  let nowMs = 0;
  const lines = new JsonLines(screen, () => nowMs, false);
  const progress = (name: string) => lines.show({ type: "progress", name, doneBytes: 1, totalBytes: 2 });
  progress("talk.pdf");
  progress("talk.pdf");
  lines.show(jsonExamples.fetched.event);
  nowMs += 100;
  progress("other");
  assertEquals(screen.dataLines.map((line) => JSON.parse(line)).map(({ type, name }) => [type, name]), [
    ["progress", "talk.pdf"],
    ["fetched", "talk.pdf"],
    ["progress", "other"],
  ]);
});

Deno.test("JsonLines writes no progress of many files after their summary", () => {
  const screen = new MemoryScreen();
  let nowMs = 0;
  const lines = new JsonLines(screen, () => nowMs, false);
  const progress = (name: string) => lines.show({ type: "progress", name, doneBytes: 1, totalBytes: 2 });
  progress("talks/*");
  progress("talks/*");
  lines.show(jsonExamples.summary.event);
  nowMs += 100;
  progress("other");
  assertEquals(screen.dataLines.map((line) => JSON.parse(line).name), ["talks/*", "talks/*", "other"]);
});
