/**
 * prompt: the line a person types commands at. Laws: 1) one command at a time, but `fetch` runs in the background and its progress is
 * drawn above the line;  2) the first Ctrl-C stops what runs and says how to go on, or clears the line; a second one, without
 * a key or command between them, quits;  3) Ctrl-D and `quit` leave with what is verified kept, and fetched on at the next start.  Spec: docs/cli.md "The prompt".
 */

import { createInterface, type Interface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import type { ShoalError } from "../core/errors.ts";
import { escapeName, escapeText } from "../core/escape.ts";
import type { CommandRunner, FetchTarget } from "../peer/commands.ts";
import { leaving } from "../peer/leaving.ts";
import { type Ambiguous, type FetchCommand, questionText, readAnswer, withChoice } from "./ambiguity.ts";
import { formatFetch, parseLine } from "./command_line.ts";
import type { CommandContext } from "./command_table.ts";
import { completeLine, type FolderEntry } from "./completion.ts";
import { failureEvent } from "./failure.ts";
import type { History } from "./history.ts";
import type { ReadyEvent } from "./one_shot.ts";
import type { Presentation } from "./presentation.ts";
import { PromptScreen } from "./prompt_screen.ts";
import { showChoices } from "./render.ts";
import { exitOfPeer, runCommand, showNotes } from "./run_command.ts";
import type { TextStream } from "./screen.ts";
import { type SignalHost, SignalWatch } from "./signals.ts";
import { textPresentation } from "./text_presentation.ts";

export interface PromptOptions {
  readonly runner: CommandRunner;
  readonly context: CommandContext;
  readonly homeFolder: string | undefined;
  /** The terminal, both ways. */
  readonly input: Readable;
  readonly output: Writable;
  /** The same terminal, for its size. */
  readonly out: TextStream;
  readonly err: TextStream;
  readonly env: (name: string) => string | undefined;
  readonly history: History;
  readonly listFolder: (path: string) => Promise<readonly FolderEntry[]>;
  readonly signals: SignalHost;
  /** Milliseconds since 1970. */
  readonly clock: () => number;
  readonly quiet: boolean;
  readonly verbose: boolean;
  /** Where this process serves; undefined when commands run through the process that owns the home. */
  readonly ready: ReadyEvent | undefined;
  /** Settles when this process's peer ends by itself, and why; undefined where it is another process's. */
  readonly ended: Promise<ShoalError | undefined> | undefined;
}

/** Runs the prompt until it is left. Resolves to the exit code; the caller ends the process with it. */
export async function runPrompt(options: PromptOptions): Promise<number> {
  using prompt = new Prompt(options);
  return await prompt.run();
}

/** A fetch in the background. */
interface Job {
  readonly command: FetchCommand;
  readonly controller: AbortController;
  readonly done: Promise<void>;
}

interface Question {
  readonly ambiguous: Ambiguous;
  /** The fetch that it came of. */
  readonly command: FetchCommand;
}

interface Entered {
  readonly text: string;
  /** What it answers, if it was typed at a question. */
  readonly question: Question | undefined;
}

const promptText = "shoal> ";

class Prompt implements Disposable {
  readonly #options: PromptOptions;
  readonly #editor: Interface;
  readonly #screen: PromptScreen;
  readonly #presentation: Presentation;
  readonly #watch: SignalWatch;
  readonly #quit = Promise.withResolvers<number>();
  readonly #jobs = new Set<Job>();
  readonly #questions: Question[] = [];
  readonly #entered: Entered[] = [];
  #wake: (() => void) | undefined;
  #asking: Question | undefined;
  #foreground: AbortController | undefined;
  /** Whether the foreground is a list that runs until Ctrl-C, which then means it alone. */
  #isWatching = false;
  #isClosed = false;
  #historyFailed = false;

  constructor(options: PromptOptions) {
    this.#options = options;
    const { input, output, out, err, env, clock, quiet, verbose, signals, history } = options;
    this.#editor = createInterface({
      input,
      output,
      terminal: true,
      history: history.newestFirst(),
      historySize: 1_000,
      removeHistoryDuplicates: true,
      completer: (line: string, done: (error: null, completion: [string[], string]) => void) => {
        this.#complete(line).then((completion) => done(null, completion));
      },
    });
    this.#screen = new PromptScreen({ editor: this.#editor, output, out, err, env });
    this.#presentation = textPresentation({ screen: this.#screen, quiet, verbose, clock });
    this.#watch = new SignalWatch(signals, {
      stop: () => this.#stop(),
      drain: () => this.#close(),
      quit: (exitCode) => {
        this.#sayHowToGoOn(true);
        this.#quit.resolve(exitCode);
      },
    });
    this.#listen(input);
  }

  async run(): Promise<number> {
    const { ready, runner } = this.#options;
    if (ready !== undefined) this.#presentation.open().show(ready);
    else this.#screen.notice("Another process serves this home; commands run through it");
    this.#screen.notice("Type help for the commands, quit to leave");
    showNotes(runner, this.#presentation.open);
    return await Promise.race([
      this.#converse(),
      this.#quit.promise,
      exitOfPeer(this.#options.ended, this.#presentation.open),
    ]);
  }

  [Symbol.dispose](): void {
    this.#watch[Symbol.dispose]();
    this.#screen.close();
    this.#editor.close();
  }

  #listen(input: Readable): void {
    this.#editor.on("line", (text: string) => {
      this.#screen.entered(text);
      this.#entered.push({ text, question: this.#asking });
      this.#asking = undefined;
      this.#wake?.();
    });
    this.#editor.on("close", () => this.#close());
    this.#editor.on("SIGINT", () => this.#watch.receive("SIGINT"));
    // Suspending would leave the terminal raw and stop serving.
    this.#editor.on("SIGTSTP", () => {});
    input.on("keypress", (_: unknown, key: { ctrl?: boolean; name?: string } | undefined) => {
      if (!(key?.ctrl && key.name === "c")) this.#watch.reset();
    });
  }

  async #converse(): Promise<number> {
    for (;;) {
      const entered = await this.#next();
      if (entered === undefined) break;
      if (entered.question !== undefined && this.#answer(entered.question, entered.text)) continue;
      if (await this.#act(entered.text)) break;
    }
    this.#close();
    await this.#stopJobs(leaving);
    return 0;
  }

  /** Waits for a line; undefined when there will be none. */
  async #next(): Promise<Entered | undefined> {
    for (;;) {
      if (this.#isClosed) return undefined;
      const entered = this.#entered.shift();
      if (entered !== undefined) return entered;
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      this.#invite();
      await promise;
      this.#wake = undefined;
    }
  }

  /** Shows the prompt, or the question that waits longest unless something is being typed. */
  #invite(): void {
    const question = this.#questions[0];
    if (question === undefined || this.#editor.line !== "") {
      this.#screen.showPrompt(promptText);
      return;
    }
    this.#questions.shift();
    this.#asking = question;
    showChoices(question.ambiguous, this.#screen);
    this.#screen.showPrompt(questionText(question.ambiguous));
  }

  /** Takes an answer. Returns false for a line that is none: it is a command, and the question is dropped. */
  #answer({ ambiguous, command }: Question, text: string): boolean {
    const answer = readAnswer(ambiguous, text);
    if (answer === undefined) {
      if (!/^[\d\s,]+$/.test(text)) return false;
      this.#questions.unshift({ ambiguous, command });
      return true;
    }
    if (answer !== "none") this.#startFetch(withChoice(command, ambiguous, answer));
    return true;
  }

  /** Does what a line says. Returns true when it is to leave. */
  async #act(line: string): Promise<boolean> {
    this.#remember(line);
    const sink = this.#presentation.open();
    const { context, homeFolder, runner } = this.#options;
    try {
      const asked = parseLine(line, context, homeFolder);
      if (asked === undefined) return false;
      if (asked.kind === "help") this.#screen.data(asked.text);
      else if (asked.command.command === "quit") return true;
      else if (asked.command.command === "fetch") this.#startFetch(asked.command);
      else {
        this.#foreground = new AbortController();
        this.#isWatching = asked.command.command === "transfers" && asked.command.watch === true;
        await runCommand(runner, asked.command, this.#foreground.signal, sink, false);
        this.#foreground = undefined;
        if (this.#isWatching) this.#watch.reset();
        this.#isWatching = false;
      }
    } catch (error) {
      sink.show(failureEvent(error));
    }
    return false;
  }

  #startFetch(command: FetchCommand): void {
    const controller = new AbortController();
    const sink = this.#presentation.open();
    const run = async () => {
      const asked = { ...command, inBackground: true } as const;
      const { question } = await runCommand(this.#options.runner, asked, controller.signal, sink, true);
      this.#jobs.delete(job);
      if (question === undefined || this.#isClosed) return;
      this.#questions.push({ ambiguous: question, command });
      if (this.#wake !== undefined && this.#asking === undefined) this.#invite();
    };
    if (!this.#options.quiet) this.#screen.notice(`Fetching ${namesOf(command.targets)} in the background`);
    const job: Job = { command, controller, done: Promise.resolve().then(run) };
    this.#jobs.add(job);
  }

  /** The first Ctrl-C. */
  #stop(): void {
    this.#foreground?.abort();
    if (this.#isWatching) return;
    // What was entered in the same moment has not begun, and shall not.
    this.#entered.length = 0;
    if (this.#jobs.size > 0) this.#stopJobs(undefined);
    else if (this.#foreground === undefined && !this.#isClosed) {
      this.#editor.write(null, { ctrl: true, name: "e" });
      this.#editor.write(null, { ctrl: true, name: "u" });
      this.#asking = undefined;
      this.#screen.notice("Type quit, or press Ctrl-C again, to leave");
      this.#screen.showPrompt(promptText);
    }
  }

  /** Stops the fetches and says how they go on; `reason`: `leaving`, or nothing where a person stops them. */
  async #stopJobs(reason: typeof leaving | undefined): Promise<void> {
    this.#sayHowToGoOn(reason === leaving);
    const jobs = [...this.#jobs];
    for (const { controller } of jobs) controller.abort(reason);
    await Promise.all(jobs.map(({ done }) => done));
  }

  #sayHowToGoOn(isLeaving: boolean): void {
    const running = [...this.#jobs].filter(({ controller }) => !controller.signal.aborted);
    if (running.length === 0) return;
    if (isLeaving && this.#options.ready !== undefined) {
      this.#screen.notice("Stopping; what is verified is kept. These go on at the next start:");
      for (const { command } of running) this.#screen.notice(`  ${namesOf(command.targets)}`);
      return;
    }
    this.#screen.notice("Stopping; what is verified is kept. To go on:");
    for (const { command } of running) this.#screen.notice(`  ${formatFetch(command, this.#options.context)}`);
  }

  /** Ends the conversation: Ctrl-D, quit, SIGTERM. */
  #close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#foreground?.abort();
    this.#screen.close();
    this.#editor.close();
    // After Ctrl-D the cursor is still on the line of the prompt.
    if (this.#wake !== undefined) this.#options.output.write("\n");
    this.#wake?.();
  }

  #remember(line: string): void {
    try {
      this.#options.history.add(line);
    } catch (error) {
      if (this.#historyFailed) return;
      this.#historyFailed = true;
      this.#screen.notice(
        `Cannot keep the history: ${escapeText(error instanceof Error ? error.message : String(error))}`,
      );
    }
  }

  async #complete(line: string): Promise<[string[], string]> {
    const { context, homeFolder, runner, listFolder } = this.#options;
    return await completeLine(line, {
      cwd: context.cwd,
      homeFolder,
      listFolder,
      knownNames: () => runner.knownNames(),
    });
  }
}

function namesOf(targets: readonly FetchTarget[]): string {
  return targets.length === 1 ? formatTarget(targets[0]!) : `${targets.length} names`;
}

function formatTarget(target: FetchTarget): string {
  return escapeName("file" in target ? target.file.name : target.pattern);
}
