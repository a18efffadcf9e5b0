/** The coordinator as a service: its admin address, reload, live status, and what it does when its store's thread dies. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { fromFileUrl, join, toFileUrl } from "@std/path";
import { Program, programArgs, type ProgramOptions } from "../../scripts/programs.ts";
import { temporaryFolder } from "./temporary_folder.ts";

const root = fromFileUrl(new URL("../../", import.meta.url));

function start(args: readonly string[], options: ProgramOptions = {}): Program {
  return new Program([...programArgs("coordinator"), ...args], options);
}

/** The status and the text of a page of the admin address. */
async function page(admin: unknown, path: string, token?: string): Promise<[number, string]> {
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const response = await fetch(`http://${admin}${path}`, { headers });
  return [response.status, await response.text()];
}

Deno.test("coordinator tells at its admin address how it is, and takes other settings at SIGHUP", async () => {
  using folder = temporaryFolder();
  const data = `${folder.path}/data`;
  const config = `${folder.path}/shoal/config.json`;
  const configure = (settings: unknown) => Deno.writeTextFileSync(config, JSON.stringify({ coordinator: settings }));
  Deno.mkdirSync(`${folder.path}/shoal`);
  configure({ admin: 0 });
  await using program = start(["0", "--data", data, "--json"], { env: { XDG_CONFIG_HOME: folder.path } });
  const { admin } = await program.line((line) => line.type === "ready");
  assertEquals(await page(admin, "/healthz"), [200, "alive\n"]);
  assertEquals(await page(admin, "/readyz"), [200, "ready\n"]);
  const token = Deno.readTextFileSync(`${data}/admin.token`).trim();
  const [status, text] = await page(admin, "/metrics", token);
  assertEquals(status, 200);
  for (const line of ["shoal_sessions 0", "shoal_store_up 1", "shoal_draining 0"]) {
    assertStringIncludes(text, `\n${line}\n`);
  }

  const other = "another-token-of-the-operator";
  Deno.writeTextFileSync(`${folder.path}/token`, other, { mode: 0o600 });
  configure({ admin: 0, "admin-token-file": `${folder.path}/token`, "log-format": "json" });
  program.signal("SIGHUP");
  await program.note('"text":"Settings read again"');
  assertEquals([(await page(admin, "/metrics", token))[0], (await page(admin, "/metrics", other))[0]], [401, 200]);

  for (const broken of ["{", '{"coordinator": {"log-level": "loud"}}', '{"coordinator": {"log-levle": "debug"}}']) {
    const before = program.stderr.length;
    Deno.writeTextFileSync(config, broken);
    program.signal("SIGHUP");
    await program.note("all settings are as they were", before);
  }
  const before = program.stderr.length;
  configure({ admin: 0, "keep-alive": 20, "admin-token-file": `${folder.path}/gone`, "log-level": "warning" });
  program.signal("SIGHUP");
  await program.note("--keep-alive has changed, which takes a restart", before);
  await program.note("there is no such file; this setting is as it was", before);
  assertEquals((await page(admin, "/metrics", other))[0], 200);

  program.signal("SIGTERM");
  assertEquals((await program.end()).code, 0);
});

Deno.test("coordinator status --watch goes on with rates until Ctrl-C", async () => {
  using folder = temporaryFolder();
  await using program = start(["0", "--data", folder.path, "--json"]);
  await program.ready();
  await using watching = start(["status", "--watch", "--data", folder.path, "--json"]);
  const first = await watching.line((line) => line.type === "status");
  assertEquals([first["v"], first["sessions"], first["rates"]], [1, 0, undefined]);
  assert(Number(first["rssBytes"]) > 1e6);
  const second = await watching.line((line) => line["rates"] !== undefined);
  const { datagramsIn, logins } = second["rates"] as Record<string, unknown>;
  assertEquals([datagramsIn, logins], [0, 0]);
  watching.signal("SIGINT");
  assertEquals((await watching.end()).code, 0);
  await using once = start(["status", "--data", folder.path]);
  assertStringIncludes((await once.end()).stdout, "0 sessions; 0 of 0 devices");
});

Deno.test("coordinator ends with 11 and says why when its store's thread dies, for whoever watches over it to start it again", async () => {
  using folder = temporaryFolder();
  // The store of this run works until a file appears; then its thread fails at the next call, as at a mistake of ours.
  const mark = `${folder.path}/die`;
  const store = toFileUrl(join(root, "lib/coordinator/store/sqlite_store.ts")).href;
  Deno.writeTextFileSync(
    `${folder.path}/dying_store.ts`,
    `import { openSqliteStore as open } from "${store}?real";
     export function openSqliteStore(...parameters) {
       const store = open(...parameters);
       const figures = store.figures.bind(store);
       store.figures = () => {
         try { Deno.statSync("${mark}"); } catch { return figures(); }
         setTimeout(() => { throw new Error("a mistake in the store"); });
         return new Promise(() => {});
       };
       return store;
     }`,
  );
  const { imports } = JSON.parse(Deno.readTextFileSync(join(root, "deno.json")));
  const map = `${folder.path}/imports.json`;
  Deno.writeTextFileSync(
    map,
    JSON.stringify({ imports: { ...imports, [store]: toFileUrl(`${folder.path}/dying_store.ts`).href } }),
  );
  const [run, ...words] = programArgs("coordinator");
  const args = [run!, `--import-map=${map}`, ...words];
  await using program = new Program([...args, "0", "--data", `${folder.path}/data`, "--json"]);
  await program.ready();
  Deno.writeTextFileSync(mark, "");
  await using asking = start(["status", "--data", `${folder.path}/data`, "--json"]);
  const ended = await program.end();
  assertEquals(ended.code, 11, ended.stderr);
  assertStringIncludes(ended.stderr, "Cannot use the store: its thread died");
  assertStringIncludes(ended.stderr, "a mistake in the store");
  assert((await asking.end()).code !== 0, "who asked meanwhile is told that there is no answer");
});
