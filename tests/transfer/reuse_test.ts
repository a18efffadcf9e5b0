/** Blocks that are in files here already are not fetched, whoever lies and whatever changes meanwhile. */

import { assert, assertEquals } from "@std/assert";
import { concatBytes } from "../../lib/core/bytes.ts";
import { ContentError, errorCodes, ProtocolError, ShoalError } from "../../lib/core/errors.ts";
import { kib, limits } from "../../lib/core/limits.ts";
import type { ByteStream } from "../../lib/core/transport.ts";
import { protocolVersion } from "../../lib/core/version.ts";
import { startWorker } from "../../lib/core/worker.ts";
import { hashBlocks } from "../../lib/content/merkle.ts";
import { PartFile } from "../../lib/content/part_file.ts";
import { Reuse } from "../../lib/content/reuse.ts";
import type { SafePath } from "../../lib/content/safe_path.ts";
import { listenTls } from "../../lib/net/tls.ts";
import { fetchContent, type FetchOptions } from "../../lib/transfer/fetch.ts";
import { FrameStream } from "../../lib/transfer/frame_stream.ts";
import { proveTransfer } from "../../lib/session/proofs.ts";
import { laneHere } from "../../lib/transfer/lane.ts";
import { LaneThreads } from "../../lib/transfer/lane_threads.ts";
import { systemTimers } from "../../lib/transfer/timers.ts";
import type { ServedContent } from "../../lib/transfer/admission.ts";
import { serveConnection } from "../../lib/transfer/upload.ts";
import { UploadServer } from "../../lib/transfer/upload_server.ts";
import { type BlockRange, dataHeaderBytes, encodeFrame, type Frame, writeDataHeader } from "../../lib/wire/frame.ts";
import { FakeTimers } from "./fake_timers.ts";
import { makePipe } from "./pipe.ts";
import {
  holderCertificate,
  holderKey,
  identity,
  makeDeps,
  makeFile,
  makeHolder,
  makeTicket,
  manifestOf,
  type MemoryFile,
  MemoryLibrary,
  MemorySink,
  seatFor,
  startDownload,
} from "./world.ts";

const never = new AbortController().signal;
const pieceBytes = 256 * kib;
const { blockBytes } = limits;
/** Four whole pieces and a short one. */
const file = makeFile(4 * pieceBytes + 5);

/** `whole` with some blocks altered. */
function without(blocks: readonly number[], whole: MemoryFile = file): Uint8Array<ArrayBuffer> {
  const bytes = whole.bytes.slice();
  for (const block of blocks) bytes[block * blockBytes]! ^= 1;
  return bytes;
}

/** An older version on disk. */
class Old implements Disposable {
  readonly folder = Deno.makeTempDirSync();
  readonly path = `${this.folder}/old`;

  constructor(bytes: Uint8Array) {
    this.write(bytes);
  }

  write(bytes: Uint8Array): void {
    Deno.writeFileSync(this.path, bytes);
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.folder, { recursive: true });
  }
}

/** A download of a file, `file` unless told otherwise, where older files are. */
async function download(stream: ByteStream, old: Old, stop = new AbortController(), onPiece = () => {}, whole = file) {
  const manifest = manifestOf(whole);
  const sink = new MemorySink(manifest);
  const seat = seatFor(manifest.pieceCount);
  using reuse = Reuse.open([old.path], manifest);
  const reused: (readonly [piece: number, bytes: number])[] = [];
  const done = startDownload(stream, whole.content, {
    begin: () => Promise.resolve({ source: seat, sink, reuse }),
    signal: stop.signal,
    onPiece: (piece, _, reusedBytes) => {
      onPiece();
      seat.delivered(piece);
      reused.push([piece, reusedBytes]);
    },
  }).done;
  try {
    await done;
  } catch (error) {
    return { error, sink, reused };
  }
  return { error: undefined, sink, reused };
}

/** An honest holder of `file`. */
function honest(library = new MemoryLibrary(file)): ByteStream {
  const [near, far] = makePipe();
  serveConnection(near, makeDeps(library), never);
  return far;
}

