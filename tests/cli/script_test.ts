import { assertEquals } from "@std/assert";
import { jsonPresentation } from "../../lib/cli/presentation.ts";
import { runScript, type ScriptOptions } from "../../lib/cli/script.ts";
import { textPresentation } from "../../lib/cli/text_presentation.ts";
import type { Command } from "../../lib/peer/commands.ts";
import { end, FakeRunner, FakeSignals, forever, MemoryScreen, type Step, until } from "./fakes.ts";

const ready = { type: "ready", v: 1, program: "peer", address: "::1", port: 1, account: "ada", device: "vm" } as const;

async function* linesOf(...lines: readonly (string | Promise<void>)[]): AsyncGenerator<string> {
  for (const line of lines) {
    if (typeof line === "string") yield line;
    else await line;
  }
}

function start(
  lines: AsyncIterable<string>,
  play: (command: Command) => readonly Step[] = () => [end()],
  changes: Partial<ScriptOptions> & { readonly json?: boolean } = {},
) {
  const { json = false, ...rest } = changes;
  const screen = new MemoryScreen();
  const signals = new FakeSignals();
  const runner = new FakeRunner(play);
  const result = runScript({
    runner,
    lines,
    presentation: (json ? jsonPresentation : textPresentation)({
      screen,
      quiet: false,
      verbose: false,
      clock: () => 0,
    }),
    signals,
    context: { cwd: "/here", fetch: { folder: "/in", onExists: "refuse", timeoutMs: 60_000, sync: true } },
    homeFolder: undefined,
    ready,
    ended: undefined,
    ...rest,
  });
  return { screen, signals, runner, result };
}

Deno.test("runScript() runs line after line, fetch too, and ends with the last exit code", async () => {
  const running: string[] = [];
  const play = ({ command }: Command): readonly Step[] => {
    running.push(command);
    return [end(command === "find" ? 3 : 0)];
  };
  const { result, screen } = start(linesOf("peers", "", "# comment", "find x", "fetch a"), play);
  assertEquals(await result, 0);
  assertEquals(running, ["peers", "find", "fetch"]);
  assertEquals(screen.dataLines, ["Ready: ada/vm, serving on [::1]:1"]);
  assertEquals(await start(linesOf("peers", "find x"), play).result, 3);
});

Deno.test("runScript() does not start a line before the one above is done", async () => {
  const first = Promise.withResolvers<void>();
  const play = ({ command }: Command): readonly Step[] => command === "fetch" ? [first.promise, end()] : [end()];
  const { result, runner } = start(linesOf("fetch a", "peers"), play);
  await until(() => runner.asked.length === 1);
  first.resolve();
  assertEquals(await result, 0);
  assertEquals(runner.asked.length, 2);
});

Deno.test("runScript() goes on after a line that is wrong", async () => {
  const { result, runner, screen } = start(linesOf("stauts", "peers"));
  assertEquals(await result, 0);
  assertEquals(runner.asked.length, 1);
  assertEquals(screen.noticeLines.slice(0, 2), [
    'error: Cannot read the command line: there is no command "stauts"',
    "  Did you mean status",
  ]);
  assertEquals(await start(linesOf("peers", "stauts")).result, 2);
});

Deno.test("runScript() ends at quit with the exit code so far, and never asks the peer to quit", async () => {
  const { result, runner } = start(linesOf("find x", "quit", "peers"), () => [end(3)]);
  assertEquals(await result, 3);
  assertEquals(runner.asked.length, 1);
});

Deno.test("runScript() writes one stream of JSON lines", async () => {
  const { result, screen } = start(linesOf("remove a", "nonsense"), () => [{ type: "removed", name: "a" }, end()], {
    json: true,
  });
  assertEquals(await result, 2);
  const lines = screen.dataLines.map((line) => JSON.parse(line));
  assertEquals(lines.map(({ type }) => type), ["ready", "removed", "error"]);
  assertEquals(lines.map(({ v }) => v), [1, undefined, undefined]);
});

Deno.test("runScript() ends at a signal, also while it waits for a line", async () => {
  const idle = start(linesOf("peers", forever()));
  await until(() => idle.runner.asked.length === 1);
  await until(() => idle.screen.noticeLines.length > 0);
  idle.signals.send("SIGINT");
  assertEquals(await idle.result, 130);

  const drained = start(linesOf("peers", forever()));
  await until(() => drained.screen.noticeLines.length > 0);
  drained.signals.send("SIGTERM");
  assertEquals(await drained.result, 0);

  const busy = start(linesOf("fetch a", "peers"), () => [forever(), end()]);
  await until(() => busy.runner.asked.length === 1);
  busy.signals.send("SIGINT");
  assertEquals(await busy.result, 130);
  assertEquals(busy.runner.asked.length, 1);
});

Deno.test("runScript() lists an ambiguous name, since nobody can answer", async () => {
  const { result, screen } = start(linesOf("fetch a"), () => [
    { type: "ambiguous", name: "a", choices: [] },
    { type: "error", code: "usage", message: "Cannot fetch a", hint: "" },
    end(2),
  ]);
  assertEquals(await result, 2);
  assertEquals(screen.noticeLines.at(-1), "error: Cannot fetch a");
});
