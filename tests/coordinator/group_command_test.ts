import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { groupActions } from "../../lib/coordinator/config.ts";
import { type GroupCommand, readGroupWords, runGroupCommand } from "../../lib/coordinator/group_command.ts";
import { parseGroupName } from "../../lib/coordinator/group_name.ts";
import { dataPaths } from "../../lib/coordinator/data_folder.ts";
import { openSqliteStore } from "../../lib/coordinator/store/sqlite_store.ts";
import { ShoalError, UsageError } from "../../lib/core/errors.ts";

Deno.test("readGroupWords() reads an action, a group and accounts, and refuses what is missing or too much", () => {
  const read = (line: string) => readGroupWords(line.split(" ").filter((word) => word !== ""), groupActions);
  assertEquals(read("create friends"), { action: "create", group: "friends", accounts: [] });
  assertEquals(read("add friends ada bob"), { action: "add", group: "friends", accounts: ["ada", "bob"] });
  assertEquals(read("list"), { action: "list", group: "", accounts: [] });
  for (const line of ["", "make friends", "create", "create a b", "add friends", "list friends", "delete"]) {
    assertThrows(() => read(line), UsageError);
  }
});

Deno.test("parseGroupName() takes what an account may be called, but for what a list of names is written with", () => {
  assertEquals(parseGroupName("Team.A"), "Team.A");
  for (const name of ["", "a,b", "group:a", "two words", "everyone", "-x"]) {
    assertThrows(() => parseGroupName(name), UsageError, "group");
  }
});

Deno.test("groups are made, filled, listed and deleted where no coordinator runs", async () => {
  const folder = await Deno.makeTempDir({ prefix: "shoal-groups-" });
  try {
    const store = openSqliteStore(dataPaths(folder).database);
    for (const name of ["Ada", "bob"]) await store.putAccount(name, "record", { overwrite: false, nowMs: 1 });
    await store.close();
    const run = (action: GroupCommand["action"], group = "", ...accounts: string[]) =>
      runGroupCommand({ action, group, accounts, dataFolder: folder, clock: () => 7 });
    assertEquals(await run("create", "Friends"), [{ type: "groupCreated", group: "Friends" }]);
    assertEquals((await assertRejects(() => run("create", "friends"), ShoalError)).code, "exists");
    assertEquals(await run("add", "friends", "ada", "bob"), [
      { type: "groupMemberAdded", group: "friends", account: "ada", changed: true },
      { type: "groupMemberAdded", group: "friends", account: "bob", changed: true },
    ]);
    assertEquals((await run("add", "friends", "ada")).map((line) => "changed" in line && line.changed), [false]);
    await run("remove", "friends", "bob");
    assertEquals(await run("list"), [{ type: "group", name: "Friends", members: ["Ada"], createdAtMs: 7 }]);
    for (const [group, account] of [["nobody's", "ada"], ["friends", "nobody"]] as const) {
      assertEquals((await assertRejects(() => run("add", group, account), ShoalError)).code, "notFound");
    }
    assertEquals(await run("delete", "friends"), [{ type: "groupDeleted", group: "friends" }]);
    assertEquals((await assertRejects(() => run("delete", "friends"), ShoalError)).code, "notFound");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
