import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { type Bytes, concatBytes } from "../../lib/core/bytes.ts";
import {
  ContentError,
  type ErrorCode,
  errorCodes,
  NetworkError,
  ProtocolError,
  RemoteError,
  ShoalError,
  StoreError,
} from "../../lib/core/errors.ts";
import { kib, limits } from "../../lib/core/limits.ts";
import type { ByteStream } from "../../lib/core/transport.ts";
import { compress } from "../../lib/transfer/compression.ts";
import type { FrameStream } from "../../lib/transfer/frame_stream.ts";
import { takeFrom, type TakeOptions } from "../../lib/transfer/take_from.ts";
import { serveConnection } from "../../lib/transfer/upload.ts";
import { encodeFrame, writeZdataHeader, zdataHeaderBytes } from "../../lib/wire/frame.ts";
import { hashed } from "../content/fixtures.ts";
import { FakeTimers, settle } from "./fake_timers.ts";
import { makePipe, type PipeOptions } from "./pipe.ts";
import { data, makeFiles, playedHolder, until, type Wish, wishesFor } from "./takes.ts";
import { identity, makeDeps, makeFile, makeHolder, makeTicket, type MemoryFile, MemoryLibrary } from "./world.ts";

const never = new AbortController().signal;
const some = makeFiles(3, () => 1000);
const [first, second, third] = some as [MemoryFile, MemoryFile, MemoryFile];

/** Takes files over a stream, and keeps what was handed on; HELLO shows a ticket for the first of them. */
function taking(stream: ByteStream, files: readonly MemoryFile[], changes: Partial<TakeOptions<Wish>> = {}) {
  const wanted = [...wishesFor(files)];
  const taken: Uint8Array[] = [];
  const missing: ErrorCode[] = [];
  const timers = new FakeTimers();
  const done = takeFrom<Wish>(stream, {
    holder: makeHolder(makeTicket(files[0]!.content)),
    identity,
    timers,
    signal: never,
    take: () => wanted.shift(),
    more: () => Promise.resolve(wanted.length > 0),
    onTaken: (_, bytes) => void taken.push(bytes.slice()),
    onMissing: (_, code) => void missing.push(code),
    ...changes,
  });
  return { done, taken, missing, timers, wanted };
}

/** Reads up to the next TAKE: how many it asks for. */
async function readTake(frames: FrameStream): Promise<number> {
  for (;;) {
    const frame = await frames.readFrame();
    if (frame?.kind === "take") return frame.places.length;
    if (frame?.kind !== "set") throw new Error(`It asked by ${frame?.kind}`);
  }
}

/** An honest holder of these files. */
function honest(files: readonly MemoryFile[], options: PipeOptions = {}) {
  const library = new MemoryLibrary(...files);
  const deps = makeDeps(library);
  const [near, far] = makePipe(options);
  return { library, deps, stream: far, ended: serveConnection(near, deps, never) };
}

Deno.test("takeFrom() gets more contents than it asks for ahead over one connection, each in its turn, and leaves nothing open", async () => {
  const files = makeFiles(limits.takesMax + 200, (index) => 1 + (index * 37) % 700);
  const { library, deps, stream, ended } = honest(files);
  const { done, taken, missing, timers } = taking(stream, files);
  await done;
  assertEquals(taken, files.map(({ bytes }) => bytes));
  assertEquals(missing, []);
  assertEquals(await ended, undefined);
  assertEquals([library.openCount, deps.uploads.size, deps.timers.pending, timers.pending], [0, 0, 0, 0]);
});

Deno.test("takeFrom() takes contents of every size that one piece has, however frames are cut", async () => {
  const sizes = [1, 16 * kib - 1, 16 * kib, 16 * kib + 1, 100_000, 256 * kib - 1, 256 * kib];
  const files = makeFiles(2 * sizes.length, (index) => sizes[index % sizes.length]!);
  for (const readBytesMax of [1000, 16 * kib, Infinity]) {
    const { stream, ended } = honest(files, { readBytesMax });
    const { done, taken } = taking(stream, files);
    await done;
    assertEquals(taken, files.map(({ bytes }) => bytes), `reads of ${readBytesMax}`);
    assertEquals(await ended, undefined);
  }
});

Deno.test("takeFrom() takes a content that comes compressed, and one that says another length breaks a rule", async () => {
  const bytes = new Uint8Array(50_000).fill(7);
  const plain: MemoryFile = { bytes, ...hashed(bytes) as Omit<MemoryFile, "bytes"> };
  const packed = compress(plain.bytes);
  for (const said of [50_000, 50_001]) {
    const frame = new Uint8Array(zdataHeaderBytes + packed.length);
    writeZdataHeader(frame, 0, said, packed.length);
    frame.set(packed, zdataHeaderBytes);
    const { stream, ended } = playedHolder(plain, (frames) => frames.write(frame));
    const { done, taken } = taking(stream, [plain]);
    if (said === 50_000) await done;
    else await assertRejects(() => done, ProtocolError);
    assertEquals(taken, said === 50_000 ? [plain.bytes] : []);
    await ended;
  }
});

