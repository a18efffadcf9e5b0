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
import { encodeFrame } from "../wire/frame.ts";
import { FrameStream, type IncomingFrame } from "./frame_stream.ts";
import type { PieceQueue } from "./piece_queue.ts";
import type { PieceCheck } from "./piece_check.ts";
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

/** What is to be fetched, once the manifest is known; shared by all connections of a fetch. */
export interface PieceWork {
  readonly queue: PieceQueue;
  readonly sink: PieceSink;
}

export interface DownloadOptions {
  readonly content: Content;
  readonly holder: VerifiedHolder;
  readonly identity: FetchIdentity;
  /** Called with the checked manifest; answers what to fetch. */
  readonly begin: (manifest: Manifest) => Promise<PieceWork>;
  readonly check: PieceCheck;
  readonly timers: Timers;
  readonly signal: AbortSignal;
  /** Told of bytes received, verified or not: the holder is alive. */
  readonly onReceived: (bytes: number) => void;
  /** Told of each piece that is verified and written. */
  readonly onPiece: (bytes: number) => void;
}

/** When heartbeats go out to a holder that has not said CHALLENGE, in milliseconds since the one before. */
const nudgeMinMs = 1;
const nudgeMaxMs = 32;
/** REQUESTs are put together up to this: fewer frames where pieces are small. */
const requestBytes = mib;
/**
 * Received bytes of one connection that may wait to be checked and written: a thread that is not scheduled for some milliseconds must
 * not stop the other. Where pieces are large, three of them: one on its way, one checked, one between.
 */
const bufferBytes = 8 * mib;
const buffersMin = 3;

/**
 * Fetches pieces until the queue is empty; closes the stream.
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
    const manifest = await readManifest(frames, options);
    const work = await options.begin(manifest);
    await new PieceReceiver(frames, manifest, work, options).run();
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
async function readManifest(frames: FrameStream, { content, holder }: DownloadOptions): Promise<Manifest> {
  const layer = new Uint8Array(layerBytesFor(content.bytes));
  for (let filled = 0; filled < layer.length;) {
    const frame = await next(frames, holder);
    if (frame.kind !== "manifest" || frame.slice.length === 0) throw broken(holder, "it sent no MANIFEST");
    if (filled + frame.slice.length > layer.length) throw lied(content, holder, "its manifest is too long");
    layer.set(frame.slice, filled);
    filled += frame.slice.length;
  }
  const manifest = manifestFrom(content, layer);
  if (!manifest.ok) throw lied(content, holder, `its manifest is wrong: ${manifest.error}`);
  return manifest.value;
}

/** A piece that was asked for, in the order of asking. */
interface AskedPiece {
  readonly index: number;
  readonly offset: number;
  readonly bytes: number;
}

/** The moving window: asks ahead, receives in order, and has pieces checked and written beside receiving. */
class PieceReceiver {
  readonly #frames: FrameStream;
  readonly #manifest: Manifest;
  readonly #work: PieceWork;
  readonly #options: DownloadOptions;
  readonly #asked: AskedPiece[] = [];
  /** Bytes asked for and not received. */
  #awaitedBytes = 0;
  /** Bytes of the current DATA frame that are still to be read. */
  #frameLeft = 0;
  readonly #checks = new Set<Promise<void>>();
  readonly #freeBuffers: Bytes[] = [];
  #bufferCount = 0;
  /** Pieces that were received and are not to be had from here. */
  readonly #lost: number[] = [];
  #checkFailure: { readonly error: unknown } | undefined;

  constructor(frames: FrameStream, manifest: Manifest, work: PieceWork, options: DownloadOptions) {
    this.#frames = frames;
    this.#manifest = manifest;
    this.#work = work;
    this.#options = options;
  }

