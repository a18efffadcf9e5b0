/**
 * limit_schedule: limits by the time of day. Laws: 1) of the entries that cover a time and a direction the first one counts;  2) a window
 * has its first minute and not its last, and may go over midnight;  3) the time is this machine's local one, whatever the
 * clock does.  (pure)
 */

export type Direction = "up" | "down";

export interface ScheduleEntry {
  /** As it was written, for people: `22:00-07:00`. */
  readonly window: string;
  /** Minutes since midnight, 0 to 1440. */
  readonly fromMinute: number;
  readonly toMinute: number;
  readonly directions: readonly Direction[];
  /** Undefined is no limit. */
  readonly bytesPerSecond: number | undefined;
}

/** The entry that is in force; undefined outside of all windows. */
export function entryAt(
  schedule: readonly ScheduleEntry[],
  direction: Direction,
  time: Date,
): ScheduleEntry | undefined {
  const minute = time.getHours() * 60 + time.getMinutes();
  return schedule.find((entry) => entry.directions.includes(direction) && covers(entry, minute));
}

function covers({ fromMinute, toMinute }: ScheduleEntry, minute: number): boolean {
  if (fromMinute < toMinute) return fromMinute <= minute && minute < toMinute;
  return fromMinute <= minute || minute < toMinute;
}
