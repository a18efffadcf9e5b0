/**
 * upload: serves one content over one connection, straight from CHALLENGE to the last byte, and small ones beside it. Laws: 1) nothing is
 * sent to who is not admitted (admission.ts);  2) a byte leaves only if the file still is what was shared;  3) the other side decides
 * nothing about memory: what it may ask ahead is bounded;  4) what is sent of a content waits for a slot, and for its turn in the limits
 * of this peer.  Spec: PROTOCOL.md "Transfer".  (I/O: over a stream that is passed in)
 */

import type { Bytes } from "../core/bytes.ts";
import { errorCodes, NetworkError, ProtocolError, ShoalError } from "../core/errors.ts";
import type { Content, DeviceId } from "../core/ids.ts";
import { limits } from "../core/limits.ts";
import type { ByteStream, Endpoint } from "../core/transport.ts";
import { leavesOf } from "../content/leaves.ts";
import { encodeFrame, type Queued, type TakenSet } from "../wire/frame.ts";
import type { Ticket } from "../wire/ticket.ts";
import {
  type AdmissionDeps,
  guardedSource,
  meet,
  openSet,
  openSource,
  openTaken,
  refusal,
  type ServedContent,
  type SetGrant,
} from "./admission.ts";
import type { AskedLately, AskedPieces } from "./asked_lately.ts";
import { DataWriter } from "./data_writer.ts";
import { FrameStream } from "./frame_stream.ts";
import { sendHave } from "./have_sender.ts";
import type { Flow } from "./rate_limiter.ts";
import { RequestQueue } from "./request_queue.ts";
import type { Timers } from "./timers.ts";
import { TakeAnswers } from "./take_answers.ts";
import type { SlotUser, UploadSlots } from "./upload_slots.ts";

/** How long a refused side has to read why, in milliseconds. */
const lingerMs = 1_000;

/** A proven upload while it runs: what `transfers` shows and `revoke` ends. */
export interface RunningUpload {
  readonly account: string;
  readonly deviceId: DeviceId;
  readonly content: Content;
  /** The ticket's, in coordinator time. */
  readonly expiresAtMs: number;
  /** Bytes of the content sent so far; ranges asked twice count twice. */
  readonly sentBytes: number;
  /** Its part of the limits; its own limit may be changed. */
  readonly flow: Flow;
  /** Its place in the queue, as last told; undefined while it does not wait. */
  readonly place: number | undefined;
  /** Closes the connection at once. */
  end(reason: ShoalError): void;
}

export interface UploadDeps extends AdmissionDeps {
  /** Takes an upload into the list of those that run; whoever disposes of the answer ends its place there. May refuse it. */
  readonly register: (upload: RunningUpload) => Disposable | ShoalError;
  readonly slots: UploadSlots;
  readonly asked: AskedLately;
  /** Opens the part of an upload in this peer's limits, by whose it is and where it goes; it is disposed with the upload. */
  readonly openFlow: (account: string, to: Endpoint | undefined) => Flow;
}

/**
 * Serves whoever is on `stream` until it is done, breaks a rule or is cut; closes the stream. Answers why it ended, for the log:
 * undefined if the other side was done. Never throws for what the other side did.
 */
export async function serveConnection(
  stream: ByteStream,
  deps: UploadDeps,
  signal: AbortSignal,
): Promise<ShoalError | undefined> {
  const frames = new FrameStream(stream, { timers: deps.timers, idleMs: limits.uploadIdleMs });
  const stop = () => frames.fail(new ShoalError("interrupted", "Cannot go on with an upload: it was stopped here"));
  signal.addEventListener("abort", stop, { once: true });
  if (signal.aborted) stop();
  let reading: Promise<void> | undefined;
  try {
    const ticket = await meet(frames, deps);
    using flow = deps.openFlow(ticket.account, stream.remote);
    const upload = new Upload(ticket, frames, flow);
    using _place = register(upload, deps);
    using source = openSource(upload.content, deps);
    const requests = new RequestQueue(upload.content.bytes);
    using asked = deps.asked.join(upload.content, upload.deviceId);
    reading = readRequests({ frames, requests, asked }, (set) => openSet(set, upload.account, deps));
    using slot = deps.slots.join(upload.account, upload.tellPlace);
    const line = { frames, upload, slot, requests, asked };
    const lastSlice = await sendManifest(line, source);
    if (lastSlice === undefined) return undefined;
    using _news = await sendHave(frames, lastSlice, source.partial);
    const { read } = guardedSource(upload.content, source, deps);
    await sendWanted(line, { read, writer: dataWriter(line, read, deps), takes: takeAnswers(line, deps) });
    return undefined;
  } catch (error) {
    if (!(error instanceof ShoalError)) throw error;
    if (isDecision(error)) await refuse(frames, error, deps.timers, reading);
    return error;
  } finally {
    signal.removeEventListener("abort", stop);
    frames.close();
    await reading;
  }
}

