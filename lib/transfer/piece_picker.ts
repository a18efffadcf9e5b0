/**
 * piece_picker: which piece of a fetch is asked of whom. Every connection has a seat. Laws: 1) a piece is missing, with one seat, or
 * done; at the end alone, when none is missing, a seat with nothing to do is given one that another seat has and is slow with; 2) of
 * what a seat's holder has, the rarest goes first, and what others have asked a holder for counts as a copy: they will have it soon;
 * 3) what a seat did not deliver comes back when it leaves.  (pure but for the clock that is passed in)
 *
 * Where every holder has all, pieces are taken in order, from a random place on and round: neighbours share a REQUEST and a read of the
 * disk, and peers that begin together have different pieces to give each other; what others have asked for goes last. Once holders are
 * met that have a part, one of the rarest is taken at random, as in BEP 3: in order, all would wait for the same next piece.
 */

/** Which pieces a holder has: bit 7 of byte 0 is piece 0, as in BEP 3. */
export type Bitfield = Uint8Array;

export interface PickerOptions {
  readonly pieceCount: number;
  /** Pieces that are to be fetched. */
  readonly missing: Iterable<number>;
  /** Draws a whole number from 0 to `below` − 1. */
  readonly draw: (below: number) => number;
  readonly nowMs: () => number;
}

/** Missing pieces whose rarity is compared for one choice, at most: a file of a million pieces must not cost a million steps each. */
const comparedMax = 4096;
/** The weight of the last piece in a seat's pace. */
const paceWeight = 0.3;
/** A seat that not a byte came from for this long is as good as gone: others may take all that it has, in milliseconds. */
const silentMs = 2_000;
/** How much sooner a piece must come from another seat to be asked of both. */
const doublingGain = 2;

const [missing, asked, done] = [0, 1, 2] as const;

export class PiecePicker {
  /** Of each piece. */
  readonly #states: Uint8Array;
  /** How many seats' holders have a piece, those that have all not counted. */
  readonly #copies: Uint16Array;
  /** How often others have asked a holder for a piece, as far as that was told. Who tells lies of it changes the order, and no more. */
  readonly #askedByOthers: Uint8Array;
  #areOthersAsking = false;
  readonly #seats = new Set<Seat>();
  readonly #draw: (below: number) => number;
  readonly #nowMs: () => number;
  #partialSeats = 0;
  /** Going round from the start, no missing piece is before it. */
  #cursor: number;
  readonly #start: number;
  #missing = 0;
  /** Pieces that are not done. */
  #left = 0;

  constructor(options: PickerOptions) {
    this.#states = new Uint8Array(options.pieceCount).fill(done);
    this.#copies = new Uint16Array(options.pieceCount);
    this.#askedByOthers = new Uint8Array(options.pieceCount);
    this.#draw = options.draw;
    this.#start = this.#cursor = options.pieceCount === 0 ? 0 : options.draw(options.pieceCount);
    this.#nowMs = options.nowMs;
    for (const piece of options.missing) {
      this.#states[piece] = missing;
      this.#missing++;
    }
    this.#left = this.#missing;
  }

  /** Pieces that are not done. */
  get left(): number {
    return this.#left;
  }

