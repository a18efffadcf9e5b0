/** What a writer of DATA holds, and that writers which share their memory do not mix. */

import { assert, assertEquals } from "@std/assert";
import type { Bytes } from "../../lib/core/bytes.ts";
import { kib, limits } from "../../lib/core/limits.ts";
import { DataWriter } from "../../lib/transfer/data_writer.ts";
import { FrameStream } from "../../lib/transfer/frame_stream.ts";
import { dataHeaderBytes } from "../../lib/wire/frame.ts";
import { FakeTimers, settle } from "./fake_timers.ts";
import { makePipe } from "./pipe.ts";
import { makeFile, type MemoryFile } from "./world.ts";

const timers = new FakeTimers();
const haveTurn = () => Promise.resolve(true);

/** A writer over a pipe; `arrived` reads the frame's content at the far end, `sentFrom` is the memory that it was written from. */
function start(file: MemoryFile) {
  const [near, far] = makePipe({ capacityBytes: 4 * kib });
  const sentFrom = new Set<ArrayBuffer>();
  const watched = {
    ...near,
    write(bytes: Bytes) {
      sentFrom.add(bytes.buffer);
      return near.write(bytes);
    },
  };
  const frames = new FrameStream(watched, { timers, idleMs: limits.uploadIdleMs });
  const read = (offset: number, buffer: Uint8Array) => buffer.set(file.bytes.subarray(offset, offset + buffer.length));
  const writer = new DataWriter({ frames, timers, read, haveTurn, uploads: () => 1 });
  async function arrived(): Promise<Bytes> {
    const got = new Uint8Array(dataHeaderBytes + file.bytes.length);
    for (let at = 0; at < got.length;) at += await far.read(got.subarray(at)) ?? got.length;
    return got.subarray(dataHeaderBytes);
  }
  return { frames, writer, arrived, sentFrom };
}

Deno.test("DataWriters that write at once each send their own bytes", async () => {
  const files = [1, 2, 3].map((seed) => makeFile(limits.frameBytesMax, seed));
  const lines = files.map(start);
  for (let round = 0; round < 2; round++) {
    const writes = lines.map(({ writer }) => writer.write(0, limits.frameBytesMax));
    await settle();
    const arrived = await Promise.all(lines.map((line) => line.arrived()));
    assert(arrived.every((bytes, i) => bytes.every((byte, at) => byte === files[i]!.bytes[at])));
    assertEquals(await Promise.all(writes), [true, true, true]);
  }
  for (const { frames } of lines) frames.close();
});

Deno.test("a DataWriter holds no memory for frames while it writes none: the next one takes it", async () => {
  const file = makeFile(limits.frameBytesMax);
  const lines = Array.from({ length: 5 }, () => start(file));
  for (const { writer, arrived } of lines) {
    const write = writer.write(0, limits.frameBytesMax);
    await arrived();
    await write;
  }
  assertEquals(new Set(lines.flatMap(({ sentFrom }) => [...sentFrom])).size, 1);
  for (const { frames } of lines) frames.close();
});
