import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { type ErrorCode, NetworkError, ShoalError, StoreError } from "../../lib/core/errors.ts";
import { type AdminTarget, openAdmin, openRunningAdmin, serveAdmin } from "../../lib/coordinator/admin.ts";
import type { AuditEntry } from "../../lib/coordinator/audit.ts";
import { readAudit } from "../../lib/coordinator/audit_command.ts";
import { DataFolder, dataPaths } from "../../lib/coordinator/data_folder.ts";
import { openSqliteStore } from "../../lib/coordinator/store/sqlite_store.ts";
import { connectLocal, listenLocal } from "../../lib/net/local.ts";
import { temporaryFolder } from "./temporary_folder.ts";

const clock = () => 5;
const status = {
  ...{ address: "127.0.0.1", port: 5000, uptimeMs: 1, sessions: 0, pendingLogins: 0, datagramsIn: 0 },
  ...{ datagramsOut: 0, datagramsShed: 0, storeWaiting: 0, storeWrites: 0, searches: 0, loopLagMs: 0, rssBytes: 0 },
  ...{
    auditLost: 0,
    datagramsRefused: 0,
    logins: 0,
    offers: 0,
    reports: 0,
    accounts: 0,
    devices: 0,
    online: 0,
    files: 0,
    shares: 0,
  },
};

/** A coordinator as far as administration sees it, in a folder of its own. */
function setUp() {
  const temporary = temporaryFolder();
  const folder = DataFolder.open(temporary.path);
  const store = openSqliteStore(folder.paths.database);
  const listener = listenLocal(folder.paths.socket);
  const ended: [string, ErrorCode][] = [];
  const endedDevices: number[] = [];
  const standings: [string, string, number | null][] = [];
  const audited: AuditEntry[] = [];
  const target: AdminTarget = {
    store,
    place: folder.paths.database,
    keyFile: folder.paths.keys,
    clock,
    endSessions: (account, code) => ended.push([account, code]),
    changeStanding: ({ name, role, rate }) => standings.push([name, role, rate]),
    endDevice: (device) => endedDevices.push(device),
    endTransfers: () => {},
    audit: (entry) => audited.push(entry),
    status: () => Promise.resolve(status),
  };
  const serving = serveAdmin(listener, target);
  return {
    paths: folder.paths,
    ended,
    endedDevices,
    standings,
    audited,
    store,
    async [Symbol.asyncDispose]() {
      listener.close();
      await serving;
      await store.close();
      folder[Symbol.dispose]();
      temporary[Symbol.dispose]();
    },
  };
}

Deno.test("a command goes through the running coordinator and ends the sessions it has to", async () => {
  await using running = setUp();
  await using admin = await openAdmin(running.paths, clock);
  assertEquals(await admin.ask({ kind: "addAccount", account: "Ada", record: "one" }), "Ada");
  assertEquals(running.ended, []);
  assertEquals(await admin.ask({ kind: "replaceRecord", account: "ADA", record: "two" }), "Ada");
  assertEquals(await admin.ask({ kind: "setDisabled", account: "ada", disabled: true }), "Ada");
  assertEquals((await admin.ask({ kind: "listAccounts" })).map(({ name, disabled }) => [name, disabled]), [[
    "Ada",
    true,
  ]]);
  assertEquals(await admin.ask({ kind: "setDisabled", account: "ada", disabled: false }), "Ada");
  assertEquals(await admin.ask({ kind: "removeAccount", account: "ada" }), "Ada");
  assertEquals(running.ended, [["Ada", "denied"], ["Ada", "disabled"], ["Ada", "denied"]]);
  assertEquals(await admin.ask({ kind: "listAccounts" }), []);
  assertEquals(await admin.ask({ kind: "status" }), status);
});

Deno.test("a removed account is disabled before its sessions end, so that none begins meanwhile", async () => {
  await using running = setUp();
  await using admin = await openAdmin(running.paths, clock);
  await admin.ask({ kind: "addAccount", account: "ada", record: "one" });
  let disabled: unknown;
  running.ended.push = (...items) => {
    disabled = running.store.findAccount("ada");
    return items.length;
  };
  await admin.ask({ kind: "removeAccount", account: "ada" });
  assertEquals((await disabled as { disabled: boolean }).disabled, true);
});

Deno.test("a role and limits reach the sessions that are there, and end none", async () => {
  await using running = setUp();
  await using admin = await openAdmin(running.paths, clock);
  await admin.ask({ kind: "addAccount", account: "Ada", record: "one" });
  assertEquals(await admin.ask({ kind: "setRole", account: "ADA", role: "readOnly" }), "Ada");
  const { sharesMax, rate } = await admin.ask({ kind: "setLimits", account: "ada", rate: 7 });
  assertEquals([sharesMax, rate], [null, 7]);
  assertEquals(running.standings, [["Ada", "readOnly", null], ["Ada", "readOnly", 7]]);
  assertEquals(running.ended, []);
  await assertRejects(() => admin.ask({ kind: "setRole", account: "ada", role: "king" as never }), ShoalError);
});

