/**
 * network: a simulated internet for datagrams on a fake clock: latency, jitter, loss, duplicates, reordering, partitions and
 * whoever listens in. Laws: 1) the same seed and the same sends give the same deliveries;  2) what is sent to an endpoint
 * where nobody is, is lost.  (pure)
 */

import { copyBytes } from "../../lib/core/bytes.ts";
import { type Endpoint, formatEndpoint } from "../../lib/core/transport.ts";
import type { Seeded } from "./seeded.ts";

/** How datagrams fare; shares are 0 … 1. */
export interface Weather {
  readonly latencyMs: number;
  /** Added at random, evenly, up to this: so datagrams overtake each other. */
  readonly jitterMs: number;
  readonly loss: number;
  readonly duplicates: number;
  /** This share is held back by ten times the jitter. */
  readonly reordered: number;
}

export const fairWeather: Weather = { latencyMs: 10, jitterMs: 5, loss: 0, duplicates: 0, reordered: 0 };
export const foulWeather: Weather = { latencyMs: 30, jitterMs: 20, loss: 0.2, duplicates: 0.1, reordered: 0.1 };

export interface Flight {
  readonly from: Endpoint;
  readonly to: Endpoint;
  readonly bytes: Uint8Array;
}

export interface NetworkOptions {
  readonly random: Seeded;
  /** Calls back after so many milliseconds of the fake clock. */
  readonly after: (delayMs: number, act: () => void) => void;
}

export class Network {
  readonly #options: NetworkOptions;
  readonly #receivers = new Map<string, (flight: Flight) => void>();
  weather: Weather = fairWeather;
  /** Endpoints that are cut off from everybody else. */
  isCutOff: (endpoint: Endpoint) => boolean = () => false;
  /** Sees every datagram as it is sent. */
  listener: ((flight: Flight) => void) | undefined;
  /** Everything that was sent and delivered, for figures. */
  sent = 0;
  delivered = 0;

  constructor(options: NetworkOptions) {
    this.#options = options;
  }

  /** Puts somebody at an endpoint. */
  attach(endpoint: Endpoint, receive: (flight: Flight) => void): void {
    this.#receivers.set(formatEndpoint(endpoint), receive);
  }

  detach(endpoint: Endpoint): void {
    this.#receivers.delete(formatEndpoint(endpoint));
  }

  /** Sends a datagram; `from` is what the receiver sees, true or forged. */
  send(from: Endpoint, to: Endpoint, bytes: Uint8Array): void {
    const flight = { from, to, bytes: copyBytes(bytes) };
    this.sent++;
    this.listener?.(flight);
    const { random } = this.#options;
    const { loss, duplicates } = this.weather;
    if (this.isCutOff(from) || this.isCutOff(to)) return;
    if (!random.chance(loss)) this.#deliver(flight);
    if (random.chance(duplicates)) this.#deliver(flight);
  }

  #deliver(flight: Flight): void {
    const { random, after } = this.#options;
    const { latencyMs, jitterMs, reordered } = this.weather;
    const heldMs = random.chance(reordered) ? 10 * jitterMs : 0;
    after(latencyMs + random.below(jitterMs + 1) + heldMs, () => {
      if (this.isCutOff(flight.from) || this.isCutOff(flight.to)) return;
      const receive = this.#receivers.get(formatEndpoint(flight.to));
      if (receive === undefined) return;
      this.delivered++;
      receive(flight);
    });
  }
}
