/**
 * hostile_source: the datagrams of somebody who has no account and means no good: junk, right headers around junk, what
 * is recorded of every kind (tests/vectors), damaged, and what he saw of others' traffic, whole or damaged; and what he says when he is answered.  (pure but for OPAQUE's own randomness)
 */

import type { Bytes } from "../../lib/core/bytes.ts";
import { concatBytes } from "../../lib/core/bytes.ts";
import { deviceIdFrom } from "../../lib/core/ids.ts";
import { limits } from "../../lib/core/limits.ts";
import { protocolVersion } from "../../lib/core/version.ts";
import { startLogin } from "../../lib/session/opaque.ts";
import { dhKeyFrom } from "../../lib/session/dh_key.ts";
import { initiate } from "../../lib/session/noise_ik.ts";
import { encodeDeviceClaim } from "../../lib/wire/device_login.ts";
import {
  decodeEnvelope,
  deviceStartHeader,
  encodeDeviceStart,
  encodeHello,
  encodeStart,
  envelopeKinds,
  envelopeSizes,
  finishHeader,
  sealedHeader,
} from "../../lib/wire/envelope.ts";
import type { Seeded } from "../../tests/sim/seeded.ts";
import { loadVectors } from "../../tests/vectors/load.ts";
import { damage, randomBytes } from "./damage.ts";

/** Datagrams seen that are kept, the newest. */
const seenMax = 512;

/** The ways of making one, with how often each is taken; the names are those of the report. */
const weights = { junk: 2, header: 3, hello: 2, session: 1, seen: 4, damaged: 6, vector: 2 } as const;

/** `answer`: what is said to an answer. */
export type HostileKind = keyof typeof weights | "answer";
export const hostileKinds: readonly HostileKind[] = [...Object.keys(weights) as (keyof typeof weights)[], "answer"];

const lots = Object.entries(weights).flatMap(([kind, weight]) => Array(weight).fill(kind)) as (keyof typeof weights)[];

/** What each kind's length is, so that its body is read at all. */
const lengths: Readonly<Record<number, number>> = {
  [envelopeKinds.hello]: limits.helloBytes,
  [envelopeKinds.cookie]: 42,
  [envelopeKinds.start]: limits.datagramBytesMax,
  [envelopeKinds.reply]: 346,
  [envelopeKinds.refused]: 21,
  [envelopeKinds.reset]: 26,
  [envelopeKinds.deviceStart]: 242,
  [envelopeKinds.deviceReply]: 75,
};

export interface Hostile {
  readonly kind: HostileKind;
  readonly bytes: Bytes;
}

export class HostileSource {
  readonly #random: Seeded;
  readonly #accounts: readonly string[];
  readonly #seen: Bytes[] = [];
  #seenCount = 0;
  readonly #vectors = [...loadVectors("envelopes.txt").values()];
  /** The coordinator's login key, as anybody knows it who once had an account. */
  loginKey: Bytes = new Uint8Array(32).fill(9);

  /** `accounts`: names that he tries; he makes up others too. */
  constructor(random: Seeded, accounts: readonly string[]) {
    this.#random = random;
    this.#accounts = accounts;
  }

  /** Shows him a datagram of somebody else. */
  show(datagram: Uint8Array): void {
    this.#seen[this.#seenCount++ % seenMax] = new Uint8Array(datagram);
  }

