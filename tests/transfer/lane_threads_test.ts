/** Lanes on threads do what lanes here do: over real TLS, into real files. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { ContentError, NetworkError, ShoalError } from "../../lib/core/errors.ts";
import { kib, limits } from "../../lib/core/limits.ts";
import { protocolVersion } from "../../lib/core/version.ts";
import { startWorker } from "../../lib/core/worker.ts";
import { PartFile } from "../../lib/content/part_file.ts";
import type { SafePath } from "../../lib/content/safe_path.ts";
import { listenTls } from "../../lib/net/tls.ts";
import { fetchContent, type FetchOptions } from "../../lib/transfer/fetch.ts";
import { FrameStream } from "../../lib/transfer/frame_stream.ts";
import type { FromThread, ToThread } from "../../lib/transfer/lane_messages.ts";
import { serveLanes, type ThreadScope } from "../../lib/transfer/lane_thread.ts";
import { LaneThreads } from "../../lib/transfer/lane_threads.ts";
import { systemTimers } from "../../lib/transfer/timers.ts";
import { serveConnection } from "../../lib/transfer/upload.ts";
import { UploadServer } from "../../lib/transfer/upload_server.ts";
import { UploadSlots } from "../../lib/transfer/upload_slots.ts";
import { encodeFrame } from "../../lib/wire/frame.ts";
import { makePipe } from "./pipe.ts";
import {
  holderCertificate,
  holderKey,
  identity,
  makeDeps,
  makeFile,
  makeHolder,
  makeTicket,
  MemoryLibrary,
} from "./world.ts";

const pieceBytes = 256 * kib;
const file = makeFile(40 * pieceBytes + 5);

/** A holder, threads and a folder. */
class Scene implements AsyncDisposable {
  readonly folder = Deno.makeTempDirSync();
  readonly workers: Worker[] = [];
  readonly threads = new LaneThreads(() => {
    const worker = startWorker(new URL("../../lib/peer/lane_worker.ts", import.meta.url));
    this.workers.push(worker);
    return worker;
  });
  readonly #listener = listenTls({ ip: "127.0.0.1", port: 0, certificate: holderCertificate, key: holderKey });
  readonly #server: UploadServer;

  constructor(served = file) {
    const deps = makeDeps(new MemoryLibrary(served), { timers: systemTimers });
    this.#server = new UploadServer({ ...deps, listener: this.#listener, onEnd: () => {} });
  }

