import { assertEquals } from "@std/assert";
import { isLively, StreamScreen } from "../../lib/cli/screen.ts";
import { FakeTerminal } from "./fake_terminal.ts";
import { MemoryStream } from "./fakes.ts";

const noEnv = () => undefined;

Deno.test("StreamScreen writes data to stdout and notices to stderr", () => {
  const [out, err] = [new MemoryStream(false), new MemoryStream(false)];
  const screen = new StreamScreen(out, err, noEnv);
  screen.data("d");
  screen.notice("n");
  screen.live(["drawn in place"]);
  assertEquals([out.text, err.text], ["d\n", "n\n"]);
  assertEquals([screen.dataWidth, screen.noticeWidth, screen.isAnimated], [undefined, undefined, false]);
});

Deno.test("StreamScreen keeps the lines drawn in place below everything else", () => {
  const terminal = new FakeTerminal(40);
  const screen = new StreamScreen(terminal, terminal, noEnv);
  screen.live(["a 1%", "b 1%"]);
  screen.data("first");
  screen.live(["a 2%", "b 2%", "c 0%"]);
  screen.notice("second");
  assertEquals(terminal.screen(), ["first", "second", "a 2%", "b 2%", "c 0%"]);
  screen.live([]);
  screen.data("third");
  assertEquals(terminal.screen(), ["first", "second", "third"]);
  assertEquals(screen.dataWidth, 39);
});

Deno.test("StreamScreen does not touch lines in place for data that goes elsewhere", () => {
  const [out, err] = [new MemoryStream(false), new MemoryStream(true)];
  const screen = new StreamScreen(out, err, noEnv);
  screen.live(["a 1%"]);
  screen.data("d");
  assertEquals([out.text, err.text], ["d\n", "a 1%\n"]);
});

Deno.test("pipes, dumb terminals and NO_COLOR get neither colours nor moving lines", () => {
  const terminal = new MemoryStream(true);
  const env = (vars: Record<string, string>) => (name: string) => vars[name];
  assertEquals(isLively(terminal, env({ TERM: "xterm" })), true);
  assertEquals(isLively(terminal, env({ NO_COLOR: "" })), true);
  assertEquals(isLively(terminal, env({ NO_COLOR: "1" })), false);
  assertEquals(isLively(terminal, env({ TERM: "dumb" })), false);
  assertEquals(isLively(new MemoryStream(false), env({ TERM: "xterm" })), false);
  const dumb = new StreamScreen(terminal, terminal, env({ TERM: "dumb" }));
  dumb.live(["a 1%"]);
  assertEquals([terminal.text, dumb.dataPalette.bad("x"), dumb.noticePalette.bad("x")], ["", "x", "x"]);
});
