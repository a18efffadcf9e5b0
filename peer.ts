/**
 * peer: the program. Command line → config → a home, or the peer that owns it → commands → exit code. Law: what one way of running
 * alone needs is loaded by it: the peer where this process owns the home, tables for people, the editor of lines for the prompt.
 */

import { join } from "@std/path";
import { type PeerConfig, readInvocation } from "./lib/cli/config.ts";
import { exitCodeOf, failureEvent } from "./lib/cli/failure.ts";
import { invocationWords } from "./lib/cli/invocation_words.ts";
import { type Credentials, logIn, type LoginSources } from "./lib/cli/login_prompt.ts";
import type { NewAccount } from "./lib/cli/register.ts";
import { readPasswordFile } from "./lib/cli/password_file.ts";
import { type Presentation, presentationOf } from "./lib/cli/presentation.ts";
import { type OneShotOptions, runOneShot } from "./lib/cli/one_shot.ts";
import { StreamScreen } from "./lib/cli/screen.ts";
import { runScript, stdinLines } from "./lib/cli/script.ts";
import { processSignals, SignalWatch } from "./lib/cli/signals.ts";
import { listFolder, openLoginTerminal, openStream } from "./lib/cli/terminal.ts";
import { shellQuote } from "./lib/cli/words.ts";
import { formatVersion } from "./lib/cli/version.ts";
import { workingFolder } from "./lib/cli/working_folder.ts";
import { ShoalError, storeErrorFrom } from "./lib/core/errors.ts";
import { protocolVersion } from "./lib/core/version.ts";
import { type Endpoint, formatEndpoint } from "./lib/core/transport.ts";
import type { Command, CommandRunner } from "./lib/peer/commands.ts";
import type { Home } from "./lib/peer/home.ts";
import type { Peer } from "./lib/peer/peer.ts";

/** How long an orderly end may take before the program ends all the same, in milliseconds. */
const closingMs = 3_000;

const env = (name: string) => Deno.env.get(name);
const [out, err] = [openStream(Deno.stdout), openStream(Deno.stderr)];

async function main(): Promise<number> {
  let presentation: Presentation | undefined;
  try {
    const invocation = readInvocation(Deno.args, {
      env,
      cwd: workingFolder(import.meta.url, Deno.cwd(), env),
      readText,
    });
    if (invocation.kind === "help") return say(invocation.text);
    if (invocation.kind === "version") {
      const { version: { deno }, build: { target } } = Deno;
      return say(formatVersion({ program: "peer", protocol: protocolVersion, deno, target }, invocation.json));
    }
    presentation = await presentationFor(invocation.config);
    return await run(invocation.config, presentation);
  } catch (error) {
    const event = failureEvent(error);
    presentation ??= await presentationFor({ json: Deno.args.includes("--json"), quiet: false, verbose: false });
    presentation.open().show(event);
    return exitCodeOf(event);
  }
}

/** Runs as the peer that owns the home, or through it. */
async function run(config: PeerConfig, presentation: Presentation): Promise<number> {
  const [{ resolveHost }, { takeHome }] = await Promise.all([
    import("./lib/net/resolve.ts"),
    import("./lib/peer/take_home.ts"),
  ]);
  const { folders, user: account } = config;
  const { host, port } = config.coordinator;
  const coordinator: Endpoint = { ip: await resolveHost(host), port };
  const owned = await takeHome({ folders, coordinator: formatEndpoint(coordinator), account });
  if ("run" in owned) {
    using client = owned;
    if (config.register === undefined) return await command(config, presentation, client, undefined);
    throw new ShoalError("exists", "Cannot register: another process serves this home, as an account that is there", {
      hint: "End it with quit, or choose another folder with --home",
    });
  }
  using home = owned;
  const { KnownCoordinators } = await import("./lib/peer/known_coordinators.ts");
  const coordinators = KnownCoordinators.open(folders.state);
  const address = coordinators.networkOf(formatEndpoint(coordinator));
  const { publicKey: device } = home.device;
  const sources = {
    user: config.user,
    enrolled: coordinators.accountsAt(address),
    isEnrolled: (name: string) => coordinators.enrolment(address, name, device) !== undefined,
    note: (message: string) => presentation.open().show({ type: "note", message }),
    passwordFile: config.passwordFile,
    env,
    readSecret: readPasswordFile,
    terminal: openLoginTerminal(err),
  };
  const label = config.device ?? Deno.hostname();
  const made = config.register && await makeAccount(config.register.code, sources, { home, coordinator, label });
  if (made !== undefined) presentation.open().show({ type: "registered", account: made.account });
  const start = async ({ account, password }: Credentials) => {
    const { Peer } = await import("./lib/peer/peer.ts");
    const stays = staysAfter(config.command);
    const { bandwidth } = config;
    return await Peer.start({ home, coordinator, coordinators, account, password, label, stays, bandwidth });
  };
  const peer = made === undefined ? await logIn(sources, start) : await start(made);
  if (made !== undefined && openLoginTerminal(err) === undefined) {
    await closeInTime(peer, false);
    return 0;
  }
  using heard = hearSignals();
  const exitCode = await command(config, presentation, peer, peer);
  await closeInTime(peer, exitCode === 0 && config.command !== undefined && !heard.hasCome);
  return exitCode;
}

