import { assertEquals } from "@std/assert";
import type { Content, ContentId, DeviceId } from "../../lib/core/ids.ts";
import { kib, limits } from "../../lib/core/limits.ts";
import { AskedLately, type AskedPieces } from "../../lib/transfer/asked_lately.ts";

const content: Content = { id: "aa".repeat(32) as ContentId, bytes: 1000 * 256 * kib };
const [ada, bob] = ["01".repeat(32), "02".repeat(32)] as DeviceId[];
const pieceBlocks = 256 * kib / limits.blockBytes;

/** Asks for whole pieces. */
function ask(connection: AskedPieces, ...pieces: readonly number[]): void {
  connection.note(pieces.map((piece) => ({ first: piece * pieceBlocks, count: pieceBlocks })));
}

Deno.test("each hears once what others have asked for, also before it came, and nothing of its own device", () => {
  const asked = new AskedLately();
  using one = asked.join(content, ada!);
  using another = asked.join(content, ada!);
  ask(one, 3, 7);
  using other = asked.join(content, bob!);
  assertEquals(other.news(), [3, 7]);
  ask(other, 5);
  ask(another, 9);
  assertEquals([one.news(), another.news(), other.news()], [[5], [5], [9]]);
  assertEquals([one.news(), another.news(), other.news()], [[], [], []]);
});

Deno.test("a range counts for each piece that it touches", () => {
  const asked = new AskedLately();
  using one = asked.join(content, ada!);
  using other = asked.join(content, bob!);
  one.note([{ first: pieceBlocks - 1, count: pieceBlocks + 2 }, { first: 5 * pieceBlocks + 3, count: 1 }]);
  assertEquals(other.news(), [0, 1, 2, 5]);
});

Deno.test("what is kept is bounded, and fits a frame", () => {
  const asked = new AskedLately();
  using one = asked.join(content, ada!);
  using other = asked.join(content, bob!);
  one.note([{ first: 0, count: 900 * pieceBlocks }]);
  const expected = Array.from({ length: limits.rangesMax }, (_, i) => 900 - limits.rangesMax + i);
  assertEquals(other.news(), expected);
  ask(one, 2);
  assertEquals(other.news(), [2]);
});

Deno.test("contents are apart, and nothing is left of one that nobody fetches any more", () => {
  const asked = new AskedLately();
  {
    using one = asked.join(content, ada!);
    using elsewhere = asked.join({ ...content, bytes: content.bytes - 1 }, bob!);
    ask(one, 1);
    assertEquals(elsewhere.news(), []);
  }
  using later = asked.join(content, bob!);
  assertEquals(later.news(), []);
});
