import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { type InviteAction, inviteActions } from "../../lib/coordinator/config.ts";
import { dataPaths } from "../../lib/coordinator/data_folder.ts";
import {
  type InviteCommand,
  parseLife,
  readInviteWords,
  runInviteCommand,
} from "../../lib/coordinator/invite_command.ts";
import { openKeyFile } from "../../lib/coordinator/key_file.ts";
import { ShoalError, UsageError } from "../../lib/core/errors.ts";
import { coordinatorFingerprint, parseInviteCode } from "../../lib/session/invite_code.ts";
import { coordinatorKeyOf } from "../../lib/session/opaque.ts";
import { temporaryFolder } from "./temporary_folder.ts";

const random = (size: number) => crypto.getRandomValues(new Uint8Array(size));

function run(dataFolder: string, action: InviteAction, changes: Partial<InviteCommand> = {}) {
  return runInviteCommand({
    ...{ action, invites: [], role: undefined, note: "", count: 1, lifeMs: 1_000_000, address: undefined },
    ...{ dataFolder, clock: () => 5, random },
    ...changes,
  });
}

Deno.test("invite create shows codes of this coordinator's key once; the data folder does not know them", async () => {
  using folder = temporaryFolder();
  const address = "share.example.org:5000";
  const made = await run(folder.path, "create", { count: 2, note: "for ada", role: "readOnly", address });
  const codes = made.map((line) => line.type === "inviteCreated" ? line.code : "");
  assertEquals(new Set(codes).size, 2);
  const { serverSetup } = await openKeyFile(dataPaths(folder.path).keys, {
    mayCreate: () => Promise.resolve(false),
    random,
  });
  for (const code of codes) {
    const { fingerprint, address: told } = parseInviteCode(code);
    assertEquals([fingerprint, told], [coordinatorFingerprint(coordinatorKeyOf(serverSetup)), address]);
  }
  const listed = await run(folder.path, "list");
  assertEquals(
    listed,
    [1, 2].map((invite) => ({
      ...{ type: "invite", state: "open", invite, role: "readOnly", note: "for ada" },
      ...{ createdAtMs: 5, expiresAtMs: 1_000_005, usedBy: null },
    })),
  );
  const stored = Deno.readFileSync(dataPaths(folder.path).database);
  const text = new TextDecoder("latin1").decode(stored);
  for (const code of codes) assert(!text.includes(code.slice(6, 14)));
});

Deno.test("invite list tells those that expired, and revoke takes one back once", async () => {
  using folder = temporaryFolder();
  await run(folder.path, "create", { count: 2 });
  const states = (await run(folder.path, "list", { clock: () => 2_000_000 })).map((line) =>
    line.type === "invite" && line.state
  );
  assertEquals(states, ["expired", "expired"]);
  assertEquals(await run(folder.path, "revoke", { invites: [1] }), [{ type: "inviteRevoked", invite: 1 }]);
  await assertRejects(() => run(folder.path, "revoke", { invites: [1] }), ShoalError, "none that can still be used");
  assertEquals((await run(folder.path, "list")).length, 1);
});

Deno.test("invite create refuses what cannot be", async () => {
  using folder = temporaryFolder();
  for (
    const changes of [
      { count: 0 },
      { count: 1.5 },
      { count: 101 },
      { count: NaN },
      { note: "a\nb" },
      { note: "x".repeat(201) },
      { lifeMs: 1 },
      { role: "king" },
      { address: "5000" },
      { address: "share.example.org" },
      { address: "two words:5000" },
      { address: "share.example.org:70000" },
    ]
  ) {
    await assertRejects(() => run(folder.path, "create", changes), UsageError);
  }
  assertEquals(await run(folder.path, "list"), []);
});

Deno.test("readInviteWords() and parseLife() read what is written, and refuse the rest", () => {
  assertEquals(readInviteWords(["create"], inviteActions), { action: "create", invites: [] });
  assertEquals(readInviteWords(["revoke", "3", "4"], inviteActions), { action: "revoke", invites: [3, 4] });
  for (const words of [[], ["make"], ["revoke"], ["revoke", "x"], ["revoke", "0"], ["create", "3"]]) {
    assertThrows(() => readInviteWords(words, inviteActions), UsageError);
  }
  assertEquals([parseLife("90m"), parseLife("12h"), parseLife("30d")], [5_400_000, 43_200_000, 2_592_000_000]);
  for (const text of ["", "7", "-1d", "1w", "d"]) assertThrows(() => parseLife(text), UsageError);
});