  /** Gives a connection its seat. @param has What the holder has; undefined: all. It is kept, and grows by `have`. */
  join(has?: Bitfield): Seat {
    const seat = new Seat(this, has, this.#nowMs());
    this.#seats.add(seat);
    if (has === undefined) return seat;
    this.#partialSeats++;
    for (let piece = 0; piece < this.#copies.length; piece++) if (hasPiece(has, piece)) this.#copies[piece]!++;
    return seat;
  }

  /** Notes that a piece is verified and written, whoever delivered it; false if it was before. */
  done(piece: number): boolean {
    if (this.#states[piece] === done) return false;
    if (this.#states[piece] === missing) this.#missing--;
    this.#states[piece] = done;
    if (--this.#left === 0) this.wake();
    return true;
  }

  /** Lets seats that wait look again: at what others are slow with, which time alone makes worth asking for. */
  wake(): void {
    for (const seat of this.#seats) seat.wake();
  }

  /** @internal For Seat: the next piece to ask of it. */
  pick(seat: Seat): number | undefined {
    const piece = this.#missing > 0 ? this.#rarest(seat) : this.#double(seat);
    if (piece === undefined) return undefined;
    if (this.#states[piece] === missing) this.#missing--;
    this.#states[piece] = asked;
    return piece;
  }

  /** @internal For Seat: pieces that it will not deliver. */
  comeBack(seat: Seat, pieces: Iterable<number>): void {
    let isAny = false;
    for (const piece of pieces) {
      seat.asked.delete(piece);
      if (this.#states[piece] !== asked || this.#isWithOther(piece)) continue;
      this.#states[piece] = missing;
      this.#missing++;
      if (this.#distance(piece) < this.#distance(this.#cursor)) this.#cursor = piece;
      isAny = true;
    }
    if (isAny) this.wake();
  }

  /** @internal For Seat. */
  leave(seat: Seat): void {
    if (!this.#seats.delete(seat)) return;
    this.comeBack(seat, [...seat.asked.keys()]);
    const { has } = seat;
    if (has === undefined) return;
    this.#partialSeats--;
    for (let piece = 0; piece < this.#copies.length; piece++) if (hasPiece(has, piece)) this.#copies[piece]!--;
  }

  /** @internal For Seat: its holder has one more. */
  noteCopy(piece: number): void {
    this.#copies[piece]!++;
  }

  /** @internal For Seat: others will have these soon. */
  noteAskedByOthers(pieces: readonly number[]): void {
    this.#areOthersAsking = true;
    for (const piece of pieces) if (this.#askedByOthers[piece]! < 255) this.#askedByOthers[piece]!++;
  }

  /** @internal For Seat. */
  get nowMs(): number {
    return this.#nowMs();
  }

  #rarest(seat: Seat): number | undefined {
    const count = this.#states.length;
    while (this.#states[this.#cursor] !== missing) this.#cursor = (this.#cursor + 1) % count;
    const isInOrder = this.#partialSeats === 0;
    if (isInOrder && !this.#areOthersAsking) return this.#cursor;
    let best: number | undefined;
    let least = Infinity;
    let equals = 0;
    let compared = 0;
    for (let step = 0; step < count && (compared < comparedMax || best === undefined); step++) {
      const piece = (this.#cursor + step) % count;
      if (this.#states[piece] !== missing) continue;
      compared++;
      if (seat.has !== undefined && !hasPiece(seat.has, piece)) continue;
      const copies = this.#copies[piece]! + this.#askedByOthers[piece]!;
      if (copies > least || isInOrder && copies === least) continue;
      equals = copies < least ? 1 : equals + 1;
      // Each of the equals seen so far is kept with the same chance.
      if (copies < least || this.#draw(equals) === 0) best = piece;
      least = copies;
    }
    return best;
  }

  /** A piece of the seat that would be the last to be done, where this one has it much sooner. */
  #double(seat: Seat): number | undefined {
    if (seat.asked.size > 0) return undefined;
    const nowMs = this.#nowMs();
    let best: { readonly piece: number; readonly seat: Seat } | undefined;
    let latestMs = 0;
    for (const other of this.#seats) {
      if (other === seat || other.asked.size === 0) continue;
      const isSilent = nowMs - other.heardAtMs >= silentMs;
      if (other.wasDoubled && !isSilent) continue;
      const restMs = isSilent ? Infinity : other.asked.size * other.paceMs;
      if (restMs <= latestMs || restMs < doublingGain * seat.paceMs) continue;
      const piece = [...other.asked.keys()].findLast((one) =>
        this.#states[one] === asked && (seat.has === undefined || hasPiece(seat.has, one)) && !this.#isShared(one)
      );
      if (piece === undefined) continue;
      best = { piece, seat: other };
      latestMs = restMs;
    }
    if (best === undefined) return undefined;
    best.seat.wasDoubled = true;
    return best.piece;
  }

  #isWithOther(piece: number): boolean {
    for (const seat of this.#seats) if (seat.asked.has(piece)) return true;
    return false;
  }

  #isShared(piece: number): boolean {
    let seats = 0;
    for (const seat of this.#seats) if (seat.asked.has(piece)) seats++;
    return seats > 1;
  }

  /** How far round from the start a piece is. */
  #distance(piece: number): number {
    return (piece - this.#start + this.#states.length) % this.#states.length;
  }
}

/** What one connection is asked for. */
export class Seat {
  readonly has: Bitfield | undefined;
  /** Pieces that it was given and that it has not delivered. */
  readonly asked = new Set<number>();
  /** Milliseconds a piece, lately. */
  paceMs = 0;
  /** When bytes last came from it, or it joined. */
  heardAtMs: number;
  /** Since when it has something to do, or has delivered the last piece. */
  #busySinceMs: number;
  /** Whether one of its pieces was asked of another as well. */
  wasDoubled = false;
  #isRetired = false;
  readonly #picker: PiecePicker;
  #wake: () => void = () => {};

  constructor(picker: PiecePicker, has: Bitfield | undefined, nowMs: number) {
    this.#picker = picker;
    this.has = has;
    this.heardAtMs = this.#busySinceMs = nowMs;
  }

  /** Notes that bytes came, of whatever piece. */
  heard(): void {
    this.heardAtMs = this.#picker.nowMs;
  }

  /** The next piece to ask for; undefined if there is none at the moment. */
  take(): number | undefined {
    const piece = this.#isRetired ? undefined : this.#picker.pick(this);
    if (piece === undefined) return undefined;
    // Its pace is of the time in which it had something to do.
    if (this.asked.size === 0) this.heardAtMs = this.#busySinceMs = this.#picker.nowMs;
    this.asked.add(piece);
    return piece;
  }

  /** Waits until there may be a piece; false once all are done, or it is retired. */
  async more(): Promise<boolean> {
    const mayCome = () => this.#picker.left > 0 && !this.#isRetired;
    if (mayCome()) await new Promise<void>((resolve) => this.#wake = resolve);
    return mayCome();
  }

  /** Notes that this seat's holder delivered a piece, which is verified and written; false if somebody else had before. */
  delivered(piece: number): boolean {
    const nowMs = this.#picker.nowMs;
    const tookMs = nowMs - this.#busySinceMs;
    this.paceMs = this.paceMs === 0 ? tookMs : this.paceMs + paceWeight * (tookMs - this.paceMs);
    this.heardAtMs = this.#busySinceMs = nowMs;
    this.asked.delete(piece);
    return this.#picker.done(piece);
  }

  /** Notes what else the holder has by now. */
  have(piece: number): void {
    const { has } = this;
    if (has === undefined || hasPiece(has, piece) || piece >> 3 >= has.length) return;
    has[piece >> 3]! |= 0x80 >> (piece & 7);
    this.#picker.noteCopy(piece);
    this.wake();
  }

  /** Notes pieces that others have asked the holder for. */
  askedByOthers(pieces: readonly number[]): void {
    this.#picker.noteAskedByOthers(pieces);
  }

  /** Gives back pieces that it was given and will not deliver. */
  giveBack(pieces: Iterable<number>): void {
    this.#picker.comeBack(this, pieces);
  }

  /** Lets it end: it delivers what it was given, and is given nothing more. */
  retire(): void {
    this.#isRetired = true;
    this.wake();
  }

  /** Ends the seat; what it has not delivered comes back. Safe to call twice. */
  leave(): void {
    this.#picker.leave(this);
    this.wake();
  }

  /** Ends a wait for more. */
  wake(): void {
    this.#wake();
  }
}

export function hasPiece(has: Bitfield, piece: number): boolean {
  return (has[piece >> 3]! & (0x80 >> (piece & 7))) !== 0;
}
