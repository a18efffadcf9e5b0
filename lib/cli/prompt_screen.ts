/**
 * prompt_screen: the terminal while a line is being typed. Laws: 1) the line editor draws all that stays in place, progress lines
 * included, which are the upper part of its prompt: what is typed is never garbled;  2) everything else goes above, and is there
 * to scroll back to;  3) of a line that was entered only itself stays, not the progress above it.  (I/O)
 */

import type { Interface } from "node:readline";
import type { Writable } from "node:stream";
import { type Palette, paletteFor } from "./palette.ts";
import { isLively, type Screen, type TextStream, widthOf } from "./screen.ts";
import { displayWidth } from "./width.ts";

export interface PromptScreenOptions {
  readonly editor: Interface;
  /** The terminal that the editor draws on. */
  readonly output: Writable;
  /** The same terminal, as stdout. */
  readonly out: TextStream;
  /** Where notices go when it is another place than the terminal. */
  readonly err: TextStream;
  readonly env: (name: string) => string | undefined;
}

export class PromptScreen implements Screen {
  readonly isAnimated: boolean;
  readonly dataPalette: Palette;
  readonly noticePalette: Palette;
  readonly #options: PromptScreenOptions;
  #lines: readonly string[] = [];
  #prompt = "";
  #isClosed = false;

  constructor(options: PromptScreenOptions) {
    this.#options = options;
    this.isAnimated = isLively(options.out, options.env);
    this.dataPalette = paletteFor(this.isAnimated);
    this.noticePalette = paletteFor(isLively(options.err, options.env));
    this.#draw();
  }

  get dataWidth(): number | undefined {
    return widthOf(this.#options.out);
  }

  get noticeWidth(): number | undefined {
    return widthOf(this.#options.out);
  }

  data(line: string): void {
    this.#above(line);
  }

  notice(line: string): void {
    if (this.#options.err.isTerminal) this.#above(line);
    else this.#options.err.write(line + "\n");
  }

  live(lines: readonly string[]): void {
    if (!this.isAnimated || this.#isClosed || (lines.length === 0 && this.#lines.length === 0)) return;
    this.#lines = lines;
    this.#draw();
  }

  /** Shows what is to be typed after; an empty text while a command runs. */
  showPrompt(prompt: string): void {
    this.#prompt = prompt;
    if (!this.#isClosed) this.#draw();
  }

  /** Called when the editor gave a line: the cursor is below it. */
  entered(line: string): void {
    if (this.#isClosed) return;
    if (this.#lines.length > 0) {
      const { out, output } = this.#options;
      const rows = this.#lines.length + Math.floor(displayWidth(this.#prompt + line) / out.columns()) + 1;
      output.write(`\x1b[${rows}F\x1b[J${this.#prompt}${line}\n`);
    }
    this.showPrompt("");
  }

  /** Called when the editor is closed: from here on lines just follow one another. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    if (this.#lines.length === 0) return;
    // By hand: after Ctrl-D the editor is closed already, and throws when it is to draw.
    const { editor, output } = this.#options;
    output.write(`${toFirstRow(editor)}${this.#prompt}${editor.line}`);
  }

  #above(line: string): void {
    const { editor, output } = this.#options;
    if (this.#isClosed) {
      output.write(line + "\n");
      return;
    }
    // The editor redraws from as many rows above the cursor as it drew last: they are given back below the new line.
    output.write(`${toFirstRow(editor)}${line}\n${"\n".repeat(editor.getCursorPos().rows)}`);
    this.#draw();
  }

  #draw(): void {
    this.#options.editor.setPrompt(this.#lines.map((line) => line + "\n").join("") + this.#prompt);
    this.#options.editor.prompt(true);
  }
}

/** Moves to the first row that the editor drew, and clears from there. */
function toFirstRow(editor: Interface): string {
  const { rows } = editor.getCursorPos();
  return `\r${rows > 0 ? `\x1b[${rows}A` : ""}\x1b[J`;
}
