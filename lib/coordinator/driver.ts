/**
 * driver: the ring of effects around the role. It owns the socket, the clock's alarm, the store's queue, OPAQUE's queue and the
 * dial-backs; the role decides. Laws: 1) the receive loop waits for nothing but datagrams;  2) every effect with a token is answered
 * once;  3) nothing that a datagram causes ends the loop: a mistake of ours costs that datagram and a line in the log.
 */

import type { Datagrams, Endpoint } from "../core/transport.ts";
import { limits } from "../core/limits.ts";
import { OpaqueQueue } from "./opaque_queue.ts";
import { type ConnectPinned, Prober } from "./prober.ts";
import type { News } from "./role/news.ts";
import { type RoleTallies, TimeTally } from "./role/tallies.ts";
import type { Effect, Input, LogEvent, RoleFigures } from "./role/types.ts";
import type { Store } from "./store/store.ts";
import { StoreQueue, type StoreQueueFigures } from "./store_queue.ts";
import type { Tracing } from "./tracing.ts";

/** What the driver needs of the role. */
export interface Role {
  /** When a `tick` is wanted; Infinity for never. */
  readonly wakeAtMs: number;
  handle(input: Input, nowMs: number): readonly Effect[];
  figures(): RoleFigures;
  readonly tallies: RoleTallies;
}

export interface DriverOptions {
  readonly role: Role;
  readonly datagrams: Datagrams;
  readonly store: Store;
  readonly serverSetup: string;
  /** Milliseconds since 1970; never goes back. */
  readonly clock: () => number;
  readonly connect: ConnectPinned;
  /** Runs before an account is looked up for a login. */
  readonly settleAccount: (account: string) => Promise<void>;
  readonly log: (event: LogEvent) => void;
  /** Tells the other coordinators on the store, where there can be some. */
  readonly tell?: (news: News) => void;
  readonly tracing: Tracing;
  /** Hears of mistakes of ours that were survived. */
  readonly onFault: (error: unknown) => void;
}

/** What the role and the ring around it count, for metrics. */
export interface DriverTallies extends RoleTallies {
  readonly store: StoreQueueFigures;
  /** Handed to the system, and dropped because it took too many too slowly. */
  readonly datagramsOut: number;
  readonly datagramsDropped: number;
  /** How long the role took for a datagram and what it caused at once: for one of `timedOneOf`. */
  readonly handlingTimes: TimeTally;
}

/** Of so many datagrams one is timed: reading the clock for each would cost more than some take. */
const timedOneOf = 64;

/** A datagram that comes so soon after it is asked for, in milliseconds, was there already. */
const waitedMsMax = 0.02;
/** Of those that are timed so large a part was there: then the loop is behind. The part is smoothed over so many. */
const behindShare = 0.9;
const behindSmoothing = 16;
/** The role is told so often, in milliseconds. */
const behindEveryMs = 100;

/** The longest wait that a timer can be set to, in milliseconds. */
const timerMsMax = 2 ** 31 - 1;

export class Driver {
  readonly #options: DriverOptions;
  readonly #storeQueue: StoreQueue;
  readonly #opaqueQueue: OpaqueQueue;
  readonly #prober: Prober;
  #sends = 0;
  #datagramsOut = 0;
  #datagramsDropped = 0;
  #untilTimed = timedOneOf;
  readonly #handlingTimes = TimeTally.ofDatagrams();
  #waitingShare = 0;
  #behindAtMs = -Infinity;
  #whenSent: (() => void) | undefined;
  #alarm: ReturnType<typeof setTimeout> | undefined;
  #alarmAtMs = Infinity;
  #stopped = false;

