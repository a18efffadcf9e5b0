/**
 * lab: a coordinator's role with a clock, a store in memory and real OPAQUE (cheaply stretched), all answered in the same turn, and
 * peers that say exactly what a test has them say. Datagrams reach the role in one buffer that is overwritten afterwards, as a
 * transport's is: whatever the role keeps of it without copying shows.
 */

import { type Bytes, concatBytes } from "../../../lib/core/bytes.ts";
import { type ContentId, type DeviceId, deviceIdFrom } from "../../../lib/core/ids.ts";
import { limits } from "../../../lib/core/limits.ts";
import type { Endpoint } from "../../../lib/core/transport.ts";
import { CoordinatorRole } from "../../../lib/coordinator/role/role.ts";
import type { News } from "../../../lib/coordinator/role/news.ts";
import type { StoreAsk } from "../../../lib/coordinator/role/store_effects.ts";
import type { Effect, Input, LogEvent } from "../../../lib/coordinator/role/types.ts";
import { sealAccountKey } from "../../../lib/session/account_key.ts";
import { type SigningKey, signingKeyFrom } from "../../../lib/session/device_key.ts";
import {
  acceptLogin,
  answerLogin,
  answerRegistration,
  createServerSetup,
  type FinishedLogin,
  finishLogin,
  loadOpaque,
  registerLocally,
  startLogin,
} from "../../../lib/session/opaque.ts";
import { deviceLoginKey, type DhKey, dhKeyFrom } from "../../../lib/session/dh_key.ts";
import { initiate, type Initiated } from "../../../lib/session/noise_ik.ts";
import { deriveSessionKeys, transcriptHash } from "../../../lib/session/handshake_keys.ts";
import { proveAuth, proveStart, signDevice } from "../../../lib/session/proofs.ts";
import { SealedChannel } from "../../../lib/session/sealed_channel.ts";
import { emptyShareDigest } from "../../../lib/session/share_digest.ts";
import {
  decodeDeviceVerdict,
  type DeviceClaim,
  type DeviceVerdict,
  encodeDeviceClaim,
} from "../../../lib/wire/device_login.ts";
import {
  decodeEnvelope,
  deviceStartHeader,
  encodeDeviceStart,
  encodeHello,
  encodeStart,
  type Envelope,
  type StartBody,
} from "../../../lib/wire/envelope.ts";
import {
  type Addressed,
  decodeMessage,
  encodeMessage,
  type Message,
  type MessageKind,
  type MessageOf,
} from "../../../lib/wire/message.ts";
import { MemoryStore } from "./memory_store.ts";

await loadOpaque();

/** Stretching that costs nothing. */
export const cheap = { iterations: 1, memory: 8, parallelism: 1 };
const serverSetup = createServerSetup();
const records = new Map<string, string>();

/** The OPAQUE record of an account; made once for all tests. */
export function recordOf(account: string, password: string): string {
  const key = `${account} ${password}`;
  const record = records.get(key) ?? registerLocally({ password, serverSetup, account, stretching: cheap });
  records.set(key, record);
  return record;
}

/** A generator that gives every run the same bytes. */
export function seededRandom(seed: number): (size: number) => Bytes {
  let state = seed >>> 0 || 1;
  return (size) =>
    new Uint8Array(size).map(() => {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      return state & 255;
    });
}

export interface Sent {
  readonly to: Endpoint;
  readonly bytes: Bytes;
}

type EffectOf<K extends Effect["kind"]> = Effect & { readonly kind: K };

export const secret = "correct horse";

export class Lab {
  nowMs = Date.UTC(2030, 0, 1, 12);
  readonly store: MemoryStore;
  readonly random: (size: number) => Bytes;
  /** Of this coordinator, where there are several. */
  readonly instance: number;
  /** What it told the others. */
  readonly told: News[] = [];
  readonly #others: Lab[] = [];
  readonly role: CoordinatorRole;
  /** The key that devices know this coordinator by. */
  readonly loginKey: DhKey;
  /** Everything since the last `clear`. */
  readonly sent: Sent[] = [];
  readonly logs: LogEvent[] = [];
  readonly probes: EffectOf<"probe">[] = [];
  readonly asked: StoreAsk[] = [];
  /** What a dial-back finds; undefined leaves it open until `answerProbes`. */
  reachable: boolean | undefined = true;
  /** Which store asks stay open until `release`. */
  holds: (ask: StoreAsk) => boolean = () => false;
  /** Which store asks are refused as busy. */
  refuses: (ask: StoreAsk) => boolean = () => false;
  opaqueIsBusy = false;
  readonly #held: EffectOf<"store">[] = [];
  readonly #receiveBuffer = new Uint8Array(2048);

