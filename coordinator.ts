/**
 * coordinator: the program. Command line → config → run → exit code. Law: what one command alone needs is loaded by it; each start
 * pays for the command line.
 */

import { join } from "@std/path";
import { parseDurationMs } from "./lib/cli/amounts.ts";
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
  absolute,
  auditFlags,
  dataFolder,
  deviceActions,
  deviceFlags,
  groupActions,
  groupFlags,
  healthFlags,
  inviteActions,
  inviteFlags,
  readServeConfig,
  serveFlags,
  settingsThatStay,
  statusFlags,
  userActions,
  userFlags,
} from "./lib/coordinator/config.ts";
import { formatJsonLine } from "./lib/coordinator/json_line.ts";
import { Log } from "./lib/coordinator/log.ts";
import { readStoreUrl, storeFlags } from "./lib/coordinator/store_option.ts";
import type { Column } from "./lib/cli/table.ts";
import type { DeviceLine } from "./lib/coordinator/device_command.ts";
import type { GroupLine } from "./lib/coordinator/group_command.ts";
import type { InviteLine } from "./lib/coordinator/invite_command.ts";
import type { CommandLine } from "./lib/coordinator/user_command.ts";
import { formatVersion } from "./lib/cli/version.ts";
import { workingFolder } from "./lib/cli/working_folder.ts";
import { errorCodes, storeErrorFrom, UsageError } from "./lib/core/errors.ts";
import { escapeName } from "./lib/core/escape.ts";
import { formatEndpoint, isLoopback } from "./lib/core/transport.ts";
import { protocolVersion } from "./lib/core/version.ts";

const serveTable = { ...serveFlags, ...storeFlags, ...commonFlags } as const;
const deviceTable = { ...deviceFlags, ...storeFlags, ...commonFlags } as const;
const groupTable = { ...groupFlags, ...storeFlags, ...commonFlags } as const;
const inviteTable = { ...inviteFlags, ...storeFlags, ...commonFlags } as const;
const userTable = { ...userFlags, ...storeFlags, ...commonFlags } as const;
const backupTable = { data: serveFlags.data, ...storeFlags, ...commonFlags } as const;
const statusTable = { ...statusFlags, ...commonFlags } as const;
const healthTable = { ...healthFlags, ...commonFlags } as const;
const auditTable = { ...auditFlags, ...commonFlags } as const;
const allTable = {
  ...serveTable,
  ...inviteTable,
  ...userTable,
  ...statusTable,
  ...auditTable,
  ...backupTable,
} as const;

const env = (name: string) => Deno.env.get(name);
const screen = new StreamScreen(openStream(Deno.stdout), openStream(Deno.stderr), env);
/** Coordinator time: follows the monotonic clock from the start on, so it never goes back. */
const clock = () => Math.floor(performance.timeOrigin + performance.now());
const random = (size: number) => crypto.getRandomValues(new Uint8Array(size));

const help = `coordinator <port> [options]
coordinator user ${userActions.join("|")} [name] [options]
coordinator invite ${inviteActions.join("|")} [number] [options]
coordinator device ${deviceActions.join("|")} account [device] [options]
coordinator group ${groupActions.join("|")} [name] [account…] [options]
coordinator status|health|audit [options]
coordinator backup FILE [options]

Runs a coordinator on a port of this machine (0 picks a free one), or looks after its accounts and asks how it is,
while it runs and while it does not.

Options:
${formatFlags(serveTable)}

Options of user:
${formatFlags(userFlags)}

Options of invite:
${formatFlags(inviteFlags)}

Options of status:
${formatFlags(statusFlags)}

Options of audit:
${formatFlags(auditFlags)}

A password comes from the prompt, --password-file, SHOAL_PASSWORD_FILE, SHOAL_PASSWORD or the first line of a pipe; never from
an option. Options may also be set in the section "coordinator" of $XDG_CONFIG_HOME/shoal/config.json. Commands that look after a
store take --store too, for where no coordinator runs.`;

