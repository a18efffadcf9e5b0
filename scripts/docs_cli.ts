/**
 * docs_cli: writes docs/cli.md from the tables that the programs themselves read, so that it cannot rot; a test holds it.
 *
 *     deno run -q -P=scripts scripts/docs_cli.ts
 */

import { peerFlags } from "../lib/cli/config.ts";
import { commandTable, fetchFlags, type SpecName } from "../lib/cli/command_table.ts";
import { commonFlags, envNames, type FlagTable } from "../lib/cli/flags.ts";
import { commandHelp } from "../lib/cli/help.ts";
import { formatJsonLine } from "../lib/cli/json.ts";
import {
  deviceActions,
  inviteActions,
  inviteFlags,
  serveFlags,
  userActions,
  userFlags,
} from "../lib/coordinator/config.ts";
import { roles } from "../lib/wire/message.ts";
import { formatJsonLine as formatCoordinatorLine } from "../lib/coordinator/json_line.ts";
import type { StoredEntry } from "../lib/coordinator/audit_command.ts";
import type { ToldStatus } from "../lib/coordinator/status_command.ts";
import type { DeviceLine } from "../lib/coordinator/device_command.ts";
import type { InviteLine } from "../lib/coordinator/invite_command.ts";
import { storeFlags } from "../lib/coordinator/store_option.ts";
import type { CommandLine } from "../lib/coordinator/user_command.ts";
import { errorCodes } from "../lib/core/errors.ts";
import type { PeerEvent } from "../lib/peer/commands.ts";

const path = new URL("../docs/cli.md", import.meta.url);

const id = "0123456789abcdef".repeat(4);
const sharedAtMs = 1_699_990_000_000;
const fileEvent = { type: "file", name: "talk.pdf", bytes: 1_500_000, id, holders: 2, sharedAtMs } as const;

/** An event of each type, and when it comes. */
type Examples = {
  readonly [T in PeerEvent["type"]]: { readonly when: string; readonly event: Extract<PeerEvent, { type: T }> };
};

