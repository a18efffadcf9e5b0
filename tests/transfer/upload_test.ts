import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import type { Bytes } from "../../lib/core/bytes.ts";
import { RemoteError, ShoalError } from "../../lib/core/errors.ts";
import { deviceIdFrom } from "../../lib/core/ids.ts";
import { kib, limits, mib } from "../../lib/core/limits.ts";
import type { ByteStream } from "../../lib/core/transport.ts";
import { proveTransfer, signDevice } from "../../lib/session/proofs.ts";
import type { FetchIdentity } from "../../lib/transfer/holder_talk.ts";
import { FrameStream } from "../../lib/transfer/frame_stream.ts";
import { serveConnection, type UploadDeps } from "../../lib/transfer/upload.ts";
import { type BlockRange, encodeFrame } from "../../lib/wire/frame.ts";
import { FakeTimers, settle } from "./fake_timers.ts";
import { makePipe } from "./pipe.ts";
import {
  accountKey,
  fetcherId,
  fetcherKey,
  identity,
  identityOf,
  makeDeps,
  makeFile,
  makeHolder,
  makeTicket,
  MemoryLibrary,
  nowMs,
  otherKey,
  startDownload,
} from "./world.ts";

const never = new AbortController().signal;
const file = makeFile(3 * 256 * kib + 5);

/** A connection being served, and its other end. */
function serving(changes: Partial<UploadDeps> = {}, signal = never) {
  const library = new MemoryLibrary(file);
  const deps = makeDeps(library, changes);
  const [near, far] = makePipe();
  return { library, deps, far, ended: serveConnection(near, deps, signal) };
}

/** The other end by hand: up to HELLO, for tests that break rules later. */
async function sayHello(far: ByteStream, ticket = makeTicket(file.content), who: FetchIdentity = identity) {
  const frames = new FrameStream(far, { timers: new FakeTimers(), idleMs: limits.progressMs });
  const challenge = await frames.readFrame();
  assert(challenge?.kind === "challenge");
  const proof = proveTransfer(who.deviceKey, makeHolder(ticket).certificateHash, challenge.nonce, ticket);
  await frames.write(encodeFrame({ ...who, kind: "hello", ticket, proof }));
  return frames;
}

async function readRefused(frames: FrameStream): Promise<number> {
  for (;;) {
    const frame = await frames.readFrame();
    if (frame?.kind === "data") await frames.readData(new Uint8Array(frame.bytes));
    if (frame === undefined) throw new Error("closed without REFUSED");
    if (frame.kind === "refused") return frame.code;
  }
}

function request(...ranges: BlockRange[]): Bytes {
  return encodeFrame({ kind: "request", ranges });
}

Deno.test("serveConnection() gives each size whole, in frames of any cut", async () => {
  const blockSizes = [1, 16 * kib - 1, 16 * kib, 16 * kib + 1];
  const pieceSizes = [256 * kib - 1, 256 * kib, 256 * kib + 1, mib + 12_345];
  for (
    const [sizes, readBytesMax] of [[blockSizes, 1], [[...blockSizes, ...pieceSizes], 1000], [
      pieceSizes,
      Infinity,
    ]] as const
  ) {
    for (const size of [0, ...sizes]) {
      const whole = makeFile(size);
      const [near, far] = makePipe({ readBytesMax });
      const deps = makeDeps(new MemoryLibrary(whole));
      const ended = serveConnection(near, deps, never);
      const download = startDownload(far, whole.content);
      await download.done;
      assertEquals(download.sink().bytes, whole.bytes, `${size} bytes, reads of ${readBytesMax}`);
      assertEquals(await ended, undefined);
      assertEquals([deps.uploads.size, deps.timers.pending], [0, 0]);
    }
  }
});