  constructor(options: DriverOptions) {
    this.#options = options;
    this.#prober = new Prober(options.connect);
    this.#opaqueQueue = new OpaqueQueue(options.serverSetup, (input) => this.give(input));
    this.#storeQueue = new StoreQueue({
      store: options.store,
      settleAccount: options.settleAccount,
      answered: (token, answer) => this.give({ kind: "stored", token, answer }),
      tracing: options.tracing,
    });
  }

  /** Receives until the socket is closed. */
  async run(): Promise<void> {
    const { datagrams } = this.#options;
    for (;;) {
      const isTimed = --this.#untilTimed === 0;
      const askedAtMs = isTimed ? performance.now() : 0;
      const datagram = await datagrams.receive();
      if (datagram === undefined) return;
      if (!isTimed) {
        this.give({ kind: "datagram", ...datagram });
        continue;
      }
      this.#untilTimed = timedOneOf;
      const fromMs = performance.now();
      this.give({ kind: "datagram", ...datagram });
      const untilMs = performance.now();
      this.#handlingTimes.note(untilMs - fromMs);
      this.#noteWait(fromMs - askedAtMs, untilMs);
    }
  }

  /** Notes how long the loop waited for a datagram: one that always finds one is behind. */
  #noteWait(waitedMs: number, nowMs: number): void {
    this.#waitingShare += (Number(waitedMs < waitedMsMax) - this.#waitingShare) / behindSmoothing;
    if (this.#waitingShare < behindShare || nowMs < this.#behindAtMs + behindEveryMs) return;
    this.#behindAtMs = nowMs;
    this.give({ kind: "behind" });
  }

  /** Gives the role an input now, and does what it says. */
  give(input: Input): void {
    if (this.#stopped) return;
    const { role, clock, onFault } = this.#options;
    try {
      for (const effect of role.handle(input, clock())) this.#do(effect);
    } catch (error) {
      onFault(error);
    }
    this.#setAlarm();
  }

  figures(): RoleFigures {
    return this.#options.role.figures();
  }

  /** What only metrics tell. */
  tallies(): DriverTallies {
    return {
      ...this.#options.role.tallies,
      store: this.#storeQueue.figures(),
      datagramsOut: this.#datagramsOut,
      datagramsDropped: this.#datagramsDropped,
      handlingTimes: this.#handlingTimes,
    };
  }

  /**
   * Tells every peer that this coordinator stops and where to go instead, waits for what was begun but not past the deadline, and
   * closes the socket.
   */
  async stop(deadlineMs: number, elsewhere: readonly Endpoint[]): Promise<void> {
    if (this.#stopped) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const deadline = new Promise<void>((resolve) => timer = setTimeout(resolve, deadlineMs));
    await Promise.race([deadline, this.#drain(elsewhere)]);
    clearTimeout(timer);
    this.#stopped = true;
    clearTimeout(this.#alarm);
    this.#opaqueQueue.stop();
    this.#prober.stop();
    this.#options.datagrams.close();
  }

  /** Ends the sessions, a part at a time so that no CLOSE is dropped, then lets logins in their last step end as well. */
  async #drain(elsewhere: readonly Endpoint[]): Promise<void> {
    do {
      this.give({ kind: "drain", elsewhere, atOnce: limits.closesAtOnce });
      await this.#sent();
    } while (!this.#stopped && this.#options.role.figures().sessions > 0);
    await this.#opaqueQueue.idle();
    await this.#storeQueue.idle();
    await this.#sent();
  }

  async #sent(): Promise<void> {
    while (this.#sends > 0) await new Promise<void>((resolve) => this.#whenSent = resolve);
  }

  #do(effect: Effect): void {
    switch (effect.kind) {
      case "send":
        this.#send(effect);
        break;
      case "store":
        this.#storeQueue.push(effect.token, effect.ask);
        break;
      case "opaqueStart":
      case "opaqueFinish":
      case "opaqueRegister":
        this.#opaqueQueue.push(effect);
        break;
      case "probe":
        this.#probe(effect);
        break;
      case "tell":
        this.#options.tell?.(effect.news);
        break;
      case "log":
        this.#options.log(effect.event);
        break;
    }
  }

  async #send({ to, bytes }: Extract<Effect, { kind: "send" }>): Promise<void> {
    if (this.#sends >= limits.sendsMax) {
      this.#datagramsDropped++;
      return;
    }
    this.#sends++;
    this.#datagramsOut++;
    await this.#options.datagrams.send(bytes, to);
    if (--this.#sends === 0) this.#whenSent?.();
  }

  async #probe({ token, endpoint, certificate }: Extract<Effect, { kind: "probe" }>): Promise<void> {
    const reachable = await this.#prober.probe(endpoint, certificate);
    this.give({ kind: "probed", token, reachable });
  }

  #setAlarm(): void {
    const wakeAtMs = this.#options.role.wakeAtMs;
    if (wakeAtMs === this.#alarmAtMs || this.#stopped) return;
    clearTimeout(this.#alarm);
    this.#alarmAtMs = wakeAtMs;
    if (wakeAtMs === Infinity) return;
    const waitMs = Math.min(timerMsMax, Math.max(0, wakeAtMs - this.#options.clock()));
    this.#alarm = setTimeout(() => {
      this.#alarmAtMs = Infinity; // Rung; the next one is another alarm, even for the same time.
      this.give({ kind: "tick" });
    }, waitMs);
  }
}
