import { assert, assertEquals } from "@std/assert";
import { type Bytes, concatBytes } from "../../lib/core/bytes.ts";
import { ContentError, type ErrorCode, errorCodes, ShoalError, StoreError } from "../../lib/core/errors.ts";
import { type Content, deviceIdFrom } from "../../lib/core/ids.ts";
import { kib, limits } from "../../lib/core/limits.ts";
import type { ByteStream } from "../../lib/core/transport.ts";
import { proveTransfer } from "../../lib/session/proofs.ts";
import { FrameStream } from "../../lib/transfer/frame_stream.ts";
import { RateLimiter } from "../../lib/transfer/rate_limiter.ts";
import { serveConnection, type UploadDeps } from "../../lib/transfer/upload.ts";
import { UploadSlots } from "../../lib/transfer/upload_slots.ts";
import { encodeFrame, type TakenSet } from "../../lib/wire/frame.ts";
import { FakeTimers, settle } from "./fake_timers.ts";
import { makePipe } from "./pipe.ts";
import { makeFiles, makeSet, setsOf, takes, until } from "./takes.ts";
import {
  fetcherKey,
  identity,
  makeDeps,
  makeFile,
  makeHolder,
  makeTicket,
  type MemoryFile,
  MemoryLibrary,
  nowMs,
  otherKey,
} from "./world.ts";

const never = new AbortController().signal;
const [first, second] = makeFiles(2, () => 1000) as [MemoryFile, MemoryFile];

/** What came for a TAKE: its bytes, or why not. */
type Answer = Uint8Array | ErrorCode;

/** A holder of these files, and the fetching side by hand, up to HELLO, HAVE read. */
async function connected(
  files: readonly MemoryFile[],
  changes: (library: MemoryLibrary) => Partial<UploadDeps> = () => ({}),
) {
  const library = new MemoryLibrary(...files);
  const deps = makeDeps(library, changes(library));
  const [near, far] = makePipe();
  let writes = 0;
  const counting: ByteStream = { ...near, write: (bytes) => (writes++, near.write(bytes)) };
  const ended = serveConnection(counting, deps, never);
  const frames = await sayHello(far, deps.timers, files[0]!);
  return { library, deps, frames, ended, reading: readAnswers(frames), writes: () => writes };
}

/** The fetching side up to HELLO, which shows a ticket for a content. */
async function sayHello(far: ByteStream, timers: FakeTimers, { content }: MemoryFile): Promise<FrameStream> {
  const frames = new FrameStream(far, { timers, idleMs: limits.progressMs });
  const challenge = await frames.readFrame();
  assert(challenge?.kind === "challenge");
  const ticket = makeTicket(content);
  const proof = proveTransfer(fetcherKey, makeHolder(ticket).certificateHash, challenge.nonce, ticket);
  await frames.write(encodeFrame({ ...identity, kind: "hello", ticket, proof }));
  return frames;
}

const codeOf = (wire: number) => Object.entries(errorCodes).find(([, code]) => code.wire === wire)![0] as ErrorCode;

/** Reads what comes until the end, in the background. */
function readAnswers(frames: FrameStream) {
  const answers: Answer[] = [];
  const others: string[] = [];
  const done = (async () => {
    for (let frame = await frames.readFrame(); frame !== undefined; frame = await frames.readFrame()) {
      if (frame.kind === "missing") answers.push(codeOf(frame.code));
      else if (frame.kind === "data") {
        const bytes = new Uint8Array(frame.bytes);
        await frames.readData(bytes);
        if (frame.offset === 0) answers.push(bytes);
        else answers.push(concatBytes(answers.pop() as Bytes, bytes));
      } else others.push(frame.kind === "refused" ? frame.text : frame.kind);
    }
  })().catch((error) => {
    // Closed by the test itself.
    if (!(error instanceof ShoalError)) throw error;
  });
  return { answers, others, done };
}

const bytesOf = (answers: readonly Answer[]) => answers.reduce((sum, answer) => sum + answer.length, 0);

