/**
 * requests: the requests one side has in flight: when each is sent again, what its answer is matched to, when it is given
 * up. Laws: 1) a request keeps its transaction and payload however often it is sent; each sending is sealed anew;  2) times
 * come from measured round trips of requests sent once (Karn), as in RFC 6298, within limits, with jitter;  3) at
 * most limits.requestsInFlightMax are out, the others wait in order.  Spec: PROTOCOL.md "Requests".  (pure)
 */

import type { Bytes } from "../core/bytes.ts";
import { limits } from "../core/limits.ts";
import { encodeMessage, type Message } from "../wire/message.ts";
import type { Random } from "./random.ts";

interface Flight {
  readonly transaction: number;
  readonly payload: Bytes;
  readonly handle: number;
  readonly deadlineAtMs: number;
  firstSentAtMs: number;
  sends: number;
  dueAtMs: number;
}

interface Waiting {
  readonly handle: number;
  readonly message: Message;
  readonly deadlineAtMs: number;
}

export class Requests {
  readonly #random: Random;
  #flights = new Map<number, Flight>();
  #waiting: Waiting[] = [];
  readonly #messages = new Map<number, Waiting>();
  #nextTransaction: number;
  #smoothedMs = 0;
  #variationMs = 0;

  /** `firstTransaction`: the numbers below it are the handshake's own. */
  constructor(random: Random, firstTransaction: number) {
    this.#random = random;
    this.#nextTransaction = firstTransaction;
  }

  /** How many are in flight or waiting. */
  get size(): number {
    return this.#flights.size + this.#waiting.length;
  }

  /** Smoothed round trip in milliseconds; 0 before the first. */
  get roundTripMs(): number {
    return this.#smoothedMs;
  }

  /** Queues a request under the caller's handle; it is out at the next `due`. */
  add(handle: number, message: Message, nowMs: number, timeoutMs: number = limits.requestMs): void {
    this.#waiting.push({ handle, message, deadlineAtMs: nowMs + timeoutMs });
  }

  /** Takes a transaction for a message that its caller sends himself, once. */
  takeTransaction(): number {
    return this.#nextTransaction++;
  }

  /** The payloads to seal and send now. */
  due(nowMs: number): readonly Bytes[] {
    while (this.#waiting.length > 0 && this.#flights.size < limits.requestsInFlightMax) {
      const waiting = this.#waiting.shift()!;
      const transaction = this.takeTransaction();
      this.#messages.set(transaction, waiting);
      this.#flights.set(transaction, {
        transaction,
        payload: encodeMessage(transaction, waiting.message),
        handle: waiting.handle,
        deadlineAtMs: waiting.deadlineAtMs,
        firstSentAtMs: nowMs,
        sends: 0,
        dueAtMs: nowMs,
      });
    }
    const payloads: Bytes[] = [];
    for (const flight of this.#flights.values()) {
      if (flight.dueAtMs > nowMs) continue;
      payloads.push(flight.payload);
      flight.dueAtMs = nowMs + this.#timeoutMs(flight.sends);
      flight.sends++;
    }
    return payloads;
  }

  /** The retransmission time-out before the (sends + 1)-th repeat: doubles each time, with up to a quarter of jitter. */
  #timeoutMs(sends: number): number {
    const base = this.#smoothedMs === 0
      ? limits.retransmitFirstMs
      : Math.max(limits.retransmitMinMs, this.#smoothedMs + 4 * this.#variationMs);
    const backedOff = Math.min(limits.retransmitMaxMs, base * 2 ** sends);
    return Math.ceil(backedOff * (1 + this.#random(1)[0]! / 1024));
  }

  /** Takes an answer; the caller's handle, or undefined where nothing waits for it (a late repeat, or made up). */
  settle(transaction: number, nowMs: number): { readonly handle: number; readonly message: Message } | undefined {
    const flight = this.#flights.get(transaction);
    if (flight === undefined) return undefined;
    if (flight.sends === 1) this.#measure(nowMs - flight.firstSentAtMs);
    const { message } = this.#messages.get(transaction)!;
    this.#flights.delete(transaction);
    this.#messages.delete(transaction);
    return { handle: flight.handle, message };
  }

  #measure(roundTripMs: number): void {
    const sample = Math.max(roundTripMs, 1);
    if (this.#smoothedMs === 0) {
      this.#smoothedMs = sample;
      this.#variationMs = sample / 2;
    } else {
      this.#variationMs = 0.75 * this.#variationMs + 0.25 * Math.abs(this.#smoothedMs - sample);
      this.#smoothedMs = 0.875 * this.#smoothedMs + 0.125 * sample;
    }
  }

  /** Removes and tells the requests whose time is over, with how often each was sent. */
  expire(nowMs: number): readonly { readonly handle: number; readonly sends: number }[] {
    const expired: { handle: number; sends: number }[] = [];
    for (const flight of this.#flights.values()) {
      if (flight.deadlineAtMs > nowMs) continue;
      expired.push({ handle: flight.handle, sends: flight.sends });
      this.#flights.delete(flight.transaction);
      this.#messages.delete(flight.transaction);
    }
    this.#waiting = this.#waiting.filter((waiting) => {
      if (waiting.deadlineAtMs > nowMs) return true;
      expired.push({ handle: waiting.handle, sends: 0 });
      return false;
    });
    return expired;
  }

  /** A new session: what was in flight waits again, ahead of the rest, and gets transactions of that session. */
  restart(firstTransaction: number): void {
    this.#waiting.unshift(...this.#messages.values());
    this.#messages.clear();
    this.#flights = new Map();
    this.#nextTransaction = firstTransaction;
  }

  /** When `due` or `expire` has something to do; Infinity for never. `canSend` false: nothing is sent, only expiry counts. */
  wakeAtMs(canSend: boolean): number {
    let wake = Infinity;
    for (const flight of this.#flights.values()) {
      wake = Math.min(wake, flight.deadlineAtMs, canSend ? flight.dueAtMs : Infinity);
    }
    for (const waiting of this.#waiting) wake = Math.min(wake, waiting.deadlineAtMs);
    if (canSend && this.#waiting.length > 0 && this.#flights.size < limits.requestsInFlightMax) wake = 0;
    return wake;
  }
}
