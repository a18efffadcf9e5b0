import { assert, assertEquals, assertThrows } from "@std/assert";
import { parseRate } from "../../lib/cli/amounts.ts";
import { parseLine } from "../../lib/cli/command_line.ts";
import type { CommandContext } from "../../lib/cli/command_table.ts";
import { completeLine } from "../../lib/cli/completion.ts";
import { readInvocation } from "../../lib/cli/config.ts";
import { parseSchedule } from "../../lib/cli/schedule.ts";
import { textPresentation } from "../../lib/cli/text_presentation.ts";
import { UsageError } from "../../lib/core/errors.ts";
import type { LimitEvent } from "../../lib/peer/commands.ts";
import { formatQuestion, parseQuestion } from "../../lib/peer/local_protocol.ts";
import { MemoryScreen } from "./fakes.ts";

const context: CommandContext = {
  cwd: "/here",
  fetch: { folder: "/in", onExists: "refuse", timeoutMs: 60_000, sync: true },
};

function commandOf(line: string) {
  const asked = parseLine(line, context, undefined);
  assert(asked?.kind === "command", line);
  return asked.command;
}

Deno.test("parseRate() reads what people write, in bytes a second", () => {
  const cases: Readonly<Record<string, number | undefined>> = {
    "500k": 500_000,
    "20M": 20_000_000,
    "8m": 8_000_000,
    "1.5MB/s": 1_500_000,
    "2 MB/s": 2_000_000,
    "1MiB": 1_048_576,
    "3KiB/s": 3_072,
    "1G": 1e9,
    "1000": 1_000,
    unlimited: undefined,
    Unlimited: undefined,
  };
  for (const [text, rate] of Object.entries(cases)) assertEquals(parseRate(text, "--limit-up"), rate, text);
});

Deno.test("parseRate() refuses bits, what is no rate, and what cannot be meant", () => {
  const cases: readonly (readonly [text: string, message: string])[] = [
    ...["", "x", "-1M", "1e3k", "2T", "M", "1 2k", "20Mb", "20Mbit", "8Mbps", "1b", "NaN"]
      .map((text) => [text, "is no rate"] as const),
    ...["500", "0", "0k", "999"].map((text) => [text, "is less than 1 kB/s"] as const),
    ["5000G", "is more than 1 TB/s"],
  ];
  for (const [text, message] of cases) {
    const error = assertThrows(() => parseRate(text, "--limit-up"), UsageError, message);
    assertEquals([error.message.includes("--limit-up"), error.hint?.includes("500k")], [true, true], text);
  }
});

Deno.test("parseSchedule() reads several entries, for one direction or both, also over midnight", () => {
  const schedule = parseSchedule(
    " up 9:00-17:00=500k,DOWN 09:00 - 17:00 = 5M, 22:00-07:00=unlimited,00:00-24:00=1M",
    "x",
  );
  assertEquals(
    schedule.map(({ fromMinute, toMinute, directions, bytesPerSecond }) => [
      fromMinute,
      toMinute,
      directions.join(),
      bytesPerSecond,
    ]),
    [
      [540, 1020, "up", 500_000],
      [540, 1020, "down", 5_000_000],
      [1320, 420, "up,down", undefined],
      [0, 1440, "up,down", 1_000_000],
    ],
  );
  assertEquals(schedule[2]!.window, "22:00-07:00");
});

Deno.test("parseSchedule() refuses what is no entry and says which one, and how it is written", () => {
  const cases: readonly (readonly [text: string, message: string])[] = [
    ["", '"" is no entry'],
    ["22:00-07:00", '"22:00-07:00" is no entry'],
    ["22:00-07:00=unlimited,", '"" is no entry'],
    ["22:00=1M", '"22:00=1M" is no entry'],
    ["25:00-07:00=1M", '"25:00-07:00=1M" is no entry'],
    ["07:60-08:00=1M", '"07:60-08:00=1M" is no entry'],
    ["24:01-08:00=1M", '"24:01-08:00=1M" is no entry'],
    ["left 07:00-08:00=1M", '"left 07:00-08:00=1M" is no entry'],
    ["07:00-07:00=1M", "07:00-07:00 covers no time"],
    ["24:00-00:00=1M", "24:00-00:00 covers no time"],
    ["07:00-08:00=500", "500 is less than 1 kB/s"],
    [Array.from({ length: 65 }, () => "07:00-08:00=1M").join(), "more than 64 entries"],
  ];
  for (const [text, message] of cases) {
    const error = assertThrows(() => parseSchedule(text, "--limit-schedule"), UsageError, message);
    assert(error.message.startsWith("Cannot read --limit-schedule: "), text);
  }
});