/** Makes an account over the network, with a code or without one. */
async function makeAccount(
  code: string | undefined,
  sources: LoginSources,
  { home, ...from }: { readonly home: Home; readonly coordinator: Endpoint; readonly label: string },
): Promise<NewAccount> {
  const [{ register }, { registerFrom }, { parseInviteCode }] = await Promise.all([
    import("./lib/cli/register.ts"),
    import("./lib/peer/registration.ts"),
    import("./lib/session/invite_code.ts"),
  ]);
  // A slip in the code is told before anything is asked.
  const invite = code === undefined ? undefined : parseInviteCode(code);
  return await register(sources, (wanted) => registerFrom(home, { ...wanted, code: invite }, from));
}

/** Reads the passwords of a change, which no command line holds. */
async function withPasswords(asked: Command, { passwordFile, newPasswordFile }: PeerConfig): Promise<Command> {
  if (asked.command !== "passwd") return asked;
  const { readPasswords } = await import("./lib/cli/passwd.ts");
  const terminal = openLoginTerminal(err);
  return { ...asked, ...readPasswords({ passwordFile, newPasswordFile, env, readSecret: readPasswordFile, terminal }) };
}

/** Whether the peer outlives its command: then unfinished fetches are its own business, and not the next command's. */
function staysAfter(command: Command | undefined): boolean {
  return command === undefined || command.command === "share" || command.command === "serve";
}

/** Runs the command of the command line, a script from a pipe, or the prompt. */
async function command(
  config: PeerConfig,
  presentation: Presentation,
  runner: CommandRunner,
  peer: Peer | undefined,
): Promise<number> {
  const { context, quiet, verbose } = config;
  const common = { runner, context, signals: processSignals, ready: peer?.ready, ended: peer?.ended };
  const homeFolder = env("HOME");
  if (config.command !== undefined) {
    const canAsk = Deno.stdin.isTerminal() && err.isTerminal;
    const ask: OneShotOptions["ask"] = canAsk
      ? async (question, signal) => (await import("./lib/cli/ask_line.ts")).askLine(question, signal)
      : undefined;
    const command = await withPasswords(config.command, config);
    return await runOneShot({ ...common, command, presentation, ask, resumeLine: resumeLine() });
  }
  if (!Deno.stdin.isTerminal() || config.json) {
    return await runScript({ ...common, lines: stdinLines(), presentation, homeFolder });
  }
  const [{ default: process }, { History }, { runPrompt }] = await Promise.all([
    import("node:process"),
    import("./lib/cli/history.ts"),
    import("./lib/cli/prompt.ts"),
  ]);
  const history = History.open(join(config.folders.state, "history"));
  const [input, output] = [process.stdin, process.stdout];
  const clock = Date.now;
  return await runPrompt({
    ...common,
    homeFolder,
    input,
    output,
    out,
    err,
    env,
    history,
    listFolder,
    clock,
    quiet,
    verbose,
  });
}

/**
 * Keeps signals from ending the process in the moments in which nobody else hears them: a task runner sends each Ctrl-C twice, and
 * the second one must not come between a command and the orderly end. `hasCome`: whether there was one.
 */
function hearSignals(): Disposable & { readonly hasCome: boolean } {
  const heard = { hasCome: false, [Symbol.dispose]: () => undo.forEach((one) => one()) };
  const hear = () => void (heard.hasCome = true);
  const undo = (["SIGINT", "SIGTERM", "SIGHUP"] as const).map((kind) => processSignals.listen(kind, hear));
  return heard;
}

/** Ends the peer in order; what hangs is not waited for. `letFinish`: commands of other processes are, until a signal comes. */
async function closeInTime(peer: Peer, letFinish: boolean): Promise<void> {
  const { promise: hurried, resolve: hurry } = Promise.withResolvers<void>();
  using _watch = new SignalWatch(processSignals, {
    stop: hurry,
    drain: hurry,
    quit: (exitCode) => Deno.exit(exitCode),
  });
  if (letFinish) await Promise.race([peer.drain(), hurried]);
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<void>((resolve) => timer = setTimeout(resolve, closingMs));
  await Promise.race([peer[Symbol.asyncDispose](), late]);
  clearTimeout(timer);
}

function presentationFor(
  { json, quiet, verbose }: Pick<PeerConfig, "json" | "quiet" | "verbose">,
): Promise<Presentation> {
  return presentationOf(json, { screen: new StreamScreen(out, err, env), quiet, verbose, clock: Date.now });
}

/** The command line that goes on with a stopped fetch: the same one. */
function resumeLine(): string {
  const { build: { standalone } } = Deno;
  const words = invocationWords("peer", { env, standaloneAt: standalone ? Deno.execPath() : undefined });
  return [...words, ...Deno.args].map(shellQuote).join(" ");
}

function readText(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return undefined;
    throw storeErrorFrom(error, "read", path);
  }
}

function say(text: string): number {
  out.write(`${text}\n`);
  return 0;
}

Deno.exit(await main());
