/**
 * envelope: the outside of every datagram. Laws: 1) cleartext kinds exist for the login handshake alone;  2) no answer,
 * refusal, reset or version list is ever answered;  3) decoding returns a result for any bytes.  Numbers are
 * big-endian. Spec: PROTOCOL.md "Envelope".  (pure)
 *
 *     every datagram            offset size
 *       version                    0     1   1; 0 marks a version list
 *       kind                       1     1   table below
 *     1 HELLO     P→C   nonce 2:16, zeros to 64
 *     2 COOKIE    C→P   nonce 2:16, cookie 18:24                                             42 bytes
 *     3 START     P→C   nonce 2:16, cookie 18:24, length 42:2, body 44:length, zeros to 1200
 *     4 REPLY     C→P   nonce 2:16, session 18:8, KE2 26:320                                 346 bytes
 *     5 REFUSED   C→P   nonce 2:16, code 18:1, retry-after seconds 19:2                      21 bytes
 *     6 FINISH    P→C   session 2:8, packet number 10:8, KE3 18:64, sealed 82:…
 *     7 SEALED    both  session 2:8, packet number 10:8, sealed 18:…
 *     8 RESET     C→P   session 2:8, token 10:16                                             26 bytes
 *     9 DEVICE_START P→C   nonce 2:16, cookie 18:24, handshake 42:200                        242 bytes
 *    10 DEVICE_REPLY C→P   nonce 2:16, handshake 18:57                                       75 bytes
 *     version list      version 0, count 1:1, versions 2:count
 */

import { type Bytes, concatBytes } from "../core/bytes.ts";
import { fail, ok, type Result } from "../core/errors.ts";
import type { DeviceId } from "../core/ids.ts";
import { limits } from "../core/limits.ts";
import { protocolVersion } from "../core/version.ts";
import { bytes, decodeCbor, encodeCbor, hexId, optional, record, text, type ValueOf } from "./cbor.ts";

export const envelopeKinds = {
  hello: 1,
  cookie: 2,
  start: 3,
  reply: 4,
  refused: 5,
  finish: 6,
  sealed: 7,
  reset: 8,
  deviceStart: 9,
  deviceReply: 10,
} as const;

export const envelopeSizes = {
  nonce: 16,
  cookie: 24,
  sessionId: 8,
  resetToken: 16,
  ke1: 96,
  ke2: 320,
  ke3: 64,
  /** version, kind, session id, packet number: authenticated, not encrypted. */
  sealedHeader: 18,
  finishHeader: 82,
  /** version, kind, nonce, cookie: the handshake's prologue. */
  deviceStartHeader: 42,
  /** The handshake's messages: lib/wire/device_login.ts. */
  deviceStart: 200,
  deviceReply: 57,
  tag: 16,
} as const;

/** The most that a sealed payload may have in plaintext. */
export const sealedPayloadBytesMax = limits.datagramBytesMax - envelopeSizes.sealedHeader - envelopeSizes.tag;

/** What START carries. A device that the account knows signs `startProof` and so gets its own allowance of tries. */
const startBody = record({
  account: text(limits.accountBytesMax, 1),
  ke1: bytes(envelopeSizes.ke1),
  device: optional(record({ id: hexId<DeviceId>(), signature: bytes(64) })),
});
export type StartBody = ValueOf<typeof startBody>;

/** A decoded datagram. Byte fields are views into the datagram: copy what outlives it. */
export type Envelope =
  | { readonly kind: "hello"; readonly nonce: Uint8Array }
  | { readonly kind: "cookie"; readonly nonce: Uint8Array; readonly cookie: Uint8Array }
  | { readonly kind: "start"; readonly nonce: Uint8Array; readonly cookie: Uint8Array; readonly body: StartBody }
  | { readonly kind: "reply"; readonly nonce: Uint8Array; readonly sessionId: bigint; readonly ke2: Uint8Array }
  | { readonly kind: "refused"; readonly nonce: Uint8Array; readonly code: number; readonly retryAfterMs: number }
  | {
    readonly kind: "finish";
    readonly sessionId: bigint;
    readonly packetNumber: bigint;
    readonly ke3: Uint8Array;
    readonly header: Uint8Array;
    readonly sealed: Uint8Array;
  }
  | {
    readonly kind: "sealed";
    readonly sessionId: bigint;
    readonly packetNumber: bigint;
    readonly header: Uint8Array;
    readonly sealed: Uint8Array;
  }
  | { readonly kind: "reset"; readonly sessionId: bigint; readonly token: Uint8Array }
  | {
    readonly kind: "deviceStart";
    readonly nonce: Uint8Array;
    readonly cookie: Uint8Array;
    readonly header: Uint8Array;
    readonly message: Uint8Array;
  }
  | { readonly kind: "deviceReply"; readonly nonce: Uint8Array; readonly message: Uint8Array }
  | { readonly kind: "versions"; readonly versions: readonly number[] }
  | { readonly kind: "unknownVersion"; readonly version: number };

