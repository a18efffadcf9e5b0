import { assert, assertEquals } from "@std/assert";
import type { Bytes } from "../../lib/core/bytes.ts";
import { ShoalError } from "../../lib/core/errors.ts";
import { limits } from "../../lib/core/limits.ts";
import { proveTransfer } from "../../lib/session/proofs.ts";
import { FrameStream } from "../../lib/transfer/frame_stream.ts";
import { RateLimiter } from "../../lib/transfer/rate_limiter.ts";
import { serveConnection } from "../../lib/transfer/upload.ts";
import { encodeFrame } from "../../lib/wire/frame.ts";
import { FakeTimers, settle } from "./fake_timers.ts";
import { makePipe } from "./pipe.ts";
import { fetcherKey, identity, makeDeps, makeFile, makeHolder, makeTicket, MemoryLibrary } from "./world.ts";

const file = makeFile(600_000);
const never = new AbortController().signal;
const blocks = Math.ceil(file.bytes.length / limits.blockBytes);
const askAll = encodeFrame({ kind: "request", ranges: [{ first: 0, count: blocks }] });

/** An upload under a limit, and a fetching side on the same clock that has asked for the whole file. */
async function limitedUpload(bytesPerSecond: number, signal = never) {
  const timers = new FakeTimers();
  const limiter = new RateLimiter(timers, bytesPerSecond);
  const deps = makeDeps(new MemoryLibrary(file), { timers, openFlow: (account) => limiter.open(account) });
  const [near, far] = makePipe();
  const ended = serveConnection(near, deps, signal);
  const frames = new FrameStream(far, { timers, idleMs: limits.progressMs });
  const challenge = await frames.readFrame();
  assert(challenge?.kind === "challenge");
  const ticket = makeTicket(file.content);
  const proof = proveTransfer(fetcherKey, makeHolder(ticket).certificateHash, challenge.nonce, ticket);
  await frames.write(encodeFrame({ ...identity, kind: "hello", ticket, proof }));
  assertEquals((await frames.readFrame())?.kind, "manifest");
  await frames.write(askAll);
  return { timers, limiter, deps, frames, ended, reading: readFrames(frames) };
}

/** Reads whatever comes until the end, in the background. */
function readFrames(frames: FrameStream) {
  const got = { bytes: new Uint8Array(file.bytes.length) as Bytes, count: 0, largest: 0, refused: "" };
  const done = (async () => {
    for (let frame = await frames.readFrame(); frame !== undefined; frame = await frames.readFrame()) {
      if (frame.kind === "refused") got.refused = frame.text;
      if (frame.kind !== "data") continue;
      assertEquals(frame.offset, got.count);
      await frames.readData(got.bytes.subarray(frame.offset, frame.offset + frame.bytes));
      got.count += frame.bytes;
      got.largest = Math.max(got.largest, frame.bytes);
    }
  })().catch((error) => {
    // Closed by the test itself.
    if (!(error instanceof ShoalError)) throw error;
  });
  return { got, done };
}

Deno.test("an upload at 10 kB/s keeps its limit and the other side's deadlines, and what arrives is right", async () => {
  const { timers, limiter, frames, ended, reading: { got, done } } = await limitedUpload(10_000);
  await timers.advance(30_000);
  assert(got.count >= 0.97 * 300_000 && got.count <= 1.01 * 300_000, String(got.count));
  limiter.bytesPerSecond = undefined;
  await timers.advance(1);
  assertEquals(got.count, file.bytes.length);
  assertEquals(got.bytes, file.bytes);
  assert(got.largest > 100_000, "without a limit frames are large again");
  frames.close();
  await done;
  assertEquals([await ended, timers.pending], [undefined, 0]);
});

Deno.test("a limit of one upload alone holds for it", async () => {
  const { timers, deps, frames, ended, reading: { got, done } } = await limitedUpload(1_000_000);
  const [upload] = deps.uploads;
  upload!.flow.bytesPerSecond = 20_000;
  await timers.advance(10_000);
  assert(got.count >= 0.97 * 200_000 && got.count <= 1.03 * 200_000, String(got.count));
  frames.close();
  await done;
  await ended;
});

Deno.test("who leaves while its turn is still to come ends the upload at once", async () => {
  const { timers, frames, ended, reading } = await limitedUpload(1);
  await settle();
  frames.close();
  await reading.done;
  assertEquals([await ended, timers.pending], [undefined, 0]);
});

Deno.test("an upload that is ended or stopped here does not wait for its turn", async () => {
  const first = await limitedUpload(1);
  for (const upload of first.deps.uploads) upload.end(new ShoalError("denied", "Cannot go on with an upload: revoked"));
  assertEquals((await first.ended)?.code, "denied");
  await first.reading.done;
  const stop = new AbortController();
  const second = await limitedUpload(1, stop.signal);
  stop.abort();
  assertEquals((await second.ended)?.code, "interrupted");
  await second.reading.done;
  for (const { frames } of [first, second]) frames.close();
  assertEquals([first.timers.pending, second.timers.pending], [0, 0]);
});

Deno.test("who breaks a rule while its turn is still to come hears so at once", async () => {
  const { frames, ended, timers, reading: { got, done } } = await limitedUpload(1);
  await frames.write(encodeFrame({ kind: "request", ranges: [{ first: blocks, count: 1 }] }));
  await settle();
  assertEquals(got.refused, "Cannot serve this: a range beyond the end");
  frames.close();
  await done;
  assertEquals([(await ended)?.code, timers.pending], ["protocol", 0]);
});
