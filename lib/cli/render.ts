/**
 * render: events as text for people. Laws: 1) what was asked for goes to stdout; progress, notes and errors go to stderr;
 * 2) nothing that came from elsewhere is shown unescaped;  3) rows of a kind become one table, fitted to the terminal.
 * Spec: docs/cli.md.  (pure: screen and clock are passed in)
 */

import { escapeName, escapeText } from "../core/escape.ts";
import type { FileEvent, PeerEvent } from "../peer/commands.ts";
import type { Ambiguous } from "./ambiguity.ts";
import { formatAgo, formatDuration, formatRate, formatSize } from "./amounts.ts";
import { formatAudience } from "../peer/audience_words.ts";
import type { EventSink } from "./event_sink.ts";
import type { Palette } from "./palette.ts";
import type { ProgressBoard } from "./progress_board.ts";
import type { Screen } from "./screen.ts";
import { type Cell, type Column, formatTable } from "./table.ts";
import { displayWidth } from "./width.ts";
import { quoteWord } from "./words.ts";

type EventOf<T extends PeerEvent["type"]> = Extract<PeerEvent, { type: T }>;
type RowEvent =
  | EventOf<"peer">
  | EventOf<"file">
  | EventOf<"transfer">
  | EventOf<"receipt">
  | EventOf<"limit">
  | EventOf<"device">
  | EventOf<"watch">;

type LineEvent = Exclude<PeerEvent, RowEvent | EventOf<"progress" | "listed" | "fetching">>;

export interface TextOptions {
  readonly screen: Screen;
  readonly board: ProgressBoard;
  readonly clock: () => number;
  readonly quiet: boolean;
  readonly verbose: boolean;
}

/** Rows that are kept back for one table; a longer list goes on in a further one, without headings. */
const rowsMax = 1_000;

/** Rows of a list that is drawn in place: it must fit the terminal. */
const watchedRowsMax = 20;

/** Files of one command that have a line each; more are counted, unless it is verbose. */
const filesNamedMax = 20;

/** Holders named one by one; more are counted. */
const holdersNamedMax = 3;
/** Failures of one kind that are told one by one where files are counted. */
const failuresNamedMax = 5;

/** What came over the network is told if it is at most this part of what was fetched. */
const saidShareMax = 0.9;

const shortIdDigits = 12;
const shortId = (id: string) => id.length > shortIdDigits ? `${id.slice(0, shortIdDigits)}…` : id;

const fileColumns: readonly Column[] = [
  { title: "NAME", cut: "middle" },
  { title: "SIZE", align: "right" },
  { title: "HOLDERS", align: "right", drop: 1 },
  { title: "ID", short: shortId, drop: 2 },
];
/** Where one of the files has such a thing to tell. */
const audienceColumn: Column = { title: "FOR", cut: "end", drop: 3 };
const descriptionColumn: Column = { title: "ABOUT", cut: "end", drop: 4 };
const watchColumns: readonly Column[] = [
  { title: "#", align: "right" },
  { title: "WATCHED", cut: "end" },
  { title: "STATE", cut: "end" },
];
const peerColumns: readonly Column[] = [
  { title: "ACCOUNT", cut: "end" },
  { title: "DEVICE", cut: "end" },
  { title: "STATE" },
  { title: "SINCE", drop: 1 },
];
const deviceColumns: readonly Column[] = [
  { title: "DEVICE", cut: "end" },
  { title: "STATE" },
  { title: "SINCE", drop: 1 },
  { title: "LOGS IN BY" },
  { title: "ENROLLED", drop: 2 },
];
const transferColumns: readonly Column[] = [
  { title: "#", align: "right" },
  { title: "DIR" },
  { title: "NAME", cut: "middle" },
  { title: "WITH", cut: "end", drop: 3 },
  { title: "DONE", align: "right" },
  { title: "SIZE", align: "right", drop: 2 },
  { title: "RATE", align: "right", drop: 1 },
  { title: "STATE", cut: "end" },
];
const receiptColumns: readonly Column[] = [
  { title: "NAME", cut: "middle" },
  { title: "SIZE", align: "right" },
  { title: "FROM", cut: "end" },
  { title: "WHEN", drop: 1 },
  { title: "PATH", cut: "middle", drop: 2 },
  { title: "ID", short: shortId, drop: 3 },
];

const limitColumns: readonly Column[] = [
  { title: "DIR" },
  { title: "#", align: "right" },
  { title: "NAME", cut: "middle" },
  { title: "LIMIT", align: "right" },
  { title: "SET BY", drop: 1 },
];

