/**
 * bare_scene: the executables in a root folder that has a bare Debian and nothing else, with no network but loopback, run by a user
 * without rights. Started as root, in a network and mount namespace of its own. Fails with what was not as expected.
 *
 *     deno run … tests/e2e/bare_scene.ts ROOT EXECUTABLES FOLDER
 */

import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { Stage, type StartWords } from "../../scripts/programs.ts";
import { assertDone, assertFailed, ofType, said } from "./ended.ts";
import { fetchedPath, sha256, writeRandom } from "./files.ts";
import { stallFetch } from "./stalled_fetch.ts";
import { keys } from "./terminal.ts";

const [root, executables, shared] = Deno.args as [string, string, string];
const user = 1000;
const accounts = { alice: "the password of alice", bob: "the password of bob" };

must("mount", "--make-rprivate", "/");
must("ip", "link", "set", "lo", "up");
must("mount", "-t", "tmpfs", "-o", "mode=1777", "tmpfs", join(root, "tmp"));
must("mount", "-t", "proc", "proc", join(root, "proc"));
must("mount", "--bind", executables, join(root, "mnt"));
// At the same path inside and outside of the root.
Deno.mkdirSync(join(root, shared), { recursive: true });
Deno.chmodSync(shared, 0o755);
must("mount", "--bind", shared, join(root, shared));

for (const kind of ["an empty HOME", "a missing HOME", "no HOME"]) {
  const home = join(shared, kind);
  if (kind === "an empty HOME") giveAway(home);
  const environment = ["PATH=/usr/bin:/bin", "TERM=xterm", ...kind === "no HOME" ? [] : [`HOME=${home}`]];
  const asUser = ["chroot", `--userspec=${user}:${user}`, "--groups=", root, "/usr/bin/env", "-i", ...environment];
  const startWords: StartWords = (program) => [...asUser, `/mnt/shoal-${program}`];
  await using stage = await Stage.open(accounts, { below: shared, startWords });
  must("chown", "-R", `${user}:${user}`, stage.folder);

  const coordinator = await stage.coordinator();
  const source = stage.path("large.bin");
  await writeRandom(source, 100_000_000);
  const holder = stage.peer("alice", ["share", source]);
  await holder.ready();
  const found = assertDone(await stage.peer("bob", ["find", "large"]).end());
  assertEquals(ofType(found, "file").map((file) => file["bytes"]), [100_000_000], said(found));
  assertDone(await stage.peer("bob", ["fetch", "large.bin"]).end());
  const fetched = fetchedPath(stage, "bob", "large.bin");
  assertEquals(await sha256(fetched), await sha256(source));
  assertEquals(Deno.statSync(fetched).mode! & 0o777, 0o644);

  assertFailed(await stage.peer("bob", ["fetch", "no such file"]).end(), 3, "notFound");
  assertFailed(await stage.peer("bob", ["fetch"]).end(), 2, "usage");
  await Deno.writeTextFile(stage.path("bob.password"), "not it");
  assertFailed(await stage.peer("bob", ["peers"], { home: "elsewhere" }).end(), 4, "denied");
  // Where it has logged in before, its key counts.
  assertDone(await stage.peer("bob", ["peers"]).end());
  await Deno.writeTextFile(stage.path("bob.password"), accounts.bob);

  if (kind === "an empty HOME") {
    await Deno.remove(fetched);
    const words = [...startWords("peer"), ...stage.peerWords("bob"), "fetch", "large.bin"];
    const fetching = await stallFetch(stage, holder, words);
    fetching.type(keys.ctrlC);
    const ended = await fetching.end();
    assertEquals(ended.code, 130, said(ended));
    holder.signal("SIGCONT");
    const resume = /To go on:\s+(\/mnt\/shoal-peer .*)\r\n/.exec(ended.stdout)?.[1];
    assert(resume !== undefined, said(ended));
    const [executable, ...rest] = asUser;
    assertDone(await stage.run([...rest, "sh", "-c", `${resume} --json`], { executable: executable! }).end());
    assertEquals(await sha256(fetched), await sha256(source));
  }

  holder.signal("SIGTERM");
  assertDone(await holder.end());
  coordinator.signal("SIGTERM");
  assertDone(await coordinator.end());
  console.log(`${kind}: logged in, shared, found and fetched 100 MB`);
}

function must(command: string, ...args: string[]): void {
  const { success, stderr } = new Deno.Command(command, { args, stdout: "null" }).outputSync();
  assert(success, `${command} ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
}

/** Makes a folder of the user without rights. */
function giveAway(path: string): void {
  Deno.mkdirSync(path, { mode: 0o700 });
  Deno.chownSync(path, user, user);
}
