/** stalled_fetch: a fetch at a terminal that waits for its holder, so that a test can press keys in its middle. */

import type { Program, Stage } from "../../scripts/programs.ts";
import { fetchedPath } from "./files.ts";
import { journalBytes, readJournal } from "./journals.ts";
import { openTerminal } from "./terminal.ts";

const attemptsMax = 20;

/**
 * Starts bob's fetch of large.bin, and stops its holder in the middle; a fetch that was faster is undone and begun again.
 * @param words The command line.
 * @throws {Error} If it is faster each time: the file is too small.
 */
export async function stallFetch(stage: Stage, holder: Program, words: readonly string[]): Promise<Program> {
  const home = stage.path("home-bob");
  for (let attempt = 0; attempt < attemptsMax; attempt++) {
    const fetching = openTerminal(stage, words);
    while (!fetching.hasEnded && (readJournal(home)?.verified.size ?? 0) === 0) {
      await new Promise((wake) => setTimeout(wake, 1));
    }
    holder.signal("SIGSTOP");
    // What was on its way when the holder stopped arrives still; after that nothing does.
    for (let bytes = -1; bytes !== journalBytes(home); await new Promise((wake) => setTimeout(wake, 100))) {
      bytes = journalBytes(home);
    }
    if (journalBytes(home) > 0 && !fetching.hasEnded) return fetching;
    holder.signal("SIGCONT");
    await fetching.end();
    await Deno.remove(fetchedPath(stage, "bob", "large.bin"));
  }
  throw new Error("Cannot stop a fetch in its middle: it is done too fast");
}