Deno.test("takeFrom() asks ahead as many as a holder lets stand, and as many bytes as a window has", async () => {
  for (
    const { size, ahead } of [
      { size: 10, ahead: limits.takesMax / 2 },
      { size: 256 * kib, ahead: limits.windowBytes / (256 * kib) },
    ]
  ) {
    const file = makeFile(size);
    const files = Array<MemoryFile>(ahead + 1).fill(file);
    let asked = 0;
    const { stream, ended } = playedHolder(file, async (frames) => {
      while (asked < ahead) asked += await readTake(frames);
      const next = readTake(frames).then((count) => asked += count);
      await settle();
      assertEquals(asked, ahead, `of ${size} bytes`);
      for (let i = 0; i < ahead; i++) await frames.write(data(file.bytes));
      await next;
      assertEquals(asked, ahead + 1);
      await frames.write(data(file.bytes));
    });
    const { done, taken } = taking(stream, files);
    await done;
    await ended;
    assertEquals([taken.length, asked], [ahead + 1, ahead + 1]);
  }
});

Deno.test("takeFrom() names a set once, and asks for what follows each other in it by one TAKE", async () => {
  const files = makeFiles(5, (index) => 100 + index);
  const asked: string[] = [];
  const { stream, ended } = playedHolder(files[0]!, async (frames) => {
    for (let i = 0; i < 5; i++) {
      const frame = await frames.readFrame();
      asked.push(frame?.kind === "take" ? `take ${frame.places}` : frame!.kind);
    }
    await frames.write(concatBytes(...files.map(({ bytes }) => data(bytes))));
  });
  const wishes = wishesFor(files, 3);
  const queue = [...wishes.slice(0, 2), ...wishes.slice(3), wishes[2]!];
  const { done } = taking(stream, files, { take: () => queue.shift(), more: () => Promise.resolve(false) });
  await assertRejects(() => done, ProtocolError);
  assertEquals(asked, ["set", "take 0,1", "set", "take 0,1", "set"]);
  await ended;
});

Deno.test("takeFrom() waits for more to ask for, and ends when there will be none", async () => {
  const { stream, ended } = honest(some);
  const waits: PromiseWithResolvers<boolean>[] = [];
  const more = () => {
    waits.push(Promise.withResolvers());
    return waits.at(-1)!.promise;
  };
  const { done, taken, wanted } = taking(stream, some, { more });
  const rest = wanted.splice(1);
  await until(() => taken.length >= 1);
  wanted.push(...rest);
  waits[0]!.resolve(true);
  await until(() => waits.length >= 2);
  assertEquals(taken, some.map(({ bytes }) => bytes));
  waits[1]!.resolve(false);
  await done;
  assertEquals(await ended, undefined);
});

Deno.test("takeFrom() tells what a holder does not give, and takes the others", async () => {
  const gone = makeFile(700, 77);
  const { library, stream, ended } = honest(some);
  library.changed.add(second.content.id);
  const { done, taken, missing } = taking(stream, [first, gone, second, third]);
  await done;
  assertEquals(taken, [first.bytes, third.bytes]);
  assertEquals(missing, ["notFound", "changed"]);
  assertEquals(await ended, undefined);
});

Deno.test("takeFrom() takes a MISSING of a code that it does not know as one that it does", async () => {
  const { stream, ended } = playedHolder(first, async (frames) => {
    await frames.write(encodeFrame({ kind: "missing", code: 255 }));
    await frames.write(concatBytes(...[second, third].map(({ bytes }) => data(bytes))));
  });
  const { done, taken, missing } = taking(stream, some);
  await done;
  await ended;
  assertEquals(taken, [second.bytes, third.bytes]);
  assert(missing.length === 1 && missing[0]! in errorCodes, missing.join());
});

const altered = first.bytes.slice();
altered[999]! ^= 1;

/** What a holder answers to the TAKEs of `some`, and how that ends; `taken` of them were handed on before. */
const lies: Record<
  string,
  {
    readonly answers: readonly Bytes[];
    readonly error: typeof ContentError | typeof ProtocolError;
    readonly taken: number;
  }
