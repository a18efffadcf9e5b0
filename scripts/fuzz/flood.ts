/**
 * flood: hostile datagrams against a running coordinator, while honest peers use it. Laws: 1) nothing is sent past what the
 * coordinator can hold: after each burst an honest peer must be answered, and it stands in the same queue behind the burst;
 * 2) it ends: by count, and by time.  (I/O)
 */

import { join } from "@std/path";
import type { Endpoint } from "../../lib/core/transport.ts";
import { listenUdp, type UdpSocket } from "../../lib/net/udp.ts";
import { openRunningAdmin } from "../../lib/coordinator/admin.ts";
import { dataPaths } from "../../lib/coordinator/data_folder.ts";
import type { Seeded } from "../../tests/sim/seeded.ts";
import { type Program, Stage } from "../programs.ts";
import { HonestPeer } from "./honest_peer.ts";
import { type Hostile, type HostileKind, hostileKinds, HostileSource } from "./hostile_source.ts";
import { Insider } from "./insider.ts";

export interface FloodOptions {
  readonly random: Seeded;
  readonly count: number;
  /** Loopback addresses, none of the honest, that the hostile datagrams come from. */
  readonly addresses: number;
  /**
   * So many of them begin logins, which leave most garbage behind: the most memory seen by then is what the memory at the end
   * is held against. Garbage comes and goes, what leaks stays.
   */
  readonly warmUpCount: number;
  readonly secondsMax: number;
  /** Called each 100,000 datagrams, with the coordinator's memory. */
  readonly onProgress: (sent: number, kib: number) => void;
}

export interface FloodReport {
  readonly seconds: number;
  readonly sent: Readonly<Record<HostileKind | "insider", number>>;
  /** Datagrams that were sent, and how many of these the coordinator says it got: the rest the system dropped. */
  readonly datagrams: number;
  readonly received: number;
  /** From and to the addresses that have no session. */
  readonly asked: Traffic;
  readonly answered: Traffic;
  readonly insiderAnswers: number;
  readonly questions: number;
  readonly slowestMs: number;
  readonly keptAlive: number;
  readonly logins: number;
  /** Resident memory of the coordinator in KiB: the most while it warmed up, and at the end. */
  readonly baseKib: number;
  readonly endKib: number;
  /** What the coordinator had to say of mistakes of its own. */
  readonly faults: readonly string[];
}

export interface Traffic {
  datagrams: number;
  bytes: number;
}

/** Datagrams of one burst: a hundred of the longest fill a socket's buffer. */
const burstMax = 64;
const progressEvery = 100_000;
/** Bursts between two honest questions that the store answers; behind the others stands one that the coordinator answers at once. */
const questionEvery = 8;
/** Bursts between two looks at the memory. */
const sampleEvery = 100;
/** One in this many bursts has the insider speak, this often. */
const insiderEvery = 2;
const insiderWords = 4;

const accounts = { honest1: "one of the honest", honest2: "another of the honest", insider: "a bad one" };

