import { assert, assertEquals } from "@std/assert";
import { type OneShotOptions, runOneShot } from "../../lib/cli/one_shot.ts";
import { jsonPresentation } from "../../lib/cli/presentation.ts";
import { textPresentation } from "../../lib/cli/text_presentation.ts";
import { ShoalError } from "../../lib/core/errors.ts";
import type { Command, FileEvent, PeerEvent } from "../../lib/peer/commands.ts";
import { end, FakeRunner, FakeSignals, forever, MemoryScreen, type Step, until } from "./fakes.ts";

const id = "ab".repeat(32);
const fetchA: Command = {
  command: "fetch",
  targets: [{ pattern: "a" }],
  folder: "/in",
  onExists: "refuse",
  timeoutMs: 60_000,
  sync: true,
};
const share: Command = { command: "share", paths: ["/a"] };
const ready = { type: "ready", v: 1, program: "peer", address: "::1", port: 1, account: "ada", device: "vm" } as const;
const shared: PeerEvent = { type: "shared", name: "a", bytes: 1, id };
const failed = (code: "notFound" | "io" | "interrupted"): PeerEvent => ({
  type: "error",
  code,
  message: "Cannot",
  hint: "",
});

/** Starts a command whose steps are given by the times it was asked. */
function start(
  command: Command,
  plays: readonly (readonly Step[])[],
  changes: Partial<OneShotOptions> & { json?: boolean } = {},
) {
  const { json = false, ...rest } = changes;
  const screen = new MemoryScreen();
  const signals = new FakeSignals();
  let times = 0;
  const runner = new FakeRunner(() => plays[times++]!);
  let exit: number | undefined;
  const result = runOneShot({
    runner,
    command,
    presentation: (json ? jsonPresentation : textPresentation)({
      screen,
      quiet: false,
      verbose: false,
      clock: () => 0,
    }),
    signals,
    ready: undefined,
    ended: undefined,
    ask: undefined,
    resumeLine: "peer 5000 fetch a",
    ...rest,
  }).then((exitCode) => exit = exitCode);
  return { screen, signals, runner, result, exit: () => exit };
}

Deno.test("runOneShot() ends with the command's exit code and listens no longer", async () => {
  const { result, screen, signals } = start({ command: "peers" }, [[failed("notFound"), end(3)]]);
  assertEquals(await result, 3);
  assertEquals([screen.dataLines, screen.noticeLines, signals.listening], [[], ["error: Cannot"], 0]);
});

Deno.test("runOneShot() has an exit code for a runner that throws or breaks off", async () => {
  const denied = start({ command: "peers" }, [[new ShoalError("denied", "Cannot: no")]]);
  assertEquals(await denied.result, 4);
  const broken = start({ command: "peers" }, [[{ type: "removed", name: "x" }]]);
  assertEquals(await broken.result, 5);
  assertEquals(broken.screen.noticeLines, ["error: Cannot finish peers: the peer broke off"]);
  const mistake = start({ command: "peers" }, [[new TypeError("x is not a function")]]);
  assertEquals(await mistake.result, 1);
});

Deno.test("share goes on serving in the process that is the peer, until Ctrl-C", async () => {
  const { result, screen, signals, exit } = start(share, [[shared, end()]], { ready });
  await until(() => screen.dataLines.length === 2);
  assertEquals(screen.dataLines, [`shared a (1 B)  ${id}`, "Ready: ada/vm, serving on [::1]:1"]);
  assertEquals(exit(), undefined);
  signals.send("SIGINT");
  assertEquals(await result, 130);
  assertEquals(screen.noticeLines, []);
});

Deno.test("share serves under --json too, and SIGTERM ends it in order", async () => {
  const { result, screen, signals } = start(share, [[shared, end()]], { ready, json: true });
  await until(() => screen.dataLines.length === 2);
  assertEquals(screen.dataLines, [
    `{"type":"shared","v":1,"name":"a","bytes":1,"id":"${id}"}`,
    '{"type":"ready","v":1,"program":"peer","address":"::1","port":1,"account":"ada","device":"vm"}',
  ]);
  signals.send("SIGTERM");
  assertEquals(await result, 0);
});

Deno.test("serve goes on until SIGTERM, which ends it with exit code 0", async () => {
  const { result, screen, signals, exit } = start({ command: "serve" }, [[end()]], { ready });
  await until(() => screen.dataLines.length === 1);
  assertEquals([screen.dataLines, exit()], [["Ready: ada/vm, serving on [::1]:1"], undefined]);
  signals.send("SIGTERM");
  assertEquals(await result, 0);
});

Deno.test("share ends where another process serves, and where nothing could be shared", async () => {
  assertEquals(await start(share, [[shared, end()]]).result, 0);
  assertEquals(await start(share, [[failed("notFound"), end(3)]], { ready }).result, 3);
});

