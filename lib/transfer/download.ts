/**
 * download: fetches pieces from one holder over one connection, straight from CHALLENGE to the last piece. Laws: 1) the manifest is
 * checked against (id, bytes) before any piece is asked for, and each piece against the manifest before it is written or counted;
 * 2) a wrong byte names its sender;  3) the holder answers what was asked, in that order: anything else is a broken rule;  4) a piece
 * is noted as asked before it is;  5) however it ends, what was asked and not delivered goes back to the queue, and no buffer is in use.
 * Spec: PROTOCOL.md "Transfer".  (I/O: over a stream that is passed in)
 */

import type { Bytes } from "../core/bytes.ts";
import {
  ContentError,
  errorCodeFromWire,
  NetworkError,
  otherVersions,
  ProtocolError,
  RemoteError,
  ShoalError,
} from "../core/errors.ts";
import type { Content, DeviceId } from "../core/ids.ts";
import { limits, mib } from "../core/limits.ts";
import type { ByteStream } from "../core/transport.ts";
import { protocolVersion } from "../core/version.ts";
import { layerBytesFor, type Manifest, manifestFrom } from "../content/manifest.ts";
import type { SigningKey } from "../session/device_key.ts";
import { proveTransfer } from "../session/proofs.ts";
import { encodeFrame, type HavePieces, type Queued } from "../wire/frame.ts";
import { FrameStream, type IncomingFrame } from "./frame_stream.ts";
import type { Bitfield } from "./piece_picker.ts";
import type { Timers } from "./timers.ts";
import type { VerifiedHolder } from "./verified_holder.ts";

/** Who fetches: shown to holders. */
export interface FetchIdentity {
  readonly deviceKey: SigningKey;
  readonly deviceId: DeviceId;
  readonly accountKey: Bytes;
  /** The account key's signature of this device. */
  readonly deviceSignature: Bytes;
}

/** Where verified pieces go; content's PartFile is one. */
export interface PieceSink {
  /** Notes that a piece is asked for. */
  asked(index: number): void;
  writeVerified(index: number, bytes: Uint8Array): void;
}

/** Where the pieces to ask for come from; PiecePicker's Seat is one. */
export interface PieceSource {
  /** The next piece to ask for; undefined if there is none at the moment. */
  take(): number | undefined;
  /** Waits until there may be one; false once there will be none. */
  more(): Promise<boolean>;
  /** Notes that the holder has got a piece. */
  have(piece: number): void;
  /** Takes back pieces that were taken and will not be delivered. */
  giveBack(pieces: readonly number[]): void;
}

/** What is to be fetched over one connection, once the manifest is known. */
export interface PieceWork {
  readonly source: PieceSource;
  readonly sink: PieceSink;
}

export interface DownloadOptions {
  readonly content: Content;
  readonly holder: VerifiedHolder;
  readonly identity: FetchIdentity;
  /** Called with the checked manifest and what the holder has (undefined: all); answers what to fetch. */
  readonly begin: (manifest: Manifest, has: Bitfield | undefined) => Promise<PieceWork>;
  readonly timers: Timers;
  readonly signal: AbortSignal;
  /** Told of bytes received, verified or not: the holder is alive. */
  readonly onReceived: (bytes: number) => void;
  /** Told of each piece that is verified and written. */
  readonly onPiece: (piece: number, bytes: number) => void;
  /** Told of its place in the holder's queue, while it waits there. */
  readonly onQueued?: ((queued: Queued) => void) | undefined;
}

/** When heartbeats go out to a holder that has not said CHALLENGE, in milliseconds since the one before. */
const nudgeMinMs = 1;
const nudgeMaxMs = 32;
/** REQUESTs are put together up to this: fewer frames where pieces are small. */
const requestBytes = mib;
/** Pieces that are asked for ahead at the least: one that comes, and one that is read meanwhile. */
const windowPiecesMin = 2;
/** The weight of the last piece in the rate, and how much more is asked for than the rate brings in a round trip. */
const rateWeight = 0.3;
const windowGain = 2;
/** What is on its way should be here within this, in milliseconds. */
const soonMs = 200;

/**
 * Fetches pieces until there are none to ask for, or none to be had from this holder for a while; closes the stream.
 * @throws {ContentError} `integrity`: the manifest or a piece is not of this content; the holder is to be blamed.
 * @throws {ProtocolError} The holder broke a rule.
 * @throws {RemoteError} The holder refused, with its code.
 * @throws {NetworkError} The connection broke; another try may help.
 * @throws {StoreError} The disk failed.
 * @throws {ShoalError} `interrupted` if `signal` is aborted.
 */
