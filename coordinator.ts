/**
 * coordinator: the program. Command line → config → run → exit code. Law: what one command alone needs is loaded by it; each start
 * pays for the command line.
 */

import { join } from "@std/path";
import { formatDuration } from "./lib/cli/amounts.ts";
import { exitCodeOf, failureEvent } from "./lib/cli/failure.ts";
import {
  commonFlags,
  type FlagTable,
  type FlagValues,
  formatFlags,
  parseConfig,
  parseFlags,
  parseWords,
  unknownWord,
} from "./lib/cli/flags.ts";
import { readNewPassword } from "./lib/cli/new_password.ts";
import { StreamScreen } from "./lib/cli/screen.ts";
import { processSignals, SignalWatch } from "./lib/cli/signals.ts";
import { openStream } from "./lib/cli/terminal.ts";
import {
  dataFolder,
  readServeConfig,
  serveFlags,
  statusFlags,
  userActions,
  userFlags,
} from "./lib/coordinator/config.ts";
import { formatJsonLine } from "./lib/coordinator/json_line.ts";
import { Log } from "./lib/coordinator/log.ts";
import type { CommandLine } from "./lib/coordinator/user_command.ts";
import { formatVersion } from "./lib/cli/version.ts";
import { workingFolder } from "./lib/cli/working_folder.ts";
import { errorCodes, storeErrorFrom, UsageError } from "./lib/core/errors.ts";
import { escapeName } from "./lib/core/escape.ts";
import { formatEndpoint, isLoopback } from "./lib/core/transport.ts";
import { protocolVersion } from "./lib/core/version.ts";

const serveTable = { ...serveFlags, ...commonFlags } as const;
const userTable = { ...userFlags, ...commonFlags } as const;
const statusTable = { ...statusFlags, ...commonFlags } as const;

const env = (name: string) => Deno.env.get(name);
const screen = new StreamScreen(openStream(Deno.stdout), openStream(Deno.stderr), env);
/** Coordinator time: follows the monotonic clock from the start on, so it never goes back. */
const clock = () => Math.floor(performance.timeOrigin + performance.now());
const random = (size: number) => crypto.getRandomValues(new Uint8Array(size));

const help = `coordinator <port> [options]
coordinator user ${userActions.join("|")} [name] [options]
coordinator status|health [options]

Runs a coordinator on a port of this machine (0 picks a free one), or looks after its accounts and asks how it is,
while it runs and while it does not.

Options:
${formatFlags(serveTable)}

Options of user:
${formatFlags(userFlags)}

A password comes from the prompt, --password-file, SHOAL_PASSWORD_FILE, SHOAL_PASSWORD or the first line of a pipe; never from
an option. Options may also be set in the section "coordinator" of $XDG_CONFIG_HOME/shoal/config.json.`;

async function main(args: readonly string[]): Promise<number> {
  const words = parseWords(args, { ...serveTable, ...userTable });
  const sources = { env: () => undefined, config: {} };
  const { values: asked } = parseFlags(args, { ...serveTable, ...userTable }, sources);
  if (asked.version || asked.help) {
    const { version: { deno }, build: { target } } = Deno;
    screen.data(
      asked.version
        ? formatVersion({ program: "coordinator", protocol: protocolVersion, deno, target }, asked.json)
        : help,
    );
    return 0;
  }
  switch (words[0]) {
    case undefined:
      throw new UsageError("Cannot start: the port is missing", { hint: "Write coordinator 5000" });
    case "user":
      return await user(words.slice(1), read(args, userTable));
    case "status": {
      const values = read(args, statusTable);
      if (words.length > 1) throw unknownWord("the command line", "word", words[1]!, []);
      const { runStatusCommand } = await import("./lib/coordinator/user_command.ts");
      await print(await runStatusCommand(dataFolder(values.data, around())), values.json);
      return 0;
    }
    case "health": {
      const values = read(args, statusTable);
      if (words.length > 1) throw unknownWord("the command line", "word", words[1]!, []);
      const { runHealthCommand } = await import("./lib/coordinator/health.ts");
      await print(await runHealthCommand(dataFolder(values.data, around()), { random }), values.json);
      return 0;
    }
    default:
      if (!/^\d/.test(words[0])) {
        throw unknownWord("the command line", "command", words[0], ["user", "status", "health"]);
      }
      if (words.length > 1) throw unknownWord("the command line", "word", words[1]!, []);
      return await serve(words[0], read(args, serveTable));
  }
}

async function user(words: readonly string[], values: FlagValues<typeof userTable>): Promise<number> {
  const { readUserWords, runUserCommand } = await import("./lib/coordinator/user_command.ts");
  const lines = await runUserCommand({
    ...readUserWords(words, userActions),
    dataFolder: dataFolder(values.data, around()),
    clock,
    random,
    readPassword: (account) =>
      readNewPassword({ file: values["password-file"], env, question: `New password of ${escapeName(account)}` }),
  });
  await print(lines, values.json);
  return 0;
}

