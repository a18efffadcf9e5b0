import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { serveAdmin } from "../../lib/coordinator/admin.ts";
import { DataFolder } from "../../lib/coordinator/data_folder.ts";
import { runHealthCommand } from "../../lib/coordinator/health.ts";
import { openSqliteStore } from "../../lib/coordinator/store/sqlite_store.ts";
import { NetworkError, TimeoutError } from "../../lib/core/errors.ts";
import { listenLocal } from "../../lib/net/local.ts";
import { listenUdp } from "../../lib/net/udp.ts";
import { decodeEnvelope, encodeCookie, encodeVersions } from "../../lib/wire/envelope.ts";
import { Program, programArgs } from "../../scripts/programs.ts";
import { temporaryFolder } from "./temporary_folder.ts";

const random = (size: number) => crypto.getRandomValues(new Uint8Array(size));
const figures = {
  ...{
    uptimeMs: 1,
    sessions: 0,
    pendingLogins: 0,
    datagramsIn: 0,
    datagramsRefused: 0,
    datagramsShed: 0,
    logins: 0,
    offers: 0,
    reports: 0,
  },
  ...{ accounts: 0, devices: 0, online: 0, files: 0, shares: 0 },
  ...{ datagramsOut: 0, storeWaiting: 0, storeWrites: 0, searches: 0, loopLagMs: 0, rssBytes: 0, auditLost: 0 },
};

/** Answers the nth HELLO (from 0), given its nonce; undefined is silence. */
type Answer = (nonce: Uint8Array, n: number) => Uint8Array | undefined;

const cookie: Answer = (nonce) => encodeCookie(nonce, new Uint8Array(24));

/** A coordinator as far as its health is asked, which says that it listens at `address`. */
function setUp({ answer, address = "127.0.0.1", hangs = false }: {
  readonly answer: Answer;
  readonly address?: string;
  readonly hangs?: boolean;
}) {
  const temporary = temporaryFolder();
  const folder = DataFolder.open(temporary.path);
  const store = openSqliteStore(folder.paths.database);
  const listener = listenLocal(folder.paths.socket);
  const udp = listenUdp({ ip: "127.0.0.1", port: 0 });
  const { port } = udp.local;
  const status = hangs ? () => new Promise<never>(() => {}) : () => Promise.resolve({ ...figures, address, port });
  const nothing = () => {};
  const serving = serveAdmin(listener, {
    ...{ store, place: folder.paths.database, keyFile: folder.paths.keys, clock: () => 5, status },
    ...{ endSessions: nothing, endDevice: nothing, endTransfers: nothing, changeStanding: nothing, audit: nothing },
  });
  const answering = (async () => {
    for (let n = 0;; n++) {
      const got = await udp.receive();
      if (got === undefined) return;
      const envelope = decodeEnvelope(got.bytes);
      if (!envelope.ok || envelope.value.kind !== "hello") throw new Error("a peer says HELLO first");
      const answered = answer(envelope.value.nonce, n);
      if (answered !== undefined) await udp.send(answered, got.from);
    }
  })();
  return {
    path: temporary.path,
    port,
    async [Symbol.asyncDispose]() {
      udp.close();
      listener.close();
      await Promise.all([serving, answering]);
      await store.close();
      folder[Symbol.dispose]();
      temporary[Symbol.dispose]();
    },
  };
}

Deno.test("a coordinator that answers by its socket and by UDP is healthy, also if it listens to all addresses", async () => {
  for (const address of ["127.0.0.1", "0.0.0.0"]) {
    await using running = setUp({ answer: cookie, address });
    assertEquals(await runHealthCommand(running.path, { random }), [
      { type: "healthy", address, port: running.port },
    ]);
  }
});

Deno.test("a lost datagram is repeated", async () => {
  await using running = setUp({ answer: (nonce, n) => n === 0 ? undefined : cookie(nonce, n) });
  assertEquals((await runHealthCommand(running.path, { random })).length, 1);
});

Deno.test("silence and answers to others are none by UDP", async () => {
  const answers: Answer[] = [
    () => undefined,
    () => encodeCookie(new Uint8Array(16), new Uint8Array(24)),
    () => encodeVersions(),
    () => new Uint8Array(42),
  ];
  for (const answer of answers) {
    await using running = setUp({ answer });
    const error = await assertRejects(() => runHealthCommand(running.path, { random, waitMs: 50 }), TimeoutError);
    assertStringIncludes(error.message, `UDP 127.0.0.1:${running.port}: no answer`);
    assertEquals(error.exitCode, 6);
  }
});

Deno.test("a coordinator that hangs is told from one that does not run", async () => {
  await using running = setUp({ answer: cookie, hangs: true });
  const hung = await assertRejects(() => runHealthCommand(running.path, { random, waitMs: 50 }), TimeoutError);
  assertStringIncludes(hung.message, `the coordinator of ${running.path}: no answer`);

  using folder = temporaryFolder();
  const none = await assertRejects(() => runHealthCommand(folder.path, { random }), NetworkError, "none runs");
  assertEquals(none.exitCode, 5);
});

Deno.test("coordinator health asks the program that runs, and fails where SIGKILL ended it", async () => {
  using folder = temporaryFolder();
  const data = ["--data", folder.path, "--json"];
  const health = async () => {
    await using program = new Program([...programArgs("coordinator"), "health", ...data]);
    return await program.end();
  };
  await using coordinator = new Program([...programArgs("coordinator"), "0", ...data]);
  const port = await coordinator.ready();
  const well = await health();
  assertEquals([well.code, well.lines], [0, [{ type: "healthy", v: 1, address: "127.0.0.1", port }]] as never);
  await coordinator.kill();
  const dead = await health();
  assertEquals([dead.code, dead.lines[0]?.["code"]], [5, "unreachable"], dead.stderr);
});