/** What is said where a list is empty. */
const emptyNotices: Readonly<Record<string, string>> = {
  peers: "Nobody is known here yet",
  myfiles: "Your account shares nothing; share <path> shares a file or a folder",
  transfers: "Nothing is being fetched or served",
  pause: "Nothing is being fetched",
  resume: "No fetch is paused",
  cancel: "Nothing is being fetched",
  priority: "Nothing is being fetched",
  receipts: "Nothing was fetched here yet",
  watch: "Nothing is watched; watch <word> begins",
};

/** Shows the events of one command. */
export class TextRenderer implements EventSink {
  readonly #screen: Screen;
  readonly #options: TextOptions;
  #rows: RowEvent[] = [];
  #headed: RowEvent["type"] | undefined;
  /** The newest of lists that follow one another, where they are drawn in place; else none. Undefined without lists. */
  #watched: readonly string[] | undefined;
  #wroteData = false;
  /** Whether the command's files are too many for a line each. */
  #areMany = false;
  /** Of many files: how many failed, by code. */
  readonly #failures = new Map<string, number>();

  constructor(options: TextOptions) {
    this.#screen = options.screen;
    this.#options = options;
  }

  show(event: PeerEvent): void {
    switch (event.type) {
      case "peer":
      case "file":
      case "transfer":
      case "receipt":
      case "limit":
      case "watch":
      case "device":
        if (this.#rows.length >= rowsMax || (this.#rows[0] ?? event).type !== event.type) this.#flush();
        this.#rows.push(event);
        return;
      case "progress":
        if (!this.#options.quiet) this.#options.board.update(this, event);
        return;
      case "listed":
        return this.#showWatched();
      case "fetching":
        this.#areMany = event.files > filesNamedMax;
        return;
      case "error":
        // Ctrl-C is how one leaves a list that is drawn anew.
        if (this.#watched !== undefined && event.code === "interrupted") return;
        if (this.#areMany && !this.#isNamed(event.code)) return;
    }
    this.#flush();
    this.#showLine(event);
  }

  finish(command?: string): void {
    this.#options.board.pin([]);
    for (const line of this.#watched ?? []) this.#data(line);
    // Of a list that was cut off in its middle nothing is shown.
    if (this.#watched === undefined) this.#flush();
    this.#options.board.remove(this);
    const empty = command === undefined ? undefined : emptyNotices[command];
    if (empty !== undefined && !this.#wroteData && !this.#options.quiet) this.#screen.notice(empty);
  }

  /** Draws the rows in place of the list before; where nothing is drawn in place, one list follows the other. */
  #showWatched(): void {
    if (!this.#screen.isAnimated) {
      this.#headed = undefined;
      this.#watched = [];
      return this.#flush();
    }
    const hidden = this.#rows.splice(watchedRowsMax).length;
    this.#watched = this.#rows.length === 0
      ? [emptyNotices["transfers"]!]
      : [...this.#table(), ...(hidden > 0 ? [`and ${hidden} more`] : [])];
    this.#rows = [];
    this.#options.board.pin(this.#watched);
  }

  #showLine(event: LineEvent): void {
    const { good, strong, dim, bad, warn } = this.#screen.dataPalette;
    const notice = this.#screen.noticePalette;
    switch (event.type) {
      case "ready":
        return this.#data(
          `Ready: ${who(event)}, serving on ${
            escapeName(event.address.includes(":") ? `[${event.address}]` : event.address)
          }:${event.port}`,
        );
      case "shared":
        this.#options.board.remove(this, event.name);
        return this.#data(
          this.#withId(
            `${good("shared")} ${escapeName(event.name)} (${formatSize(event.bytes)})` +
              (event.audience === undefined ? "" : ` with ${escapeText(formatAudience(event.audience))}`),
            event.id,
          ),
        );
      case "found": {
        const about = event.description === undefined ? "" : `: ${escapeText(event.description)}`;
        return this.#data(
          this.#withId(
            `${good("found")} ${escapeName(event.name)} (${formatSize(event.bytes)}, watch ${event.watch})${about}`,
            event.id,
          ),
        );
      }
      case "unwatched":
        return this.#data(`${good("ended")} watch ${event.number}: ${escapeText(event.words.join(" "))}`);
      case "removed":
        return this.#data(`${good("removed")} ${escapeName(event.name)}`);
      case "fetched":
        this.#options.board.remove(this, event.name);
        if (this.#areMany && !this.#options.verbose) return;
        return this.#showFetched(event);
      case "summary":
        this.#options.board.remove(this, event.name);
        return this.#showSummary(event);
      case "status":
        return this.#showStatus(event);
      case "verified":
        this.#options.board.remove(this, event.name);
        return this.#data(
          this.#withId(
            `${good("verified")} ${escapeText(event.path)} is ${escapeName(event.name)} (${formatSize(event.bytes)})` +
              (event.by === "receipt" ? ", by its receipt" : ""),
            event.id,
          ),
        );
      case "fingerprint": {
        const paint = { remembered: good, new: warn, changed: bad }[event.trust];
        return this.#data(
          `${strong(escapeName(event.account))}  ${escapeText(event.fingerprint)}  ${paint(trustWords[event.trust])}`,
        );
      }
      case "revoked":
        return this.#data(`${good("revoked")} ${escapeName(event.device)}: it needs the password to log in again`);
      case "loggedOut":
        return this.#data(`${good("logged out")} ${who(event)}: the next start needs the password`);
      case "registered":
        return this.#data(`${good("registered")} ${strong(escapeName(event.account))}`);
      case "passwordChanged": {
        const others = event.everywhere ? "all other devices need the new one" : "other devices stay logged in";
        return this.#data(`${good("changed")} the password of ${strong(escapeName(event.account))}; ${others}`);
      }
      case "trusted":
        return this.#data(`${good("trusted")} ${escapeName(event.account)}  ${dim(escapeText(event.fingerprint))}`);
      case "ambiguous":
        return showChoices(event, this.#screen);
      case "note":
        if (!this.#options.quiet) this.#screen.notice(notice.warn(escapeText(event.message)));
        return;
      case "error":
        return showError(event, this.#screen);
    }
  }

  #showFetched(event: EventOf<"fetched">): void {
    const { good, dim } = this.#screen.dataPalette;
    const size = formatSize(event.bytes);
    const path = escapeText(event.path);
    if (event.holders.length === 0 && event.reusedBytes === 0 && event.bytes > 0) {
      return this.#data(`${good("fetched")} ${path} (${size}, it was there already)`);
    }
    const facts = [size];
    if (event.bytes > 0) {
      facts.push(`in ${formatDuration(event.tookMs)}`);
      if (event.fetchedBytes > 0) {
        facts.push(
          formatRate(event.fetchedBytes * 1000 / Math.max(1, event.tookMs)),
          `from ${holderNames(event.holders)}`,
        );
      }
      if (event.reusedBytes > 0) facts.push(`${formatSize(event.reusedBytes)} of it from files already here`);
      if (event.fetchedBytes > 0 && event.wireBytes <= saidShareMax * event.fetchedBytes) {
        facts.push(`${formatSize(event.wireBytes)} over the network`);
      }
      if (event.refetchedBytes > 0) facts.push(`${formatSize(event.refetchedBytes)} of it fetched again`);
    }
    this.#data(`${good("fetched")} ${path} (${facts.join(", ")})`);
    if (!this.#options.verbose) return;
    for (const holder of event.holders) this.#data(dim(`    ${formatSize(holder.bytes)} from ${who(holder)}`));
    this.#data(dim(`    ${event.id}`));
  }

  /** Whether one of many failures is told by itself. */
  #isNamed(code: string): boolean {
    if (this.#options.verbose) return true;
    const count = (this.#failures.get(code) ?? 0) + 1;
    this.#failures.set(code, count);
    // Ctrl-C is one event, and the summary says how far it came.
    return code !== "interrupted" && count <= failuresNamedMax;
  }

  #showFailures(): void {
    const { bad } = this.#screen.noticePalette;
    for (const [code, count] of this.#failures) {
      if (code === "interrupted" || count <= failuresNamedMax) continue;
      this.#screen.notice(`${bad("error:")} ${count - failuresNamedMax} more files failed in this way: ${code}`);
    }
  }

  #showSummary({ files, done, bytes, fetchedBytes, tookMs }: EventOf<"summary">): void {
    // A few have told it all.
    if (!this.#areMany) return;
    this.#showFailures();
    const { good, warn } = this.#screen.dataPalette;
    const count = done === files ? `${files} files` : `${done} of ${files} files`;
    const facts = [formatSize(bytes), `in ${formatDuration(tookMs)}`];
    if (fetchedBytes > 0) facts.push(formatRate(fetchedBytes * 1000 / Math.max(1, tookMs)));
    if (fetchedBytes < bytes) facts.push(`${formatSize(bytes - fetchedBytes)} was there already`);
    this.#data(`${(done === files ? good : warn)("fetched")} ${count} (${facts.join(", ")})`);
  }

  #showStatus(event: EventOf<"status">): void {
    const { good, bad, dim } = this.#screen.dataPalette;
    const reachable = { yes: "others can connect", no: "others cannot connect", unknown: "not known yet" };
    const rows: readonly (readonly [string, string])[] = [
      ["state", event.online ? good("online") : bad("offline")],
      ["account", who(event)],
      [
        "coordinator",
        `${escapeText(event.coordinator)}${event.online ? `, ${Math.round(event.roundTripMs)} ms away` : ""}`,
      ],
      ["serving on", `${escapeText(event.address)} port ${event.port}, ${reachable[event.reachable]}`],
      ["shares", String(event.shares)],
      ["transfers", `${event.downloads} down, ${event.uploads} up`],
      ["home", escapeText(event.home)],
    ];
    for (const [title, value] of rows) this.#data(`${dim(title.padEnd(11))}  ${value}`);
  }

  #flush(): void {
    const first = this.#rows[0];
    if (first === undefined) return;
    const lines = this.#table();
    this.#rows = [];
    // A pipe gets rows alone: headings are no data.
    const isHeaded = this.#headed === first.type || this.#screen.dataWidth === undefined;
    for (const line of isHeaded ? lines.slice(1) : lines) this.#data(line);
    this.#headed = first.type;
  }

