/** fakes: a screen in memory, a runner that plays back events, signals on a fake clock. */

import { paletteFor } from "../../lib/cli/palette.ts";
import type { Screen, TextStream } from "../../lib/cli/screen.ts";
import type { SignalHost, SignalKind } from "../../lib/cli/signals.ts";
import type { Command, CommandEnd, CommandRunner, PeerEvent } from "../../lib/peer/commands.ts";

/** Keeps what is written, without colours. */
export class MemoryScreen implements Screen {
  readonly dataLines: string[] = [];
  readonly noticeLines: string[] = [];
  liveLines: readonly string[] = [];
  liveCount = 0;
  readonly isAnimated: boolean;
  readonly dataWidth: number | undefined;
  readonly dataPalette = paletteFor(false);
  readonly noticePalette = paletteFor(false);

  constructor(width?: number, isAnimated = false) {
    this.dataWidth = width;
    this.isAnimated = isAnimated;
  }

  get noticeWidth(): number | undefined {
    return this.dataWidth;
  }

  data(line: string): void {
    this.dataLines.push(line);
  }

  notice(line: string): void {
    this.noticeLines.push(line);
  }

  live(lines: readonly string[]): void {
    this.liveLines = lines;
    this.liveCount++;
  }
}

/** A stream that keeps its text. */
export class MemoryStream implements TextStream {
  text = "";
  readonly isTerminal: boolean;
  readonly #columns: number;

  constructor(isTerminal: boolean, columns = 80) {
    this.isTerminal = isTerminal;
    this.#columns = columns;
  }

  write(text: string): void {
    this.text += text;
  }

  columns(): number {
    return this.#columns;
  }
}

/** One step of a fake command: an event, its end, or a wait that an abort ends too. */
export type Step = PeerEvent | CommandEnd | Promise<void> | Error;

/** Plays back steps for each command, and keeps what was asked. */
export class FakeRunner implements CommandRunner {
  readonly asked: Command[] = [];
  names: readonly string[] = [];
  readonly #play: (command: Command) => readonly Step[];
  readonly #notes: PeerEvent[] = [];
  #noteArrived = Promise.withResolvers<void>();

  constructor(play: (command: Command) => readonly Step[]) {
    this.#play = play;
  }

  async *run(command: Command, signal: AbortSignal): AsyncGenerator<PeerEvent | CommandEnd> {
    this.asked.push(command);
    for (const step of this.#play(command)) {
      if (step instanceof Promise) {
        await Promise.race([step, aborted(signal)]);
        if (!signal.aborted) continue;
        yield { type: "error", code: "interrupted", message: "Interrupted", hint: "" };
        yield { type: "end", exitCode: 130 };
        return;
      }
      if (step instanceof Error) throw step;
      yield step;
    }
  }

  /** Makes a note arrive. */
  note(message: string): void {
    this.#notes.push({ type: "note", message });
    this.#noteArrived.resolve();
  }

  async nextNote(): Promise<PeerEvent | undefined> {
    while (this.#notes.length === 0) {
      await this.#noteArrived.promise;
      this.#noteArrived = Promise.withResolvers();
    }
    return this.#notes.shift();
  }

  knownNames(): Promise<readonly string[]> {
    return Promise.resolve(this.names);
  }
}

export const end = (exitCode = 0): CommandEnd => ({ type: "end", exitCode });

/** A promise that nobody keeps: what a fake command waits for until it is stopped. */
export const forever = (): Promise<void> => new Promise(() => {});

/** Signals and timers by hand. */
export class FakeSignals implements SignalHost {
  now = 0;
  readonly #listeners = new Map<SignalKind, Set<() => void>>();
  readonly timers = new Map<() => void, number>();

  get listening(): number {
    return [...this.#listeners.values()].reduce((sum, one) => sum + one.size, 0);
  }

  listen(kind: SignalKind, callback: () => void): () => void {
    const listeners = this.#listeners.get(kind) ?? new Set();
    this.#listeners.set(kind, listeners.add(callback));
    return () => listeners.delete(callback);
  }

  after(ms: number, callback: () => void): () => void {
    this.timers.set(callback, this.now + ms);
    return () => this.timers.delete(callback);
  }

  nowMs(): number {
    return this.now;
  }

  /** Sends a signal. */
  send(kind: SignalKind): void {
    for (const listener of this.#listeners.get(kind) ?? []) listener();
  }

  /** Lets time pass, timers included. */
  pass(ms: number): void {
    this.now += ms;
    for (const [callback, atMs] of this.timers) {
      if (atMs > this.now) continue;
      this.timers.delete(callback);
      callback();
    }
  }
}

/** Lets everything happen that waits for nothing outside, until something is so. @throws {Error} If it never becomes so. */
export async function until(condition: () => boolean): Promise<void> {
  for (let turn = 0; turn < 500; turn++) {
    if (condition()) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    setTimeout(resolve, 0);
    await promise;
  }
  throw new Error(`It never came to: ${condition}`);
}

function aborted(signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  if (signal.aborted) resolve();
  signal.addEventListener("abort", () => resolve(), { once: true });
  return promise;
}