function view(datagram: Uint8Array): DataView {
  return new DataView(datagram.buffer, datagram.byteOffset, datagram.byteLength);
}

/** The numbers of SEALED on their way in or out: a view of each datagram costs more than what is done with it. */
const numbersBytes = new Uint8Array(16);
const numbersView = view(numbersBytes);

/** Decodes the outside of a datagram. The kinds that only one side may send are refused by that side's role, not here. */
export function decodeEnvelope(datagram: Uint8Array): Result<Envelope> {
  if (datagram.length < 2) return fail("shorter than a header");
  if (datagram.length > limits.datagramBytesMax) return fail("longer than a datagram may be");
  const version = datagram[0]!;
  if (version === 0) {
    const count = datagram[1]!;
    if (count === 0 || datagram.length !== 2 + count) return fail("a version list of the wrong length");
    return ok({ kind: "versions", versions: [...datagram.subarray(2)] });
  }
  if (version !== protocolVersion) return ok({ kind: "unknownVersion", version });
  if (datagram[1] === envelopeKinds.sealed) return decodeSealed(datagram);
  const part = (offset: number, size: number) => datagram.subarray(offset, offset + size);
  const numbers = view(datagram);
  switch (datagram[1]) {
    case envelopeKinds.hello:
      if (datagram.length !== limits.helloBytes) return fail("HELLO of the wrong length");
      return ok({ kind: "hello", nonce: part(2, 16) });
    case envelopeKinds.cookie:
      if (datagram.length !== 42) return fail("COOKIE of the wrong length");
      return ok({ kind: "cookie", nonce: part(2, 16), cookie: part(18, 24) });
    case envelopeKinds.start: {
      if (datagram.length !== limits.datagramBytesMax) return fail("START is not padded");
      const length = numbers.getUint16(42);
      if (44 + length > datagram.length) return fail("START's body is longer than the datagram");
      const body = decodeCbor(part(44, length), startBody);
      if (!body.ok) return body;
      return ok({ kind: "start", nonce: part(2, 16), cookie: part(18, 24), body: body.value });
    }
    case envelopeKinds.reply:
      if (datagram.length !== 346) return fail("REPLY of the wrong length");
      return ok({ kind: "reply", nonce: part(2, 16), sessionId: numbers.getBigUint64(18), ke2: part(26, 320) });
    case envelopeKinds.refused:
      if (datagram.length !== 21) return fail("REFUSED of the wrong length");
      return ok({
        kind: "refused",
        nonce: part(2, 16),
        code: datagram[18]!,
        retryAfterMs: numbers.getUint16(19) * 1000,
      });
    case envelopeKinds.finish:
      if (datagram.length <= envelopeSizes.finishHeader + envelopeSizes.tag) return fail("FINISH is too short");
      return ok({
        kind: "finish",
        sessionId: numbers.getBigUint64(2),
        packetNumber: numbers.getBigUint64(10),
        ke3: part(18, 64),
        header: part(0, envelopeSizes.finishHeader),
        sealed: datagram.subarray(envelopeSizes.finishHeader),
      });
    case envelopeKinds.reset:
      if (datagram.length !== 26) return fail("RESET of the wrong length");
      return ok({ kind: "reset", sessionId: numbers.getBigUint64(2), token: part(10, 16) });
    case envelopeKinds.deviceStart:
      if (datagram.length !== 242) return fail("DEVICE_START of the wrong length");
      return ok({
        kind: "deviceStart",
        nonce: part(2, 16),
        cookie: part(18, 24),
        header: part(0, envelopeSizes.deviceStartHeader),
        message: part(42, envelopeSizes.deviceStart),
      });
    case envelopeKinds.deviceReply:
      if (datagram.length !== 75) return fail("DEVICE_REPLY of the wrong length");
      return ok({ kind: "deviceReply", nonce: part(2, 16), message: part(18, envelopeSizes.deviceReply) });
    default:
      return fail("an unknown kind");
  }
}

/** The kind that nearly all datagrams are of, on a way of its own: it makes as little as it can. */
function decodeSealed(datagram: Uint8Array): Result<Envelope> {
  const { sealedHeader: size, tag } = envelopeSizes;
  if (datagram.length <= size + tag) return fail("SEALED is too short");
  for (let i = 0; i < 16; i++) numbersBytes[i] = datagram[2 + i]!;
  return ok({
    kind: "sealed",
    sessionId: numbersView.getBigUint64(0),
    packetNumber: numbersView.getBigUint64(8),
    header: datagram.subarray(0, size),
    sealed: datagram.subarray(size),
  });
}