Deno.test("a holder answers every TAKE in the order of asking, many small contents in few writes", async () => {
  const files = makeFiles(limits.takesMax, (index) => 1 + index % 300);
  const { library, deps, frames, ended, reading, writes } = await connected(files);
  await settle();
  const before = writes();
  await frames.write(takes(...setsOf(files)));
  await until(() => reading.answers.length >= files.length);
  assertEquals(reading.answers, files.map(({ bytes }) => bytes));
  assert(writes() - before < files.length / 8, `${writes() - before} writes`);
  const [upload] = deps.uploads;
  assertEquals(upload?.sentBytes, bytesOf(reading.answers), "what is sent is counted");
  // An answer makes room for another.
  await frames.write(takes(...setsOf(files.slice(0, 2))));
  await until(() => reading.answers.length >= files.length + 2);
  frames.close();
  await reading.done;
  assertEquals([await ended, library.openCount, deps.timers.pending], [undefined, 0, 0]);
});

Deno.test("TAKEs and REQUESTs are answered in the order in which they came", async () => {
  const { frames, ended, reading } = await connected([first, second]);
  const request = encodeFrame({ kind: "request", ranges: [{ first: 0, count: 1 }] });
  const [ofFirst, ofSecond] = setsOf([first, second], 1);
  for (const frame of [takes(ofSecond!), request, takes(ofSecond!, ofFirst!), request]) await frames.write(frame);
  await until(() => reading.answers.length >= 5);
  assertEquals(reading.answers, [second, first, second, first, first].map(({ bytes }) => bytes));
  frames.close();
  await reading.done;
  await ended;
});

const largest = makeFile(limits.takenBytesMax, 5);
const partial = makeFile(3000, 6);
const revokedAtMs = nowMs + 77_000;
const [ofSecond] = setsOf([second]);

/** Sets that nothing of is given, by what is wrong with them. */
const missing: Record<string, { readonly set: TakenSet; readonly code: ErrorCode }> = {
  "junk": { set: { ...ofSecond!, ticket: new Uint8Array(160) }, code: "denied" },
  "one byte": { set: { ...ofSecond!, ticket: new Uint8Array(1) }, code: "denied" },
  "for a content": { set: { ...ofSecond!, ticket: makeTicket(second.content) }, code: "denied" },
  "for other contents": { set: { ...ofSecond!, ticket: makeSet([first.content]).ticket }, code: "denied" },
  "for another size": {
    set: { ...ofSecond!, contents: [{ ...second.content, bytes: second.content.bytes - 1 }] },
    code: "denied",
  },
  "for another holder": { set: makeSet([second.content], {}, identity.deviceId), code: "denied" },
  "that is expired": { set: makeSet([second.content], { expiresAtMs: nowMs }), code: "denied" },
  "of another device": {
    set: makeSet([second.content], { deviceId: deviceIdFrom(otherKey.publicKey) }),
    code: "denied",
  },
  "of another account": { set: makeSet([second.content], { account: "somebody" }), code: "denied" },
  "that is revoked": { set: makeSet([second.content], { expiresAtMs: revokedAtMs }), code: "denied" },
  "for a content that is not shared": { set: makeSet([makeFile(1000, 99).content]), code: "notFound" },
  "for a content that is not whole here": { set: makeSet([partial.content]), code: "notFound" },
};

for (const [what, { set, code }] of Object.entries(missing)) {
  Deno.test(`a TAKE by a ticket ${what} gets MISSING, nothing is read for it, and the others come`, async () => {
    const { library, deps, frames, ended, reading } = await connected([first, second, largest], (all) => ({
      isRevoked: ({ expiresAtMs }) => expiresAtMs === revokedAtMs,
      openContent: (content) =>
        content.id === partial.content.id
          ? {
            readLayer: () => partial.layer,
            partial: { has: new Uint8Array(1), watch: () => never as never },
            ...unreadable,
          }
          : all.open(content),
    }));
    let reads = 0;
    library.beforeRead = () => void reads++;
    await frames.write(takes(makeSet([first.content]), set, makeSet([largest.content])));
    await until(() => reading.answers.length >= 3);
    assertEquals(reading.answers, [first.bytes, code, largest.bytes]);
    assertEquals([reads, deps.changes, reading.others], [2, [], ["manifest", "have"]]);
    frames.close();
    await reading.done;
    assertEquals([await ended, library.openCount], [undefined, 0]);
  });
}

