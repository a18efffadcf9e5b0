/**
 * small_leftovers: which partial files of small downloads are being written, so that what a crash leaves of them is taken away. Laws:
 * 1) a path is noted before its file is made, and a file is taken away only if its name has the random word of a run that has ended;
 * 2) the list is locked while its run lives, and goes with it.  (I/O: files)
 */

import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { formatHex, utf8 } from "../core/bytes.ts";
import { ShoalError, StoreError, storeErrorFrom } from "../core/errors.ts";
import { lstatOrUndefined, openLocked } from "./locked_file.ts";

const extension = ".small";
const wordBytes = 8;

export class SmallLeftovers implements Disposable {
  readonly #path: string;
  readonly #file: Deno.FsFile;
  /** Ends the names of this run's partial files. */
  readonly suffix: string;

  private constructor(path: string, file: Deno.FsFile, word: string) {
    this.#path = path;
    this.#file = file;
    this.suffix = suffixOf(word);
  }

  /** Takes away what earlier runs left, and begins the list of this one. @throws {StoreError} If it cannot begin. */
  static begin(folder: string): SmallLeftovers {
    try {
      Deno.mkdirSync(folder, { recursive: true, mode: 0o700 });
      for (const { name, isFile } of Deno.readDirSync(folder)) {
        if (isFile && name.endsWith(extension)) takeAway(join(folder, name), name.slice(0, -extension.length));
      }
      const word = formatHex(new Uint8Array(randomBytes(wordBytes)));
      const path = join(folder, `${word}${extension}`);
      const locked = openLocked(path, 0o600);
      if (locked === undefined) throw new StoreError("io", "open", path, "somebody else has it");
      return new SmallLeftovers(path, locked.file, word);
    } catch (error) {
      throw storeErrorFrom(error, "use the folder", folder);
    }
  }

  /** Notes files that are to be made. @throws {StoreError} If the disk fails. */
  note(paths: readonly string[]): void {
    const lines = utf8(paths.map((path) => `${JSON.stringify(path)}\n`).join(""));
    try {
      for (let at = 0; at < lines.length;) at += this.#file.writeSync(lines.subarray(at));
    } catch (error) {
      throw storeErrorFrom(error, "write", this.#path);
    }
  }

  /** Ends the run: of its files none is there under its partial name any more. */
  [Symbol.dispose](): void {
    try {
      Deno.removeSync(this.#path);
    } catch {
      // The next run takes it away.
    }
    this.#file.close();
  }
}

function suffixOf(word: string): string {
  return `.${word}.part`;
}

/** Takes away what a run left and its list, if that run has ended. What cannot be taken away now stays on the list. */
function takeAway(listPath: string, word: string): void {
  try {
    const locked = openLocked(listPath, 0o600);
    if (locked === undefined) return;
    using _file = locked.file;
    for (const path of readList(Deno.readTextFileSync(listPath))) {
      if (path.endsWith(suffixOf(word)) && lstatOrUndefined(path)?.isFile === true) Deno.removeSync(path);
    }
    Deno.removeSync(listPath);
  } catch (error) {
    if (!(error instanceof ShoalError) && !(error instanceof Error && error.name in Deno.errors)) throw error;
  }
}

/** The noted paths; a line that is torn is left out: its file was not made. */
function* readList(text: string): Generator<string> {
  for (const line of text.split("\n")) {
    try {
      const path: unknown = JSON.parse(line);
      if (typeof path === "string") yield path;
    } catch {
      // Torn by the crash.
    }
  }
}
