/** bytes: sizes as people read them.  (pure) */

/** Options of {@linkcode format}. */
export interface FormatOptions {
  /** Steps of 1024 with KiB, MiB …, instead of 1000 with kB, MB …. */
  binary?: boolean;
}

const units = ["B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"];
const binaryUnits = units.map((unit) => unit.replace(/^(.)B/, "$1iB"));

/**
 * Formats a count of bytes with three digits: 1337 → "1.34 kB".
 *
 * @throws {TypeError} If the count is not finite.
 */
export function format(num: number, options: FormatOptions = {}): string {
  if (!Number.isFinite(num)) throw new TypeError(`Expected a finite number, got ${typeof num}: ${num}`);
  const sign = num < 0 ? "-" : "";
  const size = Math.abs(num);
  if (size < 1) return `${sign}${size} B`;
  // Logarithms as the real package takes them, so that both round 999,999 and 2^30 alike.
  const power = Math.floor(options.binary ? Math.log(size) / Math.log(1024) : Math.log10(size) / 3);
  const step = Math.min(power, units.length - 1);
  const scaled = Number((size / (options.binary ? 1024 : 1000) ** step).toPrecision(3));
  return `${sign}${scaled} ${(options.binary ? binaryUnits : units)[step]}`;
}