/** Tells what was decided here, and is said in a REFUSED, from what befell the connection. */
function isDecision(error: ShoalError): boolean {
  return !(error instanceof NetworkError) && error.code !== "interrupted";
}

/** One connection, once its upload runs. */
interface Line {
  readonly frames: FrameStream;
  readonly upload: Upload;
  readonly slot: SlotUser;
  readonly requests: RequestQueue;
  readonly asked: AskedPieces;
}

class Upload implements RunningUpload {
  readonly account: string;
  readonly deviceId: DeviceId;
  readonly content: Content;
  readonly expiresAtMs: number;
  readonly flow: Flow;
  sentBytes = 0;
  place: number | undefined;
  readonly #frames: FrameStream;
  /** Whether a QUEUED is on its way: to who takes nothing no other is sent. */
  #isTelling = false;

  constructor(ticket: Ticket, frames: FrameStream, flow: Flow) {
    this.account = ticket.account;
    this.deviceId = ticket.deviceId;
    this.content = { id: ticket.id, bytes: ticket.bytes };
    this.expiresAtMs = ticket.expiresAtMs;
    this.flow = flow;
    this.#frames = frames;
  }

  end(reason: ShoalError): void {
    this.#frames.fail(reason);
  }

  readonly tellPlace = (queued: Queued): void => {
    this.place = queued.place;
    if (this.#isTelling) return;
    this.#isTelling = true;
    this.#frames.write(encodeFrame({ kind: "queued", ...queued })).catch(() => {
      // Whoever waits for the slot meets the same failure.
    }).finally(() => this.#isTelling = false);
  };
}

function register(upload: Upload, deps: UploadDeps): Disposable {
  const place = deps.register(upload);
  if (place instanceof ShoalError) throw place;
  return place;
}

/** Waits for a slot before what is sent next; false if the other side is done before it comes. */
function haveSlot(line: Line): Promise<boolean> {
  return slotTurn(line) ?? Promise.resolve(true);
}

/** The wait for a slot; undefined where there is one. */
function slotTurn({ slot, requests, upload }: Line): Promise<boolean> | undefined {
  const turn = slot.take();
  return turn && requests.areWantedAfter(turn).finally(() => upload.place = undefined);
}

/**
 * Sends the layer but for its last slice, which goes out with what follows: a second small write would wait for the first to be
 * acknowledged (Nagle), 40 ms. Undefined, if the other side is done before.
 */
async function sendManifest(line: Line, source: ServedContent): Promise<Bytes | undefined> {
  // An empty content has no layer. Of a large one it is large, so that it is not held for those who wait.
  if (line.upload.content.bytes === 0) return new Uint8Array(0);
  if (!await haveSlot(line)) return undefined;
  const layer = source.readLayer();
  if (layer === undefined) throw refusal("notFound", "it is not shared here");
  for (let at = 0;; at += limits.frameBytesMax) {
    if (!await haveSlot(line)) return undefined;
    const slice = layer.subarray(at, at + limits.frameBytesMax);
    const frame = encodeFrame({ kind: "manifest", slice });
    if (at + slice.length === layer.length) return frame;
    await line.frames.write(frame);
  }
}

/** What writes the ranges of this connection's content. */
function dataWriter(
  { frames, upload, requests, asked }: Line,
  read: (offset: number, buffer: Uint8Array) => void,
  { timers, slots }: UploadDeps,
): DataWriter {
  return new DataWriter({
    ...{ frames, timers, read },
    uploads: () => slots.held,
    async haveTurn(bytes) {
      const turn = upload.flow.take(bytes);
      if (turn !== undefined && !await requests.areWantedAfter(turn)) return false;
      // With what comes room is made to ask for more: then it is to know.
      const pieces = asked.news();
      if (pieces.length > 0) await frames.write(encodeFrame({ kind: "asked", pieces }));
      return true;
    },
  });
}

