/** Secrets stay where they belong: none on the wire, in arguments, in logs or in files that others can read. */

import { assert, assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import { fromFileUrl, join } from "@std/path";
import { Stage } from "../../scripts/programs.ts";
import { listFiles } from "./files.ts";

const accounts = { alice: "alice's own password", bob: "bob's own password" };
const python = "/usr/bin/python3";
const root = fromFileUrl(new URL("../..", import.meta.url));

/** What has `unshare` start a command in a network of its own, where it may listen to everything. */
const alone = ["--map-root-user", "--net"];
const mayListen = succeeds(
  "unshare",
  [...alone, python, "-c", "import socket; socket.socket(socket.AF_PACKET, socket.SOCK_RAW)"],
);
if (!mayListen) console.log("skipped: a part of secrecy_test needs unshare, user namespaces and python3");

function succeeds(command: string, args: string[]): boolean {
  try {
    return new Deno.Command(command, { args, stdout: "null", stderr: "null" }).outputSync().success;
  } catch {
    return false;
  }
}

Deno.test({
  name:
    "who listens to a login, a share, a search and a fetch hears no password, no file name, no 32 bytes of the file",
  ignore: !mayListen,
  async fn() {
    const folder = await Deno.makeTempDir({ prefix: "shoal-" });
    await using _folder = { [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }) };
    const heardPath = join(folder, "heard");
    const scene = [Deno.execPath(), "run", "-q", "-P=test", "--no-prompt", "tests/e2e/secrecy_scene.ts", folder];
    const { code, stdout, stderr } = await new Deno.Command("unshare", {
      args: [...alone, python, "tests/e2e/capture.py", heardPath, ...scene],
      cwd: root,
      stdin: "null",
    }).output();
    const text = new TextDecoder().decode(stdout);
    assertEquals(code, 0, text + new TextDecoder().decode(stderr));
    const { source, secrets, known } = JSON.parse(text) as { source: string; secrets: string[]; known: string[] };

    const heard = Buffer.from(await Deno.readFile(heardPath));
    const file = Buffer.from(await Deno.readFile(source));
    assert(heard.includes("capture.py is listening"), "the ear is deaf");
    assert(heard.length > 2 * file.length, `only ${heard.length} bytes were heard`);
    // What SECURITY.md says is seen is seen: the account's name in START, the server name in TLS.
    for (const name of [...known, "peer.invalid"]) {
      assert(heard.includes(name), `${name} was not heard: is it all there?`);
    }
    for (const secret of secrets) {
      for (const form of [secret, Buffer.from(secret).toString("base64"), Buffer.from(secret).toString("hex")]) {
        assert(!heard.includes(form), `${form} was heard`);
      }
    }
    // 32 bytes in a row hold 16 that begin at a multiple of 16.
    for (let at = 0; at < file.length; at += 16) {
      assert(!heard.includes(file.subarray(at, at + 16)), `bytes of the file were heard, from ${at} on`);
    }
  },
});

Deno.test("no password is in arguments, environment, logs or the files of a home or of the coordinator, and no other user can read a key", async () => {
  await using stage = await Stage.open(accounts);
  const coordinator = await stage.coordinator(["-v"]);
  const source = stage.path("shared.txt");
  await Deno.writeTextFile(source, "shared");
  const alice = stage.peer("alice", ["share", source, "-v"]);
  await alice.ready();
  const bob = await stage.peer("bob", ["fetch", "shared.txt", "-v"]).end();
  const told = [coordinator, alice, bob].map(({ stdout, stderr }) => stdout + stderr);
  const arguments_ = await Promise.all([coordinator, alice].map(({ pid }) => read(`/proc/${pid}/cmdline`)));
  const environments = await Promise.all([coordinator, alice].map(({ pid }) => read(`/proc/${pid}/environ`)));
  assert(Deno.build.os !== "linux" || arguments_.every((text) => text.includes("--no-prompt")), "none were read");

  const folders = ["data", "home-alice", "home-bob"];
  const paths = (await Promise.all(
    folders.map(async (folder) => (await listFiles(stage.path(folder))).map((name) => stage.path(folder, name))),
  )).flat();
  const kept = await Promise.all(paths.map(async (path) => {
    const { isFile, mode } = await Deno.lstat(path);
    assertEquals(mode! & 0o077, 0, `others can read ${path}`);
    return isFile ? Buffer.from(await Deno.readFile(path)).toString("latin1") : "";
  }));
  assert(
    paths.some((path) => path.endsWith("device.key")) && paths.some((path) => path.includes("/data/")),
    paths.join(),
  );
  for (const text of [...told, ...arguments_, ...environments, ...kept]) {
    for (const password of Object.values(accounts)) {
      for (const form of [password, Buffer.from(password).toString("base64"), Buffer.from(password).toString("hex")]) {
        assert(!text.includes(form), `${form} is in ${JSON.stringify(text.slice(0, 2_000))}`);
      }
    }
  }
});

/** What the system tells of a process; Deno itself opens nothing below /proc for a program with less than all permissions. */
async function read(path: string): Promise<string> {
  return new TextDecoder().decode((await new Deno.Command("cat", { args: [path], stderr: "null" }).output()).stdout);
}