export async function downloadFrom(stream: ByteStream, options: DownloadOptions): Promise<void> {
  const frames = new FrameStream(stream, { timers: options.timers, idleMs: limits.progressMs });
  const stop = () => frames.fail(new ShoalError("interrupted", "Cannot go on with a fetch: it was interrupted"));
  options.signal.addEventListener("abort", stop, { once: true });
  if (options.signal.aborted) stop();
  try {
    await introduce(frames, options);
    const saidHelloAtMs = options.timers.nowMs();
    let answeredAtMs: number | undefined;
    const manifest = await readManifest(frames, {
      ...options,
      onQueued(queued) {
        answeredAtMs ??= options.timers.nowMs();
        options.onQueued?.(queued);
      },
    });
    const roundTripMs = (answeredAtMs ?? options.timers.nowMs()) - saidHelloAtMs;
    const has = await readHave(frames, manifest, options);
    // A copy: the source keeps what it is given.
    const work = await options.begin(manifest, has?.slice());
    await new PieceReceiver(frames, { manifest, has, work, roundTripMs }, options).run();
  } finally {
    options.signal.removeEventListener("abort", stop);
    frames.close();
  }
}

/** CHALLENGE and HELLO. */
async function introduce(frames: FrameStream, { holder, identity, timers }: DownloadOptions): Promise<void> {
  const endNudges = nudge(frames, timers);
  const challenge = await next(frames, holder).finally(endNudges);
  if (challenge.kind !== "challenge") throw broken(holder, "its first frame is not CHALLENGE");
  if (challenge.version !== protocolVersion) {
    throw otherVersions(`fetch from ${nameOf(holder)}`, "that peer", [challenge.version], protocolVersion);
  }
  const { deviceKey, deviceId, accountKey, deviceSignature } = identity;
  const { ticket } = holder;
  const proof = proveTransfer(deviceKey, holder.certificateHash, challenge.nonce, ticket);
  await frames.write(encodeFrame({ kind: "hello", ticket, deviceId, accountKey, deviceSignature, proof }));
}

/**
 * Sends heartbeats until the answer ends it. The platform cannot turn Nagle's algorithm off on an accepted TLS connection: the holder's
 * CHALLENGE waits there until what TLS sent before it is acknowledged, and this side's system puts that off for 40 ms unless bytes go
 * out that carry it. When it must go out depends on the round trip, hence several, each after twice the time. 44 ms become 3 on loopback.
 */
function nudge(frames: FrameStream, timers: Timers): () => void {
  let afterMs = nudgeMinMs;
  let cancel = () => {};
  const beat = () => {
    frames.write(encodeFrame({ kind: "heartbeat" })).catch(() => {
      // Whoever waits for CHALLENGE meets the same failure.
    });
    if (afterMs > nudgeMaxMs) return;
    cancel = timers.start(afterMs, beat);
    afterMs *= 2;
  };
  beat();
  return () => cancel();
}

/** MANIFEST, as many slices as the size needs and no byte more. */
async function readManifest(frames: FrameStream, options: DownloadOptions): Promise<Manifest> {
  const { content, holder } = options;
  const layer = new Uint8Array(layerBytesFor(content.bytes));
  for (let filled = 0; filled < layer.length;) {
    const frame = await nextWork(frames, options);
    if (frame.kind !== "manifest" || frame.slice.length === 0) throw broken(holder, "it sent no MANIFEST");
    if (filled + frame.slice.length > layer.length) throw lied(content, holder, "its manifest is too long");
    layer.set(frame.slice, filled);
    filled += frame.slice.length;
  }
  const manifest = manifestFrom(content, layer);
  if (!manifest.ok) throw lied(content, holder, `its manifest is wrong: ${manifest.error}`);
  return manifest.value;
}

/** HAVE: a bitfield that is as long as the file has pieces; undefined: all. */
async function readHave(
  frames: FrameStream,
  { pieceCount }: Manifest,
  options: DownloadOptions,
): Promise<Bitfield | undefined> {
  const frame = await nextWork(frames, options);
  if (frame.kind !== "have") throw broken(options.holder, "it did not say what it has");
  if (frame.pieces === undefined) return undefined;
  const has = new Uint8Array(Math.ceil(pieceCount / 8));
  for (const piece of piecesOf(frame.pieces, pieceCount)) has[piece >> 3]! |= 0x80 >> (piece & 7);
  return has;
}

function* piecesOf({ first, bits }: HavePieces, pieceCount: number): Generator<number> {
  for (let i = 0; i < bits.length * 8 && first + i < pieceCount; i++) {
    if ((bits[i >> 3]! & (0x80 >> (i & 7))) !== 0) yield first + i;
  }
}

