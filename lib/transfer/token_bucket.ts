/**
 * token_bucket: how many bytes may go now under a rate. Laws: 1) bytes are paid before they go, so that no time has more of them than
 * the rate gives it, and `creditMs` of it;  2) what is not used in time is lost: an idle bucket saves up nothing more, but keeps what
 * was paid and given back;  3) it knows no clock: times are passed in and never go back.  (pure)
 */

/** What an idle bucket holds, in milliseconds of its rate: a timer that is late by this much costs nothing. */
export const creditMs = 100;

export class TokenBucket {
  #bytesPerSecond: number | undefined;
  #heldBytes = 0;
  /** Paid once, and not used. */
  #givenBytes = 0;
  #atMs: number;

  /** An empty bucket; without a rate all may go at once. */
  constructor(bytesPerSecond: number | undefined, nowMs: number) {
    this.#bytesPerSecond = bytesPerSecond;
    this.#atMs = nowMs;
  }

  get bytesPerSecond(): number | undefined {
    return this.#bytesPerSecond;
  }

  /** Fills from now on at another rate. */
  change(bytesPerSecond: number | undefined, nowMs: number): void {
    this.fill(nowMs, 0);
    if (this.#bytesPerSecond === undefined) this.#heldBytes = this.#givenBytes = 0;
    this.#bytesPerSecond = bytesPerSecond;
    this.fill(nowMs, 0);
  }

  /** Takes in what has come since the last time. @param wantedBytes Held beyond the credit, for who waits to pay so much. */
  fill(nowMs: number, wantedBytes: number): void {
    if (this.#bytesPerSecond !== undefined) {
      const cameBytes = (nowMs - this.#atMs) * this.#bytesPerSecond / 1000;
      const bytesMax = wantedBytes + this.#bytesPerSecond * creditMs / 1000;
      this.#heldBytes = Math.min(this.#heldBytes + cameBytes, bytesMax);
    }
    this.#atMs = nowMs;
  }

  /** In how many milliseconds so many bytes can be paid: 0 is now. */
  waitMs(bytes: number): number {
    const missingBytes = bytes - this.#givenBytes - this.#heldBytes;
    if (this.#bytesPerSecond === undefined || missingBytes <= 0) return 0;
    // Whole milliseconds, as timers have: a wake-up just before the time would be in vain.
    return Math.ceil(missingBytes * 1000 / this.#bytesPerSecond);
  }

  pay(bytes: number): void {
    if (this.#bytesPerSecond === undefined) return;
    const givenBytes = Math.min(bytes, this.#givenBytes);
    this.#givenBytes -= givenBytes;
    this.#heldBytes -= bytes - givenBytes;
  }

  /** Takes back bytes that were paid and did not go. */
  giveBack(bytes: number): void {
    if (this.#bytesPerSecond !== undefined) this.#givenBytes += bytes;
  }
}