export const jsonExamples: Examples = {
  ready: {
    when:
      "the peer is logged in and serves; after the `shared` lines of `share`, and at the start of commands from a pipe",
    event: {
      type: "ready",
      v: 1,
      program: "peer",
      address: "127.0.0.1",
      port: 41234,
      account: "ada",
      device: "laptop",
    },
  },
  peer: {
    when: "`peers`, one a device",
    event: { type: "peer", account: "ada", device: "laptop", online: true, changedAtMs: 1_700_000_000_000 },
  },
  file: {
    when:
      "`myfiles` and `find`, one a file; `holders` counts the devices online that have it. `description`, where it has one; `audience`, " +
      "of your own that are not for everyone, as a list of `{kind, name}` with the kinds `account` and `group`",
    event: fileEvent,
  },
  watch: {
    when:
      "`watch` and `watch list`, one a standing search; `state` is `watching`, `waiting` for the coordinator or `refused`, with `why`",
    event: { type: "watch", number: 1, words: ["linux", "ext:iso"], state: "watching" },
  },
  unwatched: {
    when: "`watch remove`, one a standing search",
    event: { type: "unwatched", number: 1, words: ["linux", "ext:iso"] },
  },
  found: {
    when: "whenever something appears that is watched for, while the peer stays: at the prompt, in `serve` and `share`",
    event: {
      ...{ type: "found", name: "linux 1.iso", bytes: 1_500_000, id, holders: 1, sharedAtMs },
      ...{ description: "the new one", watch: 1 },
    },
  },
  shared: {
    when: "`share`, one a file; `audience` as in `file`",
    event: { type: "shared", name: "talk.pdf", bytes: 1_500_000, id },
  },
  removed: { when: "`remove`, one a file", event: { type: "removed", name: "talk.pdf" } },
  progress: {
    when:
      "while files are fetched (`activity` `fetch`) or read (`hash`), at most ten a second in all. Of more than six files of " +
      "one command the whole is told: `name` is what was asked for, and `files` has how many are `done` and the `total`",
    event: {
      type: "progress",
      name: "talk.pdf",
      doneBytes: 524_288,
      totalBytes: 1_500_000,
      activity: "fetch",
      bytesPerSecond: 35_200_000,
      holders: 2,
      path: "direct",
    },
  },
  fetching: {
    when: "`fetch` that means several files, before the first of them; `name` is what was asked for",
    event: { type: "fetching", name: "talks/*", files: 40, bytes: 60_000_000 },
  },
  summary: {
    when: "and after the last: `done` files with `bytes` are there, of which `fetchedBytes` came over the network",
    event: {
      type: "summary",
      name: "talks/*",
      files: 40,
      done: 40,
      bytes: 60_000_000,
      fetchedBytes: 58_500_000,
      tookMs: 812,
    },
  },
  fetched: {
    when:
      "`fetch`, one a file. `holders` is empty where the file was there already; `refetchedBytes` counts bytes of pieces that " +
      "an earlier run had asked for and not noted as verified, `reusedBytes` what was taken from other files here, `wireBytes` what came over the network for `fetchedBytes`: fewer " +
      "where holders compressed",
    event: {
      type: "fetched",
      name: "talk.pdf",
      path: "/home/bob/talk.pdf",
      bytes: 1_500_000,
      id,
      holders: [{ account: "ada", device: "laptop", bytes: 1_200_000 }],
      refetchedBytes: 0,
      fetchedBytes: 1_200_000,
      reusedBytes: 300_000,
      wireBytes: 1_200_062,
      tookMs: 43,
    },
  },
  status: {
    when: "`status`",
    event: {
      type: "status",
      online: true,
      account: "ada",
      device: "laptop",
      coordinator: "127.0.0.1:5000",
      address: "127.0.0.1",
      port: 41234,
      reachable: "unknown",
      shares: 3,
      uploads: 0,
      downloads: 1,
      roundTripMs: 0.4,
      home: "/home/ada/.local/state/shoal",
    },
  },
  transfer: {
    when:
      "`transfers`, one a file that is fetched (`down`) or served (`up`); `pause`, `resume`, `cancel` and `priority`, one a fetch. " +
      "`state` is `waiting`, `running`, `verifying`, `paused`, `done`, `failed` or `cancelled`; `place` is there while it waits for its " +
      "turn, `why` where it waits for something else or has failed; `priority` is a fetch's",
    event: {
      type: "transfer",
      number: 1,
      direction: "down",
      name: "talk.pdf",
      id,
      account: "",
      device: "",
      doneBytes: 524_288,
      totalBytes: 1_500_000,
      bytesPerSecond: 0,
      state: "waiting",
      priority: "high",
      place: 1,
      why: "for a holder",
    },
  },
  listed: {
    when: "`transfers --watch`, after each list; the next one follows in a second",
    event: { type: "listed", atMs: 1_700_000_000_000 },
  },
  receipt: {
    when:
      "`receipts`, one a fetch; such a line in a file is what `verify --receipt` takes. `holders` sent `fetchedBytes`, in the last " +
      "run; the rest came in earlier ones, or was here",
    event: {
      type: "receipt",
      name: "talk.pdf",
      path: "/home/bob/talk.pdf",
      bytes: 1_500_000,
      id,
      holders: [{ account: "ada", device: "laptop", deviceId: "fedcba9876543210".repeat(4), bytes: 1_500_000 }],
      fetchedBytes: 1_500_000,
      startedAtMs: 1_700_000_000_000,
      finishedAtMs: 1_700_000_000_043,
      coordinator: "127.0.0.1:5000",
    },
  },
  limit: {
    when:
      "`limit`, one a limit. `number` is null for that of the whole peer, else a transfer's; `bytesPerSecond` is null for no limit; " +
      "`by` is `option`, `schedule` (then `window` has its times) or `command`",
    event: {
      type: "limit",
      direction: "up",
      number: null,
      name: "",
      bytesPerSecond: 2_000_000,
      by: "schedule",
      window: "09:00-17:00",
      lanUnlimited: false,
    },
  },
  verified: {
    when: "`verify`; `by` is `network` or `receipt`",
    event: { type: "verified", path: "/home/bob/talk.pdf", bytes: 1_500_000, id, name: "talk.pdf", by: "network" },
  },
  fingerprint: {
    when: "`fingerprint`; `trust` is `remembered`, `new` or `changed`",
    event: { type: "fingerprint", account: "ada", fingerprint: "amber-basin-cedar", trust: "remembered" },
  },
  device: {
    when:
      "`devices`, one a device of your account. `changedAtMs` is when it last came or went; `enrolledAtMs` since when its key lets it " +
      "in, null where it needs the password",
    event: {
      type: "device",
      device: "laptop",
      isThis: true,
      online: true,
      changedAtMs: 1_700_000_000_000,
      enrolledAtMs: 1_690_000_000_000,
    },
  },
  revoked: { when: "`devices revoke`", event: { type: "revoked", device: "old-laptop" } },
  loggedOut: { when: "`logout`", event: { type: "loggedOut", account: "ada", device: "laptop" } },
  registered: { when: "`register`; what follows is logged in", event: { type: "registered", account: "ada" } },
  passwordChanged: {
    when: "`passwd`; `everywhere` whether all other devices need the new one",
    event: { type: "passwordChanged", account: "ada", everywhere: false },
  },
  trusted: {
    when: "`trust`",
    event: { type: "trusted", account: "ada", fingerprint: "amber-basin-cedar" },
  },
  ambiguous: {
    when: "`fetch` of a name that stands for several contents; an `error` follows",
    event: { type: "ambiguous", name: "talk.pdf", choices: [fileEvent, { ...fileEvent, bytes: 900, holders: 1 }] },
  },
  note: {
    when: "never on stdout: notes go to stderr as text",
    event: { type: "note", message: "Connected again" },
  },
  error: {
    when: "any failure; the exit code is that of the first one",
    event: { type: "error", code: "notFound", message: 'Cannot fetch "x": nobody online shares it', hint: "" },
  },
};

