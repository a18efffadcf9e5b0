/** takes: small contents in sets with tickets, and a holder that is played by hand, for tests of what asks for many over one connection. */

import { assertEquals } from "@std/assert";
import { type Bytes, concatBytes } from "../../lib/core/bytes.ts";
import type { Content, DeviceId } from "../../lib/core/ids.ts";
import { limits } from "../../lib/core/limits.ts";
import type { ByteStream } from "../../lib/core/transport.ts";
import { protocolVersion } from "../../lib/core/version.ts";
import { FrameStream } from "../../lib/transfer/frame_stream.ts";
import { hashSet, sealSetTicket, ticketDay, ticketKeyFor } from "../../lib/session/ticket.ts";
import type { Takeable } from "../../lib/transfer/take_from.ts";
import { dataHeaderBytes, encodeFrame, type TakenSet, writeDataHeader } from "../../lib/wire/frame.ts";
import type { SetTicket } from "../../lib/wire/ticket.ts";
import { FakeTimers, settle } from "./fake_timers.ts";
import { makePipe } from "./pipe.ts";
import { fetcherId, holderId, makeFile, type MemoryFile, nowMs, random, ticketRoot } from "./world.ts";

/** A content that is wanted, and what it is. */
export interface Wish extends Takeable {
  readonly file: MemoryFile;
}

/** Contents with a ticket, sealed as the coordinator does, for this holder and fetching device unless told otherwise. */
export function makeSet(contents: readonly Content[], changes: Partial<SetTicket> = {}, holder?: DeviceId): TakenSet {
  const day = ticketDay(nowMs);
  const ticket = sealSetTicket(ticketKeyFor(ticketRoot, day, holder ?? holderId), day, random(12), {
    account: "fetcher",
    deviceId: fetcherId,
    setHash: hashSet(contents),
    expiresAtMs: nowMs + 600_000,
    ...changes,
  });
  return { ticket, contents };
}

/** Sets of files, in order. */
export function setsOf(files: readonly MemoryFile[], perSet: number = limits.setMax): readonly TakenSet[] {
  const sets: TakenSet[] = [];
  for (let at = 0; at < files.length; at += perSet) {
    sets.push(makeSet(files.slice(at, at + perSet).map(({ content }) => content)));
  }
  return sets;
}

export function wishesFor(files: readonly MemoryFile[], perSet?: number): readonly Wish[] {
  let next = 0;
  return setsOf(files, perSet).flatMap((set) =>
    set.contents.map((content, place) => ({ content, set, place, file: files[next++]! }))
  );
}

/** Small files, each unlike the others. */
export function makeFiles(count: number, sizeOf: (index: number) => number): readonly MemoryFile[] {
  return Array.from({ length: count }, (_, index) => makeFile(sizeOf(index), index + 1));
}

/** A DATA frame. */
export function data(bytes: Uint8Array, offset = 0): Bytes {
  const frame = new Uint8Array(dataHeaderBytes + bytes.length);
  writeDataHeader(frame, offset, bytes.length);
  frame.set(bytes, dataHeaderBytes);
  return frame;
}

/** TAKE of all of each. */
export function takes(...sets: readonly TakenSet[]): Bytes {
  return concatBytes(...sets.flatMap((set) => [
    encodeFrame({ kind: "set", ...set }),
    encodeFrame({ kind: "take", places: set.contents.map((_, place) => place) }),
  ]));
}

/** A holder that says CHALLENGE, reads HELLO, tells of its content, and goes on with `play`. */
export function playedHolder(
  file: MemoryFile,
  play: (frames: FrameStream) => Promise<void>,
): { readonly stream: ByteStream; readonly ended: Promise<void> } {
  const [near, far] = makePipe({ capacityBytes: 2 * limits.windowBytes });
  const frames = new FrameStream(near, { timers: new FakeTimers(), idleMs: limits.progressMs });
  const ended = (async () => {
    await frames.write(encodeFrame({ kind: "challenge", version: protocolVersion, nonce: new Uint8Array(32) }));
    assertEquals((await frames.readFrame())?.kind, "hello");
    const manifest = encodeFrame({ kind: "manifest", slice: file.layer });
    await frames.write(concatBytes(manifest, encodeFrame({ kind: "have", pieces: undefined })));
    await play(frames);
    await frames.discard();
    frames.close();
  })();
  return { stream: far, ended };
}

/** Lets things happen until something is so. @throws {Error} If it never becomes so. */
export async function until(condition: () => boolean): Promise<void> {
  for (let turn = 0; turn < 5_000; turn++) {
    if (condition()) return;
    await settle();
  }
  throw new Error(`It never came to: ${condition}`);
}
