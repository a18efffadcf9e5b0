/**
 * one_shot: a command given in argv, from its start to the program's exit code. Laws: 1) `share` and `serve` go on serving
 * when this process is the peer;  2) the first Ctrl-C stops with what is verified kept and prints the line that goes on;
 * 3) a second one ends at once, whatever hangs.  Spec: docs/cli.md.  (pure over CommandRunner, Screen and SignalHost)
 */

import { errorCodes, type ShoalError } from "../core/errors.ts";
import type { Command, CommandRunner, FetchTarget, PeerEvent } from "../peer/commands.ts";
import { type Ambiguous, type FetchCommand, questionText, readAnswer, withChoice } from "./ambiguity.ts";
import type { EventSink } from "./event_sink.ts";
import type { Presentation } from "./presentation.ts";
import { exitOfPeer, runCommand, showNotes } from "./run_command.ts";
import { type SignalHost, SignalWatch } from "./signals.ts";

/** The line that tells where a peer serves. */
export type ReadyEvent = Extract<PeerEvent, { type: "ready" }>;

export interface OneShotOptions {
  readonly runner: CommandRunner;
  readonly command: Command;
  readonly presentation: Presentation;
  readonly signals: SignalHost;
  /** Where this process serves; undefined when the command runs through the process that owns the home. */
  readonly ready: ReadyEvent | undefined;
  /** Settles when this process's peer ends by itself, and why; undefined where it is another process's. */
  readonly ended: Promise<ShoalError | undefined> | undefined;
  /** Asks a person; undefined where nobody can answer. Answers undefined at the end of input. */
  readonly ask: ((question: string, signal: AbortSignal) => Promise<string | undefined>) | undefined;
  /** The command line that goes on with a stopped fetch, quoted for a shell. */
  readonly resumeLine: string;
}

/** Wrong answers to one question before it counts as declined. */
const answersMax = 3;

/** Runs the command. Resolves to the exit code; the caller ends the process with it. */
export async function runOneShot(options: OneShotOptions): Promise<number> {
  const controller = new AbortController();
  const quit = Promise.withResolvers<number>();
  let stoppedBy: "interrupt" | "drain" | undefined;
  const stop = (by: "interrupt" | "drain") => {
    stoppedBy ??= by;
    if (options.command.command === "fetch" && !controller.signal.aborted) {
      options.presentation.screen.notice(`Stopping; what is verified is kept. To go on:\n  ${options.resumeLine}`);
    }
    controller.abort();
  };
  using _watch = new SignalWatch(options.signals, {
    stop: () => stop("interrupt"),
    drain: () => stop("drain"),
    quit: quit.resolve,
  });
  showNotes(options.runner, options.presentation.open);
  const finish = async () => {
    const { exitCode, isServing } = await runWhole(options, controller.signal);
    if (isServing) return stoppedBy === "drain" ? 0 : errorCodes.interrupted.exit;
    if (exitCode === 0 || stoppedBy === undefined) return exitCode;
    if (stoppedBy === "interrupt") return errorCodes.interrupted.exit;
    return exitCode === errorCodes.interrupted.exit ? errorCodes.unfinished.exit : exitCode;
  };
  return await Promise.race([finish(), quit.promise, exitOfPeer(options.ended, options.presentation.open)]);
}

async function runWhole(
  options: OneShotOptions,
  signal: AbortSignal,
): Promise<{ readonly exitCode: number; readonly isServing: boolean }> {
  const { runner, command, presentation, ready } = options;
  if (command.command === "fetch") return { exitCode: await runFetch(command, options, signal), isServing: false };
  const sink = new SharedWatch(presentation.open());
  const { exitCode } = await runCommand(runner, command, signal, sink, false);
  const hasFiles = command.command === "serve" || sink.hasShared;
  const isServing = ready !== undefined && hasFiles && !signal.aborted;
  if (isServing) {
    presentation.open().show(ready);
    await aborted(signal);
  }
  return { exitCode, isServing };
}

/** Runs a fetch, again for each question that it comes back with. */
async function runFetch(fetch: FetchCommand, options: OneShotOptions, signal: AbortSignal): Promise<number> {
  const { runner, presentation } = options;
  const ask = presentation.json ? undefined : options.ask;
  let command = fetch;
  for (;;) {
    const sink = presentation.open();
    const { exitCode, question } = await runCommand(runner, command, signal, sink, ask !== undefined);
    if (ask === undefined || question === undefined) return exitCode;
    const chosen = await askFor(question, ask, presentation, signal);
    if (chosen === undefined) return errorCodes.usage.exit;
    command = withChoice(command, question, chosen);
  }
}

async function askFor(
  question: Ambiguous,
  ask: NonNullable<OneShotOptions["ask"]>,
  { screen }: Presentation,
  signal: AbortSignal,
): Promise<FetchTarget | undefined> {
  const { showChoices } = await import("./render.ts");
  showChoices(question, screen);
  for (let tries = 0; tries < answersMax && !signal.aborted; tries++) {
    const target = readAnswer(question, await ask(questionText(question), signal) ?? "");
    if (target === "none") return undefined;
    if (target !== undefined) return target;
  }
  return undefined;
}

/** Passes events on and notes whether a file was shared: then there is something to serve. */
class SharedWatch implements EventSink {
  hasShared = false;
  readonly #sink: EventSink;

  constructor(sink: EventSink) {
    this.#sink = sink;
  }

  show(event: PeerEvent): void {
    this.hasShared ||= event.type === "shared";
    this.#sink.show(event);
  }

  finish(command?: string): void {
    this.#sink.finish(command);
  }
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  signal.addEventListener("abort", () => resolve(), { once: true });
  await promise;
}
