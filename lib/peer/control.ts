/**
 * control: the effectful ring around the peer's role in the control plane: one UDP socket, one timer, promises for
 * answers. Laws: 1) it decides nothing: `member` does;  2) every request settles: answered, refused or timed out;  3) it
 * talks to one coordinator address.  (I/O)
 */

import { NetworkError, ShoalError, TimeoutError, UsageError } from "../core/errors.ts";
import { limits } from "../core/limits.ts";
import { type Datagrams, type Endpoint, formatEndpoint } from "../core/transport.ts";
import { Member } from "../membership/member.ts";
import type { Alive, Identity, MemberEffect, MemberInput, MemberOptions } from "../membership/types.ts";
import type { Content, DeviceId } from "../core/ids.ts";
import type { Bytes } from "../core/bytes.ts";
import type { ProofStep, Proved } from "../session/opaque.ts";
import { type AnswerOf, encodeMessage, type Message, type Request } from "../wire/message.ts";

/** What the rest of the peer wants to know as it happens. */
export interface ControlListener {
  online(identity: Identity, alive: Alive, again: boolean): void;
  alive(alive: Alive): void;
  offline(error: ShoalError, retryInMs: number): void;
  /** The coordinator refused a later login by itself; nothing goes on until somebody acts. */
  denied(error: ShoalError): void;
  revoked(contents: readonly Content[], devices: readonly DeviceId[]): void;
}

export interface ControlOptions extends MemberOptions {
  /** Does a step of the password proof. */
  readonly prove: (step: ProofStep) => Promise<Proved>;
}

export class Control implements Disposable {
  readonly #member: Member;
  readonly #datagrams: Datagrams;
  readonly #coordinator: Endpoint;
  readonly #prove: ControlOptions["prove"];
  readonly #listener: ControlListener;
  readonly #waiting = new Map<number, { resolve(answer: Message): void; reject(error: ShoalError): void }>();
  #nextHandle = 1;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #loggingIn: { resolve(identity: Identity): void; reject(error: ShoalError): void } | undefined;
  #leaving: (() => void) | undefined;
  #wasOnline = false;
  #closed = false;

  constructor(datagrams: Datagrams, coordinator: Endpoint, options: ControlOptions, listener: ControlListener) {
    this.#member = new Member(options);
    this.#prove = options.prove;
    this.#datagrams = datagrams;
    this.#coordinator = coordinator;
    this.#listener = listener;
    this.#receive();
  }

  get isOnline(): boolean {
    return this.#member.state === "online";
  }

  get roundTripMs(): number {
    return this.#member.roundTripMs;
  }

  /**
   * Logs in for the first time. Afterwards the peer comes back by itself.
   * @throws {NetworkError} If the coordinator does not answer, with its address.
   * @throws {ShoalError} If it refuses. Either way nothing goes on by itself.
   */
  async login(account: string, password: string): Promise<Identity> {
    checkFits({ kind: "account", account });
    const { promise, resolve, reject } = Promise.withResolvers<Identity>();
    this.#loggingIn = { resolve, reject };
    this.#feed({ kind: "login", account, password });
    return await promise;
  }

