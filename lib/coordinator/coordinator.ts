/**
 * coordinator: one running coordinator, composed: data folder, keys, store, role, socket, local socket, admin address. Laws: 1) it is
 * ready when it answers; accounts of a credentials file may still be on their way then, and a login to one waits for its own;
 * 2) what was opened is closed in the reverse order, however the start or the run ends;  3) a setting that is wrong at a reload leaves
 * what was in force, and the log says so.
 */

import { type Endpoint, formatEndpoint } from "../core/transport.ts";
import { type ShoalError, storeErrorFrom, UsageError } from "../core/errors.ts";
import { limits } from "../core/limits.ts";
import { listenLocal } from "../net/local.ts";
import { connectTls, prepareTls } from "../net/tls.ts";
import { listenUdp } from "../net/udp.ts";
import type { Random } from "../session/random.ts";
import { parseCredentials, PendingAccounts } from "./accounts.ts";
import { serveAdmin } from "./admin.ts";
import type { AdminAddress } from "./admin_address.ts";
import { Audit, entryOf } from "./audit.ts";
import type { Bus } from "./bus.ts";
import type { HostPort } from "./config.ts";
import { DataFolder } from "./data_folder.ts";
import { openInvite } from "./invites.ts";
import { openKeyFile, otherKeys } from "./key_file.ts";
import type { Log } from "./log.ts";
import { LoopLag } from "./loop_lag.ts";
import type { LogEvent } from "./role/types.ts";
import { storePlace } from "./store_option.ts";
import { openWorkerStore } from "./store/worker_store.ts";
import { openTracing } from "./tracing.ts";

/** How long peers and the store are waited for at the end, in milliseconds. */
const drainMs = 5_000;

/** The settings that may change while it runs. */
export interface CoordinatorSettings {
  readonly credentialsPath: string | undefined;
  /** The token's file; undefined: in the data folder. */
  readonly adminTokenPath: string | undefined;
  readonly adminNames: readonly string[];
  readonly peersGoTo: readonly HostPort[];
}

export interface CoordinatorOptions extends CoordinatorSettings {
  /** Port 0 picks a free one. */
  readonly listen: Endpoint;
  /** Where it is asked by HTTP; undefined for nowhere. */
  readonly admin: Endpoint | undefined;
  readonly dataFolder: string;
  /** The database of the store; undefined: a file in the data folder. */
  readonly storeUrl?: string | undefined;
  /** Where peers reach this coordinator, one of several; port 0: the one that it listens on. */
  readonly advertise?: HostPort | undefined;
  readonly keepAliveMs: number;
  /** Whether everybody may make an account. */
  readonly openRegistration?: boolean;
  /** What an account may do that has no limits of its own; `limits` unless told. */
  readonly sharesPerAccount?: number;
  readonly ratePerAccount?: number;
  readonly log: Log;
  /** Milliseconds since 1970; never goes back. */
  readonly clock: () => number;
  readonly random: Random;
  /** Told if the store can no longer be used: the program should end, so that whoever watches over it starts it again. */
  readonly onStoreDeath: (reason: ShoalError) => void;
}

/** A coordinator that answers. */
export interface Coordinator extends AsyncDisposable {
  /** Where it listens. */
  readonly local: Endpoint;
  /** Where it is asked by HTTP. */
  readonly admin: Endpoint | undefined;
  /** Takes new settings, each that is right; registers what the credentials file has that the store has not. Resolves when done. */
  reload(settings: CoordinatorSettings): Promise<void>;
  /** Tells every peer, finishes what was begun, and closes. Safe to call twice. */
  stop(): Promise<void>;
}

/**
 * Starts a coordinator; resolves when it answers.
 * @throws {ShoalError} If the data folder is another's or damaged, a port taken, or the credentials file wrong.
 */