  /** @param beside Another coordinator on the same store, with the same keys; each hears the other at once. */
  constructor(beside?: Lab, isShared = beside !== undefined) {
    const keyBytes = seededRandom(7);
    this.instance = beside === undefined ? 1 : beside.instance + 1;
    this.random = beside === undefined ? keyBytes : seededRandom(7 + this.instance);
    this.store = beside?.store ?? new MemoryStore();
    if (beside !== undefined) {
      this.#others.push(beside, ...beside.#others);
      for (const other of this.#others) other.#others.push(this);
    }
    const key = () => keyBytes(32);
    const login = key();
    this.loginKey = dhKeyFrom(login);
    this.role = new CoordinatorRole({
      keys: { cookie: key(), session: key(), ticket: key(), cursor: key(), login },
      random: this.random,
      keepAliveMs: limits.keepAliveMs,
      isShared,
    });
  }

  addAccount(name: string): void {
    this.store.addAccount(name, recordOf(name, secret));
  }

  clear(): void {
    for (const list of [this.sent, this.logs, this.probes, this.asked]) list.length = 0;
  }

  /** Gives the role an input and answers what it asks, until it asks nothing more. Returns what it sent. */
  input(input: Input): readonly Sent[] {
    const from = this.sent.length;
    const inputs = [input];
    for (let next = inputs.shift(); next !== undefined; next = inputs.shift()) {
      const effects = this.role.handle(next, this.nowMs);
      this.#receiveBuffer.fill(0xee);
      for (const effect of effects) inputs.push(...this.#perform(effect));
    }
    return this.sent.slice(from);
  }

  /** Hands a datagram to the role; returns what it sent. */
  deliver(from: Endpoint, bytes: Uint8Array): readonly Sent[] {
    this.#receiveBuffer.set(bytes);
    return this.input({ kind: "datagram", from, bytes: this.#receiveBuffer.subarray(0, bytes.length) });
  }

  /** Lets time pass, with a tick whenever the role wants one. */
  wait(ms: number): readonly Sent[] {
    const sent: Sent[] = [];
    const untilMs = this.nowMs + ms;
    while (this.role.wakeAtMs <= untilMs) {
      this.nowMs = Math.max(this.nowMs, this.role.wakeAtMs);
      sent.push(...this.input({ kind: "tick" }));
    }
    this.nowMs = untilMs;
    return sent;
  }

  /** Answers the store asks that were held. */
  release(): readonly Sent[] {
    this.holds = () => false;
    return this.#held.splice(0).flatMap(({ token, ask }) =>
      this.input({ kind: "stored", token, answer: this.#answer(ask) })
    );
  }

  #answer(ask: StoreAsk) {
    const busy = { ok: false, error: { code: "busy", text: "the queue is full" } } as const;
    return this.refuses(ask) ? busy : this.store.answer(ask);
  }

  answerProbes(reachable: boolean): readonly Sent[] {
    return this.probes.splice(0).flatMap(({ token }) => this.input({ kind: "probed", token, reachable }));
  }

  #perform(effect: Effect): Input[] {
    switch (effect.kind) {
      case "send":
        this.sent.push(effect);
        return [];
      case "log":
        this.logs.push(effect.event);
        return [];
      case "tell":
        this.told.push(effect.news);
        for (const other of this.#others) other.input({ kind: "told", from: this.instance, news: effect.news });
        return [];
      case "store": {
        const { token, ask } = effect;
        this.asked.push(ask);
        if (this.holds(ask)) {
          this.#held.push(effect);
          return [];
        }
        return [{ kind: "stored", token, answer: this.#answer(ask) }];
      }
      case "opaqueStart": {
        const { token, account, record, ke1 } = effect;
        const answered = this.opaqueIsBusy ? undefined : answerLogin(serverSetup, account, record, ke1);
        const result = answered === undefined
          ? { ok: false, error: { code: this.opaqueIsBusy ? "busy" : "protocol", text: "" } } as const
          : { ok: true, value: answered } as const;
        return [{ kind: "opaqueStarted", token, result }];
      }
      case "opaqueFinish": {
        const key = acceptLogin(effect.state, effect.ke3);
        const result = key === undefined
          ? { ok: false, error: { code: "denied", text: "" } } as const
          : { ok: true, value: key } as const;
        return [{ kind: "opaqueFinished", token: effect.token, result }];
      }
      case "opaqueRegister": {
        const response = answerRegistration(serverSetup, effect.account, effect.request);
        const result = response === undefined
          ? { ok: false, error: { code: "protocol", text: "" } } as const
          : { ok: true, value: response } as const;
        return [{ kind: "opaqueRegistered", token: effect.token, result }];
      }
      case "probe":
        this.probes.push(effect);
        return this.reachable === undefined ? [] : [{ kind: "probed", token: effect.token, reachable: this.reachable }];
    }
  }
}

/** That so many coordinators live, none of which says where. */
export function livingOf(count: number): Input {
  const live = Array.from({ length: count }, (_, i) => ({ instance: i + 1, endpoint: null }));
  return { kind: "coordinators", live, own: undefined };
}

/** What a peer in a test is made with. */
export interface PeerOptions {
  readonly account?: string;
  readonly password?: string;
  /** Makes the device's key and its address; peers with the same number are the same device. */
  readonly device?: number;
  readonly endpoint?: Endpoint;
  readonly tcpPort?: number;
  readonly label?: string;
  /** Whether START is signed by the device. */
  readonly signs?: boolean;
}

export class ScriptedPeer {
  readonly lab: Lab;
  readonly account: string;
  readonly password: string;
  readonly key: SigningKey;
  readonly deviceId: DeviceId;
  readonly loginKey: DhKey;
  readonly certificate: Bytes;
  readonly label: string;
  readonly signs: boolean;
  endpoint: Endpoint;
  tcpPort: number;
  nonce: Bytes;
  /** The datagrams of the login so far. */
  startDatagram: Bytes = new Uint8Array(0);
  replyDatagram: Bytes = new Uint8Array(0);
  finishDatagram: Bytes = new Uint8Array(0);
  /** AUTH's payload, to be sealed again. */
  lastAuth: Bytes = new Uint8Array(0);
  channel: SealedChannel | undefined;
  login: FinishedLogin | undefined;
  transaction = 1;
  #opaqueState = "";
  #begun: Initiated | undefined;
  #handshake: Bytes = new Uint8Array(32);

  constructor(lab: Lab, options: PeerOptions = {}) {
    const device = options.device ?? 1;
    this.lab = lab;
    this.account = options.account ?? "ada";
    this.password = options.password ?? secret;
    this.key = signingKeyFrom(new Uint8Array(32).fill(device));
    this.deviceId = deviceIdFrom(this.key.publicKey);
    this.loginKey = deviceLoginKey(this.key);
    this.certificate = new Uint8Array(248).fill(device);
    this.label = options.label ?? `vm-${device}`;
    this.signs = options.signs ?? true;
    this.endpoint = options.endpoint ?? { ip: `198.51.${device}.7`, port: 4000 + device };
    this.tcpPort = options.tcpPort ?? 6000;
    this.nonce = lab.random(16);
  }

  /** Gets a cookie; says HELLO some times where it is not answered, as a coordinator under load does not always. */
  hello(): Uint8Array {
    const say = () => this.lab.deliver(this.endpoint, encodeHello(this.nonce))[0];
    let sent = say();
    for (let i = 0; sent === undefined && i < 8; i++) sent = say();
    return expectKind(sent, "cookie").cookie;
  }

  /** Makes a START with this cookie; kept as `startDatagram`. */
  makeStart(cookie: Uint8Array, changes: Partial<StartBody> = {}): Bytes {
    const { ke1, state } = startLogin(this.password);
    this.#opaqueState = state;
    const device = { id: this.deviceId, signature: proveStart(this.key, cookie, this.account, ke1) };
    const body = { account: this.account, ke1, device: this.signs ? device : null, ...changes };
    this.startDatagram = encodeStart(this.nonce, cookie, body);
    return this.startDatagram;
  }

  /** HELLO, COOKIE, START: what START is answered. */
  begin(): Sent | undefined {
    this.nonce = this.lab.random(16);
    return this.lab.deliver(this.endpoint, this.makeStart(this.hello()))[0];
  }

  /** Makes FINISH of a REPLY, for this device or another one; undefined where the password does not fit. */
  makeFinish(reply: Sent, changes: Partial<MessageOf<"auth">> = {}, of: ScriptedPeer = this): Bytes | undefined {
    const { ke2, sessionId } = expectKind(reply, "reply");
    this.replyDatagram = reply.bytes;
    this.login = finishLogin(this.password, this.#opaqueState, ke2, cheap);
    if (this.login === undefined) return undefined;
    const { ke3, sessionKey } = this.login;
    const transcript = transcriptHash(this.startDatagram, reply.bytes, ke3);
    this.channel = new SealedChannel(sessionId, deriveSessionKeys(sessionKey, transcript), "peer");
    this.lastAuth = encodeMessage(1, {
      kind: "auth",
      deviceId: of.deviceId,
      label: this.label,
      proof: proveAuth(of.key, transcript, of.loginKey.publicKey),
      certificate: this.certificate,
      tcpPort: this.tcpPort,
      shareDigest: emptyShareDigest(),
      loginKey: of.loginKey.publicKey,
      ...changes,
    });
    this.finishDatagram = this.channel.sealFinish(ke3, this.lastAuth);
    this.transaction = 1;
    return this.finishDatagram;
  }

  /** Makes DEVICE_START with this cookie, to the coordinator that AUTHENTICATED told of; kept as `startDatagram`. */
  makeDeviceStart(cookie: Uint8Array, changes: Partial<DeviceClaim> = {}, own: DhKey = this.loginKey): Bytes {
    const header = deviceStartHeader(this.nonce, cookie);
    const ephemeral = dhKeyFrom(this.lab.random(32));
    const claim = encodeDeviceClaim({ account: this.account, deviceId: this.deviceId, ...changes });
    this.#begun = initiate(header, { own, ephemeral, remoteStatic: this.lab.loginKey.publicKey }, claim)!;
    return this.startDatagram = encodeDeviceStart(header, this.#begun.message);
  }

  /** HELLO, COOKIE, DEVICE_START: what that is answered. */
  beginByKey(): Sent | undefined {
    this.nonce = this.lab.random(16);
    return this.lab.deliver(this.endpoint, this.makeDeviceStart(this.hello()))[0];
  }

  /** What DEVICE_REPLY says, and the session that it makes if it says so. */
  readDeviceReply(reply: Sent | undefined): DeviceVerdict {
    const read = this.#begun!.read(expectKind(reply, "deviceReply").message)!;
    const verdict = decodeDeviceVerdict(read.payload);
    if (!verdict.ok) throw new Error(verdict.error);
    if (verdict.value.kind === "refused") return verdict.value;
    const { hash, toResponder, toInitiator } = read.established;
    const keys = { toCoordinator: toResponder, toPeer: toInitiator };
    this.channel = new SealedChannel(verdict.value.sessionId, keys, "peer");
    this.#handshake = hash;
    return verdict.value;
  }

  /** AUTH in the first sealed datagram of a login by key. */
  sealAuth(changes: Partial<MessageOf<"auth">> = {}): Bytes {
    const loginKey = changes.loginKey ?? this.loginKey.publicKey;
    this.lastAuth = encodeMessage(1, {
      kind: "auth",
      deviceId: this.deviceId,
      label: this.label,
      proof: proveAuth(this.key, this.#handshake, loginKey),
      certificate: this.certificate,
      tcpPort: this.tcpPort,
      shareDigest: emptyShareDigest(),
      loginKey,
      ...changes,
    });
    this.transaction = 1;
    return this.channel!.seal(this.lastAuth);
  }

  /** The whole login by key; the answer to AUTH, or why there was none. */
  logInByKey(): Message | DeviceVerdict {
    const verdict = this.readDeviceReply(this.beginByKey());
    if (verdict.kind === "refused") return verdict;
    return this.one(this.lab.deliver(this.endpoint, this.sealAuth())).message;
  }

  /** The whole login; the answer to AUTH. */
  logIn(): Message {
    const finish = this.makeFinish(this.begin()!);
    if (finish === undefined) throw new Error("The password does not fit");
    return this.one(this.lab.deliver(this.endpoint, finish)).message;
  }

  /** Logs in and enrols the device with the account key of this account (one for all tests). */
  join(): this {
    const authenticated = this.logIn();
    if (authenticated.kind !== "authenticated") throw new Error(`Refused: ${authenticated.kind}`);
    const key = accountKeyOf(this.account);
    const accountKey = authenticated.accountKey ??
      { publicKey: key.publicKey, sealed: sealAccountKey(this.login!.exportKey, this.account, key, this.lab.random) };
    this.ask({ kind: "enrol", accountKey, signature: signDevice(key, this.account, this.deviceId) });
    return this;
  }

  /** Seals a message. */
  seal(message: Message, transaction = ++this.transaction): Bytes {
    return this.channel!.seal(encodeMessage(transaction, message));
  }

  /** Sends a message; what came back to this peer, wherever to. */
  say(message: Message, transaction?: number): readonly Addressed[] {
    return this.read(this.lab.deliver(this.endpoint, this.seal(message, transaction)));
  }

  /** Sends a request; its one answer. */
  ask(message: Message): Message {
    const transaction = ++this.transaction;
    const answers = this.say(message, transaction).filter((one) => one.transaction === transaction);
    if (answers.length !== 1) throw new Error(`${message.kind} got ${answers.length} answers`);
    return answers[0]!.message;
  }

  /** Sends a request; its answer, which has to be of that kind. */
  askFor<K extends MessageKind>(kind: K, message: Message): MessageOf<K> {
    const answer = this.ask(message);
    if (answer.kind !== kind) throw new Error(`${message.kind} was answered ${JSON.stringify(answer)}`);
    return answer as MessageOf<K>;
  }

  /** Opens what was sent to this session; other datagrams are skipped. */
  read(sent: readonly Sent[]): readonly Addressed[] {
    return sent.flatMap(({ bytes }) => {
      const decoded = decodeEnvelope(bytes);
      if (!decoded.ok || decoded.value.kind !== "sealed" || decoded.value.sessionId !== this.channel?.sessionId) {
        return [];
      }
      const opened = this.channel.open(decoded.value);
      if (opened === undefined) return [];
      const message = decodeMessage(opened.payload);
      if (!message.ok) throw new Error(message.error);
      return [message.value];
    });
  }

  /** The one message in these datagrams. */
  one(sent: readonly Sent[]): Addressed {
    const messages = this.read(sent);
    if (messages.length !== 1) throw new Error(`${messages.length} messages instead of one`);
    return messages[0]!;
  }

  status(): Message {
    return { kind: "status", tcpPort: this.tcpPort, shareDigest: emptyShareDigest() };
  }
}

/** The account key of an account in tests. */
export function accountKeyOf(account: string): SigningKey {
  return signingKeyFrom(new Uint8Array(32).fill(account.charCodeAt(0)));
}

/** Decodes a datagram that has to be of a kind. */
export function expectKind<K extends Envelope["kind"]>(sent: Sent | undefined, kind: K): Envelope & { kind: K } {
  if (sent === undefined) throw new Error(`Nothing was sent where ${kind} was expected`);
  const decoded = decodeEnvelope(sent.bytes);
  if (!decoded.ok || decoded.value.kind !== kind) throw new Error(`Not ${kind}: ${JSON.stringify(sent.bytes[1])}`);
  return decoded.value as Envelope & { kind: K };
}

/** A lab with these accounts, all with the password `secret`. */
export function labWith(...accounts: readonly string[]): Lab {
  const lab = new Lab();
  for (const account of accounts) lab.addAccount(account);
  return lab;
}

/** A content id made of one byte. */
export function contentIdOf(byte: number): ContentId {
  return byte.toString(16).padStart(2, "0").repeat(32) as ContentId;
}

/** Changes one byte of a copy. */
export function flipped(bytes: Uint8Array, at: number): Bytes {
  const copy = concatBytes(bytes);
  copy[at]! ^= 1;
  return copy;
}
