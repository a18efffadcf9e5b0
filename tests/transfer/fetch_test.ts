import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { ContentError, NetworkError, RemoteError, ShoalError, StoreError } from "../../lib/core/errors.ts";
import { kib, limits } from "../../lib/core/limits.ts";
import { deviceIdFrom } from "../../lib/core/ids.ts";
import { PartFile } from "../../lib/content/part_file.ts";
import type { SafePath } from "../../lib/content/safe_path.ts";
import { certificateHash } from "../../lib/net/certificate.ts";
import { connectTls, listenTls } from "../../lib/net/tls.ts";
import { fetchContent, type Fetched, type FetchOptions } from "../../lib/transfer/fetch.ts";
import { type Connect, laneHere } from "../../lib/transfer/lane.ts";
import { threadedFromBytes } from "../../lib/transfer/lane_threads.ts";
import { systemTimers } from "../../lib/transfer/timers.ts";
import { RateLimiter } from "../../lib/transfer/rate_limiter.ts";
import { TokenBucket } from "../../lib/transfer/token_bucket.ts";
import { serveConnection, type UploadDeps } from "../../lib/transfer/upload.ts";
import { UploadServer } from "../../lib/transfer/upload_server.ts";
import type { VerifiedHolder } from "../../lib/transfer/verified_holder.ts";
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
  nowMs,
  otherKey,
} from "./world.ts";

const never = new AbortController().signal;
const pieceBytes = 256 * kib;
const file = makeFile(3 * pieceBytes + 5);
const otherId = deviceIdFrom(otherKey.publicKey);

/** A download folder with its journals. */
class Folder implements Disposable {
  readonly path = Deno.makeTempDirSync();
  readonly openPart: FetchOptions["openPart"] = (manifest, signal) =>
    PartFile.open({
      manifest,
      folder: this.path,
      name: "got" as SafePath,
      onExists: "refuse",
      journalFolder: `${this.path}/journals`,
      signal,
    });

  read(): Uint8Array {
    return Deno.readFileSync(`${this.path}/got`);
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }
}

/** Holders in memory, found by their port. */
class Holders {
  readonly dialled: number[] = [];
  readonly ended: Promise<unknown>[] = [];
  readonly #byPort = new Map<number, () => Partial<UploadDeps>>();
  readonly #libraries = new Map<number, MemoryLibrary>();

  add(port: number, library: MemoryLibrary, deps: () => Partial<UploadDeps> = () => ({})): void {
    this.#libraries.set(port, library);
    this.#byPort.set(port, deps);
  }

