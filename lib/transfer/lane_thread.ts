/**
 * lane_thread: the thread's end of lane_threads: runs lanes and writes their pieces. Laws: 1) it asks for nothing that it was not told
 * to;  2) a piece is told as written only when it is verified and written;  3) each lane that was started ends with one `ended`.
 * (I/O: messages; sockets by the connect that is passed in; the part file)
 */

import { ShoalError } from "../core/errors.ts";
import type { Manifest } from "../content/manifest.ts";
import { PartWriter } from "../content/part_file.ts";
import { signingKeyFrom } from "../session/device_key.ts";
import type { Queued } from "../wire/frame.ts";
import { downloadFrom } from "./download.ts";
import type { PieceSource, PieceWork } from "./piece_receiver.ts";
import { type Connect, dial, openReuse } from "./lane.ts";
import { type FromThread, plainFrom, type ToThread } from "./lane_messages.ts";
import type { Bitfield } from "./piece_picker.ts";
import { systemTimers } from "./timers.ts";

/** What a worker's global scope has, of which the default types know nothing. */
export interface ThreadScope {
  onmessage: ((event: MessageEvent<ToThread>) => void) | null;
  postMessage(message: FromThread): void;
}

/** Pieces that a lane has in hand before it asks for them: the next is there when there is room for it. */
const inHand = 2;
/** How often a lane says that bytes come, or that it waits in a queue, at most, in milliseconds. */
const receivedEveryMs = 100;

/** Runs what the other end says, for as long as the thread lives. */
export function serveLanes(scope: ThreadScope, connect: Connect): void {
  const lanes = new Map<number, ThreadLane>();
  const post = (message: FromThread) => scope.postMessage(message);
  scope.onmessage = ({ data }) => {
    if (data.kind !== "start") return lanes.get(data.lane)?.hear(data);
    const lane = new ThreadLane(data, post);
    lanes.set(data.lane, lane);
    lane.run(connect).then(() => undefined, plainFrom).then((error) => {
      lanes.delete(data.lane);
      post({ kind: "ended", lane: data.lane, error });
    });
  };
}

type Start = Extract<ToThread, { readonly kind: "start" }>;

class ThreadLane implements PieceSource {
  readonly #start: Start;
  readonly #post: (message: FromThread) => void;
  readonly #stop = new AbortController();
  readonly #begun = Promise.withResolvers<Extract<ToThread, { readonly kind: "begun" }>>();
  /** Pieces to ask for. */
  #pieces: number[] = [];
  /** Pieces wanted of the other end and not come yet. */
  #wanted = 0;
  #isNone = false;
  #wake: () => void = () => {};
  #receivedAtMs = 0;
  #queuedAtMs = -Infinity;

  constructor(start: Start, post: (message: FromThread) => void) {
    this.#start = start;
    this.#post = post;
  }

  async run(connect: Connect): Promise<void> {
    const { content, holder, lane, identity: { seed, ...shown } } = this.#start;
    const { signal } = this.#stop;
    using opened = new DisposableStack();
    await downloadFrom(await dial(holder, connect, signal), {
      content,
      holder,
      identity: { ...shown, deviceKey: signingKeyFrom(seed) },
      timers: systemTimers,
      signal,
      begin: (manifest, has) => this.#begin(manifest, has, opened),
      onReceived: () => this.#received(),
      onPiece: (piece, bytes, reusedBytes, wireBytes) =>
        this.#post({ kind: "wrote", lane, piece, bytes, reusedBytes, wireBytes }),
      onQueued: (queued) => this.#queued(queued),
    });
  }

  hear(message: Exclude<ToThread, Start>): void {
    switch (message.kind) {
      case "begun":
        return this.#begun.resolve(message);
      case "piece":
        this.#pieces.push(message.piece);
        this.#wanted--;
        return this.#wake();
      case "none":
        this.#isNone = true;
        return this.#wake();
      case "stop":
        this.#begun.reject(new ShoalError("interrupted", "Cannot go on with a fetch: it was interrupted"));
        this.#begun.promise.catch(() => {});
        return this.#stop.abort();
    }
  }

  take(): number | undefined {
    const piece = this.#pieces.shift();
    this.#want();
    return piece;
  }

  async more(): Promise<boolean> {
    while (this.#pieces.length === 0 && !this.#isNone) await new Promise<void>((resolve) => this.#wake = resolve);
    return this.#pieces.length > 0;
  }

  have(piece: number): void {
    this.#post({ kind: "have", lane: this.#start.lane, piece });
  }

  /** What is in hand was chosen before this was known. */
  askedByOthers(pieces: readonly number[]): void {
    const { lane } = this.#start;
    this.#post({ kind: "askedByOthers", lane, pieces });
    const unasked = this.#pieces.filter((piece) => pieces.includes(piece));
    if (unasked.length === 0) return;
    this.#pieces = this.#pieces.filter((piece) => !pieces.includes(piece));
    this.#post({ kind: "giveBack", lane, pieces: unasked });
    this.#want();
  }

  giveBack(): void {
    // All that the lane was told to fetch comes back at the other end when it ends.
  }

  async #begin(manifest: Manifest, has: Bitfield | undefined, opened: DisposableStack): Promise<PieceWork> {
    this.#post({ kind: "begin", lane: this.#start.lane, layer: manifest.layer, has });
    const { target, alike } = await this.#begun.promise;
    const writer = target === undefined ? undefined : opened.use(new PartWriter(target));
    const reuse = openReuse(alike, manifest);
    if (reuse !== undefined) opened.use(reuse);
    return {
      source: this,
      reuse,
      sink: {
        asked() {}, // Noted before it came here.
        writeVerified: (piece, bytes) => writer!.write(manifest.pieceRange(piece).offset, bytes),
      },
    };
  }

  #want(): void {
    while (this.#pieces.length + this.#wanted < inHand && !this.#isNone) {
      this.#wanted++;
      this.#post({ kind: "want", lane: this.#start.lane });
    }
  }

  #queued(queued: Queued): void {
    const nowMs = systemTimers.nowMs();
    if (nowMs - this.#queuedAtMs < receivedEveryMs) return;
    this.#queuedAtMs = nowMs;
    this.#post({ kind: "queued", lane: this.#start.lane, queued });
  }

  #received(): void {
    const nowMs = systemTimers.nowMs();
    if (nowMs - this.#receivedAtMs < receivedEveryMs) return;
    this.#receivedAtMs = nowMs;
    this.#post({ kind: "received", lane: this.#start.lane });
  }
}