  /** Asks the coordinator. @throws {ShoalError} A RemoteError it answered, a TimeoutError, or a UsageError if it cannot be asked. */
  async request<K extends Request["kind"]>(
    request: Extract<Request, { kind: K }>,
    timeoutMs: number = limits.requestMs,
  ): Promise<AnswerOf<K>> {
    if (this.#closed) throw new NetworkError("Cannot ask the coordinator: this peer is stopping");
    checkFits(request);
    const handle = this.#nextHandle++;
    const { promise, resolve, reject } = Promise.withResolvers<Message>();
    this.#waiting.set(handle, { resolve, reject });
    this.#feed({ kind: "request", handle, request, timeoutMs });
    return await promise as AnswerOf<K>;
  }

  /** Tells the coordinator, now and with each keep-alive, where this peer serves and what its share list hashes to. */
  setPresence(tcpPort: number, shareDigest: Bytes): void {
    this.#feed({ kind: "presence", tcpPort, shareDigest });
  }

  /** Logs out; settles when the coordinator confirmed it, at the latest after a second. */
  async leave(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#leaving = resolve;
    this.#feed({ kind: "leave" });
    await promise;
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#datagrams.close();
    for (const { reject } of this.#waiting.values()) {
      reject(new NetworkError("Cannot ask the coordinator: this peer is stopping"));
    }
    this.#waiting.clear();
  }

  async #receive(): Promise<void> {
    for (;;) {
      const received = await this.#datagrams.receive();
      if (received === undefined) return;
      const { ip, port } = received.from;
      if (port !== this.#coordinator.port || ip !== this.#coordinator.ip) continue;
      this.#feed({ kind: "datagram", bytes: received.bytes });
    }
  }

  #feed(input: MemberInput): void {
    if (this.#closed) return;
    for (const effect of this.#member.handle(input, Date.now())) this.#perform(effect);
    clearTimeout(this.#timer);
    const wakeAtMs = this.#member.wakeAtMs;
    if (wakeAtMs !== Infinity && !this.#closed) {
      this.#timer = setTimeout(() => this.#feed({ kind: "tick" }), Math.max(0, wakeAtMs - Date.now()));
    }
  }

  #perform(effect: MemberEffect): void {
    switch (effect.kind) {
      case "send":
        this.#datagrams.send(effect.bytes, this.#coordinator);
        return;
      case "prove":
        this.#prove(effect.step).catch(cannotProve).then((proved) => {
          this.#feed({ kind: "proved", proof: effect.proof, proved });
        });
        return;
      case "answered":
        this.#settle(effect.handle)?.resolve(effect.answer);
        return;
      case "failed":
        this.#settle(effect.handle)?.reject(effect.error);
        return;
      case "online":
        this.#listener.online(effect.identity, effect.alive, this.#wasOnline);
        this.#wasOnline = true;
        this.#loggingIn?.resolve(effect.identity);
        this.#loggingIn = undefined;
        return;
      case "alive":
        this.#listener.alive(effect.alive);
        return;
      case "offline":
        if (!this.#failLogin(effect.error)) this.#listener.offline(effect.error, effect.retryInMs);
        return;
      case "denied":
        if (!this.#failLogin(effect.error)) this.#listener.denied(effect.error);
        return;
      case "revoked":
        this.#listener.revoked(effect.contents, effect.devices);
        return;
      case "left":
        this.#leaving?.();
        return;
    }
  }

  #settle(handle: number) {
    const waiting = this.#waiting.get(handle);
    this.#waiting.delete(handle);
    return waiting;
  }

  /** A first login that fails ends there, and its caller decides. */
  #failLogin(error: ShoalError): boolean {
    const loggingIn = this.#loggingIn;
    if (loggingIn === undefined) return false;
    this.#loggingIn = undefined;
    queueMicrotask(() => this.#feed({ kind: "leave" }));
    loggingIn.reject(error instanceof TimeoutError ? this.#unreachable(error) : error);
    return true;
  }

  /** A coordinator that never answered is out of reach, and its address is what a person can check. */
  #unreachable(cause: TimeoutError): NetworkError {
    const where = formatEndpoint(this.#coordinator);
    return new NetworkError(`Cannot reach the coordinator at ${where}: no answer in ${cause.afterMs / 1000} s`, {
      cause,
      hint: "Check the address, and that the coordinator is running there",
    });
  }
}

/** A thread, memory or a descriptor was not to be had: a later login may have it. */
function cannotProve(cause: unknown): ShoalError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new ShoalError("unknown", `Cannot prove the password: ${why}`, { cause });
}

/** Refuses what a person typed and no message carries: too long, or not text. @throws {UsageError} */
function checkFits(request: Request): void {
  try {
    encodeMessage(Number.MAX_SAFE_INTEGER, request);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new UsageError(`Cannot ask the coordinator for ${request.kind}: ${error.message}`, {
      hint: "Use a shorter name or pattern, of characters that exist",
    });
  }
}
