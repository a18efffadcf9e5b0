import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { setImmediate } from "node:timers";
import { ShoalError, UsageError } from "../../lib/core/errors.ts";
import { parseAccountName } from "../../lib/coordinator/account_name.ts";
import { loadLookAlikes, lookAlikeKey } from "../../lib/coordinator/look_alike.ts";
import { parseCredentials, PendingAccounts } from "../../lib/coordinator/accounts.ts";
import type { Store } from "../../lib/coordinator/store/store.ts";
import { openSqliteStore } from "../../lib/coordinator/store/sqlite_store.ts";
import {
  acceptLogin,
  answerLogin,
  createServerSetup,
  finishLogin,
  foldAccount,
  loadOpaque,
  startLogin,
} from "../../lib/session/opaque.ts";
import { parsePassword } from "../../lib/session/password.ts";
import { temporaryFolder } from "./temporary_folder.ts";

const cheap = { iterations: 1, memory: 8, parallelism: 1 };

Deno.test("parseAccountName() keeps case and composes characters", () => {
  assertEquals(parseAccountName("Ada.Lovelace-1"), "Ada.Lovelace-1");
  assertEquals(parseAccountName("zoe\u0301"), "zoé");
  assertEquals(parseAccountName("Жанна"), "Жанна");
  assertEquals(parseAccountName("ａｄａ"), "ada", "fullwidth letters are the ordinary ones");
  assertEquals(parseAccountName("山田さん-a"), "山田さん-a", "scripts that are written together");
  assertEquals(parseAccountName("a".repeat(64)).length, 64);
});

Deno.test("parseAccountName() refuses what a person could not read or would mistake", () => {
  const table: readonly (readonly [string, string])[] = [
    ["", "empty"],
    ["group:ada", "it holds :"],
    ["ada,bob", "it holds :"],
    ["a".repeat(65), "longer"],
    ["é".repeat(33), "longer"],
    ["a b", "space"],
    ["a\tb", "space"],
    ["a\u00a0b", "space"],
    ["a\0", "invisible"],
    ["a\x1b[31m", "invisible"],
    ["a\u202eb", "invisible"],
    ["a\u200bb", "invisible"],
    ["a\ufeff", "invisible"],
    ["\ud800", "Unicode"],
    ["ﬁn", "looks like another"],
    ["\u0301a", "combining"],
    ["-rf", "begins with"],
    ["#ada", "begins with"],
    ["аda", "one script"],
    ["adaж", "one script"],
    ["あ가", "one script"],
    ["ᚠᚢᚦ", "one script"],
    ["ada☃", "no letter or digit"],
    ["a\u0640", "no letter or digit"],
    ["a·b", "no letter or digit"],
    ["J\u030c", "lower case"],
    ["Everyone", "reserved"],
    ["COORDINATOR", "reserved"],
  ];
  for (const [name, reason] of table) {
    const error = assertThrows(() => parseAccountName(name), UsageError, reason);
    assertEquals(/[\p{Cc}\p{Cf}]/u.test(error.message), false, "the message is fit for a terminal");
  }
});

Deno.test("foldAccount() is what it was for every name that could be registered before", () => {
  // What OPAQUE bound into records of older releases: NFC, then lower case.
  const before = (name: string) => name.normalize("NFC").toLowerCase();
  for (const name of ["Ada", "zoe\u0301", "Жанна", "ΑΣ", "İstanbul", "Straße", "J\u030c", "ǅ"]) {
    assertEquals(foldAccount(name), before(name), name);
  }
  assertEquals(foldAccount("ＡＤＡ"), "ada", "however it is typed");
});

Deno.test("lookAlikeKey() is one for names that look the same, and differs for others", async () => {
  await loadLookAlikes();
  const same = [["Ida", "lda", "1da"], ["Bob", "B0b", "bob"], ["corn", "com"], ["ада", "aдa"], ["аср", "acp", "ACP"]];
  for (const names of same) {
    for (const name of names) assertEquals(lookAlikeKey(name), lookAlikeKey(names[0]!), `${name} and ${names[0]}`);
  }
  const different = ["ada", "adam", "bob", "rob", "ida", "eda", "user1", "user2", "user10", "user11"];
  assertEquals(new Set(different.map(lookAlikeKey)).size, different.length);
});

Deno.test("parsePassword() prepares what both ends will, as OpaqueString", () => {
  assertEquals(parsePassword("zoe\u0301\u00a0horse"), "zoé horse");
});

Deno.test("parsePassword() takes 1 to 1024 bytes of text and does not repeat what it refuses", () => {
  assertEquals(parsePassword("correct horse 🐎"), "correct horse 🐎");
  assertEquals(parsePassword("x".repeat(1024)).length, 1024);
  for (const bad of ["", "x".repeat(1025), "é".repeat(513), "secret\x07", "secret\n", "secret\ud800"]) {
    const error = assertThrows(() => parsePassword(bad), UsageError);
    assertEquals(error.message.includes("secret"), false);
  }
});

Deno.test("parseCredentials() reads a name and a password a line", () => {
  const text = "\ufeff# accounts\r\nada correct horse\r\n\n   \nBob\t pass # word \nzoe\u0301 ü\n";
  assertEquals(parseCredentials(text, "f"), [
    { account: "ada", password: "correct horse" },
    { account: "Bob", password: "pass # word " },
    { account: "zoé", password: "ü" },
  ]);
});