/** A piece that was asked for, in the order of asking. */
interface AskedPiece {
  readonly index: number;
  readonly offset: number;
  readonly bytes: number;
}

type HolderFrame = Exclude<IncomingFrame, { readonly kind: "refused" }>;
type WorkFrame = Exclude<HolderFrame, { readonly kind: "queued" }>;

/** The moving window: asks ahead, receives in order, checks and writes each piece. */
class PieceReceiver {
  readonly #frames: FrameStream;
  readonly #manifest: Manifest;
  /** What the holder has said that it has; undefined: all. */
  readonly #has: Bitfield | undefined;
  readonly #work: PieceWork;
  readonly #options: DownloadOptions;
  readonly #roundTripMs: number;
  readonly #asked: AskedPiece[] = [];
  readonly #buffer: Bytes;
  /** Bytes asked for and not received. */
  #awaitedBytes = 0;
  /** Bytes of the current DATA frame that are still to be read. */
  #frameLeft = 0;
  /** Bytes a millisecond, lately. */
  #rate = 0;
  #lastPieceAtMs = 0;
  #frame: Promise<WorkFrame> | undefined;
  #more: Promise<boolean> | undefined;

  constructor(
    frames: FrameStream,
    { manifest, has, work, roundTripMs }: {
      readonly manifest: Manifest;
      readonly has: Bitfield | undefined;
      readonly work: PieceWork;
      readonly roundTripMs: number;
    },
    options: DownloadOptions,
  ) {
    this.#frames = frames;
    this.#manifest = manifest;
    this.#has = has;
    this.#work = work;
    this.#roundTripMs = roundTripMs;
    this.#options = options;
    this.#buffer = new Uint8Array(Math.min(manifest.pieceBytes, manifest.content.bytes));
  }

