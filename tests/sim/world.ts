/**
 * world: a coordinator and its peers on one fake clock, in one simulated network. Laws: 1) one seed, one history (OPAQUE's own
 * randomness aside, which decides nothing);  2) nothing waits for real time.
 */

import { assert } from "@std/assert";
import { ShoalError } from "../../lib/core/errors.ts";
import { limits } from "../../lib/core/limits.ts";
import type { Endpoint } from "../../lib/core/transport.ts";
import type { Enrolment } from "../../lib/membership/types.ts";
import type { AnswerOf, FileEntry, Message, PeerEntry, Request } from "../../lib/wire/message.ts";
import { Clock } from "./clock.ts";
import { fairWeather, Network, type Weather } from "./network.ts";
import { SimCoordinator } from "./sim_coordinator.ts";
import { SimPeer } from "./sim_peer.ts";
import { runSeed, type Seeded, seeded } from "./seeded.ts";
import { searchFor, type SearchMode } from "../../lib/wire/search_query.ts";

const coordinatorEndpoint: Endpoint = { ip: "198.51.100.1", port: 5000 };
const password = "a password of a simulated person";

export class World implements AsyncDisposable {
  readonly random: Seeded;
  readonly clock: Clock;
  readonly network: Network;
  readonly coordinator: SimCoordinator;
  readonly peers: SimPeer[] = [];
  readonly #folder: string;
  readonly #accounts = new Set<string>();

  constructor(seed: number, weather: Weather = fairWeather) {
    this.random = seeded(seed);
    const clock = this.clock = new Clock(Date.UTC(2031, 0, 1, 12));
    this.network = new Network({ random: this.random, after: (ms, act) => clock.at(clock.nowMs + ms, act) });
    this.network.weather = weather;
    this.#folder = Deno.makeTempDirSync({ prefix: "shoal-sim-" });
    this.coordinator = new SimCoordinator({
      clock,
      network: this.network,
      random: this.random,
      endpoint: coordinatorEndpoint,
      storePath: `${this.#folder}/coordinator.db`,
      keepAliveMs: limits.keepAliveMs,
      certificateAt: ({ ip, port }) => this.peers.find((p) => p.endpoint.ip === ip && p.tcpPort === port)?.certificate,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.coordinator.close();
    Deno.removeSync(this.#folder, { recursive: true });
  }

  /** Puts a peer somewhere, with an account of its name unless another is given. */
  async addPeer(
    label: string,
    { account = label, deviceSeed, enrolment }: {
      account?: string;
      deviceSeed?: Uint8Array;
      enrolment?: Enrolment;
    } = {},
  ): Promise<SimPeer> {
    if (!this.#accounts.has(account)) {
      this.#accounts.add(account);
      await this.coordinator.addAccount(account, password);
    }
    const peer = new SimPeer({
      clock: this.clock,
      network: this.network,
      random: this.random,
      coordinator: coordinatorEndpoint,
      endpoint: this.newEndpoint(),
      account,
      password,
      label,
      ...(deviceSeed === undefined ? {} : { deviceSeed }),
      ...(enrolment === undefined ? {} : { enrolment }),
    });
    this.peers.push(peer);
    return peer;
  }

  /** An address where nobody is yet. */
  newEndpoint(): Endpoint {
    const { random } = this;
    return {
      ip: `203.${random.below(256)}.${random.below(256)}.${1 + random.below(254)}`,
      port: 1024 + random.below(60_000),
    };
  }

  /** Lets time pass. */
  async pass(ms: number): Promise<void> {
    await this.clock.run(ms);
  }

  /** Whether the coordinator counts this peer's device as online. */
  async seesOnline(peer: SimPeer): Promise<boolean> {
    const rows = await this.coordinator.store.read({ operation: "listPeers", ask: { after: 0, limit: 1000 } });
    assert(rows.ok);
    return rows.value.some((row) => row.account === peer.account && row.label === peer.identity?.label && row.online);
  }

  /** Lets time pass until something holds. @throws {AssertionError} If it does not within that time. */
  async until(what: string, holds: () => boolean, withinMs = 60_000): Promise<void> {
    assert(await this.clock.run(withinMs, holds), `not within ${withinMs} ms: ${what}`);
  }

  /** Logs peers in, all at once, and waits until they are. */
  async logIn(...peers: readonly SimPeer[]): Promise<void> {
    for (const peer of peers) peer.login();
    await this.until("everybody is online", () => peers.every((peer) => peer.isOnline));
  }

  /** Asks, and waits for the answer. @throws {ShoalError} As the peer's own code gets it. */
  async ask<K extends Request["kind"]>(peer: SimPeer, request: Extract<Request, { kind: K }>): Promise<AnswerOf<K>> {
    const [answer] = await this.askAll([{ peer, request }]);
    return answer as AnswerOf<K>;
  }

  /** Asks many at once, and waits for all answers. @throws {ShoalError} The first failure. */
  async askAll(asks: readonly { readonly peer: SimPeer; readonly request: Request }[]): Promise<Message[]> {
    const asked = asks.map(({ peer, request }) => ({ peer, handle: peer.ask(request) }));
    await this.until("every request is settled", () => {
      return asked.every(({ peer, handle }) => peer.settled(handle) !== undefined);
    });
    return asked.map(({ peer, handle }) => {
      const settled = peer.settled(handle)!;
      if (settled instanceof ShoalError) throw settled;
      return settled;
    });
  }

  /** What each of these peers sees in LIST_PEERS, page by page. */
  async listPeers(peers: readonly SimPeer[]): Promise<Map<SimPeer, PeerEntry[]>> {
    const seen = new Map<SimPeer, PeerEntry[]>(peers.map((peer) => [peer, []]));
    let open = peers.map((peer) => ({ peer, request: { kind: "listPeers", cursor: new Uint8Array(0) } as Request }));
    while (open.length > 0) {
      const answers = await this.askAll(open);
      open = open.flatMap(({ peer }, i) => {
        const answer = answers[i]!;
        assert(answer.kind === "peers");
        seen.get(peer)!.push(...answer.peers);
        return answer.cursor.length === 0 ? [] : [{ peer, request: { kind: "listPeers", cursor: answer.cursor } }];
      });
    }
    return seen;
  }

  /** All pages of a search. */
  search(peer: SimPeer, mode: SearchMode, pattern: string): Promise<FileEntry[]> {
    return this.#files(peer, (cursor) => ({ kind: "search", ...searchFor(mode, pattern), cursor }));
  }

  /** All pages of LIST_FILES. */
  listFiles(peer: SimPeer, scope: "account" | "device"): Promise<FileEntry[]> {
    return this.#files(peer, (cursor) => ({ kind: "listFiles", scope, cursor }));
  }

  async #files(peer: SimPeer, requestAt: (cursor: Uint8Array<ArrayBuffer>) => Request): Promise<FileEntry[]> {
    const files: FileEntry[] = [];
    let cursor = new Uint8Array(0);
    do {
      const [answer] = await this.askAll([{ peer, request: requestAt(cursor) }]);
      assert(answer?.kind === "files");
      files.push(...answer.files);
      cursor = answer.cursor;
    } while (cursor.length > 0);
    return files;
  }
}

/** Runs a scenario in a world of this run's seed; whatever fails tells how to have the same history again. */
export async function simulate(weather: Weather, scenario: (world: World) => Promise<void>): Promise<void> {
  const seed = runSeed();
  await using world = new World(seed, weather);
  try {
    await scenario(world);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`${reason}\nRun it again with SIM_SEED=${seed}`, { cause: error });
  }
}