/** Starts a coordinator, floods it, and tells how it went. @throws {Error} If it dies, or an honest peer is not served. */
export async function flood(options: FloodOptions): Promise<FloodReport> {
  await using stage = await Stage.open(accounts);
  const program = await stage.coordinator(["--keep-alive", "1", "--quiet", "--log-format", "json"]);
  const coordinator = { ip: "127.0.0.1", port: stage.port };
  await using admin = await openRunningAdmin(dataPaths(stage.path("data")));
  const statusOf = () => admin.ask({ kind: "status" });

  const source = new HostileSource(options.random, Object.keys(accounts));
  let honestDatagrams = 0;
  const onDatagram = (datagram: Uint8Array, direction: "out" | "in") => {
    source.show(datagram);
    if (direction === "out") honestDatagrams++;
  };
  using disposed = new DisposableStack();
  const honest: HonestPeer[] = [];
  for (const account of ["honest1", "honest2"] as const) {
    honest.push(
      disposed.use(await HonestPeer.open({ coordinator, account, password: accounts[account], onDatagram })),
    );
  }
  source.loginKey = honest[0]!.identity!.loginKey;
  const insider = disposed.use(
    await Insider.login(options.random, coordinator, { account: "insider", password: accounts.insider }),
  );
  const strangers = disposed.use(new Strangers(source, coordinator, options.addresses));
  const receivedBefore = (await statusOf()).datagramsIn;
  honestDatagrams = 0;

  const startedAtMs = performance.now();
  const sent = Object.fromEntries([...hostileKinds, "insider"].map((kind) => [kind, 0])) as Record<
    HostileKind | "insider",
    number
  >;
  let total = 0;
  let questions = 0;
  let slowestMs = 0;
  let baseKib = 0;
  let comeBackAt = options.count / 4;
  let tellAt = progressEvery;
  for (let burst = 0; total < options.count; burst++) {
    const isWarm = total >= options.warmUpCount;
    const next = () => isWarm ? source.next() : source.hello();
    for (const kind of await strangers.burst(options.random, Math.min(burstMax, options.count - total), next)) {
      sent[kind]++;
      total++;
    }
    if (burst % insiderEvery === 0) {
      for (let i = 0; i < insiderWords && total < options.count; i++, total++) {
        await insider.speak();
        sent.insider++;
      }
    }
    const askedAtMs = performance.now();
    if (burst % questionEvery === 0) {
      await honest[questions % honest.length]!.ask(Math.floor(questions++ / honest.length));
    } else await honest[burst % honest.length]!.pace();
    slowestMs = Math.max(slowestMs, performance.now() - askedAtMs);
    if (!isWarm && burst % sampleEvery === 0) baseKib = Math.max(baseKib, await residentKib(program));
    if (total >= comeBackAt) {
      comeBackAt += options.count / 4;
      await honest[1]!.comeBack();
    }
    const seconds = (performance.now() - startedAtMs) / 1000;
    if (seconds > options.secondsMax) throw new Error(`${total} datagrams took ${seconds.toFixed(0)} s: too long`);
    if (total >= tellAt) {
      tellAt += progressEvery;
      options.onProgress(total, await residentKib(program));
    }
  }
  const seconds = (performance.now() - startedAtMs) / 1000;
  const endKib = await residentKib(program);
  const status = await statusOf();
  return {
    seconds,
    sent,
    datagrams: total + honestDatagrams,
    received: status.datagramsIn - receivedBefore,
    asked: strangers.asked,
    answered: strangers.answered,
    insiderAnswers: insider.answers,
    questions,
    slowestMs,
    keptAlive: honest.reduce((sum, peer) => sum + peer.keptAlive, 0),
    logins: honest.reduce((sum, peer) => sum + peer.logins, 0),
    baseKib,
    endKib,
    faults: program.stderr.split("\n").filter((line) => line.includes('"fault"')),
  };
}

/** Hostile sockets at several loopback addresses, and what they have to say to answers. */
class Strangers implements Disposable {
  readonly #source: HostileSource;
  readonly #coordinator: Endpoint;
  readonly #sockets: UdpSocket[];
  readonly #answers: { readonly socket: UdpSocket; readonly hostile: Hostile }[] = [];
  readonly asked: Traffic = { datagrams: 0, bytes: 0 };
  readonly answered: Traffic = { datagrams: 0, bytes: 0 };

  constructor(source: HostileSource, coordinator: Endpoint, addresses: number) {
    this.#source = source;
    this.#coordinator = coordinator;
    this.#sockets = Array.from({ length: addresses }, (_, i) => listenUdp({ ip: `127.0.0.${2 + i}`, port: 0 }));
    for (const socket of this.#sockets) this.#receive(socket);
  }

  /** Sends a burst, half of the bursts from one address alone; what was sent. */
  async burst(random: Seeded, size: number, next: () => Hostile): Promise<HostileKind[]> {
    const only = random.chance(0.5) ? random.pick(this.#sockets) : undefined;
    const kinds: HostileKind[] = [];
    for (let i = 0; i < size; i++) {
      const answer = i < size / 2 ? this.#answers.shift() : undefined;
      const { kind, bytes } = answer?.hostile ?? next();
      const socket = answer?.socket ?? only ?? random.pick(this.#sockets);
      await socket.send(bytes, this.#coordinator);
      count(this.asked, bytes);
      kinds.push(kind);
    }
    return kinds;
  }

  [Symbol.dispose](): void {
    for (const socket of this.#sockets) socket.close();
  }

  async #receive(socket: UdpSocket): Promise<void> {
    for (;;) {
      const received = await socket.receive();
      if (received === undefined) return;
      count(this.answered, received.bytes);
      const hostile = this.#source.answer(received.bytes);
      // What does not find its turn soon is about a cookie or a login of long ago.
      if (hostile !== undefined && this.#answers.length < 4 * burstMax) this.#answers.push({ socket, hostile });
    }
  }
}

function count(traffic: Traffic, bytes: Uint8Array): void {
  traffic.datagrams++;
  traffic.bytes += bytes.length;
}

/** What the program holds in memory: VmRSS of proc(5), read by `cat` since Deno itself lets nobody look without all permissions. */
async function residentKib(program: Program): Promise<number> {
  const { stdout } = await new Deno.Command("cat", { args: [join("/proc", String(program.pid), "status")] }).output();
  const found = /^VmRSS:\s+(\d+) kB$/m.exec(new TextDecoder().decode(stdout));
  if (found === null) throw new Error("Cannot read the coordinator's memory: it is gone, or this is not Linux");
  return Number(found[1]);
}
