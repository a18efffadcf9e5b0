/** Uploads that wait for a slot: what goes over their connections, and how they end. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { NetworkError, ProtocolError, ShoalError } from "../../lib/core/errors.ts";
import { kib, limits } from "../../lib/core/limits.ts";
import type { DownloadOptions } from "../../lib/transfer/download.ts";
import { serveConnection } from "../../lib/transfer/upload.ts";
import { UploadSlots } from "../../lib/transfer/upload_slots.ts";
import { encodeFrame, type Queued } from "../../lib/wire/frame.ts";
import { FakeTimers, settle } from "./fake_timers.ts";
import { makePipe } from "./pipe.ts";
import { makeDeps, makeFile, manifestOf, MemoryLibrary, MemorySink, seatFor, startDownload } from "./world.ts";

const file = makeFile(3 * 256 * kib);
const never = new AbortController().signal;

/** A holder that sends to so many at once, and what fetches from it. */
function start(slotsMax: number) {
  const timers = new FakeTimers();
  const slots = new UploadSlots(timers, slotsMax);
  const deps = makeDeps(new MemoryLibrary(file), { timers, slots });
  const fetch = (changes: Partial<DownloadOptions> = {}) => {
    const [near, far] = makePipe({ capacityBytes: 4096 });
    const ended = serveConnection(near, deps, never);
    const told: Queued[] = [];
    const stop = new AbortController();
    const onQueued = (queued: Queued) => void told.push(queued);
    const download = startDownload(far, file.content, { timers, onQueued, signal: stop.signal, ...changes });
    return { ...download, ended, told, stop };
  };
  /** One that gets the manifest and asks for nothing. */
  const fetchNothing = () => {
    const more = Promise.withResolvers<boolean>();
    const began = Promise.withResolvers<void>();
    const seat = seatFor(manifestOf(file).pieceCount);
    let asks = false;
    const source = {
      take: () => asks ? seat.take() : undefined,
      more: () => asks ? Promise.resolve(false) : more.promise,
      have: () => {},
      askedByOthers: () => {},
      giveBack: () => {},
    };
    const sink = new MemorySink(manifestOf(file));
    const begin = () => {
      began.resolve();
      return Promise.resolve({ source, sink });
    };
    const ask = () => {
      asks = true;
      more.resolve(true);
    };
    return { ...fetch({ begin }), began: began.promise, ask, bytes: () => sink.bytes };
  };
  /** Takes a slot and keeps it. */
  const occupy = () => {
    const user = slots.join("somebody", () => {});
    assertEquals(user.take(), undefined);
    return user;
  };
  return { timers, deps, fetch, fetchNothing, occupy };
}

Deno.test("who finds no slot is told its place, waits longer than any deadline, and is served whole", async () => {
  const { timers, deps, fetch, occupy } = start(1);
  const first = occupy();
  const second = fetch();
  const third = fetch();
  while (third.told.length === 0) await settle();
  assertEquals([second.told[0]!.place, third.told[0]!.place], [1, 2]);
  assertEquals([...deps.uploads].map(({ place }) => place), [1, 2]);
  await timers.advance(6 * limits.progressMs);
  assertEquals([second, third].map(({ sink }) => sink()), [undefined, undefined] as never);
  first[Symbol.dispose]();
  await Promise.all([second.done, third.done]);
  for (const { sink } of [second, third]) assertEquals(sink().bytes, file.bytes);
  await Promise.all([second, third].map(({ ended }) => ended));
  assertEquals([deps.uploads.size, timers.pending], [0, 0]);
});

Deno.test("a connection that waits in a queue is not cut, however long that takes", async () => {
  const { timers, deps, fetch, occupy } = start(1);
  using _taken = occupy();
  const waits = fetch();
  while (waits.told.length === 0) await settle();
  await timers.advance(3 * limits.uploadIdleMs);
  assertEquals(deps.uploads.size, 1);
  assert(waits.told.length >= 3 * limits.uploadIdleMs / limits.queuedAgainMs);
  waits.stop.abort();
  await assertRejects(() => waits.done, ShoalError);
  await waits.ended;
  assertEquals(timers.pending, 0);
});

Deno.test("who gave its slot back for want of requests is served again in its turn", async () => {
  const { timers, fetchNothing, occupy } = start(1);
  const idle = fetchNothing();
  await idle.began;
  await settle();
  const other = occupy();
  await timers.advance(limits.queuedEveryMs);
  idle.ask();
  while (idle.told.length === 0) await settle();
  assertEquals(idle.told[0]!.place, 1);
  other[Symbol.dispose]();
  await idle.done;
  assertEquals(idle.bytes(), file.bytes);
  await idle.ended;
});

Deno.test("who asks for nothing keeps nobody from being served, and asks again at once", async () => {
  const { fetch, fetchNothing } = start(1);
  const idle = fetchNothing();
  await idle.began;
  const other = fetch();
  await other.done;
  assertEquals([other.sink().bytes, other.told], [file.bytes, []]);
  idle.ask();
  await idle.done;
  assertEquals([idle.bytes(), idle.told], [file.bytes, []]);
  await Promise.all([idle.ended, other.ended]);
});

Deno.test("what is revoked, and who closes, leaves the queue at once", async () => {
  const { timers, deps, fetch, occupy } = start(1);
  using _taken = occupy();
  const [revoked, closed, last] = [fetch(), fetch(), fetch()];
  while (last.told.length === 0) await settle();
  [...deps.uploads][0]!.end(new ShoalError("denied", "Cannot go on with an upload: it was revoked"));
  await assertRejects(() => revoked.done, NetworkError);
  await revoked.ended;
  closed.stop.abort();
  await assertRejects(() => closed.done, ShoalError);
  await closed.ended;
  assertEquals(deps.uploads.size, 1);
  await timers.advance(limits.queuedEveryMs);
  assertEquals(last.told.at(-1)!.place, 1);
  last.stop.abort();
  await assertRejects(() => last.done, ShoalError);
  await last.ended;
});

Deno.test("a hundred who fetch at once from sixteen slots are all served", async () => {
  const { fetch } = start(limits.uploadSlots);
  const all = Array.from({ length: 100 }, () => fetch());
  await Promise.all(all.map(({ done }) => done));
  for (const { sink } of all) assertEquals(sink().bytes, file.bytes);
  await Promise.all(all.map(({ ended }) => ended));
});

Deno.test("QUEUED in place of CHALLENGE is a broken rule", async () => {
  const [near, far] = makePipe();
  await near.write(encodeFrame({ kind: "queued", place: 1, expectedMs: 0 }));
  await assertRejects(() => startDownload(far, file.content).done, ProtocolError, "not CHALLENGE");
  near.close();
});
