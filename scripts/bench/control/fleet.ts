/**
 * fleet: the sessions of many devices over one socket: logs them in, and has them ask as fast as told. Laws: 1) all is real: logins
 * prove passwords and devices, each datagram is sealed for its session, each answer opened and looked at;  2) a session has one
 * request out at a time;  3) what is not answered in a while is counted as lost; it is sent again meanwhile only where a load says so.  (I/O)
 */

import { Buffer } from "node:buffer";
import type { Bytes } from "../../../lib/core/bytes.ts";
import type { Endpoint } from "../../../lib/core/transport.ts";
import { firstTransaction, LoginAttempt } from "../../../lib/membership/login_attempt.ts";
import { limits } from "../../../lib/core/limits.ts";
import { listenUdp, type UdpSocket } from "../../../lib/net/udp.ts";
import { signingKeyFrom } from "../../../lib/session/device_key.ts";
import { prove } from "../../../lib/session/opaque.ts";
import type { SealedChannel } from "../../../lib/session/sealed_channel.ts";
import { decodeEnvelope, envelopeKinds } from "../../../lib/wire/envelope.ts";
import { decodeMessage, type Message } from "../../../lib/wire/message.ts";
import { Latencies, type LatencyFigures } from "./latencies.ts";
import { accountName, deviceSeed, password, stretching } from "./population.ts";

/** A request without an answer is lost after this, in milliseconds. */
const lostAfterMs = 3_000;
/** Between two looks for what is due or lost, in milliseconds. */
const lookEveryMs = 100;
/** The same for what is repeated. */
const repeatLookMs = 2;

const certificate: Bytes = new Uint8Array(248).fill(0x30);
const noShares: Bytes = new Uint8Array(32);
const random = (size: number) => crypto.getRandomValues(new Uint8Array(size));

/** What a load is made of. */
export interface LoadOptions {
  /** The sessions that ask, `from` and up to `to`. */
  readonly from: number;
  readonly to: number;
  readonly seconds: number;
  /** Requests that are out all the time; or how many begin a second, whatever was answered. */
  readonly pace: { readonly inFlight: number } | { readonly perSecond: number };
  /** Makes the payload of the n-th request. */
  readonly payload: (turn: number, transaction: number) => Bytes;
  /** The kind of message that is a right answer. */
  readonly answer: Message["kind"];
  /** Whether requests are repeated as peers do: sealed anew after 10 ms, then each time after twice as long. */
  readonly repeats?: boolean;
}

/** What came of a load. */
export interface LoadFigures extends LatencyFigures {
  readonly seconds: number;
  readonly sent: number;
  readonly answered: number;
  readonly refused: number;
  readonly lost: number;
  /** Requests that were sent again, each time counted. */
  readonly repeated: number;
}

/** What came of logins. */
export interface LoginFigures extends LatencyFigures {
  readonly seconds: number;
  readonly logins: number;
  /** How many sessions there are now. */
  readonly sessions: number;
  /** Attempts that began anew: another device of the account was faster, or the coordinator busy. */
  readonly repeated: number;
}

interface Device {
  channel: SealedChannel;
  transaction: number;
  /** The load whose request is out, and when it was to be sent; undefined for none. */
  load: Load | undefined;
  dueAtMs: number;
  /** What is out, when it is sent again, and after how long then. */
  payload: Bytes;
  repeatAtMs: number;
  repeatMs: number;
}

interface Login {
  readonly index: number;
  readonly attempt: LoginAttempt;
  readonly fromMs: number;
  session: bigint | undefined;
}

export class Fleet implements Disposable {
  readonly #socket: UdpSocket;
  readonly #coordinator: Endpoint;
  readonly #accounts: number;
  readonly #devices: Device[] = [];
  readonly #bySession = new Map<bigint, Device>();
  readonly #logins = new Set<Login>();
  readonly #loginsByNonce = new Map<string, Login>();
  readonly #loginsBySession = new Map<bigint, Login>();
  #loggedIn: (login: Login, isOnline: boolean) => void = () => {};
  #failure: Error | undefined;

  /** @param accounts Over how many accounts the devices are spread. */
  constructor(coordinator: Endpoint, accounts: number) {
    this.#coordinator = coordinator;
    this.#accounts = accounts;
    this.#socket = listenUdp({ ip: "127.0.0.1", port: 0 });
    this.#run();
  }

  get size(): number {
    return this.#devices.length;
  }

  [Symbol.dispose](): void {
    this.#socket.close();
  }

