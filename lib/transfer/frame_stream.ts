/**
 * frame_stream: reads and writes transfer frames over a byte stream. Laws: 1) a length is bounded before a byte of it is read, and the
 * bytes of DATA go straight to where they belong; ZDATA is DATA to whoever reads, and is decompressed when its bytes are wanted;
 * 2) progress deadlines, not idle hope: a side that says nothing, takes nothing or only sends heartbeats is cut, whatever TCP thinks of
 * it;  3) frames never mix: each is written whole, in the order of the calls.
 * Spec: PROTOCOL.md "Transfer".  (I/O: over a stream and timers that are passed in)
 */

import type { Bytes } from "../core/bytes.ts";
import { NetworkError, ok, ProtocolError, type ShoalError, TimeoutError } from "../core/errors.ts";
import { kib, limits } from "../core/limits.ts";
import { type ByteStream, formatEndpoint } from "../core/transport.ts";
import {
  dataHeaderBytes,
  decodeFrame,
  decodeFrameHeader,
  decodeZdataHeader,
  encodeFrame,
  type Frame,
  frameHeaderBytes,
  frameTypes,
  readDataOffset,
  zdataHeaderBytes,
} from "../wire/frame.ts";
import { decompress } from "./compression.ts";
import type { Timers } from "./timers.ts";

/** What `readFrame` answers: any frame but a heartbeat; of DATA the head alone, whose bytes the reader then takes by `readData`. */
export type IncomingFrame =
  | Exclude<Frame, { readonly kind: "heartbeat" }>
  | { readonly kind: "data"; readonly offset: number; readonly bytes: number };

/** How often deadlines are looked at: a third of the heartbeat's interval keeps both exact enough. */
const tickMs = limits.heartbeatMs / 3;
/** One TLS record: what a header's read may take with it of the bytes behind, to be copied. */
const bufferBytes = 16 * kib;
/** What is written at once between two looks at the progress; the platform's TLS takes no more in one step. */
const sliceBytes = 64 * kib;

const heartbeat = encodeFrame({ kind: "heartbeat" });

export class FrameStream {
  readonly #stream: ByteStream;
  readonly #timers: Timers;
  /** How long only heartbeats may come while nothing is done. */
  readonly #idleMs: number;
  readonly #buffer = new Uint8Array(bufferBytes);
  #start = 0;
  #end = 0;
  /** Bytes of the current DATA frame that are still to be read. */
  #dataLeft = 0;
  /** Compressed bytes of the current ZDATA frame that are still to be read, and its content once they are. */
  #packedLeft = 0;
  #unpacked: Uint8Array | undefined;
  #packedBuffer: Bytes | undefined;
  #dataWireBytes = 0;
  #failure: ShoalError | undefined;
  #closed = false;
  #isReading = false;
  #isWriting = false;
  /** Since when the pending read or write waits for its next byte. */
  #readFromMs = 0;
  #writeFromMs = 0;
  /** The last byte that was not a heartbeat's, a HAVE's or an ASKED's, or `noteWork`. */
  #lastWorkMs: number;
  #lastWroteMs: number;
  #lastWrite: Promise<void> = Promise.resolve();
  #cancelTick: () => void = () => {};

  /** Takes over `stream`: it is closed with this. `idleMs` bounds a connection on which nothing but heartbeats comes and goes. */
  constructor(stream: ByteStream, options: { readonly timers: Timers; readonly idleMs: number }) {
    this.#stream = stream;
    this.#timers = options.timers;
    this.#idleMs = options.idleMs;
    this.#lastWorkMs = this.#lastWroteMs = options.timers.nowMs();
    this.#armTick();
  }

  /** The other side, for messages. */
  get remoteName(): string {
    return this.#stream.remote === undefined ? "the other side" : formatEndpoint(this.#stream.remote);
  }

  /** Bytes of the DATA and ZDATA frames that have come so far, headers included. */
  get dataWireBytes(): number {
    return this.#dataWireBytes;
  }

