import { assert, assertEquals } from "@std/assert";
import { PiecePicker, type Seat } from "../../lib/transfer/piece_picker.ts";

let nowMs = 0;

function makePicker(
  pieceCount: number,
  options: { missing?: readonly number[]; draw?: (below: number) => number } = {},
) {
  nowMs = 0;
  const { missing = [...Array(pieceCount).keys()], draw = () => 0 } = options;
  return new PiecePicker({ pieceCount, missing, draw, nowMs: () => nowMs });
}

/** Begins with the first piece, and keeps the first of equals. */
function firstOnes(): (below: number) => number {
  let draws = 0;
  return (below) => draws++ === 0 ? 0 : below - 1;
}

/** A bitfield of 16 pieces. */
function bits(...pieces: readonly number[]): Uint8Array {
  const field = new Uint8Array(2);
  for (const piece of pieces) field[piece >> 3]! |= 0x80 >> (piece & 7);
  return field;
}

function takeAll(seat: Seat): number[] {
  const taken: number[] = [];
  for (let piece = seat.take(); piece !== undefined; piece = seat.take()) taken.push(piece);
  return taken;
}

/** Lets a seat deliver pieces, each after so many milliseconds. */
function deliver(seat: Seat, pieces: readonly number[], eachMs: number): void {
  for (const piece of pieces) {
    nowMs += eachMs;
    seat.delivered(piece);
  }
}

Deno.test("with whole holders alone, pieces go out once, in order from a random place on and round", () => {
  const picker = makePicker(6, { draw: (below) => below - 2 });
  const [a, b] = [picker.join(), picker.join()];
  assertEquals([a.take(), b.take(), a.take(), b.take(), a.take(), b.take(), a.take()], [4, 5, 0, 1, 2, 3, undefined]);
});

Deno.test("pieces that are not missing are not given out", () => {
  assertEquals(takeAll(makePicker(6, { missing: [1, 4] }).join()), [1, 4]);
  assertEquals(takeAll(makePicker(0).join()), []);
});

Deno.test("a seat is given what its holder has and no more, the rarest first, and news count", () => {
  const picker = makePicker(16, { draw: firstOnes() });
  const [one, two, whole] = [picker.join(bits(0, 1, 2, 3)), picker.join(bits(0, 1)), picker.join()];
  assertEquals([two.take(), two.take(), two.take()], [0, 1, undefined]);
  assertEquals([one.take(), one.take(), one.take()], [2, 3, undefined]);
  assertEquals(whole.take(), 4, "nobody else has it");
  two.have(9);
  assertEquals(two.take(), 9);
  two.have(200);
  assertEquals(two.take(), undefined);
});

Deno.test("what others have asked a holder for counts as a copy, whoever told it and however often", () => {
  const picker = makePicker(6, { draw: firstOnes() });
  const [one, two, whole] = [picker.join(bits(0, 1)), picker.join(bits(0)), picker.join()];
  whole.askedByOthers([2, 3, 4, 200]);
  two.askedByOthers([3]);
  assertEquals(takeAll(whole), [5, 1, 2, 4, 0, 3]);
  assertEquals(one.take(), undefined);
});

Deno.test("with whole holders alone what others have asked for goes last, each kind in order", () => {
  const picker = makePicker(6, { draw: (below) => below - 4 });
  const seat = picker.join();
  assertEquals(seat.take(), 2);
  seat.askedByOthers([3, 0]);
  assertEquals(takeAll(seat), [4, 5, 1, 3, 0]);
});

Deno.test("a seat that is retired delivers what it was given, and is given nothing more", async () => {
  const picker = makePicker(3);
  const [seat, other] = [picker.join(), picker.join()];
  assertEquals(seat.take(), 0);
  const more = seat.more();
  seat.retire();
  assertEquals([seat.take(), await more, await seat.more()], [undefined, false, false]);
  assertEquals(seat.delivered(0), true);
  assertEquals([picker.left, takeAll(other)], [2, [1, 2]]);
});

Deno.test("of equally rare pieces one is drawn, each with the same chance", () => {
  const taken = new Map<number, number>();
  let state = 1;
  const draw = (below: number) => {
    state = (state * 48_271) % 2_147_483_647;
    return state % below;
  };
  for (let round = 0; round < 3_000; round++) {
    const picker = makePicker(16, { draw });
    picker.join(bits(0));
    const piece = picker.join().take()!;
    taken.set(piece, (taken.get(piece) ?? 0) + 1);
  }
  assertEquals([...taken.keys()].sort((a, b) => a - b), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
  for (const [piece, count] of taken) assert(count > 120 && count < 280, `${piece} was drawn ${count} times of 200`);
});

Deno.test("what a seat leaves behind comes back, and wakes who waits", async () => {
  const picker = makePicker(3);
  const [a, b] = [picker.join(), picker.join()];
  assertEquals(takeAll(a), [0, 1, 2]);
  deliver(a, [0], 10);
  const more = b.more();
  a.leave();
  assertEquals(await more, true);
  assertEquals(takeAll(b), [1, 2]);
  a.leave();
  deliver(b, [1, 2], 10);
  assertEquals([picker.left, await b.more()], [0, false]);
});

Deno.test("pieces that a seat gives back go first", () => {
  const picker = makePicker(6);
  const seat = picker.join();
  assertEquals([seat.take(), seat.take(), seat.take()], [0, 1, 2]);
  seat.giveBack([1]);
  assertEquals([seat.take(), seat.take()], [1, 3]);
});

Deno.test("at the end a fast seat doubles one piece of a slow one, the last, and no second one", () => {
  const picker = makePicker(8);
  const [slow, fast] = [picker.join(), picker.join()];
  assertEquals([slow.take(), slow.take(), slow.take()], [0, 1, 2]);
  const pieces = takeAll(fast);
  assertEquals(pieces, [3, 4, 5, 6, 7]);
  deliver(slow, [0], 500);
  deliver(fast, pieces, 1);
  assertEquals([fast.take(), fast.take()], [2, undefined], "the slow one has 1 and 2 before it");
  deliver(fast, [2], 1);
  assertEquals(fast.take(), undefined, "one piece a holder is enough");
  deliver(slow, [1, 2], 500);
  assertEquals(picker.left, 0);
});

Deno.test("nothing is doubled that comes as soon from where it was asked for", () => {
  const picker = makePicker(4);
  const [a, b] = [picker.join(), picker.join()];
  assertEquals([a.take(), a.take(), b.take(), b.take()], [0, 1, 2, 3]);
  deliver(a, [0], 10);
  deliver(b, [2, 3], 5);
  assertEquals(b.take(), undefined);
});

Deno.test("of a seat that has fallen silent all pieces are taken over, one after the other", () => {
  const picker = makePicker(4);
  const [silent, other] = [picker.join(), picker.join()];
  assertEquals([silent.take(), silent.take(), silent.take(), other.take()], [0, 1, 2, 3]);
  deliver(other, [3], 5);
  assertEquals(other.take(), undefined);
  nowMs += 2_000;
  for (const piece of [2, 1, 0]) {
    assertEquals(other.take(), piece);
    deliver(other, [piece], 5);
  }
  assertEquals(picker.left, 0);
});
