import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { formatFetch, parseLine, readCommand, readCommandName } from "../../lib/cli/command_line.ts";
import { type CommandContext, type CommandSpec, commandTable } from "../../lib/cli/command_table.ts";
import { UsageError } from "../../lib/core/errors.ts";
import type { Command } from "../../lib/peer/commands.ts";

const context: CommandContext = {
  cwd: "/here",
  fetch: { folder: "/in", onExists: "refuse", timeoutMs: 60_000, sync: true },
};
const id = "ab".repeat(32);

function commandOf(line: string): Command {
  const asked = parseLine(line, context, "/home/ada");
  assert(asked?.kind === "command", line);
  return asked.command;
}

const fetchOf = (patterns: readonly string[], changes: Partial<Extract<Command, { command: "fetch" }>> = {}) => ({
  command: "fetch",
  targets: patterns.map((pattern) => ({ pattern })),
  ...context.fetch,
  ...changes,
});

function findOf(pattern: string, mode: "substring" | "glob" = "substring") {
  return { command: "find" as const, wanted: { terms: [{ mode, pattern }] } };
}

Deno.test("parseLine() reads every command", () => {
  const cases: readonly (readonly [line: string, command: unknown])[] = [
    ["peers", { command: "peers" }],
    ["  myfiles ", { command: "myfiles" }],
    ["share a /b ../c", { command: "share", paths: ["/here/a", "/b", "/c"] }],
    ['share "my films/one" ~/x ~', { command: "share", paths: ["/here/my films/one", "/home/ada/x", "/home/ada"] }],
    ['share "~/x"', { command: "share", paths: ["/here/~/x"] }],
    ["find *.mp4", findOf("*.mp4", "glob")],
    ['find "two words"', findOf("two words")],
    ["find -- -x", findOf("-x")],
    ["find a b sort:size --offline --limit 5", {
      command: "find",
      wanted: { terms: [{ mode: "substring", pattern: "a" }, { mode: "substring", pattern: "b" }] },
      order: { by: "size", descending: true },
      offline: true,
      limit: 5,
    }],
    ["share a --to group:friends,bob --about 'a plan'", {
      command: "share",
      paths: ["/here/a"],
      audience: [{ kind: "account", name: "bob" }, { kind: "group", name: "friends" }],
      description: "a plan",
    }],
    ["share a --to everyone", { command: "share", paths: ["/here/a"], audience: null }],
    ["watch", { command: "watch", change: null }],
    ["watch list", { command: "watch", change: null }],
    ["watch remove 1 2", { command: "watch", change: { kind: "remove", watches: [1, 2] } }],
    ["watch remove me", {
      command: "watch",
      change: {
        kind: "add",
        wanted: { terms: [{ mode: "substring", pattern: "remove" }, { mode: "substring", pattern: "me" }] },
        words: ["remove", "me"],
      },
    }],
    ["remove a 'b c'", { command: "remove", names: ["a", "b c"] }],
    ["fetch a *.flac", fetchOf(["a", "*.flac"])],
    [`fetch ${id}`, fetchOf([id])],
    ["fetch a --dir x --rename", fetchOf(["a"], { folder: "/here/x", onExists: "rename" })],
    ["fetch --overwrite a --dir=/y", fetchOf(["a"], { folder: "/y", onExists: "overwrite" })],
    ["fetch --dir ~/Music a", fetchOf(["a"], { folder: "/home/ada/Music" })],
    ["fetch a --timeout 5m --no-sync", fetchOf(["a"], { timeoutMs: 300_000, timeoutTold: true, sync: false })],
    ["fetch a --priority low", fetchOf(["a"], { priority: "low" })],
    ["fetch -- --dir", fetchOf(["--dir"])],
    ["status", { command: "status" }],
    ["transfers", { command: "transfers" }],
    ["transfers --watch", { command: "transfers", watch: true }],
    ["pause 3 12", { command: "pause", fetches: [3, 12] }],
    ["resume all", { command: "resume", fetches: "all" }],
    ["cancel 1", { command: "cancel", fetches: [1] }],
    ["priority 3 4 high", { command: "priority", fetches: [3, 4], priority: "high" }],
    ["priority all low", { command: "priority", fetches: "all", priority: "low" }],
    ["receipts", { command: "receipts", name: null }],
    ["receipts talk.pdf", { command: "receipts", name: "talk.pdf" }],
    ["verify x/y", { command: "verify", path: "/here/x/y", word: "x/y" }],
    ["verify /x --receipt", { command: "verify", path: "/x", word: "/x", byReceipt: true }],
    ["fingerprint", { command: "fingerprint", account: null }],
    ["fingerprint ada", { command: "fingerprint", account: "ada" }],
    ["trust ada", { command: "trust", account: "ada" }],
    ["devices", { command: "devices", revoke: null }],
    ['devices revoke "old laptop"', { command: "devices", revoke: "old laptop" }],
    ["logout", { command: "logout" }],
    ["quit", { command: "quit" }],
    ["exit", { command: "quit" }],
  ];
  for (const [line, command] of cases) assertEquals(commandOf(line), command, line);
});

Deno.test("parseLine() takes an empty line and a comment for nothing", () => {
  for (const line of ["", "   ", "# peers", "  #"]) assertEquals(parseLine(line, context, undefined), undefined);
});