async function main(args: readonly string[]): Promise<number> {
  const words = parseWords(args, allTable);
  const sources = { env: () => undefined, config: {} };
  const { values: asked } = parseFlags(args, allTable, sources);
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
      return await user(words.slice(1), read(args, userTable), args);
    case "device":
      return await device(words.slice(1), read(args, deviceTable), args);
    case "group":
      return await group(words.slice(1), read(args, groupTable), args);
    case "invite":
      return await invite(words.slice(1), read(args, inviteTable), args);
    case "status": {
      const values = read(args, statusTable);
      if (words.length > 1) throw unknownWord("the command line", "word", words[1]!, []);
      return await status(dataFolder(values.data, around()), values);
    }
    case "health": {
      const values = read(args, healthTable);
      if (words.length > 1) throw unknownWord("the command line", "word", words[1]!, []);
      const { runHealthCommand } = await import("./lib/coordinator/health.ts");
      await print(await runHealthCommand(dataFolder(values.data, around()), { random }), values.json);
      return 0;
    }
    case "backup":
      return await backup(words.slice(1), args);
    case "audit": {
      const values = read(args, auditTable);
      if (words.length > 1) throw unknownWord("the command line", "word", words[1]!, []);
      return await audit(dataFolder(values.data, around()), values);
    }
    default:
      if (!/^\d/.test(words[0])) {
        throw unknownWord("the command line", "command", words[0], [
          "user",
          "invite",
          "device",
          "group",
          "status",
          "health",
          "audit",
          "backup",
        ]);
      }
      if (words.length > 1) throw unknownWord("the command line", "word", words[1]!, []);
      return await serve(words[0], args);
  }
}

async function user(
  words: readonly string[],
  values: FlagValues<typeof userTable>,
  args: readonly string[],
): Promise<number> {
  const { readUserWords, runUserCommand } = await import("./lib/coordinator/user_command.ts");
  const lines = await runUserCommand({
    ...readUserWords(words, userActions),
    shares: values.shares,
    rate: values.rate,
    dataFolder: dataFolder(values.data, around()),
    storeUrl: storeUrl(args, values),
    clock,
    random,
    readPassword: (account) =>
      readNewPassword({ file: values["password-file"], env, question: `New password of ${escapeName(account)}` }),
  });
  await print(lines, values.json);
  return 0;
}

/** Writes a backup into a file. */
async function backup(words: readonly string[], args: readonly string[]): Promise<number> {
  const values = read(args, backupTable);
  const [file, further] = words;
  if (file === undefined || further !== undefined) {
    throw new UsageError("Cannot read the command line: backup takes the name of one file", {
      hint: "Write coordinator backup shoal.db",
    });
  }
  const { runBackupCommand } = await import("./lib/coordinator/user_command.ts");
  const lines = await runBackupCommand({
    file: absolute(file, around().cwd),
    dataFolder: dataFolder(values.data, around()),
    storeUrl: storeUrl(args, values),
    clock,
  });
  await print(lines, values.json);
  return 0;
}

/** The URL of the store's database, whoever told it; on the command line without a password. */
function storeUrl(args: readonly string[], values: FlagValues<typeof storeFlags>): string | undefined {
  const { values: typed } = parseFlags(args, allTable, { env: () => undefined, config: {} });
  return readStoreUrl(values, typed.store, around());
}

/** Shows how a coordinator is: once, or every second until the person has seen enough. */
async function status(folder: string, { json, watch }: FlagValues<typeof statusTable>): Promise<number> {
  const { watchStatus } = await import("./lib/coordinator/status_command.ts");
  const { formatStatus } = await import("./lib/cli/coordinator_status.ts");
  const ended = Promise.withResolvers<void>();
  using _ = new SignalWatch(processSignals, { stop: ended.resolve, drain: ended.resolve, quit: Deno.exit });
  let isFirst = true;
  for await (const told of watchStatus(folder, watch ? ended.promise : undefined)) {
    if (json) screen.data(formatJsonLine({ type: "status", ...(isFirst ? { v: 1 } : {}), ...told }));
    else if (watch && screen.isAnimated) screen.live(formatStatus(told, screen.noticeWidth));
    else for (const line of formatStatus(told)) screen.data(line);
    isFirst = false;
  }
  return 0;
}

/** Prints what the audit log holds. */
async function audit(folder: string, { json, since }: FlagValues<typeof auditTable>): Promise<number> {
  const { formatEntryText, readAudit } = await import("./lib/coordinator/audit_command.ts");
  let isFirst = true;
  for (const entry of readAudit(folder, since === undefined ? 0 : parseSince(since, clock()))) {
    screen.data(
      json ? formatJsonLine({ type: "audit", ...(isFirst ? { v: 1 } : {}), ...entry }) : formatEntryText(entry),
    );
    isFirst = false;
  }
  return 0;
}

function parseSince(text: string, nowMs: number): number {
  if (/^\d{4}-/.test(text)) {
    const atMs = Date.parse(text);
    if (!Number.isNaN(atMs)) return atMs;
    throw new UsageError(`Cannot read --since: "${text}" is no time`, {
      hint: "Write 2026-01-31 or 2026-01-31T12:00Z",
    });
  }
  const days = /^(\d{1,4})d$/.exec(text)?.[1];
  return nowMs - (days === undefined ? parseDurationMs(text, "--since") : Number(days) * 86_400_000);
}