  readonly connect: Connect = ({ endpoint: { port } }) => {
    this.dialled.push(port);
    const library = this.#libraries.get(port);
    if (library === undefined) return Promise.reject(new NetworkError("Cannot connect: the connection was refused"));
    const [near, far] = makePipe();
    this.ended.push(serveConnection(near, makeDeps(library, this.#byPort.get(port)!()), never));
    return Promise.resolve(far);
  };
}

function at(port: number, changes: Partial<VerifiedHolder> = {}): VerifiedHolder {
  return makeHolder(makeTicket(file.content), { endpoints: [{ ip: "127.0.0.1", port }], ...changes });
}

function optionsFor(folder: Folder, holders: Holders, found: readonly VerifiedHolder[]): FetchOptions {
  return {
    name: "a file",
    content: file.content,
    locate: () => Promise.resolve({ holders: found, refused: [] }),
    openPart: folder.openPart,
    sync: false,
    identity,
    lane: laneHere(holders.connect),
    timers: systemTimers,
    // The first piece goes first, and pauses are as short as may be.
    random: (size) => new Uint8Array(size),
    timeoutMs: 60_000,
    signal: never,
    onProgress: () => {},
  };
}

/** `file` with the piece altered. */
function lyingAbout(piece: number): MemoryFile {
  const bytes = file.bytes.slice();
  bytes[piece * pieceBytes]! ^= 1;
  return { ...file, bytes };
}

Deno.test("fetchContent() fetches over TLS, from a file of several pieces, two at once from one holder", async () => {
  const listener = listenTls({ ip: "127.0.0.1", port: 0, certificate: holderCertificate, key: holderKey });
  const reasons: unknown[] = [];
  const bothEnded = Promise.withResolvers<void>();
  const deps = makeDeps(new MemoryLibrary(file), { timers: systemTimers });
  const onEnd = (reason: unknown) => {
    if (reasons.push(reason) === 2) bothEnded.resolve();
  };
  const server = new UploadServer({ ...deps, listener, onEnd });
  using folder = new Folder();
  using other = new Folder();
  const progress: number[] = [];
  const options = {
    ...optionsFor(folder, new Holders(), [at(listener.local.port)]),
    lane: laneHere(connectTls),
    onProgress: (doneBytes: number) => void progress.push(doneBytes),
  };
  const [fetched] = await Promise.all([fetchContent(options), fetchContent({ ...options, openPart: other.openPart })]);
  assertEquals(folder.read(), file.bytes);
  assertEquals(other.read(), file.bytes);
  assertEquals(
    fetched,
    {
      path: `${Deno.realPathSync(folder.path)}/got`,
      holders: [{ account: "holder", device: "nas", bytes: file.bytes.length }],
      fetchedBytes: file.bytes.length,
      wireBytes: fetched.wireBytes,
      reusedBytes: 0,
      refetchedBytes: 0,
    } satisfies Fetched,
  );
  assertEquals(progress.filter((done) => done === pieceBytes).length, 2);
  await bothEnded.promise;
  assertEquals(reasons, [undefined, undefined]);
  await server.close();
});

Deno.test("fetchContent() refuses whoever has another key at the holder's endpoint, and tries on", async () => {
  const listener = listenTls({ ip: "127.0.0.1", port: 0, certificate: holderCertificate, key: holderKey });
  const server = new UploadServer({ ...makeDeps(new MemoryLibrary(file)), listener, onEnd: () => {} });
  using folder = new Folder();
  const { makeCertificate } = await import("../../lib/net/certificate.ts");
  const certificate = await makeCertificate(otherKey);
  const impostor = at(listener.local.port, { certificate, certificateHash: certificateHash(certificate) });
  const options = { ...optionsFor(folder, new Holders(), [impostor]), lane: laneHere(connectTls), timeoutMs: 0 };
  const error = await assertRejects(() => fetchContent(options), ShoalError, "another device answers there");
  assertEquals(error.code, "unfinished");
  await server.close();
});

Deno.test("fetchContent() finds a holder that moved to another port", async () => {
  using folder = new Folder();
  const holders = new Holders();
  holders.add(2002, new MemoryLibrary(file));
  let asked = 0;
  const timers = new FakeTimers();
  const fetching = fetchContent({
    ...optionsFor(folder, holders, []),
    timers,
    locate: () => Promise.resolve({ holders: [at(asked++ === 0 ? 2001 : 2002)], refused: [] }),
  });
  await timers.advance(100);
  await fetching;
  assertEquals(folder.read(), file.bytes);
  assertEquals(holders.dialled, [2001, 2002]);
  assertEquals(timers.pending, 0);
});

Deno.test("fetchContent() drops a liar, asks another, and counts what each delivered", async () => {
  using folder = new Folder();
  const holders = new Holders();
  holders.add(2001, new MemoryLibrary(lyingAbout(1)));
  holders.add(2002, new MemoryLibrary(file));
  const fetched = await fetchContent(
    optionsFor(folder, holders, [at(2001), at(2002, { deviceId: otherId, account: "honest", label: "pc" })]),
  );
  assertEquals(folder.read(), file.bytes);
  assertEquals(holders.dialled, [2001, 2002]);
  const [liar, honest] = fetched.holders;
  assertEquals([liar, honest], [
    { account: "holder", device: "nas", bytes: liar!.bytes },
    { account: "honest", device: "pc", bytes: file.bytes.length - liar!.bytes },
  ]);
});

Deno.test("fetchContent() says integrity when every holder lied, and asks no liar twice", async () => {
  using folder = new Folder();
  const holders = new Holders();
  holders.add(2001, new MemoryLibrary(lyingAbout(0)));
  const timers = new FakeTimers();
  const fetching = fetchContent({ ...optionsFor(folder, holders, [at(2001)]), timers });
  const rejected = assertRejects(() => fetching, ContentError);
  await Promise.all(holders.ended);
  await timers.advance(100);
  assertEquals((await rejected).code, "integrity");
  assertEquals(holders.dialled, [2001]);
  assert([...Deno.readDirSync(folder.path)].some(({ name }) => name === "got.part"), "what is right is kept");
});

Deno.test("fetchContent() says that the file changed at its only holder", async () => {
  using folder = new Folder();
  const holders = new Holders();
  const library = new MemoryLibrary(file);
  library.changed.add(file.content.id);
  holders.add(2001, library);
  const error = await assertRejects(() => fetchContent(optionsFor(folder, holders, [at(2001)])), RemoteError);
  assertEquals(error.code, "changed");
});

Deno.test("fetchContent() asks once more with a new ticket where the first was denied, and no more", async () => {
  for (const isMended of [true, false]) {
    using folder = new Folder();
    const holders = new Holders();
    holders.add(2001, new MemoryLibrary(file));
    const tickets = [false, isMended].map((good) => makeTicket(file.content, good ? {} : { expiresAtMs: nowMs }));
    const fetching = fetchContent({
      ...optionsFor(folder, holders, []),
      locate: () =>
        Promise.resolve({ holders: [at(2001, { ticket: tickets.shift() ?? new Uint8Array(9) })], refused: [] }),
    });
    if (isMended) await fetching;
    else assertEquals((await assertRejects(() => fetching, RemoteError)).code, "denied");
    assertEquals(holders.dialled, [2001, 2001]);
  }
});

Deno.test("fetchContent() gives up when nothing moved for its time, and says how to go on", async () => {
  using folder = new Folder();
  const timers = new FakeTimers();
  const fetching = fetchContent({ ...optionsFor(folder, new Holders(), []), timers, timeoutMs: 5000 });
  const rejected = assertRejects(() => fetching, ShoalError, "nobody who has it is online");
  await timers.advance(10_000);
  const error = await rejected;
  assertEquals([error.code, error.exitCode, timers.pending], ["unfinished", 7, 0]);
  assert(error.hint?.includes("same command"));
});

Deno.test("fetchContent() tells in the end why those who have it could not be dialled", async () => {
  using folder = new Folder();
  const refused = [new ShoalError("unreachable", "Cannot fetch from a (b): it has no address")];
  const locate = () => Promise.resolve({ holders: [], refused });
  const options = { ...optionsFor(folder, new Holders(), []), locate, timeoutMs: 0 };
  const error = await assertRejects(() => fetchContent(options), ShoalError, "it has no address");
  assertEquals(error.code, "unfinished");
});

Deno.test("fetchContent() goes on asking while the coordinator is away, and not when it denies", async () => {
  using folder = new Folder();
  const holders = new Holders();
  holders.add(2001, new MemoryLibrary(file));
  const away = [new NetworkError("Cannot reach the coordinator: no answer")];
  await fetchContent({
    ...optionsFor(folder, holders, []),
    locate: () => away.length > 0 ? Promise.reject(away.pop()) : Promise.resolve({ holders: [at(2001)], refused: [] }),
  });
  assertEquals(folder.read(), file.bytes);

  const denied = new RemoteError("denied", "Cannot ask: logged out");
  const options = { ...optionsFor(folder, holders, []), locate: () => Promise.reject(denied) };
  assertStrictEquals(await assertRejects(() => fetchContent(options), RemoteError), denied);
});

Deno.test("fetchContent() says untrusted when nobody else has it", async () => {
  using folder = new Folder();
  const refused = [
    new ShoalError("unreachable", "Cannot fetch from a (b): it has no address"),
    new ShoalError("untrusted", "Cannot fetch from c (d): another key"),
  ];
  const options = { ...optionsFor(folder, new Holders(), []), locate: () => Promise.resolve({ holders: [], refused }) };
  assertStrictEquals(await assertRejects(() => fetchContent(options), ShoalError), refused[1]);
});

Deno.test("an interrupted fetch keeps what it has, and the next fetches no verified piece again", async () => {
  using folder = new Folder();
  const holders = new Holders();
  const stop = new AbortController();
  const library = new MemoryLibrary(file);
  library.beforeRead = (offset) => {
    if (offset >= 2 * pieceBytes) stop.abort();
  };
  holders.add(2001, library);
  const first = fetchContent({ ...optionsFor(folder, holders, [at(2001)]), signal: stop.signal });
  const error = await assertRejects(() => first, ShoalError);
  assertEquals([error.code, error.exitCode], ["interrupted", 130]);
  await Promise.all(holders.ended);

  const reads: number[] = [];
  library.beforeRead = (offset) => void reads.push(offset);
  const progress: number[] = [];
  const fetched = await fetchContent({
    ...optionsFor(folder, holders, [at(2001)]),
    onProgress: (doneBytes) => void progress.push(doneBytes),
  });
  assertEquals(folder.read(), file.bytes);
  const firstRead = reads[0]!;
  assert(firstRead > 0, "the first piece was verified");
  assertEquals(fetched.fetchedBytes, file.bytes.length - firstRead);
  assertEquals(fetched.refetchedBytes, fetched.fetchedBytes, "all had been asked for");
  assertEquals(progress[0], firstRead + pieceBytes);
});

Deno.test("an interrupt ends the wait between two rounds", async () => {
  using folder = new Folder();
  const timers = new FakeTimers();
  const stop = new AbortController();
  const fetching = fetchContent({ ...optionsFor(folder, new Holders(), []), timers, signal: stop.signal });
  const rejected = assertRejects(() => fetching, ShoalError);
  await timers.advance(10);
  stop.abort();
  assertEquals((await rejected).code, "interrupted");
  assertEquals(timers.pending, 0);
});

Deno.test("an empty file is made without asking anybody", async () => {
  using folder = new Folder();
  const { content } = makeFile(0);
  const locate = () => Promise.reject(new Error("somebody was asked"));
  const fetched = await fetchContent({ ...optionsFor(folder, new Holders(), []), content, locate });
  assertEquals([folder.read().length, fetched.holders], [0, []]);
  const wrong = { ...optionsFor(folder, new Holders(), []), content: { ...file.content, bytes: 0 }, locate };
  assertEquals((await assertRejects(() => fetchContent(wrong), ContentError)).code, "integrity");
});

Deno.test("a content that is there already is done, from nobody", async () => {
  using folder = new Folder();
  Deno.writeFileSync(`${folder.path}/got`, file.bytes);
  const holders = new Holders();
  holders.add(2001, new MemoryLibrary(file));
  const fetched = await fetchContent(optionsFor(folder, holders, [at(2001)]));
  assertEquals([fetched.holders, fetched.fetchedBytes], [[], 0]);
});

Deno.test("a destination that is taken ends the fetch, whoever has it", async () => {
  using folder = new Folder();
  Deno.writeTextFileSync(`${folder.path}/got`, "something else");
  const holders = new Holders();
  holders.add(2001, new MemoryLibrary(file));
  const options = optionsFor(folder, holders, [at(2001), at(2001, { deviceId: otherId })]);
  assertEquals((await assertRejects(() => fetchContent(options), StoreError)).code, "exists");
  assertEquals(Deno.readTextFileSync(`${folder.path}/got`), "something else");
});

Deno.test("a limit so low that a piece takes longer than a connection may be silent is kept, and the fetch ends", async () => {
  using folder = new Folder();
  const holders = new Holders();
  const timers = new FakeTimers();
  for (const port of [2001, 2002]) holders.add(port, new MemoryLibrary(file));
  const flow = new RateLimiter(timers, 20_000).open("one", new TokenBucket(undefined, 0));
  const fetching = fetchContent({
    ...optionsFor(folder, holders, [at(2001), at(2002, { deviceId: otherId })]),
    timers,
    flow: () => flow,
  });
  let isDone = false;
  fetching.then(() => isDone = true);
  for (let second = 0; second < 90 && !isDone; second++) {
    await timers.advance(1_000);
    await new Promise((wake) => setTimeout(wake, 1));
  }
  assert(isDone, "it should take 40 s");
  assertEquals(folder.read(), file.bytes);
  flow[Symbol.dispose]();
});

Deno.test("one that has a part and loses it says nothing about those who have all: the fetch waits for them", async () => {
  using folder = new Folder();
  const holders = new Holders();
  holders.add(2001, new MemoryLibrary());
  holders.add(2002, new MemoryLibrary(file));
  let asked = 0;
  await fetchContent({
    ...optionsFor(folder, holders, []),
    locate: () => {
      const found = asked++ < 4 ? at(2001, { whole: false }) : at(2002, { deviceId: otherId });
      return Promise.resolve({ holders: [found], refused: [] });
    },
  });
  assertEquals(folder.read(), file.bytes);
});

Deno.test("nobody waits for the answer who else has it: what is whole is finished, and what failed is told", async () => {
  using folder = new Folder();
  const holders = new Holders();
  holders.add(2001, new MemoryLibrary(file));
  let asked = 0;
  await fetchContent({
    ...optionsFor(folder, holders, []),
    locate: (signal) => {
      if (asked++ === 0) return Promise.resolve({ holders: [at(2001)], refused: [] });
      return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    },
    async lane(options) {
      while (asked < 2) await new Promise((wake) => setTimeout(wake, 1));
      await laneHere(holders.connect)(options);
    },
  });
  assertEquals(folder.read(), file.bytes);
});

Deno.test("where all connections are slow, another holder gets one in the end", async () => {
  using folder = new Folder();
  const holders = new Holders();
  holders.add(2100, new MemoryLibrary(file));
  const timers = new FakeTimers();
  const idOf = (i: number) => deviceIdFrom(new Uint8Array(32).fill(i));
  const found = Array.from(
    { length: limits.lanesMax + 1 },
    (_, i) => at(2100 - limits.lanesMax + i, { deviceId: idOf(i) }),
  );
  const slow: AbortSignal[] = [];
  const fetching = fetchContent({
    ...optionsFor(folder, holders, found),
    timers,
    async lane(options) {
      if (options.holder.endpoints[0]!.port === 2100) return await laneHere(holders.connect)(options);
      slow.push(options.signal);
      // Some bytes now and then, and never a piece.
      while (!options.signal.aborted) {
        options.onReceived();
        await new Promise<void>((wake) => {
          const cancel = timers.start(1_000, wake);
          options.signal.addEventListener("abort", () => {
            cancel();
            wake();
          });
        });
      }
      throw new ShoalError("interrupted", "Cannot go on with a fetch: it was interrupted");
    },
  });
  let isDone = false;
  fetching.then(() => isDone = true);
  for (let second = 0; second < 60 && !isDone; second++) {
    await timers.advance(1_000);
    await new Promise((wake) => setTimeout(wake, 1));
  }
  assert(isDone, "the only holder that brings anything was never asked");
  assertEquals(folder.read(), file.bytes);
  assert(slow.length >= limits.lanesMax);
});

Deno.test("an only holder of a large file gets two connections; once there is another, the second takes nothing more", async () => {
  using folder = new Folder();
  const large = makeFile(threadedFromBytes);
  const manifest = manifestOf(large);
  const timers = new FakeTimers();
  const stop = new AbortController();
  const events: string[] = [];
  let isAlone = true;
  const fetching = fetchContent({
    ...optionsFor(folder, new Holders(), []),
    content: large.content,
    timers,
    signal: stop.signal,
    locate: () => {
      const found = [at(2001), at(2002, { deviceId: otherId })];
      return Promise.resolve({ holders: isAlone ? found.slice(0, 1) : found, refused: [] });
    },
    async lane({ holder, begin, onReceived, signal }) {
      const name = `${holder.endpoints[0]!.port}`;
      events.push(`${name} begins`);
      const { source } = await begin(manifest, undefined);
      assert(source.take() !== undefined);
      const aborted = new Promise<boolean>((resolve) => signal.addEventListener("abort", () => resolve(false)));
      while (await Promise.race([source.more(), aborted])) onReceived();
      if (signal.aborted) return;
      assertEquals(source.take(), undefined);
      events.push(`${name} retires`);
    },
  });
  const rejected = assertRejects(() => fetching, ShoalError, "interrupted");
  const advance = async () => {
    // A part is opened meanwhile, on a real disk.
    for (let i = 0; i < 20; i++) {
      await timers.advance(100);
      await new Promise((wake) => setTimeout(wake, 1));
    }
  };
  await advance();
  assertEquals(events, ["2001 begins", "2001 begins"]);
  isAlone = false;
  for (let i = 0; i < 5; i++) await advance();
  assertEquals(events.slice(2).toSorted(), ["2001 retires", "2002 begins"]);
  stop.abort();
  await rejected;
});