const refusals: Record<string, {
  readonly ticket?: Bytes;
  readonly identity?: FetchIdentity;
  readonly deps?: Partial<UploadDeps>;
  readonly code: string;
}> = {
  "a ticket that is junk": { ticket: new Uint8Array(120), code: "denied" },
  "an expired ticket": { ticket: makeTicket(file.content, { expiresAtMs: nowMs }), code: "denied" },
  "a ticket for another holder": { ticket: makeTicket(file.content, {}, fetcherId), code: "denied" },
  "a ticket of another device": {
    ticket: makeTicket(file.content, { deviceId: deviceIdFrom(otherKey.publicKey) }),
    code: "denied",
  },
  "a proof by another key": { identity: { ...identity, deviceKey: otherKey }, code: "denied" },
  "a stolen ticket with the thief's own device": { identity: identityOf(otherKey, accountKey), code: "denied" },
  "a device that its account has not signed": {
    identity: { ...identity, deviceSignature: signDevice(otherKey, "fetcher", fetcherId) },
    code: "untrusted",
  },
  "a signature for another account's name": {
    identity: { ...identity, deviceSignature: signDevice(accountKey, "somebody", fetcherId) },
    code: "untrusted",
  },
  "an account key that changed": { deps: { checkAccountKey: () => "changed" }, code: "untrusted" },
  "a content that is not shared": { ticket: makeTicket(makeFile(77, 5).content), code: "notFound" },
  "a content of the same root and another size": {
    ticket: makeTicket({ id: file.content.id, bytes: 64 }),
    code: "notFound",
  },
  "a place that is taken": {
    deps: { register: () => new ShoalError("busy", "Cannot serve this: too many uploads run already") },
    code: "busy",
  },
};

for (const [what, { ticket, identity: who, deps, code }] of Object.entries(refusals)) {
  Deno.test(`serveConnection() refuses ${what}, and reads nothing for it`, async () => {
    const { library, far, ended } = serving(deps);
    library.beforeRead = () => {
      throw new Error("The file was read");
    };
    const download = startDownload(far, file.content, {
      ...(ticket && { ticket }),
      ...(who && { identity: who }),
    });
    const error = await assertRejects(() => download.done, RemoteError);
    assertEquals([error.code, (await ended)?.code], [code, code] as never);
  });
}

Deno.test("a refused side hears why, even if it was still talking", async () => {
  const { far, ended } = serving();
  const frames = await sayHello(far, new Uint8Array(120));
  for (let i = 0; i < 20; i++) await frames.write(request({ first: 0, count: 1 }));
  await settle();
  assertEquals(await readRefused(frames), 4);
  frames.close();
  assertEquals((await ended)?.code, "denied");
});

Deno.test("a refused side that never goes is closed after a second", async () => {
  const { deps, far, ended } = serving();
  const frames = await sayHello(far, new Uint8Array(120));
  assertEquals(await readRefused(frames), 4);
  await deps.timers.advance(1000);
  assertEquals((await ended)?.code, "denied");
  frames.close();
});

Deno.test("a HELLO that another connection saw opens no other", async () => {
  const ticket = makeTicket(file.content);
  const first = serving();
  const frames = new FrameStream(first.far, { timers: new FakeTimers(), idleMs: limits.progressMs });
  const challenge = await frames.readFrame();
  assert(challenge?.kind === "challenge");
  const proof = proveTransfer(fetcherKey, makeHolder(ticket).certificateHash, challenge.nonce, ticket);
  const hello = encodeFrame({ ...identity, kind: "hello", ticket, proof });
  await frames.write(hello);
  assertEquals((await frames.readFrame())?.kind, "manifest");
  frames.close();

  const second = serving();
  const replaying = new FrameStream(second.far, { timers: new FakeTimers(), idleMs: limits.progressMs });
  assertEquals((await replaying.readFrame())?.kind, "challenge");
  await replaying.write(hello);
  assertEquals(await readRefused(replaying), 4);
  replaying.close();
  await Promise.all([first.ended, second.ended]);
});

Deno.test("a proof made for another holder's certificate opens nothing here", async () => {
  const { far, ended } = serving();
  const holder = makeHolder(makeTicket(file.content), { certificateHash: new Uint8Array(32) });
  await assertRejects(() => startDownload(far, file.content, { holder }).done, RemoteError, "a proof");
  assertEquals((await ended)?.code, "denied");
});

