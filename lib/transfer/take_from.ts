/**
 * take_from: fetches many small contents from one holder over one connection, by tickets for sets of them, many asked for ahead. Laws:
 * 1) each is checked against its id before it is handed on: of one piece the id is the piece's own hash, so no manifest is needed;
 * 2) a wrong byte names its sender;  3) the holder answers what was asked, in that order: anything else is a broken rule.
 * Spec: PROTOCOL.md "Small contents".  (I/O: over a stream that is passed in)
 */

import { type Bytes, bytesEqual, concatBytes } from "../core/bytes.ts";
import { type ErrorCode, errorCodeFromWire } from "../core/errors.ts";
import { type Content, idBytes } from "../core/ids.ts";
import { limits } from "../core/limits.ts";
import type { ByteStream } from "../core/transport.ts";
import { hashPiece } from "../content/merkle.ts";
import { encodeFrame, type Queued, type TakenSet } from "../wire/frame.ts";
import { broken, type FetchIdentity, introduce, lied, nextFrame, talkOver } from "./holder_talk.ts";
import type { FrameStream } from "./frame_stream.ts";
import type { Timers } from "./timers.ts";
import type { VerifiedHolder } from "./verified_holder.ts";

/** A content to take, of 1 to limits.takenBytesMax bytes. */
export interface Takeable {
  readonly content: Content;
  /** What its ticket is for, and where it stands there. */
  readonly set: TakenSet;
  readonly place: number;
}

export interface TakeOptions<T extends Takeable> {
  readonly holder: VerifiedHolder;
  readonly identity: FetchIdentity;
  readonly timers: Timers;
  readonly signal: AbortSignal;
  /** The next to ask for; undefined if there is none at the moment. */
  readonly take: () => T | undefined;
  /** Waits until there may be one; false once there will be none. */
  readonly more: () => Promise<boolean>;
  /** Given each content, checked, and how many bytes DATA had for it; `bytes` may be reused once it has settled. */
  readonly onTaken: (wish: T, bytes: Bytes, wireBytes: number) => Promise<void> | void;
  /** Told what the holder does not give. */
  readonly onMissing: (wish: T, code: ErrorCode) => void;
  /** Told of the place in the holder's queue, while it waits there; what it throws ends the connection. */
  readonly onQueued?: ((queued: Queued) => void) | undefined;
}

/** Asked for ahead at most: as many as the holder lets stand, and as many bytes as a window has. More is asked for at half of it. */
const aheadMax = limits.takesMax / 2;

/**
 * Takes contents until there are none to ask for; closes the stream. What was asked for and neither given nor missing, the caller knows.
 * @throws {ContentError} `integrity`: what came is not of this content; the holder is to be blamed.
 * @throws {ShoalError} As `downloadFrom`.
 */
export async function takeFrom<T extends Takeable>(stream: ByteStream, options: TakeOptions<T>): Promise<void> {
  await talkOver(stream, options, async (frames) => {
    await introduce(frames, options);
    await new Taker(frames, options).run();
  });
}

class Taker<T extends Takeable> {
  readonly #frames: FrameStream;
  readonly #options: TakeOptions<T>;
  readonly #buffer = new Uint8Array(limits.takenBytesMax);
  /** In the order of asking. */
  readonly #asked: T[] = [];
  #askedBytes = 0;
  /** What the holder was told last. */
  #set: TakenSet | undefined;
  #toldWireBytes = 0;
  /** Bytes of the first of them that are here. */
  #filled = 0;
  /** What HELLO's own content brings before the first answer, once each: nobody asks for more of it here. */
  readonly #greetings = new Set(["manifest", "have"]);

  constructor(frames: FrameStream, options: TakeOptions<T>) {
    this.#frames = frames;
    this.#options = options;
  }

  async run(): Promise<void> {
    for (;;) {
      await this.#ask();
      if (this.#asked.length > 0) await this.#receive();
      else if (!await this.#options.more()) return;
    }
  }

  /** Asks for more, once there is room for a write that is worth it. */
  async #ask(): Promise<void> {
    if (this.#asked.length > aheadMax / 2 || this.#askedBytes > limits.windowBytes / 2) return;
    const wishes: T[] = [];
    while (this.#asked.length < aheadMax && this.#askedBytes < limits.windowBytes) {
      const wish = this.#options.take();
      if (wish === undefined) break;
      this.#asked.push(wish);
      this.#askedBytes += wish.content.bytes;
      wishes.push(wish);
    }
    if (wishes.length > 0) await this.#frames.write(concatBytes(...this.#framesFor(wishes)));
  }

  /** A SET where another begins, and a TAKE for what follows each other in it. */
  *#framesFor(wishes: readonly T[]): Generator<Bytes> {
    let places: number[] = [];
    for (const [i, { set, place }] of wishes.entries()) {
      if (set !== this.#set) yield encodeFrame({ kind: "set", ...set });
      this.#set = set;
      places.push(place);
      if (wishes[i + 1]?.set === set) continue;
      yield encodeFrame({ kind: "take", places });
      places = [];
    }
  }

  /** Receives one frame. */
  async #receive(): Promise<void> {
    const { holder, onTaken, onMissing, onQueued } = this.#options;
    const frame = await nextFrame(this.#frames, holder);
    if (frame.kind === "queued") return onQueued?.(frame);
    if (this.#greetings.delete(frame.kind)) return;
    const wish = this.#asked[0]!;
    const { content } = wish;
    if (frame.kind === "data") {
      if (frame.offset !== this.#filled || frame.bytes > content.bytes - this.#filled) {
        throw broken(holder, "it sent what was not asked for");
      }
      await this.#frames.readData(this.#buffer.subarray(this.#filled, this.#filled + frame.bytes));
      this.#filled += frame.bytes;
      if (this.#filled < content.bytes) return;
      const bytes = this.#buffer.subarray(0, content.bytes);
      if (!isContent(content, bytes)) throw lied(content, holder, "it is not the content asked for", 0);
      const { dataWireBytes } = this.#frames;
      await onTaken(wish, bytes, dataWireBytes - this.#toldWireBytes);
      this.#toldWireBytes = dataWireBytes;
    } else if (frame.kind === "missing") onMissing(wish, errorCodeFromWire(frame.code));
    else throw broken(holder, `it sent ${frame.kind} that nobody asked for`);
    this.#asked.shift();
    this.#askedBytes -= content.bytes;
    this.#filled = 0;
  }
}

function isContent({ id, bytes: size }: Content, bytes: Bytes): boolean {
  return bytesEqual(hashPiece(bytes, size), idBytes(id));
}
