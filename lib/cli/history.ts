/**
 * history: the lines typed at the prompt, kept for the next time. Laws: 1) the file is 0600 and bounded;  2) no secret is ever typed
 * as a command, and a line that starts with a space is not kept;  3) a history that cannot be kept disturbs nobody: the first
 * failure is told, the prompt goes on.  (I/O)
 */

/** Lines kept. */
const linesMax = 1_000;

/** Longer lines are not kept: nobody looks for them again. */
const lineCharactersMax = 4_096;

export class History {
  readonly #path: string;
  readonly #lines: string[];

  private constructor(path: string, lines: string[]) {
    this.#path = path;
    this.#lines = lines;
  }

  /** Reads the history; a file that cannot be read counts as none. */
  static open(path: string): History {
    return new History(path, readLines(path).slice(-linesMax));
  }

  /** The lines, the newest first, as the line editor wants them. */
  newestFirst(): string[] {
    return this.#lines.toReversed();
  }

  /**
   * Keeps a line.
   * @throws {Error} If the file cannot be written; nothing else is lost.
   */
  add(line: string): void {
    if (line.trim() === "" || line.startsWith(" ") || line.length > lineCharactersMax) return;
    if (this.#lines.at(-1) === line) return;
    this.#lines.push(line);
    // Rewritten when it has grown to twice the bound; appended to otherwise, so that two prompts do not lose each other's lines.
    if (this.#lines.length <= 2 * linesMax) {
      Deno.writeTextFileSync(this.#path, line + "\n", { append: true, mode: 0o600 });
      return;
    }
    this.#lines.splice(0, this.#lines.length - linesMax);
    const beside = `${this.#path}.new`;
    Deno.writeTextFileSync(beside, this.#lines.join("\n") + "\n", { mode: 0o600 });
    Deno.renameSync(beside, this.#path);
  }
}

function readLines(path: string): string[] {
  try {
    return Deno.readTextFileSync(path).split("\n").filter((line) => line !== "");
  } catch {
    return [];
  }
}
