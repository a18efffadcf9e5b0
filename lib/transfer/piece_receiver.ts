/**
 * piece_receiver: the moving window of one connection: asks ahead, receives in order, checks and writes each piece. Laws: 1) a piece is
 * checked against the manifest before it is written or counted, and noted as asked before it is;  2) the holder answers what was
 * asked, in that order: anything else is a broken rule;  3) blocks that files here have (content/reuse.ts) are not asked for, and a piece
 * with such blocks is checked as any other;  4) however it ends, what was asked and not delivered goes back to the source.
 * Spec: PROTOCOL.md "REQUEST and DATA", "LEAVES and LEAF_HASHES".  (I/O: over a stream that is passed in)
 */

import { type Bytes, bytesEqual } from "../core/bytes.ts";
import { NetworkError, type ProtocolError } from "../core/errors.ts";
import type { Content } from "../core/ids.ts";
import { limits, mib } from "../core/limits.ts";
import type { Manifest } from "../content/manifest.ts";
import { hashBlocks, hashBytes, type PieceRange } from "../content/merkle.ts";
import type { PieceHere, PiecePlan, Reuse } from "../content/reuse.ts";
import type { HavePieces, Queued } from "../wire/frame.ts";
import { Asks } from "./asks.ts";
import type { FrameStream } from "./frame_stream.ts";
import { acknowledge, broken, type HolderFrame, interrupted, lied, nextFrame } from "./holder_talk.ts";
import type { Bitfield } from "./piece_picker.ts";
import type { Timers } from "./timers.ts";
import type { VerifiedHolder } from "./verified_holder.ts";

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
  /** Notes pieces that others have asked the holder for, and will have soon. */
  askedByOthers(pieces: readonly number[]): void;
  /** Takes back pieces that were taken and will not be delivered. */
  giveBack(pieces: readonly number[]): void;
}

/** What is to be fetched over one connection, once the manifest is known. */
export interface PieceWork {
  readonly source: PieceSource;
  readonly sink: PieceSink;
  /** Files here that may have blocks of it. */
  readonly reuse?: Reuse | undefined;
}

export interface ReceiverOptions {
  readonly content: Content;
  readonly holder: VerifiedHolder;
  readonly timers: Timers;
  readonly signal: AbortSignal;
  /** Told of bytes received, verified or not: the holder is alive. */
  readonly onReceived: (bytes: number) => void;
  /**
   * Told of each piece that is verified and written, how many of its bytes were here already, and how many bytes DATA had since the piece
   * before.
   */
  readonly onPiece: (piece: number, bytes: number, reusedBytes: number, wireBytes: number) => void;
  /** Told of its place in the holder's queue, while it waits there. */
  readonly onQueued?: ((queued: Queued) => void) | undefined;
}

/** REQUESTs are put together up to this: fewer frames where pieces are small. */
const requestBytes = mib;
/** Pieces that are asked for ahead at the least: one that comes, and one that is read meanwhile. */
const windowPiecesMin = 2;
/** Pieces that are looked for in files here before the connection is looked at again: large ones on a slow disk take a second. */
const looksAtOnce = 8;
/** The weight of the last piece in the rate, and how much more is asked for than the rate brings in a round trip. */
const rateWeight = 0.3;
const windowGain = 2;
/** What is on its way should be here within this, in milliseconds. */
const soonMs = 200;

/** A piece that was asked for, or that is to be. */
interface AskedPiece extends PieceRange {
  readonly index: number;
  /** What is to come of it, in order; neighbours are one. */
  readonly spans: readonly PieceRange[];
  /** Where the rest of it is. */
  readonly known?: KnownPiece;
}

/** A piece of which blocks are here. */
interface KnownPiece {
  readonly plan: PiecePlan;
  readonly leaves: Bytes;
}

/** A piece of whose blocks the hashes were asked for. */
interface AskedLeaves {
  readonly index: number;
  readonly here: PieceHere;
  /** What is expected to be asked for then. */
  readonly expectedBytes: number;
}

/** Any frame that is not QUEUED, which tells why none comes. */
export type WorkFrame = Exclude<HolderFrame, { readonly kind: "queued" }>;

