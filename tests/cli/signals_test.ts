import { assertEquals } from "@std/assert";
import { SignalWatch } from "../../lib/cli/signals.ts";
import { FakeSignals } from "./fakes.ts";

function watch() {
  const signals = new FakeSignals();
  const heard: string[] = [];
  const watched = new SignalWatch(signals, {
    stop: () => heard.push("stop"),
    drain: () => heard.push("drain"),
    quit: (exitCode) => heard.push(`quit ${exitCode}`),
  });
  return { signals, heard, watched };
}

Deno.test("SignalWatch takes SIGINTs within 500 ms for one, and a later one for quitting now", () => {
  const cases: readonly (readonly [times: readonly number[], heard: readonly string[]])[] = [
    [[0], ["stop"]],
    [[0, 0], ["stop"]],
    [[0, 3, 499, 500], ["stop"]],
    [[0, 501], ["stop", "quit 130"]],
    [[0, 300, 501], ["stop", "quit 130"]],
    [[0, 60_000], ["stop", "quit 130"]],
  ];
  for (const [times, expected] of cases) {
    const { signals, heard } = watch();
    for (const at of times) {
      signals.now = at;
      signals.send("SIGINT");
    }
    assertEquals(heard, expected, times.join());
  }
});

Deno.test("SignalWatch quits a held Ctrl-C after 500 ms", () => {
  const { signals, heard } = watch();
  for (; signals.now <= 530; signals.now += 30) signals.send("SIGINT");
  assertEquals(heard, ["stop", "quit 130"]);
});

Deno.test("SignalWatch drains once on SIGTERM and SIGHUP, and is cut off at the deadline", () => {
  const { signals, heard } = watch();
  signals.send("SIGTERM");
  signals.pass(5_000);
  signals.send("SIGTERM");
  signals.send("SIGHUP");
  assertEquals(heard, ["drain"]);
  signals.pass(5_000);
  assertEquals(heard, ["drain", "quit 7"]);
});

Deno.test("SignalWatch counts signals of different kinds apart", () => {
  const { signals, heard } = watch();
  signals.send("SIGTERM");
  signals.send("SIGINT");
  signals.now = 501;
  signals.send("SIGINT");
  assertEquals(heard, ["drain", "stop", "quit 130"]);
});

Deno.test("SignalWatch.reset() makes the next SIGINT the first again", () => {
  const { signals, heard, watched } = watch();
  signals.send("SIGINT");
  signals.now = 5_000;
  watched.reset();
  watched.receive("SIGINT");
  assertEquals(heard, ["stop", "stop"]);
});

Deno.test("SignalWatch leaves nothing behind", () => {
  const { signals, heard, watched } = watch();
  signals.send("SIGTERM");
  assertEquals([signals.listening, signals.timers.size], [3, 1]);
  watched[Symbol.dispose]();
  assertEquals([signals.listening, signals.timers.size], [0, 0]);
  signals.pass(60_000);
  assertEquals(heard, ["drain"]);
});
