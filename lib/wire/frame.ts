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
 *     10 LEAVES   F→H  CBOR [[piece, …]]
 *     11 LEAF_HASHES H→F  piece 0:4, raw: the hashes of its blocks
 *     12 ZDATA    H→F  offset 5:8, bytes of the content 13:4, then these as a zstd frame
 *     13 TAKE     F→H  raw: places in the last SET, a byte each, from 0
 *     14 MISSING  H→F  CBOR [code]: what the TAKE whose turn it is gets instead of DATA
 *     15 ASKED    H→F  CBOR [[piece, …]]: what other devices have asked the holder for
 *     20 SET      F→H  CBOR [ticket, contents]: small contents that TAKEs may ask for
 */

import { type Bytes, copyBytes } from "../core/bytes.ts";
import { fail, ok, type Result } from "../core/errors.ts";
import type { DeviceId } from "../core/ids.ts";
import { limits } from "../core/limits.ts";
import { bytes, decodeCbor, encodeCbor, hexId, list, record, text, uint, type ValueOf } from "./cbor.ts";
import { contentList } from "./content_list.ts";

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
  leaves: 10,
  leafHashes: 11,
  zdata: 12,
  take: 13,
  missing: 14,
  asked: 15,
  set: 20,
} as const;

export const frameHeaderBytes = 5;
/** Header and offset of a DATA frame. */
export const dataHeaderBytes = 13;
/** Header, offset and content bytes of a ZDATA frame. */
export const zdataHeaderBytes = 17;

/** SHA-256. */
const leafBytes = 32;
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

/** Pieces of whose blocks the hashes are wanted. */
const leaves = record({ pieces: list(uint(limits.piecesMax - 1), limits.rangesMax) });

const missing = record({ code: uint(255) });
const set = record({ ticket: bytes(limits.ticketBytesMax, 1), contents: contentList });

/** Pieces that other devices have asked the holder for. */
const asked = record({ pieces: list(uint(limits.piecesMax - 1), limits.rangesMax) });

export type Challenge = ValueOf<typeof challenge>;
export type Hello = ValueOf<typeof hello>;
export type BlockRange = ValueOf<typeof range>;
export type Refused = ValueOf<typeof refused>;
export type Queued = ValueOf<typeof queued>;
/** Small contents that one ticket is for. */
export type TakenSet = ValueOf<typeof set>;

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
  | ({ readonly kind: "queued" } & Queued)
  | { readonly kind: "leaves"; readonly pieces: readonly number[] }
  /** The SHA-256 of each block of a piece, in order. */
  | { readonly kind: "leafHashes"; readonly piece: number; readonly leaves: Bytes }
  | ({ readonly kind: "set" } & TakenSet)
  | { readonly kind: "take"; readonly places: readonly number[] }
  | { readonly kind: "missing"; readonly code: number }
  | { readonly kind: "asked"; readonly pieces: readonly number[] };

/** Bit 7 of `bits[0]` is piece `first`, bit 6 the next: 1 where the holder has it. */
export interface HavePieces {
  readonly first: number;
  readonly bits: Uint8Array;
}

/** Bytes of a bitfield of every piece of the largest file, and the number before it. */
const haveBytesMax = 4 + limits.piecesMax / 8;

/** Bytes of the leaves of the largest piece, and the number before them. */
const leafHashesBytesMax = 4 + limits.pieceBytesMax / limits.blockBytes * leafBytes;

/** The largest payload of each type; a longer one is refused before a byte of it is read. */
export function frameBytesLimit(type: number): number {
  switch (type) {
    case frameTypes.manifest:
      return limits.frameBytesMax;
    case frameTypes.data:
      return limits.frameBytesMax + 8;
    case frameTypes.zdata:
      return limits.frameBytesMax + 12;
    case frameTypes.heartbeat:
      return 0;
    case frameTypes.have:
      return haveBytesMax;
    case frameTypes.request:
    case frameTypes.leaves:
    case frameTypes.asked:
      return 8 * 1024;
    case frameTypes.leafHashes:
      return leafHashesBytesMax;
    case frameTypes.take:
      return limits.setMax;
    case frameTypes.set:
      return 2 * 1024;
    case frameTypes.challenge:
    case frameTypes.hello:
    case frameTypes.refused:
    case frameTypes.queued:
    case frameTypes.missing:
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
  if (type === frameTypes.zdata && length <= 12) return fail("a ZDATA frame without data");
  return ok({ type, length });
}

/** Decodes the payload of any frame but DATA and ZDATA, whose bytes are read straight to where they belong. */
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
    case frameTypes.leaves:
      return tagged("leaves", decodeCbor(payload, leaves));
    case frameTypes.leafHashes:
      return decodeLeafHashes(payload);
    case frameTypes.take:
      return payload.length > 0 ? ok({ kind: "take", places: [...payload] }) : fail("a TAKE of nothing");
    case frameTypes.set:
      return tagged("set", decodeCbor(payload, set));
    case frameTypes.missing:
      return tagged("missing", decodeCbor(payload, missing));
    case frameTypes.asked:
      return tagged("asked", decodeCbor(payload, asked));
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

function decodeLeafHashes(payload: Uint8Array): Result<Frame> {
  const leaves = copyBytes(payload.subarray(4));
  if (leaves.length === 0 || leaves.length % leafBytes !== 0) return fail("a LEAF_HASHES without whole hashes");
  const piece = new DataView(payload.buffer, payload.byteOffset, payload.byteLength).getUint32(0);
  return ok({ kind: "leafHashes", piece, leaves });
}

function encodeLeafHashes(piece: number, leaves: Uint8Array): Bytes {
  const payload = new Uint8Array(4 + leaves.length);
  new DataView(payload.buffer).setUint32(0, piece);
  payload.set(leaves, 4);
  return payload;
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

/** Writes the header of a ZDATA frame: `bytes` of the content, in the `length` compressed ones that follow. */
export function writeZdataHeader(target: Uint8Array, offset: number, bytes: number, length: number): void {
  writeFrameHeader(target, frameTypes.zdata, length + 12);
  const view = new DataView(target.buffer, target.byteOffset, target.byteLength);
  view.setBigUint64(5, BigInt(offset));
  view.setUint32(13, bytes);
}

/**
 * Reads the first twelve bytes of the payload of a ZDATA frame that `length` compressed bytes follow. So what a sender can make us hold
 * is no more than by DATA.
 */
export function decodeZdataHeader(
  payload: Uint8Array,
  length: number,
): Result<{ readonly offset: number; readonly bytes: number }> {
  const bytes = new DataView(payload.buffer, payload.byteOffset, payload.byteLength).getUint32(8);
  if (bytes > limits.frameBytesMax) return fail("a ZDATA frame of too much content");
  if (length >= bytes) return fail("a ZDATA frame that is larger than its content");
  return ok({ offset: readDataOffset(payload), bytes });
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
    case "leaves":
      return frame(frameTypes.leaves, encodeCbor(leaves.toCbor(value)));
    case "leafHashes":
      return frame(frameTypes.leafHashes, encodeLeafHashes(value.piece, value.leaves));
    case "take":
      return frame(frameTypes.take, Uint8Array.from(value.places));
    case "set":
      return frame(frameTypes.set, encodeCbor(set.toCbor(value)));
    case "missing":
      return frame(frameTypes.missing, encodeCbor(missing.toCbor(value)));
    case "asked":
      return frame(frameTypes.asked, encodeCbor(asked.toCbor(value)));
  }
}
