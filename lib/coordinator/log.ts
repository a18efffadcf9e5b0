/**
 * log: what an operator reads. Laws: 1) no password, key, file name or ticket is ever in it: events have no such field;
 * 2) names are escaped;  3) at most `linesPerSecondMax` lines a second, then a count: a flood of refused logins must not fill a disk.
 */

import { ShoalError } from "../core/errors.ts";
import { escapeName, escapeText } from "../core/escape.ts";
import { formatJsonLine } from "./json_line.ts";
import type { LogEvent } from "./role/types.ts";

export const logFormats = ["text", "json"] as const;
export type LogFormat = typeof logFormats[number];
/** Each shows what those before it do: mistakes of ours; what to look after; who comes and goes; every event. */
export const logLevels = ["error", "warning", "info", "debug"] as const;
export type LogLevel = typeof logLevels[number];

const linesPerSecondMax = 100;

/** Events that are not of level `info`. */
const eventLevels: Partial<Record<LogEvent["event"], LogLevel>> = {
  moved: "debug",
  replaced: "debug",
  shed: "warning",
};

type Fields = Readonly<Record<string, string | number>>;

export interface LogOptions {
  readonly format: LogFormat;
  readonly level: LogLevel;
  readonly clock: () => number;
  /** Writes one line. */
  readonly write: (line: string) => void;
}

export class Log {
  readonly #options: LogOptions;
  /** May be changed while it runs. */
  format: LogFormat;
  level: LogLevel;
  #linesLeftOut = 0;
  #second = 0;
  #lines = 0;
  #left = 0;

  constructor(options: LogOptions) {
    this.#options = options;
    this.format = options.format;
    this.level = options.level;
  }

  /** Lines that were over the bound of their second, since the start. */
  get linesLeftOut(): number {
    return this.#linesLeftOut;
  }

  /** Tells of an event of the role. */
  event({ event, ...fields }: LogEvent): void {
    this.#line(eventLevels[event] ?? "info", event, fields);
  }

  /** Tells what the operator should know. */
  note(text: string): void {
    this.#line("info", "note", { text });
  }

  /** Tells what the operator should look after. */
  warn(text: string): void {
    this.#line("warning", "warning", { text });
  }

  /** Tells of a mistake of ours that was survived. Its message may quote a remote, so it is escaped like a name. */
  fault(error: unknown): void {
    const text = error instanceof ShoalError || error instanceof Error ? error.message : String(error);
    const where = error instanceof Error ? error.stack?.split("\n")[1]?.trim() : undefined;
    this.#line("error", "fault", where === undefined ? { text } : { text, where });
  }

  #line(level: LogLevel, event: string, fields: Fields): void {
    if (logLevels.indexOf(level) > logLevels.indexOf(this.level)) return;
    const nowMs = this.#options.clock();
    const second = Math.floor(nowMs / 1000);
    if (second !== this.#second) {
      const left = this.#left;
      this.#second = second;
      this.#lines = this.#left = 0;
      if (left > 0) this.#write(nowMs, "warning", "linesLeftOut", { count: String(left) });
    }
    if (++this.#lines <= linesPerSecondMax) return this.#write(nowMs, level, event, fields);
    this.#left++;
    this.#linesLeftOut++;
  }

  #write(nowMs: number, level: LogLevel, event: string, fields: Fields): void {
    const time = new Date(nowMs).toISOString();
    if (this.format === "json") {
      this.#options.write(formatJsonLine({ time, level, event, ...fields }));
      return;
    }
    const { text, ...others } = fields;
    const told = Object.entries(others).map(([name, value]) => `${name}=${escapeName(String(value))}`);
    const words = text === undefined ? [event, ...told] : [escapeText(String(text)), ...told];
    this.#options.write(`${time} ${level === "info" || level === "debug" ? "" : `${level}: `}${words.join(" ")}`);
  }
}