const illegal: Record<string, Bytes> = {
  "no ranges": request(),
  "a range beyond the end": request({ first: 49, count: 1 }),
  "a range that ends beyond the end": request({ first: 48, count: 2 }),
  "an empty range": new Uint8Array([0, 0, 0, 5, 4, 0x81, 0x81, 0x82, 0, 0]),
  "a negative range": new Uint8Array([0, 0, 0, 5, 4, 0x81, 0x81, 0x82, 0x20, 1]),
  "a frame for the other side": encodeFrame({ kind: "manifest", slice: new Uint8Array(9) }),
  "an unknown frame": new Uint8Array([0, 0, 0, 1, 99, 0]),
  "a frame over its limit": new Uint8Array([0, 1, 0, 0, 4]),
  "a second HELLO": new Uint8Array([0, 0, 0, 1, 2, 0x80]),
};

Deno.test("a fetching side is told what other devices asked for, before the content that makes room for more", async () => {
  const deps = makeDeps(new MemoryLibrary(file));
  const connect = async (ticket: Bytes, who: FetchIdentity) => {
    const [near, far] = makePipe();
    const ended = serveConnection(near, deps, never);
    const frames = await sayHello(far, ticket, who);
    assertEquals([(await frames.readFrame())?.kind, (await frames.readFrame())?.kind], ["manifest", "have"]);
    return { frames, ended };
  };
  /** What comes for a request, as far as it is said in frames. */
  const answer = async (frames: FrameStream, ...ranges: BlockRange[]) => {
    await frames.write(request(...ranges));
    const told: number[] = [];
    for (;;) {
      const frame = await frames.readFrame();
      if (frame?.kind === "asked") told.push(...frame.pieces);
      if (frame?.kind !== "data") continue;
      await frames.readData(new Uint8Array(frame.bytes));
      return told;
    }
  };
  const otherId = deviceIdFrom(otherKey.publicKey);
  const first = await connect(makeTicket(file.content), identity);
  const second = await connect(makeTicket(file.content), identity);
  const other = await connect(makeTicket(file.content, { deviceId: otherId }), identityOf(otherKey, accountKey));
  assertEquals(await answer(first.frames, { first: 17, count: 1 }), []);
  assertEquals(await answer(second.frames, { first: 40, count: 1 }), [], "that was its own device");
  assertEquals(await answer(other.frames, { first: 0, count: 1 }), [1, 2]);
  assertEquals(await answer(first.frames, { first: 18, count: 1 }), [0]);
  assertEquals(await answer(first.frames, { first: 19, count: 1 }), [], "it was told");
  for (const { frames, ended } of [first, second, other]) {
    frames.close();
    await ended;
  }
});

for (const [what, bytes] of Object.entries(illegal)) {
  Deno.test(`a fetching side that sends ${what} is refused and closed`, async () => {
    const { far, ended } = serving();
    const frames = await sayHello(far);
    await frames.write(bytes);
    assertEquals(await readRefused(frames), 12);
    frames.close();
    assertEquals((await ended)?.code, "protocol");
  });
}

Deno.test("a fetching side that asks for more ahead than allowed is refused", async () => {
  const big = makeFile(mib);
  const [near, far] = makePipe({ capacityBytes: 4096 });
  const ended = serveConnection(near, makeDeps(new MemoryLibrary(big)), never);
  const frames = await sayHello(far, makeTicket(big.content));
  const blocks = mib / limits.blockBytes;
  // The same megabyte again and again: 64 are allowed ahead, and one that is on its way.
  const asks = (async () => {
    for (let i = 0; i < 70; i++) await frames.write(request({ first: 0, count: blocks }));
  })();
  assertEquals(await readRefused(frames), 12);
  frames.close();
  assertEquals((await ended)?.code, "protocol");
  await asks.catch(() => {});
});

Deno.test("a file that changes is never served as the old one, and the REFUSED tells no path", async () => {
  const { library, deps, far, ended } = serving();
  library.beforeRead = (offset) => {
    if (offset >= 256 * kib) library.changed.add(file.content.id);
  };
  const download = startDownload(far, file.content);
  const error = await assertRejects(() => download.done, RemoteError);
  assertEquals(error.code, "changed");
  assert(!error.message.includes("secret"));
  assertEquals(download.sink().written, [0]);
  assertEquals((await ended)?.code, "changed");
  assertEquals(deps.changes, [file.content]);
  assertEquals(library.openCount, 0);
});

