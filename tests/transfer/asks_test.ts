import { assertEquals } from "@std/assert";
import { concatBytes } from "../../lib/core/bytes.ts";
import { limits } from "../../lib/core/limits.ts";
import { Asks } from "../../lib/transfer/asks.ts";
import { encodeFrame, type Frame } from "../../lib/wire/frame.ts";

const { blockBytes } = limits;
const encoded = (...frames: readonly Frame[]) => concatBytes(...frames.map(encodeFrame));

Deno.test("frames ask in the order in which it was added, and neighbours become one range", () => {
  const asks = new Asks();
  asks.addRanges([{ offset: 0, bytes: blockBytes }, { offset: blockBytes, bytes: 2 * blockBytes }]);
  asks.addRanges([{ offset: 9 * blockBytes, bytes: 5 }]);
  asks.addLeaves(3);
  asks.addLeaves(1);
  asks.addRanges([{ offset: 4 * blockBytes, bytes: blockBytes }]);
  assertEquals(
    asks.encode(),
    encoded(
      { kind: "request", ranges: [{ first: 0, count: 3 }, { first: 9, count: 1 }] },
      { kind: "leaves", pieces: [3, 1] },
      { kind: "request", ranges: [{ first: 4, count: 1 }] },
    ),
  );
});

Deno.test("no frame asks for more than one may", () => {
  const asks = new Asks();
  const ranges = Array.from({ length: limits.rangesMax + 1 }, (_, i) => ({ first: 2 * i, count: 1 }));
  assertEquals([asks.isFull, asks.encode().length], [false, 0]);
  asks.addRanges(ranges.map(({ first }) => ({ offset: first * blockBytes, bytes: blockBytes })));
  assertEquals(asks.isFull, true);
  assertEquals(
    asks.encode(),
    encoded({ kind: "request", ranges: ranges.slice(0, -1) }, { kind: "request", ranges: ranges.slice(-1) }),
  );
});