Deno.test("the first Ctrl-C saves and prints the line that goes on", async () => {
  const { result, screen, signals, runner } = start(fetchA, [[forever(), end()]]);
  await until(() => runner.asked.length === 1);
  signals.send("SIGINT");
  signals.now = 500;
  signals.send("SIGINT");
  assertEquals(await result, 130);
  assertEquals(screen.noticeLines, [
    "Stopping; what is verified is kept. To go on:\n  peer 5000 fetch a",
    "error: Interrupted",
  ]);
});

Deno.test("a second Ctrl-C ends at once, whatever hangs", async () => {
  const deaf = {
    run: () => ({ [Symbol.asyncIterator]: () => ({ next: () => new Promise<never>(() => {}) }) }),
    nextNote: () => new Promise<never>(() => {}),
    knownNames: () => Promise.resolve([]),
  };
  const { result, signals } = start(fetchA, [], { runner: deaf });
  signals.send("SIGINT");
  signals.now = 501;
  signals.send("SIGINT");
  assertEquals(await result, 130);
});

Deno.test("SIGTERM leaves a fetch resumable", async () => {
  const { result, signals, runner } = start(fetchA, [[forever(), end()]]);
  await until(() => runner.asked.length === 1);
  signals.send("SIGTERM");
  assertEquals(await result, 7);
});

Deno.test("a fetch that was done when the signal came is done", async () => {
  const { result, signals } = start(fetchA, [[end()]]);
  signals.send("SIGINT");
  assertEquals(await result, 0);
});

const choices: readonly FileEvent[] = [5, 6].map((bytes) => ({
  type: "file",
  name: "a",
  bytes,
  id,
  holders: 1,
  sharedAtMs: 0,
}));
const asks: readonly Step[] = [
  { type: "ambiguous", name: "a", choices },
  { type: "error", code: "usage", message: "Cannot fetch a: it means several contents", hint: "" },
  end(2),
];

Deno.test("an ambiguous name is listed, with exit code 2, where nobody can answer", async () => {
  const text = start(fetchA, [asks]);
  assertEquals(await text.result, 2);
  assertEquals(text.screen.noticeLines.length, 5);
  const json = start(fetchA, [asks], { json: true, ask: () => Promise.resolve("1") });
  assertEquals(await json.result, 2);
  assertEquals(json.screen.dataLines.map((line) => JSON.parse(line).type), ["ambiguous", "error"]);
});

Deno.test("an ambiguous name is asked about, and the chosen file fetched in its place", async () => {
  const answers = ["x", "3", "2"];
  const ask = () => Promise.resolve(answers.shift());
  const command = { ...fetchA, targets: [{ pattern: "a" }, { pattern: "b" }] };
  const { result, runner, screen } = start(command, [asks, [end()]], { ask });
  assertEquals(await result, 0);
  const asked = runner.asked[1]!;
  assert(asked.command === "fetch");
  assertEquals(asked.targets, [{ pattern: "b" }, { file: { name: "a", id, bytes: 6 } }]);
  assertEquals(screen.noticeLines[0], "a stands for several contents:");
  assert(!screen.noticeLines.some((line) => line.startsWith("error")));
});

Deno.test("a glob that meets an ambiguous name becomes the chosen file", async () => {
  const command = { ...fetchA, targets: [{ pattern: "*" }, { pattern: "b" }] };
  const { result, runner } = start(command, [asks, [end()]], { ask: () => Promise.resolve("1") });
  assertEquals(await result, 0);
  const asked = runner.asked[1]!;
  assert(asked.command === "fetch");
  assertEquals(asked.targets, [{ pattern: "b" }, { file: { name: "a", id, bytes: 5 } }]);
});

Deno.test("no answer, or three wrong ones, is exit code 2", async () => {
  for (const answer of [undefined, "", "x"]) {
    let asked = 0;
    const ask = () => Promise.resolve((asked++, answer));
    assertEquals(await start(fetchA, [asks], { ask }).result, 2);
    assertEquals(asked, answer === "x" ? 3 : 1);
  }
});

Deno.test("notes are shown while a command runs", async () => {
  const { result, screen, runner, signals } = start(share, [[shared, end()]], { ready });
  await until(() => screen.dataLines.length === 2);
  runner.note("Lost the coordinator; trying again");
  await until(() => screen.noticeLines.includes("Lost the coordinator; trying again"));
  signals.send("SIGINT");
  await result;
});

Deno.test("a peer that ends by itself ends the command, and says why", async () => {
  const { result, screen } = start(share, [[shared, end()]], {
    ready,
    ended: Promise.resolve(new ShoalError("denied", "Cannot log in again: the account was disabled")),
  });
  assertEquals(await result, 4);
  assertEquals(screen.noticeLines, ["error: Cannot log in again: the account was disabled"]);
});