/** A holder of `file` that answers as it likes. */
function played(answer: (frame: Frame) => readonly Uint8Array<ArrayBuffer>[], whole = file): ByteStream {
  const [near, far] = makePipe();
  const frames = new FrameStream(near, { timers: new FakeTimers(), idleMs: limits.progressMs });
  (async () => {
    await frames.write(encodeFrame({ kind: "challenge", version: protocolVersion, nonce: new Uint8Array(32) }));
    await frames.readFrame();
    await frames.write(encodeFrame({ kind: "manifest", slice: whole.layer }));
    await frames.write(encodeFrame({ kind: "have", pieces: undefined }));
    for (let frame = await frames.readFrame(); frame !== undefined; frame = await frames.readFrame()) {
      await frames.write(concatBytes(...answer(frame as Frame)));
    }
    frames.close();
  })();
  return far;
}

/** What an honest holder answers out of `bytes`. */
function answerFrom(bytes: Uint8Array, frame: Frame): Uint8Array<ArrayBuffer>[] {
  if (frame.kind === "leaves") {
    return frame.pieces.map((piece) => encodeFrame({ kind: "leafHashes", piece, leaves: leavesOf(piece) }));
  }
  return frame.kind === "request" ? frame.ranges.map((range) => data(bytes, range)) : [];
}

function leavesOf(piece: number): Uint8Array<ArrayBuffer> {
  return hashBlocks(file.bytes.subarray(piece * pieceBytes, (piece + 1) * pieceBytes));
}

function data(bytes: Uint8Array, { first, count }: BlockRange): Uint8Array<ArrayBuffer> {
  const found = bytes.subarray(first * blockBytes, (first + count) * blockBytes);
  const frame = new Uint8Array(dataHeaderBytes + found.length);
  writeDataHeader(frame, first * blockBytes, found.length);
  frame.set(found, dataHeaderBytes);
  return frame;
}

Deno.test("only the blocks that are not here come over the network, and pieces that are here whole cost no word", async () => {
  using old = new Old(without([3, 20, 21, 25]));
  const asked: Frame[] = [];
  const { error, sink, reused } = await download(
    played((frame) => {
      asked.push(frame);
      return answerFrom(file.bytes, frame);
    }),
    old,
  );
  assertEquals(error, undefined);
  assertEquals(sink.bytes, file.bytes);
  assertEquals(asked.flatMap((frame) => frame.kind === "leaves" ? frame.pieces : []), [0, 1]);
  assertEquals(asked.flatMap((frame) => frame.kind === "request" ? frame.ranges : []), [
    { first: 3, count: 1 },
    { first: 20, count: 2 },
    { first: 25, count: 1 },
  ]);
  assertEquals(
    reused.toSorted(([a], [b]) => a - b),
    [[0, 15 * blockBytes], [1, 13 * blockBytes], [2, pieceBytes], [3, pieceBytes], [4, 5]],
  );
});

Deno.test("the holder finds the hashes itself, and the whole comes together", async () => {
  using old = new Old(without([0, 15, 16, 40, 64]));
  const { error, sink, reused } = await download(honest(), old);
  assertEquals(error, undefined);
  assertEquals(sink.bytes, file.bytes);
  assertEquals(reused.reduce((sum, [, bytes]) => sum + bytes, 0), file.bytes.length - 4 * blockBytes - 5);
});

Deno.test("the connection is looked at between looks into files, however little is missing", async () => {
  const large = makeFile(80 * pieceBytes);
  using old = new Old(without(Array.from({ length: 80 }, (_, piece) => 16 * piece), large));
  let most = 0;
  const stream = played((frame) => {
    if (frame.kind !== "leaves") return answerFrom(large.bytes, frame);
    most = Math.max(most, frame.pieces.length);
    return frame.pieces.map((piece) => {
      const leaves = hashBlocks(large.bytes.subarray(piece * pieceBytes, (piece + 1) * pieceBytes));
      return encodeFrame({ kind: "leafHashes", piece, leaves });
    });
  }, large);
  const { error, sink } = await download(stream, old, undefined, undefined, large);
  assertEquals(error, undefined);
  assertEquals(sink.bytes, large.bytes);
  assert(most > 1 && most <= 8, `${most} pieces at once`);
});

Deno.test("wrong hashes are blamed on their sender, and nothing is written", async () => {
  using old = new Old(without([3, 20, 36, 50, 64]));
  const { error, sink } = await download(
    played((frame) => {
      if (frame.kind !== "leaves") return answerFrom(file.bytes, frame);
      return frame.pieces.map((piece) => {
        const leaves = leavesOf(piece);
        leaves[33]! ^= 1;
        return encodeFrame({ kind: "leafHashes", piece, leaves });
      });
    }),
    old,
  );
  assert(error instanceof ContentError, String(error));
  assertEquals([error.code, error.piece, error.holder], ["integrity", 0, "holder (nas)"]);
  assertEquals(sink.written, []);
});

