/**
 * compression_choice: whether the next frame of one connection is compressed. Laws: 1) content that does not shrink is found out by a
 * frame now and then, the more seldom the more of them were in vain;  2) it never makes a fast line slow: compressing must cost less
 * time than the bytes that it saves would take on the line, with room for the other side's work and for the other uploads of this
 * thread;  3) what the line can do is measured without compression first of all: else it is taken for slow where the other side is.
 * (pure: what was sent, and how long it took, is passed in)
 */

import { kib, mib } from "../core/limits.ts";

/** A frame that was sent. */
export interface SentFrame {
  /** Bytes of the content. */
  readonly bytes: number;
  /** What they were compressed to, and how long that took, if it was tried. */
  readonly packed: { readonly bytes: number; readonly tookMs: number } | undefined;
  /** Bytes that went out. */
  readonly wireBytes: number;
  /** From the end of the frame before to the end of this one, without the time in which this thread compressed. */
  readonly lineMs: number;
  /** Uploads that share this thread, this one with them. */
  readonly uploads: number;
}

/** Content is sent compressed if at most this part is left of it. */
export const shareMax = 0.9;
/** Shorter frames are not worth it. */
const frameBytesMin = kib;
/** The other side needs about half as long again to undo it, and both have the file to read, hash and write besides. */
const costFactor = 4;
/** The weight of a frame that took longer than the others: the system may have held it up. One that was quicker counts whole. */
const costWeight = 0.2;
/** Over so long the line is measured, in milliseconds: buffers on the way, some MiB, take what comes at once. */
const lookMs = 20;
/** Content that goes raw between two tries, doubled with each that was in vain. */
const restBytesMin = mib;
const restBytesMax = 64 * mib;
/** Content that goes compressed before the line is measured raw: soon at first, then four times as much each time that it was right. */
const runBytesMin = 4 * mib;
const runBytesMax = 256 * mib;

export class CompressionChoice {
  #isOn = false;
  /** Bytes of the content until this is looked into again. */
  #leftBytes = 0;
  #restBytes = restBytesMin;
  #runBytes = runBytesMin;
  /** Of frames that were tried: which part the last one saved, and how long they take lately, in milliseconds a byte. */
  #saved = 0;
  #costMs = 0;
  /** How long the line takes for a byte, in milliseconds; one that is not measured yet is slow. */
  #lineMs = Infinity;
  #look = { ms: 0, lineMs: 0, wireBytes: 0 };

  /** Whether a frame of so many bytes is to be compressed; it is sent so if that leaves `shareMax` of it. */
  wants(bytes: number): boolean {
    // While the line is taken for a fast one there is nothing to win by a try.
    return bytes >= frameBytesMin && (this.#isOn || this.#leftBytes <= 0 && this.#lineMs > 0);
  }

  note({ bytes, packed, wireBytes, lineMs, uploads }: SentFrame): void {
    this.#leftBytes -= bytes;
    if (packed !== undefined) {
      this.#saved = 1 - packed.bytes / bytes;
      const costMs = packed.tookMs / bytes;
      this.#costMs = Math.min(costMs, this.#costMs + costWeight * (costMs - this.#costMs));
    }
    this.#measure(wireBytes, lineMs, packed?.tookMs ?? 0);
    const pays = this.#pays(uploads);
    if (pays && this.#isOn && this.#leftBytes <= 0) this.#lookAtLine();
    else if (pays && !this.#isOn) this.#start();
    else if (!pays && (this.#isOn || packed !== undefined)) {
      this.#rest();
      this.#runBytes = runBytesMin;
    }
  }

  #measure(wireBytes: number, lineMs: number, compressMs: number): void {
    const look = this.#look;
    look.ms += lineMs + compressMs;
    look.lineMs += lineMs;
    look.wireBytes += wireBytes;
    if (look.ms < lookMs) return;
    this.#lineMs = look.lineMs / look.wireBytes;
    this.#look = { ms: 0, lineMs: 0, wireBytes: 0 };
  }

  /** Each upload has its part of this thread's time, hence compressing takes it as many times as long. */
  #pays(uploads: number): boolean {
    if (this.#saved < 1 - shareMax) return false;
    return costFactor * uploads * this.#costMs < this.#saved * this.#lineMs;
  }

  #start(): void {
    this.#isOn = true;
    this.#leftBytes = this.#runBytes;
    this.#restBytes = restBytesMin;
  }

  #rest(): void {
    this.#isOn = false;
    this.#leftBytes = this.#restBytes;
    this.#restBytes = Math.min(this.#restBytes * 2, restBytesMax);
  }

  /** Takes the line for a fast one, until it is measured. */
  #lookAtLine(): void {
    this.#lineMs = 0;
    this.#look = { ms: 0, lineMs: 0, wireBytes: 0 };
    this.#rest();
    this.#runBytes = Math.min(this.#runBytes * 4, runBytesMax);
  }
}