/** What a coordinator and its administration print. */
const coordinatorExamples = [
  { type: "ready", v: 1, program: "coordinator", address: "127.0.0.1", port: 5000 },
  {
    ...{ type: "account", name: "ada", disabled: false, devices: 2, shares: 12, createdAtMs: 1_700_000_000_000 },
    ...{ role: "member", sharesMax: null, rate: null },
  },
  { type: "accountAdded", account: "ada" },
  { type: "accountRemoved", account: "ada" },
  { type: "accountDisabled", account: "ada" },
  { type: "accountEnabled", account: "ada" },
  { type: "passwordSet", account: "ada" },
  { type: "roleSet", account: "ada", role: "readOnly" },
  { type: "limitsSet", account: "ada", sharesMax: 1000, rate: null },
  {
    type: "inviteCreated",
    code: "shoal-zcjnfpka-gfnx7hwx-8n27w507-hrhj53a4-32sqtnrq-2wenzmp8-93e5we78@share.example.org:5000",
    ...{ role: "member", note: "for bob", expiresAtMs: 1_700_600_000_000 },
  },
  {
    ...{ type: "invite", invite: 1, state: "used", role: "member", note: "for bob", usedBy: "bob" },
    ...{ createdAtMs: 1_700_000_000_000, expiresAtMs: 1_700_600_000_000 },
  },
  { type: "inviteRevoked", invite: 2 },
  {
    ...{ type: "device", account: "ada", device: "laptop", enrolledAtMs: 1_690_000_000_000 },
    ...{ online: true, changedAtMs: 1_700_000_000_000 },
  },
  { type: "deviceRevoked", account: "ada", device: "old-laptop" },
  {
    type: "status",
    sessions: 2,
    pendingLogins: 0,
    datagramsIn: 4711,
    datagramsRefused: 3,
    datagramsShed: 0,
    logins: 5,
    offers: 1,
    reports: 0,
    datagramsOut: 4690,
    storeWaiting: 0,
    storeWrites: 31,
    searches: 4,
    loopLagMs: 2,
    rssBytes: 98_000_000,
    auditLost: 0,
    accounts: 2,
    devices: 3,
    online: 2,
    files: 11,
    shares: 12,
    address: "127.0.0.1",
    port: 5000,
    uptimeMs: 86_400_000,
    rates: { logins: 0, datagramsIn: 2, datagramsOut: 2, datagramsRefused: 0, storeWrites: 1, searches: 0 },
  },
  {
    ...{ type: "audit", time: "2026-01-31T12:00:00.000Z", event: "loggedIn", account: "ada", device: "laptop" },
    ...{ endpoint: "192.0.2.7:40001", way: "password", tookMs: 310 },
  },
  { type: "healthy", address: "0.0.0.0", port: 5000 },
  {
    ...{ type: "backedUp", file: "/var/backups/shoal.db", bytes: 163_840 },
    keyFile: "/var/lib/shoal-coordinator/keys.json",
  },
] as const satisfies readonly (
  | CommandLine
  | DeviceLine
  | InviteLine
  | { readonly type: "status" } & ToldStatus
  | { readonly type: "audit" } & StoredEntry
  | { readonly type: "ready" } & Readonly<Record<string, unknown>>
)[];

