import { assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import type { Bytes } from "../../lib/core/bytes.ts";
import {
  ContentError,
  NetworkError,
  ProtocolError,
  RemoteError,
  ShoalError,
  StoreError,
} from "../../lib/core/errors.ts";
import { kib, limits, mib } from "../../lib/core/limits.ts";
import type { ByteStream } from "../../lib/core/transport.ts";
import { protocolVersion } from "../../lib/core/version.ts";
import { FrameStream } from "../../lib/transfer/frame_stream.ts";
import { serveConnection } from "../../lib/transfer/upload.ts";
import { type BlockRange, dataHeaderBytes, encodeFrame, writeDataHeader } from "../../lib/wire/frame.ts";
import { FakeTimers, settle } from "./fake_timers.ts";
import { makePipe } from "./pipe.ts";
import { makeDeps, makeFile, type MemoryFile, MemoryLibrary, seatFor, startDownload } from "./world.ts";

const never = new AbortController().signal;
const pieceBytes = 256 * kib;
const file = makeFile(3 * pieceBytes + 5);

const hasAll = encodeFrame({ kind: "have", pieces: undefined });

/** An honest holder of `whole`, and the stream to it. */
function honest(whole: MemoryFile): { readonly stream: ByteStream; readonly ended: Promise<ShoalError | undefined> } {
  const [near, far] = makePipe();
  return { stream: far, ended: serveConnection(near, makeDeps(new MemoryLibrary(whole)), never) };
}

/** A holder played by hand: CHALLENGE, HELLO, MANIFEST; then the test goes on with `play`. */
function dishonest(
  play: (frames: FrameStream, ranges: () => Promise<readonly BlockRange[]>) => Promise<void>,
  manifest: Bytes = encodeFrame({ kind: "manifest", slice: file.layer }),
  have: Bytes = hasAll,
): { readonly stream: ByteStream; readonly ended: Promise<void> } {
  const [near, far] = makePipe();
  const frames = new FrameStream(near, { timers: new FakeTimers(), idleMs: limits.progressMs });
  const ranges = async () => {
    const frame = await frames.readFrame();
    if (frame?.kind !== "request") throw new Error("no REQUEST came");
    return frame.ranges;
  };
  const ended = (async () => {
    await frames.write(encodeFrame({ kind: "challenge", version: protocolVersion, nonce: new Uint8Array(32) }));
    assertEquals((await frames.readFrame())?.kind, "hello");
    await frames.write(manifest);
    await frames.write(have);
    await play(frames, ranges);
    await frames.discard();
    frames.close();
  })();
  return { stream: far, ended };
}

function data(offset: number, bytes: Uint8Array): Bytes {
  const frame = new Uint8Array(dataHeaderBytes + bytes.length);
  writeDataHeader(frame, offset, bytes.length);
  frame.set(bytes, dataHeaderBytes);
  return frame;
}

for (
  const [where, piece, at] of [["first", 0, 0], ["middle", 1, pieceBytes + 7], ["last", 3, 3 * pieceBytes + 4]] as const
) {
  Deno.test(`a flipped bit in the ${where} piece is found, not written, and blamed on its holder`, async () => {
    const lie = { ...file, bytes: file.bytes.slice() };
    lie.bytes[at]! ^= 1;
    const { stream, ended } = honest(lie);
    const download = startDownload(stream, file.content);
    const error = await assertRejects(() => download.done, ContentError);
    assertEquals([error.code, error.piece, error.holder, error.contentId], [
      "integrity",
      piece,
      "holder (nas)",
      file.content.id,
    ]);
    assertEquals(download.sink().written.includes(piece), false);
    assertEquals(download.queue().take(), piece, "it can be asked for elsewhere");
    await ended;
  });
}

Deno.test("a wrong piece ends the connection at once, though its sender then says nothing", async () => {
  const { stream, ended } = dishonest(async (frames, ranges) => {
    await ranges();
    await frames.write(data(0, new Uint8Array(pieceBytes)));
  });
  const error = await assertRejects(() => startDownload(stream, file.content).done, ContentError);
  assertEquals(error.piece, 0);
  await ended;
});

Deno.test("downloadFrom() takes a frame as it comes: cut anywhere, across pieces too", async () => {
  const { stream, ended } = dishonest(async (frames, ranges) => {
    for (const [first, count] of [[0, 32], [32, 16], [48, 1]] as const) {
      assertEquals(await ranges(), [{ first, count }]);
      const asked = file.bytes.subarray(first * limits.blockBytes, (first + count) * limits.blockBytes);
      for (let at = 0; at < asked.length; at += 100_000) {
        await frames.write(data(first * limits.blockBytes + at, asked.subarray(at, at + 100_000)));
      }
    }
  });
  const download = startDownload(stream, file.content);
  await download.done;
  assertEquals(download.sink().bytes, file.bytes);
  await ended;
});

Deno.test("downloadFrom() asks for what is missing alone, and neighbours in one range", async () => {
  const whole = makeFile(7 * pieceBytes);
  const [near, far] = makePipe();
  const frames = new FrameStream(near, { timers: new FakeTimers(), idleMs: limits.progressMs });
  const download = startDownload(far, whole.content, { missing: [1, 2, 5] });
  await frames.write(encodeFrame({ kind: "challenge", version: protocolVersion, nonce: new Uint8Array(32) }));
  assertEquals((await frames.readFrame())?.kind, "hello");
  await frames.write(encodeFrame({ kind: "manifest", slice: whole.layer.subarray(0, 64) }));
  await frames.write(encodeFrame({ kind: "manifest", slice: whole.layer.subarray(64) }));
  await frames.write(hasAll);
  assertEquals(await frames.readFrame(), { kind: "request", ranges: [{ first: 16, count: 32 }] });
  assertEquals(download.sink().asks, [1, 2], "noted before they are asked for");
  for (const piece of [1, 2, 5]) {
    await frames.write(data(piece * pieceBytes, whole.bytes.subarray(piece * pieceBytes, (piece + 1) * pieceBytes)));
    if (piece === 1) assertEquals(await frames.readFrame(), { kind: "request", ranges: [{ first: 80, count: 16 }] });
  }
  await download.done;
  assertEquals(download.sink().written, [1, 2, 5]);
  frames.close();
});

Deno.test("downloadFrom() asks ahead within its window, and for more as bytes come", async () => {
  const windowPieces = limits.windowBytes / pieceBytes;
  const whole = makeFile(limits.windowBytes + 2 * mib);
  const [near, far] = makePipe({ capacityBytes: 32 * mib });
  const frames = new FrameStream(near, { timers: new FakeTimers(), idleMs: limits.progressMs });
  const download = startDownload(far, whole.content);
  await frames.write(encodeFrame({ kind: "challenge", version: protocolVersion, nonce: new Uint8Array(32) }));
  assertEquals((await frames.readFrame())?.kind, "hello");
  await frames.write(encodeFrame({ kind: "manifest", slice: whole.layer }));
  await frames.write(hasAll);
  const asked = async () => {
    const frame = await frames.readFrame();
    if (frame?.kind !== "request") throw new Error("no REQUEST came");
    return frame.ranges;
  };
  const give = async (...pieces: readonly number[]) => {
    for (const piece of pieces) {
      await frames.write(data(piece * pieceBytes, whole.bytes.subarray(piece * pieceBytes, (piece + 1) * pieceBytes)));
    }
  };
  assertEquals(await asked(), [{ first: 0, count: 32 }], "two pieces, as long as nobody knows how fast they come");
  await give(0);
  assertEquals(await asked(), [{ first: 32, count: 16 }], "one for one");
  assertEquals(await asked(), [{ first: 48, count: 16 * (windowPieces - 2) }], "they come fast");
  await give(1, 2);
  await settle();
  assertEquals(download.sink().asks.length, windowPieces + 1, "half a megabyte is not worth a REQUEST");
  await give(3, 4);
  assertEquals(await asked(), [{ first: 16 * (windowPieces + 1), count: 64 }]);
  frames.close();
  await assertRejects(() => download.done, NetworkError);
  const back: number[] = [];
  for (let index = download.queue().take(); index !== undefined; index = download.queue().take()) back.push(index);
  assertEquals(
    back,
    Array.from({ length: windowPieces + 3 }, (_, index) => index + 5),
    "all but the five delivered ones are to be had",
  );
});

Deno.test("what a holder has is told once, however often it says so; what nobody asked for it may not send", async () => {
  const has = (first: number, ...bits: number[]) =>
    encodeFrame({ kind: "have", pieces: { first, bits: new Uint8Array(bits) } });
  const { stream, ended } = dishonest(
    async (frames, ranges) => {
      assertEquals(await ranges(), [{ first: 0, count: 16 }], "it has the first piece alone");
      for (let i = 0; i < 50; i++) await frames.write(has(0, 0b1000_0000));
      for (let i = 0; i < 50; i++) await frames.write(has(2, 0b1111_1111));
      await frames.write(data(0, file.bytes.subarray(0, pieceBytes)));
      await frames.write(hasAll);
    },
    undefined,
    has(0, 0b1000_0000),
  );
  const told: number[] = [];
  const sink = { asked() {}, writeVerified() {} };
  const download = startDownload(stream, file.content, {
    begin(_manifest, field) {
      assertEquals([...field!], [0b1000_0000]);
      const pieces = [0];
      const source = {
        take: () => pieces.shift(),
        more: () => new Promise<boolean>(() => {}),
        have: (piece: number) => void told.push(piece),
        askedByOthers() {},
        giveBack() {},
      };
      return Promise.resolve({ source, sink });
    },
  });
  await assertRejects(() => download.done, ProtocolError, "said twice that it has all");
  assertEquals(told, [2, 3]);
  await ended;
});

Deno.test("what others have asked the holder for is told, wherever it comes between frames", async () => {
  const asked = (...pieces: number[]) => encodeFrame({ kind: "asked", pieces });
  const { stream, ended } = dishonest(async (frames, ranges) => {
    await ranges();
    await frames.write(asked(3, 1));
    await frames.write(data(0, file.bytes.subarray(0, 100)));
    await frames.write(asked(2));
    await frames.write(data(100, file.bytes.subarray(100, pieceBytes)));
    await frames.write(asked(2, 2 ** 20 - 1));
    frames.close();
  });
  const told: (readonly number[])[] = [];
  const pieces = [0];
  const source = {
    take: () => pieces.shift(),
    more: () => Promise.resolve(false),
    have() {},
    askedByOthers: (some: readonly number[]) => void told.push(some),
    giveBack() {},
  };
  const written: number[] = [];
  const sink = { asked() {}, writeVerified: (piece: number) => void written.push(piece) };
  await startDownload(stream, file.content, { begin: () => Promise.resolve({ source, sink }) }).done;
  assertEquals([told.slice(0, 2), written], [[[3, 1], [2]], [0]]);
  await ended;
});

const lies: Record<string, {
  readonly play: (frames: FrameStream, ranges: () => Promise<readonly BlockRange[]>) => Promise<void>;
  readonly manifest?: Bytes;
  readonly error: typeof ContentError | typeof ProtocolError;
}> = {
  "a manifest of another content": {
    manifest: encodeFrame({ kind: "manifest", slice: makeFile(3 * pieceBytes + 5, 2).layer }),
    play: async () => {},
    error: ContentError,
  },
  "a manifest that is too long": {
    manifest: encodeFrame({ kind: "manifest", slice: new Uint8Array(5 * 32) }),
    play: async () => {},
    error: ContentError,
  },
  "an empty manifest slice": {
    manifest: encodeFrame({ kind: "manifest", slice: new Uint8Array(0) }),
    play: async () => {},
    error: ProtocolError,
  },
  "DATA instead of a manifest": { manifest: data(0, new Uint8Array(9)), play: async () => {}, error: ProtocolError },
  "DATA from another offset": {
    play: async (frames, ranges) => {
      await ranges();
      await frames.write(data(limits.blockBytes, new Uint8Array(limits.blockBytes)));
    },
    error: ProtocolError,
  },
  "the same DATA twice": {
    play: async (frames, ranges) => {
      await ranges();
      for (let i = 0; i < 2; i++) await frames.write(data(0, file.bytes.subarray(0, 9)));
    },
    error: ProtocolError,
  },
  "DATA from beyond 2^53": {
    play: async (frames, ranges) => {
      await ranges();
      const frame = data(0, new Uint8Array(9));
      frame.fill(0xff, 5, 13);
      await frames.write(frame);
    },
    error: ProtocolError,
  },
  "more bytes than were asked for": {
    play: async (frames, ranges) => {
      await ranges();
      for (let at = 0; at < 3 * pieceBytes; at += pieceBytes) {
        await frames.write(data(at, file.bytes.subarray(at, at + pieceBytes)));
      }
      await frames.write(data(3 * pieceBytes, new Uint8Array([...file.bytes.subarray(3 * pieceBytes), 0])));
    },
    error: ProtocolError,
  },
  "another MANIFEST among DATA": {
    play: async (frames, ranges) => {
      await ranges();
      await frames.write(encodeFrame({ kind: "manifest", slice: new Uint8Array(32) }));
    },
    error: ProtocolError,
  },
  "junk": {
    play: async (frames, ranges) => {
      await ranges();
      await frames.write(new Uint8Array(64).fill(0xee));
    },
    error: ProtocolError,
  },
};

for (const [what, { play, manifest, error: kind }] of Object.entries(lies)) {
  Deno.test(`a holder that sends ${what} is blamed`, async () => {
    const { stream, ended } = dishonest(play, manifest);
    await assertRejects(() => startDownload(stream, file.content).done, kind);
    await ended;
  });
}

Deno.test("a holder that refuses is quoted, with its code", async () => {
  const { stream, ended } = dishonest(async (frames, ranges) => {
    await ranges();
    await frames.write(data(0, file.bytes.subarray(0, 9)));
    await frames.write(encodeFrame({ kind: "refused", code: 17, text: "gone stale", retryAfterMs: 7 }));
  });
  const error = await assertRejects(
    () => startDownload(stream, file.content).done,
    RemoteError,
    'it says "gone stale"',
  );
  assertEquals([error.code, error.retryAfterMs], ["changed", 7]);
  await ended;
});

Deno.test("a connection cut in the middle of a piece gives back what is missing, and a second one fetches that alone", async () => {
  const { stream, ended } = dishonest(async (frames, ranges) => {
    await ranges();
    await frames.write(data(0, file.bytes.subarray(0, pieceBytes)));
    await frames.write(data(pieceBytes, file.bytes.subarray(pieceBytes, pieceBytes + 100)));
    await settle();
    frames.close();
  });
  const first = startDownload(stream, file.content);
  await assertRejects(() => first.done, NetworkError);
  await ended;
  assertEquals(first.sink().written, [0]);

  const again = honest(file);
  const second = startDownload(again.stream, file.content, {
    begin: () => Promise.resolve({ source: first.queue(), sink: first.sink() }),
    onPiece: (piece) => first.queue().delivered(piece),
  });
  await second.done;
  assertEquals(first.sink().bytes, file.bytes);
  assertEquals(first.sink().written, [0, 1, 2, 3]);
  assertEquals(first.sink().asks, [0, 1, 2, 3, 1, 2, 3]);
  await again.ended;
});

const hasFirst = encodeFrame({ kind: "have", pieces: { first: 0, bits: new Uint8Array([0b1000_0000]) } });
const idleFrames = {
  heartbeats: encodeFrame({ kind: "heartbeat" }),
  "old news": hasFirst,
  "what others ask for": encodeFrame({ kind: "asked", pieces: [0, 2] }),
};
for (const [what, frame] of Object.entries(idleFrames)) {
  Deno.test(`a holder that is alive and sends ${what} alone is given up`, async () => {
    const timers = new FakeTimers();
    const play = async (frames: FrameStream, ranges: () => Promise<readonly BlockRange[]>) => {
      await ranges();
      for (let ms = 0; ms <= limits.progressMs; ms += 1000) {
        await frames.write(frame);
        await timers.advance(1000);
      }
    };
    const { stream, ended } = dishonest(play, undefined, hasFirst);
    const error = await assertRejects(() => startDownload(stream, file.content, { timers }).done, NetworkError);
    assertEquals(error.code, "timeout");
    assertEquals(timers.pending, 0);
    await ended.catch(() => {});
  });
}

Deno.test("old news does not pile up where there is nothing to ask for", async () => {
  const more = Promise.withResolvers<boolean>();
  let waits = 0;
  const counted = Object.assign(more.promise, {
    then(...callbacks: Parameters<typeof more.promise.then>) {
      waits++;
      return Promise.prototype.then.apply(more.promise, callbacks);
    },
  });
  const { stream, ended } = dishonest(
    async (frames) => {
      for (let i = 0; i < 100; i++) await frames.write(hasFirst);
      await settle();
      more.resolve(false);
    },
    undefined,
    hasFirst,
  );
  const source = { take: () => undefined, more: () => counted, have() {}, askedByOthers() {}, giveBack() {} };
  const sink = { asked() {}, writeVerified() {} };
  await startDownload(stream, file.content, { begin: () => Promise.resolve({ source, sink }) }).done;
  assertEquals(waits, 1);
  await ended;
});

Deno.test("this process standing still is not the holder's fault", async () => {
  const timers = new FakeTimers();
  const { stream, ended } = dishonest(async (frames, ranges) => {
    await ranges();
    timers.jump(100 * limits.progressMs);
    await timers.advance(2000);
    for (let at = 0; at < file.bytes.length; at += pieceBytes) {
      await frames.write(data(at, file.bytes.subarray(at, at + pieceBytes)));
    }
  });
  await startDownload(stream, file.content, { timers }).done;
  await ended;
});

Deno.test("a download sends heartbeats until CHALLENGE comes, each after twice the time, then when it is idle", async () => {
  const timers = new FakeTimers();
  const [near, far] = makePipe();
  const download = startDownload(far, file.content, { timers });
  let beats = 0;
  const listening = (async () => {
    const raw = new Uint8Array(5);
    while (await near.read(raw) !== null) {
      assertEquals([...raw], [...encodeFrame({ kind: "heartbeat" })]);
      beats++;
    }
  })();
  await settle();
  assertEquals(beats, 1);
  await timers.advance(3);
  assertEquals(beats, 3, "after 1 ms and 2 more");
  await timers.advance(60);
  assertEquals(beats, 7, "after 4, 8, 16 and 32 more");
  await timers.advance(1.5 * limits.heartbeatMs);
  assertEquals(beats, 8);
  near.close();
  await assertRejects(() => download.done, NetworkError);
  await assertRejects(() => listening, NetworkError);
  assertEquals(timers.pending, 0);
});

Deno.test("an interrupted download stops in the middle of a piece and gives back the rest", async () => {
  const stop = new AbortController();
  const { stream, ended } = dishonest(async (frames, ranges) => {
    await ranges();
    await frames.write(data(0, file.bytes.subarray(0, pieceBytes)));
    await frames.write(data(pieceBytes, file.bytes.subarray(pieceBytes, pieceBytes + 100)));
    await settle();
    stop.abort();
  });
  const download = startDownload(stream, file.content, { signal: stop.signal });
  assertEquals((await assertRejects(() => download.done, ShoalError)).code, "interrupted");
  assertEquals([download.sink().written, download.queue().take()], [[0], 1] as never);
  await ended;
});

Deno.test("a disk that fails ends the download at once, and is not blamed on the holder", async () => {
  const { stream, ended } = honest(file);
  const full = new StoreError("diskFull", "write", "x.part", "the disk is full");
  const download = startDownload(stream, file.content, {
    begin: () => {
      const sink = {
        asked() {},
        writeVerified() {
          throw full;
        },
      };
      return Promise.resolve({ source: seatFor(4), sink });
    },
  });
  assertStrictEquals(await assertRejects(() => download.done, StoreError), full);
  await ended;
});
