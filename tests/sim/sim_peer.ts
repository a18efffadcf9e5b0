/**
 * sim_peer: the real Member at an address of the simulated network, with a share list that it announces again whenever the
 * coordinator's differs. Law: it never logs in by itself a second time; coming back is the Member's doing.
 */

import { assert } from "@std/assert";
import { ShoalError } from "../../lib/core/errors.ts";
import { limits } from "../../lib/core/limits.ts";
import type { Endpoint } from "../../lib/core/transport.ts";
import { Member } from "../../lib/membership/member.ts";
import type { Alive, Enrolment, Identity, MemberEffect, MemberInput } from "../../lib/membership/types.ts";
import { signingKeyFrom } from "../../lib/session/device_key.ts";
import { emptyShareDigest, toggleShare } from "../../lib/session/share_digest.ts";
import type { Message, Request, ShareEntry } from "../../lib/wire/message.ts";
import { proveCheaply } from "../membership/scripted_coordinator.ts";
import type { Clock } from "./clock.ts";
import type { Network } from "./network.ts";
import type { Seeded } from "./seeded.ts";

export interface SimPeerOptions {
  readonly clock: Clock;
  readonly network: Network;
  readonly random: Seeded;
  readonly coordinator: Endpoint;
  readonly endpoint: Endpoint;
  readonly account: string;
  readonly password: string;
  readonly label: string;
  /** The device key's seed; two peers with the same one are the same device. */
  readonly deviceSeed?: Uint8Array;
  /** What an earlier run of the same device kept: it logs in by its key. */
  readonly enrolment?: Enrolment;
}

/** How long an answer is waited for, in milliseconds: at 20 % loss each way one request in 700 has none after limits.requestMs. */
const patienceMs = 3 * limits.requestMs;

/** Entries in one SHARE: a datagram holds these with the names that simulations give. */
const entriesPerShare = 10;

export class SimPeer {
  readonly #options: SimPeerOptions;
  readonly member: Member;
  readonly certificate: Uint8Array<ArrayBuffer>;
  readonly #digest = emptyShareDigest();
  readonly #shares: ShareEntry[] = [];
  readonly #settled = new Map<number, Message | ShoalError>();
  readonly #onSettled = new Map<number, (answer: Message | ShoalError) => void>();
  #reconciling = false;
  readonly #acknowledged = new Set<ShareEntry>();
  #nextHandle = 1;
  #timerAtMs = Infinity;
  #endpoint: Endpoint;
  tcpPort = 0;
  identity: Identity | undefined;
  /** Steps of password proofs that it asked for. */
  proofs = 0;
  /** What the last keep-alive, or the login, was answered. */
  alive: Alive | undefined;
  /** What it was told, datagrams and keep-alives aside. */
  readonly events: Exclude<MemberEffect, { kind: "send" | "prove" | "answered" | "failed" | "alive" }>[] = [];

  constructor(options: SimPeerOptions) {
    this.#options = options;
    const { random, label } = options;
    this.#endpoint = options.endpoint;
    this.certificate = random.bytes(248);
    this.member = new Member({
      device: signingKeyFrom(options.deviceSeed ?? random.bytes(32)),
      certificate: this.certificate,
      label,
      random: random.bytes,
    });
    this.#attach();
  }

  get endpoint(): Endpoint {
    return this.#endpoint;
  }

  get account(): string {
    return this.#options.account;
  }

  get isOnline(): boolean {
    return this.member.state === "online";
  }

  /** Whether the coordinator has acknowledged every share. */
  get isAnnounced(): boolean {
    return this.#shares.every((entry) => this.#acknowledged.has(entry));
  }

  login(): void {
    const { account, password, enrolment } = this.#options;
    this.feed(enrolment === undefined ? { kind: "login", account, password } : { kind: "loginByKey", enrolment });
  }

  /** Serves at a TCP port, and says so. */
  serve(tcpPort: number): void {
    this.tcpPort = tcpPort;
    this.#tellPresence();
  }