Deno.test("of a set any may be taken, more than once and in any order; a set counts until the next", async () => {
  const files = makeFiles(6, (index) => 100 + index);
  const { frames, ended, reading } = await connected(files);
  const [left, right] = setsOf(files, 3);
  const set = (one: TakenSet) => encodeFrame({ kind: "set", ...one });
  const take = (...places: readonly number[]) => encodeFrame({ kind: "take", places });
  await frames.write(concatBytes(set(left!), take(2), take(0, 2), set(right!), take(1), set(left!), take(1)));
  await until(() => reading.answers.length >= 5);
  assertEquals(reading.answers, [2, 0, 2, 4, 1].map((index) => files[index]!.bytes));
  await frames.write(take(3));
  await until(() => reading.others.length >= 3);
  assertEquals(reading.others.at(-1), "Cannot serve this: a TAKE of what no SET has named");
  frames.close();
  await reading.done;
  assertEquals((await ended)?.code, "protocol");
});

Deno.test("a ticket that is revoked or expires once its SET is here gets nothing more", async () => {
  const timers = new FakeTimers();
  let isRevoked = false;
  let clockMs = nowMs;
  const files = makeFiles(4, (index) => 100 + index);
  const { frames, ended, reading } = await connected(files, () => ({
    timers,
    isRevoked: () => isRevoked,
    coordinatorNowMs: () => clockMs,
  }));
  const [set] = setsOf(files);
  const take = (place: number) => frames.write(encodeFrame({ kind: "take", places: [place] }));
  await frames.write(encodeFrame({ kind: "set", ...set! }));
  await take(0);
  await until(() => reading.answers.length >= 1);
  isRevoked = true;
  await take(1);
  await until(() => reading.answers.length >= 2);
  isRevoked = false;
  clockMs = nowMs + 600_000;
  await take(2);
  await until(() => reading.answers.length >= 3);
  clockMs = nowMs;
  await take(3);
  await until(() => reading.answers.length >= 4);
  assertEquals(reading.answers, [files[0]!.bytes, "denied", "denied", files[3]!.bytes]);
  frames.close();
  await reading.done;
  assertEquals(await ended, undefined);
});

/** Nothing of it may be read. */
const unreadable = {
  read() {
    throw new Error("It was read");
  },
  [Symbol.dispose]() {},
};

Deno.test("a file that is changed, gone or broken gets MISSING without a path; one that changed is announced anew", async () => {
  const [changedAtOpen, gone, broken, changedAtRead, last] = makeFiles(5, (index) => 500 + index);
  const wrong = new Map<Content["id"], ShoalError>([
    [changedAtOpen!.content.id, new ContentError("changed", "Cannot serve /home/secret: it changed")],
    [gone!.content.id, new ShoalError("notFound", "Cannot serve: it is gone")],
    [broken!.content.id, new StoreError("io", "read", "/home/secret", "the disk")],
  ]);
  const { library, deps, frames, ended, reading } = await connected([first, changedAtRead!, last!], (all) => ({
    openContent(content) {
      const error = wrong.get(content.id);
      if (error !== undefined) throw error;
      return all.open(content);
    },
  }));
  library.changed.add(changedAtRead!.content.id);
  await frames.write(takes(...setsOf([changedAtOpen!, gone!, broken!, changedAtRead!, last!])));
  await until(() => reading.answers.length >= 5);
  assertEquals(reading.answers, ["changed", "notFound", "io", "changed", last!.bytes]);
  assertEquals(deps.changes, [changedAtOpen!.content, changedAtRead!.content]);
  assertEquals([...deps.uploads][0]?.sentBytes, last!.bytes.length, "what was not sent is not counted");
  frames.close();
  await reading.done;
  assertEquals([await ended, library.openCount], [undefined, 0]);
});