> = {
  "a flipped bit": { answers: [data(altered)], error: ContentError, taken: 0 },
  "the contents in another order": { answers: [data(second.bytes), data(first.bytes)], error: ContentError, taken: 0 },
  "the same content twice": { answers: [data(first.bytes), data(first.bytes)], error: ContentError, taken: 1 },
  "too little": { answers: [data(first.bytes.subarray(1)), data(second.bytes)], error: ProtocolError, taken: 0 },
  "too much": { answers: [data(makeFile(1001).bytes)], error: ProtocolError, taken: 0 },
  "frames that overlap": {
    answers: [data(first.bytes.subarray(0, 500)), data(first.bytes.subarray(400), 400)],
    error: ProtocolError,
    taken: 0,
  },
  "a content at another offset": { answers: [data(first.bytes, 1)], error: ProtocolError, taken: 0 },
  "a second MANIFEST": {
    answers: [data(first.bytes), encodeFrame({ kind: "manifest", slice: first.layer })],
    error: ProtocolError,
    taken: 1,
  },
  "a second HAVE": { answers: [encodeFrame({ kind: "have", pieces: undefined })], error: ProtocolError, taken: 0 },
  "hashes of blocks": {
    answers: [encodeFrame({ kind: "leafHashes", piece: 0, leaves: new Uint8Array(32) })],
    error: ProtocolError,
    taken: 0,
  },
  "a TAKE of its own": {
    answers: [encodeFrame({ kind: "take", places: [0] })],
    error: ProtocolError,
    taken: 0,
  },
  "a frame that is none": { answers: [new Uint8Array([0, 0, 0, 1, 99, 0])], error: ProtocolError, taken: 0 },
};

for (const [what, { answers, error: kind, taken: count }] of Object.entries(lies)) {
  Deno.test(`a holder that answers TAKE with ${what} is found out, and nothing of it is handed on`, async () => {
    const { stream, ended } = playedHolder(first, (frames) => frames.write(concatBytes(...answers)));
    const { done, taken, timers } = taking(stream, some);
    const error = await assertRejects(() => done, kind);
    assertEquals(taken, some.slice(0, count).map(({ bytes }) => bytes));
    if (error instanceof ContentError) {
      assertEquals([error.code, error.holder, error.contentId], ["integrity", "holder (nas)", some[count]!.content.id]);
    }
    await ended;
    assertEquals(timers.pending, 0);
  });
}

Deno.test("a content may come in several frames, and MISSING in place of the rest", async () => {
  const { stream, ended } = playedHolder(first, async (frames) => {
    await frames.write(concatBytes(
      ...[data(first.bytes.subarray(0, 1)), encodeFrame({ kind: "missing", code: errorCodes.changed.wire })],
      ...[data(second.bytes.subarray(0, 500)), data(second.bytes.subarray(500), 500)],
      ...some.slice(2).map(({ bytes }) => data(bytes)),
    ));
  });
  const { done, taken, missing } = taking(stream, some);
  await done;
  assertEquals(taken, some.slice(1).map(({ bytes }) => bytes));
  assertEquals(missing.length, 1);
  await ended;
});

Deno.test("an answer that nobody asked for is taken for no other content", async () => {
  const { stream, ended } = playedHolder(first, async (frames) => {
    assertEquals(await readTake(frames), 1);
    await frames.write(concatBytes(data(first.bytes), data(first.bytes)));
  });
  const asked = Promise.withResolvers<boolean>();
  const { done, taken, wanted } = taking(stream, some, { more: () => asked.promise });
  const rest = wanted.splice(1);
  await until(() => taken.length >= 1);
  wanted.push(...rest);
  asked.resolve(true);
  await assertRejects(() => done, ContentError);
  assertEquals(taken, [first.bytes]);
  await ended;
});

Deno.test("takeFrom() tells a holder that refuses, breaks off in a content, or is gone after one", async () => {
  const text = "Cannot serve this: the ticket was revoked";
  const refused = encodeFrame({ kind: "refused", code: errorCodes.denied.wire, text, retryAfterMs: 0 });
  const answer = async (bytes: Bytes, close: boolean) => {
    const { stream, ended } = playedHolder(first, async (frames: FrameStream) => {
      assertEquals(await readTake(frames), 3);
      await frames.write(bytes);
      if (close) frames.close();
    });
    const { done, taken } = taking(stream, some);
    const error = await assertRejects(() => done, ShoalError);
    await ended;
    return [error, taken.length] as const;
  };
  const [denied, before] = await answer(concatBytes(data(first.bytes), refused), false);
  assert(denied instanceof RemoteError);
  assertEquals([denied.code, before], ["denied", 1]);
  for (const bytes of [data(first.bytes), data(first.bytes).slice(0, 600)]) {
    const [error, count] = await answer(bytes, true);
    assert(error instanceof NetworkError, String(error));
    assertEquals(count, bytes.length > 1000 ? 1 : 0);
  }
});

Deno.test("takeFrom() stops at once when it is interrupted, and when what it hands on to fails", async () => {
  const stop = new AbortController();
  const silent = playedHolder(first, () => Promise.resolve());
  const waiting = taking(silent.stream, some, { signal: stop.signal });
  await settle();
  stop.abort();
  assertEquals((await assertRejects(() => waiting.done, ShoalError)).code, "interrupted");
  await silent.ended;

  const full = new StoreError("diskFull", "write", "/a", "it is full");
  const { stream, ended } = honest(some);
  const failing = taking(stream, some, { onTaken: () => Promise.reject(full) });
  assertStrictEquals(await assertRejects(() => failing.done, StoreError), full);
  await ended;
  assertEquals([waiting.timers.pending, failing.timers.pending], [0, 0]);
});
