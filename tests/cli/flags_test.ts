import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import {
  commonFlags,
  envName,
  type FlagSources,
  type FlagTable,
  formatFlags,
  nearestWord,
  parseConfig,
  parseFlags,
  parseWords,
} from "../../lib/cli/flags.ts";
import { UsageError } from "../../lib/core/errors.ts";

const table = {
  ...commonFlags,
  data: { value: "DIR", help: "where data lives" },
  host: { value: "ADDRESS", help: "where to listen", default: "127.0.0.1" },
  "keep-alive": { value: "SECONDS", help: "the interval", default: "10" },
} as const satisfies FlagTable;

function sources(env: Record<string, string> = {}, config: Record<string, unknown> = {}): FlagSources {
  return { env: (name) => env[name], config };
}

Deno.test("parseFlags() takes options before and after the words", () => {
  const wanted = ["5000"];
  for (
    const args of [["--data", "x", "5000", "--json"], ["5000", "--json", "--data=x"], ["--json", "5000", "--data", "x"]]
  ) {
    const { values, words } = parseFlags(args, table, sources());
    assertEquals(words, wanted);
    assertEquals(values.data, "x");
    assertEquals(values.json, true);
    assertEquals(values.quiet, false);
    assertEquals(values.host, "127.0.0.1");
  }
});

Deno.test("parseFlags() keeps words that look like numbers as they were written", () => {
  assertEquals(parseFlags(["0x10", "007", "1e3"], table, sources()).words, ["0x10", "007", "1e3"]);
});

Deno.test("parseFlags() takes everything after -- as words", () => {
  assertEquals(parseFlags(["fetch", "--", "--json", "-q"], table, sources()).words, ["fetch", "--json", "-q"]);
  assertEquals(parseFlags(["fetch", "--", "--json"], table, sources()).values.json, false);
});

Deno.test("parseFlags() reads short switches, one by one and together", () => {
  assertEquals(parseFlags(["-q"], table, sources()).values.quiet, true);
  const both = parseFlags(["-qv", "5000"], table, sources());
  assertEquals([both.values.quiet, both.values.verbose, both.words], [true, true, ["5000"]]);
});

Deno.test("parseFlags() prefers the command line to the environment, that to the config, that to the default", () => {
  const env = { SHOAL_HOST: "::1", SHOAL_JSON: "0" };
  const config = { host: "10.0.0.1", json: true, "keep-alive": 5 };
  assertEquals(parseFlags(["--host", "::"], table, sources(env, config)).values.host, "::");
  assertEquals(parseFlags([], table, sources(env, config)).values.host, "::1");
  assertEquals(parseFlags([], table, sources({}, config)).values.host, "10.0.0.1");
  assertEquals(parseFlags([], table, sources()).values.host, "127.0.0.1");
  assertEquals(parseFlags([], table, sources(env, config)).values.json, false);
  assertEquals(parseFlags([], table, sources({}, config)).values.json, true);
  assertEquals(parseFlags([], table, sources({}, config)).values["keep-alive"], "5");
  assertEquals(parseFlags([], table, sources({ SHOAL_HELP: "1" })).values.help, false);
});

Deno.test("parseFlags() reads a second variable of an option where its own is not set or empty", () => {
  const secret = { accounts: { value: "FILE", help: "accounts", alsoEnv: "SHOAL_ACCOUNTS_FILE" } } as const;
  const read = (env: Record<string, string>) => parseFlags([], secret, sources(env, { accounts: "c" })).values.accounts;
  assertEquals(read({ SHOAL_ACCOUNTS_FILE: "b" }), "b");
  assertEquals(read({ SHOAL_ACCOUNTS: "", SHOAL_ACCOUNTS_FILE: "b" }), "b");
  assertEquals(read({ SHOAL_ACCOUNTS: "a", SHOAL_ACCOUNTS_FILE: "b" }), "a");
  assertEquals(read({}), "c");
  assertStringIncludes(formatFlags(secret), "(SHOAL_ACCOUNTS; SHOAL_ACCOUNTS_FILE)");
});

Deno.test("parseFlags() refuses an unknown option and names the nearest", () => {
  const error = assertThrows(() => parseFlags(["--hots", "x"], table, sources()), UsageError, '"--hots"');
  assertEquals(error.hint, "Did you mean --host");
  assertEquals(error.exitCode, 2);
  assertThrows(() => parseFlags(["--frobnicate=1"], table, sources()), UsageError, '"--frobnicate"');
  assertThrows(() => parseFlags(["-z"], table, sources()), UsageError);
  assertThrows(() => parseFlags(["--__proto__", "1"], table, sources()), UsageError);
});

Deno.test("parseFlags() refuses an option without its value and a switch that is neither on nor off", () => {
  assertThrows(() => parseFlags(["5000", "--data"], table, sources()), UsageError, "--data");
  assertThrows(() => parseFlags(["--data", "--json"], table, sources()), UsageError, "--data");
  assertThrows(() => parseFlags([], table, sources({ SHOAL_JSON: "maybe" })), UsageError, "SHOAL_JSON");
});

Deno.test("parseWords() finds the command between options that take values", () => {
  assertEquals(parseWords(["--data", "user", "user", "add", "--json", "ada"], table), ["user", "add", "ada"]);
});

Deno.test("parseConfig() reads the program's section and refuses what it does not know", () => {
  const text = '{"coordinator":{"host":"::1"},"peer":{"anything":1}}';
  assertEquals(parseConfig(text, "c.json", "coordinator", table), { host: "::1" });
  assertEquals(parseConfig("{}", "c.json", "coordinator", table), {});
  const error = assertThrows(
    () => parseConfig('{"coordinator":{"keepalive":1}}', "c.json", "coordinator", table),
    UsageError,
    "c.json",
  );
  assertEquals(error.hint, "Did you mean keep-alive");
  assertThrows(() => parseConfig('{"coordinator":{"help":true}}', "c.json", "coordinator", table), UsageError);
  for (const bad of ["", "[]", "null", '{"coordinator":1}']) {
    assertThrows(() => parseConfig(bad, "c.json", "coordinator", table), UsageError, "c.json");
  }
});

Deno.test("formatFlags() shows every option with its default and its variable", () => {
  const help = formatFlags(table);
  for (const name of Object.keys(table)) assertStringIncludes(help, `--${name}`);
  assertStringIncludes(help, "(default 127.0.0.1; SHOAL_HOST)");
  assertStringIncludes(help, "-q, --quiet");
  assertEquals(envName("keep-alive"), "SHOAL_KEEP_ALIVE");
  assert(!help.includes("SHOAL_HELP"));
});

Deno.test("nearestWord() finds small slips and nothing far away", () => {
  assertEquals(nearestWord("stauts", ["status", "search"]), "status");
  assertEquals(nearestWord("xyz", ["status", "search"]), undefined);
});
