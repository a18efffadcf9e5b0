/**
 * signals: what Ctrl-C and its relatives mean. Laws: 1) the first SIGINT stops and saves; one more than 500 ms later quits
 * now; those within 500 ms of the one that counted are the same one (a program started through a task runner gets each
 * twice);  2) SIGTERM and SIGHUP drain with a deadline, and repeats change nothing.  Spec: docs/cli.md "Signals".
 * (pure but for `processSignals`)
 */

import { errorCodes } from "../core/errors.ts";

export type SignalKind = "SIGINT" | "SIGTERM" | "SIGHUP";

/** What one signal means. */
type Verdict = "stop" | "drain" | "quit" | "ignore";

const sameMs = 500;

/** A drain that takes longer is cut off. */
const drainMs = 10_000;

/** Where signals and time come from. */
export interface SignalHost {
  /** Calls back at each signal of a kind, until the returned function is called. */
  listen(kind: SignalKind, callback: () => void): () => void;
  /** Calls back once after a while, unless the returned function is called. */
  after(ms: number, callback: () => void): () => void;
  /** Milliseconds on a clock that no one sets. */
  nowMs(): number;
}

export interface SignalHandlers {
  /** Stop what runs, keep what is verified, say how to go on. */
  stop(): void;
  /** Finish in order: the deadline runs. */
  drain(): void;
  /** End now with this exit code. */
  quit(exitCode: number): void;
}

/** Hears signals until it is disposed, and calls the handler that each one means. */
export class SignalWatch implements Disposable {
  readonly #host: SignalHost;
  readonly #handlers: SignalHandlers;
  readonly #undo: (() => void)[];
  #interruptedAtMs: number | undefined;
  #isDraining = false;

  constructor(host: SignalHost, handlers: SignalHandlers) {
    this.#host = host;
    this.#handlers = handlers;
    const kinds: readonly SignalKind[] = ["SIGINT", "SIGTERM", "SIGHUP"];
    this.#undo = kinds.map((kind) => host.listen(kind, () => this.receive(kind)));
  }

  /** Takes a signal, also one that came as a key: in raw mode Ctrl-C is a character. */
  receive(kind: SignalKind): void {
    switch (this.#judge(kind)) {
      case "stop":
        return this.#handlers.stop();
      case "quit":
        return this.#handlers.quit(errorCodes.interrupted.exit);
      case "drain":
        this.#undo.push(this.#host.after(drainMs, () => this.#handlers.quit(errorCodes.unfinished.exit)));
        return this.#handlers.drain();
    }
  }

  /** Forgets the first SIGINT: the person went on working. */
  reset(): void {
    this.#interruptedAtMs = undefined;
  }

  [Symbol.dispose](): void {
    for (const undo of this.#undo.splice(0)) undo();
  }

  #judge(kind: SignalKind): Verdict {
    if (kind !== "SIGINT") {
      if (this.#isDraining) return "ignore";
      this.#isDraining = true;
      return "drain";
    }
    const nowMs = this.#host.nowMs();
    if (this.#interruptedAtMs === undefined) {
      this.#interruptedAtMs = nowMs;
      return "stop";
    }
    return nowMs - this.#interruptedAtMs <= sameMs ? "ignore" : "quit";
  }
}

/** The signals of this process. */
export const processSignals: SignalHost = {
  listen(kind, callback) {
    // Windows knows SIGINT alone.
    if (Deno.build.os === "windows" && kind !== "SIGINT") return () => {};
    Deno.addSignalListener(kind, callback);
    return () => Deno.removeSignalListener(kind, callback);
  },
  after(ms, callback) {
    const timer = setTimeout(callback, ms);
    return () => clearTimeout(timer);
  },
  nowMs: () => performance.now(),
};
