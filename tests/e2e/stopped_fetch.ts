/** stopped_fetch: a fetch that stands still in its middle, by SIGSTOP, so that a test can change the world around it in peace. */

import type { Program, Stage } from "../../scripts/programs.ts";
import { assertDone } from "./ended.ts";
import { journalBytes, readJournal } from "./journals.ts";

/** As many pieces verified are the middle of any file that tests stop at. */
const verifiedMin = 8;
const attemptsMax = 20;

/**
 * Starts a fetch and stops it in its middle; a fetch that was faster is undone and begun again.
 * @param undo Takes away what a finished fetch left.
 * @throws {Error} If it is faster each time: the file is too small.
 */
export async function stopFetch(
  { stage, account, command, undo }: {
    readonly stage: Stage;
    readonly account: string;
    readonly command: readonly string[];
    readonly undo: () => Promise<void>;
  },
): Promise<Program> {
  const home = stage.path(`home-${account}`);
  for (let attempt = 0; attempt < attemptsMax; attempt++) {
    const fetching = stage.peer(account, command);
    const isUnderWay = () => journalBytes(home) > 0 && (readJournal(home)?.verified.size ?? 0) >= verifiedMin;
    while (!fetching.hasEnded && !isUnderWay()) await new Promise((wake) => setTimeout(wake, 1));
    fetching.signal("SIGSTOP");
    if (isUnderWay() && !fetching.hasEnded) return fetching;
    fetching.signal("SIGCONT");
    assertDone(await fetching.end());
    await undo();
  }
  throw new Error(`Cannot stop ${command.join(" ")} in its middle: it is done too fast`);
}
