/**
 * flooder: the process that floods a coordinator: junk from many addresses, or well-formed first messages of logins from addresses that
 * have proven themselves. It does what it is told on standard input, a JSON object a line, one after the other, and answers each with a
 * line. Laws: 1) it sends from and to loopback alone;  2) a flood is bounded by a rate and by a time.  (a program's entry)
 */

import type { Endpoint } from "../../../lib/core/transport.ts";
import { limits } from "../../../lib/core/limits.ts";
import { listenUdp, type UdpSocket } from "../../../lib/net/udp.ts";
import { loadOpaque, startLogin } from "../../../lib/session/opaque.ts";
import { decodeEnvelope, encodeHello, encodeStart, envelopeSizes } from "../../../lib/wire/envelope.ts";
import { seeded } from "../../../tests/sim/seeded.ts";
import { HostileSource } from "../../fuzz/hostile_source.ts";
import { followOrders } from "../orders.ts";

/** What the flooder can be told. */
export interface FloodOrder {
  readonly do: "junk" | "starts";
  readonly coordinator: Endpoint;
  /** Sources, each of another address. */
  readonly addresses: number;
  readonly perSecond: number;
  readonly seconds: number;
  readonly seed: number;
}

export interface FloodFigures {
  readonly sent: number;
  readonly seconds: number;
  /** Addresses that were answered a cookie; of junk none need one. */
  readonly proven: number;
  /** What the coordinator answered while it was flooded. */
  readonly answers: number;
}

/** Datagrams made beforehand: making them takes longer than sending them. */
const junkKinds = 4_096;
const startKinds = 64;
/** What is sent at once: of so many milliseconds. */
const burstMs = 4;
/** Sends that are under way at once. */
const sendsMax = 256;
/** A cookie is good for one slot at the least; a new one is asked for before that. */
const cookieMs = limits.cookieSlotMs * 0.8;

async function follow(order: FloodOrder): Promise<FloodFigures> {
  const { addresses, coordinator } = order;
  const sources = Array.from({ length: addresses }, (_, i) => new Source(addressOf(order.do, i), coordinator));
  try {
    return await (order.do === "junk" ? flood(order, sources, junk(order.seed)) : floodStarts(order, sources));
  } finally {
    for (const { socket } of sources) socket.close();
  }
}

/** Junk comes from one block of addresses in turn, logins from many. */
function addressOf(what: FloodOrder["do"], index: number): string {
  return what === "junk"
    ? `127.200.${index >> 8}.${1 + index % 250}`
    : `127.${10 + index % 100}.${index >> 8}.${1 + index % 250}`;
}

function junk(seed: number): () => Uint8Array {
  const source = new HostileSource(seeded(seed), ["account0"]);
  const datagrams = Array.from({ length: junkKinds }, () => source.next().bytes).filter(({ length }) => length > 0);
  source.show(datagrams[0]!);
  datagrams.push(...Array.from({ length: junkKinds }, () => source.next().bytes).filter(({ length }) => length > 0));
  let turn = 0;
  return () => datagrams[turn++ % datagrams.length]!;
}

async function floodStarts(order: FloodOrder, sources: readonly Source[]): Promise<FloodFigures> {
  const random = seeded(order.seed);
  const ke1s = Array.from({ length: startKinds }, (_, i) => startLogin(`guess ${i}`).ke1);
  await prove(sources);
  const proven = sources.filter(({ cookie }) => cookie !== undefined);
  const renewing = setInterval(() => prove(proven), cookieMs);
  let names = 0;
  try {
    const figures = await flood(order, proven, ({ nonce, cookie }) => {
      const account = random.chance(0.5) ? `account${names++ % 40}` : `nobody${names++}`;
      return encodeStart(nonce, cookie!, { account, ke1: random.pick(ke1s), device: null });
    });
    return { ...figures, proven: proven.length };
  } finally {
    clearInterval(renewing);
  }
}

/** Gets each source a cookie; those that are not answered in a while have none. */
async function prove(sources: readonly Source[]): Promise<void> {
  for (let round = 0; round < 20; round++) {
    const missing = sources.filter(({ cookieAtMs }) => performance.now() > cookieAtMs + cookieMs / 2);
    if (missing.length === 0) return;
    for (const [i, source] of missing.entries()) {
      await source.hello();
      if (i % 50 === 49) await new Promise((resolve) => setTimeout(resolve, 10));
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Sends at the rate, as far as the machine lets: what it has missed it does not make up for, or a burst would be all there is. */
async function flood(
  { perSecond, seconds }: FloodOrder,
  sources: readonly Source[],
  datagram: (source: Source) => Uint8Array,
): Promise<FloodFigures> {
  const before = sources.reduce((sum, { answers }) => sum + answers, 0);
  const fromMs = performance.now();
  const burstMax = Math.max(1, Math.ceil(burstMs / 1000 * perSecond));
  let [sent, missed, underWay] = [0, 0, 0];
  let whenFree: (() => void) | undefined;
  for (let elapsedMs = 0; elapsedMs < seconds * 1000; elapsedMs = performance.now() - fromMs) {
    const due = Math.floor(elapsedMs / 1000 * perSecond) - missed;
    missed += Math.max(0, due - sent - burstMax);
    for (let burst = 0; sent < due && burst < burstMax; burst++) {
      const source = sources[sent++ % sources.length]!;
      underWay++;
      source.send(datagram(source)).then(() => {
        underWay--;
        whenFree?.();
      });
    }
    await new Promise((resolve) => setTimeout(resolve, 1));
    while (underWay >= sendsMax) await new Promise<void>((resolve) => whenFree = resolve);
  }
  const answers = sources.reduce((sum, one) => sum + one.answers, 0) - before;
  return { sent, seconds: (performance.now() - fromMs) / 1000, proven: 0, answers };
}

/** One address that floods. */
class Source {
  readonly socket: UdpSocket;
  readonly #coordinator: Endpoint;
  nonce: Uint8Array = new Uint8Array(envelopeSizes.nonce);
  cookie: Uint8Array | undefined;
  cookieAtMs = -Infinity;
  answers = 0;
  #asked = this.nonce;

  constructor(ip: string, coordinator: Endpoint) {
    this.socket = listenUdp({ ip, port: 0 });
    this.#coordinator = coordinator;
    this.#receive();
  }

  send(datagram: Uint8Array): Promise<void> {
    return this.socket.send(datagram as Uint8Array<ArrayBuffer>, this.#coordinator);
  }

  hello(): Promise<void> {
    this.#asked = crypto.getRandomValues(new Uint8Array(envelopeSizes.nonce));
    return this.send(encodeHello(this.#asked));
  }

  async #receive(): Promise<void> {
    for (;;) {
      const received = await this.socket.receive();
      if (received === undefined) return;
      this.answers++;
      const decoded = decodeEnvelope(received.bytes);
      if (!decoded.ok || decoded.value.kind !== "cookie") continue;
      this.nonce = this.#asked;
      this.cookie = new Uint8Array(decoded.value.cookie);
      this.cookieAtMs = performance.now();
    }
  }
}

if (import.meta.main) {
  await loadOpaque();
  await followOrders(follow);
}
