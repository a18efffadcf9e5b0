/**
 * json: events as NDJSON for scripts. Laws: 1) one object a line, `type` first, `"v":1` in the first line of the stream;
 * 2) a name harms no terminal that shows the stream;  3) at most ten progress lines a second, in all;  4) notes are for people:
 * they go to stderr as text.  Spec: docs/cli.md "JSON lines".  (pure: screen and clock are passed in)
 */

import { escapeJson, escapeText } from "../core/escape.ts";
import type { PeerEvent } from "../peer/commands.ts";
import type { EventSink } from "./event_sink.ts";
import type { Screen } from "./screen.ts";

type ProgressEvent = Extract<PeerEvent, { type: "progress" }>;

/** The version of the lines: a field is only ever added under it. */
const version = 1;

const progressGapMs = 100;

/** Formats one event as one line, without the newline. */
export function formatJsonLine(event: PeerEvent, isFirst: boolean): string {
  const { type, ...rest } = event;
  return escapeJson(JSON.stringify(isFirst ? { type, v: version, ...rest } : { type, ...rest }));
}

/** The one writer of a stream of lines, shared by all commands that write to it. */
export class JsonLines implements EventSink {
  readonly #screen: Screen;
  readonly #clock: () => number;
  readonly #quiet: boolean;
  #isFirst = true;
  #progressAtMs = -Infinity;
  /** The newest progress of each file that has not been written, the one that waits longest first. */
  readonly #waiting = new Map<string, ProgressEvent>();

  constructor(screen: Screen, clock: () => number, quiet: boolean) {
    this.#screen = screen;
    this.#clock = clock;
    this.#quiet = quiet;
  }

  show(event: PeerEvent): void {
    switch (event.type) {
      case "note":
        if (!this.#quiet) this.#screen.notice(escapeText(event.message));
        return;
      case "progress":
        this.#showProgress(event);
        return;
      case "fetched":
      case "summary":
        this.#waiting.delete(event.name);
    }
    this.#write(event);
  }

  finish(): void {
    this.#waiting.clear();
  }

  #showProgress(event: ProgressEvent): void {
    this.#waiting.set(event.name, event);
    const nowMs = this.#clock();
    if (nowMs - this.#progressAtMs < progressGapMs) return;
    this.#progressAtMs = nowMs;
    const [name, longest] = this.#waiting.entries().next().value!;
    this.#waiting.delete(name);
    this.#write(longest);
  }

  #write(event: PeerEvent): void {
    this.#screen.data(formatJsonLine(event, this.#isFirst));
    this.#isFirst = false;
  }
}