async function serve(port: string, args: readonly string[]): Promise<number> {
  const readSettings = () => readServeConfig(port, read(args, serveTable), around());
  const { json, ...values } = read(args, serveTable);
  const { logFormat, logLevel, ...config } = readSettings();
  const log = new Log({ format: logFormat, level: logLevel, clock, write: (line) => screen.notice(line) });
  const ended = Promise.withResolvers<number>();
  const { startCoordinator } = await import("./lib/coordinator/coordinator.ts");
  await using coordinator = await startCoordinator({
    ...config,
    storeUrl: storeUrl(args, values),
    log,
    clock,
    random,
    onStoreDeath(reason) {
      log.fault(reason);
      ended.resolve(reason.exitCode);
    },
  });
  const reload = async () => {
    let next;
    try {
      next = readSettings();
    } catch (error) {
      log.warn(`${error instanceof Error ? error.message : String(error)}; all settings are as they were`);
      return;
    }
    log.level = next.logLevel;
    log.format = next.logFormat;
    for (const name of settingsThatStay(config, next)) log.warn(`${name} has changed, which takes a restart`);
    await coordinator.reload(next);
    log.note("Settings read again");
  };
  // SIGHUP, which ends other programs, reloads this one.
  const signals = {
    ...processSignals,
    listen: (kind: "SIGINT" | "SIGTERM" | "SIGHUP", callback: () => void) =>
      processSignals.listen(kind, kind === "SIGHUP" ? () => void reload() : callback),
  };
  using _ = new SignalWatch(signals, {
    stop: () => ended.resolve(errorCodes.interrupted.exit),
    drain: () => ended.resolve(0),
    quit: (exitCode) => Deno.exit(exitCode),
  });
  const { ip, port: bound } = coordinator.local;
  screen.data(
    json
      ? formatJsonLine({
        ...{ type: "ready", v: 1, program: "coordinator", address: ip, port: bound },
        ...(coordinator.admin === undefined ? {} : { admin: formatEndpoint(coordinator.admin) }),
      })
      : `Coordinator ready on ${formatEndpoint(coordinator.local)}, its data in ${config.dataFolder}`,
  );
  if (coordinator.admin !== undefined) {
    log.note(`http://${formatEndpoint(coordinator.admin)} has /healthz, /readyz and, with the token, /metrics`);
  }
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
  const config = text === undefined ? {} : parseConfig(text, path!, "coordinator", allTable);
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

/** Makes codes for new accounts, shows them all, or takes some back. */
async function invite(
  words: readonly string[],
  values: FlagValues<typeof inviteTable>,
  args: readonly string[],
): Promise<number> {
  const { parseLife, readInviteWords, runInviteCommand } = await import("./lib/coordinator/invite_command.ts");
  const lines = await runInviteCommand({
    ...readInviteWords(words, inviteActions),
    role: values.role,
    note: values.note ?? "",
    count: Number(values.count ?? 1),
    lifeMs: parseLife(values.expires),
    address: values.address,
    dataFolder: dataFolder(values.data, around()),
    storeUrl: storeUrl(args, values),
    clock,
    random,
  });
  await print(lines, values.json);
  return 0;
}

/** Lists the devices of an account, or shuts one out. */
async function device(
  words: readonly string[],
  values: FlagValues<typeof deviceTable>,
  args: readonly string[],
): Promise<number> {
  const { readDeviceWords, runDeviceCommand } = await import("./lib/coordinator/device_command.ts");
  const lines = await runDeviceCommand({
    ...readDeviceWords(words, deviceActions),
    dataFolder: dataFolder(values.data, around()),
    storeUrl: storeUrl(args, values),
    clock,
  });
  await print(lines, values.json);
  return 0;
}

/** Says who is in which group: what is shared with a group its members see. */
async function group(
  words: readonly string[],
  values: FlagValues<typeof groupTable>,
  args: readonly string[],
): Promise<number> {
  const { readGroupWords, runGroupCommand } = await import("./lib/coordinator/group_command.ts");
  const lines = await runGroupCommand({
    ...readGroupWords(words, groupActions),
    dataFolder: dataFolder(values.data, around()),
    storeUrl: storeUrl(args, values),
    clock,
  });
  await print(lines, values.json);
  return 0;
}

async function print(
  lines: readonly (CommandLine | InviteLine | DeviceLine | GroupLine)[],
  json: boolean,
): Promise<void> {
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
      { title: "ROLE" },
      { title: "DEVICES", align: "right" as const },
      { title: "FILES", align: "right" as const },
    ];
    await printTable(
      columns,
      accounts.map((
        { name, disabled, role, devices, shares },
      ) => [escapeName(name), disabled ? "disabled" : "enabled", role, String(devices), String(shares)]),
    );
  }
  const invites = lines.filter((line) => line.type === "invite");
  if (invites.length > 0) {
    const columns = [
      { title: "INVITE", align: "right" as const },
      { title: "STATE" },
      { title: "ROLE" },
      { title: "EXPIRES" },
      { title: "ACCOUNT", cut: "end" as const },
      { title: "NOTE", cut: "end" as const },
    ];
    await printTable(
      columns,
      invites.map(({ invite, state, role, expiresAtMs, usedBy, note }) => [
        ...[String(invite), state, role, formatTime(expiresAtMs)],
        ...[usedBy === null ? "" : escapeName(usedBy), escapeName(note)],
      ]),
    );
  }
  const devices = lines.filter((line) => line.type === "device");
  if (devices.length > 0) {
    await printTable(
      [{ title: "DEVICE", cut: "end" }, { title: "STATE" }, { title: "SINCE" }, { title: "LOGS IN BY" }],
      devices.map(({ device, online, changedAtMs, enrolledAtMs }) => [
        ...[escapeName(device), online ? "online" : "away"],
        ...[formatTime(changedAtMs), enrolledAtMs === null ? "password" : "key"],
      ]),
    );
  }
  const groups = lines.filter((line) => line.type === "group");
  if (groups.length > 0) {
    await printTable(
      [{ title: "GROUP", cut: "end" }, { title: "ACCOUNTS", align: "right" }, { title: "WHO", cut: "end" }],
      groups.map(({ name, members }) => {
        return [escapeName(name), String(members.length), members.map(escapeName).join(", ")];
      }),
    );
  }
  for (const line of lines) {
    if (line.type === "account" || line.type === "invite" || line.type === "device" || line.type === "group") continue;
    screen.data(sentence(line));
  }
}

