/** ZDATA between an upload and a download, and what a reader makes of one that is not what it says. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { constants, zstdCompressSync } from "node:zlib";
import { type Bytes, concatBytes } from "../../lib/core/bytes.ts";
import { ProtocolError } from "../../lib/core/errors.ts";
import { kib, limits, mib } from "../../lib/core/limits.ts";
import { LayerBuilder } from "../../lib/content/merkle.ts";
import { compress } from "../../lib/transfer/compression.ts";
import { FrameStream } from "../../lib/transfer/frame_stream.ts";
import { RateLimiter } from "../../lib/transfer/rate_limiter.ts";
import { serveConnection } from "../../lib/transfer/upload.ts";
import { encodeFrame, frameTypes, writeDataHeader, writeZdataHeader, zdataHeaderBytes } from "../../lib/wire/frame.ts";
import { FakeTimers } from "./fake_timers.ts";
import { makePipe } from "./pipe.ts";
import { makeDeps, makeFile, manifestOf, type MemoryFile, MemoryLibrary, startDownload } from "./world.ts";

const never = new AbortController().signal;

/** Lines that differ in few digits, and shrink to a tenth and less. */
function makeLog(size: number): MemoryFile {
  let text = "";
  for (let i = 0; text.length < size; i++) {
    text += `2026-11-23T01:12:${i % 60} request ${i} took ${(i * 17) % 311} ms\n`;
  }
  const bytes = new TextEncoder().encode(text.slice(0, size));
  const builder = new LayerBuilder(size);
  for (let at = 0; at < size; at += builder.stepBytes) builder.add(bytes.subarray(at, at + builder.stepBytes));
  return { bytes, ...builder.finish() };
}

/** Fetches a file over a pipe; answers what went over it, and what the fetch was told of that. */
function transfer(file: MemoryFile, timers = new FakeTimers(), limiter = new RateLimiter(timers)) {
  const [near, far] = makePipe();
  let writtenBytes = 0;
  const counted = {
    ...near,
    write(bytes: Bytes) {
      writtenBytes += bytes.length;
      return near.write(bytes);
    },
  };
  const deps = makeDeps(new MemoryLibrary(file), { timers, openFlow: (account) => limiter.open(account) });
  const ended = serveConnection(counted, deps, never);
  let [toldBytes, receivedBytes] = [0, 0];
  const { done, sink } = startDownload(far, file.content, {
    onPiece: (_piece, _bytes, _reused, wireBytes) => void (toldBytes += wireBytes),
    onReceived: (bytes) => void (receivedBytes += bytes),
  });
  return {
    async finish() {
      await done;
      await ended;
      assertEquals(receivedBytes, file.bytes.length);
      assert(sink().written.length === manifestOf(file).pieceCount);
      assert(sink().bytes.every((byte, at) => byte === file.bytes[at]));
      return { writtenBytes, toldBytes };
    },
  };
}

/** Fetches a file over a line of 1 MB/s. */
async function limited(file: MemoryFile) {
  const timers = new FakeTimers();
  const finished = transfer(file, timers, new RateLimiter(timers, 1_000_000)).finish();
  await timers.advance(4_000);
  return await finished;
}

Deno.test("what shrinks goes over the wire as ZDATA, what does not as DATA, and both arrive whole", async () => {
  const log = makeLog(3 * mib + 1234);
  const shrunk = await limited(log);
  assert(shrunk.writtenBytes < log.bytes.length / 5, `${shrunk.writtenBytes} bytes`);
  assert(shrunk.toldBytes < shrunk.writtenBytes && shrunk.toldBytes > shrunk.writtenBytes - 2 * kib);
  const noise = makeNoise(3 * mib + 1234);
  const raw = await limited(noise);
  assert(raw.toldBytes >= noise.bytes.length && raw.toldBytes < noise.bytes.length + kib, `${raw.toldBytes} bytes`);
});

function makeNoise(size: number): MemoryFile {
  const file = makeFile(size);
  const bytes = new Uint8Array(size);
  for (let at = 0; at < size; at += 65_536) crypto.getRandomValues(bytes.subarray(at, at + 65_536));
  const builder = new LayerBuilder(size);
  for (let at = 0; at < size; at += builder.stepBytes) builder.add(bytes.subarray(at, at + builder.stepBytes));
  return { ...file, bytes, ...builder.finish() };
}

