import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { ShoalError, UsageError } from "../../lib/core/errors.ts";
import { type UserAction, userActions } from "../../lib/coordinator/config.ts";
import { dataPaths } from "../../lib/coordinator/data_folder.ts";
import { openKeyFile } from "../../lib/coordinator/key_file.ts";
import { openSqliteStore } from "../../lib/coordinator/store/sqlite_store.ts";
import { readUserWords, runUserCommand } from "../../lib/coordinator/user_command.ts";
import { acceptLogin, answerLogin, finishLogin, startLogin } from "../../lib/session/opaque.ts";
import { temporaryFolder } from "./temporary_folder.ts";

const random = (size: number) => crypto.getRandomValues(new Uint8Array(size));

function command(dataFolder: string, action: UserAction, account?: string, password = "secret") {
  return runUserCommand({
    action,
    account,
    dataFolder,
    clock: () => 5,
    random,
    readPassword: () => Promise.resolve(password),
  });
}

/** Whether a password logs in, by the data folder alone. */
async function logsIn(folder: string, account: string, password: string): Promise<boolean> {
  const { serverSetup } = await openKeyFile(dataPaths(folder).keys, {
    mayCreate: () => Promise.resolve(false),
    random,
  });
  const store = openSqliteStore(dataPaths(folder).database);
  const answer = await store.read({ operation: "credential", ask: { account, deviceId: null } });
  await store.close();
  if (!answer.ok || answer.value.record === null) return false;
  const started = startLogin(password);
  const answered = answerLogin(serverSetup, account, answer.value.record, started.ke1)!;
  const finished = finishLogin(password, started.state, answered.ke2);
  return finished !== undefined && acceptLogin(answered.state, finished.ke3) !== undefined;
}

Deno.test("user commands add, list, re-key, disable, enable and remove an account", async () => {
  using folder = temporaryFolder();
  const data = `${folder.path}/data`;
  assertEquals(await command(data, "add", "Ada", "first"), [{ type: "accountAdded", account: "Ada" }]);
  assertEquals(await logsIn(data, "ada", "first"), true);
  assertEquals(await command(data, "passwd", "ADA", "second"), [{ type: "passwordSet", account: "Ada" }]);
  assertEquals([await logsIn(data, "ada", "first"), await logsIn(data, "ada", "second")], [false, true]);
  assertEquals(await command(data, "disable", "ada"), [{ type: "accountDisabled", account: "Ada" }]);
  assertEquals(await command(data, "list"), [
    {
      ...{ type: "account", name: "Ada", disabled: true, devices: 0, shares: 0, createdAtMs: 5 },
      ...{ role: "member", sharesMax: null, rate: null },
    },
  ]);
  assertEquals(await command(data, "enable", "ada"), [{ type: "accountEnabled", account: "Ada" }]);
  assertEquals(await command(data, "remove", "ada"), [{ type: "accountRemoved", account: "Ada" }]);
  assertEquals(await command(data, "list"), []);
});

Deno.test("user role and user limits set what an account may do, and say so", async () => {
  using folder = temporaryFolder();
  const data = folder.path;
  await command(data, "add", "Ada");
  const run = (changes: Partial<Parameters<typeof runUserCommand>[0]>) =>
    runUserCommand({
      ...{ action: "limits", account: "ada", dataFolder: data, clock: () => 5, random },
      readPassword: () => Promise.reject(new Error("No password is needed")),
      ...changes,
    });
  assertEquals(await run({ action: "role", role: "readOnly" }), [{
    type: "roleSet",
    account: "Ada",
    role: "readOnly",
  }]);
  const limitsSet = { type: "limitsSet", account: "Ada" } as const;
  assertEquals(await run({ shares: "10", rate: "20" }), [{ ...limitsSet, sharesMax: 10, rate: 20 }]);
  assertEquals(await run({ rate: "default" }), [{ ...limitsSet, sharesMax: 10, rate: null }]);
  assertEquals(await run({}), [{ ...limitsSet, sharesMax: 10, rate: null }]);
  for (const wrong of [{ shares: "many" }, { rate: "0" }, { shares: "-1" }, { rate: "1.5" }]) {
    await assertRejects(() => run(wrong), UsageError, "Cannot set a limit");
  }
  await assertRejects(() => run({ action: "role", account: "bob", role: "member" }), ShoalError, "no such account");
});

Deno.test("user add refuses a name that looks like another account's", async () => {
  using folder = temporaryFolder();
  await command(folder.path, "add", "Ida");
  const error = await assertRejects(() => command(folder.path, "add", "lda"), ShoalError, "looks like");
  assertEquals([error.code, error.exitCode], ["nameTaken", 10]);
});

Deno.test("user add refuses a bad name before it asks for a password, and a bad password after", async () => {
  using folder = temporaryFolder();
  const asked: string[] = [];
  const add = (account: string, password: string) =>
    runUserCommand({
      action: "add",
      account,
      dataFolder: folder.path,
      clock: () => 5,
      random,
      readPassword: (name) => {
        asked.push(name);
        return Promise.resolve(password);
      },
    });
  await assertRejects(() => add("everyone", "x"), UsageError, "reserved");
  assertEquals(asked, []);
  await assertRejects(() => add("ada", ""), UsageError, "empty");
  assertEquals(asked, ["ada"]);
  assertEquals(await command(folder.path, "list"), []);
});

Deno.test("user add makes no keys where accounts need the ones that are gone", async () => {
  using folder = temporaryFolder();
  await command(folder.path, "add", "ada");
  Deno.removeSync(dataPaths(folder.path).keys);
  await assertRejects(() => command(folder.path, "add", "bob"), ShoalError, "it is missing");
});

Deno.test("readUserWords() wants an action it knows and as many names as it takes", () => {
  assertEquals(readUserWords(["add", "ada"], userActions), { action: "add", account: "ada" });
  assertEquals(readUserWords(["list"], userActions), { action: "list", account: undefined });
  assertEquals(readUserWords(["role", "ada", "readOnly"], userActions), {
    action: "role",
    account: "ada",
    role: "readOnly",
  });
  for (
    const words of [["role", "ada"], ["role", "ada", "king"], [], ["ad", "ada"], ["add"], ["add", "a", "b"], [
      "list",
      "x",
    ]]
  ) {
    assertThrows(() => readUserWords(words, userActions), UsageError);
  }
});
