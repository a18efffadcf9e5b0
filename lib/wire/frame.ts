/**
 * frame: what travels on a transfer connection, inside TLS. Laws: 1) a frame is length-prefixed and bounded before it is
 * read;  2) raw bytes (DATA, MANIFEST) follow their header without another copy or encoding.  Numbers are big-endian.
 * Spec: PROTOCOL.md "Transfer".  (pure)
 *
 *     header      length 0:4 (of what follows the header), type 4:1
 *     1 CHALLENGE H→F  CBOR [version, nonce 32]
 *     2 HELLO     F→H  CBOR [ticket, deviceId, accountKey, deviceSignature, proof]
 *     3 MANIFEST  H→F  raw: the next slice of the piece layer
 *     4 REQUEST   F→H  CBOR [[first block, blocks], …]
 *     5 DATA      H→F  offset 5:8, raw bytes
 *     6 REFUSED   H→F  CBOR [code, text, retryAfterMs]; the connection ends
 *     7 HEARTBEAT both empty
 *     8 HAVE      H→F  empty: all pieces; else first piece 0:4, and a bit for each from there on, the highest of a byte first
 *     9 QUEUED    H→F  CBOR [place, expectedMs]
 */

import type { Bytes } from "../core/bytes.ts";
import { fail, ok, type Result } from "../core/errors.ts";
import type { DeviceId } from "../core/ids.ts";
import { limits } from "../core/limits.ts";
import { bytes, decodeCbor, encodeCbor, hexId, list, record, text, uint, type ValueOf } from "./cbor.ts";

export const frameTypes = {
  challenge: 1,
  hello: 2,
  manifest: 3,
  request: 4,
  data: 5,
  refused: 6,
  heartbeat: 7,
  have: 8,
  queued: 9,
} as const;

export const frameHeaderBytes = 5;
/** Header and offset of a DATA frame. */
export const dataHeaderBytes = 13;

const blockMax = limits.fileBytesMax / limits.blockBytes;

const challenge = record({ version: uint(255, 1), nonce: bytes(32) });
const hello = record({
  ticket: bytes(limits.ticketBytesMax, 1),
  deviceId: hexId<DeviceId>(),
  accountKey: bytes(32),
  deviceSignature: bytes(64),
  /** The device key's signature of `transferProof(certificate hash, nonce, ticket)`. */
  proof: bytes(64),
});
/** Blocks `first … first + count − 1` of 16 KiB; the content's last block may be short. */
const range = record({ first: uint(blockMax), count: uint(blockMax, 1) });
const request = record({ ranges: list(range, limits.rangesMax) });
const refused = record({
  code: uint(255),
  text: text(limits.errorTextBytesMax),
  retryAfterMs: uint(3_600_000),
});

/** The place in the holder's queue, from 1, and when it will be served, as far as one can tell. */
const queued = record({ place: uint(65_535, 1), expectedMs: uint(3_600_000) });

export type Challenge = ValueOf<typeof challenge>;
export type Hello = ValueOf<typeof hello>;
export type BlockRange = ValueOf<typeof range>;
export type Refused = ValueOf<typeof refused>;
export type Queued = ValueOf<typeof queued>;

/** A decoded frame; raw bytes are views into the payload given. */
export type Frame =
  | ({ readonly kind: "challenge" } & Challenge)
  | ({ readonly kind: "hello" } & Hello)
  | { readonly kind: "manifest"; readonly slice: Uint8Array }
  | { readonly kind: "request"; readonly ranges: readonly BlockRange[] }
  | ({ readonly kind: "refused" } & Refused)
  | { readonly kind: "heartbeat" }
  /** Pieces that the holder has; undefined: all of them. Follows MANIFEST, and again as it gets more. */
  | { readonly kind: "have"; readonly pieces: HavePieces | undefined }
  | ({ readonly kind: "queued" } & Queued);

/** Bit 7 of `bits[0]` is piece `first`, bit 6 the next: 1 where the holder has it. */
export interface HavePieces {
  readonly first: number;
  readonly bits: Uint8Array;
}

/** Bytes of a bitfield of every piece of the largest file, and the number before it. */
const haveBytesMax = 4 + limits.piecesMax / 8;

/** The largest payload of each type; a longer one is refused before a byte of it is read. */
export function frameBytesLimit(type: number): number {
  switch (type) {
    case frameTypes.manifest:
      return limits.frameBytesMax;
    case frameTypes.data:
      return limits.frameBytesMax + 8;
    case frameTypes.heartbeat:
      return 0;
    case frameTypes.have:
      return haveBytesMax;
    case frameTypes.request:
      return 8 * 1024;
    case frameTypes.challenge:
    case frameTypes.hello:
    case frameTypes.refused:
    case frameTypes.queued:
      return 1024;
    default:
      return -1;
  }
}