async function serve(port: string, values: FlagValues<typeof serveTable>): Promise<number> {
  const { logFormat, logLevel, ...config } = readServeConfig(port, values, around());
  const log = new Log({ format: logFormat, level: logLevel, clock, write: (line) => screen.notice(line) });
  const ended = Promise.withResolvers<number>();
  const { startCoordinator } = await import("./lib/coordinator/coordinator.ts");
  await using coordinator = await startCoordinator({
    ...config,
    log,
    clock,
    random,
    onStoreDeath(reason) {
      log.fault(reason);
      ended.resolve(reason.exitCode);
    },
  });
  // SIGHUP, which ends other programs, reloads this one.
  const signals = {
    ...processSignals,
    listen: (kind: "SIGINT" | "SIGTERM" | "SIGHUP", callback: () => void) =>
      processSignals.listen(kind, kind === "SIGHUP" ? () => void coordinator.reloadCredentials() : callback),
  };
  using _ = new SignalWatch(signals, {
    stop: () => ended.resolve(errorCodes.interrupted.exit),
    drain: () => ended.resolve(0),
    quit: (exitCode) => Deno.exit(exitCode),
  });
  const { ip, port: bound } = coordinator.local;
  screen.data(
    values.json
      ? formatJsonLine({ type: "ready", v: 1, program: "coordinator", address: ip, port: bound })
      : `Coordinator ready on ${formatEndpoint(coordinator.local)}, its data in ${config.dataFolder}`,
  );
  if (isLoopback(ip)) log.note("Only this machine can reach it; --host 0.0.0.0 opens it to others");
  const exitCode = await ended.promise;
  await coordinator.stop();
  return exitCode;
}

function around() {
  return { env, cwd: workingFolder(import.meta.url, Deno.cwd(), env) };
}

function read<const T extends FlagTable>(args: readonly string[], table: T): FlagValues<T> {
  const base = env("XDG_CONFIG_HOME") || (env("HOME") ? join(env("HOME")!, ".config") : undefined);
  const path = base === undefined ? undefined : join(base, "shoal", "config.json");
  const text = path === undefined ? undefined : readIfThere(path);
  const config = text === undefined ? {} : parseConfig(text, path!, "coordinator", { ...serveTable, ...userTable });
  return parseFlags(args, table, { env, config }).values;
}

function readIfThere(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw storeErrorFrom(error, "read", path);
  }
}

async function print(lines: readonly CommandLine[], json: boolean): Promise<void> {
  if (json) {
    for (const [i, line] of lines.entries()) {
      const { type, ...rest } = line;
      screen.data(formatJsonLine(i === 0 ? { type, v: 1, ...rest } : { type, ...rest }));
    }
    return;
  }
  const accounts = lines.filter((line) => line.type === "account");
  if (accounts.length > 0) {
    const columns = [
      { title: "ACCOUNT", cut: "end" as const },
      { title: "STATE" },
      { title: "DEVICES", align: "right" as const },
      { title: "FILES", align: "right" as const },
    ];
    const rows = accounts.map(({ name, disabled, devices, shares }) =>
      [escapeName(name), disabled ? "disabled" : "enabled", String(devices), String(shares)].map((text) => ({ text }))
    );
    const { formatTable } = await import("./lib/cli/table.ts");
    for (const row of formatTable(columns, rows, screen.dataWidth, screen.dataPalette.dim)) screen.data(row);
  }
  for (const line of lines) if (line.type !== "account") screen.data(sentence(line));
}

function sentence(line: Exclude<CommandLine, { type: "account" }>): string {
  switch (line.type) {
    case "accountAdded":
      return `Added ${escapeName(line.account)}`;
    case "accountRemoved":
      return `Removed ${escapeName(line.account)}`;
    case "accountDisabled":
      return `Disabled ${escapeName(line.account)}; it is logged out everywhere`;
    case "accountEnabled":
      return `Enabled ${escapeName(line.account)}`;
    case "passwordSet":
      return `Set the password of ${escapeName(line.account)}; it is logged out everywhere`;
    case "healthy":
      return `Coordinator on ${
        formatEndpoint({ ip: line.address, port: line.port })
      } answers, by its socket and by UDP`;
    case "status":
      return [
        `Coordinator on ${formatEndpoint({ ip: line.address, port: line.port })}, up for ${
          formatDuration(line.uptimeMs)
        }`,
        `${line.sessions} sessions; ${line.online} of ${line.devices} devices of ${line.accounts} accounts are here`,
        `${line.files} files, ${line.shares} times shared; ${line.offers} offers of files on their way`,
        `${line.logins} logins, ${line.datagramsIn} datagrams, ${line.datagramsRefused} of them refused; ${line.reports} reports of holders`,
      ].join("\n");
  }
}

if (import.meta.main) {
  let exitCode: number;
  try {
    exitCode = await main(Deno.args);
  } catch (error) {
    const event = failureEvent(error);
    if (Deno.args.includes("--json") || env("SHOAL_JSON") === "1") screen.data(formatJsonLine({ ...event, v: 1 }));
    else (await import("./lib/cli/render.ts")).showError(event, screen);
    exitCode = exitCodeOf(event);
  }
  Deno.exit(exitCode);
}