  fetch(changes: Partial<FetchOptions> = {}): ReturnType<typeof fetchContent> {
    const { port } = this.#listener.local;
    const holder = makeHolder(makeTicket(file.content), { endpoints: [{ ip: "127.0.0.1", port }] });
    return fetchContent({
      name: "a file",
      content: file.content,
      locate: () => Promise.resolve({ holders: [holder], refused: [] }),
      openPart: (manifest, signal) =>
        PartFile.open({
          manifest,
          folder: this.folder,
          name: "got" as SafePath,
          onExists: "refuse",
          journalFolder: `${this.folder}/journals`,
          signal,
        }),
      sync: false,
      identity,
      lane: this.threads.lane,
      timers: systemTimers,
      random: (size) => crypto.getRandomValues(new Uint8Array(size)),
      timeoutMs: 60_000,
      signal: new AbortController().signal,
      onProgress: () => {},
      ...changes,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.threads[Symbol.dispose]();
    await this.#server.close();
    await Deno.remove(this.folder, { recursive: true });
  }
}

Deno.test("a lane on a thread fetches, and each piece is noted before it counts", async () => {
  await using scene = new Scene();
  const progress: number[] = [];
  const fetched = await scene.fetch({ onProgress: (doneBytes) => void progress.push(doneBytes) });
  assertEquals(await Deno.readFile(`${scene.folder}/got`), file.bytes);
  assertEquals(fetched.holders, [{ account: "holder", device: "nas", bytes: file.bytes.length }]);
  assertEquals([progress.length, progress.at(-1)], [41, file.bytes.length]);
  assertEquals([...Deno.readDirSync(`${scene.folder}/journals`)], []);
});

Deno.test("a wrong piece is found on the thread, not written, and blamed on its holder", async () => {
  const bytes = file.bytes.slice();
  bytes[7 * pieceBytes]! ^= 1;
  await using scene = new Scene({ ...file, bytes });
  const blamed: string[] = [];
  const fetching = scene.fetch({ onBlame: ({ account }, reason) => void blamed.push(`${account} ${reason}`) });
  const error = await assertRejects(() => fetching, ContentError);
  assertEquals([error.code, error.piece, error.holder, error.contentId], [
    "integrity",
    7,
    "holder (nas)",
    file.content.id,
  ]);
  assertEquals(blamed, ["holder wrongPiece"]);
});

Deno.test("an interrupted lane keeps what it wrote, and the next one fetches the rest alone", async () => {
  await using scene = new Scene();
  const stop = new AbortController();
  const onProgress = (doneBytes: number) => {
    if (doneBytes >= 10 * pieceBytes) stop.abort();
  };
  const error = await assertRejects(() => scene.fetch({ signal: stop.signal, onProgress }), ShoalError);
  assertEquals(error.code, "interrupted");
  const { fetchedBytes } = await scene.fetch();
  assert(fetchedBytes <= file.bytes.length - 10 * pieceBytes, String(fetchedBytes));
  assertEquals(await Deno.readFile(`${scene.folder}/got`), file.bytes);
});

Deno.test("a thread that dies ends its lane like a broken connection, and the next look finds another thread", async () => {
  await using scene = new Scene();
  let isKilled = false;
  const onProgress = () => {
    if (isKilled) return;
    isKilled = true;
    scene.workers[0]!.onerror!(new ErrorEvent("error", { message: "it was killed" }));
  };
  await scene.fetch({ onProgress, timeoutMs: 60_000 });
  assertEquals(await Deno.readFile(`${scene.folder}/got`), file.bytes);
  assertEquals(scene.workers.length, 2);
});

Deno.test("a lane on a thread tells its place in the holder's queue, and goes on from there", async () => {
  await using scene = new Scene();
  const slots = new UploadSlots(systemTimers, 1);
  const other = slots.join("another account", () => {});
  other.take();
  const deps = makeDeps(new MemoryLibrary(file), { timers: systemTimers, slots });
  const listener = listenTls({ ip: "127.0.0.1", port: 0, certificate: holderCertificate, key: holderKey });
  const serving = listener.accept().then((stream) => serveConnection(stream!, deps, new AbortController().signal));
  const holder = makeHolder(makeTicket(file.content), { endpoints: [{ ip: "127.0.0.1", port: listener.local.port }] });
  const places: [string, number][] = [];
  await scene.fetch({
    locate: () => Promise.resolve({ holders: [holder], refused: [] }),
    timeoutMs: limits.progressMs,
    onQueued({ account }, { place }) {
      places.push([account, place]);
      other[Symbol.dispose]();
    },
  });
  listener.close();
  await serving;
  assertEquals(places, [["holder", 1]]);
  assertEquals(await Deno.readFile(`${scene.folder}/got`), file.bytes);
});

Deno.test("a part that somebody replaced is not written to", async () => {
  await using scene = new Scene();
  const fetching = scene.fetch({
    openPart: async (manifest, signal) => {
      const opened = await PartFile.open({
        manifest,
        folder: scene.folder,
        name: "got" as SafePath,
        onExists: "refuse",
        journalFolder: `${scene.folder}/journals`,
        signal,
      });
      assert(opened.kind === "part");
      await Deno.remove(opened.part.path);
      await Deno.writeTextFile(opened.part.path, "mine");
      return opened;
    },
  });
  const error = await assertRejects(() => fetching, ShoalError, "somebody else replaced it");
  assert(!(error instanceof NetworkError), "it is not the holder's doing");
  assertEquals(await Deno.readTextFile(`${scene.folder}/got.part`), "mine");
});

Deno.test("a piece in hand that others ask the holder for goes back, and another is wanted in its place", async () => {
  const [near, far] = makePipe();
  const holder = new FrameStream(near, { timers: systemTimers, idleMs: limits.progressMs });
  const said: FromThread[] = [];
  let wake = () => {};
  const scope: ThreadScope = {
    onmessage: null,
    postMessage(message) {
      said.push(message);
      wake();
    },
  };
  const next = async <K extends FromThread["kind"]>(kind: K) => {
    for (;;) {
      const found = said.findIndex((message) => message.kind === kind);
      if (found >= 0) return said.splice(found, 1)[0] as Extract<FromThread, { readonly kind: K }>;
      await new Promise<void>((resolve) => wake = resolve);
    }
  };
  const tell = (data: ToThread) => scope.onmessage!(new MessageEvent("message", { data }));
  serveLanes(scope, () => Promise.resolve(far));
  const { deviceKey, ...shown } = identity;
  const { content } = file;
  const start = { content, holder: makeHolder(makeTicket(content)), identity: { ...shown, seed: deviceKey.seed } };
  tell({ kind: "start", lane: 1, ...start });
  await holder.write(encodeFrame({ kind: "challenge", version: protocolVersion, nonce: new Uint8Array(32) }));
  assertEquals((await holder.readFrame())?.kind, "hello");
  await holder.write(encodeFrame({ kind: "manifest", slice: file.layer }));
  await holder.write(encodeFrame({ kind: "have", pieces: undefined }));
  await next("begin");
  tell({ kind: "begun", lane: 1, target: undefined, alike: undefined });
  for (const piece of [0, 1, 2, 3]) {
    await next("want");
    tell({ kind: "piece", lane: 1, piece });
  }
  const asked: number[] = [];
  while (asked.length < 2) {
    const frame = await holder.readFrame();
    assert(frame?.kind === "request");
    for (const { first, count } of frame.ranges) for (let i = 0; i < count; i += 16) asked.push((first + i) / 16);
  }
  assertEquals(asked, [0, 1]);
  await holder.write(encodeFrame({ kind: "asked", pieces: [1, 3, 9] }));
  assertEquals((await next("askedByOthers")).pieces, [1, 3, 9]);
  assertEquals(
    said,
    [{ kind: "giveBack", lane: 1, pieces: [3] }, { kind: "want", lane: 1 }],
    "1 was asked for already",
  );
  holder.close();
  await next("ended");
});