  async run(): Promise<void> {
    try {
      await this.#ask();
      for (let piece = this.#asked[0]; piece !== undefined; piece = this.#asked[0]) {
        const buffer = await this.#takeBuffer();
        await this.#receive(piece, buffer.subarray(0, piece.bytes));
        this.#asked.shift();
        this.#startCheck(piece, buffer.subarray(0, piece.bytes));
        const endsHere = this.#frameLeft === 0 || this.#asked[0]?.offset === piece.offset + piece.bytes;
        if (!endsHere) throw broken(this.#options.holder, "it sent more than was asked for");
      }
      await Promise.all(this.#checks);
      if (this.#checkFailure !== undefined) throw this.#checkFailure.error;
    } catch (error) {
      await Promise.all(this.#checks);
      throw this.#checkFailure === undefined ? error : this.#checkFailure.error;
    } finally {
      this.#work.queue.giveBack([...this.#asked.map(({ index }) => index), ...this.#lost]);
    }
  }

  /** Fills the window up, once there is room for a REQUEST that is worth it. Neighbours become one range. */
  async #ask(): Promise<void> {
    if (this.#awaitedBytes > limits.windowBytes - requestBytes) return;
    const ranges: { first: number; count: number }[] = [];
    while (this.#awaitedBytes < limits.windowBytes && ranges.length < limits.rangesMax) {
      const index = this.#work.queue.take();
      if (index === undefined) break;
      const { offset, bytes } = this.#manifest.pieceRange(index);
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

  /** Receives one piece, in as many frames as the holder likes. */
  async #receive(piece: AskedPiece, buffer: Bytes): Promise<void> {
    for (let filled = 0; filled < piece.bytes;) {
      if (this.#frameLeft === 0) {
        const frame = await next(this.#frames, this.#options.holder);
        if (frame.kind !== "data") throw broken(this.#options.holder, `it sent ${frame.kind} instead of DATA`);
        if (frame.offset !== piece.offset + filled) {
          throw broken(this.#options.holder, "it sent what was not asked for");
        }
        this.#frameLeft = frame.bytes;
      }
      const count = Math.min(this.#frameLeft, piece.bytes - filled);
      await this.#frames.readData(buffer.subarray(filled, filled + count));
      filled += count;
      this.#frameLeft -= count;
      this.#awaitedBytes -= count;
      this.#options.onReceived(count);
      await this.#ask();
    }
  }

  /** A buffer of a piece's size; waits for a check to end if all are in use. */
  async #takeBuffer(): Promise<Bytes> {
    for (;;) {
      if (this.#checkFailure !== undefined) throw this.#checkFailure.error;
      const free = this.#freeBuffers.pop();
      if (free !== undefined) return free;
      if (this.#bufferCount < Math.max(buffersMin, bufferBytes / this.#manifest.pieceBytes)) {
        this.#bufferCount++;
        return new Uint8Array(Math.min(this.#manifest.pieceBytes, this.#manifest.content.bytes));
      }
      await Promise.race(this.#checks);
    }
  }

  /** Lets a piece be checked and written while the next is received. A failure ends the connection at once. */
  #startCheck(piece: AskedPiece, bytes: Bytes): void {
    const check = this.#checkAndWrite(piece, bytes)
      .catch((error) => {
        this.#lost.push(piece.index);
        this.#checkFailure ??= { error };
        this.#frames.close();
      })
      .finally(() => this.#checks.delete(check));
    this.#checks.add(check);
  }

  async #checkAndWrite({ index }: AskedPiece, received: Bytes): Promise<void> {
    const { content, holder, check, onPiece } = this.#options;
    const { isRight, piece } = await check(this.#manifest, index, received);
    if (!isRight) throw lied(content, holder, `piece ${index} is wrong`, index);
    this.#work.sink.writeVerified(index, piece);
    this.#freeBuffers.push(new Uint8Array(piece.buffer));
    onPiece(piece.length);
  }
}

/** The next frame, unless the holder closed or refused. */
async function next(
  frames: FrameStream,
  holder: VerifiedHolder,
): Promise<Exclude<IncomingFrame, { readonly kind: "refused" }>> {
  const frame = await frames.readFrame();
  if (frame === undefined) throw new NetworkError(`Cannot go on with ${nameOf(holder)}: it closed the connection`);
  if (frame.kind !== "refused") return frame;
  const { text, retryAfterMs } = frame;
  throw new RemoteError(errorCodeFromWire(frame.code), `Cannot fetch from ${nameOf(holder)}: it says "${text}"`, {
    retryAfterMs,
  });
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
