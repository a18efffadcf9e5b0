/** ask_line: one question to the person at the terminal, while a command runs.  (I/O) */

import process from "node:process";
import { createInterface } from "node:readline";

/** Asks on stderr and reads a line; undefined at the end of input or when the signal aborts. Signals are heard meanwhile. */
export async function askLine(question: string, signal: AbortSignal): Promise<string | undefined> {
  const editor = createInterface({ input: process.stdin, output: process.stderr, terminal: false });
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  const giveUp = () => resolve(undefined);
  editor.on("close", giveUp);
  signal.addEventListener("abort", giveUp, { once: true });
  if (signal.aborted) giveUp();
  editor.question(question, resolve);
  const answer = await promise;
  signal.removeEventListener("abort", giveUp);
  editor.close();
  return answer;
}
