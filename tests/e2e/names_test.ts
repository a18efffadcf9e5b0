/** Names from others reach terminals only escaped and disks only below the download folder, whatever they say. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { utf8 } from "../../lib/core/bytes.ts";
import { limits } from "../../lib/core/limits.ts";
import { type Program, Stage } from "../../scripts/programs.ts";
import { assertDone, assertFailed, ofType, said } from "./ended.ts";
import { fetchedPath, listFiles, writeText } from "./files.ts";
import { Liar } from "./liar.ts";
import { Session } from "./session.ts";

const accounts = { alice: "alice's password", bob: "bob's password" };

/** Names that the wire can carry and no folder may be given. */
const evilNames = [
  "\x1b]0;owned\x07\x1b[2Jscreen",
  'line\n{"type":"fetched","name":"forged"}',
  "carriage\rreturn",
  "nul\0byte",
  "invoice\u202egpj.exe",
  "../escaped",
  "below/../../escaped",
  "/tmp/absolute",
  "C:\\Windows\\system32",
  "C:drive",
  "\\\\server\\share",
  "back\\slash",
  "CON",
  "nul.txt",
  "below/com1.log",
  "trailing.",
  "trailing ",
  "below//empty",
  ".",
  "..",
  "x".repeat(limits.nameComponentBytesMax + 1),
];

Deno.test("names with escapes, newlines, text direction and ways out harm no terminal and make no file", async () => {
  await using stage = await Stage.open(accounts);
  await using liar = await Liar.open(stage);
  // A coordinator refuses some of these names itself, so here it is what says them, for names of the same length.
  const said = new Map(
    evilNames.map((name, i) => [letter(i).repeat(Math.min(utf8(name).length, limits.nameComponentBytesMax)), name]),
  );
  for (const name of said.keys()) await writeText(stage.path("plain", name), name);
  const paths = [...said.keys()].map((name) => stage.path("plain", name));
  const alice = stage.peer("alice", ["share", ...paths]);
  await alice.ready();
  liar.lie = (message) => {
    if (message.kind === "files") {
      return { ...message, files: message.files.map((file) => ({ ...file, name: said.get(file.name) ?? file.name })) };
    }
    if (message.kind !== "peers") return message;
    return { ...message, peers: message.peers.map((one) => ({ ...one, label: "\x1b[2Jlabel", account: "acc\nount" })) };
  };

  const before = await listFiles(stage.folder);
  const shown = assertDone(await asPerson(stage, ["find", "*"]).end());
  assertHarmless(shown.stdout + shown.stderr);
  assertEquals(shown.stdout.trimEnd().split("\n").length, evilNames.length, shown.stdout);
  const peers = assertDone(await asPerson(stage, ["peers"]).end());
  assertHarmless(peers.stdout);
  assertStringIncludes(peers.stdout, "\\x1b[2Jlabel");

  const bob = await Session.open(stage, "bob");
  const found = ofType({ lines: await bob.run("find *") }, "file");
  assertEquals(new Set(found.map((file) => file["name"])), new Set(evilNames), "scripts get the names as they are");
  for (const file of found) {
    const failed = (await bob.run(`fetch ${file["id"]}`)).map((line) => [line.type, line["code"]]);
    assertEquals(failed, [["error", "unsafeName"]], `${JSON.stringify(file)}: ${bob.program.stdout}`);
  }
  assertHarmless(bob.program.stdout + bob.program.stderr);
  assertFailed(await stage.peer("bob", ["fetch", "*"], { home: "json" }).end(), 2, "unsafeName");
  const refused = await asPerson(stage, ["fetch", "*"]).end();
  assertEquals(refused.code, 2, refused.stderr);
  assertHarmless(refused.stdout + refused.stderr);
  const isOurs = (path: string) => /^(home|data)/.test(path);
  assertEquals((await listFiles(stage.folder)).filter((path) => !isOurs(path)), before.filter((path) => !isOurs(path)));
});

function letter(index: number): string {
  return String.fromCharCode("a".charCodeAt(0) + index);
}

/** A command without `--json`. */
function asPerson(stage: Stage, command: readonly string[]): Program {
  const password = ["--password-file", stage.path("bob.password")];
  const folders = ["--home", stage.path("home-reader"), "--dir", stage.path("files-reader")];
  return stage.start("peer", [String(stage.port), "--user", "bob", ...password, ...folders, ...command]);
}