  /** Logs devices in until there are so many sessions. */
  async logIn(sessions: number, inFlight: number): Promise<LoginFigures> {
    const fromMs = performance.now();
    const latencies = new Latencies();
    const first = this.#devices.length;
    let [next, repeated] = [first, 0];
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#loggedIn = (login, isOnline) => {
      if (!isOnline) {
        repeated++;
        return this.#begin(login.index, login.fromMs);
      }
      latencies.add(performance.now() - login.fromMs);
      if (next < sessions) this.#begin(next++, performance.now());
      else if (this.#logins.size === 0) resolve();
    };
    const timer = setInterval(() => {
      for (const login of this.#logins) this.#advance(login);
    }, lookEveryMs);
    while (next < Math.min(sessions, first + inFlight)) this.#begin(next++, performance.now());
    if (next > first) await promise;
    clearInterval(timer);
    this.#check();
    const seconds = (performance.now() - fromMs) / 1000;
    return { seconds, logins: sessions - first, sessions: this.size, repeated, ...latencies.figures() };
  }

  /** Has sessions ask for some seconds. */
  async load(options: LoadOptions): Promise<LoadFigures> {
    const load: Load = new Load(options, (index, dueAtMs) => this.#ask(load, index, dueAtMs));
    const timer = setInterval(() => this.#dropLost(load), lookEveryMs);
    const repeating = options.repeats ? setInterval(() => this.#repeat(load), repeatLookMs) : undefined;
    const figures = await load.run();
    clearInterval(timer);
    clearInterval(repeating);
    this.#check();
    return figures;
  }

  #check(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Sends a session's next request; false if its last one is still out. */
  #ask(load: Load, index: number, dueAtMs: number): boolean {
    const device = this.#devices[index]!;
    if (device.load !== undefined) return false;
    device.load = load;
    device.dueAtMs = dueAtMs;
    device.payload = load.options.payload(load.sent, device.transaction++);
    this.#send(device.channel.seal(device.payload));
    if (load.options.repeats) this.#repeatLater(device, limits.retransmitMinMs, load);
    return true;
  }

  #repeatLater(device: Device, waitMs: number, load: Load): void {
    device.repeatMs = waitMs;
    device.repeatAtMs = performance.now() + waitMs * (1 + Math.random() / 4);
    load.out.add(device);
  }

  #repeat(load: Load): void {
    const nowMs = performance.now();
    for (const device of load.out) {
      if (device.load !== load) load.out.delete(device);
      if (device.load !== load || nowMs < device.repeatAtMs) continue;
      load.repeated++;
      this.#send(device.channel.seal(device.payload));
      this.#repeatLater(device, Math.min(2 * device.repeatMs, limits.retransmitMaxMs), load);
    }
  }

  #dropLost(load: Load): void {
    const nowMs = performance.now();
    for (let index = load.options.from; index < load.options.to; index++) {
      const device = this.#devices[index]!;
      if (device.load !== load || nowMs < device.dueAtMs + lostAfterMs) continue;
      device.load = undefined;
      load.lose();
    }
  }

  #send(bytes: Bytes): void {
    this.#socket.send(bytes, this.#coordinator);
  }

  async #run(): Promise<void> {
    for (;;) {
      const datagram = await this.#socket.receive();
      if (datagram === undefined) return;
      try {
        this.#receive(datagram.bytes);
      } catch (error) {
        this.#failure ??= error as Error;
      }
    }
  }

  #receive(datagram: Uint8Array): void {
    const decoded = decodeEnvelope(datagram);
    if (!decoded.ok) throw new Error(`The coordinator sent junk: ${decoded.error}`);
    const envelope = decoded.value;
    if (envelope.kind === "sealed") {
      const device = this.#bySession.get(envelope.sessionId);
      if (device !== undefined) return this.#answered(device, envelope);
      const login = this.#loginsBySession.get(envelope.sessionId);
      const opened = login?.attempt.channel?.open(envelope);
      const message = opened && decodeMessage(opened.payload);
      if (message?.ok) this.#goOn(login!, login!.attempt.handleAnswer(message.value, performance.now()));
    } else if ("nonce" in envelope) {
      const login = this.#loginsByNonce.get(nonceKey(envelope.nonce));
      if (login !== undefined) this.#goOn(login, login.attempt.handleCleartext(envelope, datagram, performance.now()));
    }
  }

  // ---- requests ----

  #answered(device: Device, envelope: Parameters<SealedChannel["open"]>[0]): void {
    const opened = device.channel.open(envelope);
    if (opened === undefined) throw new Error("An answer did not open");
    const decoded = decodeMessage(opened.payload);
    if (!decoded.ok) throw new Error(`An answer is illegal: ${decoded.error}`);
    const { transaction, message } = decoded.value;
    const { load } = device;
    if (load === undefined || transaction !== device.transaction - 1) return; // It was counted as lost.
    device.load = undefined;
    load.answer(message, performance.now() - device.dueAtMs);
  }

  // ---- logins ----

  #begin(index: number, fromMs: number): void {
    const account = accountName(index % this.#accounts);
    const attempt = new LoginAttempt(
      { device: signingKeyFrom(deviceSeed(index)), certificate, label: `device ${index}`, random },
      {
        credentials: { kind: "password", account, password, pinned: undefined },
        presence: () => ({ tcpPort: 0, shareDigest: noShares }),
        accountKeyIsNew: false,
      },
      performance.now(),
    );
    const login: Login = { index, attempt, fromMs, session: undefined };
    this.#logins.add(login);
    this.#advance(login);
  }

  /** Sends what is due of a login. */
  #advance(login: Login): void {
    const nowMs = performance.now();
    const expired = login.attempt.expired(nowMs);
    if (expired !== undefined) return this.#goOn(login, expired);
    const datagram = login.attempt.due(nowMs);
    if (datagram === undefined) return;
    if (datagram[1] === envelopeKinds.hello) this.#loginsByNonce.set(nonceKey(datagram.subarray(2, 18)), login);
    this.#send(datagram);
  }

  #goOn(login: Login, outcome: ReturnType<LoginAttempt["handleAnswer"]>): void {
    const { attempt } = login;
    const step = attempt.takeProofStep();
    if (outcome === undefined && step !== undefined) {
      return this.#goOn(login, attempt.handleProved(prove(step, stretching), performance.now()));
    }
    const session = attempt.channel?.sessionId;
    if (session !== undefined && login.session === undefined) this.#loginsBySession.set(login.session = session, login);
    if (outcome === undefined) return this.#advance(login);
    this.#logins.delete(login);
    if (login.session !== undefined) this.#loginsBySession.delete(login.session);
    switch (outcome.kind) {
      case "online": {
        const { channel } = outcome.session;
        const nothing = { load: undefined, dueAtMs: 0, payload: new Uint8Array(0), repeatAtMs: 0, repeatMs: 0 };
        const device: Device = { channel, transaction: firstTransaction, ...nothing };
        this.#devices.push(device);
        this.#bySession.set(channel.sessionId, device);
        return this.#loggedIn(login, true);
      }
      case "again":
      case "lost":
        return this.#loggedIn(login, false);
      default:
        throw outcome.error;
    }
  }
}

