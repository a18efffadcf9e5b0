/**
 * progress_board: the progress of everything that runs: a line each, drawn in place on a terminal, or a plain line now and
 * then elsewhere. Laws: 1) at most ten redraws a second;  2) elsewhere at most one line in five seconds a file, the first
 * after five;  3) what ended leaves no line.  (pure: the clock is passed in)
 */

import type { PeerEvent } from "../peer/commands.ts";
import { formatLive, formatPlain, type Progress } from "./progress_line.ts";
import type { Screen } from "./screen.ts";

type ProgressEvent = Extract<PeerEvent, { type: "progress" }>;

const redrawMs = 100;
const plainMs = 5_000;
/** More files than this are counted. */
const linesMax = 6;

interface Entry {
  readonly startedAtMs: number;
  readonly startedBytes: number;
  progress: Progress;
  plainAtMs: number;
}

export class ProgressBoard {
  readonly #screen: Screen;
  readonly #clock: () => number;
  readonly #entries = new Map<object, Map<string, Entry>>();
  #drawnAtMs = -Infinity;
  #pinned: readonly string[] = [];

  constructor(screen: Screen, clock: () => number) {
    this.#screen = screen;
    this.#clock = clock;
  }

  /** Notes how far a file is. `owner` is the run of a command: two of them may fetch one name. */
  update(owner: object, event: ProgressEvent): void {
    const nowMs = this.#clock();
    let entries = this.#entries.get(owner);
    if (entries === undefined) this.#entries.set(owner, entries = new Map());
    const known = entries.get(event.name);
    const entry: Entry = known ?? {
      startedAtMs: nowMs,
      startedBytes: event.doneBytes,
      progress: progressOf(event, 0),
      plainAtMs: nowMs,
    };
    entry.progress = progressOf(event, event.bytesPerSecond ?? meanRate(entry, event.doneBytes, nowMs));
    if (known === undefined) entries.set(event.name, entry);
    if (this.#screen.isAnimated) {
      if (known === undefined || nowMs - this.#drawnAtMs >= redrawMs) this.#draw(nowMs);
    } else if (nowMs - entry.plainAtMs >= plainMs) {
      entry.plainAtMs = nowMs;
      this.#screen.notice(formatPlain(entry.progress));
    }
  }

  /** Puts lines above the progress, in place of those before; nobody sees them where nothing is drawn in place. */
  pin(lines: readonly string[]): void {
    if (lines.length === 0 && this.#pinned.length === 0) return;
    this.#pinned = lines;
    if (this.#screen.isAnimated) this.#draw(this.#clock());
  }

  /** Takes a file's line away, or all of a command's. */
  remove(owner: object, name?: string): void {
    if (name === undefined) this.#entries.delete(owner);
    else this.#entries.get(owner)?.delete(name);
    if (this.#screen.isAnimated) this.#draw(this.#clock());
  }

  #draw(nowMs: number): void {
    this.#drawnAtMs = nowMs;
    const all = [...this.#entries.values()].flatMap((entries) => [...entries.values()]);
    const width = this.#screen.noticeWidth ?? 80;
    const shown = all.length > linesMax ? all.slice(0, linesMax - 1) : all;
    const more = all.length - shown.length;
    this.#screen.live([
      ...this.#pinned,
      ...shown.map(({ progress }) => formatLive(progress, width)),
      ...(more > 0 ? [`and ${more} more`] : []),
    ]);
  }
}

function meanRate(entry: Entry, doneBytes: number, nowMs: number): number {
  const ms = nowMs - entry.startedAtMs;
  return ms <= 0 ? 0 : Math.max(0, doneBytes - entry.startedBytes) * 1000 / ms;
}

function progressOf(event: ProgressEvent, bytesPerSecond: number): Progress {
  const { name, activity = "fetch", doneBytes, totalBytes, holders, path, files } = event;
  return { name, activity, doneBytes, totalBytes, bytesPerSecond, holders, path, files };
}
