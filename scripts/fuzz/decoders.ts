/**
 * decoders: damaged input for everything that reads bytes or names from a network, in this process. Laws held: 1) a decoder answers a
 * result for any bytes and never throws;  2) what it accepts is legal: it encodes again, and reads back as the same value;
 * 3) a path that `safePath` lets through stays below its folder.
 */

import { deepStrictEqual } from "node:assert";
import { certificateKey, makeCertificate } from "../../lib/net/certificate.ts";
import { type Bytes, utf8 } from "../../lib/core/bytes.ts";
import type { Result } from "../../lib/core/errors.ts";
import { parseContentId } from "../../lib/core/ids.ts";
import { safePath } from "../../lib/content/safe_path.ts";
import { openTicket } from "../../lib/session/ticket.ts";
import { dhKeyFrom } from "../../lib/session/dh_key.ts";
import { initiate, receive } from "../../lib/session/noise_ik.ts";
import { decodeDeviceClaim, encodeDeviceClaim } from "../../lib/wire/device_login.ts";
import {
  decodeEnvelope,
  deviceStartHeader,
  encodeCookie,
  encodeDeviceReply,
  encodeDeviceStart,
  encodeHello,
  encodeRefused,
  encodeReply,
  encodeReset,
  encodeStart,
  encodeVersions,
  finishHeader,
  sealedHeader,
} from "../../lib/wire/envelope.ts";
import { compress, decompress } from "../../lib/transfer/compression.ts";
import {
  decodeFrame,
  decodeFrameHeader,
  decodeZdataHeader,
  encodeFrame,
  frameHeaderBytes,
  frameTypes,
  writeZdataHeader,
  zdataHeaderBytes,
} from "../../lib/wire/frame.ts";
import { decodeMessage, encodeMessage } from "../../lib/wire/message.ts";
import { decodeTicket, encodeTicket } from "../../lib/wire/ticket.ts";
import type { Seeded } from "../../tests/sim/seeded.ts";
import * as samples from "../../tests/wire/samples.ts";
import { damage, randomBytes } from "./damage.ts";

const { nonce, cookie, sessionId } = samples;

/** The first message of a login by key, and who can read it. */
const responder = dhKeyFrom(new Uint8Array(32).fill(1));
const { message: deviceStart } = initiate(nonce, {
  own: dhKeyFrom(new Uint8Array(32).fill(2)),
  ephemeral: dhKeyFrom(new Uint8Array(32).fill(3)),
  remoteStatic: responder.publicKey,
}, encodeDeviceClaim({ account: "ada", deviceId: samples.deviceId }))!;