/** What answers the TAKEs of this connection. */
function takeAnswers(line: Line, deps: UploadDeps): TakeAnswers {
  const { frames, upload, requests } = line;
  return new TakeAnswers({
    nowMs: () => deps.timers.nowMs(),
    uploads: () => deps.slots.held,
    stepBytes: () => upload.flow.stepBytes,
    next: () => requests.nextTake(),
    open: (wish) => openTaken(wish, upload, deps),
    slot: () => slotTurn(line),
    turn(bytes) {
      const turn = upload.flow.take(bytes);
      return turn && requests.areWantedAfter(turn);
    },
    async write(answers, count, contentBytes) {
      await frames.write(answers);
      requests.taken(count);
      upload.sentBytes += contentBytes;
    },
  });
}

/** Sends what was asked for in that order, until the other side is done. */
async function sendWanted(
  line: Line,
  { read, writer, takes }: {
    readonly read: (offset: number, buffer: Uint8Array) => void;
    readonly writer: DataWriter;
    readonly takes: TakeAnswers;
  },
): Promise<void> {
  const { upload, slot, requests } = line;
  for (;;) {
    if (requests.isEmpty) slot.rest();
    const range = await requests.next();
    if (range === undefined) return;
    if ("leavesOf" in range) {
      if (!await sendLeaves(line, read, range.leavesOf)) return;
      continue;
    }
    if ("grant" in range) {
      if (!await takes.answer(range)) return;
      continue;
    }
    for (let at = 0; at < range.bytes;) {
      if (!await haveSlot(line)) return;
      const bytes = Math.min(upload.flow.stepBytes, range.bytes - at);
      if (!await writer.write(range.offset + at, bytes)) return;
      requests.sent(bytes);
      upload.sentBytes += bytes;
      at += bytes;
    }
  }
}

/** Sends the hashes of a piece's blocks; false if the other side is done before. */
async function sendLeaves(
  line: Line,
  read: (offset: number, buffer: Uint8Array) => void,
  piece: number,
): Promise<boolean> {
  const { frames, upload, requests } = line;
  if (!await haveSlot(line)) return false;
  const leaves = await leavesOf(upload.content, piece, read);
  const frame = encodeFrame({ kind: "leafHashes", piece, leaves });
  const turn = upload.flow.take(frame.length);
  if (turn !== undefined && !await requests.areWantedAfter(turn)) return false;
  await frames.write(frame);
  return true;
}

/** Takes requests while others are served; ends with the stream. What goes wrong is told to whoever waits for the next request. */
async function readRequests(
  { frames, requests, asked }: Pick<Line, "frames" | "requests" | "asked">,
  grantOf: (set: TakenSet) => SetGrant,
): Promise<void> {
  try {
    for (let frame = await frames.readFrame(); frame !== undefined; frame = await frames.readFrame()) {
      if (frame.kind === "leaves") requests.addLeaves(frame.pieces);
      else if (frame.kind === "set") requests.setTo(frame.contents, grantOf(frame));
      else if (frame.kind === "take") requests.addTake(frame.places);
      else if (frame.kind === "request") {
        requests.add(frame.ranges);
        asked.note(frame.ranges);
      } else throw new ProtocolError(`Cannot serve this: ${frame.kind} is not for the fetching side`);
    }
    requests.end();
  } catch (error) {
    if (!(error instanceof ShoalError)) throw error;
    requests.fail(error);
    if (error instanceof ProtocolError) await frames.discard();
  }
}

/** Says why, and stays until the other side has heard it: a close with unread bytes would be a reset that destroys the word. */
async function refuse(
  frames: FrameStream,
  { code, message }: ShoalError,
  timers: Timers,
  reading: Promise<void> | undefined,
): Promise<void> {
  const cancel = timers.start(lingerMs, () => frames.close());
  try {
    const refused = { code: errorCodes[code].wire, text: message, retryAfterMs: 0 };
    await frames.write(encodeFrame({ kind: "refused", ...refused }));
    await (reading ?? frames.discard());
  } catch (error) {
    if (!(error instanceof ShoalError)) throw error; // The other side is gone already, which ends it as well.
  } finally {
    cancel();
  }
}