Deno.test("hashes of another piece than the one that was asked for are a broken rule", async () => {
  using old = new Old(without([3]));
  const other = encodeFrame({ kind: "leafHashes", piece: 1, leaves: leavesOf(1) });
  const { error } = await download(played((frame) => frame.kind === "leaves" ? [other] : []), old);
  assert(error instanceof ProtocolError, String(error));
});

Deno.test("a block that is not what its hash says is blamed on its sender, which is asked for nothing more", async () => {
  using old = new Old(without([3, 5]));
  const asked: BlockRange[] = [];
  const { error, sink } = await download(
    played((frame) => {
      if (frame.kind === "request") asked.push(...frame.ranges);
      return answerFrom(without([5]), frame);
    }),
    old,
  );
  assert(error instanceof ContentError, String(error));
  assertEquals([error.code, error.piece], ["integrity", 0]);
  assertEquals(sink.written.includes(0), false);
  assertEquals(asked, [{ first: 3, count: 1 }, { first: 5, count: 1 }]);
});

Deno.test("more than was asked for is a broken rule between two ranges of a piece", async () => {
  using old = new Old(without([3, 5]));
  const { error } = await download(
    played((frame) =>
      frame.kind === "request" ? [data(file.bytes, { first: 3, count: 3 })] : answerFrom(file.bytes, frame)
    ),
    old,
  );
  assert(error instanceof ProtocolError, String(error));
});

Deno.test("a file that changes once it was looked at costs its pieces, and nobody is blamed", async () => {
  using old = new Old(without([3, 20]));
  const library = new MemoryLibrary(file);
  let isChanged = false;
  library.beforeRead = () => {
    if (!isChanged) old.write(new Uint8Array(file.bytes.length));
    isChanged = true;
  };
  const { error, sink, reused } = await download(honest(library), old);
  assertEquals(error, undefined);
  assertEquals(sink.bytes, file.bytes);
  assertEquals(reused.find(([piece]) => piece === 0), [0, 0]);
});

Deno.test("a download that is all here stops when it is told to", async () => {
  using old = new Old(file.bytes);
  const stop = new AbortController();
  const { error, sink } = await download(honest(), old, stop, () => stop.abort());
  assert(error instanceof ShoalError && error.code === "interrupted", String(error));
  assertEquals(sink.written.length, 1);
});

/** A fetching side by hand, which asks for hashes; answers the frames that come for it, to the end or the REFUSED. */
async function askLeaves(
  asks: readonly (readonly number[])[],
  open: (library: MemoryLibrary) => ServedContent,
): Promise<readonly Frame[]> {
  const [near, far] = makePipe();
  const library = new MemoryLibrary(file);
  const ended = serveConnection(near, makeDeps(library, { openContent: () => open(library) }), never);
  const frames = new FrameStream(far, { timers: new FakeTimers(), idleMs: limits.progressMs });
  const challenge = await frames.readFrame();
  assert(challenge?.kind === "challenge");
  const ticket = makeTicket(file.content);
  const proof = proveTransfer(identity.deviceKey, makeHolder(ticket).certificateHash, challenge.nonce, ticket);
  await frames.write(encodeFrame({ ...identity, kind: "hello", ticket, proof }));
  for (const pieces of asks) await frames.write(encodeFrame({ kind: "leaves", pieces }));
  const answers: Frame[] = [];
  while (answers.at(-1)?.kind !== "refused" && answers.length < 2 + Math.max(1, asks.flat().length)) {
    const frame = await frames.readFrame();
    if (frame === undefined) break;
    answers.push(frame as Frame);
  }
  frames.close();
  await ended;
  return answers.slice(2);
}

const wholly = (library: MemoryLibrary) => library.open(file.content)!;

Deno.test("a holder answers with the hashes of each piece that is asked for, the short one too", async () => {
  const answers = await askLeaves([[4], [1, 0]], wholly);
  assertEquals(answers, [4, 1, 0].map((piece) => ({ kind: "leafHashes" as const, piece, leaves: leavesOf(piece) })));
});

for (
  const [what, asks] of [["none", [[]]], ["one beyond the end", [[5]]], ["more than there are", [[0, 1, 2], [
    3,
    4,
    0,
  ]]]] as const
) {
  Deno.test(`to ask for hashes of pieces, ${what}, is a broken rule`, async () => {
    const last = (await askLeaves(asks, wholly)).at(-1);
    assert(last?.kind === "refused");
    assertEquals(last.code, errorCodes.protocol.wire);
  });
}