async function printTable(columns: readonly Column[], rows: readonly (readonly string[])[]): Promise<void> {
  const { formatTable } = await import("./lib/cli/table.ts");
  const cells = rows.map((row) => row.map((text) => ({ text })));
  for (const row of formatTable(columns, cells, screen.dataWidth, screen.dataPalette.dim)) screen.data(row);
}

function formatTime(atMs: number): string {
  return new Date(atMs).toISOString().slice(0, 16).replace("T", " ");
}

/** A limit as people read it. */
function formatLimit(limit: number | null): string {
  return limit === null ? "as all" : String(limit);
}

function sentence(
  line: Exclude<
    CommandLine | InviteLine | DeviceLine | GroupLine,
    { type: "account" | "invite" | "device" | "group" }
  >,
): string {
  switch (line.type) {
    case "groupCreated":
      return `Created the group ${escapeName(line.group)}`;
    case "groupDeleted":
      return `Deleted the group ${escapeName(line.group)}; what was shared with it alone nobody else sees any more`;
    case "groupMemberAdded":
      return `${escapeName(line.account)} is ${line.changed ? "now" : "already"} in ${escapeName(line.group)}`;
    case "groupMemberRemoved":
      return line.changed
        ? `${escapeName(line.account)} is no longer in ${escapeName(line.group)}; its transfers end`
        : `${escapeName(line.account)} is not in ${escapeName(line.group)}`;
    case "deviceRevoked":
      return `Revoked ${escapeName(line.device)} of ${escapeName(line.account)}; it needs the password to log in again`;
    case "accountAdded":
      return `Added ${escapeName(line.account)}`;
    case "accountRemoved":
      return `Removed ${escapeName(line.account)}`;
    case "accountDisabled":
      return `Disabled ${escapeName(line.account)}; it is logged out everywhere`;
    case "accountEnabled":
      return `Enabled ${escapeName(line.account)}`;
    case "passwordSet":
      return `Set the password of ${
        escapeName(line.account)
      }; it is logged out everywhere. Its key is a new one at its next login: others who know the old one must trust it anew`;
    case "roleSet":
      return `${escapeName(line.account)} is ${roleText[line.role]} now`;
    case "limitsSet":
      return `Limits of ${escapeName(line.account)}: shares ${formatLimit(line.sharesMax)}, requests a second ${
        formatLimit(line.rate)
      }`;
    case "inviteCreated":
      return line.code;
    case "inviteRevoked":
      return `Revoked invite ${line.invite}`;
    case "healthy":
      return `Coordinator on ${
        formatEndpoint({ ip: line.address, port: line.port })
      } answers, by its socket and by UDP`;
    case "backedUp":
      return `Wrote ${escapeName(line.file)}, ${line.bytes} bytes\nKeep ${
        escapeName(line.keyFile)
      } with it, in another place: without that file every password is void`;
  }
}

const roleText = {
  member: "a member",
  operator: "an operator",
  readOnly: "read-only: it may search and fetch, not share",
};

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
