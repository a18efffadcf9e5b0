/**
 * terminal: runs programs on a pseudo-terminal, where Ctrl-C is a key and not a signal sent by us. By `script` of util-linux, which every
 * Debian has.
 */

import type { Program, ProgramOptions, Stage } from "../../scripts/programs.ts";

/** Keys as a terminal sends them. */
export const keys = { ctrlC: "\x03", ctrlD: "\x04", ctrlU: "\x15", enter: "\r", tab: "\t" } as const;

/** Whether this machine has what is needed. */
export const hasTerminal = (() => {
  try {
    return new Deno.Command("script", { args: ["--version"], stdout: "null", stderr: "null" }).outputSync().success;
  } catch {
    return false;
  }
})();

/** Starts a command line on a terminal of its own; what it shows is the program's stdout. It ends with the stage. */
export function openTerminal(stage: Stage, words: readonly string[], options: ProgramOptions = {}): Program {
  const line = `stty rows 40 cols 200; exec ${words.map(quote).join(" ")}`;
  return stage.run(["-qec", line, "/dev/null"], {
    ...options,
    executable: "script",
    isTypedTo: true,
    env: { TERM: "xterm", ...options.env },
  });
}

function quote(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}