function cleartext(kind: keyof typeof envelopeKinds, size: number, nonce: Uint8Array): Bytes {
  if (nonce.length !== envelopeSizes.nonce) throw new RangeError("A nonce has 16 bytes");
  const datagram = new Uint8Array(size);
  datagram[0] = protocolVersion;
  datagram[1] = envelopeKinds[kind];
  datagram.set(nonce, 2);
  return datagram;
}

/** Encodes the first message of a login: a padded request for a cookie. */
export function encodeHello(nonce: Uint8Array): Bytes {
  return cleartext("hello", limits.helloBytes, nonce);
}

/** Encodes the stateless answer to HELLO. */
export function encodeCookie(nonce: Uint8Array, cookie: Uint8Array): Bytes {
  const datagram = cleartext("cookie", 42, nonce);
  datagram.set(cookie, 18);
  return datagram;
}

/** Encodes the message that starts OPAQUE, padded so that no answer to it is larger. */
export function encodeStart(nonce: Uint8Array, cookie: Uint8Array, body: StartBody): Bytes {
  const encoded = encodeCbor(startBody.toCbor(body));
  const datagram = cleartext("start", limits.datagramBytesMax, nonce);
  datagram.set(cookie, 18);
  view(datagram).setUint16(42, encoded.length);
  datagram.set(encoded, 44);
  return datagram;
}

/** Encodes the coordinator's OPAQUE message and the id of the session to be. */
export function encodeReply(nonce: Uint8Array, sessionId: bigint, ke2: Uint8Array): Bytes {
  const datagram = cleartext("reply", 346, nonce);
  view(datagram).setBigUint64(18, sessionId);
  datagram.set(ke2, 26);
  return datagram;
}

/** Builds the header of DEVICE_START, which its handshake is bound to. */
export function deviceStartHeader(nonce: Uint8Array, cookie: Uint8Array): Bytes {
  const header = cleartext("deviceStart", envelopeSizes.deviceStartHeader, nonce);
  header.set(cookie, 18);
  return header;
}

/** Encodes the first message of a login by key; of one size whatever is in it, and larger than any answer to it. */
export function encodeDeviceStart(header: Uint8Array, message: Uint8Array): Bytes {
  if (message.length !== envelopeSizes.deviceStart) throw new RangeError("The handshake's first message has 200 bytes");
  return concatBytes(header, message);
}

/** Encodes its answer; of one size whether the device may log in or not. */
export function encodeDeviceReply(nonce: Uint8Array, message: Uint8Array): Bytes {
  if (message.length !== envelopeSizes.deviceReply) throw new RangeError("The handshake's second message has 57 bytes");
  const datagram = cleartext("deviceReply", 75, nonce);
  datagram.set(message, 18);
  return datagram;
}

/** Encodes a refusal; it says nothing about whether the account exists. `retryAfterMs` is rounded up to seconds. */
export function encodeRefused(nonce: Uint8Array, code: number, retryAfterMs: number): Bytes {
  const datagram = cleartext("refused", 21, nonce);
  datagram[18] = code;
  view(datagram).setUint16(19, Math.min(65_535, Math.ceil(retryAfterMs / 1000)));
  return datagram;
}

/** Builds the authenticated header of SEALED. */
export function sealedHeader(sessionId: bigint, packetNumber: bigint): Bytes {
  const header = new Uint8Array(envelopeSizes.sealedHeader);
  writeSealedHeader(header, sessionId, packetNumber);
  return header;
}

/** Writes the authenticated header of SEALED where a datagram begins. */
export function writeSealedHeader(datagram: Uint8Array, sessionId: bigint, packetNumber: bigint): void {
  numbersView.setBigUint64(0, sessionId);
  numbersView.setBigUint64(8, packetNumber);
  datagram[0] = protocolVersion;
  datagram[1] = envelopeKinds.sealed;
  datagram.set(numbersBytes, 2);
}

/** Builds the authenticated header of FINISH, which carries KE3 before the first sealed payload. */
export function finishHeader(sessionId: bigint, packetNumber: bigint, ke3: Uint8Array): Bytes {
  const header = new Uint8Array(envelopeSizes.finishHeader);
  writeSealedHeader(header, sessionId, packetNumber);
  header[1] = envelopeKinds.finish;
  header.set(ke3, 18);
  return header;
}

/** Encodes the stateless reset of a session that the coordinator no longer knows (RFC 9000 §10.3). */
export function encodeReset(sessionId: bigint, token: Uint8Array): Bytes {
  const datagram = new Uint8Array(26);
  datagram[0] = protocolVersion;
  datagram[1] = envelopeKinds.reset;
  view(datagram).setBigUint64(2, sessionId);
  datagram.set(token, 10);
  return datagram;
}

/** Encodes the answer to a datagram of an unknown version; three bytes, smaller than any request we answer. */
export function encodeVersions(): Bytes {
  return new Uint8Array([0, 1, protocolVersion]);
}
