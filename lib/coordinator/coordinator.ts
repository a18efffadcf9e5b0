/**
 * coordinator: one running coordinator, composed: data folder, keys, store, role, socket, local socket. Laws: 1) it is ready
 * when it answers; accounts of a credentials file may still be on their way then, and a login to one waits for its own;
 * 2) what was opened is closed in the reverse order, however the start or the run ends.
 */

import { type Endpoint, formatEndpoint } from "../core/transport.ts";
import { type ShoalError, storeErrorFrom } from "../core/errors.ts";
import { limits } from "../core/limits.ts";
import { listenLocal } from "../net/local.ts";
import { connectTls, prepareTls } from "../net/tls.ts";
import { listenUdp } from "../net/udp.ts";
import type { Random } from "../session/random.ts";
import { parseCredentials, PendingAccounts } from "./accounts.ts";
import { serveAdmin } from "./admin.ts";
import { DataFolder } from "./data_folder.ts";
import { openKeyFile } from "./key_file.ts";
import type { Log } from "./log.ts";
import { openWorkerStore } from "./store/worker_store.ts";

/** How long peers and the store are waited for at the end, in milliseconds. */
const drainMs = 3_000;

export interface CoordinatorOptions {
  /** Port 0 picks a free one. */
  readonly listen: Endpoint;
  readonly dataFolder: string;
  readonly credentialsPath: string | undefined;
  readonly keepAliveMs: number;
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
  /** Registers what the credentials file has that the store has not; a file that is wrong is a warning. Resolves when done. */
  reloadCredentials(): Promise<void>;
  /** Tells every peer, finishes what was begun, and closes. Safe to call twice. */
  stop(): Promise<void>;
}

/**
 * Starts a coordinator; resolves when it answers.
 * @throws {ShoalError} If the data folder is another's or damaged, the port taken, or the credentials file wrong.
 */
export async function startCoordinator(options: CoordinatorOptions): Promise<Coordinator> {
  const { listen, dataFolder, credentialsPath, keepAliveMs, log, clock, random, onStoreDeath } = options;
  await using opened = new AsyncDisposableStack();
  const folder = opened.use(DataFolder.open(dataFolder));
  const credentials = credentialsPath === undefined ? [] : readCredentials(credentialsPath, log);
  const datagrams = listenUdp(listen);
  opened.defer(() => datagrams.close());
  const { local } = datagrams;
  // The store's thread takes as long to start as this one to load the rest.
  const opening = openWorkerStore(folder.paths.database, limits, onStoreDeath);
  opened.defer(() => opening.then((store) => store.close(), () => {}));
  const mayCreate = async () => (await (await opening).figures()).accounts === 0;
  const [store, { serverSetup, keys }, { Driver }, { CoordinatorRole }] = await Promise.all([
    opening,
    openKeyFile(folder.paths.keys, { mayCreate, random }),
    import("./driver.ts"),
    import("./role/role.ts"),
  ]);

  const pending = new PendingAccounts({ store, serverSetup, clock });
  pending.add(credentials);
  const driver = new Driver({
    role: new CoordinatorRole({ keys, random, keepAliveMs }),
    datagrams,
    store,
    serverSetup,
    clock,
    connect: connectTls,
    settleAccount: (account) => pending.settle(account),
    log: (event) => log.event(event),
    onFault: (error) => log.fault(error),
  });
  const startedAtMs = clock();
  const listener = listenLocal(folder.paths.socket);
  opened.defer(() => listener.close());
  const administration = serveAdmin(listener, {
    store,
    clock,
    endSessions: (account, code) => driver.give({ kind: "accountChanged", account, code }),
    status: async () => ({
      address: local.ip,
      port: local.port,
      uptimeMs: clock() - startedAtMs,
      ...driver.figures(),
      ...await store.figures(),
    }),
  });
  const receiving = driver.run();
  const preparing = prepareTls();
  opened.defer(() => preparing);
  folder.tellOwner(`process ${Deno.pid} on ${formatEndpoint(local)}`);

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
    stopping.abort();
    await registering;
    listener.close();
    await driver.stop(drainMs);
    await Promise.all([receiving, administration]);
  });

  const held = opened.move();
  let stopped: Promise<void> | undefined;
  const stop = () => stopped ??= held.disposeAsync();
  return {
    local,
    reloadCredentials() {
      if (credentialsPath === undefined) return Promise.resolve();
      try {
        pending.add(readCredentials(credentialsPath, log));
      } catch (error) {
        log.warn(error instanceof Error ? error.message : String(error));
        return Promise.resolve();
      }
      return registering = registering.then(register);
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };
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
