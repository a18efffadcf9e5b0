/**
 * insider: somebody who has an account and a session, and seals whatever he likes in it: damaged messages, huge and odd
 * requests, forged cursors. He is answered; what he must not do is harm anybody else.  (I/O)
 */

import type { Bytes } from "../../lib/core/bytes.ts";
import { deviceIdFrom } from "../../lib/core/ids.ts";
import { limits } from "../../lib/core/limits.ts";
import type { Endpoint } from "../../lib/core/transport.ts";
import { makeCertificate } from "../../lib/net/certificate.ts";
import { listenUdp, type UdpSocket } from "../../lib/net/udp.ts";
import { signingKeyFrom } from "../../lib/session/device_key.ts";
import { finishLogin, startLogin } from "../../lib/session/opaque.ts";
import { deriveSessionKeys, transcriptHash } from "../../lib/session/handshake_keys.ts";
import { deviceLoginKey } from "../../lib/session/dh_key.ts";
import { proveAuth } from "../../lib/session/proofs.ts";
import { SealedChannel } from "../../lib/session/sealed_channel.ts";
import {
  decodeEnvelope,
  encodeHello,
  encodeStart,
  type Envelope,
  sealedPayloadBytesMax,
} from "../../lib/wire/envelope.ts";
import { decodeMessage, encodeMessage, type Message } from "../../lib/wire/message.ts";
import type { Seeded } from "../../tests/sim/seeded.ts";
import { messages } from "../../tests/wire/samples.ts";
import { damage, randomBytes } from "./damage.ts";
import { searchFor, searchModes, searchOrders } from "../../lib/wire/search_query.ts";

/** How long a step of the login waits before it is repeated, in milliseconds, and how often it is. */
const repeatMs = 500;
const repeatsMax = 20;

/** Names that he shares under, so that the catalog does not grow with the run. */
const namesMax = 200;

/** Patterns that are costly where they are read as something else than they are. */
const audiences = [null, [], [{ kind: "account", name: "ada" }, { kind: "group", name: "nobody's" }]] as const;
const patterns = [
  "*".repeat(150),
  "a?".repeat(90) + "b",
  "[".repeat(60),
  "%_%_%",
  '" OR "',
  "(((((x+x+)+y",
  "\u{10ffff}",
  "aa",
];

const good = Object.values(messages);

export class Insider implements Disposable {
  readonly #random: Seeded;
  readonly #socket: UdpSocket;
  readonly #coordinator: Endpoint;
  readonly #channel: SealedChannel;
  #transaction = 10;
  /** Answers that opened. */
  answers = 0;

  private constructor(random: Seeded, socket: UdpSocket, coordinator: Endpoint, channel: SealedChannel) {
    this.#random = random;
    this.#socket = socket;
    this.#coordinator = coordinator;
    this.#channel = channel;
    this.#receive();
  }

  /** Logs in. @throws {Error} If he is not let in: then there is nothing to try. */
  static async login(
    random: Seeded,
    coordinator: Endpoint,
    { account, password }: { readonly account: string; readonly password: string },
  ): Promise<Insider> {
    const socket = listenUdp({ ip: "127.0.0.1", port: 0 });
    const receive = receiver(socket);
    const expect = async <K extends Envelope["kind"]>(datagram: () => Bytes, kind: K) => {
      for (let i = 0; i < repeatsMax; i++) {
        await socket.send(datagram(), coordinator);
        const answer = await receive(repeatMs);
        const decoded = answer === undefined ? undefined : decodeEnvelope(answer);
        if (answer !== undefined && decoded?.ok && decoded.value.kind === kind) {
          return { answer, envelope: decoded.value as Extract<Envelope, { kind: K }> };
        }
      }
      throw new Error(`the insider was not answered ${kind}`);
    };
    const nonce = random.bytes(16);
    const { cookie } = (await expect(() => encodeHello(nonce), "cookie")).envelope;
    const started = startLogin(password);
    const start = encodeStart(nonce, cookie, { account, ke1: started.ke1, device: null });
    const reply = await expect(() => start, "reply");
    const finished = finishLogin(password, started.state, reply.envelope.ke2);
    if (finished === undefined) throw new Error("the insider's password is wrong");
    const transcript = transcriptHash(start, reply.answer, finished.ke3);
    const channel = new SealedChannel(
      reply.envelope.sessionId,
      deriveSessionKeys(finished.sessionKey, transcript),
      "peer",
    );
    const device = signingKeyFrom(random.bytes(32));
    const { publicKey: loginKey } = deviceLoginKey(device);
    const auth = encodeMessage(1, {
      kind: "auth",
      deviceId: deviceIdFrom(device.publicKey),
      label: "insider",
      proof: proveAuth(device, transcript, loginKey),
      certificate: await makeCertificate(device),
      tcpPort: 0,
      shareDigest: new Uint8Array(32),
      loginKey,
    });
    const sealed = await expect(() => channel.sealFinish(finished.ke3, auth), "sealed");
    const opened = channel.open(sealed.envelope);
    const answer = opened === undefined ? undefined : decodeMessage(opened.payload);
    if (!answer?.ok || answer.value.message.kind !== "authenticated") throw new Error("the insider was not let in");
    return new Insider(random, socket, coordinator, channel);
  }

