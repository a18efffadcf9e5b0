/**
 * programs: starts the real coordinator and peers as child processes, for the demo, the benchmarks and the end-to-end tests. Laws: 1)
 * a program is ready when it said so, never after a pause;  2) whatever is started is ended, by process id, when it is disposed;
 * 3) nothing of the caller's SHOAL_* environment reaches a child;  4) every wait has an end, and tells what the program said until then.
 * (I/O)
 */

import { fromFileUrl, join } from "@std/path";
import { v8Args } from "./ship/bundle.ts";

const root = fromFileUrl(new URL("..", import.meta.url));

/** A wait for a line, a text or an end is given up after this, in milliseconds: far beyond what a loaded machine needs. */
const waitMsMax = 120_000;

/** One line of a program's `--json` output. */
export type Line = Readonly<Record<string, unknown>> & { readonly type: string };

export interface ProgramOptions {
  /** Added to the child's environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** The child's working folder; else the project's. */
  readonly cwd?: string;
  /** Written to its standard input, which then ends; without it there is none. */
  readonly input?: string;
  /** Standard input stays open for `type`. */
  readonly isTypedTo?: true;
  /** What is started in place of Deno. */
  readonly executable?: string;
}

/** How a program ended. */
export interface Ended {
  readonly code: number;
  readonly signal: Deno.Signal | null;
  readonly stdout: string;
  readonly stderr: string;
  /** The lines of stdout that are JSON objects. */
  readonly lines: readonly Line[];
}

/** A running program. */
export class Program implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #stdout: Promise<void>;
  readonly #stderr: Promise<void>;
  readonly #lines: Line[] = [];
  readonly #waiting = new Set<() => void>();
  #stdin: WritableStreamDefaultWriter<Uint8Array> | undefined;
  #stdoutText = "";
  #stderrText = "";
  #ended: Deno.CommandStatus | undefined;

  constructor(args: readonly string[], options: ProgramOptions = {}) {
    const { input, isTypedTo = false, executable = Deno.execPath() } = options;
    this.#child = new Deno.Command(executable, {
      args: [...args],
      cwd: options.cwd ?? root,
      env: { ...childEnvironment(), ...options.env },
      clearEnv: true,
      stdin: input === undefined && !isTypedTo ? "null" : "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#stdout = this.#read(this.#child.stdout, (text) => this.#takeStdout(text));
    this.#stderr = this.#read(this.#child.stderr, (text) => this.#stderrText += text);
    this.#child.status.then((status) => {
      this.#ended = status;
      this.#wakeAll();
    });
    if (input !== undefined || isTypedTo) this.#stdin = this.#child.stdin.getWriter();
    if (input !== undefined) this.type(input, { last: true });
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** The JSON lines so far. */
  get lines(): readonly Line[] {
    return this.#lines;
  }

  get stdout(): string {
    return this.#stdoutText;
  }

  get stderr(): string {
    return this.#stderrText;
  }

  get hasEnded(): boolean {
    return this.#ended !== undefined;
  }

  /** Writes to its standard input; with `last` that ends. What an ended program no longer reads is dropped. */
  type(text: string, { last = false } = {}): void {
    const stdin = this.#stdin!;
    stdin.write(new TextEncoder().encode(text)).catch(() => {});
    if (last) stdin.close().catch(() => {});
  }

  /** Waits for the first line (from `after` on) that passes. @throws {Error} If none comes, with what the program said. */
  async line(passes: (line: Line) => boolean, after = 0): Promise<Line> {
    return await this.#wait(`a line that passes ${passes}`, () => this.#lines.slice(after).find(passes));
  }

  /** Waits until its stderr holds a text, from character `after` on. */
  async note(text: string, after = 0): Promise<void> {
    await this.#wait(text, () => this.#stderrText.includes(text, after) || undefined);
  }

  /** Waits until its stdout holds a text, from character `after` on. */
  async output(text: string, after = 0): Promise<void> {
    await this.#wait(text, () => this.#stdoutText.includes(text, after) || undefined);
  }

  /** Waits for its ready line, and tells the port. */
  async ready(): Promise<number> {
    return (await this.line((line) => line.type === "ready"))["port"] as number;
  }

  signal(signal: Deno.Signal): void {
    if (this.#ended === undefined) this.#child.kill(signal);
  }

  /** Waits for its end. @throws {Error} If it does not come, with what the program said. */
  async end(): Promise<Ended> {
    const { code, signal } = await this.#wait("its end", () => this.#ended);
    await Promise.all([this.#stdout, this.#stderr]);
    await this.#stdin?.close().catch(() => {
      // Its other end is gone, or it is closed already.
    });
    return { code, signal, stdout: this.#stdoutText, stderr: this.#stderrText, lines: this.#lines };
  }

  /** Ends it at once. */
  async kill(): Promise<void> {
    this.signal("SIGKILL");
    await this.end();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }

  /** Waits until `look` answers. @throws {Error} If the program ends first, or it takes too long. */
  async #wait<T>(what: string, look: () => T | undefined): Promise<T> {
    const giveUpAtMs = performance.now() + waitMsMax;
    for (;;) {
      const hadEnded = this.#ended;
      if (hadEnded !== undefined) await Promise.all([this.#stdout, this.#stderr]);
      const found = look();
      if (found !== undefined) return found;
      const failed = hadEnded !== undefined ? `The program ended (${hadEnded.code})` : `${waitMsMax} ms went by`;
      if (hadEnded !== undefined || performance.now() >= giveUpAtMs) {
        throw new Error(`${failed} before ${what}; it said: ${this.#stdoutText}${this.#stderrText}`);
      }
      await this.#change(giveUpAtMs - performance.now());
    }
  }

  #change(msMax: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        this.#waiting.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, msMax);
      this.#waiting.add(wake);
    });
  }

  #wakeAll(): void {
    for (const wake of [...this.#waiting]) wake();
  }

  async #read(stream: ReadableStream<Uint8Array>, take: (text: string) => void): Promise<void> {
    const decoder = new TextDecoder();
    for await (const bytes of stream) {
      take(decoder.decode(bytes, { stream: true }));
      this.#wakeAll();
    }
  }

  #partial = "";
  #takeStdout(text: string): void {
    this.#stdoutText += text;
    const parts = (this.#partial + text).split("\n");
    this.#partial = parts.pop()!;
    for (const part of parts) {
      if (part.startsWith("{")) this.#lines.push(JSON.parse(part) as Line);
    }
  }
}