/** Changes for a holder whose limit lets nothing out for a long time. */
function underLimit(bytesPerSecond: number) {
  const timers = new FakeTimers();
  const limiter = new RateLimiter(timers, bytesPerSecond);
  return { timers, limiter, deps: { timers, openFlow: (account: string) => limiter.open(account) } };
}

Deno.test("as many TAKEs may stand unanswered as the limit says; one more ends the connection as a broken rule", async () => {
  const { deps } = underLimit(1);
  const { library, frames, ended, reading } = await connected([first], () => deps);
  const set = makeSet([first.content]);
  await frames.write(takes(...Array<TakenSet>(limits.takesMax).fill(set)));
  await settle();
  assertEquals(reading.others, ["manifest", "have"], "at the limit nothing is said");
  await frames.write(takes(set));
  await until(() => reading.others.length >= 3);
  assertEquals(reading.others.at(-1), "Cannot serve this: more asked ahead than allowed");
  frames.close();
  await reading.done;
  assertEquals([(await ended)?.code, library.openCount, deps.timers.pending], ["protocol", 0, 0]);
});

Deno.test("contents taken at 10 kB/s keep the limit and the other side's deadlines, and are right", async () => {
  const files = makeFiles(60, () => 5000);
  const { timers, limiter, deps } = underLimit(10_000);
  const { frames, ended, reading } = await connected(files, () => deps);
  await frames.write(takes(...setsOf(files)));
  await timers.advance(20_000);
  const came = bytesOf(reading.answers);
  assert(came >= 0.92 * 200_000 && came <= 1.01 * 200_000, String(came));
  limiter.bytesPerSecond = undefined;
  await timers.advance(1);
  assertEquals(reading.answers, files.map(({ bytes }) => bytes));
  frames.close();
  await reading.done;
  assertEquals([await ended, timers.pending], [undefined, 0]);
});

Deno.test("a content under a low limit comes in steps, none of which keeps the other side waiting for long", async () => {
  const files = makeFiles(3, () => limits.takenBytesMax);
  const { timers, deps } = underLimit(10_000);
  const { frames, ended, reading } = await connected(files, () => deps);
  await frames.write(takes(...setsOf(files)));
  let came = 0;
  for (let second = 0; second < 60; second += 3) {
    await timers.advance(3_000);
    assert(bytesOf(reading.answers) > came, `nothing came in second ${second}`);
    came = bytesOf(reading.answers);
  }
  frames.close();
  await reading.done;
  assertEquals([await ended, timers.pending], [undefined, 0]);
});

Deno.test("a file that changes between two steps of its content ends in MISSING, and the next one comes", async () => {
  const files = makeFiles(2, () => 100 * kib);
  const { timers, limiter, deps } = underLimit(50_000);
  const { library, frames, ended, reading } = await connected(files, () => deps);
  let reads = 0;
  library.beforeRead = () => {
    if (++reads === 3) throw new ContentError("changed", "it changed", { contentId: files[0]!.content.id });
  };
  await frames.write(takes(...setsOf(files)));
  await timers.advance(1_000);
  limiter.bytesPerSecond = undefined;
  await timers.advance(1);
  assertEquals(reading.answers.slice(1), ["changed", files[1]!.bytes]);
  assert((reading.answers[0] as Bytes).length < 100 * kib);
  frames.close();
  await reading.done;
  assertEquals([await ended, library.openCount], [undefined, 0]);
});

Deno.test("who is gone while its turn is still to come ends the upload at once, and leaves nothing open", async () => {
  const files = makeFiles(20, () => 100 * kib);
  const { timers, deps } = underLimit(1000);
  const { library, deps: side, frames, ended, reading } = await connected(files, () => deps);
  await frames.write(takes(...setsOf(files)));
  await timers.advance(5000);
  frames.close();
  await reading.done;
  assertEquals([await ended, library.openCount, side.uploads.size, timers.pending], [undefined, 0, 0, 0]);
});

