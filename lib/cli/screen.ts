/**
 * screen: where text for people goes: data to stdout, notices to stderr, and below them lines that are drawn in place.
 * Laws: 1) lines drawn in place are off the terminal before anything else is written, and back after it;  2) a stream that
 * is no terminal gets neither colour nor lines in place.  (pure over TextStream)
 */

import { type Palette, paletteFor } from "./palette.ts";

/** An open stream for text. */
export interface TextStream {
  /** Writes all of it before it returns. */
  write(text: string): void;
  readonly isTerminal: boolean;
  /** Columns of the terminal. */
  columns(): number;
}

/** What the renderers write to. */
export interface Screen {
  /** Writes a line of what was asked for. */
  data(line: string): void;
  /** Writes a line about how it goes: notes, errors, progress. */
  notice(line: string): void;
  /** Replaces the lines that are drawn in place; `isAnimated` tells whether anybody sees them. */
  live(lines: readonly string[]): void;
  readonly isAnimated: boolean;
  /** Columns that a line may take; undefined where there is no terminal to fit. */
  readonly dataWidth: number | undefined;
  readonly noticeWidth: number | undefined;
  readonly dataPalette: Palette;
  readonly noticePalette: Palette;
}

/** Tells whether a stream can have colours and lines in place: not a pipe, not a dumb terminal, not where NO_COLOR is set. */
export function isLively(stream: TextStream, env: (name: string) => string | undefined): boolean {
  return stream.isTerminal && env("TERM") !== "dumb" && !env("NO_COLOR");
}

/** A screen of two streams without a prompt. */
export class StreamScreen implements Screen {
  readonly isAnimated: boolean;
  readonly dataPalette: Palette;
  readonly noticePalette: Palette;
  readonly #out: TextStream;
  readonly #err: TextStream;
  #lines: readonly string[] = [];

  constructor(out: TextStream, err: TextStream, env: (name: string) => string | undefined) {
    this.#out = out;
    this.#err = err;
    this.isAnimated = isLively(err, env);
    this.dataPalette = paletteFor(isLively(out, env));
    this.noticePalette = paletteFor(this.isAnimated);
  }

  get dataWidth(): number | undefined {
    return widthOf(this.#out);
  }

  get noticeWidth(): number | undefined {
    return widthOf(this.#err);
  }

  data(line: string): void {
    // Where stdout is no terminal, its lines are not between the ones drawn in place.
    if (!this.#out.isTerminal || this.#lines.length === 0) return this.#out.write(line + "\n");
    this.#err.write(this.#erase());
    this.#out.write(line + "\n");
    this.#err.write(this.#draw());
  }

  notice(line: string): void {
    this.#err.write(this.#erase() + line + "\n" + this.#draw());
  }

  live(lines: readonly string[]): void {
    if (!this.isAnimated) return;
    const erase = this.#erase();
    this.#lines = lines;
    const text = erase + this.#draw();
    if (text !== "") this.#err.write(text);
  }

  /** To the first of the lines, and all from there on away. */
  #erase(): string {
    return this.#lines.length === 0 ? "" : `\x1b[${this.#lines.length}F\x1b[J`;
  }

  #draw(): string {
    return this.#lines.map((line) => line + "\n").join("");
  }
}

/** Columns that a line may take, undefined without a terminal. One column stays free: a line that fills the last one makes some terminals wrap. */
export function widthOf(stream: TextStream): number | undefined {
  return stream.isTerminal ? Math.max(20, stream.columns() - 1) : undefined;
}
