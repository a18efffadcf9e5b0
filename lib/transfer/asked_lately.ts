/**
 * asked_lately: which pieces of a content this device was asked for lately, so that each who fetches it hears what others will have soon,
 * and asks for something else. Laws: 1) nobody is told of what its own device asked for, nor of one ask twice;  2) bounded: the last so
 * many asks of a content, and only while somebody fetches it.  Spec: PROTOCOL.md "ASKED".  (pure)
 */

import { type Content, contentKey, type DeviceId } from "../core/ids.ts";
import { limits } from "../core/limits.ts";
import { pieceBytesFor } from "../content/merkle.ts";
import type { BlockRange } from "../wire/frame.ts";

interface Ask {
  readonly piece: number;
  readonly deviceId: DeviceId;
}

/** The asks for one content. */
interface Asks {
  /** The last ones, oldest first. */
  readonly last: Ask[];
  /** How many there were in all. */
  count: number;
  connections: number;
}

export class AskedLately {
  readonly #contents = new Map<string, Asks>();

  /** Takes in a connection over which a device fetches a content, until the answer is disposed. */
  join(content: Content, deviceId: DeviceId): AskedPieces {
    const key = contentKey(content);
    const asks = this.#contents.get(key) ?? { last: [], count: 0, connections: 0 };
    this.#contents.set(key, asks);
    asks.connections++;
    const leave = () => {
      if (--asks.connections === 0) this.#contents.delete(key);
    };
    return new AskedPieces(asks, deviceId, pieceBytesFor(content.bytes) / limits.blockBytes, leave);
  }
}

/** What one connection asks for, and hears of the others. */
export class AskedPieces implements Disposable {
  readonly #asks: Asks;
  readonly #deviceId: DeviceId;
  readonly #pieceBlocks: number;
  readonly #leave: () => void;
  /** How many asks, from the first on, it has heard of or is its own. */
  #heard = 0;

  constructor(asks: Asks, deviceId: DeviceId, pieceBlocks: number, leave: () => void) {
    this.#asks = asks;
    this.#deviceId = deviceId;
    this.#pieceBlocks = pieceBlocks;
    this.#leave = leave;
  }

  /** Notes what this connection asks for, in legal ranges. */
  note(ranges: readonly BlockRange[]): void {
    const asks = this.#asks;
    for (const { first, count } of ranges) {
      const last = Math.floor((first + count - 1) / this.#pieceBlocks);
      for (let piece = Math.floor(first / this.#pieceBlocks); piece <= last; piece++) {
        asks.last.push({ piece, deviceId: this.#deviceId });
        asks.count++;
      }
    }
    if (asks.last.length > limits.rangesMax) asks.last.splice(0, asks.last.length - limits.rangesMax);
  }

  /** The pieces that others have asked for since the last call, as far as they are kept; one may stand there twice. */
  news(): readonly number[] {
    const { last, count } = this.#asks;
    const fresh = last.slice(Math.max(0, last.length - (count - this.#heard)));
    this.#heard = count;
    return fresh.filter(({ deviceId }) => deviceId !== this.#deviceId).map(({ piece }) => piece);
  }

  [Symbol.dispose](): void {
    this.#leave();
  }
}
