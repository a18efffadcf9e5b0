/** The coordinator as a program: its ready line, signals, exit codes and commands. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { type Ended, Program, programArgs, type ProgramOptions } from "../../scripts/programs.ts";
import { temporaryFolder } from "./temporary_folder.ts";

function start(args: readonly string[], options: ProgramOptions = {}): Program {
  return new Program([...programArgs("coordinator"), ...args], options);
}

async function run(args: readonly string[], options: ProgramOptions = {}): Promise<Ended> {
  await using program = start(args, options);
  return await program.end();
}

function assertFailed(ended: Ended, exitCode: number, code: string): string {
  assertEquals(ended.code, exitCode, ended.stdout + ended.stderr);
  const error = ended.lines.at(-1)!;
  assertEquals([error.type, error["code"]], ["error", code]);
  assert(!ended.stderr.includes("    at "), ended.stderr);
  return `${error["message"]} / ${error["hint"]}`;
}

Deno.test("coordinator says when it is ready and where, and that only this machine can reach it", async () => {
  using folder = temporaryFolder();
  await using program = start(["--data", folder.path, "0", "--json"]);
  const ready = await program.line((line) => line.type === "ready");
  assertEquals([ready["v"], ready["program"], ready["address"]], [1, "coordinator", "127.0.0.1"]);
  assert(Number(ready["port"]) > 0);
  await program.note("Only this machine can reach it");

  const taken = await run([String(ready["port"]), "--data", `${folder.path}/other`, "--json"]);
  assertStringIncludes(assertFailed(taken, 5, "unreachable"), "the port is taken");
  const second = await run(["0", "--data", folder.path, "--json"]);
  assertStringIncludes(assertFailed(second, 10, "exists"), `process ${program.pid} on 127.0.0.1:${ready["port"]}`);

  program.signal("SIGTERM");
  const ended = await program.end();
  assertEquals(ended.code, 0, ended.stderr);
  const names = [...Deno.readDirSync(folder.path)].map((entry) => entry.name).sort();
  assertEquals(
    names,
    ["coordinator.db", "coordinator.lock", "keys.json", "other"],
    "the store is closed, the socket gone",
  );
});

Deno.test("coordinator ends with 130 at Ctrl-C, and starts again on what SIGKILL left", async () => {
  using folder = temporaryFolder();
  {
    await using program = start(["0", "--data", folder.path, "--json"]);
    await program.ready();
    await program.kill();
  }
  await using program = start(["0", "--data", folder.path, "--json"]);
  await program.ready();
  program.signal("SIGINT");
  assertEquals((await program.end()).code, 130);
});

Deno.test("coordinator registers its credentials file, again at SIGHUP, and commands go through it", async () => {
  using folder = temporaryFolder();
  const data = ["--data", `${folder.path}/data`, "--json"];
  const credentials = `${folder.path}/credentials`;
  Deno.writeTextFileSync(credentials, "ada secret\n", { mode: 0o644 });
  Deno.chmodSync(credentials, 0o644);
  await using program = start(["0", ...data, "--credentials", credentials]);
  await program.ready();
  await program.note("others can read it");

  const status = await run(["status", ...data]);
  assertEquals([status.code, status.lines[0]?.["v"], status.lines[0]?.["sessions"]], [0, 1, 0]);
  const added = await run(["user", "add", "bob", ...data], { input: "secret of bob\n" });
  assertEquals(added.lines, [{ type: "accountAdded", v: 1, account: "bob" }] as never, added.stderr);
  const again = await run(["user", "add", "BOB", ...data], { env: { SHOAL_PASSWORD: "x" } });
  assertStringIncludes(assertFailed(again, 10, "exists"), "passwd");

  Deno.writeTextFileSync(credentials, "nopassword\n");
  program.signal("SIGHUP");
  await program.note("line 1");
  Deno.writeTextFileSync(credentials, "ada other\ncarl secret\n");
  program.signal("SIGHUP");
  const accounts = async () => (await run(["user", "list", ...data])).lines.map((line) => line["name"]);
  while (!(await accounts()).includes("carl"));
  assertEquals(await accounts(), ["ada", "bob", "carl"]);
  assertFailed(await run(["user", "disable", "nobody", ...data]), 3, "notFound");
  assert(!program.stderr.includes("secret"), "no password is in the log");
});

Deno.test("coordinator refuses what it does not know with the nearest, exit 2", async () => {
  for (
    const [args, nearest] of [
      [["5000", "--hots", "::"], "--host"],
      [["usr", "list"], "user"],
      [["5000x"], "port"],
      [["5000", "5001"], "5001"],
      [[], "coordinator 5000"],
      [["user"], "add"],
      [["user", "add", "ada", "secret"], "user add ada"],
      [["5000", "--password-file", "x"], "--password-file"],
    ] as const
  ) {
    assertStringIncludes(assertFailed(await run([...args, "--json"]), 2, "usage"), nearest);
  }
  const failed = await run(["5000", "--hots"]);
  assertEquals([failed.code, failed.stdout], [2, ""]);
  assertStringIncludes(failed.stderr, "Did you mean --host");
});

Deno.test("coordinator reads its section of config.json below flags and environment", async () => {
  using folder = temporaryFolder();
  Deno.mkdirSync(`${folder.path}/shoal`);
  const data = `${folder.path}/data`;
  Deno.writeTextFileSync(`${folder.path}/shoal/config.json`, JSON.stringify({ coordinator: { data, json: true } }));
  const listed = await run(["user", "list"], { env: { XDG_CONFIG_HOME: folder.path } });
  assertEquals([listed.code, Deno.statSync(data).isDirectory], [0, true], listed.stderr);
  const env = { XDG_CONFIG_HOME: folder.path, SHOAL_DATA: `${folder.path}/env` };
  assertEquals((await run(["user", "list"], { env })).code, 0);
  assert(Deno.statSync(`${folder.path}/env`).isDirectory);
});

Deno.test("coordinator --help names every option with its default, --version the version", async () => {
  const help = await run(["--help"]);
  assertEquals(help.code, 0);
  for (const part of ["--host ADDRESS", "127.0.0.1", "--data", "--credentials", "--keep-alive", "user add"]) {
    assertStringIncludes(help.stdout, part);
  }
  const version = await run(["5000", "--version"]);
  assert(
    /^coordinator \d+\.\d+\.\d+ \(protocol \d+, from a source tree, Deno [\d.]+, \S+\)\n$/.test(version.stdout),
    version.stdout,
  );
});
