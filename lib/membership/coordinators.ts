/**
 * coordinators: at which address a peer logs in next. Laws: 1) first those to which the coordinator that closed its session sent it, each
 * once, then those of its network, one after the other: what the person named, and what a coordinator told;  2) it is sent to hosts of
 * its own kind alone: numeric, one host's, and a loopback address only by a coordinator that has one.
 * Spec: PROTOCOL.md "Sessions", "Several coordinators".  (pure)
 */

import { limits } from "../core/limits.ts";
import { type Endpoint, isLoopback, sameEndpoint } from "../core/transport.ts";

export class Coordinators {
  readonly #named: readonly Endpoint[];
  /** Those of the network, the named ones first. */
  #all: readonly Endpoint[];
  /** The last one of the network that was tried. */
  #at = 0;
  #sentTo: Endpoint[] = [];
  #current: Endpoint;

  /** @param named What the person named, at least one; the first is tried first. */
  constructor(named: readonly Endpoint[]) {
    this.#named = named;
    this.#all = named;
    this.#current = named[0]!;
  }

  /** Where to talk to now. */
  get current(): Endpoint {
    return this.#current;
  }

  /** How many there are to be tried in turn. */
  get count(): number {
    return this.#all.length;
  }

  /** Whether the current one is a person's own choice. */
  get isNamed(): boolean {
    return this.#named.some((one) => sameEndpoint(one, this.#current));
  }

  /**
   * Takes what a coordinator tells, or told, of those of its network. Those of earlier are kept behind them while there is room: who is
   * away now comes back, and what one coordinator knows in one moment may be itself alone.
   */
  learn(endpoints: readonly Endpoint[]): void {
    const last = this.#all[this.#at]!;
    const told = endpoints.filter(({ ip }) => isLike(ip, this.#current.ip));
    const all: Endpoint[] = [...this.#named];
    const max = this.#named.length + limits.coordinatorsMax;
    // Where it is now it stays until that is lost, though nobody tells of it any more.
    for (const one of [last, ...told, ...this.#all]) {
      if (all.length < max && !all.some((known) => sameEndpoint(known, one))) all.push(one);
    }
    this.#all = all;
    this.#at = all.findIndex((one) => sameEndpoint(one, last));
  }

  /** Takes the addresses to which the current one sends its peers. */
  sendTo(endpoints: readonly Endpoint[]): void {
    this.#sentTo = endpoints.filter(({ ip }) => isLike(ip, this.#current.ip));
  }

  /** Goes on to the next one: the session, or the login, at the current one is over. */
  lost(): void {
    const sentTo = this.#sentTo.shift();
    if (sentTo === undefined && sameEndpoint(this.#all[this.#at]!, this.#current)) {
      this.#at = (this.#at + 1) % this.#all.length;
    }
    this.#current = sentTo ?? this.#all[this.#at]!;
  }
}

/** Tells whether an address can be another coordinator's: it is of the same family and as near, and one host's. */
function isLike(ip: string, currentIp: string): boolean {
  if (ip.includes(":") !== currentIp.includes(":") || isLoopback(ip) !== isLoopback(currentIp)) return false;
  if (ip.includes(":")) return /^[0-9a-f:.]+$/i.test(ip) && !/^(ff|::$)/i.test(ip);
  const parts = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(ip)?.slice(1).map(Number);
  return parts !== undefined && parts.every((part) => part <= 255) && parts[0]! > 0 && parts[0]! < 224;
}
