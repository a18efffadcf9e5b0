/** News between coordinators on a real PostgreSQL. */

import { assertEquals } from "@std/assert";
import { Bus, type BusOptions, tellAll } from "../../lib/coordinator/bus.ts";
import type { LiveCoordinator, News } from "../../lib/coordinator/role/news.ts";
import { openPostgresStore } from "../../lib/coordinator/store/postgres_store.ts";
import { postgresBinaries, type RealPostgres, startPostgres } from "./store/real_postgres.ts";

const isThere = postgresBinaries !== undefined;
const leaseMs = 400;

/** A bus, and what it heard. */
class Ear implements AsyncDisposable {
  readonly bus: Bus;
  readonly heard: News[] = [];
  readonly joined: boolean[] = [];
  live: readonly LiveCoordinator[] = [];

  constructor(url: string, instance: number, options: Partial<BusOptions> = {}) {
    this.bus = new Bus({
      url,
      leaseMs,
      as: { instance, address: null },
      onNews: (_, news) => this.heard.push(news),
      onLive: (live) => this.live = live,
      onJoined: (isAgain) => this.joined.push(isAgain),
      ...options,
    });
  }

  async until(isSo: () => boolean): Promise<void> {
    while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 5));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.bus[Symbol.asyncDispose]();
  }
}

const revoked = (device: number): News => ({ kind: "deviceRevoked", device });

function test(name: string, fn: (server: RealPostgres, url: string) => Promise<void>): void {
  Deno.test({
    name,
    ignore: !isThere,
    async fn() {
      await using server = await startPostgres();
      const url = await server.createDatabase();
      await (await openPostgresStore(url, 60_000)).close();
      await fn(server, url);
    },
  });
}

test(
  "a bus hears what others tell, in order, and not itself; who lives, and a command from outside",
  async (_, url) => {
    await using one = new Ear(url, 1);
    await using two = new Ear(url, 2);
    await one.until(() => one.joined.length > 0 && two.joined.length > 0);
    for (let device = 1; device <= 200; device++) one.bus.tell(revoked(device));
    await two.until(() => two.heard.length === 200);
    assertEquals(two.heard, Array.from({ length: 200 }, (_, i) => revoked(i + 1)));
    assertEquals(one.heard, []);
    assertEquals(await tellAll(url, [revoked(7)]), true);
    await one.until(() => one.heard.length > 0 && two.heard.length > 200);
    const store = await openPostgresStore(url, 60_000, undefined, { instance: 5, address: "192.0.2.5:5000" });
    await one.until(() => one.live.length > 0);
    assertEquals(one.live, [{ instance: 5, endpoint: { ip: "192.0.2.5", port: 5000 } }]);
    await store.close();
    await one.until(() => one.live.length === 0);
  },
);

test(
  "a bus whose database was away joins again, says so, and tells then what it was told meanwhile",
  async (server, url) => {
    await using one = new Ear(url, 1);
    await using two = new Ear(url, 2);
    await one.until(() => one.joined.length > 0 && two.joined.length > 0);
    await server.crash();
    one.bus.tell(revoked(1));
    one.bus.tell(revoked(2));
    assertEquals(await tellAll(url, [revoked(3)]), false);
    await server.start();
    await two.until(() => two.joined.length > 1);
    one.bus.tell(revoked(4));
    await two.until(() => two.heard.some((news) => news.kind === "deviceRevoked" && news.device === 4));
    assertEquals(two.joined.slice(0, 2), [false, true]);
    // What waited goes out in its order as soon as the database answers: to two, if it listens again by then.
    assertEquals(two.heard, [revoked(1), revoked(2), revoked(4)].slice(-two.heard.length));
    assertEquals(await one.bus.flush(), true, "nothing waits any more");
  },
);