function nonceKey(nonce: Uint8Array): string {
  return Buffer.from(nonce.buffer, nonce.byteOffset, nonce.length).toString("latin1");
}

/** One load: when the next request is to be sent, by whom, and what came of those before. */
class Load {
  readonly options: LoadOptions;
  sent = 0;
  repeated = 0;
  /** Devices whose request may have to be repeated. */
  readonly out = new Set<Device>();
  readonly #ask: (index: number, dueAtMs: number) => boolean;
  readonly #latencies = new Latencies();
  readonly #fromMs = performance.now();
  readonly #untilMs: number;
  readonly #done = Promise.withResolvers<void>();
  #next: number;
  #out = 0;
  #refused = 0;
  #lost = 0;

  constructor(options: LoadOptions, ask: (index: number, dueAtMs: number) => boolean) {
    this.options = options;
    this.#ask = ask;
    this.#next = options.from;
    this.#untilMs = this.#fromMs + options.seconds * 1000;
  }

  async run(): Promise<LoadFigures> {
    const { pace } = this.options;
    if ("inFlight" in pace) {
      for (let i = 0; i < pace.inFlight; i++) this.#send(performance.now());
    } else {
      await this.#sendOnTime(pace.perSecond);
    }
    if (this.#out === 0) this.#done.resolve();
    await this.#done.promise;
    return {
      seconds: (performance.now() - this.#fromMs) / 1000,
      sent: this.sent,
      answered: this.#latencies.count,
      refused: this.#refused,
      lost: this.#lost,
      repeated: this.repeated,
      ...this.#latencies.figures(),
    };
  }

  answer(message: Message, ms: number): void {
    if (message.kind === this.options.answer) this.#latencies.add(ms);
    else if (message.kind === "error") this.#refused++;
    else throw new Error(`A ${message.kind} where ${this.options.answer} was expected`);
    this.#settled();
  }

  lose(): void {
    this.#lost++;
    this.#settled();
  }

  /**
   * An open loop: requests begin at their times, and their latency counts from there, however late they are sent: where all sessions have
   * one out, the next one waits for the first that is free.
   */
  async #sendOnTime(perSecond: number): Promise<void> {
    for (let count = 0; performance.now() < this.#untilMs;) {
      while (count < (performance.now() - this.#fromMs) / 1000 * perSecond) {
        if (!this.#send(this.#fromMs + count * 1000 / perSecond)) break;
        count++;
      }
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    if (this.#out === 0) this.#done.resolve();
  }

  /** Has the next session that is free ask; false if there is none. */
  #send(dueAtMs: number): boolean {
    const { from, to } = this.options;
    for (let tries = from; tries < to; tries++) {
      const index = this.#next;
      this.#next = index + 1 === to ? from : index + 1;
      if (!this.#ask(index, dueAtMs)) continue;
      this.sent++;
      this.#out++;
      return true;
    }
    return false;
  }

  #settled(): void {
    this.#out--;
    const isOver = performance.now() >= this.#untilMs;
    if (!isOver && "inFlight" in this.options.pace) this.#send(performance.now());
    if (isOver && this.#out === 0) this.#done.resolve();
  }
}
