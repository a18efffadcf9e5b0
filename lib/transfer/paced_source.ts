/**
 * paced_source: a source of pieces that gives each when the limits of this peer let it come. Law: a piece is asked for only in its
 * turn, so what is on its way never is more than one window over the limit.  (pure over the flow that is passed in)
 */

import type { PieceSource } from "./download.ts";
import type { Flow } from "./rate_limiter.ts";

export class PacedSource implements PieceSource {
  readonly #source: PieceSource;
  readonly #flow: Flow;
  readonly #pieceBytes: number;
  readonly #signal: AbortSignal;
  #turn: Promise<void> | undefined;
  #isTurn = false;

  constructor(source: PieceSource, flow: Flow, pieceBytes: number, signal: AbortSignal) {
    this.#source = source;
    this.#flow = flow;
    this.#pieceBytes = pieceBytes;
    this.#signal = signal;
  }

  take(): number | undefined {
    if (!this.#hasTurn()) return undefined;
    const piece = this.#source.take();
    if (piece !== undefined) this.#isTurn = false;
    return piece;
  }

  async more(): Promise<boolean> {
    if (this.#turn === undefined) return await this.#source.more();
    await this.#turn;
    return true;
  }

  have(piece: number): void {
    this.#source.have(piece);
  }

  giveBack(pieces: readonly number[]): void {
    this.#source.giveBack(pieces);
  }

  #hasTurn(): boolean {
    if (this.#isTurn) return true;
    if (this.#turn !== undefined) return false;
    const turn = this.#flow.take(this.#pieceBytes, this.#signal);
    if (turn === undefined) return this.#isTurn = true;
    const came = () => {
      this.#turn = undefined;
      this.#isTurn = true;
    };
    // One that is stopped ends with its connection; whoever waits here only looks again.
    this.#turn = turn.then(came, came);
    return false;
  }
}
