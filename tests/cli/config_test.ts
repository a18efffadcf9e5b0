import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { allPeerFlags, type PeerConfig, peerFlags, readInvocation, type Surroundings } from "../../lib/cli/config.ts";
import { envName } from "../../lib/cli/flags.ts";
import { UsageError } from "../../lib/core/errors.ts";
import type { Command } from "../../lib/peer/commands.ts";

function around(env: Record<string, string> = {}, files: Record<string, string> = {}): Surroundings {
  const all: Record<string, string> = { HOME: "/home/ada", ...env };
  return { env: (name) => all[name], cwd: "/here", readText: (path) => files[path] };
}

function configOf(args: readonly string[], surroundings = around()): PeerConfig {
  const invocation = readInvocation(args, surroundings);
  assert(invocation.kind === "run");
  return invocation.config;
}

const configPath = "/home/ada/.config/shoal/config.json";

function findOf(pattern: string): Command {
  return { command: "find", wanted: { terms: [{ mode: "substring", pattern }] } };
}

Deno.test("readInvocation() reads address, options and command in any order", () => {
  const { coordinator, user, json, command } = configOf(["--user", "ada", "5000", "find", "--json", "x"]);
  assertEquals(coordinator, { host: "127.0.0.1", port: 5000 });
  assertEquals([user, json], ["ada", true]);
  assertEquals(command, findOf("x"));
  assertEquals(configOf(["--json", "[::1]:1"]).command, undefined);
  assertEquals(configOf(["h:1", "--", "find", "--json"]).command, findOf("--json"));
});

Deno.test("readInvocation() has every default that the help tells", () => {
  const { context, folders, user, passwordFile, device, json, quiet, verbose } = configOf(["5000"]);
  assertEquals(context, {
    cwd: "/here",
    fetch: { folder: "/here", onExists: "refuse", timeoutMs: 60_000, sync: true },
  });
  assertEquals(folders, {
    config: "/home/ada/.config/shoal",
    state: "/home/ada/.local/state/shoal",
    cache: "/home/ada/.cache/shoal",
  });
  assertEquals([user, passwordFile, device, json, quiet, verbose], [
    undefined,
    undefined,
    undefined,
    false,
    false,
    false,
  ]);
});

Deno.test("readInvocation() prefers flags to the environment, that to the config", () => {
  const files = { [configPath]: '{"peer":{"user":"c","dir":"/c","timeout":"3s","device":"c","rename":true}}' };
  const env = { SHOAL_USER: "e", SHOAL_DIR: "/e", SHOAL_TIMEOUT: "2s" };
  const config = configOf(["5000", "--user", "f"], around(env, files));
  assertEquals([config.user, config.device], ["f", "c"]);
  assertEquals(config.context.fetch, {
    folder: "/e",
    onExists: "rename",
    timeoutMs: 2000,
    timeoutTold: true,
    sync: true,
  });
  assertEquals(configOf(["5000"], around({}, files)).context.fetch.timeoutMs, 3000);
});

Deno.test("readInvocation() lets each option be set in the environment", () => {
  for (const [flag, spec] of Object.entries(peerFlags)) {
    if ("settable" in spec || flag === "home") continue;
    const values: Readonly<Record<string, string>> = {
      timeout: "7s",
      "limit-up": "1M",
      "limit-down": "1M",
      "limit-schedule": "22:00-07:00=1M",
    };
    const value = !("value" in spec) ? "1" : values[flag] ?? "x";
    const set = configOf(["5000"], around({ [envName(flag)]: value }));
    assert(JSON.stringify(set) !== JSON.stringify(configOf(["5000"])), flag);
  }
});

Deno.test("readInvocation() moves everything with --home, also the config", () => {
  const files = { "/here/h/config/config.json": '{"peer":{"user":"there"}}', [configPath]: '{"peer":{"user":"not"}}' };
  const config = configOf(["5000", "--home", "h"], around({}, files));
  assertEquals(config.folders, { config: "/here/h/config", state: "/here/h/state", cache: "/here/h/cache" });
  assertEquals(config.user, "there");
  assertEquals(configOf(["5000"], around({ SHOAL_HOME: "/x" })).folders.state, "/x/state");
  assertThrows(
    () => configOf(["5000"], around({}, { [configPath]: '{"peer":{"home":"/x"}}' })),
    UsageError,
    '"home"',
  );
});

