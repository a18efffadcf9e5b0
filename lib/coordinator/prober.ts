/**
 * prober: dials a device back once, to see whether others can reach it. Laws: 1) one attempt, ended after `limits.probeMs`, and nothing
 * is sent but a TLS handshake;  2) bounded: over it the device counts as not reached, and its next announcement tries again.
 */

import { limits } from "../core/limits.ts";
import type { ByteStream, Endpoint } from "../core/transport.ts";

/** Connects by TLS to an endpoint that must show this certificate; `net`'s `connectTls`. */
export type ConnectPinned = (to: {
  readonly endpoint: Endpoint;
  readonly certificate: Uint8Array;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}) => Promise<ByteStream>;

export class Prober {
  readonly #connect: ConnectPinned;
  readonly #stop = new AbortController();
  #running = 0;

  constructor(connect: ConnectPinned) {
    this.#connect = connect;
  }

  /** Tells whether a device with this certificate answers at an endpoint. Never rejects. */
  async probe(endpoint: Endpoint, certificate: Uint8Array): Promise<boolean> {
    if (this.#running >= limits.probesMax || this.#stop.signal.aborted) return false;
    this.#running++;
    try {
      const stream = await this.#connect({
        endpoint,
        certificate,
        timeoutMs: limits.probeMs,
        signal: this.#stop.signal,
      });
      stream.close();
      return true;
    } catch {
      return false; // Refused, silent, or somebody else: not reachable, whatever the reason.
    } finally {
      this.#running--;
    }
  }

  /** Ends the attempts under way. */
  stop(): void {
    this.#stop.abort();
  }
}