/** The moving window: asks ahead, receives in order, checks and writes each piece. */
export class PieceReceiver {
  readonly #frames: FrameStream;
  readonly #manifest: Manifest;
  /** What the holder has said that it has; undefined: all. */
  readonly #has: Bitfield | undefined;
  readonly #work: PieceWork;
  readonly #options: ReceiverOptions;
  readonly #roundTripMs: number;
  /** What the holder was asked for and has not sent, in that order. */
  readonly #asked: (AskedPiece | AskedLeaves)[] = [];
  /** Pieces to ask for before any other. */
  readonly #planned: AskedPiece[] = [];
  readonly #buffer: Bytes;
  /** Bytes asked for and not received. */
  #awaitedBytes = 0;
  /** Pieces whose blocks' hashes were asked for and have not come. */
  #leavesAsked = 0;
  /** Bytes that are expected to be asked for soon, of pieces that were taken. */
  #expectedBytes = 0;
  /** The share that had to be asked for of pieces of which something was here, lately. */
  #missingShare = 1;
  /** Bytes of the current DATA frame that are still to be read. */
  #frameLeft = 0;
  #toldWireBytes = 0;
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
    options: ReceiverOptions,
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
        const asked = this.#asked[0]!;
        if ("here" in asked) {
          await this.#receiveLeaves(asked);
          this.#asked.shift();
          continue;
        }
        const bytes = this.#buffer.subarray(0, asked.bytes);
        await this.#receive(asked, bytes);
        await this.#keep(asked, bytes);
        this.#asked.shift();
        const next = this.#asked[0];
        const goesOn = next !== undefined && "spans" in next && next.spans[0]!.offset === endOf(asked.spans.at(-1)!);
        if (this.#frameLeft > 0 && !goesOn) throw this.#tooMuch();
      }
    } finally {
      this.#work.source.giveBack([...this.#asked, ...this.#planned].map(({ index }) => index));
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
        this.#expectNews(said);
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
    const frame = this.#nextNews();
    frame.catch(() => {
      // Told to whoever waits for it; after the last piece nobody does.
    });
    return frame;
  }

  /** The next frame that is news. A holder may say what it has as often as it likes, and gains neither time nor memory by that. */
  async #nextNews(): Promise<WorkFrame> {
    for (;;) {
      const frame = await nextWork(this.#frames, this.#options);
      if (frame.kind === "asked") {
        this.#work.source.askedByOthers(frame.pieces);
        continue;
      }
      if (frame.kind !== "have") return frame;
      if (!this.#noteHave(frame.pieces)) continue;
      this.#frames.noteWork();
      return frame;
    }
  }

  /** Notes pieces that the holder has by now; false if all were known. */
  #noteHave(pieces: HavePieces | undefined): boolean {
    if (pieces === undefined) throw broken(this.#options.holder, "it said twice that it has all");
    let isNews = false;
    for (const piece of piecesOf(pieces, this.#manifest.pieceCount)) {
      const bit = 0x80 >> (piece & 7);
      if (this.#has === undefined || (this.#has[piece >> 3]! & bit) !== 0) continue;
      this.#has[piece >> 3]! |= bit;
      this.#work.source.have(piece);
      isNews = true;
    }
    return isNews;
  }

  /** Takes a frame in whose place nothing was asked for: only news may come there. */
  #expectNews({ kind }: WorkFrame): void {
    if (kind !== "have") throw broken(this.#options.holder, `it sent ${kind} that nobody asked for`);
  }

  /** Fills the window up, once there is room for a REQUEST that is worth it. Neighbours become one range. */
  async #ask(): Promise<void> {
    const windowBytes = this.#windowBytes();
    if (this.#awaitedBytes > 0 && this.#awaitedBytes > windowBytes - Math.min(requestBytes, windowBytes / 2)) return;
    const asks = new Asks();
    let looks = 0;
    while (this.#awaitedBytes < windowBytes && !asks.isFull) {
      const planned = this.#planned.shift();
      if (planned !== undefined) {
        this.#expectedBytes -= sum(planned.spans);
        this.#askFor(planned, asks);
        continue;
      }
      if (this.#awaitedBytes + this.#expectedBytes >= windowBytes || this.#leavesAsked >= limits.leavesMax) break;
      // What is here is taken without a word on the connection, which would tell it.
      if (this.#options.signal.aborted) throw interrupted();
      const index = this.#work.source.take();
      if (index === undefined) break;
      this.#work.sink.asked(index);
      const here = this.#work.reuse && await this.#work.reuse.look(index);
      if (here === undefined) {
        this.#askFor(this.#wholePiece(index), asks);
        continue;
      }
      if (here.whole === undefined) {
        this.#askForLeaves(here, asks);
      } else {
        this.#write(index, here.whole, here.whole.length);
        this.#frames.noteWork();
      }
      // There is something to receive meanwhile.
      if (this.#asked.length > 0 && ++looks >= looksAtOnce) break;
    }
    const frames = asks.encode();
    if (frames.length > 0) await this.#frames.write(frames);
  }

  #wholePiece(index: number): AskedPiece {
    const range = this.#manifest.pieceRange(index);
    return { index, ...range, spans: [range] };
  }

  #askFor(piece: AskedPiece, asks: Asks): void {
    if (this.#asked.length === 0) this.#lastPieceAtMs = this.#options.timers.nowMs();
    asks.addRanges(piece.spans);
    this.#asked.push(piece);
    this.#awaitedBytes += sum(piece.spans);
  }

  #askForLeaves(here: PieceHere, asks: Asks): void {
    const { bytes } = this.#manifest.pieceRange(here.index);
    const expectedBytes = Math.max(limits.blockBytes, this.#missingShare * bytes);
    asks.addLeaves(here.index);
    this.#asked.push({ index: here.index, here, expectedBytes });
    this.#leavesAsked++;
    this.#expectedBytes += expectedBytes;
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

  /** Receives what is to come of one piece. */
  async #receive(piece: AskedPiece, buffer: Bytes): Promise<void> {
    for (const span of piece.spans) {
      if (this.#frameLeft > 0 && span !== piece.spans[0]) throw this.#tooMuch();
      // The head of what comes next is here, and the holder's system keeps the rest of so little back until that is acknowledged.
      if (piece.known !== undefined && this.#frameLeft === 0) {
        this.#frameLeft = await this.#nextData(span.offset);
        acknowledge(this.#frames);
      }
      const from = span.offset - piece.offset;
      await this.#receiveSpan(span, buffer.subarray(from, from + span.bytes));
    }
  }

  /** Receives neighbouring blocks, in as many frames as the holder likes. */
  async #receiveSpan(span: PieceRange, buffer: Bytes): Promise<void> {
    for (let filled = 0; filled < span.bytes;) {
      if (this.#frameLeft === 0) this.#frameLeft = await this.#nextData(span.offset + filled);
      const count = Math.min(this.#frameLeft, span.bytes - filled);
      await this.#frames.readData(buffer.subarray(filled, filled + count));
      filled += count;
      this.#frameLeft -= count;
      this.#awaitedBytes -= count;
      this.#options.onReceived(count);
      await this.#ask();
    }
  }

  /** Receives the hashes of a piece's blocks, and plans what to ask for. */
  async #receiveLeaves({ index, here, expectedBytes }: AskedLeaves): Promise<void> {
    const { content, holder } = this.#options;
    const { leaves } = await this.#nextLeaves(index);
    this.#leavesAsked--;
    if (!this.#manifest.verifyLeaves(index, leaves)) {
      throw lied(content, holder, `the hashes of piece ${index} are wrong`, index);
    }
    this.#options.onReceived(leaves.length);
    const plan = this.#work.reuse!.plan(here, leaves);
    const range = this.#manifest.pieceRange(index);
    const missingBytes = sum(plan.missing);
    this.#missingShare += rateWeight * (missingBytes / range.bytes - this.#missingShare);
    this.#expectedBytes += missingBytes - expectedBytes;
    const piece = { index, ...range, spans: plan.missing, known: { plan, leaves } };
    if (missingBytes > 0) this.#planned.push(piece);
    // Several files here have all of it together.
    else await this.#keep(piece, this.#buffer.subarray(0, range.bytes));
  }

  /** The next DATA frame's bytes. */
  async #nextData(offset: number): Promise<number> {
    const frame = await this.#nextAnswer("data");
    if (frame.offset !== offset) throw broken(this.#options.holder, "it sent what was not asked for");
    return frame.bytes;
  }

  async #nextLeaves(piece: number) {
    const frame = await this.#nextAnswer("leafHashes");
    if (frame.piece !== piece) throw broken(this.#options.holder, "it sent hashes that were not asked for");
    return frame;
  }

  /** The next frame that is no HAVE, which is to be of this kind. */
  async #nextAnswer<K extends WorkFrame["kind"]>(kind: K): Promise<Extract<WorkFrame, { readonly kind: K }>> {
    for (;;) {
      const frame = await (this.#frame ?? this.#nextFrame());
      this.#frame = undefined;
      if (frame.kind === kind) return frame as Extract<WorkFrame, { readonly kind: K }>;
      this.#expectNews(frame);
    }
  }

  /** Puts a piece together, checks it and writes it. */
  async #keep(piece: AskedPiece, bytes: Bytes): Promise<void> {
    const { content, holder, timers } = this.#options;
    const { index, spans, known } = piece;
    if (known !== undefined) await this.#work.reuse!.fill(index, known.plan, bytes);
    if (!this.#manifest.verifyPiece(index, bytes)) {
      const isHolders = known === undefined || !isReceivedRight(piece, known.leaves, bytes);
      if (isHolders) throw lied(content, holder, `piece ${index} is wrong`, index);
      // A file here has changed since it was looked at.
      const whole = this.#wholePiece(index);
      this.#planned.push(whole);
      this.#expectedBytes += whole.bytes;
      return;
    }
    const nowMs = timers.nowMs();
    const receivedBytes = sum(spans);
    const rate = receivedBytes / Math.max(0.01, nowMs - this.#lastPieceAtMs);
    if (receivedBytes > 0) this.#rate = this.#rate === 0 ? rate : this.#rate + rateWeight * (rate - this.#rate);
    this.#lastPieceAtMs = nowMs;
    this.#write(index, bytes, bytes.length - receivedBytes);
  }

  /** Writes a piece that was checked. */
  #write(index: number, bytes: Bytes, reusedBytes: number): void {
    this.#work.sink.writeVerified(index, bytes);
    const { dataWireBytes } = this.#frames;
    this.#options.onPiece(index, bytes.length, reusedBytes, dataWireBytes - this.#toldWireBytes);
    this.#toldWireBytes = dataWireBytes;
  }

  #tooMuch(): ProtocolError {
    return broken(this.#options.holder, "it sent more than was asked for");
  }
}

/** Whether each block that came of a piece is what its leaf says. */
function isReceivedRight({ offset, spans }: AskedPiece, leaves: Bytes, bytes: Bytes): boolean {
  return spans.every((span) => {
    const from = span.offset - offset;
    const found = hashBlocks(bytes.subarray(from, from + span.bytes));
    const at = from / limits.blockBytes * hashBytes;
    return bytesEqual(found, leaves.subarray(at, at + found.length));
  });
}

/** The pieces that a HAVE names. */
export function* piecesOf({ first, bits }: HavePieces, pieceCount: number): Generator<number> {
  for (let i = 0; i < bits.length * 8 && first + i < pieceCount; i++) {
    if ((bits[i >> 3]! & (0x80 >> (i & 7))) !== 0) yield first + i;
  }
}

/** The next frame that is no QUEUED. @throws {ShoalError} As `nextFrame`. */
export async function nextWork(
  frames: FrameStream,
  { holder, onQueued }: Pick<ReceiverOptions, "holder" | "onQueued">,
): Promise<WorkFrame> {
  for (;;) {
    const frame = await nextFrame(frames, holder);
    if (frame.kind !== "queued") return frame;
    onQueued?.(frame);
  }
}

function sum(ranges: readonly PieceRange[]): number {
  return ranges.reduce((total, { bytes }) => total + bytes, 0);
}

function endOf({ offset, bytes }: PieceRange): number {
  return offset + bytes;
}