  /** The rows, below their headings. */
  #table(): string[] {
    const palette = this.#screen.dataPalette;
    const [columns, cells] = tableOf(this.#rows, palette, this.#options.clock());
    const whole = this.#options.verbose ? columns.map(({ short: _, ...column }) => column) : columns;
    return formatTable(whole, cells, this.#screen.dataWidth, palette.dim);
  }

  /** Puts an id behind a line: all of it if there is room. */
  #withId(line: string, id: string): string {
    const room = this.#screen.dataWidth ?? Infinity;
    const fits = this.#options.verbose || displayWidth(line) + 2 + id.length <= room;
    return `${line}  ${this.#screen.dataPalette.dim(fits ? id : shortId(id))}`;
  }

  #data(line: string): void {
    this.#wroteData = true;
    this.#screen.data(line);
  }
}

/** Shows an error and, below it, what to do next. */
export function showError(event: EventOf<"error">, screen: Screen): void {
  const { bad } = screen.noticePalette;
  screen.notice(`${bad("error:")} ${escapeText(event.message)}`);
  if (event.hint !== "") screen.notice(`  ${escapeText(event.hint)}`);
}

/** Shows what a name may mean, numbered from 1. */
export function showChoices(event: Ambiguous, screen: Screen): void {
  screen.notice(`${screen.noticePalette.warn(escapeName(event.name))} stands for several contents:`);
  const rows = event.choices.map((
    choice,
    at,
  ) => [{ text: String(at + 1) }, ...fileCells(choice, screen.noticePalette)]);
  const columns: readonly Column[] = [{ title: "#", align: "right" }, ...fileColumns];
  for (const line of formatTable(columns, rows, screen.noticeWidth, screen.noticePalette.dim)) screen.notice(line);
}

