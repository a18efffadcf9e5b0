/**
 * log: what an operator reads. Laws: 1) no password, key, file name or ticket is ever in it: events have no such field;
 * 2) names are escaped;  3) at most `linesPerSecondMax` lines a second, then a count: a flood of refused logins must not fill a disk.
 */

import { ShoalError } from "../core/errors.ts";
import { escapeName, escapeText } from "../core/escape.ts";
import { formatJsonLine } from "./json_line.ts";
import type { LogEvent } from "./role/types.ts";

export type LogFormat = "text" | "json";
/** `quiet`: warnings and faults; `normal`: who comes and goes, too; `verbose`: every event. */
export type LogLevel = "quiet" | "normal" | "verbose";

const linesPerSecondMax = 100;

/** Events that are shown with `verbose` alone. */
const details: ReadonlySet<LogEvent["event"]> = new Set(["moved", "replaced"]);

export interface LogOptions {
  readonly format: LogFormat;
  readonly level: LogLevel;
  readonly clock: () => number;
  /** Writes one line. */
  readonly write: (line: string) => void;
}

export class Log {
  readonly #options: LogOptions;
  #second = 0;
  #lines = 0;
  #left = 0;

  constructor(options: LogOptions) {
    this.#options = options;
  }

  /** Tells of an event of the role. */
  event({ event, ...fields }: LogEvent): void {
    const { level } = this.#options;
    if (level === "quiet" || (level === "normal" && details.has(event))) return;
    this.#line("info", event, fields);
  }

  /** Tells what the operator should know, unless he wants quiet. */
  note(text: string): void {
    if (this.#options.level !== "quiet") this.#line("info", "note", { text });
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

  #line(level: "info" | "warning" | "error", event: string, fields: Readonly<Record<string, string>>): void {
    const nowMs = this.#options.clock();
    const second = Math.floor(nowMs / 1000);
    if (second !== this.#second) {
      const left = this.#left;
      this.#second = second;
      this.#lines = this.#left = 0;
      if (left > 0) this.#write(nowMs, "warning", "linesLeftOut", { count: String(left) });
    }
    if (++this.#lines > linesPerSecondMax) this.#left++;
    else this.#write(nowMs, level, event, fields);
  }

  #write(nowMs: number, level: string, event: string, fields: Readonly<Record<string, string>>): void {
    const time = new Date(nowMs).toISOString();
    if (this.#options.format === "json") {
      this.#options.write(formatJsonLine({ time, level, event, ...fields }));
      return;
    }
    const { text, ...others } = fields;
    const told = Object.entries(others).map(([name, value]) => `${name}=${escapeName(value)}`);
    const words = text === undefined ? [event, ...told] : [escapeText(text), ...told];
    this.#options.write(`${time} ${level === "info" ? "" : `${level}: `}${words.join(" ")}`);
  }
}
