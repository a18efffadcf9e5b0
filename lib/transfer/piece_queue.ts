/**
 * piece_queue: the pieces of one fetch that nobody is asked for, shared by all its connections. Laws: 1) a piece is here, with one
 * connection, or done: never asked twice at a time;  2) what a connection could not deliver comes back and goes first.  (pure)
 */

export class PieceQueue {
  /** In descending order, so that the next one is at the end. */
  readonly #pieces: number[];

  /** `missing`: piece indices. */
  constructor(missing: Iterable<number>) {
    this.#pieces = [...missing].sort(descending);
  }

  /** Takes the lowest piece; undefined if all are done or with a connection. */
  take(): number | undefined {
    return this.#pieces.pop();
  }

  /** Gives back pieces that were taken and not delivered. */
  giveBack(pieces: Iterable<number>): void {
    const before = this.#pieces.length;
    this.#pieces.push(...pieces);
    if (this.#pieces.length > before) this.#pieces.sort(descending);
  }
}

function descending(a: number, b: number): number {
  return b - a;
}
