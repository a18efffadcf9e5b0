/** Accounts made, changed and ended while everything runs; by the real programs. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { dataPaths } from "../../lib/coordinator/data_folder.ts";
import { openKeyFile } from "../../lib/coordinator/key_file.ts";
import { openSqliteStore } from "../../lib/coordinator/store/sqlite_store.ts";
import { registerLocally } from "../../lib/session/opaque.ts";
import { type Ended, type Program, Stage } from "../../scripts/programs.ts";
import { assertFailed, ofType } from "./ended.ts";
import { Session } from "./session.ts";
import { hasTerminal, keys, openTerminal } from "./terminal.ts";

function operator(stage: Stage, ...words: string[]): Promise<Ended> {
  return stage.start("coordinator", [...words, "--data", stage.path("data"), "--json"]).end();
}

async function codeOf(stage: Stage, ...options: string[]): Promise<string> {
  const made = await operator(stage, "invite", "create", ...options);
  assertEquals(made.code, 0, made.stderr);
  return ofType(made, "inviteCreated")[0]!["code"] as string;
}

/** Registers somebody at a home of his own. */
function register(stage: Stage, name: string, words: readonly string[], password = `${name}'s password`): Program {
  const home = ["--home", stage.path(`home-${name}`), "--json"];
  return stage.start("peer", [...words, "--user", name, ...home], { env: { SHOAL_PASSWORD: password } });
}

/** A password in a file of that name, for `stage.peer`. */
async function keepPassword(stage: Stage, name: string, password = `${name}'s password`): Promise<void> {
  await Deno.writeTextFile(stage.path(`${name}.password`), password, { mode: 0o600 });
}

Deno.test("an invite makes an account that shares and finds at once, and makes no second one", async () => {
  await using stage = await Stage.open({ alice: "alice's password" });
  await stage.coordinator();
  const code = await codeOf(stage, "--address", `127.0.0.1:${stage.port}`, "--note", "for bob");
  const registered = await register(stage, "Bob", ["register", code]).end();
  assertEquals(registered.code, 0, registered.stderr);
  assertEquals(ofType(registered, "registered"), [{ type: "registered", v: 1, account: "Bob" }]);
  assert(!registered.stdout.includes("password"));

  // The registration logged it in: the home needs no password from then on.
  await Deno.writeTextFile(stage.path("talk.txt"), "a talk");
  const home = ["--home", stage.path("home-Bob"), "--json"];
  const sharing = stage.start("peer", [String(stage.port), ...home, "share", stage.path("talk.txt")]);
  await sharing.line((line) => line.type === "shared");
  const found = await stage.peer("alice", ["find", "talk"]).end();
  assertEquals(ofType(found, "file").map((line) => line["name"]), ["talk.txt"]);

  const second = await register(stage, "eve", ["register", code]).end();
  assertFailed(second, 4, "denied");
  assertStringIncludes(ofType(second, "error")[0]!["message"] as string, "used up, expired, or of another");
  const [listed] = ofType(await operator(stage, "invite", "list"), "invite");
  assertEquals([listed?.["state"], listed?.["usedBy"], listed?.["note"]], ["used", "Bob", "for bob"]);
});

Deno.test("a name that cannot be had leaves the code as it was; a slip in a code is told before anything is sent", async () => {
  await using stage = await Stage.open({ Ida: "ida's password" });
  await stage.coordinator();
  await stage.peer("Ida", ["peers"]).end();
  const code = await codeOf(stage);
  const port = String(stage.port);
  assertFailed(await register(stage, "ida", [port, "register", code]).end(), 10, "nameTaken");
  assertFailed(await register(stage, "lda", [port, "register", code]).end(), 10, "nameTaken");
  assertFailed(await register(stage, "a b", [port, "register", code]).end(), 2, "usage");
  const slip = `${code.slice(0, -1)}${code.endsWith("0") ? "1" : "0"}`;
  assertFailed(await register(stage, "bob", [port, "register", slip]).end(), 2, "usage");
  assertFailed(await register(stage, "bob", [port, "register"]).end(), 4, "denied");
  assertEquals((await register(stage, "bob", [port, "register", code]).end()).code, 0);
});

Deno.test("a code of another coordinator is refused by the peer", async () => {
  await using stage = await Stage.open({});
  await stage.coordinator();
  const code = await codeOf(stage);
  await using other = await Stage.open({});
  await other.coordinator();
  const refused = await register(stage, "bob", [String(other.port), "register", code]).end();
  // The other one does not have the invite, so it cannot even prove that it knows the code.
  assertFailed(refused, 4, "denied");
});

