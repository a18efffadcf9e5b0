/**
 * control: the effectful ring around the peer's role in the control plane: one UDP socket, one timer, promises for
 * answers. Laws: 1) it decides nothing: `member` does;  2) every request settles: answered, refused or timed out;  3) it
 * talks to one coordinator address at a time: `coordinators` says which.  (I/O)
 */

import { NetworkError, ShoalError, TimeoutError, UsageError } from "../core/errors.ts";
import { limits } from "../core/limits.ts";
import { type Datagrams, type Endpoint, formatEndpoint } from "../core/transport.ts";
import { Coordinators } from "../membership/coordinators.ts";
import { Member } from "../membership/member.ts";
import type { Alive, Enrolment, Identity, MemberEffect, MemberInput, MemberOptions } from "../membership/types.ts";
import type { Content, DeviceId } from "../core/ids.ts";
import type { Bytes } from "../core/bytes.ts";
import type { ProofStep, Proved } from "../session/opaque.ts";
import { type AnswerOf, encodeMessage, type Message, type MessageBody, type Request } from "../wire/message.ts";

/** What the rest of the peer wants to know as it happens. */
export interface ControlListener {
  online(identity: Identity, alive: Alive, again: boolean): void;
  alive(alive: Alive): void;
  offline(error: ShoalError, retryInMs: number): void;
  /** The coordinator refused a later login by itself; nothing goes on until somebody acts. */
  denied(error: ShoalError): void;
  revoked(contents: readonly Content[], devices: readonly DeviceId[]): void;
  /** A standing search found something. */
  found(found: MessageBody<"found">): void;
}

export interface ControlOptions extends MemberOptions {
  /** Does a step of the password proof. */
  readonly prove: (step: ProofStep) => Promise<Proved>;
}

/** How often a first login goes round several coordinators: at the first time each has less patience. */
const firstRounds = 2;

export class Control implements Disposable {
  readonly #member: Member;
  readonly #datagrams: Datagrams;
  readonly #coordinators: Coordinators;
  readonly #prove: ControlOptions["prove"];
  readonly #listener: ControlListener;
  readonly #waiting = new Map<number, { resolve(answer: Message): void; reject(error: ShoalError): void }>();
  #nextHandle = 1;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #loggingIn: { resolve(identity: Identity): void; reject(error: ShoalError): void } | undefined;
  /** Of a first login: how many coordinators are still to be tried, and what the first one failed with. */
  #untried = 0;
  #firstFailure: ShoalError | undefined;
  #leaving: (() => void) | undefined;
  #wasOnline = false;
  #closed = false;

  /** @param others Other coordinators of the network, as this peer was told of them earlier. */
  constructor(
    datagrams: Datagrams,
    coordinator: Endpoint,
    options: ControlOptions,
    listener: ControlListener,
    others: readonly Endpoint[] = [],
  ) {
    this.#member = new Member(options);
    this.#prove = options.prove;
    this.#datagrams = datagrams;
    this.#coordinators = new Coordinators([coordinator]);
    this.#listener = listener;
    this.#coordinators.learn(others);
    this.#tellCoordinators();
    this.#receive();
  }

  /** The coordinator that is talked to now. */
  get coordinator(): Endpoint {
    return this.#coordinators.current;
  }

  get isOnline(): boolean {
    return this.#member.state === "online";
  }

  get roundTripMs(): number {
    return this.#member.roundTripMs;
  }

  /**
   * Logs in with the password. Afterwards the peer comes back by itself, by its device's key.
   * @param pinned The coordinator's login key, where this device has met it.
   * @throws {NetworkError} If the coordinator does not answer, with its address.
   * @throws {ShoalError} If it refuses. Either way nothing goes on by itself.
   */
  login(account: string, password: string, pinned?: Bytes): Promise<Identity> {
    return this.#logIn(account, { kind: "login", account, password, pinned });
  }

  /**
   * Logs in by the device's key.
   * @throws {ShoalError} As `login`; `denied` where the password is needed.
   */
  loginByKey(enrolment: Enrolment): Promise<Identity> {
    return this.#logIn(enrolment.account, { kind: "loginByKey", enrolment });
  }

  async #logIn(account: string, input: MemberInput): Promise<Identity> {
    checkFits({ kind: "account", account });
    const { promise, resolve, reject } = Promise.withResolvers<Identity>();
    this.#loggingIn = { resolve, reject };
    const { count } = this.#coordinators;
    this.#untried = count === 1 ? 0 : firstRounds * count - 1;
    this.#firstFailure = undefined;
    this.#feed(input);
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
      const { current } = this.#coordinators;
      if (port !== current.port || ip !== current.ip) continue;
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
        this.#datagrams.send(effect.bytes, this.#coordinators.current);
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
        this.#learn(effect.alive.coordinators);
        this.#listener.online(effect.identity, effect.alive, this.#wasOnline);
        this.#wasOnline = true;
        this.#loggingIn?.resolve(effect.identity);
        this.#loggingIn = undefined;
        return;
      case "alive":
        this.#learn(effect.alive.coordinators);
        this.#listener.alive(effect.alive);
        return;
      case "sentElsewhere":
        this.#coordinators.sendTo(effect.endpoints);
        return;
      case "offline":
        this.#firstFailure ??= effect.error instanceof TimeoutError ? this.#unreachable(effect.error) : effect.error;
        if (this.#loggingIn !== undefined && this.#untried > 0) this.#untried--;
        else if (!this.#failLogin(this.#firstFailure)) this.#listener.offline(effect.error, effect.retryInMs);
        this.#coordinators.lost();
        queueMicrotask(() => this.#tellCoordinators());
        return;
      case "denied":
        if (!this.#failLogin(effect.error)) this.#listener.denied(effect.error);
        return;
      case "revoked":
        this.#listener.revoked(effect.contents, effect.devices);
        return;
      case "found":
        this.#listener.found(effect);
        return;
      case "left":
        this.#leaving?.();
        return;
    }
  }

  #learn(coordinators: readonly Endpoint[]): void {
    this.#coordinators.learn(coordinators);
    // Effects of one input are done before the next one.
    queueMicrotask(() => this.#tellCoordinators());
  }

  #tellCoordinators(): void {
    const { count, isNamed } = this.#coordinators;
    this.#feed({ kind: "coordinators", count, isNamed });
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
    loggingIn.reject(error);
    return true;
  }

  /** A coordinator that never answered is out of reach, and its address is what a person can check. */
  #unreachable(cause: TimeoutError): NetworkError {
    const where = formatEndpoint(this.#coordinators.current);
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