Deno.test("a holder of a part has no hashes of what it has not", async () => {
  const open = (library: MemoryLibrary): ServedContent => {
    const source = wholly(library);
    return {
      ...source,
      partial: { has: new Uint8Array([0x80]), watch: () => ({ [Symbol.dispose]: () => {} }) },
      read: (offset, buffer) => {
        if (offset >= pieceBytes) throw new ShoalError("notFound", "Cannot serve this: it is not here");
        source.read(offset, buffer);
      },
    };
  };
  const [first, last] = await askLeaves([[0, 1]], open);
  assertEquals([first?.kind, last?.kind], ["leafHashes", "refused"]);
  assertEquals((last as Extract<Frame, { readonly kind: "refused" }>).code, errorCodes.notFound.wire);
});

Deno.test("a holder whose file changed sends no hash of it", async () => {
  const [last] = await askLeaves([[0]], (library) => {
    library.changed.add(file.content.id);
    return wholly(library);
  });
  assert(last?.kind === "refused");
  assertEquals(last.code, errorCodes.changed.wire);
});

/** Opens the part of a fetch to `folder/got`. */
const openPartIn = (folder: string): FetchOptions["openPart"] => (manifest, signal) => {
  const journalFolder = `${folder}/journals`;
  return PartFile.open({ manifest, folder, name: "got" as SafePath, onExists: "refuse", journalFolder, signal });
};

Deno.test("a holder that ends the connection while all comes from here is not blamed, and is asked for the rest later", async () => {
  using old = new Old(file.bytes.subarray(0, 4 * pieceBytes));
  const connections: ByteStream[] = [];
  const blamed: string[] = [];
  const fetched = await fetchContent({
    name: "a file",
    content: file.content,
    locate: () => Promise.resolve({ holders: [makeHolder(makeTicket(file.content))], refused: [] }),
    openPart: openPartIn(old.folder),
    alike: () => [old.path],
    sync: false,
    identity,
    lane: laneHere(() => {
      const [near, far] = makePipe();
      connections.push(near);
      serveConnection(near, makeDeps(new MemoryLibrary(file)), never);
      return Promise.resolve(far);
    }),
    timers: systemTimers,
    random: (size) => new Uint8Array(size),
    timeoutMs: 60_000,
    signal: never,
    // As at its limit of idle connections.
    onProgress: () => connections[0]!.close(),
    onBlame: (_, reason) => void blamed.push(reason),
  });
  assertEquals(await Deno.readFile(`${old.folder}/got`), file.bytes);
  assertEquals([fetched.fetchedBytes, fetched.reusedBytes], [5, 4 * pieceBytes]);
  assertEquals([connections.length, blamed], [2, []]);
});

Deno.test("lanes on threads take what is here from files, and the saving is told", async () => {
  const large = makeFile(40 * pieceBytes + 5);
  const changed = [3, 20, 21, 300];
  using old = new Old(without(changed, large));
  using threads = new LaneThreads(() => startWorker(new URL("../../lib/peer/lane_worker.ts", import.meta.url)));
  const listener = listenTls({ ip: "127.0.0.1", port: 0, certificate: holderCertificate, key: holderKey });
  const deps = makeDeps(new MemoryLibrary(large), { timers: systemTimers });
  const server = new UploadServer({ ...deps, listener, onEnd: () => {} });
  const holder = makeHolder(makeTicket(large.content), { endpoints: [{ ip: "127.0.0.1", port: listener.local.port }] });
  const fetched = await fetchContent({
    name: "a file",
    content: large.content,
    locate: () => Promise.resolve({ holders: [holder], refused: [] }),
    openPart: openPartIn(old.folder),
    alike: () => [old.path],
    sync: false,
    identity,
    lane: threads.lane,
    timers: systemTimers,
    random: (size) => crypto.getRandomValues(new Uint8Array(size)),
    timeoutMs: 60_000,
    signal: never,
    onProgress: () => {},
  });
  await server.close();
  assertEquals(await Deno.readFile(`${old.folder}/got`), large.bytes);
  const bytes = changed.length * blockBytes;
  assertEquals([fetched.fetchedBytes, fetched.reusedBytes], [bytes, large.bytes.length - bytes]);
  assertEquals(fetched.holders, [{ account: "holder", device: "nas", bytes }]);
});
