/**
 * run_command: one command from its first event to its exit code. Laws: 1) it always ends with an exit code: what is thrown, and
 * a stream that breaks off, are errors like others;  2) where somebody can answer, an ambiguous name is a question and not
 * an error.  (pure over CommandRunner)
 */

import { NetworkError, type ShoalError } from "../core/errors.ts";
import type { Command, CommandRunner } from "../peer/commands.ts";
import type { Ambiguous } from "./ambiguity.ts";
import type { EventSink } from "./event_sink.ts";
import { exitCodeOf, failureEvent } from "./failure.ts";

export interface Outcome {
  readonly exitCode: number;
  /** What is to be asked first: the same command with the answer may ask the next. Undefined unless `canAsk`. */
  readonly question: Ambiguous | undefined;
}

/**
 * Runs a command and shows its events. Never throws.
 * @param canAsk Whether an ambiguous name comes back as a question; then the error that follows it is neither shown nor counted.
 */
export async function runCommand(
  runner: CommandRunner,
  command: Command,
  signal: AbortSignal,
  sink: EventSink,
  canAsk: boolean,
): Promise<Outcome> {
  let question: Ambiguous | undefined;
  let unanswered = 0;
  let failed = 0;
  let ended: number | undefined;
  try {
    for await (const event of runner.run(command, signal)) {
      if (event.type === "end") {
        ended = event.exitCode;
        break;
      }
      if (event.type === "ambiguous" && canAsk) {
        question ??= event;
        unanswered++;
        continue;
      }
      if (event.type === "error") {
        if (event.code === "usage" && unanswered > 0) {
          unanswered--;
          continue;
        }
        failed ||= exitCodeOf(event);
      }
      sink.show(event);
    }
    if (ended === undefined) throw new NetworkError(`Cannot finish ${command.command}: the peer broke off`);
  } catch (error) {
    const event = failureEvent(error);
    sink.show(event);
    ended = failed || exitCodeOf(event);
  }
  const exitCode = question === undefined ? ended : failed;
  sink.finish(exitCode === 0 ? command.command : undefined);
  return { exitCode, question };
}

/** Shows the notes that belong to no command, until the runner is gone. */
export async function showNotes(runner: CommandRunner, open: () => EventSink): Promise<void> {
  try {
    for (;;) {
      const note = await runner.nextNote();
      if (note === undefined) return;
      open().show(note);
    }
  } catch {
    // The runner is gone: the command that runs says so, if one does.
  }
}

/** Settles when the peer ends by itself, with the exit code that follows; never where that cannot be. */
export async function exitOfPeer(
  ended: Promise<ShoalError | undefined> | undefined,
  open: () => EventSink,
): Promise<number> {
  const reason = await (ended ?? new Promise<never>(() => {}));
  if (reason === undefined) return 0;
  const event = failureEvent(reason);
  open().show(event);
  return exitCodeOf(event);
}
