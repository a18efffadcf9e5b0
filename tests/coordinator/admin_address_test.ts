/** What the admin address tells of a coordinator whose parts the test makes: draining, a store that fails, a token that changes. */

import { assertEquals, assertThrows } from "@std/assert";
import { openAdminAddress, type Watched } from "../../lib/coordinator/admin_address.ts";
import { Outbox } from "../../lib/coordinator/role/outbox.ts";
import { Shedding } from "../../lib/coordinator/role/shedding.ts";
import { RequestTallies, ResultTally, TimeTally } from "../../lib/coordinator/role/tallies.ts";
import { StoreError } from "../../lib/core/errors.ts";
import { temporaryFolder } from "./temporary_folder.ts";

async function setUp() {
  const folder = temporaryFolder();
  const state = { isDraining: false, storeFails: false, figuresAsked: 0 };
  const answerOr = <T>(value: T) => state.storeFails ? Promise.reject(new Error("dead")) : Promise.resolve(value);
  const queue = { writesWaiting: 0, searchesWaiting: 0, readsUnderWay: 0, refused: 0, writes: 0 };
  const times = { groupTimes: TimeTally.ofRequests(), searchTimes: TimeTally.ofRequests() };
  const tallies = {
    ...{ requests: new RequestTallies(), logins: new ResultTally(), store: { ...queue, ...times } },
    shedding: new Shedding(new Outbox().underWay),
    ...{ datagramsOut: 0, datagramsDropped: 0, handlingTimes: TimeTally.ofDatagrams() },
  };
  const role = {
    ...{ sessions: 0, pendingLogins: 0, datagramsIn: 0, datagramsRefused: 0, datagramsShed: 0 },
    ...{ logins: 0, offers: 0, reports: 0 },
  };
  const watched = {
    driver: { figures: () => role, tallies: () => tallies },
    store: {
      read: () => answerOr({ ok: true }),
      figures: () => (state.figuresAsked++, answerOr({ accounts: 3, devices: 0, online: 0, files: 0, shares: 0 })),
    },
    datagrams: { errorCount: 0 },
    audit: { written: 0, lost: 0 },
    log: { linesLeftOut: 0, fault: (error: unknown) => console.error(error) },
    loopLag: { worstMs: 0 },
    startedAtMs: 0,
    isDraining: () => state.isDraining,
    ownTokenPath: `${folder.path}/admin.token`,
    random: (size: number) => new Uint8Array(size).fill(7),
  } as unknown as Watched;
  const settings = { adminTokenPath: undefined, adminNames: [] };
  const address = await openAdminAddress({ ip: "127.0.0.1", port: 0 }, settings, watched);
  const ask = async (path: string, headers: HeadersInit = {}) => {
    const response = await fetch(`http://127.0.0.1:${address.local.port}${path}`, { headers });
    return [response.status, (await response.text()).trim()] as const;
  };
  return {
    folder,
    state,
    settings,
    address,
    ask,
    async [Symbol.asyncDispose]() {
      await address[Symbol.asyncDispose]();
      folder[Symbol.dispose]();
    },
  };
}

Deno.test("who drains, or whose store does not answer, is alive and not ready", async () => {
  await using scene = await setUp();
  assertEquals(await scene.ask("/readyz"), [200, "ready"]);
  scene.state.storeFails = true;
  assertEquals(await scene.ask("/readyz"), [503, "the store does not answer"]);
  scene.state.storeFails = false;
  assertEquals(await scene.ask("/readyz"), [200, "ready"]);
  scene.state.isDraining = true;
  assertEquals(await scene.ask("/readyz"), [503, "draining"]);
  assertEquals(await scene.ask("/healthz"), [200, "alive"]);
});

Deno.test("metrics ask the store for its figures now and then alone, and do without them", async () => {
  await using scene = await setUp();
  const token = Deno.readTextFileSync(`${scene.folder.path}/admin.token`).trim();
  const metrics = async () => (await scene.ask("/metrics", { authorization: `Bearer ${token}` }))[1];
  const lineOf = (text: string, name: string) => text.split("\n").find((line) => line.startsWith(`${name} `));
  scene.state.storeFails = true;
  assertEquals(lineOf(await metrics(), "shoal_store_up"), "shoal_store_up 0");
  scene.state.storeFails = false;
  for (let i = 0; i < 3; i++) assertEquals(lineOf(await metrics(), "shoal_accounts"), "shoal_accounts 3");
  assertEquals(scene.state.figuresAsked, 2);
});

Deno.test("a new token counts once it could be read, the old one until then", async () => {
  await using scene = await setUp();
  const { folder, address, settings } = scene;
  const statusOf = async (token: string) => (await scene.ask("/metrics", { authorization: `Bearer ${token}` }))[0];
  const old = Deno.readTextFileSync(`${folder.path}/admin.token`).trim();
  const named = { ...settings, adminTokenPath: `${folder.path}/named` };
  assertThrows(() => address.change(named), StoreError);
  assertEquals(await statusOf(old), 200);
  Deno.writeTextFileSync(named.adminTokenPath, "sixteen-characters", { mode: 0o600 });
  address.change(named);
  assertEquals([await statusOf(old), await statusOf("sixteen-characters")], [401, 200]);
});