Deno.test("open registration takes everybody, and nobody once it is off", async () => {
  await using stage = await Stage.open({});
  const open = await stage.coordinator(["--open-registration"]);
  const port = String(stage.port);
  assertEquals((await register(stage, "bob", [port, "register"]).end()).code, 0);
  await open.kill();
  await stage.coordinator();
  assertFailed(await register(stage, "eve", [port, "register"]).end(), 4, "denied");
  await keepPassword(stage, "bob");
  assertEquals((await stage.peer("bob", ["peers"], { home: "other" }).end()).code, 0);
});

Deno.test("a changed password logs in and the old one does not; the account's key and other devices stay", async () => {
  await using stage = await Stage.open({ alice: "first" });
  await stage.coordinator();
  const before = ofType(await stage.peer("alice", ["fingerprint"]).end(), "fingerprint")[0]!["fingerprint"];
  const serving = await Session.open(stage, "alice");
  const change = (old: string, next: string) =>
    stage.start("peer", [...stage.peerWords("alice").filter((word) => !/password/.test(word)), "--json", "passwd"], {
      env: { SHOAL_PASSWORD: old, SHOAL_NEW_PASSWORD: next },
    }).end();
  assertFailed(await change("wrong", "second"), 4, "denied");
  const changed = await change("first", "second");
  assertEquals(changed.code, 0, changed.stderr);
  assertEquals(ofType(changed, "passwordChanged").map((line) => [line["account"], line["everywhere"]]), [[
    "alice",
    false,
  ]]);
  assertFailed(await stage.peer("alice", ["peers"], { home: "new" }).end(), 4, "denied");
  await keepPassword(stage, "alice", "second");
  const after = ofType(await stage.peer("alice", ["fingerprint"], { home: "new" }).end(), "fingerprint")[0];
  assertEquals(after?.["fingerprint"], before);
  const devices = (await serving.run("peers")).filter(({ type }) => type === "peer");
  assertEquals(devices.length, 2, "the first device went on");
});

Deno.test("a password that is changed everywhere logs other devices out, and their keys let them in no more", async () => {
  await using stage = await Stage.open({ alice: "first" });
  await stage.coordinator();
  const other = stage.peer("alice", ["serve"], { home: "other" });
  await other.ready();
  const words = [...stage.peerWords("alice").filter((word) => !/password/.test(word)), "--json"];
  const passwords = { SHOAL_PASSWORD: "first", SHOAL_NEW_PASSWORD: "second" };
  const changed = await stage.start("peer", [...words, "passwd", "--everywhere"], { env: passwords }).end();
  assertEquals(changed.code, 0, changed.stderr);
  assertFailed(await other.end(), 4, "denied");
  const home = ["--home", stage.path("home-other"), "--json"];
  assertFailed(await stage.start("peer", [String(stage.port), ...home, "peers"]).end(), 4, "denied");
  assertEquals((await stage.start("peer", [...words, "peers"]).end()).code, 0, "who changed it stays");
});

Deno.test("an account that becomes read-only while it serves is found no more, cannot share, and finds and fetches", async () => {
  await using stage = await Stage.open({ alice: "alice's password", bob: "bob's password" });
  await stage.coordinator();
  const alice = await Session.open(stage, "alice");
  const bob = await Session.open(stage, "bob");
  for (const name of ["a", "b"]) await Deno.writeTextFile(stage.path(`${name}.txt`), `the text of ${name}`);
  await alice.run(`share "${stage.path("a.txt")}"`);
  await bob.run(`share "${stage.path("b.txt")}"`);
  const set = await operator(stage, "user", "role", "alice", "readOnly");
  assertEquals(ofType(set, "roleSet"), [{ type: "roleSet", v: 1, account: "alice", role: "readOnly" }]);
  assertEquals((await bob.run("find a.txt")).filter(({ type }) => type === "file"), []);

  const refused = (await alice.run(`share "${stage.path("b.txt")}"`)).find(({ type }) => type === "error")!;
  assertEquals(refused["code"], "readOnly");
  assertStringIncludes(refused["message"] as string, "may search and fetch, not share");
  const fetched = (await alice.run("fetch b.txt")).filter(({ type }) => type === "fetched");
  assertEquals(fetched.length, 1);
  alice.program.signal("SIGTERM");
  await alice.program.end();
  const again = await stage.peer("alice", ["share", stage.path("a.txt")]).end();
  assertFailed(again, 4, "readOnly");
  await operator(stage, "user", "role", "alice", "member");
  const sharing = stage.peer("alice", ["share", stage.path("a.txt")]);
  await sharing.line((line) => line.type === "shared");
  assertEquals((await bob.run("find a.txt")).filter(({ type }) => type === "file").length, 1);
});