/** Lines of visible characters alone. */
function assertHarmless(text: string): void {
  const harmful = /[^\P{C}\n]|[\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/u.exec(text);
  assert(harmful === null, `it shows U+${harmful?.[0].codePointAt(0)?.toString(16)}: ${JSON.stringify(text)}`);
}

/** Names that people do give, and that have tripped programs. */
const oddNames = [
  "; rm -rf ~",
  "$(touch owned)",
  "`touch owned`",
  'it\'s "quoted"',
  "-rf",
  "--help",
  "*",
  "[a-z]",
  "ünïcödé 漢字 👩‍👩‍👧",
  "e\u0301 decomposed",
  "__proto__",
  "zero\u200bwidth",
  "half.part.done",
  "CON-fusing",
  ".hidden",
  "deep/er/and/deeper.txt",
  "n".repeat(limits.nameComponentBytesMax),
];

Deno.test("odd names of real files arrive, by one glob, and what cannot be shared is said and left out", async () => {
  await using stage = await Stage.open(accounts);
  await stage.coordinator();
  const folder = stage.path("odd");
  for (const name of oddNames) await writeText(join(folder, name), `content of ${name}`);
  const leftOut = [
    "esc\x1b[2J",
    "new\nline",
    "back\\slash",
    "unfinished.part",
    "aux.txt",
    "\u202eltr",
    "ends in a space ",
  ];
  for (const name of leftOut) await writeText(join(folder, name), "not to be seen");
  await writeText(join(folder, "\u00e9 twice"), "composed");
  await writeText(join(folder, "e\u0301 twice"), "decomposed");
  const alice = stage.peer("alice", ["share", folder]);
  await alice.ready();
  assertHarmless(alice.stderr);
  assertEquals(alice.stderr.split("Not shared").length - 1, leftOut.length + 1, alice.stderr);

  const fetched = assertDone(await stage.peer("bob", ["fetch", "odd*"]).end());
  const arrivedAt = (name: string) => fetchedPath(stage, "bob", `odd/${name.normalize("NFC")}`);
  for (const name of oddNames) assertEquals(await Deno.readTextFile(arrivedAt(name)), `content of ${name}`);
  assertEquals(ofType(fetched, "fetched").length, oddNames.length + 1, said(fetched));
  assert((await listFiles(stage.path("files-bob"))).every((path) => path.startsWith("odd/")));
});

Deno.test("of names that some disks take for one the first is fetched and the other told, and each can be had by itself", async () => {
  await using stage = await Stage.open(accounts);
  await stage.coordinator();
  const names = ["case/Notes.txt", "case/notes.TXT"];
  for (const name of names) await writeText(stage.path(name), name);
  const alice = await Session.open(stage, "alice");
  await alice.run(`share ${stage.path("case")}`);
  assertFailed(await stage.peer("bob", ["fetch", "case/*"]).end(), 10, "exists");
  assertEquals((await listFiles(stage.path("files-bob"))).length, 1);
  for (const name of names) {
    assertDone(await stage.peer("bob", ["fetch", name], { home: name.slice(-3) }).end());
    assertEquals(await Deno.readTextFile(fetchedPath(stage, name.slice(-3), name)), name);
  }
});

Deno.test("a symbolic link in the download folder leads no fetch out of it, and one in a shared folder nobody in", async () => {
  await using stage = await Stage.open(accounts);
  await stage.coordinator();
  const secret = stage.path("outside", "secret.txt");
  await writeText(secret, "the secret");
  await writeText(stage.path("shared", "plain.txt"), "plain");
  await writeText(stage.path("shared", "swapped.txt"), "the secret");
  await Deno.symlink(secret, stage.path("shared", "link.txt"));
  await Deno.symlink(stage.path("outside"), stage.path("shared", "folder"));
  const alice = await Session.open(stage, "alice");
  const shared = ofType({ lines: await alice.run(`share ${stage.path("shared")}`) }, "shared");
  assertEquals(shared.map((file) => file["name"]), ["shared/plain.txt", "shared/swapped.txt"]);
  assertStringIncludes(alice.program.stderr, "leads out of the shared folder");

  await Deno.remove(stage.path("shared", "swapped.txt"));
  await Deno.symlink(secret, stage.path("shared", "swapped.txt"));
  const bob = await Session.open(stage, "bob");
  const [swapped] = await bob.run("fetch shared/swapped.txt --timeout 1s");
  assert(swapped?.["code"] === "changed" || swapped?.["code"] === "unfinished", said(bob.program));

  const files = stage.path("files-bob");
  await Deno.remove(files, { recursive: true }).catch(() => {});
  await Deno.mkdir(files);
  await Deno.symlink(stage.path("outside"), join(files, "shared"));
  const [refused] = await bob.run("fetch shared/plain.txt");
  assertEquals([refused?.type, refused?.["code"]], ["error", "io"], said(bob.program));
  assertEquals(await listFiles(stage.path("outside")), ["secret.txt"]);
  assertEquals(await Deno.readTextFile(secret), "the secret");
});