Deno.test("a limit counts what goes over the wire: a log at 100 kB/s comes at several times that", async () => {
  const timers = new FakeTimers();
  const limiter = new RateLimiter(timers, 100_000);
  const log = makeLog(mib);
  const running = transfer(log, timers, limiter);
  const finished = running.finish();
  await timers.advance(5_000);
  const { toldBytes } = await finished;
  assert(toldBytes < 500_000, `${toldBytes} bytes`);
});

/** Gives a reader frames, and reads the first as DATA. */
async function readFrame(frame: Uint8Array, readBytes?: number): Promise<Bytes> {
  const [near, far] = makePipe({ capacityBytes: mib });
  const frames = new FrameStream(far, { timers: new FakeTimers(), idleMs: limits.progressMs });
  try {
    await near.write(frame as Bytes);
    const head = await frames.readFrame();
    assert(head?.kind === "data");
    const bytes = new Uint8Array(readBytes ?? head.bytes);
    for (let at = 0; at < bytes.length; at += 1000) await frames.readData(bytes.subarray(at, at + 1000));
    return bytes;
  } finally {
    frames.close();
    near.close();
  }
}

function zdata(packed: Uint8Array, bytes: number): Bytes {
  const head = new Uint8Array(zdataHeaderBytes);
  writeZdataHeader(head, 0, bytes, packed.length);
  return concatBytes(head, packed);
}

const content = makeLog(limits.frameBytesMax).bytes;

Deno.test("ZDATA reads as the DATA that it stands for, in any portions", async () => {
  const packed = compress(content);
  assertEquals(await readFrame(zdata(packed, content.length), 2500), content.slice(0, 2500));
  const whole = await readFrame(zdata(packed, content.length));
  assert(whole.every((byte, at) => byte === content[at]));
});

Deno.test("a ZDATA frame that is not what it says is a broken rule: bombs, lies about its length, cuts, junk", async () => {
  const packed = compress(content);
  const bomb = zstdCompressSync(new Uint8Array(32 * mib));
  const wide = zstdCompressSync(content, { params: { [constants.ZSTD_c_windowLog]: 24 } });
  const junk = crypto.getRandomValues(new Uint8Array(1000));
  const bad: Readonly<Record<string, Bytes>> = {
    bomb: zdata(bomb, limits.frameBytesMax),
    "too much content": zdata(packed, limits.frameBytesMax + 1),
    "4 GiB": zdata(packed, 2 ** 32 - 1),
    "one byte less": zdata(packed, content.length - 1),
    "half of it": zdata(packed.subarray(0, packed.length / 2), content.length),
    "more behind": zdata(concatBytes(packed, packed), content.length),
    "larger than its content": zdata(packed, packed.length),
    window: zdata(wide, content.length),
    junk: zdata(junk, content.length),
  };
  for (const [name, frame] of Object.entries(bad)) {
    await assertRejects(() => readFrame(frame), ProtocolError, undefined, name);
  }
  const short = zdata(compress(content.subarray(0, 5000)), 5001);
  await assertRejects(() => readFrame(short), ProtocolError, "not what it says");
});

Deno.test("nothing is decompressed before its bytes are wanted", async () => {
  const [near, far] = makePipe();
  const frames = new FrameStream(far, { timers: new FakeTimers(), idleMs: limits.progressMs });
  await near.write(zdata(crypto.getRandomValues(new Uint8Array(100)), 1000));
  assertEquals(await frames.readFrame(), { kind: "data", offset: 0, bytes: 1000 });
  frames.close();
  near.close();
});

Deno.test("DATA and ZDATA follow each other as they like", async () => {
  const raw = new Uint8Array(13 + 100).fill(1);
  writeDataHeader(raw, 0, 100);
  const [near, far] = makePipe();
  const frames = new FrameStream(far, { timers: new FakeTimers(), idleMs: limits.progressMs });
  const sent = [raw, zdata(compress(content.subarray(0, 3000)), 3000), raw];
  const heartbeat = encodeFrame({ kind: "heartbeat" });
  await near.write(concatBytes(...sent.flatMap((frame) => [frame, heartbeat])));
  for (const expected of [raw.subarray(13), content.subarray(0, 3000), raw.subarray(13)]) {
    const head = await frames.readFrame();
    assert(head?.kind === "data");
    const bytes = new Uint8Array(head.bytes);
    await frames.readData(bytes);
    assertEquals(bytes, new Uint8Array(expected));
  }
  assertEquals(frames.dataWireBytes, sent.reduce((sum, { length }) => sum + length, 0));
  assertEquals(sent[1]![4], frameTypes.zdata);
  frames.close();
  near.close();
});
