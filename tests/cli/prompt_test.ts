import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { History } from "../../lib/cli/history.ts";
import { runPrompt } from "../../lib/cli/prompt.ts";
import { ShoalError } from "../../lib/core/errors.ts";
import type { Command, PeerEvent } from "../../lib/peer/commands.ts";
import { end, FakeRunner, FakeSignals, forever, type Step, until } from "./fakes.ts";
import { FakeTerminal } from "./fake_terminal.ts";

const id = "ab".repeat(32);
const progress = (name: string, doneBytes: number): PeerEvent => ({
  type: "progress",
  name,
  doneBytes,
  totalBytes: 100,
  bytesPerSecond: 10,
});
const fetched = (name: string): PeerEvent => ({
  type: "fetched",
  name,
  path: `/in/${name}`,
  bytes: 100,
  id,
  holders: [{ account: "bob", device: "nas", bytes: 100 }],
  refetchedBytes: 0,
  fetchedBytes: 100,
  reusedBytes: 0,
  wireBytes: 100,
  tookMs: 1000,
});

interface Talk {
  readonly terminal: FakeTerminal;
  readonly runner: FakeRunner;
  readonly signals: FakeSignals;
  readonly history: string;
  readonly result: Promise<number>;
  /** Whether the result is there. */
  isOver(): boolean;
  /** What the fake clock says; it moves by hand. */
  clock: number;
  endPeer(reason: ShoalError | undefined): void;
}

