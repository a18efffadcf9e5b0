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
}

export class TokenBuckets {
  readonly #fullAtMs: Float64Array;
  readonly #tokenMs: number;
  readonly #capacityMs: number;

  constructor({ count, capacity, tokenMs }: BucketsOptions) {
    this.#fullAtMs = new Float64Array(count);
    this.#tokenMs = tokenMs;
    this.#capacityMs = capacity * tokenMs;
  }

  /** How long until the bucket has a token, in milliseconds; 0 if it has one. */
  waitMs(bucket: number, nowMs: number): number {
    const fullAtMs = Math.max(this.#fullAtMs[bucket]!, nowMs);
    return Math.max(0, fullAtMs + this.#tokenMs - this.#capacityMs - nowMs);
  }

  /** Takes a token; false where there is none. */
  take(bucket: number, nowMs: number): boolean {
    if (this.waitMs(bucket, nowMs) > 0) return false;
    this.#fullAtMs[bucket] = Math.max(this.#fullAtMs[bucket]!, nowMs) + this.#tokenMs;
    return true;
  }

  /** Gives a token back. */
  giveBack(bucket: number): void {
    this.#fullAtMs[bucket]! -= this.#tokenMs;
  }
}
