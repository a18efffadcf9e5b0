/**
 * asks: what a fetching side asks of a holder at once: REQUEST and LEAVES frames. Laws: 1) the frames ask in the order in which it was
 * added, for in that order the holder answers;  2) neighbours become one range.  Spec: PROTOCOL.md "REQUEST and DATA".  (pure)
 */

import { type Bytes, concatBytes } from "../core/bytes.ts";
import { limits } from "../core/limits.ts";
import { encodeFrame } from "../wire/frame.ts";
import type { ByteRange } from "./request_queue.ts";

type Ask =
  | { readonly kind: "request"; readonly ranges: { first: number; count: number }[] }
  | { readonly kind: "leaves"; readonly pieces: number[] };

export class Asks {
  /** Each becomes a frame. */
  readonly #asks: Ask[] = [];
  #count = 0;

  /** Whether it is not worth to wait for more. */
  get isFull(): boolean {
    return this.#count >= limits.rangesMax;
  }

  /** Asks for ranges of whole blocks, but for the content's last. */
  addRanges(ranges: readonly ByteRange[]): void {
    for (const { offset, bytes } of ranges) {
      const first = offset / limits.blockBytes;
      const count = Math.ceil(bytes / limits.blockBytes);
      const { ranges: asked } = this.#last("request", () => ({ kind: "request", ranges: [] }));
      const last = asked.at(-1);
      if (last !== undefined && last.first + last.count === first) last.count += count;
      else asked.push({ first, count });
      this.#count++;
    }
  }

  /** Asks for the hashes of a piece's blocks. */
  addLeaves(piece: number): void {
    this.#last("leaves", () => ({ kind: "leaves", pieces: [] })).pieces.push(piece);
    this.#count++;
  }

  /** The frames; nothing if nothing is asked for. */
  encode(): Bytes {
    return concatBytes(...this.#asks.map(encodeFrame));
  }

  /** What is to be added to: the last one, if it is of that kind and has room. */
  #last<K extends Ask["kind"]>(
    kind: K,
    make: () => Extract<Ask, { readonly kind: K }>,
  ): Extract<Ask, { readonly kind: K }> {
    const last = this.#asks.at(-1);
    const count = last === undefined ? 0 : last.kind === "request" ? last.ranges.length : last.pieces.length;
    if (last?.kind === kind && count < limits.rangesMax) return last as Extract<Ask, { readonly kind: K }>;
    const ask = make();
    this.#asks.push(ask);
    return ask;
  }
}