/** Reads a header; refuses unknown types and lengths over the type's limit. */
export function decodeFrameHeader(header: Uint8Array): Result<{ readonly type: number; readonly length: number }> {
  if (header.length < frameHeaderBytes) return fail("shorter than a frame header");
  const length = new DataView(header.buffer, header.byteOffset, header.byteLength).getUint32(0);
  const type = header[4]!;
  const limit = frameBytesLimit(type);
  if (limit < 0) return fail("an unknown frame type");
  if (length > limit) return fail("a frame over its limit");
  if (type === frameTypes.data && length <= 8) return fail("a DATA frame without data");
  return ok({ type, length });
}

/** Decodes the payload of any frame but DATA, whose bytes are read straight to where they belong. */
export function decodeFrame(type: number, payload: Uint8Array): Result<Frame> {
  switch (type) {
    case frameTypes.challenge:
      return tagged("challenge", decodeCbor(payload, challenge));
    case frameTypes.hello:
      return tagged("hello", decodeCbor(payload, hello));
    case frameTypes.manifest:
      return ok({ kind: "manifest", slice: payload });
    case frameTypes.request:
      return tagged("request", decodeCbor(payload, request));
    case frameTypes.refused:
      return tagged("refused", decodeCbor(payload, refused));
    case frameTypes.heartbeat:
      return payload.length === 0 ? ok({ kind: "heartbeat" }) : fail("a HEARTBEAT with a payload");
    case frameTypes.have:
      return decodeHave(payload);
    case frameTypes.queued:
      return tagged("queued", decodeCbor(payload, queued));
    default:
      return fail("a frame that has no place here");
  }
}

function decodeHave(payload: Uint8Array): Result<Frame> {
  if (payload.length === 0) return ok({ kind: "have", pieces: undefined });
  if (payload.length <= 4) return fail("a HAVE without pieces");
  const first = new DataView(payload.buffer, payload.byteOffset, payload.byteLength).getUint32(0);
  return ok({ kind: "have", pieces: { first, bits: payload.subarray(4) } });
}

function encodeHave(pieces: HavePieces | undefined): Bytes {
  if (pieces === undefined) return new Uint8Array(0);
  const payload = new Uint8Array(4 + pieces.bits.length);
  new DataView(payload.buffer).setUint32(0, pieces.first);
  payload.set(pieces.bits, 4);
  return payload;
}

function tagged<K extends string, T extends object>(kind: K, result: Result<T>): Result<{ kind: K } & T> {
  return result.ok ? ok({ kind, ...result.value }) : result;
}

/** Writes a frame's header into `target` at 0. */
export function writeFrameHeader(target: Uint8Array, type: number, length: number): void {
  new DataView(target.buffer, target.byteOffset, target.byteLength).setUint32(0, length);
  target[4] = type;
}

/** Writes the header and offset of a DATA frame that `length` raw bytes follow. */
export function writeDataHeader(target: Uint8Array, offset: number, length: number): void {
  writeFrameHeader(target, frameTypes.data, length + 8);
  new DataView(target.buffer, target.byteOffset, target.byteLength).setBigUint64(5, BigInt(offset));
}

/** Reads the offset of a DATA frame from its payload's first eight bytes; over 2^53 reads as not a number of ours: -1. */
export function readDataOffset(payload: Uint8Array): number {
  const offset = new DataView(payload.buffer, payload.byteOffset, payload.byteLength).getBigUint64(0);
  return offset > BigInt(Number.MAX_SAFE_INTEGER) ? -1 : Number(offset);
}

function frame(type: number, payload: Uint8Array): Bytes {
  if (payload.length > frameBytesLimit(type)) throw new RangeError("A frame over its limit");
  const encoded = new Uint8Array(frameHeaderBytes + payload.length);
  writeFrameHeader(encoded, type, payload.length);
  encoded.set(payload, frameHeaderBytes);
  return encoded;
}

/** Encodes a whole frame, header included. */
export function encodeFrame(value: Frame): Bytes {
  switch (value.kind) {
    case "challenge":
      return frame(frameTypes.challenge, encodeCbor(challenge.toCbor(value)));
    case "hello":
      return frame(frameTypes.hello, encodeCbor(hello.toCbor(value)));
    case "manifest":
      return frame(frameTypes.manifest, value.slice);
    case "request":
      return frame(frameTypes.request, encodeCbor(request.toCbor(value)));
    case "refused":
      return frame(frameTypes.refused, encodeCbor(refused.toCbor(value)));
    case "heartbeat":
      return frame(frameTypes.heartbeat, new Uint8Array(0));
    case "have":
      return frame(frameTypes.have, encodeHave(value.pieces));
    case "queued":
      return frame(frameTypes.queued, encodeCbor(queued.toCbor(value)));
  }
}
