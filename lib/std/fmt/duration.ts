/** duration: milliseconds as people read them.  (pure) */

/** Options of {@linkcode format}. */
export interface FormatOptions {
  /** "narrow": `1m 39s`; "full": `1 minute, 39 seconds`; "digital": `00:00:01:39:674:000:000`. */
  style?: "narrow" | "digital" | "full";
  /** Leaves out parts that are zero; in "digital" only those at the end. */
  ignoreZero?: boolean;
}

/** Parts from the largest down: [name, short name, milliseconds in one, how many make the next, digits]. */
const parts = [
  ["day", "d", 86_400_000, Infinity, 2],
  ["hour", "h", 3_600_000, 24, 2],
  ["minute", "m", 60_000, 60, 2],
  ["second", "s", 1_000, 60, 2],
  ["millisecond", "ms", 1, 1_000, 3],
] as const;

/**
 * Formats a duration given in milliseconds; the sign is dropped.
 *
 * @throws {TypeError} If the style is none of the three.
 */
export function format(ms: number, options: FormatOptions = {}): string {
  const { style = "narrow", ignoreZero = false } = options;
  const values = split(Math.abs(ms));
  const shown = ignoreZero ? values.filter(({ value }) => value !== 0) : values;
  switch (style) {
    case "narrow":
      return shown.map(({ value, short }) => `${value}${short}`).join(" ");
    case "full":
      return shown.map(({ value, name }) => `${value} ${name}${value === 1 ? "" : "s"}`).join(", ");
    case "digital": {
      const last = ignoreZero ? values.findLastIndex(({ value }) => value !== 0) : values.length - 1;
      return values.slice(0, last + 1).map(({ value, digits }) => String(value).padStart(digits, "0")).join(":");
    }
    default:
      throw new TypeError(`style must be "narrow", "full", or "digital"!`);
  }
}

interface Part {
  readonly name: string;
  readonly short: string;
  readonly digits: number;
  readonly value: number;
}

function split(ms: number): Part[] {
  const whole: Part[] = parts.map(([name, short, unitMs, next, digits]) => ({
    name,
    short,
    digits,
    value: Math.trunc(ms / unitMs) % next,
  }));
  // Digits after the point, cut at nanoseconds.
  const fraction = ms.toFixed(7).split(".")[1]!;
  return [
    ...whole,
    { name: "microsecond", short: "µs", digits: 3, value: Number(fraction.slice(0, 3)) },
    { name: "nanosecond", short: "ns", digits: 3, value: Number(fraction.slice(3, 6)) },
  ];
}
