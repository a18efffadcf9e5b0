/** fake_terminal: a terminal as far as a line editor needs one: what a person would see after all that was written. */

import { PassThrough, Writable } from "node:stream";
import type { TextStream } from "../../lib/cli/screen.ts";

/** Both ends: what is typed goes in at `input`, what is written comes out at `screen()`. */
export class FakeTerminal implements TextStream {
  readonly input = new PassThrough();
  readonly output: Writable;
  readonly isTerminal = true;
  readonly #columns: number;
  readonly #rows: string[][] = [[]];
  #row = 0;
  #column = 0;

  constructor(columns = 80) {
    this.#columns = columns;
    const output = new Writable({
      decodeStrings: false,
      write: (chunk, _encoding, done) => {
        this.write(String(chunk));
        done();
      },
    });
    this.output = Object.assign(output, { columns, isTTY: true });
  }

  columns(): number {
    return this.#columns;
  }

  /** Types text as a person does: a key at a time. */
  type(text: string): void {
    for (const key of text) this.input.write(key);
  }

  /** The lines with something on them. */
  screen(): string[] {
    return this.#rows.map((row) => Array.from(row, (cell) => cell ?? " ").join("").trimEnd()).filter((line) =>
      line !== ""
    );
  }

  /** All that was ever shown, on lines that a redraw took away too. */
  written = "";

  write(text: string): void {
    this.written += text;
    // deno-lint-ignore no-control-regex
    for (const [part, argument, final] of text.matchAll(/\x1b\[([\d;?]*)([A-Za-z])|[^]/gu)) {
      if (final === undefined) this.#put(part);
      else this.#control(Number(argument) || 0, final);
    }
  }

  #put(character: string): void {
    if (character === "\r") this.#column = 0;
    else if (character === "\n") this.#moveTo(this.#row + 1, 0);
    else {
      if (this.#column >= this.#columns) this.#moveTo(this.#row + 1, 0);
      this.#rows[this.#row]![this.#column++] = character;
    }
  }

  #control(count: number, final: string): void {
    switch (final) {
      case "A":
        return this.#moveTo(this.#row - (count || 1), this.#column);
      case "B":
        return this.#moveTo(this.#row + (count || 1), this.#column);
      case "C":
        return this.#moveTo(this.#row, this.#column + (count || 1));
      case "D":
        return this.#moveTo(this.#row, this.#column - (count || 1));
      case "F":
        return this.#moveTo(this.#row - (count || 1), 0);
      case "G":
        return this.#moveTo(this.#row, (count || 1) - 1);
      case "J":
        this.#rows.length = this.#row + 1;
        this.#rows[this.#row]!.length = Math.min(this.#column, this.#rows[this.#row]!.length);
        return;
      case "K":
        if (count === 2) this.#rows[this.#row]!.length = 0;
        else this.#rows[this.#row]!.length = Math.min(this.#column, this.#rows[this.#row]!.length);
        return;
      case "m":
      case "h":
      case "l":
        return;
      default:
        throw new Error(`This terminal does not know CSI ${count} ${final}`);
    }
  }

  #moveTo(row: number, column: number): void {
    this.#row = Math.max(0, row);
    this.#column = Math.max(0, column);
    while (this.#rows.length <= this.#row) this.#rows.push([]);
  }
}