/** What a child needs of this environment: where Deno keeps its cache, and how it reaches npm. */
function childEnvironment(): Record<string, string> {
  // Without the last one Deno asks its maker whether there is a newer version.
  const kept: Record<string, string> = { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" };
  for (const name of ["PATH", "HOME", "DENO_DIR", "NODE_EXTRA_CA_CERTS", "LANG"]) {
    const value = Deno.env.get(name);
    if (value !== undefined) kept[name] = value;
  }
  return kept;
}

/** The words that start a program; the first one is what is executed. */
export type StartWords = (program: "coordinator" | "peer") => readonly string[];

/** The arguments that start a program the way its task does. */
export function programArgs(program: "coordinator" | "peer"): string[] {
  return [
    "run",
    "-q",
    "--no-prompt",
    ...v8Args[program],
    `-P=${program}`,
    "--config",
    join(root, "deno.json"),
    join(root, `${program}.ts`),
  ];
}

/** A folder with a coordinator's and some peers' things, removed at the end. */
export class Stage implements AsyncDisposable {
  readonly folder: string;
  readonly #startWords: StartWords;
  readonly #programs: Program[] = [];
  #coordinatorPort = 0;

  private constructor(folder: string, startWords: StartWords) {
    this.folder = folder;
    this.#startWords = startWords;
  }

  /**
   * Makes the folder and writes the accounts `name password` that the coordinator is given.
   * @param options Where to make the folder, and how to start programs; from the source tree unless told.
   */
  static async open(
    accounts: Readonly<Record<string, string>>,
    { below, startWords = (program) => [Deno.execPath(), ...programArgs(program)] }: {
      readonly below?: string;
      readonly startWords?: StartWords;
    } = {},
  ): Promise<Stage> {
    const folder = await Deno.makeTempDir({ prefix: "shoal-", ...(below === undefined ? {} : { dir: below }) });
    const stage = new Stage(folder, startWords);
    const text = Object.entries(accounts).map(([name, password]) => `${name} ${password}\n`).join("");
    await Deno.writeTextFile(stage.path("credentials"), text, { mode: 0o600 });
    for (const [name, password] of Object.entries(accounts)) {
      await Deno.writeTextFile(stage.path(`${name}.password`), password, { mode: 0o600 });
    }
    return stage;
  }

  path(...parts: readonly string[]): string {
    return join(this.folder, ...parts);
  }

  /** The coordinator's port, 0 before `coordinator`. */
  get port(): number {
    return this.#coordinatorPort;
  }

  /** Lets peers log in at a coordinator that the caller runs itself. */
  use(coordinatorPort: number): void {
    this.#coordinatorPort = coordinatorPort;
  }

  /** Starts any program of ours; it ends with the stage. */
  start(program: "coordinator" | "peer", args: readonly string[], options: ProgramOptions = {}): Program {
    const [executable, ...words] = this.#startWords(program);
    return this.run([...words, ...args], { executable: executable!, ...options });
  }

  /** Starts anything else; it ends with the stage. */
  run(args: readonly string[], options: ProgramOptions = {}): Program {
    const started = new Program(args, options);
    this.#programs.push(started);
    return started;
  }

  /** Starts the coordinator on its last port, or a free one, and waits until it is ready. */
  async coordinator(args: readonly string[] = [], options: ProgramOptions = {}): Promise<Program> {
    const started = this.start("coordinator", [
      String(this.#coordinatorPort),
      "--data",
      this.path("data"),
      "--credentials",
      this.path("credentials"),
      "--json",
      ...args,
    ], options);
    this.#coordinatorPort = await started.ready();
    return started;
  }

  /** The arguments of an account's peer, but for its command; its home and its folder are its own (`home`). */
  peerWords(account: string, home = account): string[] {
    return [
      String(this.#coordinatorPort),
      ...["--user", account, "--password-file", this.path(`${account}.password`)],
      ...["--home", this.path(`home-${home}`), "--dir", this.path(`files-${home}`)],
    ];
  }

  /** Starts a peer of an account with a home of its own (`home`, else the account's name); `--json` is added. */
  peer(
    account: string,
    command: readonly string[],
    { home = account, ...options }: ProgramOptions & { readonly home?: string } = {},
  ): Program {
    return this.start("peer", [...this.peerWords(account, home), "--json", ...command], options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#programs.map((program) => program.kill()));
    await Deno.remove(this.folder, { recursive: true });
  }
}