const trustWords = {
  remembered: "remembered",
  new: "not met before",
  changed: "CHANGED: another key than the one remembered",
} as const;

function tableOf(rows: readonly RowEvent[], palette: Palette, nowMs: number): [readonly Column[], Cell[][]] {
  switch (rows[0]!.type) {
    case "peer":
      return [peerColumns, (rows as EventOf<"peer">[]).map((row) => peerCells(row, palette, nowMs))];
    case "device":
      return [deviceColumns, (rows as EventOf<"device">[]).map((row) => deviceCells(row, palette, nowMs))];
    case "file":
      return fileTable(rows as FileEvent[], palette);
    case "watch":
      return [watchColumns, (rows as EventOf<"watch">[]).map((row) => watchCells(row, palette))];
    case "receipt":
      return [receiptColumns, (rows as EventOf<"receipt">[]).map((row) => receiptCells(row, palette, nowMs))];
    case "limit":
      return [limitColumns, (rows as EventOf<"limit">[]).map(limitCells)];
    case "transfer":
      return [transferColumns, (rows as EventOf<"transfer">[]).map((row) => transferCells(row, palette))];
  }
}

function peerCells(event: EventOf<"peer">, palette: Palette, nowMs: number): Cell[] {
  return [
    { text: escapeName(event.account) },
    { text: escapeName(event.device) },
    event.online ? { text: "online", paint: palette.good } : { text: "away", paint: palette.dim },
    { text: formatAgo(event.changedAtMs, nowMs) },
  ];
}