Deno.test("who takes nothing of what it asked for is cut, and nothing stays open", async () => {
  const files = makeFiles(20, () => 100 * kib);
  const library = new MemoryLibrary(...files);
  const deps = makeDeps(library);
  const [near, far] = makePipe();
  const ended = serveConnection(near, deps, never);
  const frames = await sayHello(far, new FakeTimers(), files[0]!);
  await frames.write(takes(...setsOf(files)));
  await deps.timers.advance(2 * limits.progressMs);
  assertEquals((await ended)?.code, "timeout");
  assertEquals([library.openCount, deps.uploads.size, deps.timers.pending], [0, 0, 0]);
  frames.close();
});

Deno.test("who takes nothing while a turn is still to come is cut like any other", async () => {
  const files = makeFiles(20, () => 100 * kib);
  const { timers, limiter, deps: limited } = underLimit(400_000);
  const library = new MemoryLibrary(...files);
  // The second is stuck on its way while the turn of the third is far away.
  let reads = 0;
  library.beforeRead = () => {
    if (++reads === 3) limiter.bytesPerSecond = 1;
  };
  const deps = makeDeps(library, limited);
  const [near, far] = makePipe({ capacityBytes: 150 * kib });
  const ended = serveConnection(near, deps, never);
  const frames = await sayHello(far, new FakeTimers(), files[0]!);
  await frames.write(takes(...setsOf(files)));
  await timers.advance(3 * limits.progressMs);
  assertEquals((await ended)?.code, "timeout");
  assertEquals([library.openCount, deps.uploads.size, timers.pending], [0, 0, 0]);
  frames.close();
});

Deno.test("TAKEs wait for a slot, are told their place, and come once it is there", async () => {
  const timers = new FakeTimers();
  const slots = new UploadSlots(timers, 1);
  const { frames, ended, reading } = await connected([first, second], () => ({ timers, slots }));
  await until(() => reading.others.length >= 2);
  // The slot that MANIFEST had is lost by resting.
  await timers.advance(limits.uploadRestMs);
  const other = slots.join("other", () => {});
  assertEquals(other.take(), undefined);
  await frames.write(takes(...setsOf([first, second])));
  await settle();
  assertEquals([reading.answers, reading.others], [[], ["manifest", "have", "queued"]]);
  other[Symbol.dispose]();
  await until(() => reading.answers.length >= 2);
  assertEquals(reading.answers, [first.bytes, second.bytes]);
  frames.close();
  await reading.done;
  assertEquals([await ended, timers.pending], [undefined, 0]);
});

Deno.test("a slot that is lost between two contents holds back none that was answered before", async () => {
  const timers = new FakeTimers();
  const slots = new UploadSlots(timers, 1);
  const files = makeFiles(3, () => 1000);
  const { library, frames, ended, reading } = await connected(files, () => ({ timers, slots }));
  await until(() => reading.others.length >= 2);
  const other = slots.join("other", () => {});
  const came = Promise.withResolvers<void>();
  let turn: Promise<void> | undefined;
  // Somebody comes while the first is read, and the turn ends while the second is.
  let reads = 0;
  library.beforeRead = () => {
    if (++reads === 1) turn = other.take();
    if (reads !== 2) return;
    timers.jump(limits.uploadTurnMs);
    came.resolve();
  };
  await frames.write(takes(...setsOf(files)));
  await came.promise;
  assert(turn !== undefined);
  await turn;
  await settle();
  assertEquals(reading.answers, files.slice(0, 2).map(({ bytes }) => bytes));
  other[Symbol.dispose]();
  await until(() => reading.answers.length >= 3);
  assertEquals(reading.answers, files.map(({ bytes }) => bytes));
  frames.close();
  await reading.done;
  assertEquals([await ended, timers.pending], [undefined, 0]);
});
