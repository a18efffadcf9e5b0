/** schedule: limits by the time of day, as people write them. Spec: docs/cli.md "Values".  (pure) */

import { UsageError } from "../core/errors.ts";
import type { ScheduleEntry } from "../peer/limit_schedule.ts";
import { parseRate } from "./amounts.ts";

/** More than anybody means. */
const entriesMax = 64;

/**
 * Parses `22:00-07:00=unlimited`, several separated by commas, each for both directions or, with `up` or `down` before it, for one:
 * `up 09:00-17:00=500k, 22:00-07:00=unlimited`.
 * @param where What it is for, as the message names it: `--limit-schedule`.
 * @throws {UsageError} If an entry is none, or covers no time.
 */
export function parseSchedule(text: string, where: string): readonly ScheduleEntry[] {
  const entries = text.split(",").map((entry) => parseEntry(entry.trim(), where));
  if (entries.length <= entriesMax) return entries;
  throw new UsageError(`Cannot read ${where}: it has more than ${entriesMax} entries`);
}

function parseEntry(entry: string, where: string): ScheduleEntry {
  const pattern = /^(?:(up|down) +)?((\d{1,2}:\d{2}) ?- ?(\d{1,2}:\d{2})) ?= ?(.+)$/i;
  const [, direction, , from, to, rate] = pattern.exec(entry) ?? [];
  const fromMinute = minuteOf(from);
  const toMinute = minuteOf(to);
  if (rate === undefined || fromMinute === undefined || toMinute === undefined) {
    throw new UsageError(`Cannot read ${where}: ${JSON.stringify(entry)} is no entry of a schedule`, {
      hint: "Write it like 22:00-07:00=unlimited or up 09:00-17:00=500k, several separated by commas",
    });
  }
  if (fromMinute % 1440 === toMinute % 1440 && toMinute - fromMinute !== 1440) {
    throw new UsageError(`Cannot read ${where}: ${from}-${to} covers no time`, {
      hint: "Write 00:00-24:00 for the whole day",
    });
  }
  return {
    window: `${from}-${to}`,
    fromMinute,
    toMinute,
    directions: direction === undefined ? ["up", "down"] : [direction.toLowerCase() === "up" ? "up" : "down"],
    bytesPerSecond: parseRate(rate, where),
  };
}

/** Minutes since midnight; undefined for what is no time of day. 24:00 is the end of the day. */
function minuteOf(time: string | undefined): number | undefined {
  const [hour, minute] = (time ?? "").split(":").map(Number);
  if (hour === undefined || minute === undefined || minute > 59) return undefined;
  const all = hour * 60 + minute;
  return all <= 1440 ? all : undefined;
}
