/**
 * typed: lines that a benchmark types to a peer that is logged in, and what comes of them: no start and no login is in these times.
 * (I/O)
 */

import type { Line, Program, Stage } from "../programs.ts";

/** Starts a peer that takes lines, and waits until it is logged in. */
export async function startTyped(stage: Stage, account: string, options: readonly string[] = []): Promise<Program> {
  const program = stage.peer(account, options, { isTypedTo: true });
  await program.ready();
  return program;
}

/** Types a `fetch` line and waits until its files are there. @param files How many. @throws {Error} If one fails. */
export async function typeFetch(program: Program, words: readonly string[], files = 1): Promise<readonly Line[]> {
  const lines: Line[] = [];
  for await (const line of typedFetch(program, words, files)) {
    if (line.type === "error") throw new Error(`The fetch failed: ${line["message"]}`);
    lines.push(line);
  }
  return lines;
}

/** Types a `fetch` line, and yields a line of type `fetched` or `error` for each of its files as it comes. */
export async function* typedFetch(program: Program, words: readonly string[], files: number): AsyncGenerator<Line> {
  let after = program.lines.length;
  program.type(`fetch ${words.join(" ")}\n`);
  for (let count = 0; count < files; count++) {
    const line = await program.line(({ type }) => type === "fetched" || type === "error", after);
    after = program.lines.indexOf(line, after) + 1;
    yield line;
  }
}

/** Whether the peer of this tree knows an option. */
export async function hasOption(stage: Stage, option: string): Promise<boolean> {
  await using help = stage.start("peer", ["--help"]);
  return (await help.end()).stdout.includes(option);
}