/** What each exit code means; every code of the error table has to have its line. */
const exitMeanings: Readonly<Record<number, string>> = {
  0: "done",
  1: "unknown: a mistake of the program",
  2: "usage: the command line, a name or a limit",
  3: "not found",
  4: "denied: login, ticket or trust",
  5: "network: coordinator or holder unreachable, busy, or of another version; or a file is of a newer release",
  6: "timeout",
  7: "unfinished: the same command goes on where it stopped",
  8: "integrity: bytes are not what their id says",
  9: "disk full",
  10: "exists: the name is taken by other content",
  11: "I/O: a file or folder could not be read or written",
  130: "interrupted by Ctrl-C",
};

/** Formats the whole page, as `deno fmt` wants it. */
export async function formatCliDocs(): Promise<string> {
  const formatter = new Deno.Command(Deno.execPath(), {
    args: ["fmt", "-q", "--ext=md", "-"],
    cwd: new URL("..", import.meta.url),
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  await new Blob([page()]).stream().pipeTo(formatter.stdin);
  const { success, stdout } = await formatter.output();
  if (!success) throw new Error("Cannot format docs/cli.md: deno fmt failed");
  return new TextDecoder().decode(stdout);
}

function page(): string {
  return `# The command line

<!-- Written by scripts/docs_cli.ts from the tables that the programs read. Change those, then run it. -->

${sections.map(([title, body]) => `## ${title}\n\n${body()}`).join("\n\n")}
`;
}

const { "password-file": newPasswordFile } = userFlags;
const passwordFlag: FlagTable = { "password-file": newPasswordFile };
const limitFlags: FlagTable = { shares: userFlags.shares, rate: userFlags.rate };
const { data: _, ...inviteOnly } = inviteFlags;

const sections: readonly (readonly [title: string, body: () => string])[] = [
  ["Starting a peer", () =>
    `    peer <port | host:port | [IPv6]:port> [options] [command …]

A bare port is one on this machine. With a command, \`peer\` runs it and ends; options may stand before or after it, and words
after \`--\` are no options. Without a command it opens the prompt, or reads commands from a pipe, one a line.

One process owns a home. While one serves, further commands with the same home run through it and print what it answers.`],
  [
    "Logging in",
    () =>
      `The user name is \`--user\`, \`SHOAL_USER\`, or what is typed. The password is the content of \`--password-file\` or
\`SHOAL_PASSWORD_FILE\` (without its last newline), else \`SHOAL_PASSWORD\`, else what is typed; it is never an option, because every
process of the machine can read those. At a terminal there are three tries; elsewhere one.

A device that has logged in at this address once logs in by its key: the password is then neither asked for nor read, and where
nobody can answer the account need not be named if there is one alone. A key that is refused (\`devices revoke\`, a new password) is
said to be, and the password counts again.

\`register\` takes the new name and password from the same places, or asks for the password twice. At a terminal it then opens the
prompt; elsewhere it ends once it is logged in. \`passwd\` takes the old password from them and the new one from
\`--new-password-file\`, \`SHOAL_NEW_PASSWORD_FILE\` or \`SHOAL_NEW_PASSWORD\`, or asks for it twice.`,
  ],
  ["Commands", () => names().map((name) => `### ${name}\n\n\`\`\`text\n${commandHelp(name)}\n\`\`\``).join("\n\n")],
  [
    "Options",
    () =>
      `Options of the command line go before the environment, that before \`config.json\`, that before the default. A switch is set by
\`1\`, \`true\`, \`yes\` or \`on\`.

${flagRows(peerFlags)}

Options of \`fetch\` (\`--dir\` and \`--timeout\` are among those above) may also be given when the prompt is started, as defaults for
what is typed there:

${flagRows(fetchOnly())}

\`config.json\` is in \`$XDG_CONFIG_HOME/shoal\` (\`~/.config/shoal\`), or in \`config\` below \`--home\`:

    {"peer": {"user": "ada", "dir": "/home/ada/Downloads", "rename": true}}

Further variables: \`SHOAL_PASSWORD\`, \`SHOAL_NEW_PASSWORD\`; \`NO_COLOR\` and \`TERM=dumb\` turn colours and moving lines off.`,
  ],
  [
    "Values",
    () =>
      `Durations are \`500ms\`, \`30s\`, \`5m\`, \`1.5h\`, \`2d\`; a bare number is seconds. Sizes are shown in decimal units: 1.5 MB is 1,500,000
bytes.

Rates are bytes a second: \`500k\`, \`20M\`, \`1.5MB/s\`, \`1MiB\`, from 1 kB/s on, or \`unlimited\`. A line of 20 Mbit/s has 2.5M.

\`--limit-schedule\` takes times of day by this machine's clock, several separated by commas:
\`"up 09:00-17:00=500k, 22:00-07:00=unlimited"\`. An entry with \`up\` or \`down\` is about that direction, any other about both. Of the
entries that cover a time the first one counts; outside of all of them \`--limit-up\` and \`--limit-down\` hold. A window has its first
minute and not its last, and may go over midnight. What \`limit\` sets goes before all of these until the schedule next changes that
limit. Limits are those of the process that serves the home: other commands of that home change them by \`limit\` alone.

\`--lan-unlimited\` exempts what goes to and comes from private, link-local and loopback addresses from the limits of the whole peer; a
limit of one transfer holds there too.`,
  ],
  [
    "The prompt",
    () =>
      `Words are quoted as in a shell: \`"two words"\`, \`'two words'\`, \`two\\ words\`. \`~\` is the home folder; globs are the network's. Tab
completes commands, options, local paths after \`share\` and \`verify\`, and known names after \`fetch\` and \`remove\`. Lines are kept in
\`history\` in the state folder, readable by you alone; one that starts with a space is not kept.

\`fetch\` runs in the background: its progress is drawn above the line, and a line says when it is done. A name that stands for several
contents asks which one is meant. Other commands are waited for. The first Ctrl-C pauses what is being fetched: \`resume all\`, or the same
\`fetch\` again, goes on. Whoever leaves the prompt has unfinished fetches gone on with at the next start.

From a pipe, commands are read one a line, each done before the next is read, \`fetch\` too. Lines that start with \`#\` are left out. The
exit code is the last command's. At the end of input the peer ends.`,
  ],
  [
    "Streams",
    () =>
      `What was asked for goes to stdout; progress, notes and errors go to stderr. At a terminal tables fit its width and names are cut to
do so; in a pipe nothing is cut, and tables have no headings. Control characters, direction marks and invisible characters in names
are shown escaped: \`\\x1b\`, \`\\u{202e}\`.`,
  ],
  ["Signals", () =>
    `| signal | what happens |
|---|---|
| first Ctrl-C (SIGINT) | stops what runs, keeps what is verified, prints the command that goes on; at an idle prompt clears the line |
| another, more than 500 ms later | quits now with exit code 130; at the prompt only if nothing was typed in between |
| SIGTERM, SIGHUP | finishes in order, within ten seconds; repeats change nothing |`],
  ["coordinator", () =>
    `    coordinator <port> [options]
    coordinator user ${userActions.join("|")} [name] [options]
    coordinator invite ${inviteActions.join("|")} [number] [options]
    coordinator device ${deviceActions.join("|")} account [device] [options]
    coordinator status|health|audit [options]
    coordinator backup FILE [options]

Runs a coordinator on a port of this machine (0 picks a free one), or looks after its accounts and asks how it is, while it runs
and while it does not. Options may stand anywhere; the section of \`config.json\` is \`"coordinator"\`.

${flagRows({ ...serveFlags, ...storeFlags, ...commonFlags })}

\`coordinator user\` takes \`--data\` and, for \`add\` and \`passwd\`:

${flagRows(passwordFlag)}

and for \`limits\`:

${flagRows(limitFlags)}

\`user role NAME ROLE\` takes one of ${roles.map((role) => `\`${role}\``).join(", ")}.

\`coordinator invite\` takes \`--data\` and, for \`create\`:

${flagRows(inviteOnly)}

A new password is the content of that file, else \`SHOAL_PASSWORD\`, else what is typed twice, else the first line of a pipe. SIGHUP
reads the settings that may change again ([operations.md](operations.md#reload)); SIGTERM tells the peers where to go and ends.

\`coordinator backup\` writes a copy of the store's file ([operations.md](operations.md#postgresql-and-backup)) and ends with 10 where
there is a FILE of that name. Whatever looks after accounts, and it, takes \`--store\` and \`--store-file\` as well, for where no coordinator
runs. A URL with a password is refused on the command line.

\`coordinator status\`, \`coordinator health\` and \`coordinator audit\` take \`--data\`. \`status --watch\` goes on until Ctrl-C, with what happened a
second (\`rates\`). \`audit\` prints the audit log, the oldest entry first, all of it or \`--since\` a time. \`health\` asks the running coordinator by its local socket and, as a
peer does, by UDP; it ends with 0 if both answer, with 5 if none runs, and with 6 if one does not answer within 3 s.

With \`--json\`:

${coordinatorExamples.map((line) => `    ${formatCoordinatorLine(line)}`).join("\n")}`],
  ["Exit codes", () =>
    `| exit code | meaning | \`code\` of the error |
|---|---|---|
${exitRows()}`],
  [
    "JSON lines",
    () =>
      `With \`--json\` stdout has one JSON object a line. \`type\` comes first; the first line of the stream also has \`"v":1\`. Fields are only
ever added: leave out those that you do not know. Sizes are exact bytes, times milliseconds, ids 64 hex digits. Control and invisible
characters are written as \`\\u001b\`.

${Object.values(jsonExamples).map(exampleLines).join("\n\n")}`,
  ],
];