  async run(): Promise<void> {
    try {
      while (await this.#haveAsked()) {
        const piece = this.#asked[0]!;
        const bytes = this.#buffer.subarray(0, piece.bytes);
        await this.#receive(piece, bytes);
        this.#keep(piece, bytes);
        this.#asked.shift();
        const endsHere = this.#frameLeft === 0 || this.#asked[0]?.offset === piece.offset + piece.bytes;
        if (!endsHere) throw broken(this.#options.holder, "it sent more than was asked for");
      }
    } finally {
      this.#work.source.giveBack(this.#asked.map(({ index }) => index));
    }
  }

  /** Waits until a piece is asked for; false once there is no more to ask this holder for. */
  async #haveAsked(): Promise<boolean> {
    for (;;) {
      await this.#ask();
      if (this.#asked.length > 0) return true;
      this.#more ??= this.#work.source.more();
      const said = await this.#saidNext();
      if (said === "none") return false;
      if (said === "more") this.#more = undefined;
      else {
        this.#frame = undefined;
        this.#noteHave(said);
      }
    }
  }

  /** What comes first: news of the source, or of the holder. One that has nothing to tell for long may close. */
  async #saidNext(): Promise<"more" | "none" | WorkFrame> {
    this.#frame ??= this.#nextFrame();
    const news = this.#more!.then((isMore) => isMore ? "more" as const : "none" as const);
    try {
      return await Promise.race([news, this.#frame]);
    } catch (error) {
      if (error instanceof NetworkError) return "none";
      throw error;
    }
  }

  #nextFrame(): Promise<WorkFrame> {
    const frame = nextWork(this.#frames, this.#options);
    frame.catch(() => {
      // Told to whoever waits for it; after the last piece nobody does.
    });
    return frame;
  }

  #noteHave(frame: WorkFrame): void {
    if (frame.kind !== "have") throw broken(this.#options.holder, `it sent ${frame.kind} that nobody asked for`);
    if (frame.pieces === undefined) throw broken(this.#options.holder, "it said twice that it has all");
    for (const piece of piecesOf(frame.pieces, this.#manifest.pieceCount)) {
      const bit = 0x80 >> (piece & 7);
      // What is no news goes no further: a holder may say it as often as it likes.
      if (this.#has === undefined || (this.#has[piece >> 3]! & bit) !== 0) continue;
      this.#has[piece >> 3]! |= bit;
      this.#work.source.have(piece);
    }
  }

  /** Fills the window up, once there is room for a REQUEST that is worth it. Neighbours become one range. */
  async #ask(): Promise<void> {
    const windowBytes = this.#windowBytes();
    if (this.#awaitedBytes > 0 && this.#awaitedBytes > windowBytes - Math.min(requestBytes, windowBytes / 2)) return;
    const ranges: { first: number; count: number }[] = [];
    while (this.#awaitedBytes < windowBytes && ranges.length < limits.rangesMax) {
      const index = this.#work.source.take();
      if (index === undefined) break;
      const { offset, bytes } = this.#manifest.pieceRange(index);
      if (this.#asked.length === 0) this.#lastPieceAtMs = this.#options.timers.nowMs();
      this.#asked.push({ index, offset, bytes });
      this.#awaitedBytes += bytes;
      this.#work.sink.asked(index);
      const first = offset / limits.blockBytes;
      const count = Math.ceil(bytes / limits.blockBytes);
      const last = ranges.at(-1);
      if (last !== undefined && last.first + last.count === first) last.count += count;
      else ranges.push({ first, count });
    }
    if (ranges.length > 0) await this.#frames.write(encodeFrame({ kind: "request", ranges }));
  }

  /**
   * Bytes to ask for ahead. So many that the holder never waits for a request (twice what comes in a round trip), but no more than come
   * soon: what is asked of a slow holder cannot be had from another meanwhile.
   */
  #windowBytes(): number {
    const { pieceBytes } = this.#manifest;
    const soon = Math.max(windowPiecesMin * pieceBytes, soonMs * this.#rate);
    const enough = Math.max(
      limits.windowBytes,
      windowPiecesMin * pieceBytes,
      windowGain * this.#rate * this.#roundTripMs,
    );
    return Math.min(soon, enough, limits.outstandingBytesMax - pieceBytes);
  }

  /** Receives one piece, in as many frames as the holder likes. */
  async #receive(piece: AskedPiece, buffer: Bytes): Promise<void> {
    for (let filled = 0; filled < piece.bytes;) {
      if (this.#frameLeft === 0) this.#frameLeft = await this.#nextData(piece.offset + filled);
      const count = Math.min(this.#frameLeft, piece.bytes - filled);
      await this.#frames.readData(buffer.subarray(filled, filled + count));
      filled += count;
      this.#frameLeft -= count;
      this.#awaitedBytes -= count;
      this.#options.onReceived(count);
      await this.#ask();
    }
  }

  /** The next DATA frame's bytes. */
  async #nextData(offset: number): Promise<number> {
    for (;;) {
      const frame = await (this.#frame ?? this.#nextFrame());
      this.#frame = undefined;
      if (frame.kind !== "data") this.#noteHave(frame);
      else if (frame.offset !== offset) throw broken(this.#options.holder, "it sent what was not asked for");
      else return frame.bytes;
    }
  }

  /** Checks a piece and writes it. */
  #keep({ index, bytes: size }: AskedPiece, bytes: Bytes): void {
    const { content, holder, timers, onPiece } = this.#options;
    if (!this.#manifest.verifyPiece(index, bytes)) throw lied(content, holder, `piece ${index} is wrong`, index);
    this.#work.sink.writeVerified(index, bytes);
    const nowMs = timers.nowMs();
    const rate = size / Math.max(0.01, nowMs - this.#lastPieceAtMs);
    this.#rate = this.#rate === 0 ? rate : this.#rate + rateWeight * (rate - this.#rate);
    this.#lastPieceAtMs = nowMs;
    onPiece(index, size);
  }
}

/** The next frame, unless the holder closed or refused. */
async function next(frames: FrameStream, holder: VerifiedHolder): Promise<HolderFrame> {
  const frame = await frames.readFrame();
  if (frame === undefined) throw new NetworkError(`Cannot go on with ${nameOf(holder)}: it closed the connection`);
  if (frame.kind !== "refused") return frame;
  const { text, retryAfterMs } = frame;
  throw new RemoteError(errorCodeFromWire(frame.code), `Cannot fetch from ${nameOf(holder)}: it says "${text}"`, {
    retryAfterMs,
  });
}

/** The next frame that is no QUEUED, which tells why none comes. */
async function nextWork(frames: FrameStream, { holder, onQueued }: DownloadOptions): Promise<WorkFrame> {
  for (;;) {
    const frame = await next(frames, holder);
    if (frame.kind !== "queued") return frame;
    onQueued?.(frame);
  }
}

/** How a holder is called in messages. */
function nameOf({ account, label }: VerifiedHolder): string {
  return `${account} (${label})`;
}

function broken(holder: VerifiedHolder, reason: string): ProtocolError {
  return new ProtocolError(`Cannot fetch from ${nameOf(holder)}: ${reason}`);
}

function lied(content: Content, holder: VerifiedHolder, reason: string, piece?: number): ContentError {
  return new ContentError("integrity", `Cannot use what ${nameOf(holder)} sent: ${reason}`, {
    contentId: content.id,
    holder: nameOf(holder),
    ...(piece === undefined ? {} : { piece }),
  });
}
