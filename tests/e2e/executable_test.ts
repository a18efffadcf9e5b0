/**
 * The self-contained executables unpack themselves once, for nobody else to touch, and say clearly why not. The build is that of `deno
 * task compile --runtime`, which asks no network for a base binary.
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { listFiles, sha256 } from "./files.ts";

const folder = await Deno.makeTempDir({ prefix: "shoal-executable-" });
globalThis.addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));
const built = join(folder, "built");
const peer = join(built, "shoal-peer");
const firstLine = /^peer \d+\.\d+\.\d+ \(protocol \d+, commit \S+, Deno [\d.]+, \S+\)\n$/;
const isRoot = Deno.uid() === 0;
if (!isRoot) console.log("skipped: parts of executable_test need to be root, to mount disks and to be somebody else");

/** A root folder with a Debian that has nothing but what every Debian has; `.ci/run` makes one. */
const bareRoot = Deno.env.get("SHOAL_BARE_ROOT") ?? join(Deno.env.get("HOME") ?? "/", ".cache/shoal-tests/debian");
const mayEnter = isRoot && isThere(join(bareRoot, "usr/bin/env")) && ["/sbin/ip", "/bin/script"].every(isThere);
if (!mayEnter) {
  console.log(
    "skipped: a part of executable_test needs to be root, ip, script, and a bare Debian: debootstrap --variant=minbase " +
      `stable ${bareRoot}`,
  );
}