function names(): readonly SpecName[] {
  return Object.keys(commandTable) as SpecName[];
}

function fetchOnly(): FlagTable {
  return Object.fromEntries(Object.entries<FlagTable[string]>(fetchFlags).filter(([name]) => !(name in peerFlags)));
}

function flagRows(table: FlagTable): string {
  const rows = Object.entries(table).map(([name, spec]) => {
    const short = spec.short === undefined ? "" : `\`-${spec.short}\`, `;
    const value = spec.value === undefined ? "" : ` ${spec.value}`;
    const set = envNames(name, spec).map((variable) => `\`${variable}\``).join(", ");
    const inConfig = spec.settable === false || name === "home" ? "" : `\`${name}\``;
    return `| ${short}\`--${name}${value}\` | ${set} | ${inConfig} | ${spec.default ?? ""} | ${spec.help} |`;
  });
  return ["| option | variable | in config.json | default | meaning |", "|---|---|---|---|---|", ...rows].join("\n");
}

function exitRows(): string {
  const codesOf = (exit: string) =>
    Object.entries(errorCodes).filter(([, row]) => String(row.exit) === exit).map(([code]) => `\`${code}\``).join(", ");
  for (const [code, { exit }] of Object.entries(errorCodes)) {
    if (exitMeanings[exit] === undefined) throw new RangeError(`Exit code ${exit} of ${code} has no meaning yet`);
  }
  return Object.entries(exitMeanings).map(([exit, meaning]) => `| ${exit} | ${meaning} | ${codesOf(exit)} |`).join(
    "\n",
  );
}

function exampleLines({ when, event }: { readonly when: string; readonly event: PeerEvent }): string {
  const line = event.type === "note" ? "" : `\n\n    ${formatJsonLine(event, false)}`;
  return `**${event.type}**: ${when}${line}`;
}

if (import.meta.main) await Deno.writeTextFile(path, await formatCliDocs());
