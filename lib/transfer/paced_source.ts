/**
 * paced_source: a source of pieces that gives each when the limits of this peer let it come. Laws: 1) a piece is asked for only in its
 * turn;  2) turns belong to the fetch: one is waited for at a time, any connection may use the one that came, and one that nobody could
 * use is kept, so that a connection that ends, or opens and closes, costs none.  (pure over the flow that is passed in)
 */

import type { PieceSource } from "./piece_receiver.ts";
import type { Flow } from "./rate_limiter.ts";

/** The turns of one fetch in one flow. */
export class Turns {
  readonly #flow: Flow;
  readonly #pieceBytes: number;
  readonly #signal: AbortSignal;
  #coming: Promise<void> | undefined;
  #isHere = false;
  /** Whether none will come any more: the fetch has ended. */
  #isOver = false;

  /** @param signal Of the fetch. */
  constructor(flow: Flow, pieceBytes: number, signal: AbortSignal) {
    this.#flow = flow;
    this.#pieceBytes = pieceBytes;
    this.#signal = signal;
  }

  /** Whether a turn is waited for. */
  get isComing(): boolean {
    return this.#coming !== undefined;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Whether a turn is here; if not, one is waited for from now on. */
  look(): boolean {
    if (this.#isHere) return true;
    if (this.#coming !== undefined || this.#isOver) return false;
    const turn = this.#flow.take(this.#pieceBytes, this.#signal);
    if (turn === undefined) return this.#isHere = true;
    const came = (isHere: boolean) => {
      this.#coming = undefined;
      this.#isHere = isHere;
      this.#isOver = !isHere;
    };
    this.#coming = turn.then(() => came(true), () => came(false));
    return false;
  }

  use(): void {
    this.#isHere = false;
  }

  /** Notes that so many turns were used in vain. */
  unused(count: number): void {
    this.giveBack(count * this.#pieceBytes);
  }

  /** Notes that so many bytes of a turn were not needed. */
  giveBack(bytes: number): void {
    this.#flow.giveBack(bytes);
  }

  /** Waits for the turn that comes; false if none will. */
  async wait(): Promise<boolean> {
    await this.#coming;
    return !this.#isOver;
  }
}

export class PacedSource implements PieceSource {
  readonly #source: PieceSource;
  readonly #turns: Turns;

  constructor(source: PieceSource, turns: Turns) {
    this.#source = source;
    this.#turns = turns;
  }

  take(): number | undefined {
    if (!this.#turns.look()) return undefined;
    const piece = this.#source.take();
    if (piece !== undefined) this.#turns.use();
    return piece;
  }

  async more(): Promise<boolean> {
    if (this.#turns.isComing || this.#turns.isOver) return await this.#turns.wait();
    return await this.#source.more();
  }

  have(piece: number): void {
    this.#source.have(piece);
  }

  askedByOthers(pieces: readonly number[]): void {
    this.#source.askedByOthers(pieces);
  }

  giveBack(pieces: readonly number[]): void {
    this.#source.giveBack(pieces);
    this.#turns.unused(pieces.length);
  }
}