Deno.test("invites are made, listed and revoked through the running coordinator, and no record is audited", async () => {
  await using running = setUp();
  await using admin = await openAdmin(running.paths, clock);
  const invites = [{ name: "#1", record: "SECRET one" }, { name: "#2", record: "SECRET two" }];
  const ask = { kind: "createInvites", role: "member", note: "for ada", expiresAtMs: 100, invites } as const;
  assertEquals(await admin.ask(ask), 2);
  const listed = await admin.ask({ kind: "listInvites" });
  assertEquals(listed.map(({ note, expiresAtMs, usedAtMs }) => [note, expiresAtMs, usedAtMs]), [
    ["for ada", 100, null],
    ["for ada", 100, null],
  ]);
  assertEquals(JSON.stringify(listed).includes("SECRET"), false);
  const [first] = listed;
  assertEquals(await admin.ask({ kind: "revokeInvite", invite: first!.invite }), first!.invite);
  const error = await assertRejects(() => admin.ask({ kind: "revokeInvite", invite: first!.invite }), ShoalError);
  assertEquals(error.code, "notFound");
  assertEquals(JSON.stringify(running.audited).includes("SECRET"), false);
  assertEquals(running.audited.map(({ event, note }) => [event, note]), [
    ["createInvites", "for ada"],
    ["revokeInvite", undefined],
    ["revokeInvite", undefined],
  ]);
});

Deno.test("refusals come back as the errors they are", async () => {
  await using running = setUp();
  await using admin = await openAdmin(running.paths, clock);
  await admin.ask({ kind: "addAccount", account: "ada", record: "one" });
  const exists = await assertRejects(
    () => admin.ask({ kind: "addAccount", account: "ADA", record: "two" }),
    ShoalError,
    "Cannot add ADA",
  );
  assertEquals(exists.code, "exists");
  assertStringIncludes(exists.hint!, "passwd");
  for (const kind of ["replaceRecord", "removeAccount", "setDisabled"] as const) {
    const error = await assertRejects(
      () => admin.ask({ kind, account: "bob", record: "x", disabled: true } as never),
      ShoalError,
      "there is no such account",
    );
    assertEquals(error.code, "notFound");
  }
  const refused = await assertRejects(
    () => admin.ask({ kind: "addAccount", account: "a b", record: "x" }),
    ShoalError,
    "account name",
  );
  assertEquals(refused.code, "usage");
});

Deno.test("junk on the socket is answered and harms nobody", async () => {
  await using running = setUp();
  const connection = await connectLocal(running.paths.socket);
  for (const junk of ["", "{", "null", '{"kind":"dropTables"}', '{"kind":"addAccount"}']) {
    await connection.writeLine(junk);
    assertStringIncludes((await connection.readLine())!, '"error"');
  }
  connection.close();
  await using admin = await openAdmin(running.paths, clock);
  assertEquals(await admin.ask({ kind: "listAccounts" }), []);
});

Deno.test("a request that the coordinator does not know is refused with the reason, a code that the command does not know is unknown", async () => {
  await using running = setUp();
  await using admin = await openAdmin(running.paths, clock);
  const error = await assertRejects(() => admin.ask({ kind: "future" } as never), ShoalError, "of another release");
  assertEquals([error.code, error.exitCode], ["version", 5]);
  assertStringIncludes(error.hint!, "anew");
  assertEquals(await admin.ask({ kind: "listAccounts", future: 1 } as never), []);

  using folder = temporaryFolder();
  const paths = dataPaths(folder.path);
  const listener = listenLocal(paths.socket);
  await using newer = await openRunningAdmin(paths);
  const asked = newer.ask({ kind: "status" });
  const connection = (await listener.accept())!;
  await connection.readLine();
  await connection.writeLine('{"error": {"code": "future", "message": "Cannot do it"}}');
  assertEquals((await assertRejects(() => asked, ShoalError, "Cannot do it")).exitCode, 1);
  connection.close();
  listener.close();
});

Deno.test("a command works on the store where no coordinator runs", async () => {
  using folder = temporaryFolder();
  const paths = dataPaths(folder.path);
  {
    await using admin = await openAdmin(paths, clock);
    await admin.ask({ kind: "addAccount", account: "ada", record: "one" });
    const error = await assertRejects(() => admin.ask({ kind: "status" }), NetworkError, "none runs");
    assertEquals(error.exitCode, 5);
  }
  await using again = await openAdmin(paths, clock);
  assertEquals((await again.ask({ kind: "listAccounts" })).map((one) => one.name), ["ada"]);
});

Deno.test("openAdmin() refuses a folder whose owner does not answer, openRunningAdmin() one without owner", async () => {
  using folder = temporaryFolder();
  await assertRejects(() => openRunningAdmin(dataPaths(folder.path)), NetworkError, "none runs");
  using _ = DataFolder.open(folder.path);
  await assertRejects(() => openAdmin(dataPaths(folder.path), clock), StoreError, "another coordinator");
});

Deno.test("what an operator does is audited with who did it and how it ended, a question is not", async () => {
  await using running = setUp();
  await using admin = await openAdmin(running.paths, clock);
  await admin.ask({ kind: "addAccount", account: "ada", record: "SECRET" });
  await assertRejects(() => admin.ask({ kind: "addAccount", account: "ada", record: "SECRET" }));
  await admin.ask({ kind: "setDisabled", account: "ada", disabled: true });
  await admin.ask({ kind: "listAccounts" });
  const by = `uid ${Deno.uid()}`;
  assertEquals(running.audited, [
    { event: "addAccount", account: "ada", by, result: "ok" },
    { event: "addAccount", account: "ada", by, result: "exists" },
    { event: "setDisabled", account: "ada", disabled: true, by, result: "ok" },
  ]);
});

Deno.test("what is done where no coordinator runs is audited as well", async () => {
  using folder = temporaryFolder();
  const paths = dataPaths(folder.path);
  {
    await using admin = await openAdmin(paths, clock);
    await admin.ask({ kind: "addAccount", account: "ada", record: "SECRET" });
  }
  const [entry, ...more] = readAudit(folder.path, 0);
  assertEquals([entry?.event, entry?.["account"], more.length], ["addAccount", "ada", 0]);
  assertEquals(Deno.readTextFileSync(paths.audit).includes("SECRET"), false);
});