Deno.test("readInvocation() takes --overwrite on the command line over rename elsewhere", () => {
  const files = { [configPath]: '{"peer":{"rename":true}}' };
  const command = configOf(["5000", "fetch", "a", "--overwrite"], around({}, files)).command;
  assert(command?.command === "fetch");
  assertEquals(command.onExists, "overwrite");
  assertThrows(() => configOf(["5000", "fetch", "a", "--overwrite", "--rename"]), UsageError, "both");
});

Deno.test("readInvocation() keeps what is typed later to the options given at the start", () => {
  assertEquals(configOf(["5000", "--rename", "--dir", "in"]).context.fetch, {
    folder: "/here/in",
    onExists: "rename",
    timeoutMs: 60_000,
    sync: true,
  });
});

Deno.test("readInvocation() finds the coordinator of a registration in the code, unless an address is told", () => {
  const { coordinator, register, command } = configOf([
    "register",
    "shoal-abc@share.example.org:5000",
    "--user",
    "ada",
  ]);
  assertEquals(coordinator, { host: "share.example.org", port: 5000 });
  assertEquals([register, command], [{ code: "shoal-abc@share.example.org:5000" }, undefined]);
  const told = configOf(["127.0.0.1:7", "register", "shoal-abc@share.example.org:5000"]);
  assertEquals([told.coordinator.port, told.register?.code], [7, "shoal-abc@share.example.org:5000"]);
  assertEquals(configOf(["5000", "register"]).register, { code: undefined });
  assertEquals(configOf(["5000"]).register, undefined);
  assertThrows(() => configOf(["register", "shoal-abc"]), UsageError, "coordinator's address");
});

Deno.test("readInvocation() reads a change of the password without the passwords", () => {
  const args = ["5000", "passwd", "--everywhere", "--password-file", "old", "--new-password-file", "/new"];
  const { command, passwordFile, newPasswordFile } = configOf(args);
  assertEquals(command, { command: "passwd", oldPassword: "", newPassword: "", everywhere: true });
  assertEquals([passwordFile, newPasswordFile], ["/here/old", "/new"]);
});

Deno.test("readInvocation() refuses what cannot be meant", () => {
  const cases: readonly (readonly [args: readonly string[], message: string])[] = [
    [[], "address is missing"],
    [["find", "x"], "coordinator's address"],
    [["5000", "fidn", "x"], '"fidn"'],
    [["5000", "find"], "it needs <word>…"],
    [["5000", "find", "x", "--overwrite"], '"--overwrite"'],
    [["5000", "--pasword-file", "x"], '"--pasword-file"'],
    [["5000", "--password", "x"], '"--password"'],
    [["5000", "--timeout", "x"], "--timeout"],
    [["5000", "--user"], "--user"],
  ];
  for (const [args, message] of cases) assertThrows(() => configOf(args), UsageError, message);
  assertThrows(() => configOf(["5000"], around({}, { [configPath]: "{" })), UsageError, configPath);
  assertThrows(() => configOf(["5000"], around({ HOME: "" })), UsageError, "HOME");
});

Deno.test("readInvocation() shows the help that is asked for, without an address", () => {
  const helpOf = (...args: string[]) => {
    const invocation = readInvocation(args, around({ HOME: "" }));
    assert(invocation.kind === "help", args.join(" "));
    return invocation.text;
  };
  for (const flag of Object.keys(peerFlags)) assertStringIncludes(helpOf("--help"), `--${flag}`);
  assertStringIncludes(helpOf("-h"), "peer <coordinator>");
  assertStringIncludes(helpOf("help"), "Commands:");
  assertStringIncludes(helpOf("fetch", "--help"), "fetch [options] <name | id>…");
  assertEquals(helpOf("help", "fetch"), helpOf("5000", "fetch", "find", "--help"));
  assertThrows(() => helpOf("help", "fetsh"), UsageError, '"fetsh"');
  assertEquals(readInvocation(["--version"], around()), { kind: "version", json: false });
});

Deno.test("no option of peer carries a secret", () => {
  for (const flag of Object.keys(allPeerFlags)) assert(!/^(password|secret|token|key)$/.test(flag), flag);
});
