import { assert, assertEquals, assertFalse, assertMatch, assertStringIncludes } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { toText } from "@std/streams";

const program = fromFileUrl(import.meta.resolve("./ask_secret.ts"));

/** util-linux's `script` gives a child a terminal; Debian always has it. */
const terminals = await new Deno.Command("script", { args: ["--version"], stdout: "null" }).output().then(
  ({ success }) => success,
  () => false,
);
const withTerminal = { ignore: !terminals } as const;

/** Waits until a terminal hands over each key at once and echoes none; also ends when the terminal is gone. */
async function untilRaw(terminal: string): Promise<void> {
  for (;;) {
    const { success, stdout } = await new Deno.Command("stty", { args: ["-F", terminal, "-a"], stderr: "null" })
      .output();
    if (!success || new TextDecoder().decode(stdout).includes("-icanon")) return;
  }
}

/** Starts the program on a terminal, types `keys` once it asks, and returns what the screen got from then on. */
async function typeAtPrompt(keys: string, options: Record<string, unknown> = {}, columns = 80): Promise<string> {
  const run = `"${Deno.execPath()}" run -q --no-prompt "${program}" '${JSON.stringify(options)}'`;
  const child = new Deno.Command("script", {
    args: ["-qefc", `tty; stty cols ${columns}; ${run}`, "/dev/null"],
    stdin: "piped",
    stdout: "piped",
    env: { TERM: "xterm", NO_COLOR: "1", SHELL: "/bin/sh" },
  }).spawn();
  const keyboard = child.stdin.getWriter();
  let screen = "";
  for await (const part of child.stdout.pipeThrough(new TextDecoderStream())) {
    const asked = screen.includes("Password: ");
    screen += part;
    if (asked || !screen.includes("Password: ")) continue;
    await untilRaw(screen.split("\r\n")[0]!);
    await keyboard.write(new TextEncoder().encode(keys));
  }
  await keyboard.close();
  await child.status;
  return screen.slice(screen.indexOf("Password: "));
}

Deno.test("promptSecret() returns what was typed and shows a mask instead", withTerminal, async () => {
  const screen = await typeAtPrompt("grün7\r");
  assertStringIncludes(screen, '"grün7"');
  assertFalse(screen.replace('"grün7"', "").includes("7"));
  assertMatch(screen, /Password: .*\*/);
});

Deno.test(
  "promptSecret() takes back what was erased, also across rows and beyond the start",
  withTerminal,
  async () => {
    const screen = await typeAtPrompt("\x7fabcdefghijklm\x7f\x7f\x7f\x7f\x7f\x7f\x7f\x7f\x7f\x7f\x7f\b\by\r", {}, 12);
    assertStringIncludes(screen, '"y"');
    assertStringIncludes(screen, "\x1b[1F");
  },
);

Deno.test("promptSecret() shows nothing for an empty mask, and clears its line on demand", withTerminal, async () => {
  const screen = await typeAtPrompt("secrets\x7f\n", { mask: "", clear: true });
  assertEquals(screen, 'Password: \r\x1b[K"secret"\r\n');
});

Deno.test("promptSecret() leaves Ctrl-C to the system", withTerminal, async () => {
  const screen = await typeAtPrompt("abc\x03\r");
  assert(!screen.includes('"abc'), screen);
});

Deno.test("promptSecret() returns null where nobody can type", async () => {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-q", "--no-prompt", program, "{}"],
    stdin: "null",
    stdout: "piped",
  }).spawn();
  assertEquals((await toText(child.stdout)).trim(), "null");
  assert((await child.status).success);
});
