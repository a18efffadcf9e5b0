/**
 * script: commands read line by line from a pipe. Laws: 1) each is done before the next is read, `fetch` too;  2) a failed one
 * does not end the others, and the exit code is the last one's, as in a shell;  3) the end of input ends the peer.
 * Spec: docs/cli.md "The prompt".  (pure over CommandRunner and SignalHost, but for `stdinLines`)
 */

import { TextLineStream } from "@std/streams";
import { errorCodes, type ShoalError } from "../core/errors.ts";
import type { CommandRunner } from "../peer/commands.ts";
import { leaving } from "../peer/leaving.ts";
import { parseLine } from "./command_line.ts";
import type { CommandContext } from "./command_table.ts";
import { exitCodeOf, failureEvent } from "./failure.ts";
import type { ReadyEvent } from "./one_shot.ts";
import type { Presentation } from "./presentation.ts";
import { exitOfPeer, runCommand, showNotes } from "./run_command.ts";
import { type SignalHost, SignalWatch } from "./signals.ts";

export interface ScriptOptions {
  readonly runner: CommandRunner;
  readonly lines: AsyncIterable<string>;
  readonly presentation: Presentation;
  readonly signals: SignalHost;
  readonly context: CommandContext;
  readonly homeFolder: string | undefined;
  /** Where this process serves; undefined when commands run through the process that owns the home. */
  readonly ready: ReadyEvent | undefined;
  /** Settles when this process's peer ends by itself, and why; undefined where it is another process's. */
  readonly ended: Promise<ShoalError | undefined> | undefined;
}

/** Runs all lines. Resolves to the exit code; the caller ends the process with it. */
export async function runScript(options: ScriptOptions): Promise<number> {
  const { lines, presentation, ready, runner } = options;
  const controller = new AbortController();
  const { promise: stopped, resolve: end } = Promise.withResolvers<number>();
  let idleExit = errorCodes.interrupted.exit as number;
  let isRunning = false;
  const stop = () => {
    controller.abort(leaving);
    // A line that never comes must not keep a stopped program.
    if (!isRunning) end(idleExit);
  };
  using _watch = new SignalWatch(options.signals, {
    stop,
    drain() {
      idleExit = 0;
      stop();
    },
    quit: end,
  });
  if (ready !== undefined) presentation.open().show(ready);
  showNotes(runner, presentation.open);
  const runAll = async () => {
    let exitCode = 0;
    for await (const line of lines) {
      isRunning = true;
      const done = await runLine(line, options, controller.signal);
      isRunning = false;
      if (done === "quit") return exitCode;
      if (done !== undefined) exitCode = done;
      if (controller.signal.aborted) return idleExit || exitCode;
    }
    return exitCode;
  };
  return await Promise.race([runAll(), stopped, exitOfPeer(options.ended, presentation.open)]);
}

/** The lines of standard input. */
export function stdinLines(): AsyncIterable<string> {
  return Deno.stdin.readable.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream());
}

async function runLine(
  line: string,
  { runner, presentation, context, homeFolder }: ScriptOptions,
  signal: AbortSignal,
): Promise<number | "quit" | undefined> {
  const sink = presentation.open();
  try {
    const asked = parseLine(line, context, homeFolder);
    if (asked === undefined) return undefined;
    if (asked.kind === "help") {
      presentation.screen.data(asked.text);
      return 0;
    }
    if (asked.command.command === "quit") return "quit";
    return (await runCommand(runner, asked.command, signal, sink, false)).exitCode;
  } catch (error) {
    const event = failureEvent(error);
    sink.show(event);
    return exitCodeOf(event);
  }
}
