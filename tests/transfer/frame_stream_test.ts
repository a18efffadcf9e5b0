import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { NetworkError, ProtocolError, ShoalError } from "../../lib/core/errors.ts";
import { limits } from "../../lib/core/limits.ts";
import type { ByteStream } from "../../lib/core/transport.ts";
import { FrameStream } from "../../lib/transfer/frame_stream.ts";
import { encodeFrame } from "../../lib/wire/frame.ts";
import { FakeTimers } from "./fake_timers.ts";
import { makePipe } from "./pipe.ts";

function framesOver(stream: ByteStream): FrameStream {
  return new FrameStream(stream, { timers: new FakeTimers(), idleMs: limits.progressMs });
}

Deno.test("FrameStream keeps each frame whole, however many writers there are", async () => {
  const [near, far] = makePipe({ capacityBytes: 1000 });
  const [writer, reader] = [framesOver(near), framesOver(far)];
  const slices = [1, 2, 3].map((fill) => new Uint8Array(100_000).fill(fill));
  const writes = Promise.all(slices.map((slice) => writer.write(encodeFrame({ kind: "manifest", slice }))));
  for (const slice of slices) assertEquals(await reader.readFrame(), { kind: "manifest", slice });
  await writes;
  writer.close();
  assertEquals(await reader.readFrame(), undefined);
  reader.close();
});

Deno.test("FrameStream tells an end between frames from a cut within one, wherever the cut is", async () => {
  const frame = encodeFrame({ kind: "manifest", slice: new Uint8Array(40) });
  for (let length = 0; length <= frame.length; length++) {
    const [near, far] = makePipe();
    const reader = framesOver(far);
    await near.write(frame.subarray(0, length));
    near.close();
    if (length === frame.length) assertEquals((await reader.readFrame())?.kind, "manifest");
    else if (length > 0) await assertRejects(() => reader.readFrame(), NetworkError, "cut");
    if (length % frame.length === 0) assertEquals(await reader.readFrame(), undefined);
    reader.close();
  }
});

Deno.test("FrameStream refuses a length over its limit before a byte of it comes", async () => {
  for (
    const head of [[0, 4, 0, 9, 5], [0xff, 0xff, 0xff, 0xff, 3], [0, 0, 0, 8, 5], [0, 0, 0, 1, 7], [0, 0, 4, 1, 2]]
  ) {
    const [near, far] = makePipe();
    const reader = framesOver(far);
    await near.write(new Uint8Array(head));
    await assertRejects(() => reader.readFrame(), ProtocolError);
    reader.close();
  }
});

Deno.test("fail() settles pending reads and writes with its reason, the first one", async () => {
  const [near] = makePipe({ capacityBytes: 10 });
  const frames = framesOver(near);
  const reason = new ShoalError("denied", "Cannot go on: revoked");
  const pending = [frames.readFrame(), frames.write(new Uint8Array(100)), frames.write(new Uint8Array(1))];
  const checks = Promise.all(
    pending.map(async (one) =>
      assertStrictEquals(await assertRejects(() => one as Promise<unknown>, ShoalError), reason)
    ),
  );
  frames.fail(reason);
  frames.fail(new ShoalError("unknown", "Cannot: later"));
  await checks;
  assertStrictEquals(await assertRejects(() => frames.readFrame(), ShoalError), reason);
});

Deno.test("a side that only hears heartbeats cuts, unless it notes that it has something to do", async () => {
  const [near, far] = makePipe();
  const timers = new FakeTimers();
  const frames = new FrameStream(near, { timers, idleMs: limits.progressMs });
  const other = new FrameStream(far, { timers, idleMs: limits.uploadIdleMs });
  const waiting = Promise.allSettled([frames.readFrame()]);
  const hearing = other.discard();
  for (let ms = 0; ms < 4 * limits.progressMs; ms += limits.progressMs / 2) {
    await timers.advance(limits.progressMs / 2);
    frames.noteWork();
  }
  await timers.advance(limits.progressMs / 2);
  assertEquals(await Promise.race([waiting, "waits"]), "waits");
  await timers.advance(limits.progressMs);
  const [ended] = await waiting;
  assert(ended.status === "rejected" && ended.reason instanceof NetworkError);
  other.close();
  await hearing;
});
