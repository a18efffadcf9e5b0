/** Two coordinators as programs on one PostgreSQL, and peers as programs at both. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { type Program, Stage } from "../../scripts/programs.ts";
import { assertDone, ofType, said } from "../e2e/ended.ts";
import { sha256 } from "../e2e/files.ts";
import { postgresBinaries, startPostgres } from "./store/real_postgres.ts";

const accounts = { ada: "the password of ada", bob: "the password of bob" };

Deno.test({
  name: "peers of two coordinators find, fetch and hear of each other; who is disabled at one is out at the other",
  ignore: postgresBinaries === undefined,
  async fn() {
    await using server = await startPostgres();
    const url = await server.createDatabase();
    await using stage = await Stage.open(accounts);
    const store = ["--store", url, "--advertise", "127.0.0.1", "--keep-alive", "1"];
    await stage.coordinator(store);
    const first = stage.port;
    const holder = stage.peer("ada", ["share", stage.path("credentials")]);
    await holder.ready();
    assertDone(await stage.peer("bob", ["peers"]).end());
    await Deno.remove(stage.path("bob.password"));

    const other = (name: string) => {
      const args = ["0", "--data", stage.path(name), "--json", ...store];
      return stage.start("coordinator", args) as Program;
    };
    const refused = await other("strange").end();
    assertEquals(refused.code, 3, said(refused));
    await Deno.mkdir(stage.path("data2"), { mode: 0o700 });
    await Deno.copyFile(stage.path("data", "keys.json"), stage.path("data2", "keys.json"));
    const second = await other("data2").ready();

    // By its key, at the first once more, which tells of the second; then there alone.
    const byKey = async (port: number, ...command: readonly string[]) => {
      stage.use(port);
      const words = stage.peerWords("bob");
      const at = words.indexOf("--password-file");
      return await stage.start("peer", [...words.toSpliced(at, 2), "--json", ...command]).end();
    };
    for (;;) {
      assertDone(await byKey(first, "peers"));
      const known = await Deno.readTextFile(stage.path("home-bob", "state", "known_coordinators.json"));
      if (known.includes(`:${second}`)) break;
    }
    const found = assertDone(await byKey(second, "find", "credentials"));
    assertEquals(ofType(found, "file").map((file) => file["holders"]), [1], said(found));
    const fetched = assertDone(await byKey(second, "fetch", "credentials"));
    const [file] = ofType(fetched, "fetched");
    assertEquals(await sha256(String(file!["path"])), await sha256(stage.path("credentials")));

    const disabled = await stage.start("coordinator", [
      ...["user", "disable", "ada", "--data", stage.path("data2"), "--json"],
    ]).end();
    assertDone(disabled);
    const ended = await holder.end();
    assertEquals(ended.code, 4, said(ended));
    assertStringIncludes(ended.stdout + ended.stderr, "the operator disabled the account");
  },
});

Deno.test("a coordinator that shares its store with nobody has nothing to advertise", async () => {
  await using stage = await Stage.open({});
  const args = ["0", "--data", stage.path("data"), "--json", "--advertise", "127.0.0.1"];
  const ended = await stage.start("coordinator", args).end();
  assertEquals(ended.code, 2, said(ended));
  assertStringIncludes(ended.stdout + ended.stderr, "--store");
});