/** What is damaged, and how it is read; a reader throws where a law is broken. */
const targets: readonly { readonly name: string; readonly good: readonly Bytes[]; read(bytes: Bytes): boolean }[] = [
  {
    name: "decodeEnvelope",
    good: [
      encodeHello(nonce),
      encodeCookie(nonce, cookie),
      encodeStart(nonce, cookie, samples.startBody),
      encodeReply(nonce, sessionId, samples.ke2),
      encodeRefused(nonce, 13, 5_000),
      new Uint8Array([...finishHeader(sessionId, 0n, samples.ke3), ...samples.sequence(0, 40)]),
      new Uint8Array([...sealedHeader(sessionId, 1n), ...samples.sequence(0, 40)]),
      encodeReset(sessionId, samples.sequence(0, 16)),
      encodeDeviceStart(deviceStartHeader(nonce, cookie), samples.sequence(0, 200)),
      encodeDeviceReply(nonce, samples.sequence(0, 57)),
      encodeVersions(),
    ],
    read: (bytes) => decodeEnvelope(bytes).ok,
  },
  {
    name: "decodeDeviceClaim",
    good: [encodeDeviceClaim({ account: "ada", deviceId: samples.deviceId })],
    read: (bytes) => readsBack(decodeDeviceClaim(bytes), (claim) => decodeDeviceClaim(encodeDeviceClaim(claim))),
  },
  {
    name: "receive",
    good: [deviceStart],
    read: (bytes) => receive(nonce, responder, bytes) !== undefined,
  },
  {
    name: "decodeMessage",
    good: Object.values(samples.messages).map(({ transaction, message }) => encodeMessage(transaction, message)),
    read: (bytes) =>
      readsBack(decodeMessage(bytes), ({ transaction, message }) => decodeMessage(encodeMessage(transaction, message))),
  },
  {
    name: "decodeFrame",
    good: Object.values(samples.frames).map(encodeFrame),
    read(bytes) {
      const header = decodeFrameHeader(bytes);
      if (!header.ok) return false;
      const { type, length } = header.value;
      const payload = bytes.subarray(frameHeaderBytes, frameHeaderBytes + length);
      return readsBack(decodeFrame(type, payload), (frame) => {
        return decodeFrame(type, encodeFrame(frame).subarray(frameHeaderBytes));
      });
    },
  },
  {
    name: "ZDATA",
    good: [zdataFrame(samples.sequence(0, 200)), zdataFrame(new Uint8Array(5000))],
    read(bytes) {
      const header = decodeFrameHeader(bytes);
      if (!header.ok || header.value.type !== frameTypes.zdata || bytes.length < zdataHeaderBytes) return false;
      const packed = bytes.subarray(zdataHeaderBytes);
      const head = decodeZdataHeader(bytes.subarray(frameHeaderBytes, zdataHeaderBytes), packed.length);
      if (!head.ok) return false;
      const whole = decompress(packed, head.value.bytes);
      if (whole !== undefined && whole.length !== head.value.bytes) throw new Error("ZDATA that is not what it says");
      return whole !== undefined;
    },
  },
  {
    name: "decodeTicket",
    good: [encodeTicket({
      account: "ada",
      deviceId: samples.deviceId,
      id: samples.first,
      bytes: 1000,
      share: 7,
      expiresAtMs: 1_893_499_200_000,
    })],
    read(bytes) {
      const keys = [{ day: 0, key: new Uint8Array(32) }];
      if (openTicket(keys, bytes).ok) throw new Error("a ticket that nobody sealed");
      return readsBack(decodeTicket(bytes), (ticket) => decodeTicket(encodeTicket(ticket)));
    },
  },
  {
    name: "certificateKey",
    good: [await makeCertificate(samples.device)],
    read: (bytes) => certificateKey(bytes) !== undefined,
  },
  {
    name: "safePath",
    good: ["a/b.txt", "ＣＯＮ/..\\x", "../../etc/passwd", "e\u0301/\u202egnp.exe", "a//b/./c ", "nul.tar.gz"].map(utf8),
    read(bytes) {
      const name = new TextDecoder().decode(bytes);
      parseContentId(name);
      const path = safePath(name);
      if (path.ok) assertBelow(path.value);
      return path.ok;
    },
  },
];

function zdataFrame(content: Uint8Array): Bytes {
  const packed = compress(content);
  const frame = new Uint8Array(zdataHeaderBytes + packed.length);
  writeZdataHeader(frame, 0, content.length, packed.length);
  frame.set(packed, zdataHeaderBytes);
  return frame;
}

function readsBack<T>(decoded: Result<T>, again: (value: T) => Result<T>): boolean {
  if (!decoded.ok) return false;
  deepStrictEqual(again(decoded.value), decoded);
  return true;
}

function assertBelow(path: string): void {
  const parts = path.split("/");
  if (parts.some((part) => part === "" || part === "." || part === "..") || /[\\\p{Cc}]/u.test(path)) {
    throw new Error(`safePath() let ${JSON.stringify(path)} through`);
  }
  deepStrictEqual(safePath(path), { ok: true, value: path });
}

/** How many inputs each reader was given, and how many of them it took. */
export interface DecoderFigures {
  readonly name: string;
  readonly inputs: number;
  readonly accepted: number;
}

/** Gives each reader `count` inputs. @throws {Error} If a law is broken, with the input in hex. */
export function fuzzDecoders(random: Seeded, count: number): DecoderFigures[] {
  return targets.map(({ name, good, read }) => {
    let accepted = 0;
    for (let i = 0; i < count; i++) {
      const bytes = random.chance(0.1)
        ? randomBytes(random, 1300)
        : damage(random, random.pick(good), random.pick(good));
      try {
        if (read(bytes)) accepted++;
      } catch (error) {
        throw new Error(`${name} broke a law on ${bytes.toHex()}`, { cause: error });
      }
    }
    return { name, inputs: count, accepted };
  });
}