Deno.test("parseCredentials() names the line that is wrong, and no password", () => {
  for (
    const [text, where] of [
      ["ada\n", "line 1"],
      ["ada secret\nbob \n", "line 2"],
      ["\nada secret\nADA secret\n", "line 3"],
      ["everyone secret\n", "line 1"],
      [`ada ${"secret".repeat(300)}\n`, "line 1"],
    ] as const
  ) {
    const error = assertThrows(() => parseCredentials(text, "f"), UsageError, where);
    assertEquals(error.message.includes("secret"), false);
  }
});

Deno.test("PendingAccounts registers what is missing and leaves what is there", async () => {
  using folder = temporaryFolder();
  await loadOpaque();
  const store = openSqliteStore(`${folder.path}/db`);
  const serverSetup = createServerSetup();
  await store.putAccount("Ada", "old record", { overwrite: false, nowMs: 1 });
  const added: string[] = [];
  const watched = Object.assign(Object.create(store), {
    findAccount: (name: string) => store.findAccount(name),
    putAccount: (...parameters: Parameters<typeof store.putAccount>) => {
      added.push(parameters[0]);
      return store.putAccount(...parameters);
    },
  });
  const pending = new PendingAccounts({
    onRefused: () => {},
    store: watched,
    serverSetup,
    clock: () => 7,
    stretching: cheap,
  });
  pending.add([{ account: "ada", password: "new" }, { account: "bob", password: "secret of bob" }]);
  assertEquals(await pending.registerAll(new AbortController().signal), 2);
  assertEquals(await pending.registerAll(new AbortController().signal), 0);
  assertEquals((await store.listAccounts()).map(({ name, createdAtMs }) => [name, createdAtMs]), [["Ada", 1], [
    "bob",
    7,
  ]]);
  const record = async (account: string) => {
    const answer = await store.read({ operation: "credential", ask: { account, deviceId: null } });
    return answer.ok ? answer.value.record : undefined;
  };
  assertEquals(await record("ada"), "old record");
  assertEquals(added, ["bob"], "no password is stretched in vain");

  const bobs = await record("bob");
  const started = startLogin("secret of bob");
  const answered = answerLogin(serverSetup, "BOB", bobs!, started.ke1)!;
  const finished = finishLogin("secret of bob", started.state, answered.ke2, cheap)!;
  assertEquals(acceptLogin(answered.state, finished.ke3), finished.sessionKey, "the record is of that password");
  await store.close();
});

Deno.test("PendingAccounts registers an account at once for who waits for it, and once", async () => {
  using folder = temporaryFolder();
  await loadOpaque();
  const store = openSqliteStore(`${folder.path}/db`);
  let puts = 0;
  const counting = Object.assign(Object.create(store), {
    findAccount: (name: string) => store.findAccount(name),
    putAccount: (...parameters: Parameters<typeof store.putAccount>) => {
      puts++;
      return store.putAccount(...parameters);
    },
  });
  const pending = new PendingAccounts({
    onRefused: () => {},
    store: counting,
    serverSetup: createServerSetup(),
    clock: () => 1,
    stretching: cheap,
  });
  pending.add(["ada", "bob", "carl"].map((account) => ({ account, password: "secret" })));
  await Promise.all([pending.settle("CARL"), pending.settle("carl"), pending.settle("nobody")]);
  assertEquals((await store.listAccounts()).map((one) => one.name), ["carl"]);
  await pending.settle("carl");
  assertEquals(puts, 1);
  const stopped = new AbortController();
  stopped.abort();
  await pending.registerAll(stopped.signal);
  assertEquals(puts, 1, "an end that was asked for comes before the next account");
  await store.close();
});

Deno.test("PendingAccounts keeps an account that the store refused", async () => {
  using folder = temporaryFolder();
  await loadOpaque();
  const store = openSqliteStore(`${folder.path}/db`);
  let fails = true;
  const failing = Object.assign(Object.create(store), {
    findAccount: (name: string) => store.findAccount(name),
    putAccount: (...parameters: Parameters<typeof store.putAccount>) => {
      if (fails) return Promise.reject(new ShoalError("diskFull", "Cannot write: the disk is full"));
      return store.putAccount(...parameters);
    },
  });
  const pending = new PendingAccounts({
    onRefused: () => {},
    store: failing,
    serverSetup: createServerSetup(),
    clock: () => 1,
    stretching: cheap,
  });
  pending.add([{ account: "ada", password: "secret" }]);
  await assertRejects(() => pending.settle("ada"), ShoalError, "disk is full");
  fails = false;
  await pending.settle("ada");
  assertEquals((await store.listAccounts()).length, 1);
  await store.close();
});

Deno.test("PendingAccounts gives the loop a turn between two passwords, however many logins wait for theirs", async () => {
  await loadOpaque();
  let turn = 0;
  const turns: number[] = [];
  let isOver = false;
  const count = () => {
    turn++;
    if (!isOver) setImmediate(count);
  };
  const store = {
    findAccount: () => Promise.resolve(undefined),
    putAccount: () => {
      turns.push(turn);
      return Promise.resolve();
    },
  } as unknown as Store;
  const serverSetup = createServerSetup();
  const pending = new PendingAccounts({ onRefused: () => {}, store, serverSetup, clock: () => 7, stretching: cheap });
  const names = ["ada", "bob", "carol", "dave"];
  pending.add(names.map((account) => ({ account, password: account })));
  count();
  await Promise.all([...names.map((name) => pending.settle(name)), pending.registerAll(new AbortController().signal)]);
  isOver = true;
  assertEquals(turns.length, names.length);
  assertEquals(new Set(turns).size, names.length, `two in one turn: ${turns}`);
});
