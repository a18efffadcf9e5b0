/**
 * terminal: the streams and the person that this process was started with. Law: a reader that has gone away (`| head`) ends the
 * program quietly; output that cannot be written otherwise ends it with the exit code of its reason.  (I/O)
 */

import { promptSecret } from "@std/cli";
import { type ShoalError, storeErrorFrom } from "../core/errors.ts";
import type { FolderEntry } from "./completion.ts";
import type { LoginTerminal } from "./login_prompt.ts";
import type { TextStream } from "./screen.ts";

const defaultColumns = 80;

/** Opens stdout or stderr for text. */
export function openStream(file: typeof Deno.stdout | typeof Deno.stderr): TextStream {
  const isTerminal = file.isTerminal();
  return {
    isTerminal,
    columns: () => isTerminal ? Deno.consoleSize().columns || defaultColumns : defaultColumns,
    write(text) {
      try {
        const bytes = new TextEncoder().encode(text);
        for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
      } catch (error) {
        if (error instanceof Deno.errors.BrokenPipe) Deno.exit(0);
        if (file === Deno.stderr) return; // What is said beside the data is no reason to end, and cannot be complained of.
        endWithout(storeErrorFrom(error, "write to", "standard output"));
      }
    },
  };
}

/** Ends the program where its data cannot go: the errors of a command would take the same way. */
function endWithout(error: ShoalError): never {
  openStream(Deno.stderr).write(`error: ${error.message}\n`);
  Deno.exit(error.exitCode);
}

/** The terminal to log in at; undefined unless a person can both read and type there. It blocks: open no signals before. */
export function openLoginTerminal(err: TextStream): LoginTerminal | undefined {
  // Questions are written to stdout, which belongs to the data when it is no terminal.
  if (!Deno.stdin.isTerminal() || !Deno.stdout.isTerminal()) return undefined;
  return {
    ask: (question) => prompt(question) ?? undefined,
    askSecret: (question) => promptSecret(question, { mask: "" }) ?? undefined,
    say: (line) => err.write(line + "\n"),
  };
}

/** Lists a folder for completion. @throws {Error} If it cannot be read. */
export async function listFolder(path: string): Promise<readonly FolderEntry[]> {
  const entries: FolderEntry[] = [];
  for await (const { name, isDirectory } of Deno.readDir(path)) entries.push({ name, isFolder: isDirectory });
  return entries;
}