Deno.test("limits come from the command line, the environment or config.json, and hold nothing unless told", () => {
  const configOf = (args: readonly string[], env: Record<string, string> = {}, config = "{}") => {
    const all: Record<string, string> = { HOME: "/home/ada", ...env };
    const invocation = readInvocation(["5000", ...args], {
      env: (name) => all[name],
      cwd: "/here",
      readText: () => config,
    });
    assert(invocation.kind === "run");
    return invocation.config.bandwidth;
  };
  assertEquals(configOf([]), { up: undefined, down: undefined, lanUnlimited: false, schedule: [] });
  const config = '{"peer":{"limit-up":"1M","limit-down":3000000,"lan-unlimited":true,"limit-schedule":"1:00-2:00=9k"}}';
  const told = configOf(["share", "x", "--limit-up", "8M"], { SHOAL_LIMIT_DOWN: "2M", SHOAL_LIMIT_UP: "7M" }, config);
  assertEquals([told.up, told.down, told.lanUnlimited], [8_000_000, 2_000_000, true]);
  assertEquals(told.schedule.map(({ window, bytesPerSecond }) => [window, bytesPerSecond]), [["1:00-2:00", 9_000]]);
  assertEquals(configOf([], {}, config).down, 3_000_000);
  assertEquals(configOf(["--limit-up", "unlimited"], {}, config).up, undefined);
  assertThrows(() => configOf(["--limit-up", "fast"]), UsageError, "--limit-up");
  assertThrows(() => configOf([], { SHOAL_LIMIT_SCHEDULE: "never" }), UsageError, "--limit-schedule");
});

Deno.test("the command limit shows, or sets the limit of all or of one transfer", () => {
  assertEquals(commandOf("limit"), { command: "limit", change: null });
  const cases: readonly (readonly [line: string, change: unknown])[] = [
    ["limit up 2M", { direction: "up", bytesPerSecond: 2_000_000, number: null }],
    ["limit down unlimited", { direction: "down", bytesPerSecond: null, number: null }],
    ["limit up 500k 3", { direction: "up", bytesPerSecond: 500_000, number: 3 }],
  ];
  for (const [line, change] of cases) {
    const command = commandOf(line);
    assertEquals(command, { command: "limit", change } as never);
    const question = { ask: "run", command, coordinator: "127.0.0.1:5000", account: null } as const;
    assertEquals(parseQuestion(formatQuestion(question)), { ok: true, value: question });
  }
  const illegal: unknown[] = [{}, { direction: "left", bytesPerSecond: 1, number: null }];
  for (const bytesPerSecond of [-1, 0, 0.5, "2M"]) illegal.push({ direction: "up", bytesPerSecond, number: null });
  for (const change of illegal) {
    const line = JSON.stringify({ ask: "run", command: { command: "limit", change }, coordinator: "", account: null });
    assertEquals(parseQuestion(line), { ok: false, error: "illegal" }, line);
  }
});

Deno.test("the command limit says what would be right", () => {
  const cases: readonly (readonly [line: string, message: string, hint: string])[] = [
    ["limit up", "it needs a rate", "Write limit up 2M"],
    ["limit 2M", "neither up nor down", "Write limit up 2M, or limit down 2M"],
    ["limit up fast", "is no rate", "500k"],
    ["limit up 2M film.mkv", "no number of a transfer", "transfers"],
    ["limit up 2M 0", "no number of a transfer", "transfers"],
    ["limit up 2M 3 4", 'Cannot read "4"', "Write limit [up|down <rate> [number]]"],
  ];
  for (const [line, message, hint] of cases) {
    const error = assertThrows(() => parseLine(line, context, undefined), UsageError, message);
    assert(error.hint?.includes(hint), `${line}: ${error.hint}`);
  }
});

Deno.test("Tab offers the directions, then unlimited", async () => {
  const sources = {
    cwd: "/here",
    homeFolder: undefined,
    knownNames: () => Promise.resolve(["up.pdf"]),
    listFolder: () => Promise.resolve([]),
  };
  const cases = { "limit ": ["down ", "up "], "limit u": ["up "], "limit up u": ["unlimited "], "limit up 2M ": [] };
  for (const [line, hits] of Object.entries(cases)) assertEquals((await completeLine(line, sources))[0], hits, line);
});

Deno.test("limits are one table, and a transfer's name is escaped in it", () => {
  const limit = (changes: Partial<LimitEvent>): LimitEvent => ({
    type: "limit",
    direction: "up",
    number: null,
    name: "",
    bytesPerSecond: 2_000_000,
    by: "option",
    window: "",
    lanUnlimited: false,
    ...changes,
  });
  const screen = new MemoryScreen(80);
  const sink = textPresentation({ screen, quiet: false, verbose: false, clock: () => 0 }).open();
  sink.show(limit({ lanUnlimited: true }));
  sink.show(limit({ direction: "down", bytesPerSecond: null, by: "schedule", window: "22:00-07:00" }));
  sink.show(limit({ number: 3, name: "a\x1b[2Jb", bytesPerSecond: 500_000, by: "command" }));
  sink.finish("limit");
  assertEquals(screen.dataLines, [
    "DIR     #  NAME           LIMIT  SET BY",
    "up    all                2 MB/s  --limit-up, own network exempt",
    "down  all             unlimited  schedule 22:00-07:00",
    "up      3  a\\x1b[2Jb   500 kB/s  limit",
  ]);
});
