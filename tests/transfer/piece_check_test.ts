import { assertEquals, assertRejects } from "@std/assert";
import { mib } from "../../lib/core/limits.ts";
import { PieceChecker } from "../../lib/transfer/piece_check.ts";
import { settle } from "./fake_timers.ts";
import { makeFile, manifestOf } from "./world.ts";

const small = makeFile(mib);
const large = makeFile(33 * mib);

/** Checks pieces until one went to the other thread: its buffer is then gone from here. */
async function warmUp(checker: PieceChecker): Promise<void> {
  for (;;) {
    const piece = large.bytes.slice(0, manifestOf(large).pieceBytes);
    assertEquals((await checker.check(manifestOf(large), 0, piece)).isRight, true);
    if (piece.length === 0) return;
    await settle();
  }
}

for (const [where, file] of [["here", small], ["on another thread", large]] as const) {
  Deno.test(`PieceChecker tells right pieces from wrong ones ${where}, and gives their buffers back`, async () => {
    using checker = new PieceChecker();
    if (file === large) await warmUp(checker);
    const manifest = manifestOf(file);
    const checks = [0, 1, manifest.pieceCount - 1, 2].map(async (index, at) => {
      const { offset, bytes } = manifest.pieceRange(index);
      const buffer = new Uint8Array(manifest.pieceBytes);
      buffer.set(file.bytes.subarray(offset, offset + bytes));
      if (at === 1) buffer[5]! ^= 1;
      // The last one is a right piece at the wrong place.
      const checked = await checker.check(manifest, at === 3 ? 3 : index, buffer.subarray(0, bytes));
      assertEquals(checked.piece.buffer.byteLength, manifest.pieceBytes);
      if (at !== 1) assertEquals(checked.piece, file.bytes.slice(offset, offset + bytes));
      return checked.isRight;
    });
    assertEquals(await Promise.all(checks), [true, false, true, false]);
  });
}

Deno.test("a PieceChecker that is disposed of owes nobody an answer", async () => {
  const checker = new PieceChecker();
  await warmUp(checker);
  const pending = checker.check(manifestOf(large), 0, large.bytes.slice(0, manifestOf(large).pieceBytes));
  checker[Symbol.dispose]();
  await assertRejects(() => pending, Error, "the program ends");
});
