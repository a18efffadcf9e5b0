import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { StoreError } from "../../lib/core/errors.ts";
import {
  DataFolder,
  dataPaths,
  isSocketFolderSafe,
  readPrivateFile,
  writePrivateFile,
} from "../../lib/coordinator/data_folder.ts";
import { temporaryFolder } from "./temporary_folder.ts";

const modeOf = (path: string) => Deno.statSync(path).mode! & 0o777;

Deno.test("DataFolder.open() makes a folder for its owner alone", () => {
  using folder = temporaryFolder();
  const path = `${folder.path}/a/b`;
  using data = DataFolder.open(path);
  assertEquals([modeOf(path), modeOf(data.paths.lock)], [0o700, 0o600]);
});

Deno.test("DataFolder.open() refuses a folder that is taken, and names who has it", () => {
  using folder = temporaryFolder();
  {
    using first = DataFolder.open(folder.path);
    const error = assertThrows(() => DataFolder.open(folder.path), StoreError, `process ${Deno.pid}`);
    assertEquals(error.code, "exists");
    first.tellOwner("process 1 on 127.0.0.1:5000");
    assertThrows(() => DataFolder.open(folder.path), StoreError, "(process 1 on 127.0.0.1:5000)");
  }
  using again = DataFolder.open(folder.path);
  assertEquals(again.paths.folder, folder.path);
});

Deno.test("dataPaths() keeps the socket's path within what the system takes", () => {
  assertEquals(dataPaths("/data").socket, "/data/admin.sock");
  const long = dataPaths(`/${"x".repeat(120)}`).socket;
  assert(long.length < 100);
  assertStringIncludes(long, "/tmp/shoal-");
});

Deno.test("writePrivateFile() leaves a whole file, mode 0600, also over a draft that a crash left", () => {
  using folder = temporaryFolder();
  const path = `${folder.path}/keys.json`;
  Deno.writeTextFileSync(`${path}.new`, "half");
  writePrivateFile(path, "whole\n");
  assertEquals([readPrivateFile(path, "mend it"), modeOf(path)], ["whole\n", 0o600]);
  assertEquals([...Deno.readDirSync(folder.path)].map((entry) => entry.name), ["keys.json"]);
});

Deno.test("readPrivateFile() refuses what others can read", () => {
  using folder = temporaryFolder();
  const path = `${folder.path}/keys.json`;
  assertEquals(readPrivateFile(path, "mend it"), undefined);
  for (const mode of [0o640, 0o604, 0o660]) {
    Deno.writeTextFileSync(path, "secret");
    Deno.chmodSync(path, mode);
    assertThrows(() => readPrivateFile(path, "mend it"), StoreError, "others can read it");
  }
});

Deno.test("a socket's folder below /tmp is used only if nobody else can write there", () => {
  using folder = temporaryFolder();
  const socket = `${folder.path}/deeper/admin.sock`;
  const paths = { ...dataPaths("/data"), socket };
  assertEquals(isSocketFolderSafe(dataPaths("/data")), true);
  assertEquals(isSocketFolderSafe(paths), true, "it is not there yet");
  Deno.mkdirSync(`${folder.path}/deeper`, { mode: 0o700 });
  assertEquals(isSocketFolderSafe(paths), true);
  Deno.chmodSync(`${folder.path}/deeper`, 0o777);
  assertEquals(isSocketFolderSafe(paths), false);
});
