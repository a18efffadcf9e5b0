import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { DataFolder } from "../../lib/coordinator/data_folder.ts";
import { readDeviceWords, runDeviceCommand } from "../../lib/coordinator/device_command.ts";
import { openSqliteStore } from "../../lib/coordinator/store/sqlite_store.ts";
import { ShoalError, UsageError } from "../../lib/core/errors.ts";
import { deviceIdFrom } from "../../lib/core/ids.ts";
import { temporaryFolder } from "./temporary_folder.ts";

Deno.test("device list and revoke do to an account's devices what the account may", async () => {
  using temporary = temporaryFolder();
  {
    using folder = DataFolder.open(temporary.path);
    const store = openSqliteStore(folder.paths.database);
    await store.putAccount("Ada", "record", { overwrite: false, nowMs: 1 });
    await store.write([{
      operation: "enrolDevice",
      ask: {
        account: "ada",
        deviceId: deviceIdFrom(new Uint8Array(32).fill(1)),
        label: "laptop",
        certificate: new Uint8Array(1),
        loginKey: new Uint8Array(32).fill(2),
        record: "record",
        nowMs: 7,
      },
    }]);
    await store.close();
  }
  const run = (action: "list" | "revoke", account: string, device = "") =>
    runDeviceCommand({ action, account, device, dataFolder: temporary.path, clock: () => 9 });
  const listed = { type: "device", account: "Ada", device: "laptop", online: false, changedAtMs: 7 } as const;
  assertEquals(await run("list", "ADA"), [{ ...listed, enrolledAtMs: 7 }]);
  assertEquals(await run("revoke", "ada", "laptop"), [{ type: "deviceRevoked", account: "Ada", device: "laptop" }]);
  assertEquals(await run("list", "ada"), [{ ...listed, enrolledAtMs: null }]);
  for (const [account, device] of [["ada", "phone"], ["bob", "laptop"]] as const) {
    const error = await assertRejects(() => run("revoke", account, device), ShoalError);
    assertEquals(error.code, "notFound");
  }
});

Deno.test("readDeviceWords() wants an action it knows, an account, and a device where one is revoked", () => {
  const actions = ["list", "revoke"] as const;
  assertEquals(readDeviceWords(["list", "ada"], actions), { action: "list", account: "ada", device: "" });
  assertEquals(readDeviceWords(["revoke", "ada", "vm"], actions), { action: "revoke", account: "ada", device: "vm" });
  for (const words of [[], ["forget"], ["list"], ["list", "ada", "vm"], ["revoke", "ada"], ["revoke", "a", "b", "c"]]) {
    assertThrows(() => readDeviceWords(words, actions), UsageError);
  }
});