Deno.test("an account that is disabled, reset or removed while it is online is out at once", async () => {
  await using stage = await Stage.open({ alice: "alice's password", bob: "bob's password", carol: "carol's password" });
  await stage.coordinator();
  const peers = ["alice", "bob", "carol"].map((name) => stage.peer(name, ["serve"]));
  for (const peer of peers) await peer.ready();
  const [alice, bob, carol] = peers;
  await operator(stage, "user", "disable", "alice");
  assertFailed(await alice!.end(), 4, "disabled");
  await keepPassword(stage, "reset", "another password");
  await operator(stage, "user", "passwd", "bob", "--password-file", stage.path("reset.password"));
  assertFailed(await bob!.end(), 4, "denied");
  await operator(stage, "user", "remove", "carol");
  assertFailed(await carol!.end(), 4, "denied");
  for (const [name, code] of [["alice", "disabled"], ["bob", "denied"], ["carol", "denied"]] as const) {
    assertFailed(await stage.peer(name, ["peers"]).end(), 4, code);
  }
});

Deno.test("a password is the same however its characters are composed, and one that was set as typed still logs in", async () => {
  await using stage = await Stage.open({});
  const coordinator = await stage.coordinator();
  const port = String(stage.port);
  await keepPassword(stage, "zoe", "zoe\u0301\u00a0horse");
  await operator(stage, "user", "add", "zoe", "--password-file", stage.path("zoe.password"));
  await keepPassword(stage, "zoe", "zo\u00e9 horse");
  assertEquals((await stage.peer("zoe", ["peers"]).end()).code, 0);

  await coordinator.kill();
  const data = dataPaths(stage.path("data"));
  const { serverSetup } = await openKeyFile(data.keys, { mayCreate: () => Promise.resolve(false), random: noRandom });
  const store = openSqliteStore(data.database);
  const raw = "zoe\u0301 as an older release took it";
  const record = registerLocally({ password: raw, serverSetup, account: "old" });
  await store.putAccount("old", record, { overwrite: false, nowMs: 1 });
  await store.close();
  await stage.coordinator();
  assertEquals(String(stage.port), port);
  await keepPassword(stage, "old", raw);
  const logged = await stage.peer("old", ["peers"]).end();
  assertEquals(logged.code, 0, logged.stderr);
});

Deno.test("an account that has its own limit of shares is held to it", async () => {
  await using stage = await Stage.open({ alice: "alice's password" });
  await stage.coordinator();
  await stage.peer("alice", ["peers"]).end();
  await operator(stage, "user", "limits", "alice", "--shares", "1");
  for (const name of ["a", "b"]) await Deno.writeTextFile(stage.path(`${name}.txt`), `the text of ${name}`);
  const sharing = stage.peer("alice", ["share", stage.path("a.txt"), stage.path("b.txt")]);
  const refused = await sharing.line((line) => line.type === "error");
  assertEquals(refused["code"], "limit");
  assertStringIncludes(refused["message"] as string, "at most 1 files");
});

Deno.test({
  name: "at a terminal register asks for name and password, asks again for a name that is taken, and opens the prompt",
  ignore: !hasTerminal,
  async fn() {
    await using stage = await Stage.open({ alice: "alice's password" });
    await stage.coordinator();
    await stage.peer("alice", ["peers"]).end();
    const code = await codeOf(stage);
    const words = [Deno.execPath(), ...programWords(), String(stage.port), "register", code, "--home", stage.path("h")];
    const terminal = openTerminal(stage, words);
    const answer = async (question: string, text: string) => {
      await terminal.output(question);
      terminal.type(`${text}${keys.enter}`);
    };
    await answer("User name you want:", "alice");
    await answer("A password for it:", "bob's password");
    await answer("The same again:", "bob's password");
    await terminal.output("somebody has that name");
    terminal.type(`bob${keys.enter}`);
    await terminal.output("registered bob");
    await terminal.output("shoal> ");
    terminal.type(`passwd${keys.enter}`);
    await terminal.output("seen and remembered");
    terminal.type(keys.ctrlD);
    assertEquals((await terminal.end()).code, 0);
    assert(!terminal.stdout.includes("bob's password"));
  },
});

function noRandom(): never {
  throw new Error("No key is made here");
}

function programWords(): readonly string[] {
  return ["run", "-q", "--no-prompt", "-P=peer", "peer.ts"];
}