  next(): Hostile {
    const random = this.#random;
    const kind = this.#seen.length === 0 ? "junk" : random.pick(lots);
    switch (kind) {
      case "junk":
        return { kind, bytes: randomBytes(random, limits.datagramBytesMax + 200) };
      case "header":
        return { kind, bytes: this.#rightHeader() };
      case "hello":
        return this.hello();
      case "session":
        return { kind, bytes: this.#intoSession() };
      case "seen":
        return { kind, bytes: random.pick(this.#seen) };
      case "vector":
        return { kind, bytes: damage(random, random.pick(this.#vectors), random.pick(this.#seen)) };
      case "damaged":
        return { kind, bytes: damage(random, random.pick(this.#seen), random.pick(this.#seen)) };
    }
  }

  /** The beginning of a login, which `answer` goes on with: what costs the coordinator most. */
  hello(): Hostile {
    return { kind: "hello", bytes: encodeHello(this.#random.bytes(envelopeSizes.nonce)) };
  }

  /** What he says to an answer: with a good cookie a START or a DEVICE_START, with a REPLY a FINISH; undefined to all else. */
  answer(datagram: Uint8Array): Hostile | undefined {
    const random = this.#random;
    const decoded = decodeEnvelope(datagram);
    if (!decoded.ok) return undefined;
    const envelope = decoded.value;
    if (envelope.kind === "cookie" && random.chance(0.4)) {
      const start = this.#deviceStart(envelope.nonce, envelope.cookie);
      return { kind: "answer", bytes: start };
    }
    if (envelope.kind === "cookie") {
      const start = encodeStart(envelope.nonce, envelope.cookie, {
        account: random.chance(0.5) ? random.pick(this.#accounts) : `nobody${random.below(1e6)}`,
        ke1: random.chance(0.2) ? startLogin("a guess").ke1 : random.bytes(envelopeSizes.ke1),
        device: random.chance(0.5) ? null : { id: deviceIdFrom(random.bytes(32)), signature: random.bytes(64) },
      });
      // The nonce and the cookie stay: what is behind them is what a proven address may damage.
      const head = start.slice(0, 42);
      const bytes = random.chance(0.5) ? start : damage(random, start, start);
      bytes.set(head.subarray(0, bytes.length));
      return { kind: "answer", bytes };
    }
    if (envelope.kind === "reply") {
      const header = finishHeader(envelope.sessionId, BigInt(random.below(3)), random.bytes(envelopeSizes.ke3));
      return { kind: "answer", bytes: concatBytes(header, random.bytes(17 + random.below(900))) };
    }
    return undefined;
  }

  /** A login by a key of his own, as any account or device; or one that nobody can read. */
  #deviceStart(nonce: Uint8Array, cookie: Uint8Array): Bytes {
    const random = this.#random;
    const header = deviceStartHeader(nonce, cookie);
    const keys = {
      own: dhKeyFrom(random.bytes(32)),
      ephemeral: dhKeyFrom(random.bytes(32)),
      remoteStatic: this.loginKey,
    };
    const claim = random.chance(0.8)
      ? encodeDeviceClaim({ account: random.pick(this.#accounts), deviceId: deviceIdFrom(random.bytes(32)) })
      : random.bytes(104);
    const begun = random.chance(0.7) ? initiate(header, keys, claim) : undefined;
    const message = begun?.message ?? random.bytes(envelopeSizes.deviceStart);
    if (random.chance(0.2)) message[random.below(message.length)]! ^= 1 << random.below(8);
    return encodeDeviceStart(header, message);
  }

  /** A version and a kind, mostly ours, the kind's length, and junk. */
  #rightHeader(): Bytes {
    const random = this.#random;
    const kind = random.below(13);
    const bytes = random.bytes(lengths[kind] ?? 19 + random.below(limits.datagramBytesMax));
    bytes[0] = random.chance(0.8) ? protocolVersion : random.below(256);
    bytes[1] = kind;
    return bytes;
  }

  /** Junk under the session id of a datagram that he saw, with a packet number that is far ahead. */
  #intoSession(): Bytes {
    const random = this.#random;
    const decoded = decodeEnvelope(random.pick(this.#seen));
    const id = decoded.ok && "sessionId" in decoded.value ? decoded.value.sessionId : BigInt(random.below(2 ** 31));
    const packetNumber = random.chance(0.1) ? 2n ** 64n - 1n : BigInt(random.below(2 ** 31));
    return concatBytes(sealedHeader(id, packetNumber), random.bytes(17 + random.below(200)));
  }
}