function deviceCells(event: EventOf<"device">, palette: Palette, nowMs: number): Cell[] {
  const { device, isThis, online, changedAtMs, enrolledAtMs } = event;
  return [
    { text: escapeName(device) },
    online
      ? { text: isThis ? "online, this one" : "online", paint: palette.good }
      : { text: isThis ? "away, this one" : "away", paint: palette.dim },
    { text: formatAgo(changedAtMs, nowMs) },
    enrolledAtMs === null ? { text: "password", paint: palette.warn } : { text: "key" },
    { text: enrolledAtMs === null ? "" : formatAgo(enrolledAtMs, nowMs) },
  ];
}

function fileTable(rows: readonly FileEvent[], palette: Palette): [readonly Column[], Cell[][]] {
  const tellsAudience = rows.some(({ audience }) => audience !== undefined);
  const tellsDescription = rows.some(({ description }) => description !== undefined);
  const columns = [
    ...fileColumns,
    ...(tellsAudience ? [audienceColumn] : []),
    ...(tellsDescription ? [descriptionColumn] : []),
  ];
  const cells = rows.map((row) => [
    ...fileCells(row, palette),
    ...(tellsAudience ? [{ text: escapeText(formatAudience(row.audience ?? null)) }] : []),
    ...(tellsDescription ? [{ text: escapeText(row.description ?? "") }] : []),
  ]);
  return [columns, cells];
}

function watchCells({ number, words, state, why }: EventOf<"watch">, palette: Palette): Cell[] {
  const paint = { watching: palette.good, waiting: palette.warn, refused: palette.bad }[state];
  return [
    { text: String(number) },
    { text: escapeText(words.map(quoteWord).join(" ")) },
    { text: why === undefined ? state : `${state}: ${escapeText(why)}`, paint },
  ];
}

function fileCells(event: FileEvent, palette: Palette): Cell[] {
  return [
    { text: escapeName(event.name) },
    { text: formatSize(event.bytes) },
    { text: String(event.holders), ...(event.holders === 0 ? { paint: palette.warn } : {}) },
    { text: escapeText(event.id), paint: palette.dim },
  ];
}

function transferCells(event: EventOf<"transfer">, palette: Palette): Cell[] {
  const done = event.totalBytes === 0 ? 100 : Math.floor(Math.min(1, event.doneBytes / event.totalBytes) * 100);
  const paint = {
    waiting: palette.warn,
    failed: palette.bad,
    done: palette.good,
    paused: palette.warn,
    cancelled: palette.dim,
    running: undefined,
    verifying: undefined,
  };
  const state = paint[event.state];
  return [
    { text: String(event.number) },
    { text: event.direction },
    { text: escapeName(event.name) },
    { text: event.account === "" ? "" : who(event) },
    { text: `${done}%` },
    { text: formatSize(event.totalBytes) },
    { text: event.state === "running" ? formatRate(event.bytesPerSecond) : "" },
    { text: stateOf(event), ...(state === undefined ? {} : { paint: state }) },
  ];
}

function stateOf({ state, place, why, priority }: EventOf<"transfer">): string {
  const level = priority === undefined || priority === "normal" || state === "done" ? "" : `, ${priority} priority`;
  if (state === "failed") return why === undefined ? state : `${state}: ${escapeText(why)}`;
  if (state !== "waiting") return `${state}${level}`;
  const what = why !== undefined ? ` ${escapeText(why)}` : place !== undefined ? `, place ${place}` : "";
  return `${state}${what}${level}`;
}

function limitCells(event: EventOf<"limit">): Cell[] {
  const { direction, number, name, bytesPerSecond, by, window, lanUnlimited } = event;
  const setBy = by === "schedule" ? `schedule ${window}` : by === "command" ? "limit" : `--limit-${direction}`;
  return [
    { text: direction },
    { text: number === null ? "all" : String(number) },
    { text: escapeName(name) },
    { text: bytesPerSecond === null ? "unlimited" : formatRate(bytesPerSecond) },
    { text: escapeText(setBy) + (lanUnlimited ? ", own network exempt" : "") },
  ];
}

function receiptCells(event: EventOf<"receipt">, palette: Palette, nowMs: number): Cell[] {
  return [
    { text: escapeName(event.name) },
    { text: formatSize(event.bytes) },
    { text: event.holders.length === 0 ? "" : holderNames(event.holders) },
    { text: formatAgo(event.finishedAtMs, nowMs) },
    { text: escapeText(event.path) },
    { text: escapeText(event.id), paint: palette.dim },
  ];
}

function holderNames(holders: EventOf<"fetched">["holders"]): string {
  if (holders.length > holdersNamedMax) return `${holders.length} holders`;
  return holders.map(who).join(", ");
}

function who({ account, device }: { readonly account: string; readonly device: string }): string {
  return device === "" ? escapeName(account) : `${escapeName(account)}/${escapeName(device)}`;
}