Deno.test("parseLine() takes defaults from the context, not from the environment", () => {
  const own = {
    ...context,
    fetch: { folder: "/f", onExists: "rename", timeoutMs: 1, timeoutTold: true, priority: "high", sync: false },
  } as const;
  const asked = parseLine("fetch a", own, undefined);
  assertEquals(asked, { kind: "command", command: { command: "fetch", targets: [{ pattern: "a" }], ...own.fetch } });
});

Deno.test("parseLine() refuses what is no command and says what would be right", () => {
  const cases: readonly (readonly [line: string, message: string, hint: string])[] = [
    ["stauts", 'no command "stauts"', "Did you mean status"],
    ["fetc x", 'no command "fetc"', "Did you mean fetch"],
    ["xyzzy", 'no command "xyzzy"', "See help"],
    ["__proto__", 'no command "__proto__"', "See help"],
    ["toString", 'no command "toString"', "See help"],
    ["share", "Cannot share: it needs <path>…", "Write share <path>…"],
    ["fetch", "it needs <name | id>…", "Write fetch <name | id>…"],
    ["peers now", "peers takes nothing after it", ""],
    ["watch x sort:size", "Cannot watch in an order", "Leave sort: out"],
    ["watch x age:<7d", "Cannot watch by age", "Leave age: out"],
    ["find x --limit none", "it is no number", "Write --limit 20"],
    [`share a --about ${"x".repeat(201)}`, "at most 200 bytes", ""],
    [
      "find size:big",
      'Cannot read "size:big"',
      "Write it like size:>100M, size:<2G or size:1M..2G, in quotes where a shell reads it",
    ],
    ["trust a b", "Cannot trust 2 things", "Write trust <account>"],
    ["devices revoke", "Cannot revoke a device: name one", "Write devices, or devices revoke old-laptop"],
    ["devices forget x", 'Cannot read "forget"', "Write devices, or devices revoke old-laptop"],
    ["logout now", 'Cannot read "now": logout takes nothing after it', ""],
    ['fetch "a', 'a " is not closed', 'Write a name with spaces as "two words" or two\\ words'],
    ["fetch a\\", "a backslash ends it", 'Write a name with spaces as "two words" or two\\ words'],
    ["fetch a --renam", '"--renam"', "Did you mean --rename"],
    ["peers --overwrite", '"--overwrite"', "See --help"],
    ["fetch a --overwrite --rename", "Cannot both overwrite and rename", "Give one of --overwrite and --rename"],
    ["fetch a --timeout soon", "--timeout", "Write it like 30s, 5m or 1h"],
    ["fetch a --priority urgent", 'the priority: "urgent" is none', "Write high, normal, low"],
    ["priority 3 4", 'the priority: "4" is none', "Write high, normal, low"],
    ["pause 3 all", 'Cannot pause "all": it is no number', "See the numbers with: transfers; or write pause all"],
    ["cancel 0", 'Cannot cancel "0"', "See the numbers with: transfers; or write cancel all"],
    ["pause", "it needs <number… | all>", "Write pause <number… | all>"],
    ["fetch a --dir", "--dir", "Write --dir DIR"],
    ['fetch ""', "a word of fetch is empty", ""],
    ["help fetsh", 'no command "fetsh"', "Did you mean fetch"],
  ];
  for (const [line, message, hint] of cases) {
    const error = assertThrows(() => parseLine(line, context, undefined), UsageError, message);
    assertEquals([error.exitCode, error.hint ?? ""], [2, hint], line);
  }
});

Deno.test("parseLine() explains every command by help and by --help", () => {
  const overview = parseLine("help", context, undefined);
  assert(overview?.kind === "help");
  for (const [name, spec] of Object.entries<CommandSpec>(commandTable)) {
    assertStringIncludes(overview.text, spec.summary);
    const asked = parseLine(`help ${name}`, context, undefined);
    assert(asked?.kind === "help");
    for (const [example] of spec.examples) assertStringIncludes(asked.text, example);
    for (const flag of Object.keys(spec.flags)) assertStringIncludes(asked.text, `--${flag}`);
    assertEquals(parseLine(`${name} --help`, context, undefined), asked);
    assert(asked.text.split("\n").every((line) => line.length <= 120), name);
  }
});

Deno.test("every example of the help is a line that can be read", () => {
  for (const spec of Object.values<CommandSpec>(commandTable)) {
    for (const [example] of spec.examples) {
      if (spec.argvOnly) {
        assertThrows(() => parseLine(example, context, "/home/ada"), UsageError, "seen and remembered");
        const [name = "", ...words] = example.split(" ").filter((word) => !word.startsWith("--"));
        assert(readCommand(readCommandName(name), words, {}, context) !== undefined, example);
      } else assert(parseLine(example, context, "/home/ada") !== undefined, example);
    }
  }
});

Deno.test("formatFetch() writes a line that asks for the same again", () => {
  for (
    const line of [
      "fetch a",
      'fetch "a b" *.flac',
      "fetch --dir /y --rename a",
      "fetch --priority low a",
      "fetch --dir '/y z' -- -a",
      "fetch --overwrite 'say \"x\"'",
    ]
  ) {
    const command = commandOf(line);
    assert(command.command === "fetch");
    assertEquals(commandOf(formatFetch(command, context)), command, line);
  }
  const chosen = { command: "fetch", ...context.fetch, targets: [{ file: { name: "a", id, bytes: 5 } }] } as const;
  assertEquals(formatFetch(chosen, context), `fetch ${id}`);
});