  /**
   * Reads the next frame that is not a heartbeat; undefined where the stream ended between two frames.
   * @throws {ProtocolError} If what comes is no frame.
   * @throws {NetworkError} If the stream broke or was cut within a frame; what `fail` was called with, if it was.
   */
  async readFrame(): Promise<IncomingFrame | undefined> {
    if (this.#dataLeft > 0) throw new RangeError("The bytes of the last DATA frame were not read");
    for (;;) {
      if (!await this.#fill(frameHeaderBytes)) return undefined;
      const head = decodeFrameHeader(this.#buffer.subarray(this.#start, this.#start + frameHeaderBytes));
      if (!head.ok) throw this.#illegal(head.error);
      this.#start += frameHeaderBytes;
      const { type, length } = head.value;
      if (type === frameTypes.data || type === frameTypes.zdata) return await this.#dataHead(type, length);
      const payload = new Uint8Array(length);
      await this.#readInto(payload);
      if (type === frameTypes.heartbeat) continue;
      // They say what there is, or will be; whether that is news their reader knows.
      if (type !== frameTypes.have && type !== frameTypes.asked) this.#lastWorkMs = this.#timers.nowMs();
      const frame = decodeFrame(type, payload);
      if (!frame.ok) throw this.#illegal(frame.error);
      return frame.value as IncomingFrame;
    }
  }

  /** Reads the next bytes of the current DATA frame into all of `target`. */
  async readData(target: Uint8Array): Promise<void> {
    if (target.length > this.#dataLeft) throw new RangeError("More than the DATA frame has");
    if (this.#packedLeft > 0) await this.#unpack();
    if (this.#unpacked === undefined) await this.#readInto(target);
    else {
      const at = this.#unpacked.length - this.#dataLeft;
      target.set(this.#unpacked.subarray(at, at + target.length));
    }
    this.#dataLeft -= target.length;
    this.#lastWorkMs = this.#timers.nowMs();
  }

  /**
   * Writes the bytes of whole frames; they may be reused once the promise settles.
   * @throws {NetworkError} If the stream broke; what `fail` was called with, if it was.
   */
  write(frames: Bytes): Promise<void> {
    const write = this.#lastWrite.then(() => this.#writeNow(frames));
    this.#lastWrite = write.catch(() => {});
    return write;
  }

  /** Notes work that no frame tells: what this side does without a word of the other, or a HAVE that was news. */
  noteWork(): void {
    this.#lastWorkMs = this.#timers.nowMs();
  }

  /** Reads and drops whatever comes until the other side closes; so a last word arrives that a reset would have destroyed. */
  async discard(): Promise<void> {
    try {
      while (await this.#readSome(this.#buffer) !== null);
    } catch {
      // Closed by a deadline or by the other side: the end in any case.
    }
  }

  /** Closes at once; pending and later calls throw `error`. The first one counts. */
  fail(error: ShoalError): void {
    this.#failure ??= error;
    this.close();
  }

  /** Closes at once. Safe to call twice. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#cancelTick();
    this.#stream.close();
  }

  /** The head of DATA, or of ZDATA as the DATA that it stands for. */
  async #dataHead(type: number, length: number): Promise<IncomingFrame> {
    const isPacked = type === frameTypes.zdata;
    const headBytes = (isPacked ? zdataHeaderBytes : dataHeaderBytes) - frameHeaderBytes;
    if (!await this.#fill(headBytes)) throw this.#cut();
    const head = this.#buffer.subarray(this.#start, this.#start + headBytes);
    const restBytes = length - headBytes;
    const decoded = isPacked
      ? decodeZdataHeader(head, restBytes)
      : ok({ offset: readDataOffset(head), bytes: restBytes });
    if (!decoded.ok) throw this.#illegal(decoded.error);
    this.#start += headBytes;
    this.#dataWireBytes += frameHeaderBytes + length;
    this.#unpacked = undefined;
    this.#packedLeft = isPacked ? restBytes : 0;
    this.#dataLeft = decoded.value.bytes;
    return { kind: "data", ...decoded.value };
  }

  /** Reads the current ZDATA frame whole. */
  async #unpack(): Promise<void> {
    this.#packedBuffer ??= new Uint8Array(limits.frameBytesMax);
    const packed = this.#packedBuffer.subarray(0, this.#packedLeft);
    await this.#readInto(packed);
    this.#packedLeft = 0;
    this.#unpacked = decompress(packed, this.#dataLeft);
    if (this.#unpacked === undefined) throw this.#illegal("a ZDATA frame that is not what it says");
  }

  /** Has at least `bytes` in the buffer; false where the stream ended before the first of them. */
  async #fill(bytes: number): Promise<boolean> {
    if (this.#end - this.#start < bytes && this.#start > 0) {
      this.#buffer.copyWithin(0, this.#start, this.#end);
      this.#end -= this.#start;
      this.#start = 0;
    }
    while (this.#end - this.#start < bytes) {
      const count = await this.#readSome(this.#buffer.subarray(this.#end));
      if (count === null) {
        if (this.#end > this.#start) throw this.#cut();
        return false;
      }
      this.#end += count;
    }
    return true;
  }

  async #readInto(target: Uint8Array): Promise<void> {
    let filled = Math.min(target.length, this.#end - this.#start);
    target.set(this.#buffer.subarray(this.#start, this.#start + filled));
    this.#start += filled;
    while (filled < target.length) {
      const count = await this.#readSome(filled === 0 ? target : target.subarray(filled));
      if (count === null) throw this.#cut();
      filled += count;
    }
  }

  async #readSome(target: Uint8Array): Promise<number | null> {
    if (this.#failure !== undefined) throw this.#failure;
    this.#isReading = true;
    this.#readFromMs = this.#timers.nowMs();
    try {
      const count = await this.#stream.read(target);
      if (this.#failure !== undefined) throw this.#failure;
      return count;
    } catch (error) {
      throw this.#failure ?? error;
    } finally {
      this.#isReading = false;
    }
  }

  async #writeNow(frames: Bytes, isWork = true): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    this.#isWriting = true;
    this.#writeFromMs = this.#timers.nowMs();
    try {
      for (let at = 0; at < frames.length; at += sliceBytes) {
        await this.#stream.write(frames.subarray(at, at + sliceBytes));
        this.#writeFromMs = this.#lastWroteMs = this.#timers.nowMs();
        if (isWork) this.#lastWorkMs = this.#lastWroteMs;
      }
    } catch (error) {
      throw this.#failure ?? error;
    } finally {
      this.#isWriting = false;
    }
  }

  #armTick(): void {
    const dueMs = this.#timers.nowMs() + tickMs;
    this.#cancelTick = this.#timers.start(tickMs, () => this.#tick(dueMs));
  }

  #tick(dueMs: number): void {
    const nowMs = this.#timers.nowMs();
    if (nowMs - dueMs > tickMs) {
      // This process itself stood still (a slow disk, a suspended machine): what the other side did meanwhile is not known yet.
      this.#readFromMs = this.#writeFromMs = this.#lastWorkMs = nowMs;
    }
    if (this.#isWriting && nowMs - this.#writeFromMs >= limits.progressMs) {
      return this.fail(this.#timeout("takes nothing", nowMs - this.#writeFromMs));
    }
    if (this.#isReading && nowMs - this.#readFromMs >= limits.progressMs) {
      return this.fail(this.#timeout("says nothing", nowMs - this.#readFromMs));
    }
    if (this.#isReading && !this.#isWriting && nowMs - this.#lastWorkMs >= this.#idleMs) {
      return this.fail(this.#timeout("does nothing", nowMs - this.#lastWorkMs));
    }
    if (!this.#isWriting && nowMs - this.#lastWroteMs >= limits.heartbeatMs) this.#beat();
    this.#armTick();
  }

  #beat(): void {
    this.#lastWrite = this.#lastWrite.then(() => this.#writeNow(heartbeat, false)).catch(() => {
      // Whoever reads or writes next meets the same failure.
    });
  }

  #timeout(what: string, afterMs: number): TimeoutError {
    return new TimeoutError(
      `Cannot go on with ${this.remoteName}: it ${what} for ${Math.round(afterMs)} ms`,
      afterMs,
      1,
    );
  }

  #cut(): NetworkError {
    return this.#failure as NetworkError ??
      new NetworkError(`Cannot read from ${this.remoteName}: the connection was cut`);
  }

  #illegal(reason: string): ProtocolError {
    return new ProtocolError(`Cannot read a frame from ${this.remoteName}: ${reason}`);
  }
}
