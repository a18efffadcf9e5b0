/**
 * token_buckets: a fixed table of token buckets, in the form of the generic cell rate algorithm: one number a bucket, the
 * instant at which it is full again. Laws: 1) memory is fixed at making;  2) a refused take costs nothing.
 * @see ITU-T I.371 (GCRA).  (pure)
 */

export interface BucketsOptions {
  /** Buckets in the table. */
  readonly count: number;
  /** Tokens in a full bucket. */
  readonly capacity: number;
  /** Time in which one token comes back, in milliseconds. */
  readonly tokenMs: number;
  /** When all of them are empty; without it they are full. */
  readonly emptyAtMs?: number | undefined;
}

export class TokenBuckets {
  readonly #fullAtMs: Float64Array;
  readonly #tokenMs: number;
  readonly #capacityMs: number;

  constructor({ count, capacity, tokenMs, emptyAtMs }: BucketsOptions) {
    this.#fullAtMs = new Float64Array(count);
    this.#tokenMs = tokenMs;
    this.#capacityMs = capacity * tokenMs;
    if (emptyAtMs !== undefined) this.#fullAtMs.fill(emptyAtMs + this.#capacityMs);
  }

  /** How long until the bucket has so many tokens, in milliseconds; 0 if it has them. A full bucket is enough for any number. */
  waitMs(bucket: number, nowMs: number, tokens = 1): number {
    const fullAtMs = Math.max(this.#fullAtMs[bucket]!, nowMs);
    return Math.max(0, fullAtMs + Math.min(tokens * this.#tokenMs, this.#capacityMs) - this.#capacityMs - nowMs);
  }

  /** Takes tokens; false where there are not as many. */
  take(bucket: number, nowMs: number, tokens = 1): boolean {
    if (this.waitMs(bucket, nowMs, tokens) > 0) return false;
    this.#fullAtMs[bucket] = Math.max(this.#fullAtMs[bucket]!, nowMs) + tokens * this.#tokenMs;
    return true;
  }

  /** Gives tokens back. */
  giveBack(bucket: number, tokens = 1): void {
    this.#fullAtMs[bucket]! -= tokens * this.#tokenMs;
  }
}
