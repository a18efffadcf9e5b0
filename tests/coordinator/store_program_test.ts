/** The coordinator as a program on a PostgreSQL database, and its backups. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { type Ended, Program, programArgs, type ProgramOptions } from "../../scripts/programs.ts";
import { openStore } from "../../lib/coordinator/store/open_store.ts";
import { postgresBinaries, startPostgres } from "./store/real_postgres.ts";
import { temporaryFolder } from "./temporary_folder.ts";

function start(args: readonly string[], options: ProgramOptions = {}): Program {
  return new Program([...programArgs("coordinator"), ...args, "--json"], options);
}

async function run(args: readonly string[], options: ProgramOptions = {}): Promise<Ended> {
  await using program = start(args, options);
  return await program.end();
}

async function accountsOf(args: readonly string[], options: ProgramOptions = {}): Promise<unknown[]> {
  const ended = await run(["user", "list", ...args], options);
  assertEquals(ended.code, 0, ended.stderr);
  return ended.lines.map((line) => line["name"]);
}

Deno.test({
  name: "coordinators on one database have the same accounts, and each needs the one key file",
  ignore: postgresBinaries === undefined,
  async fn() {
    await using server = await startPostgres();
    const url = await server.createDatabase();
    using folder = temporaryFolder();
    const path = (name: string) => join(folder.path, name);
    Deno.writeTextFileSync(path("credentials"), "ada secret\n", { mode: 0o600 });
    await using one = start(["0", "--data", path("one"), "--store", url, "--credentials", path("credentials")]);
    await one.ready();
    // Asked for through the one that runs: the answer waits for nothing but its store.
    while ((await accountsOf(["--data", path("one")])).length === 0);
    const without = await run(["0", "--data", path("two"), "--store", url]);
    assertEquals(without.code, 3, without.stderr);
    assertStringIncludes(String(without.lines.at(-1)!["message"]), "keys.json");
    await using other = start(["0", "--data", path("other")]);
    await other.ready();
    other.signal("SIGTERM");
    await other.end();
    Deno.copyFileSync(path("other/keys.json"), path("two/keys.json"));
    const foreign = await run(["0", "--data", path("two"), "--store", url]);
    assertEquals(foreign.code, 8, foreign.stderr);
    assertStringIncludes(String(foreign.lines.at(-1)!["message"]), "other keys");
    Deno.copyFileSync(path("one/keys.json"), path("two/keys.json"));
    Deno.writeTextFileSync(path("url"), `${url}\n`, { mode: 0o600 });
    await using two = start(["0", "--data", path("two")], { env: { SHOAL_STORE_FILE: path("url") } });
    await two.ready();
    assertEquals(await accountsOf(["--data", path("two")]), ["ada"]);
    const backup = await run(["backup", path("copy"), "--data", path("two")]);
    assertEquals(backup.code, 2);
    assertStringIncludes(String(backup.lines.at(-1)!["hint"]), "pg_dump");
    for (const program of [one, two]) {
      program.signal("SIGTERM");
      assertEquals((await program.end()).code, 0);
    }
    assertEquals([...Deno.readDirSync(path("one"))].some(({ name }) => name === "coordinator.db"), false);
  },
});

Deno.test("coordinator backup writes a copy from the one that runs, and names the key file that belongs to it", async () => {
  using folder = temporaryFolder();
  const data = join(folder.path, "data");
  const file = join(folder.path, "copy.db");
  await using program = start(["0", "--data", data]);
  await program.ready();
  const done = await run(["backup", file, "--data", data]);
  assertEquals(done.code, 0, done.stderr);
  const [line] = done.lines;
  assertEquals([line!.type, line!["file"], line!["keyFile"]], ["backedUp", file, join(data, "keys.json")]);
  assertEquals(line!["bytes"], Deno.statSync(file).size);
  await (await openStore(file)).close();
  const again = await run(["backup", file, "--data", data]);
  assertEquals(again.code, 10, "what is there stays");
  program.signal("SIGTERM");
  await program.end();
  assertEquals((await run(["backup", `${file}2`, "--data", data])).code, 0, "also while none runs");
});

Deno.test("coordinator takes no password of its database from the command line", async () => {
  using folder = temporaryFolder();
  const ended = await run(["0", "--data", folder.path, "--store", "postgres://shoal:hunter2@127.0.0.1:1/shoal"]);
  assertEquals(ended.code, 2);
  assert(!(ended.stdout + ended.stderr).includes("hunter2"));
  const env = { SHOAL_STORE: "postgres://shoal:hunter2@127.0.0.1:1/shoal" };
  const away = await run(["0", "--data", folder.path], { env });
  assertEquals(away.code, 5, "from the environment it does; there is nothing at that port");
  assert(!(away.stdout + away.stderr).includes("hunter2"), away.stderr);
});
