import { assertEquals, assertStringIncludes } from "@std/assert";
import { Log, type LogFormat, type LogLevel, logLevels } from "../../lib/coordinator/log.ts";

function setUp(format: LogFormat = "text", level: LogLevel = "info") {
  const lines: string[] = [];
  const time = { nowMs: 0 };
  return { lines, time, log: new Log({ format, level, clock: () => time.nowMs, write: (line) => lines.push(line) }) };
}

Deno.test("Log writes an event as one line with its fields, names escaped", () => {
  const { log, lines } = setUp();
  log.event({ event: "loggedIn", account: "ada\x1b[31m\n", device: "vm\u202e", endpoint: "127.0.0.1:4000" });
  assertEquals(lines, [
    "1970-01-01T00:00:00.000Z loggedIn account=ada\\x1b[31m\\n device=vm\\u{202e} endpoint=127.0.0.1:4000",
  ]);
});

Deno.test("Log tells who was reported, and escapes what people call themselves", () => {
  const { log, lines } = setUp();
  log.event({ event: "reported", account: "ada", device: "vm", holder: "ab bob \x1b[2J\nvm", reason: "wrongPiece" });
  assertEquals(lines, [
    "1970-01-01T00:00:00.000Z reported account=ada device=vm holder=ab bob \\x1b[2J\\nvm reason=wrongPiece",
  ]);
});

Deno.test("Log writes JSON that parses and shows nothing odd", () => {
  const { log, lines } = setUp("json");
  log.event({ event: "loginRefused", account: "a\u202e\x1b", reason: "denied" });
  log.warn("look");
  assertEquals(/[\p{Cc}\u202e]/u.test(lines.join("")), false);
  assertEquals(lines.map((line) => JSON.parse(line)), [
    {
      time: "1970-01-01T00:00:00.000Z",
      level: "info",
      event: "loginRefused",
      account: "a\u202e\x1b",
      reason: "denied",
    },
    { time: "1970-01-01T00:00:00.000Z", level: "warning", event: "warning", text: "look" },
  ]);
});

Deno.test("Log shows by level: faults alone, what to look after, who comes and goes, all; and changes while it runs", () => {
  const counts = logLevels.map((level) => {
    const { log, lines } = setUp("text");
    log.level = level;
    log.event({ event: "loggedIn", tookMs: 12 });
    log.event({ event: "moved" });
    log.note("note");
    log.warn("warning");
    log.fault(new RangeError("ours"));
    return lines.length;
  });
  assertEquals(counts, [1, 2, 4, 5]);
});

Deno.test("Log leaves out what a flood brings, and says how much", () => {
  const { log, lines, time } = setUp();
  for (let i = 0; i < 1000; i++) log.event({ event: "loginRefused" });
  assertEquals([lines.length, log.linesLeftOut], [100, 900]);
  time.nowMs = 1000;
  log.event({ event: "loggedIn" });
  assertEquals(lines.length, 102);
  assertStringIncludes(lines[100]!, "linesLeftOut count=900");
});
