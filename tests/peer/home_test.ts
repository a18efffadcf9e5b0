import { assert, assertEquals, assertThrows } from "@std/assert";
import { join } from "@std/path";
import { formatHex } from "../../lib/core/bytes.ts";
import { StoreError, UsageError } from "../../lib/core/errors.ts";
import { Home, localSocketPath } from "../../lib/peer/home.ts";
import { homeFolders } from "../../lib/peer/home_folders.ts";
import { KnownAccounts } from "../../lib/peer/known_accounts.ts";

const random = (size: number) => crypto.getRandomValues(new Uint8Array(size));
const noEnv = () => undefined;

async function withFolder(work: (folder: string) => void | Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "shoal-home-" });
  try {
    await work(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("Home.open() keeps one device key in a 0600 file, and owns the home until disposed", () =>
  withFolder((folder) => {
    const folders = homeFolders(folder, noEnv);
    let first: string;
    {
      using home = Home.open(folders, random)!;
      first = formatHex(home.device.publicKey);
      assertEquals(Home.open(folders, random), undefined);
      const keyPath = join(folders.state, "device.key");
      assertEquals(Deno.statSync(keyPath).mode! & 0o777, 0o600);
      assertEquals(Deno.statSync(folders.state).mode! & 0o777, 0o700);
    }
    using again = Home.open(folders, random)!;
    assertEquals(formatHex(again.device.publicKey), first);
  }));

Deno.test("Home.open() refuses a device key that others can read, or that is damaged", () =>
  withFolder((folder) => {
    const folders = homeFolders(folder, noEnv);
    Home.open(folders, random)![Symbol.dispose]();
    const keyPath = join(folders.state, "device.key");
    Deno.chmodSync(keyPath, 0o644);
    assertThrows(() => Home.open(folders, random), StoreError, "other users");
    Deno.chmodSync(keyPath, 0o600);
    Deno.truncateSync(keyPath, 31);
    assertThrows(() => Home.open(folders, random), StoreError, "31 bytes");
  }));

Deno.test("homeFolders() follows --home, then XDG, then HOME, and says when there is none", () => {
  assertEquals(homeFolders("/h", noEnv).state, "/h/state");
  const env = (name: string) => ({ HOME: "/u", XDG_STATE_HOME: "/s" })[name];
  assertEquals(homeFolders(undefined, env), {
    config: "/u/.config/shoal",
    state: "/s/shoal",
    cache: "/u/.cache/shoal",
  });
  assertThrows(() => homeFolders(undefined, noEnv), UsageError, "HOME is not set");
});

Deno.test("localSocketPath() stays short enough for a socket however deep the home is", () => {
  const deep = homeFolders(`/${"d".repeat(300)}`, noEnv);
  assert(localSocketPath(deep).length < 108);
  assertEquals(localSocketPath(homeFolders("/h", noEnv)), "/h/state/peer.sock");
});

Deno.test("KnownAccounts remembers the first key, refuses another until told, and keeps networks apart", () =>
  withFolder((folder) => {
    const [here, there, first, second] = [1, 2, 3, 4].map((fill) => new Uint8Array(32).fill(fill)) as Uint8Array[];
    const known = KnownAccounts.open(folder);
    assertEquals(known.meet(here!, "Alice", first!), "new");
    assertEquals(known.meet(here!, "alice", first!), "remembered");
    assertEquals(known.meet(here!, "ALICE", second!), "changed");
    assertEquals(known.meet(there!, "alice", second!), "new");
    assertEquals(KnownAccounts.open(folder).check(here!, "alice", first!), "remembered");
    known.remember(here!, "alice", second!);
    assertEquals(KnownAccounts.open(folder).check(here!, "alice", second!), "remembered");
  }));

Deno.test("KnownAccounts.open() refuses a damaged file rather than forget every key", () =>
  withFolder((folder) => {
    KnownAccounts.open(folder).remember(new Uint8Array(32), "a", new Uint8Array(32));
    const path = join(folder, "known_accounts.json");
    for (
      const damage of ["{", "[]", '{"schema":0,"coordinators":{}}', '{"schema":1,"coordinators":{"x":{"a":"zz"}}}']
    ) {
      Deno.writeTextFileSync(path, damage);
      assertThrows(() => KnownAccounts.open(folder), StoreError, "damaged");
    }
  }));

Deno.test("KnownAccounts.open() refuses a newer program's file, says so, and leaves it as it is", () =>
  withFolder((folder) => {
    const path = join(folder, "known_accounts.json");
    const newer = '{"schema":2,"networks":[]}';
    Deno.writeTextFileSync(path, newer, { mode: 0o600 });
    const error = assertThrows(
      () => KnownAccounts.open(folder),
      StoreError,
      "it has schema 2, and this program knows 1",
    );
    assertEquals([error.code, error.path, Deno.readTextFileSync(path)], ["version", path, newer]);
  }));
