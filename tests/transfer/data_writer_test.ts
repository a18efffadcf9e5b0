/** What a writer of DATA holds, and that writers which share their memory do not mix. */

import { assert, assertEquals } from "@std/assert";
import type { Bytes } from "../../lib/core/bytes.ts";
import { kib, limits, mib } from "../../lib/core/limits.ts";
import { DataWriter } from "../../lib/transfer/data_writer.ts";
import { FrameStream } from "../../lib/transfer/frame_stream.ts";
import { dataHeaderBytes } from "../../lib/wire/frame.ts";
import { FakeTimers, settle } from "./fake_timers.ts";
import { makePipe } from "./pipe.ts";
import { makeFile, type MemoryFile } from "./world.ts";

const timers = new FakeTimers();
const haveTurn = () => Promise.resolve(true);

/** A writer over a pipe; `arrived` reads the frame's content at the far end, into a buffer that may be given. */
function start(file: MemoryFile, got: Bytes = new Uint8Array(dataHeaderBytes + limits.frameBytesMax)) {
  const [near, far] = makePipe({ capacityBytes: 4 * kib });
  const frames = new FrameStream(near, { timers, idleMs: limits.uploadIdleMs });
  const read = (offset: number, buffer: Uint8Array) => buffer.set(file.bytes.subarray(offset, offset + buffer.length));
  const writer = new DataWriter({ frames, timers, read, haveTurn, uploads: () => 1 });
  async function arrived(): Promise<Bytes> {
    for (let at = 0; at < got.length;) at += await far.read(got.subarray(at)) ?? got.length;
    return got.subarray(dataHeaderBytes);
  }
  return { frames, writer, arrived };
}

Deno.test("DataWriters that write at once each send their own bytes", async () => {
  const files = [1, 2, 3].map((seed) => makeFile(limits.frameBytesMax, seed));
  const lines = files.map((file) => start(file));
  for (let round = 0; round < 2; round++) {
    const writes = lines.map(({ writer }) => writer.write(0, limits.frameBytesMax));
    await settle();
    assertEquals(await Promise.all(lines.map(({ arrived }) => arrived())), files.map(({ bytes }) => bytes));
    assertEquals(await Promise.all(writes), [true, true, true]);
  }
  for (const { frames } of lines) frames.close();
});

Deno.test("DataWriters hold no memory for frames while they write none", async () => {
  const file = makeFile(limits.frameBytesMax);
  const before = Deno.memoryUsage().external;
  const got = new Uint8Array(dataHeaderBytes + limits.frameBytesMax);
  const lines = Array.from({ length: 256 }, () => start(file, got));
  for (const { writer, arrived } of lines) {
    const write = writer.write(0, limits.frameBytesMax);
    await arrived();
    await write;
  }
  // All of them together; FrameStreams have 16 KiB each, and garbage that was not collected yet counts.
  const heldBytes = Deno.memoryUsage().external - before;
  for (const { frames } of lines) frames.close();
  assert(heldBytes < 32 * mib, `${heldBytes} bytes`);
});