Deno.test("ending an upload closes it in the middle of a piece", async () => {
  const { library, deps, far, ended } = serving();
  const reason = new ShoalError("denied", "Cannot go on with an upload: it was revoked");
  library.beforeRead = (offset) => {
    if (offset >= 256 * kib) { for (const upload of deps.uploads) upload.end(reason); }
  };
  await assertRejects(() => startDownload(far, file.content).done, ShoalError);
  assertStrictEquals(await ended, reason);
  assertEquals([deps.uploads.size, library.openCount], [0, 0]);
});

Deno.test("an aborted signal ends an upload, before it began and while it runs", async () => {
  const stop = new AbortController();
  const { far, ended } = serving({}, stop.signal);
  const frames = await sayHello(far);
  assertEquals((await frames.readFrame())?.kind, "manifest");
  assertEquals((await frames.readFrame())?.kind, "have");
  stop.abort();
  assertEquals((await ended)?.code, "interrupted");
  assertEquals(await frames.readFrame(), undefined);
  frames.close();
  const late = serving({}, stop.signal);
  assertEquals((await late.ended)?.code, "interrupted");
});

Deno.test("who says no HELLO in time is closed, even while bytes trickle in", async () => {
  const { deps, far, ended } = serving();
  // The head of a HELLO of 256 bytes, and its bytes one by one.
  const head = [0, 0, 1, 0, 2];
  for (let ms = 0; ms < limits.transferHelloMs - 100; ms += 100) {
    await deps.timers.advance(100);
    await far.write(new Uint8Array([head.shift() ?? 0]));
  }
  await deps.timers.advance(100);
  assertEquals((await ended)?.code, "timeout");
});

Deno.test("a receiver that never reads is closed, though it sends heartbeats", async () => {
  const big = makeFile(2 * mib);
  const [near, far] = makePipe({ capacityBytes: 64 * kib });
  const deps = makeDeps(new MemoryLibrary(big));
  const ended = serveConnection(near, deps, never);
  const frames = await sayHello(far, makeTicket(big.content));
  await frames.write(request({ first: 0, count: 128 }));
  for (let ms = 0; ms < limits.progressMs + 2000; ms += 1000) {
    await frames.write(encodeFrame({ kind: "heartbeat" })).catch(() => {});
    await deps.timers.advance(1000);
  }
  assertEquals((await ended)?.code, "timeout");
  frames.close();
});

Deno.test("an upload that only gets heartbeats gives its place back after a minute", async () => {
  const { deps, far, ended } = serving();
  const frames = await sayHello(far);
  await settle();
  let outcome: ShoalError | undefined;
  void ended.then((error) => outcome = error);
  for (let ms = 0; ms < limits.uploadIdleMs - 1000; ms += 1000) {
    await frames.write(encodeFrame({ kind: "heartbeat" }));
    await deps.timers.advance(1000);
  }
  assertEquals(outcome, undefined);
  await deps.timers.advance(2000);
  assertEquals((await ended)?.code, "timeout");
  frames.close();
});

Deno.test("an idle upload sends heartbeats, and a silent other side is closed", async () => {
  const { deps, far, ended } = serving();
  const frames = await sayHello(far);
  assertEquals((await frames.readFrame())?.kind, "manifest");
  assertEquals((await frames.readFrame())?.kind, "have");
  await deps.timers.advance(limits.heartbeatMs);
  const raw = new Uint8Array(5);
  await far.read(raw);
  assertEquals([...raw], [...encodeFrame({ kind: "heartbeat" })]);
  await deps.timers.advance(limits.progressMs);
  assertEquals((await ended)?.code, "timeout");
  frames.close();
});

Deno.test("an upload counts what it sent, for `transfers`", async () => {
  const { deps, far, ended } = serving();
  const frames = await sayHello(far);
  await frames.write(request({ first: 0, count: 3 }));
  assertEquals((await frames.readFrame())?.kind, "manifest");
  await settle();
  const [upload] = [...deps.uploads];
  assertEquals([upload?.account, upload?.deviceId, upload?.content, upload?.sentBytes], [
    "fetcher",
    fetcherId,
    file.content,
    3 * 16 * kib,
  ]);
  frames.close();
  assertEquals(await ended, undefined);
});
