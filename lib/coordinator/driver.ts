/**
 * driver: the ring of effects around the role. It owns the socket, the clock's alarm, the store's queue, OPAQUE's queue and the
 * dial-backs; the role decides. Laws: 1) the receive loop waits for nothing but datagrams;  2) every effect with a token is answered
 * once;  3) nothing that a datagram causes ends the loop: a mistake of ours costs that datagram and a line in the log.
 */

import type { Datagrams } from "../core/transport.ts";
import { limits } from "../core/limits.ts";
import { OpaqueQueue } from "./opaque_queue.ts";
import { type ConnectPinned, Prober } from "./prober.ts";
import type { Effect, Input, LogEvent, RoleFigures } from "./role/types.ts";
import type { Store } from "./store/store.ts";
import { StoreQueue } from "./store_queue.ts";

/** What the driver needs of the role. */
export interface Role {
  /** When a `tick` is wanted; Infinity for never. */
  readonly wakeAtMs: number;
  handle(input: Input, nowMs: number): readonly Effect[];
  figures(): RoleFigures;
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
  /** Hears of mistakes of ours that were survived. */
  readonly onFault: (error: unknown) => void;
}

/** The longest wait that a timer can be set to, in milliseconds. */
const timerMsMax = 2 ** 31 - 1;

export class Driver {
  readonly #options: DriverOptions;
  readonly #storeQueue: StoreQueue;
  readonly #opaqueQueue: OpaqueQueue;
  readonly #prober: Prober;
  #sends = 0;
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
    });
  }

  /** Receives until the socket is closed. */
  async run(): Promise<void> {
    for (;;) {
      const datagram = await this.#options.datagrams.receive();
      if (datagram === undefined) return;
      this.give({ kind: "datagram", ...datagram });
    }
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

  /** Tells every peer that this coordinator stops, waits for what was begun but not past the deadline, and closes the socket. */
  async stop(deadlineMs: number): Promise<void> {
    if (this.#stopped) return;
    this.give({ kind: "drain" });
    let timer: ReturnType<typeof setTimeout> | undefined;
    const deadline = new Promise<void>((resolve) => timer = setTimeout(resolve, deadlineMs));
    await Promise.race([deadline, this.#settled()]);
    clearTimeout(timer);
    this.#stopped = true;
    clearTimeout(this.#alarm);
    this.#opaqueQueue.stop();
    this.#prober.stop();
    this.#options.datagrams.close();
  }

  async #settled(): Promise<void> {
    await this.#storeQueue.idle();
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
        this.#opaqueQueue.push(effect);
        break;
      case "probe":
        this.#probe(effect);
        break;
      case "log":
        this.#options.log(effect.event);
        break;
    }
  }

  async #send({ to, bytes }: Extract<Effect, { kind: "send" }>): Promise<void> {
    if (this.#sends >= limits.sendsMax) return;
    this.#sends++;
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