  /** Says something that fits a datagram. */
  async speak(): Promise<void> {
    let payload: Bytes;
    do payload = this.#payload(); while (payload.length === 0 || payload.length > sealedPayloadBytesMax);
    await this.#socket.send(this.#channel.seal(payload), this.#coordinator);
  }

  [Symbol.dispose](): void {
    this.#socket.close();
  }

  async #receive(): Promise<void> {
    for (;;) {
      const received = await this.#socket.receive();
      if (received === undefined) return;
      const decoded = decodeEnvelope(received.bytes);
      if (decoded.ok && decoded.value.kind === "sealed" && this.#channel.open(decoded.value) !== undefined) {
        this.answers++;
      }
    }
  }

  /** A payload, maybe an empty one or one that is too long. */
  #payload(): Bytes {
    const random = this.#random;
    const { transaction, message } = random.pick(good);
    // LEAVE would end the show.
    if (message.kind === "leave" || random.chance(0.3)) return encodeMessage(this.#transaction++, this.#request());
    if (random.chance(0.1)) return randomBytes(random, 600);
    const number = random.chance(0.8) ? this.#transaction++ : transaction;
    const other = random.pick(good);
    const payload = damage(random, encodeMessage(number, message), encodeMessage(other.transaction, other.message));
    const decoded = decodeMessage(payload);
    return decoded.ok && decoded.value.message.kind === "leave" ? new Uint8Array(0) : payload;
  }

  #request(): Message {
    const random = this.#random;
    const cursor = random.chance(0.5) ? new Uint8Array(0) : randomBytes(random, limits.cursorBytesMax);
    const names = Array.from({ length: random.below(8) }, () => `insider ${random.below(namesMax)}`);
    switch (random.below(5)) {
      case 0:
        return {
          kind: "search",
          ...searchFor(random.pick(searchModes), random.pick(patterns)),
          order: random.pick(searchOrders),
          descending: random.chance(0.5),
          cursor,
        };
      case 1:
        return { kind: "listPeers", cursor };
      case 2:
        return {
          kind: "share",
          entries: names.map((name) => ({
            name,
            id: deviceIdFrom(random.bytes(32)) as never,
            bytes: 1 + random.below(9),
            audience: random.pick(audiences),
            description: random.pick(["", "what it is"]),
          })),
        };
      case 3:
        return { kind: "remove", names, scope: random.pick(["account", "device"] as const) };
      default:
        return { kind: "pathResponse", token: random.bytes(8) };
    }
  }
}

/** Makes a function that waits a while for the next datagram, and copies it; undefined if none comes in time. */
function receiver(socket: UdpSocket): (ms: number) => Promise<Bytes | undefined> {
  // A receive that came too late is the next one's: it would take its datagram.
  let waiting: ReturnType<UdpSocket["receive"]> | undefined;
  return async (ms) => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<"late">((resolve) => timer = setTimeout(() => resolve("late"), ms));
    const received = await Promise.race([waiting ??= socket.receive(), late]);
    clearTimeout(timer);
    if (received === "late") return undefined;
    waiting = undefined;
    return received === undefined ? undefined : new Uint8Array(received.bytes);
  };
}
