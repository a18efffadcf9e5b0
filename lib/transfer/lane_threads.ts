/**
 * lane_threads: runs lanes of large files on threads of their own, so that receiving, checking and writing use more than one core
 * and no byte of a file crosses the main thread. Laws: 1) which piece is asked of whom is decided here, and what is written is noted
 * here, before anybody counts it;  2) a thread that dies ends its lanes as a broken connection would;  3) threads end when none has had
 * a lane for a while.  The other end is lane_thread.ts.  (I/O: threads)
 */

import { ContentError, NetworkError, ShoalError } from "../core/errors.ts";
import { mib } from "../core/limits.ts";
import { manifestFrom } from "../content/manifest.ts";
import type { Lane, LaneOptions, LaneWork } from "./lane.ts";
import { errorFrom, type FromThread, type ToThread } from "./lane_messages.ts";

/** From this size of a file on a thread is worth its start (50 ms). */
export const threadedFromBytes = 32 * mib;
/** Threads, each with as many lanes as come: two keep up with any network, and a holder's machine is no faster. */
const threadsMax = 2;
/** Threads without a lane end after this, in milliseconds: what a fetch leaves in one is 15 MB and more, and a new one takes 50 ms. */
const idleMs = 1_000;

export class LaneThreads implements Disposable {
  readonly #startThread: () => Worker;
  #threads: Thread[] = [];
  #lanes = 0;
  #idleTimer: ReturnType<typeof setTimeout> | undefined;

  /** @param startThread Starts a worker that calls `serveLanes`. */
  constructor(startThread: () => Worker) {
    this.#startThread = startThread;
  }

  /** A lane on the thread that has the fewest. */
  readonly lane: Lane = async (options) => {
    clearTimeout(this.#idleTimer);
    this.#lanes++;
    try {
      await this.#leastBusy().run(options);
    } finally {
      if (--this.#lanes === 0) this.#idleTimer = setTimeout(() => this.#endAll(), idleMs);
    }
  };

  /** Ends the threads; lanes that run reject. */
  [Symbol.dispose](): void {
    clearTimeout(this.#idleTimer);
    this.#endAll();
  }

  #leastBusy(): Thread {
    this.#threads = this.#threads.filter((thread) => !thread.isDead);
    const [least] = this.#threads.toSorted((a, b) => a.lanes - b.lanes);
    if (least !== undefined && (least.lanes === 0 || this.#threads.length === threadsMax)) return least;
    const thread = new Thread(this.#startThread());
    this.#threads.push(thread);
    return thread;
  }

  #endAll(): void {
    for (const thread of this.#threads) thread.end("the program ends");
    this.#threads = [];
  }
}

class Thread {
  readonly #worker: Worker;
  readonly #lanes = new Map<number, LaneHere>();
  #nextLane = 1;
  isDead = false;

  constructor(worker: Worker) {
    this.#worker = worker;
    worker.onmessage = ({ data }: MessageEvent<FromThread>) => {
      this.#lanes.get(data.lane)?.hear(data);
    };
    worker.onerror = (event) => {
      event.preventDefault();
      this.end(event.message);
    };
  }

  get lanes(): number {
    return this.#lanes.size;
  }

  async run(options: LaneOptions): Promise<void> {
    const number = this.#nextLane++;
    const lane = new LaneHere(number, options, (message) => this.#worker.postMessage(message));
    this.#lanes.set(number, lane);
    try {
      await lane.run();
    } finally {
      this.#lanes.delete(number);
    }
  }

  end(reason: string): void {
    this.isDead = true;
    this.#worker.terminate();
    for (const lane of this.#lanes.values()) {
      lane.fail(new NetworkError(`Cannot go on receiving: its thread ended: ${reason}`));
    }
  }
}

/** This end of one lane: gives it pieces, and notes what it wrote. */
class LaneHere {
  readonly #number: number;
  readonly #options: LaneOptions;
  readonly #post: (message: ToThread) => void;
  readonly #ended = Promise.withResolvers<void>();
  #work: LaneWork | undefined;
  /** Pieces that the other end waits for. */
  #wants = 0;
  #isFeeding = false;
  #isEnded = false;

  constructor(number: number, options: LaneOptions, post: (message: ToThread) => void) {
    this.#number = number;
    this.#options = options;
    this.#post = post;
  }

  async run(): Promise<void> {
    const { content, holder, signal, identity: { deviceKey, ...shown } } = this.#options;
    const stop = () => this.#post({ kind: "stop", lane: this.#number });
    signal.addEventListener("abort", stop, { once: true });
    try {
      signal.throwIfAborted();
      const identity = { ...shown, seed: deviceKey.seed };
      this.#post({ kind: "start", lane: this.#number, content, holder, identity });
      await this.#ended.promise;
    } finally {
      this.#isEnded = true;
      signal.removeEventListener("abort", stop);
    }
  }

  hear(message: FromThread): void {
    switch (message.kind) {
      case "begin":
        return void this.#begin(message).catch((error) => this.fail(error));
      case "want":
        this.#wants++;
        return void this.#feed().catch((error) => this.fail(error));
      case "have":
        return this.#work?.source.have(message.piece);
      case "askedByOthers":
        return this.#work?.source.askedByOthers(message.pieces);
      case "giveBack":
        return this.#work?.source.giveBack(message.pieces);
      case "received":
        return this.#options.onReceived();
      case "queued":
        return this.#options.onQueued?.(message.queued);
      case "wrote":
        return this.#wrote(message);
      case "ended":
        if (message.error === undefined) this.#ended.resolve();
        else this.#ended.reject(errorFrom(message.error));
    }
  }

  /** Ends the lane at both ends. */
  fail(error: unknown): void {
    this.#ended.reject(error);
    if (!this.#isEnded) this.#post({ kind: "stop", lane: this.#number });
  }

  async #begin({ layer, has }: Extract<FromThread, { readonly kind: "begin" }>): Promise<void> {
    const manifest = manifestFrom(this.#options.content, layer);
    if (!manifest.ok) throw new ContentError("integrity", `Cannot use a manifest: ${manifest.error}`);
    this.#work = await this.#options.begin(manifest.value, has);
    const { part, alike } = this.#work;
    this.#post({ kind: "begun", lane: this.#number, target: part?.target, alike });
  }

  /** Gives pieces for as long as some are wanted, one after the other. */
  async #feed(): Promise<void> {
    if (this.#isFeeding) return;
    this.#isFeeding = true;
    const { source, part } = this.#work!;
    while (this.#wants > 0 && !this.#isEnded) {
      const piece = source.take();
      if (piece !== undefined) {
        part?.asked(piece);
        this.#wants--;
        this.#post({ kind: "piece", lane: this.#number, piece });
      } else if (!await source.more()) {
        this.#post({ kind: "none", lane: this.#number });
        break;
      }
    }
    this.#isFeeding = false;
  }

  #wrote({ piece, bytes, reusedBytes, wireBytes }: Extract<FromThread, { readonly kind: "wrote" }>): void {
    try {
      this.#work!.part!.noteWritten(piece);
      this.#options.onPiece(piece, bytes, reusedBytes, wireBytes);
    } catch (error) {
      if (!(error instanceof ShoalError)) throw error;
      this.fail(error);
    }
  }
}
