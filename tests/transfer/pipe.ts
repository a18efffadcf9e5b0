/** pipe: two ends of a byte stream in memory, for tests that own both sides. */

import { NetworkError } from "../../lib/core/errors.ts";
import type { ByteStream } from "../../lib/core/transport.ts";

export interface PipeOptions {
  /** How many bytes a read answers at most. */
  readonly readBytesMax?: number;
  /** Bytes that a writer may be ahead of its reader. */
  readonly capacityBytes?: number;
}

/** One direction. */
class Channel {
  readonly #options: Required<PipeOptions>;
  #chunks: Uint8Array[] = [];
  #held = 0;
  #ended = false;

  constructor(options: PipeOptions) {
    this.#options = { readBytesMax: Infinity, capacityBytes: 256 * 1024, ...options };
  }

  async read(buffer: Uint8Array, isOpen: () => boolean): Promise<number | null> {
    for (;;) {
      if (!isOpen()) throw new NetworkError("Cannot read from a pipe: it was closed here");
      const chunk = this.#chunks[0];
      if (chunk !== undefined) {
        const count = Math.min(chunk.length, buffer.length, this.#options.readBytesMax);
        buffer.set(chunk.subarray(0, count));
        if (count === chunk.length) this.#chunks.shift();
        else this.#chunks[0] = chunk.subarray(count);
        this.#held -= count;
        this.#change();
        return count;
      }
      if (this.#ended) return null;
      await this.#changed();
    }
  }

  async write(bytes: Uint8Array, isOpen: () => boolean): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      if (!isOpen() || this.#ended) throw new NetworkError("Cannot write to a pipe: it was closed");
      const room = this.#options.capacityBytes - this.#held;
      if (room > 0) {
        const chunk = bytes.slice(at, at + room);
        this.#chunks.push(chunk);
        this.#held += chunk.length;
        at += chunk.length;
        this.#change();
      } else {
        await this.#changed();
      }
    }
  }

  end(): void {
    this.#ended = true;
    this.#change();
  }

  /** Whether bytes wait that nobody has read. */
  get isHolding(): boolean {
    return this.#held > 0;
  }

  /** Drops what was not read yet. */
  drop(): void {
    this.#chunks = [];
    this.#held = 0;
  }

  #waiters: (() => void)[] = [];

  #changed(): Promise<void> {
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  #change(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const resolve of waiters) resolve();
  }
}

/**
 * Makes two ends. A close ends both directions, and what was written before still arrives; unless bytes came that this end has not read:
 * then it is a reset, as TCP's, which destroys what is on its way.
 */
export function makePipe(options: PipeOptions = {}): [ByteStream, ByteStream] {
  const there = new Channel(options);
  const back = new Channel(options);
  return [endOf(there, back), endOf(back, there)];
}

function endOf(out: Channel, into: Channel): ByteStream {
  let open = true;
  return {
    remote: undefined,
    read: (buffer) => into.read(buffer, () => open),
    write: (bytes) => out.write(bytes, () => open),
    close() {
      if (open && into.isHolding) out.drop();
      open = false;
      out.end();
      into.end();
    },
  };
}
