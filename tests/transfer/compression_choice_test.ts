import { assert, assertEquals } from "@std/assert";
import { kib, mib } from "../../lib/core/limits.ts";
import { CompressionChoice, shareMax } from "../../lib/transfer/compression_choice.ts";

const frameBytes = 256 * kib;

/** What is sent, and what sends it: times in milliseconds a MiB. */
interface Ground {
  /** Of the content, what compressing leaves. */
  readonly share: number;
  readonly compressMs: number;
  /** Of a MiB on the wire. */
  readonly lineMs: number;
  /** Of a MiB of the content at the other side, whatever came over the wire. */
  readonly otherSideMs?: number;
  readonly uploads?: number;
}

/** Sends content; answers how much of it went compressed, and how many times compressing was in vain. */
function send(
  choice: CompressionChoice,
  bytes: number,
  ground: Ground,
): { readonly on: number; readonly vain: number } {
  const { share, compressMs, lineMs, otherSideMs = 0, uploads = 1 } = ground;
  let [on, vain] = [0, 0];
  for (let at = 0; at < bytes; at += frameBytes) {
    const isTried = choice.wants(frameBytes);
    const isOn = isTried && share <= shareMax;
    if (isOn) on += frameBytes;
    if (isTried && !isOn) vain++;
    const wireBytes = isOn ? share * frameBytes : frameBytes;
    const packed = isTried ? { bytes: share * frameBytes, tookMs: compressMs * frameBytes / mib } : undefined;
    const wireMs = Math.max(lineMs * wireBytes / mib, otherSideMs * frameBytes / mib);
    choice.note({ bytes: frameBytes, packed, wireBytes, lineMs: wireMs, uploads });
  }
  return { on: on / bytes, vain };
}

/** A log at 700 MB/s; lines of 10 MB/s, 1 Gbit/s and one that is faster than any compressor. */
const log = { share: 0.16, compressMs: 1.4 };
const slow = { lineMs: 100 };
const gigabit = { lineMs: 8.5 };
const fast = { lineMs: 0.4 };

Deno.test("content that shrinks goes compressed over a slow line, from the first frame to the last", () => {
  assertEquals(send(new CompressionChoice(), 4 * mib, { ...log, ...slow }).on, 1);
  assert(send(new CompressionChoice(), 64 * mib, { ...log, ...slow }).on > 0.98);
  assert(send(new CompressionChoice(), 1024 * mib, { ...log, ...slow }).on > 0.99);
  assert(send(new CompressionChoice(), 1024 * mib, { ...log, ...gigabit }).on > 0.97);
});

Deno.test("content that does not shrink goes raw, and is tried ever more seldom", () => {
  const choice = new CompressionChoice();
  const random = { share: 1, compressMs: 0.6, ...slow };
  assertEquals(send(choice, 16 * mib, random), { on: 0, vain: 4 });
  const { on, vain } = send(choice, 1024 * mib, random);
  assertEquals(on, 0);
  assert(vain <= 20, String(vain));
  assertEquals(send(new CompressionChoice(), 64 * mib, { ...random, share: 0.91 }).on, 0, "a tenth is not worth it");
});

Deno.test("a part that shrinks is found behind one that does not, and the other way round", () => {
  const choice = new CompressionChoice();
  send(choice, 8 * mib, { share: 1, compressMs: 0.6, ...slow });
  assert(send(choice, 64 * mib, { ...log, ...slow }).on > 0.8);
  assert(send(choice, 16 * mib, { share: 1, compressMs: 0.6, ...slow }).vain <= 6);
  assert(send(choice, 16 * mib, { ...log, ...slow }).on > 0.4, "begins anew with short rests");
});

Deno.test("a line that is faster than the compressor is left alone", () => {
  const { on } = send(new CompressionChoice(), 1024 * mib, { ...log, ...fast });
  assert(on < 0.03, String(on));
  const bare = send(new CompressionChoice(), 1024 * mib, { share: 0.5, compressMs: 2.4, lineMs: 15 });
  assert(bare.on < 0.03, "what is saved must be worth it");
});

Deno.test("the other side that is slow is not taken for the line", () => {
  // It takes 1.5 ms for a MiB, compressed or not; nothing is won by compressing, and it would have more to do.
  const { on } = send(new CompressionChoice(), 4096 * mib, { ...log, ...fast, otherSideMs: 1.5 });
  assert(on < 0.1, String(on));
});

Deno.test("a line that becomes slow is noticed, and one that becomes fast", () => {
  const choice = new CompressionChoice();
  send(choice, 512 * mib, { ...log, ...fast });
  assert(send(choice, 64 * mib, { ...log, ...slow }).on > 0.9);
  assert(send(choice, 1024 * mib, { ...log, ...fast }).on < 0.3);
});

Deno.test("uploads that share a thread share what it may compress", () => {
  assert(send(new CompressionChoice(), 1024 * mib, { ...log, ...gigabit, uploads: 16 }).on < 0.1);
  assert(send(new CompressionChoice(), 1024 * mib, { ...log, ...slow, uploads: 8 }).on > 0.9);
});

Deno.test("short frames go as they are", () => {
  assertEquals(new CompressionChoice().wants(1023), false);
  assertEquals(new CompressionChoice().wants(1024), true);
});
