/**
 * admin_address: what a running coordinator tells at its admin address, and of which figures. Laws: 1) a store that hangs or is busy keeps
 * nobody waiting longer than `storeMs`, and what it counts is asked for once in `figuresMs` at the most;  2) a new token takes effect when it
 * could be read, and the old one until then.  (I/O: the store, files, sockets)
 */

import process from "node:process";
import type { Endpoint } from "../core/transport.ts";
import type { UdpSocket } from "../net/udp.ts";
import type { Random } from "../session/random.ts";
import { type AdminHttp, type AdminPages, serveAdminHttp } from "./admin_http.ts";
import { AdminToken } from "./admin_token.ts";
import type { Audit } from "./audit.ts";
import type { Driver } from "./driver.ts";
import type { Log } from "./log.ts";
import type { LoopLag } from "./loop_lag.ts";
import type { Store, StoreFigures } from "./store/store.ts";

const storeMs = 2_000;
/** Counting a million files takes the store's thread a few milliseconds. */
const figuresMs = 10_000;

/** What may change while it runs. */
export interface AdminAddressSettings {
  readonly adminTokenPath: string | undefined;
  readonly adminNames: readonly string[];
}

/** The parts that are told of. */
export interface Watched {
  readonly driver: Driver;
  readonly store: Store;
  readonly datagrams: UdpSocket;
  readonly audit: Audit;
  readonly log: Log;
  readonly loopLag: LoopLag;
  readonly startedAtMs: number;
  readonly isDraining: () => boolean;
  /** The file of the token where none is named. */
  readonly ownTokenPath: string;
  readonly random: Random;
}

export interface AdminAddress extends AdminHttp {
  /** @throws {StoreError} If the token cannot be read; the settings are then as they were. */
  change(settings: AdminAddressSettings): void;
}

/**
 * Opens the address.
 * @throws {NetworkError} If it cannot be listened on.
 * @throws {StoreError} If the token cannot be read or made.
 */
export async function openAdminAddress(
  listen: Endpoint,
  settings: AdminAddressSettings,
  watched: Watched,
): Promise<AdminAddress> {
  const { ownTokenPath: own, random } = watched;
  const openToken = (named: string | undefined) => AdminToken.open({ named, own, random });
  let token = openToken(settings.adminTokenPath);
  let names = settings.adminNames;
  const figures = new StoreLook(watched.store);
  const pages: AdminPages = {
    get token() {
      return token;
    },
    get names() {
      return names;
    },
    async whyNotReady() {
      if (watched.isDraining()) return "draining";
      return await figures.answers() ? undefined : "the store does not answer";
    },
    async metrics() {
      const { formatMetrics } = await import("./metrics.ts");
      return await formatMetrics(read(watched, await figures.latest()));
    },
  };
  const http = await serveAdminHttp(listen, pages, (error) => watched.log.fault(error));
  return {
    local: http.local,
    change(next) {
      token = openToken(next.adminTokenPath);
      names = next.adminNames;
    },
    [Symbol.asyncDispose]: () => http[Symbol.asyncDispose](),
  };
}

function read(watched: Watched, store: StoreFigures | undefined) {
  const { driver, datagrams, audit, log, loopLag, startedAtMs, isDraining } = watched;
  const { user, system } = process.cpuUsage();
  return {
    role: driver.figures(),
    tallies: driver.tallies(),
    store,
    socketErrors: datagrams.errorCount,
    auditWritten: audit.written,
    auditLost: audit.lost,
    logLinesLeftOut: log.linesLeftOut,
    loopLagMs: loopLag.worstMs,
    rssBytes: Deno.memoryUsage().rss,
    cpuMs: (user + system) / 1000,
    startedAtMs,
    isDraining: isDraining(),
  };
}

/** Looks at a store that may not answer: one question at a time, however many ask. */
class StoreLook {
  readonly #store: Store;
  #probe: Promise<boolean> | undefined;
  #figures: { readonly atMs: number; readonly figures: Promise<StoreFigures | undefined> } | undefined;

  constructor(store: Store) {
    this.#store = store;
  }

  /** Whether it answers a question in time. */
  answers(): Promise<boolean> {
    this.#probe ??= this.#ask(this.#store.read({ operation: "account", ask: { account: "-" } })).then((answer) => {
      this.#probe = undefined;
      return answer?.ok === true;
    });
    return this.#probe;
  }

  /** What it counts, of the last `figuresMs`; undefined if it does not answer. */
  async latest(): Promise<StoreFigures | undefined> {
    const nowMs = performance.now();
    if (this.#figures === undefined || nowMs - this.#figures.atMs >= figuresMs) {
      this.#figures = { atMs: nowMs, figures: this.#ask(this.#store.figures()) };
    }
    const figures = await this.#figures.figures;
    if (figures === undefined) this.#figures = undefined;
    return figures;
  }

  /** The answer; undefined if there is none in time. */
  async #ask<T>(asked: Promise<T>): Promise<T | undefined> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const deadline = new Promise<undefined>((resolve) => timer = setTimeout(() => resolve(undefined), storeMs));
    try {
      return await Promise.race([asked, deadline]);
    } catch {
      return undefined;
    } finally {
      clearTimeout(timer);
    }
  }
}