/** Opens a prompt and talks to it. */
async function talk(
  play: (command: Command) => readonly Step[],
  conversation: (talk: Talk) => Promise<void>,
  options: { readonly columns?: number; readonly env?: Record<string, string>; readonly names?: readonly string[] } =
    {},
): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "shoal_prompt_" });
  const terminal = new FakeTerminal(options.columns);
  const runner = new FakeRunner(play);
  runner.names = options.names ?? [];
  const signals = new FakeSignals();
  const history = join(folder, "history");
  const { promise: ended, resolve: endPeer } = Promise.withResolvers<ShoalError | undefined>();
  let isOver = false;
  const talk = { terminal, runner, signals, history, clock: 0, endPeer, isOver: () => isOver };
  const result = runPrompt({
    runner,
    context: { cwd: "/here", fetch: { folder: "/in", onExists: "refuse", timeoutMs: 60_000, sync: true } },
    homeFolder: "/home/ada",
    input: terminal.input,
    output: terminal.output,
    out: terminal,
    err: terminal,
    env: (name) => options.env?.[name],
    history: History.open(history),
    listFolder: () => Promise.resolve([{ name: "my films", isFolder: true }]),
    signals,
    clock: () => talk.clock,
    quiet: false,
    verbose: false,
    ready: { type: "ready", v: 1, program: "peer", address: "127.0.0.1", port: 4000, account: "ada", device: "vm" },
    ended,
  }).finally(() => isOver = true);
  try {
    await until(() => terminal.screen().at(-1) === "shoal>");
    await conversation(Object.assign(talk, { result }));
    if (!isOver) {
      terminal.type("\x05\x15");
      terminal.type("quit\r");
    }
    await result;
    assertEquals(signals.listening, 0);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("the prompt greets with the ready line, runs a command and asks for the next", async () => {
  await talk(() => [{ type: "removed", name: "a b" }, end()], async ({ terminal, runner, result }) => {
    assertEquals(terminal.screen()[0], "Ready: ada/vm, serving on 127.0.0.1:4000");
    terminal.type('remove "a b"\r');
    await until(() => terminal.screen().includes("removed a b") && terminal.screen().at(-1) === "shoal>");
    assertEquals(runner.asked, [{ command: "remove", names: ["a b"] }]);
    terminal.type("quit\r");
    assertEquals(await result, 0);
    assertEquals(runner.asked.length, 1);
  });
});

Deno.test("the prompt shows what is wrong with a line and goes on", async () => {
  await talk(() => [end()], async ({ terminal, runner }) => {
    terminal.type("stauts\r");
    await until(() => terminal.screen().includes("  Did you mean status"));
    terminal.type("help find\r");
    await until(() => terminal.screen().some((line) => line.startsWith("Examples:")));
    assertEquals(runner.asked, []);
  });
});

Deno.test("commands typed ahead run one after another", async () => {
  const first = Promise.withResolvers<void>();
  await talk(({ command }) => command === "peers" ? [first.promise, end()] : [end()], async ({ terminal, runner }) => {
    terminal.type("peers\rstatus\rmyfiles\r");
    await until(() => runner.asked.length === 1);
    first.resolve();
    await until(() => runner.asked.length === 3);
    assertEquals(runner.asked.map(({ command }) => command), ["peers", "status", "myfiles"]);
  });
});

Deno.test("fetch runs in the background, its progress above the line, and what is typed is not garbled", async () => {
  const half = Promise.withResolvers<void>();
  const whole = Promise.withResolvers<void>();
  const play = (): readonly Step[] => [
    progress("film.mp4", 0),
    half.promise,
    progress("film.mp4", 50),
    whole.promise,
    fetched("film.mp4"),
    end(),
  ];
  await talk(play, async (talk) => {
    const { terminal } = talk;
    terminal.type("fetch film.mp4\r");
    await until(() => terminal.screen().at(-2)?.includes("0%") === true && terminal.screen().at(-1) === "shoal>");
    terminal.type("find som");
    terminal.type("\x1b[D\x1b[D\x1b[D");
    talk.clock = 1000;
    half.resolve();
    await until(() => terminal.screen().at(-2)?.includes("50%") === true);
    assertEquals(terminal.screen().at(-1), "shoal> find som");
    // The cursor is where it was: before "som".
    terminal.type("a");
    await until(() => terminal.screen().at(-1) === "shoal> find asom");
    whole.resolve();
    await until(() => terminal.screen().includes("fetched /in/film.mp4 (100 B, in 1.0 s, 100 B/s, from bob/nas)"));
    assertEquals(terminal.screen().slice(-4), [
      "shoal> fetch film.mp4",
      "Fetching film.mp4 in the background",
      "fetched /in/film.mp4 (100 B, in 1.0 s, 100 B/s, from bob/nas)",
      "shoal> find asom",
    ]);
  });
});

Deno.test("a line that is entered takes no progress with it, also one longer than the terminal", async () => {
  const play = ({ command }: Command): readonly Step[] =>
    command === "fetch" ? [progress("film.mp4", 0), forever()] : [{ type: "removed", name: "x" }, end()];
  await talk(play, async ({ terminal }) => {
    terminal.type("fetch film.mp4\r");
    await until(() => terminal.screen().at(-2)?.includes("0%") === true);
    const long = `remove ${"x".repeat(60)}`;
    terminal.type(`${long}\r`);
    await until(() => terminal.screen().includes("removed x") && terminal.screen().at(-1) === "shoal>");
    const screen = terminal.screen();
    assertEquals(screen.filter((line) => line.includes("0%")).length, 1);
    assertStringIncludes(screen.join(""), `shoal> ${long}removed x`);
  }, { columns: 40 });
});

Deno.test("notes come above the line that is being typed", async () => {
  await talk(() => [end()], async ({ terminal, runner }) => {
    terminal.type("find so");
    runner.note("Lost the coordinator; trying again");
    await until(() => terminal.screen().at(-2) === "Lost the coordinator; trying again");
    assertEquals(terminal.screen().at(-1), "shoal> find so");
  });
});

Deno.test("Tab completes commands, names that need quotes, and local paths", async () => {
  const names = ["my file.txt", "holiday.mp4", "evil\x1b]0;x\x07"];
  await talk(() => [end()], async ({ terminal }) => {
    terminal.type("rem\t");
    await until(() => terminal.screen().at(-1) === "shoal> remove");
    terminal.type("my\t");
    await until(() => terminal.screen().at(-1) === 'shoal> remove "my file.txt"');
    terminal.type("\x15share my\t");
    await until(() => terminal.screen().at(-1) === 'shoal> share "my films/');
    terminal.type("\x15fetch ev\t");
    terminal.type("\t");
    await until(() => terminal.screen().at(-1) === "shoal> fetch ev");
    assert(!terminal.written.includes("\x1b]0;"));
  }, { names });
});

Deno.test("lines are kept for the next prompt, and Up brings them back", async () => {
  await talk(() => [end()], async ({ terminal, history }) => {
    terminal.type("peers\r");
    await until(() => terminal.screen().filter((line) => line.startsWith("shoal>")).length === 2);
    terminal.type(" find private\r");
    await until(() => terminal.screen().filter((line) => line.startsWith("shoal>")).length === 3);
    assertEquals(Deno.readTextFileSync(history), "peers\n");
    terminal.type("\x1b[A\x1b[A");
    await until(() => terminal.screen().at(-1) === "shoal> peers");
  });
});

Deno.test("Ctrl-C stops fetches with what is verified kept, and says how to go on with each", async () => {
  await talk(() => [forever(), end()], async ({ terminal, isOver }) => {
    terminal.type('fetch "a b"\rfetch --dir /y c\r');
    await until(() => terminal.screen().includes("Fetching c in the background"));
    terminal.type("\x03");
    await until(() => terminal.screen().filter((line) => line === "error: Interrupted").length === 2);
    const screen = terminal.screen();
    const at = screen.indexOf("Stopping; what is verified is kept. To go on:");
    assertEquals(screen.slice(at + 1, at + 3), ['  fetch "a b"', "  fetch --dir /y c"]);
    assertEquals(screen.at(-1), "shoal>");
    assert(!isOver());
  });
});

Deno.test("Ctrl-C at an idle prompt clears the line; within 500 ms it is the same one, later it quits", async () => {
  await talk(() => [end()], async ({ terminal, signals, result, isOver }) => {
    terminal.type("find someth");
    terminal.type("\x03");
    await until(() => terminal.screen().at(-2) === "Type quit, or press Ctrl-C again, to leave");
    assertEquals(terminal.screen().at(-1), "shoal>");
    signals.now = 400;
    terminal.type("\x03");
    await until(() => terminal.screen().at(-1) === "shoal>");
    assert(!isOver());
    signals.now = 501;
    terminal.type("\x03");
    assertEquals(await result, 130);
  });
});

Deno.test("a key between two Ctrl-C makes the second one the first again", async () => {
  await talk(() => [end()], async ({ terminal, signals, isOver }) => {
    const hints = () => terminal.screen().filter((line) => line.startsWith("Type quit, or")).length;
    terminal.type("\x03");
    await until(() => hints() === 1);
    signals.now = 60_000;
    terminal.type("x");
    terminal.type("\x03");
    await until(() => hints() === 2);
    assert(!isOver());
  });
});

Deno.test("Ctrl-C stops a command that is waited for", async () => {
  await talk(({ command }) => command === "share" ? [forever(), end()] : [end()], async ({ terminal, runner }) => {
    terminal.type("share x\r");
    await until(() => runner.asked.length === 1);
    terminal.type("\x03");
    await until(() => terminal.screen().includes("error: Interrupted") && terminal.screen().at(-1) === "shoal>");
  });
});

Deno.test("Ctrl-C leaves a list that is watched, and no fetch with it; the next one is a first one again", async () => {
  const play = ({ command }: Command): readonly Step[] =>
    command === "fetch" ? [progress("a", 40), forever(), end()] : [{ type: "listed", atMs: 1 }, forever(), end()];
  await talk(play, async ({ terminal, signals, result, isOver }) => {
    terminal.type("fetch a\r");
    await until(() => terminal.screen().some((line) => line.includes("40%")));
    terminal.type("transfers --watch\r");
    await until(() => terminal.screen().some((line) => line.startsWith("Nothing is being fetched")));
    terminal.type("\x03");
    await until(() => terminal.screen().at(-1) === "shoal>");
    assert(!terminal.screen().some((line) => /Stopping|Interrupted/.test(line)), terminal.screen().join("\n"));
    signals.now = 1_000;
    terminal.type("\x03");
    await until(() => terminal.screen().some((line) => line.startsWith("Stopping")));
    assert(!isOver());
    terminal.type("\x04");
    assertEquals(await result, 0);
  });
});

Deno.test("Ctrl-D leaves, and says what goes on at the next start", async () => {
  await talk(() => [forever(), end()], async ({ terminal, result }) => {
    terminal.type("fetch a\r");
    await until(() => terminal.screen().includes("Fetching a in the background"));
    terminal.type("\x04");
    assertEquals(await result, 0);
    const at = terminal.screen().indexOf("Stopping; what is verified is kept. These go on at the next start:");
    assertEquals(terminal.screen()[at + 1], "  a");
  });
});

Deno.test("Ctrl-D below progress lines takes them away and leaves like without them", async () => {
  await talk(() => [progress("a.bin", 40), forever(), end()], async ({ terminal, result }) => {
    terminal.type("fetch a.bin\r");
    await until(() => terminal.screen().some((line) => line.includes("40%")));
    await until(() => terminal.screen().at(-1) === "shoal>");
    terminal.type("\x04");
    assertEquals(await result, 0);
    assert(!terminal.screen().some((line) => line.includes("40%")), terminal.screen().join("\n"));
    assert(terminal.screen().includes("  a.bin"), terminal.screen().join("\n"));
  });
});

Deno.test("SIGTERM leaves in order", async () => {
  await talk(() => [forever(), end()], async ({ terminal, signals, result }) => {
    terminal.type("fetch a\r");
    await until(() => terminal.screen().includes("Fetching a in the background"));
    signals.send("SIGTERM");
    assertEquals(await result, 0);
    assert(terminal.screen().includes("error: Interrupted"));
  });
});

Deno.test("a name that stands for several contents is asked about, and the answer is fetched", async () => {
  const choice = (bytes: number) => ({ type: "file", name: "talk.pdf", bytes, id, holders: 1, sharedAtMs: 0 }) as const;
  const play = (command: Command): readonly Step[] => {
    assert(command.command === "fetch");
    if (!command.targets.some((target) => "pattern" in target && target.pattern === "talk.pdf")) {
      return [fetched("talk.pdf"), end()];
    }
    return [
      { type: "ambiguous", name: "talk.pdf", choices: [choice(5), choice(6)] },
      { type: "error", code: "usage", message: "Cannot fetch: it means several contents", hint: "" },
      end(2),
    ];
  };
  await talk(play, async ({ terminal, runner }) => {
    terminal.type("fetch a talk.pdf\r");
    await until(() => terminal.screen().at(-1) === "Which one (1-2, Enter for none)?");
    assert(!terminal.screen().some((line) => line.startsWith("error:")));
    terminal.type("9\r");
    await until(() => terminal.screen().filter((line) => line.startsWith("Which one")).length === 2);
    terminal.type("2\r");
    await until(() => terminal.screen().some((line) => line.startsWith("fetched /in/talk.pdf")));
    assertEquals(runner.asked.at(-1), {
      command: "fetch",
      targets: [{ pattern: "a" }, { file: { name: "talk.pdf", id, bytes: 6 } }],
      folder: "/in",
      onExists: "refuse",
      timeoutMs: 60_000,
      sync: true,
      inBackground: true,
    });
    // Enter declines; any other line is a command, and drops the question.
    terminal.type("fetch talk.pdf\r");
    await until(() => terminal.screen().at(-1) === "Which one (1-2, Enter for none)?");
    terminal.type("\r");
    await until(() => terminal.screen().at(-1) === "shoal>");
    terminal.type("fetch talk.pdf\r");
    await until(() => terminal.screen().at(-1) === "Which one (1-2, Enter for none)?");
    terminal.type("help find\r");
    await until(() => terminal.screen().some((line) => line.startsWith("Examples:")));
    assertEquals(runner.asked.length, 4);
  });
});

Deno.test("the prompt ends when the peer does, and says why", async () => {
  await talk(() => [end()], async ({ terminal, endPeer, result }) => {
    endPeer(new ShoalError("denied", "Cannot log in again: the account was disabled"));
    assertEquals(await result, 4);
    assert(terminal.screen().includes("error: Cannot log in again: the account was disabled"));
  });
});

Deno.test("a dumb terminal and NO_COLOR get neither colours nor moving lines", async () => {
  for (const env of [{ NO_COLOR: "1" }, { TERM: "dumb" }]) {
    const play = (): readonly Step[] => [progress("a", 0), { type: "note", message: "n" }, forever()];
    await talk(play, async ({ terminal }) => {
      terminal.type("fetch a\r");
      await until(() => terminal.screen().includes("n"));
      assert(!terminal.screen().some((line) => line.includes("0%")));
      // deno-lint-ignore no-control-regex
      assert(!/\x1b\[\d+m/.test(terminal.written));
    }, { env });
  }
});