  /** Adds to the share list, and announces it. */
  share(entries: readonly ShareEntry[]): void {
    for (const entry of entries) {
      this.#shares.push(entry);
      toggleShare(this.#digest, entry);
    }
    this.#tellPresence();
  }

  /** Moves to another address without a word: a router gave it a new one. */
  move(endpoint: Endpoint): void {
    this.#options.network.detach(this.#endpoint);
    this.#endpoint = endpoint;
    this.#attach();
  }

  /** Asks; the answer is in `settled` of the handle, once it has come. */
  ask(request: Request, timeoutMs = patienceMs): number {
    const handle = this.#nextHandle++;
    this.feed({ kind: "request", handle, request, timeoutMs });
    return handle;
  }

  settled(handle: number): Message | ShoalError | undefined {
    return this.#settled.get(handle);
  }

  feed(input: MemberInput): void {
    const { clock, network, coordinator } = this.#options;
    for (const effect of this.member.handle(input, clock.nowMs)) {
      switch (effect.kind) {
        case "send":
          network.send(this.#endpoint, coordinator, effect.bytes);
          break;
        case "prove":
          this.proofs++;
          this.feed(proveCheaply(effect));
          break;
        case "answered":
          this.#settle(effect.handle, effect.answer);
          break;
        case "failed":
          this.#settle(effect.handle, effect.error);
          break;
        case "alive":
          this.#compare(effect.alive);
          break;
        case "online":
          this.identity = effect.identity;
          this.events.push(effect);
          this.#compare(effect.alive);
          break;
        default:
          this.events.push(effect);
      }
    }
    assert(this.member.wakeAtMs > clock.nowMs, "a Member that would be woken again at once, on and on");
    this.#setTimer();
  }

  #attach(): void {
    this.#options.network.attach(this.#endpoint, ({ from, bytes }) => {
      const { coordinator } = this.#options;
      if (from.ip === coordinator.ip && from.port === coordinator.port) this.feed({ kind: "datagram", bytes });
    });
  }

  #tellPresence(): void {
    this.feed({ kind: "presence", tcpPort: this.tcpPort, shareDigest: this.#digest.slice() });
  }

  #compare(alive: Alive): void {
    this.alive = alive;
    if (alive.sharesMatch || this.#reconciling) return;
    this.#reconciling = true;
    this.#readList(new Uint8Array(0), []);
  }

  /** Brings the lists together: reads the coordinator's, takes leave of what was withdrawn, announces the rest. */
  #readList(cursor: Uint8Array<ArrayBuffer>, withdrawn: readonly string[]): void {
    this.#askThen({ kind: "listFiles", scope: "device", cursor }, (answer) => {
      assert(answer.kind === "files");
      const names = [...withdrawn, ...answer.files.filter((file) => file.withdrawn).map((file) => file.name)];
      if (answer.cursor.length > 0) this.#readList(answer.cursor, names);
      else this.#forget(names);
    });
  }

  #forget(names: readonly string[]): void {
    if (names.length === 0) return this.#shareFrom(0);
    for (const entry of this.#shares.filter((entry) => names.includes(entry.name))) {
      this.#shares.splice(this.#shares.indexOf(entry), 1);
      toggleShare(this.#digest, entry);
    }
    this.#tellPresence();
    this.#askThen({ kind: "remove", names, scope: "device" }, () => this.#shareFrom(0));
  }

  #shareFrom(at: number): void {
    const entries = this.#shares.slice(at, at + entriesPerShare);
    if (entries.length === 0) {
      this.#reconciling = false;
      return;
    }
    this.#askThen({ kind: "share", entries }, () => {
      for (const entry of entries) this.#acknowledged.add(entry);
      this.#shareFrom(at + entries.length);
    });
  }

  /** Asks, and goes on with the answer; without one the next keep-alive shows that the lists differ. */
  #askThen(request: Request, then: (answer: Message) => void): void {
    const { clock } = this.#options;
    clock.at(clock.nowMs, () => {
      this.#onSettled.set(this.ask(request), (answer) => {
        if (answer instanceof ShoalError) this.#reconciling = false;
        else then(answer);
      });
    });
  }

  #settle(handle: number, answer: Message | ShoalError): void {
    assert(!this.#settled.has(handle), `request ${handle} was settled twice`);
    this.#settled.set(handle, answer);
    this.#onSettled.get(handle)?.(answer);
    this.#onSettled.delete(handle);
  }

  #setTimer(): void {
    const { clock } = this.#options;
    const { wakeAtMs } = this.member;
    if (wakeAtMs >= this.#timerAtMs) return;
    this.#timerAtMs = wakeAtMs;
    clock.at(wakeAtMs, () => {
      this.#timerAtMs = Infinity;
      if (this.member.wakeAtMs <= clock.nowMs) this.feed({ kind: "tick" });
      else this.#setTimer();
    });
  }
}