export async function startCoordinator(options: CoordinatorOptions): Promise<Coordinator> {
  const { listen, dataFolder, credentialsPath, keepAliveMs, log, clock, random, onStoreDeath } = options;
  await using opened = new AsyncDisposableStack();
  const folder = opened.use(DataFolder.open(dataFolder));
  const credentials = credentialsPath === undefined ? [] : readCredentials(credentialsPath, log);
  let elsewhere = await resolveAll(options.peersGoTo);
  const datagrams = listenUdp(listen);
  opened.defer(() => datagrams.close());
  const { local } = datagrams;
  // The store's thread takes as long to start as this one to load the rest.
  const own = await advertised(options, local);
  const place = storePlace(options.storeUrl, folder.paths, keepAliveMs, own);
  const bounds = { ...limits, sharesPerAccountMax: options.sharesPerAccount ?? limits.sharesPerAccountMax };
  const opening = openWorkerStore(place, bounds, onStoreDeath);
  opened.defer(() => opening.then((store) => store.close(), () => {}));
  const mayCreate = async () => (await (await opening).figures()).accounts === 0;
  const [store, { serverSetup, keys, mark }, { Driver }, { CoordinatorRole }] = await Promise.all([
    opening,
    openKeyFile(folder.paths.keys, { mayCreate, random }),
    import("./driver.ts"),
    import("./role/role.ts"),
  ]);
  if (!await store.claimKeys(mark)) throw otherKeys(folder.paths.keys);

  const audit = opened.use(new Audit({ path: folder.paths.audit, clock, warn: (text) => log.warn(text) }));
  const tracing = openTracing();
  const loopLag = opened.use(new LoopLag());
  const onRefused = (account: string) =>
    log.warn(`${account} was not added: it looks like the name of another account`);
  const onAdded = (account: string) =>
    audit.note({ event: "addAccount", account, by: "credentials file", result: "ok" });
  const pending = new PendingAccounts({ store, serverSetup, clock, onRefused, onAdded });
  pending.add(credentials);
  const driver = new Driver({
    role: new CoordinatorRole({
      keys,
      random,
      keepAliveMs,
      accountRate: options.ratePerAccount,
      isShared: typeof place !== "string",
    }),
    datagrams,
    store,
    serverSetup,
    clock,
    connect: connectTls,
    settleAccount: (account) => pending.settle(account),
    log: (event: LogEvent) => {
      log.event(event);
      const entry = entryOf(event);
      if (entry !== undefined) audit.note(entry);
      const { tookMs, way = "" } = event;
      if (event.event === "loggedIn" && tookMs !== undefined) tracing.past("shoal.login", tookMs, { "shoal.way": way });
    },
    tracing,
    onFault: (error) => log.fault(error),
    tell: (news) => bus?.tell(news),
  });
  let bus: Bus | undefined;
  if (typeof place !== "string") {
    const { Bus } = await import("./bus.ts");
    bus = opened.use(
      new Bus({
        ...place,
        onNews: (from, news) => driver.give({ kind: "told", from, news }),
        onLive: (live) => driver.give({ kind: "coordinators", live, own }),
        onJoined: (isAgain) => driver.give({ kind: "joined", isAgain }),
      }),
    );
  }
  const startedAtMs = clock();
  const listener = listenLocal(folder.paths.socket);
  opened.defer(() => listener.close());
  const administration = serveAdmin(listener, {
    store,
    place,
    keyFile: folder.paths.keys,
    clock,
    changeStanding: ({ name: account, role, rate }) => driver.give({ kind: "standingChanged", account, role, rate }),
    endTransfers: (accounts) => driver.give({ kind: "rightsLost", accounts }),
    endDevice: (device) => driver.give({ kind: "deviceRevoked", device }),
    endSessions: (account, code) => driver.give({ kind: "accountChanged", account, code }),
    audit: (entry) => audit.note(entry),
    status: async () => {
      const { datagramsOut, store: queue } = driver.tallies();
      return {
        address: local.ip,
        port: local.port,
        uptimeMs: clock() - startedAtMs,
        ...driver.figures(),
        datagramsOut,
        storeWaiting: queue.writesWaiting + queue.searchesWaiting + queue.readsUnderWay,
        storeWrites: queue.writes,
        searches: queue.searchTimes.counts.reduce((sum, count) => sum + count, 0),
        loopLagMs: Math.round(loopLag.worstMs),
        rssBytes: Deno.memoryUsage().rss,
        auditLost: audit.lost,
        ...await store.figures(),
      };
    },
  });
  const receiving = driver.run();
  const preparing = prepareTls();
  opened.defer(() => preparing);
  folder.tellOwner(`process ${Deno.pid} on ${formatEndpoint(local)}`);

  let isDraining = false;
  let admin: AdminAddress | undefined;
  if (options.admin !== undefined) {
    const { openAdminAddress } = await import("./admin_address.ts");
    const watched = { driver, store, datagrams, audit, log, loopLag, startedAtMs, isDraining: () => isDraining };
    const ownTokenPath = folder.paths.adminToken;
    admin = opened.use(await openAdminAddress(options.admin, options, { ...watched, ownTokenPath, random }));
  }

  await store.revokeInvite(0);
  if (options.openRegistration) {
    const { code, name, record } = openInvite({ serverSetup, address: undefined });
    const nowMs = clock();
    await store.putInvites([{ name, record, role: "member", note: "", createdAtMs: nowMs, expiresAtMs: null }], nowMs);
    log.note(`Everybody may register: peer HOST:PORT register ${code}`);
  }
  const stopping = new AbortController();
  const register = async () => {
    try {
      await pending.registerAll(stopping.signal);
    } catch (error) {
      if (!stopping.signal.aborted) log.fault(error);
    }
  };
  let registering = register();
  opened.defer(async () => {
    isDraining = true;
    stopping.abort();
    await registering;
    listener.close();
    await driver.stop(drainMs, elsewhere);
    await Promise.all([receiving, administration]);
  });

  /** Does one part of a reload; where it fails, what it would have changed stays. */
  const attempt = async (act: () => Promise<void> | void) => {
    try {
      await act();
    } catch (error) {
      log.warn(`${error instanceof Error ? error.message : String(error)}; this setting is as it was`);
    }
  };
  const held = opened.move();
  let stopped: Promise<void> | undefined;
  const stop = () => stopped ??= held.disposeAsync();
  return {
    local,
    admin: admin?.local,
    async reload(settings) {
      await attempt(async () => {
        elsewhere = await resolveAll(settings.peersGoTo);
      });
      await attempt(() => admin?.change(settings));
      await attempt(() => {
        if (settings.credentialsPath !== undefined) pending.add(readCredentials(settings.credentialsPath, log));
      });
      await (registering = registering.then(register));
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

/** Where peers reach this coordinator, as a number. */
async function advertised(
  { advertise, storeUrl }: CoordinatorOptions,
  { port }: Endpoint,
): Promise<Endpoint | undefined> {
  if (advertise === undefined) return undefined;
  if (storeUrl === undefined) {
    throw new UsageError("Cannot advertise this coordinator: it shares its store with no other", {
      hint: "Name the database of all with --store, or leave --advertise out",
    });
  }
  const [endpoint] = await resolveAll([{ host: advertise.host, port: advertise.port || port }]);
  return endpoint;
}

async function resolveAll(places: readonly HostPort[]): Promise<readonly Endpoint[]> {
  if (places.length === 0) return [];
  const { resolveHost } = await import("../net/resolve.ts");
  return await Promise.all(places.map(async ({ host, port }) => ({ ip: await resolveHost(host), port })));
}

function readCredentials(path: string, log: Log) {
  let text: string;
  try {
    const { mode } = Deno.statSync(path);
    if (mode !== null && (mode & 0o077) !== 0) {
      log.warn(
        `${path} holds passwords and others can read it: run chmod 600 on it, or remove it once its accounts exist`,
      );
    }
    text = Deno.readTextFileSync(path);
  } catch (error) {
    throw storeErrorFrom(error, "read", path);
  }
  return parseCredentials(text, path);
}