interface Said {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function run(
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Said> {
  const { code, stdout, stderr } = await new Deno.Command(command, {
    args: [...args],
    env: { PATH: Deno.env.get("PATH")!, ...env },
    clearEnv: true,
    stdin: "null",
  }).output();
  return { code, stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
}

/** Builds both executables; answers what was said. */
async function build(out: string, way: "with a runtime" | "alone in its network"): Promise<string> {
  const script = [Deno.execPath(), "run", "-q", "-P=scripts", "--no-prompt", "scripts/compile.ts", "--out", out];
  const [command, ...args] = way === "with a runtime"
    ? [...script, "--runtime", Deno.execPath()]
    : ["unshare", "--net", ...script];
  const kept = Object.entries(Deno.env.toObject()).filter(([name]) => ["HOME", "DENO_DIR"].includes(name));
  const said = await run(command!, args, Object.fromEntries(kept));
  assertEquals(said.code, 0, said.stderr);
  return said.stdout;
}

/** A new folder that the cache may be made in. */
function newCache(): string {
  return Deno.makeTempDirSync({ dir: folder, prefix: "cache-" });
}

/** Asks an executable for its version, with a cache folder of its own unless told. */
async function askVersion({ path = peer, cache = newCache() }: { path?: string; cache?: string } = {}): Promise<Said> {
  return await run(path, ["--version"], { XDG_CACHE_HOME: cache });
}

function assertRuns(said: Said): void {
  assert(said.code === 0 && said.stderr === "" && firstLine.test(said.stdout), JSON.stringify(said));
}

/** Asserts that it did not run, and said why in one error with a hint. */
function assertRefused(said: Said, code: number, ...parts: readonly string[]): void {
  assertEquals([said.code, said.stdout], [code, ""], said.stderr);
  assert(/^error: Cannot [^\n]+\n {2}[^\n]+\n$/.test(said.stderr), said.stderr);
  for (const part of parts) assertStringIncludes(said.stderr, part);
}

function isThere(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}

/** What is unpacked, but for what Deno itself keeps there. */
async function unpacked(cache: string): Promise<string[]> {
  return (await listFiles(join(cache, "shoal"))).filter((path) => !path.startsWith("deno/"));
}

/** A copy of the executable that somebody changed. */
async function changed(name: string, change: (bytes: Uint8Array<ArrayBuffer>) => Uint8Array): Promise<string> {
  const path = join(folder, name);
  await Deno.writeFile(path, change(await Deno.readFile(peer)), { mode: 0o755 });
  return path;
}

await build(built, "with a runtime");

Deno.test({
  name:
    "in a bare Debian, without a network or rights, people log in, share, find and fetch 100 MB, press Ctrl-C and resume",
  ignore: !mayEnter,
  async fn() {
    const scene = ["run", "-q", "-P=test", "--no-prompt", "tests/e2e/bare_scene.ts", bareRoot, built, newCache()];
    const said = await run("unshare", ["--mount", "--net", Deno.execPath(), ...scene]);
    assertEquals(said.code, 0, said.stdout + said.stderr);
    assertEquals(said.stdout.trim().split("\n").length, 3, said.stdout);
  },
});

Deno.test("two builds of one commit are the same bytes, and SHA256SUMS tells them", async () => {
  const again = join(folder, "again");
  const said = await build(again, isRoot ? "alone in its network" : "with a runtime");
  if (isRoot) assert(/^deno compile has no base binary .*: making self-contained executables/.test(said), said);
  assertEquals(await Deno.readTextFile(join(again, "SHA256SUMS")), await Deno.readTextFile(join(built, "SHA256SUMS")));
  for (const line of (await Deno.readTextFile(join(built, "SHA256SUMS"))).trim().split("\n")) {
    const [sum, name] = line.split("  ") as [string, string];
    assertEquals([await sha256(join(built, name)), await sha256(join(again, name))], [sum, sum], name);
  }
  await Deno.remove(again, { recursive: true });
  // Where the packages are on this machine would be another place on the next.
  for (const path of await listFiles(join(built, "bundle"))) {
    const [found] = /^.*(?:\.\.\/|\.cache\/).*\/npm\/.*$/m.exec(await Deno.readTextFile(join(built, "bundle", path))) ??
      [];
    assertEquals(found, undefined, path);
  }
});

/** What the peer's executable unpacks, each in a folder by its hash. */
const unpackedFiles = [
  "deno/deno",
  "peer/LICENSES.txt",
  "peer/deno.json",
  "peer/lane_worker.js",
  "peer/password_worker.js",
  "peer/peer.js",
];

Deno.test("the first start unpacks for this user alone, later ones and the other program reuse it", async () => {
  const cache = newCache();
  assertRuns(await askVersion({ cache }));
  const files = await unpacked(cache);
  assertEquals(files.map((path) => path.replace(/-[0-9a-f]{16}\//, "/")).sort(), unpackedFiles);
  const inodes = () => files.map((path) => Deno.statSync(join(cache, "shoal", path)).ino);
  const before = inodes();
  assertRuns(await askVersion({ cache }));
  const coordinator = await askVersion({ path: join(built, "shoal-coordinator"), cache });
  assertEquals([coordinator.code, coordinator.stdout.split(" ")[0]], [0, "coordinator"], coordinator.stderr);
  assertEquals(inodes(), before);
  for (const path of ["", ...files]) {
    const { mode } = Deno.statSync(join(cache, "shoal", path));
    assertEquals(mode! & 0o077, 0, path);
  }
});

Deno.test("arguments, working folder, umask and exit codes are the program's own", async () => {
  const cache = newCache();
  const script = `cd "$1" && umask 027 && "$2" user list --data 'a b *' && ls -ld 'a b *' && "$2" 'no such*'`;
  const said = await run("sh", ["-c", script, "sh", newCache(), join(built, "shoal-coordinator")], {
    XDG_CACHE_HOME: cache,
  });
  assertEquals(said.code, 2, said.stderr);
  assertStringIncludes(said.stderr, 'no command "no such*"');
});

Deno.test("four first starts at once all run, and leave one copy", async () => {
  const cache = newCache();
  for (const said of await Promise.all([1, 2, 3, 4].map(() => askVersion({ cache })))) assertRuns(said);
  assertEquals((await unpacked(cache)).length, unpackedFiles.length);
});

Deno.test("without HOME, or with one that is not there, the cache is below TMPDIR", async () => {
  for (const env of [{}, { HOME: "/nonexistent" }]) {
    const TMPDIR = newCache();
    assertRuns(await run(peer, ["--version"], { TMPDIR, ...env }));
    const [made] = [...Deno.readDirSync(TMPDIR)];
    assertEquals(made?.name, `shoal-${Deno.uid()}`);
  }
  const HOME = newCache();
  assertRuns(await run(peer, ["--version"], { HOME }));
  assertEquals((await unpacked(join(HOME, ".cache"))).length, unpackedFiles.length);
});

Deno.test("a cache folder that others could have filled is refused", async () => {
  const wide = newCache();
  Deno.mkdirSync(join(wide, "shoal"));
  Deno.chmodSync(join(wide, "shoal"), 0o777);
  assertRefused(await askVersion({ cache: wide }), 11, "others own it or can write to it", "XDG_CACHE_HOME");
  // What a link leads to is judged by where it is.
  const linked = newCache();
  Deno.symlinkSync(join(wide, "shoal"), join(linked, "shoal"));
  assertRefused(await askVersion({ cache: linked }), 11, "others own it or can write to it");
  assertEquals([...Deno.readDirSync(join(wide, "shoal"))], []);
  Deno.removeSync(join(linked, "shoal"));
  const own = newCache();
  Deno.symlinkSync(own, join(linked, "shoal"));
  assertRuns(await askVersion({ cache: linked }));

  const open = newCache();
  Deno.chmodSync(open, 0o777);
  assertRefused(await askVersion({ cache: open }), 11, "others own it or can write to it");
  Deno.chmodSync(open, 0o1777);
  assertRuns(await askVersion({ cache: open }));

  const file = newCache();
  Deno.writeTextFileSync(join(file, "shoal"), "");
  assertRefused(await askVersion({ cache: file }), 11, "File exists");
});

Deno.test({
  name: "a cache folder, or a folder around it, of another user is refused; a file of theirs in it is replaced",
  ignore: !isRoot,
  async fn() {
    const theirs = newCache();
    Deno.mkdirSync(join(theirs, "shoal"));
    Deno.chownSync(join(theirs, "shoal"), 12_345, 12_345);
    assertRefused(await askVersion({ cache: theirs }), 11, "others own it");
    for (const [uid, gid, mode] of [[12_345, 12_345, 0o755], [0, 12_345, 0o775]] as const) {
      const around = newCache();
      Deno.mkdirSync(join(around, "shoal"), { mode: 0o700 });
      Deno.chownSync(around, uid, gid);
      Deno.chmodSync(around, mode);
      assertRefused(await askVersion({ cache: around }), 11, "others own it");
    }

    const cache = newCache();
    assertRuns(await askVersion({ cache }));
    const runtime = join(cache, "shoal", (await unpacked(cache)).find((path) => path.endsWith("/deno"))!);
    const { size } = Deno.statSync(runtime);
    const evil = "#!/bin/sh\necho evil\n";
    Deno.removeSync(runtime);
    Deno.writeTextFileSync(runtime, evil + "#".repeat(size - evil.length), { mode: 0o755 });
    Deno.chownSync(runtime, 12_345, 12_345);
    assertRuns(await askVersion({ cache }));
    assertEquals(Deno.statSync(runtime).uid, 0);
  },
});

Deno.test("what others put above the cache, and the caller's environment, change nothing", async () => {
  const around = newCache();
  const cache = join(around, "inner");
  Deno.mkdirSync(cache);
  const evil = "export const basename = 1; console.log('evil');";
  Deno.writeTextFileSync(join(around, "evil.js"), evil);
  const config = { workspace: ["./inner/shoal/*"], imports: { "node:path": "./evil.js", "node:process": "./evil.js" } };
  for (const text of [JSON.stringify(config), "{ broken"]) {
    Deno.writeTextFileSync(join(around, "deno.json"), text);
    assertRuns(await askVersion({ cache }));
  }
  for (
    const env of [
      { TIME_STYLE: "long-iso" },
      { TIME_STYLE: "+%s" },
      { QUOTING_STYLE: "c" },
      { BLOCK_SIZE: "1K" },
      { LS_BLOCK_SIZE: "human-readable" },
      { CDPATH: around },
      { LC_ALL: "tr_TR.UTF-8", IFS: "x" },
      { DENO_DIR: "/proc", NODE_OPTIONS: "--bogus" },
    ]
  ) {
    assertRuns(await run(peer, ["--version"], { XDG_CACHE_HOME: cache, ...env as Record<string, string> }));
  }
});

Deno.test({
  name: "root with somebody else's HOME leaves nothing there",
  ignore: !isRoot,
  async fn() {
    const [HOME, TMPDIR] = [newCache(), newCache()];
    Deno.chownSync(HOME, 12_345, 12_345);
    assertRuns(await run(peer, ["--version"], { HOME, TMPDIR }));
    assertEquals([...Deno.readDirSync(HOME)], []);
  },
});

Deno.test("what is not whole in the cache is unpacked again", async () => {
  const cache = newCache();
  assertRuns(await askVersion({ cache }));
  for (const path of await unpacked(cache)) {
    const file = join(cache, "shoal", path);
    const whole = Deno.readFileSync(file);
    const spoils = [() => Deno.truncateSync(file, 10), () => Deno.removeSync(file), () => link(file, peer)];
    // The runtime takes a second to unpack: one way is enough for it.
    for (const spoil of path.endsWith("/deno") ? spoils.slice(0, 1) : spoils) {
      Deno.chmodSync(file, 0o700);
      spoil();
      assertRuns(await askVersion({ cache }));
      assertEquals(Deno.readFileSync(file), whole, path);
    }
  }
});

function link(path: string, target: string): void {
  Deno.removeSync(path);
  Deno.symlinkSync(target, path);
}

Deno.test("an executable that is cut off anywhere, or damaged, says so and runs nothing", async () => {
  const { size } = await Deno.stat(peer);
  for (const bytes of [12 * 1024, 1_000_000, size - 1]) {
    const path = await changed(`cut-${bytes}`, (whole) => whole.subarray(0, bytes));
    const cache = newCache();
    assertRefused(await askVersion({ path, cache }), 8, `it has ${bytes} of ${size} bytes`, "SHA256SUMS");
    assertEquals(await unpacked(cache), []);
  }
  for (const bytes of [12, 200, 3_000]) {
    const path = await changed(`cut-${bytes}`, (whole) => whole.subarray(0, bytes));
    const said = await askVersion({ path });
    assert(said.code !== 0 && said.stdout === "", JSON.stringify(said));
  }
  const path = await changed("damaged", (whole) => {
    whole[20_000_000]! ^= 1;
    return whole;
  });
  const cache = newCache();
  assertRefused(await askVersion({ path, cache }), 8, "the file is damaged", "SHA256SUMS");
  assertEquals(await unpacked(cache), []);
});

Deno.test("an executable for another machine says so", async () => {
  const path = await changed("foreign", (whole) => {
    const text = new TextDecoder().decode(whole.subarray(0, 12 * 1024));
    const { os, arch } = Deno.build;
    const here = `${os === "darwin" ? "Darwin" : "Linux"} ${arch === "aarch64" && os === "darwin" ? "arm64" : arch}`;
    const there = `Linux ${"s390x".padEnd(here.length - 6, "_")}`;
    whole.set(new TextEncoder().encode(text.replaceAll(here, there)));
    return whole;
  });
  assertRefused(await askVersion({ path }), 1, "it is made for Linux s390x", "this machine is");
});

/** Starts the executable with its cache on a file system in memory; tells what it left there. */
async function onDisk(options: string): Promise<Said & { readonly left: string[] }> {
  const [disk, list] = [newCache(), join(newCache(), "left")];
  const script =
    'mount -t tmpfs -o "$1" tmpfs "$2" && { "$3" --version; code=$?; find "$2" -type f >"$4"; exit $code; }';
  const said = await run("unshare", ["--mount", "sh", "-c", script, "sh", options, disk, peer, list], {
    XDG_CACHE_HOME: disk,
  });
  return { ...said, left: (await Deno.readTextFile(list)).split("\n").filter((path) => path !== "") };
}

Deno.test({
  name: "a full disk, and one that no program may run from, are told, and nothing half-written stays",
  ignore: !isRoot,
  async fn() {
    for (const size of ["size=50m", "size=4k"]) {
      const full = await onDisk(`${size},mode=700`);
      assertRefused(full, 9, "No space left on device", "Free 100 MB there");
      assertEquals(full.left, []);
    }
    const still = await onDisk("noexec,mode=700");
    assertRefused(still, 11, "programs may not run from there", "XDG_CACHE_HOME");
    assertEquals(still.left, []);
    const readOnly = await onDisk("ro,mode=700");
    assertRefused(readOnly, 11, "Read-only file system");
  },
});

Deno.test("a first start that is killed leaves nothing that a later one would run; Ctrl-C leaves nothing", async () => {
  for (const signal of ["SIGKILL", "SIGINT"] as const) {
    const cache = newCache();
    const child = new Deno.Command(peer, {
      args: ["--version"],
      env: { XDG_CACHE_HOME: cache },
      stdout: "null",
      stderr: "null",
    }).spawn();
    await until(() => parts(cache).some((path) => Deno.statSync(path).size > 1_000_000));
    child.kill(signal);
    const { code } = await child.status;
    assertEquals(code, signal === "SIGKILL" ? 137 : 130);
    assertEquals((await unpacked(cache)).filter((path) => !path.startsWith("part.")), []);
    if (signal === "SIGINT") assertEquals(parts(cache), []);
    // The gzip of a start that was killed writes on to its end. What it left is taken away by a later unpacking, a day on.
    await until(() => parts(cache).every((path) => Deno.statSync(path).size === Deno.statSync(Deno.execPath()).size));
    const yesterday = new Date(Date.now() - 49 * 3_600_000);
    for (const path of parts(cache)) Deno.utimeSync(path, yesterday, yesterday);
    assertRuns(await askVersion({ cache }));
    assertEquals(parts(cache), []);
  }
});

/** What is being unpacked. */
function parts(cache: string): string[] {
  try {
    const entries = [...Deno.readDirSync(join(cache, "shoal"))];
    return entries.filter(({ name }) => name.startsWith("part.")).map(({ name }) => join(cache, "shoal", name));
  } catch {
    return []; // There is no folder yet.
  }
}

async function until(happened: () => boolean): Promise<void> {
  while (!happened()) await new Promise((wake) => setTimeout(wake, 2));
}
