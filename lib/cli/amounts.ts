/**
 * amounts: sizes, rates and times, as people write them and as they read them. Laws: 1) decimal units: 1.5 MB is 1,500,000
 * bytes;  2) a limit that cannot be meant is refused, not clamped.  Spec: docs/cli.md "Values".  (pure)
 */

import { format as formatBytes } from "@std/fmt/bytes";
import { format as formatMs } from "@std/fmt/duration";
import { UsageError } from "../core/errors.ts";

const unitMs: Readonly<Record<string, number>> = { ms: 1, "": 1000, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** A week: longer than anybody waits for a byte. */
const durationMaxMs = 7 * 86_400_000;

/**
 * Parses a duration: `30s`, `5m`, `1.5h`, `500ms`; a bare number is seconds. Returns milliseconds, 1 to a week's.
 * @param where What it is for, as the message names it: `--timeout`.
 * @throws {UsageError} If it is no duration, or outside of that.
 */
export function parseDurationMs(text: string, where: string): number {
  const [, digits, unit] = /^(\d+(?:\.\d+)?) ?(ms|s|m|h|d|)$/.exec(text.trim()) ?? [];
  const ms = digits === undefined ? NaN : Math.round(Number(digits) * unitMs[unit!]!);
  if (!(ms >= 1)) {
    throw new UsageError(`Cannot read ${where}: ${JSON.stringify(text)} is no duration`, {
      hint: "Write it like 30s, 5m or 1h",
    });
  }
  if (ms > durationMaxMs) throw new UsageError(`Cannot read ${where}: ${text} is more than 7 days`);
  return ms;
}

const unitBytes: Readonly<Record<string, number>> = {
  "": 1,
  k: 1e3,
  m: 1e6,
  g: 1e9,
  ki: 1024,
  mi: 1024 ** 2,
  gi: 1024 ** 3,
  t: 1e12,
  ti: 1024 ** 4,
};

/** Below it a connection would not live. */
const rateMin = 1_000;
/** Far more than any line has. */
const rateMax = 1e12;

/**
 * Parses a rate: `500k`, `20M`, `1.5MB/s`, `1MiB`, in bytes a second; `unlimited` returns undefined. Bits (`20Mb`) are refused.
 * @param where What it is for, as the message names it: `--limit-up`.
 * @throws {UsageError} If it is none, under 1 kB/s, or more than any line has.
 */
export function parseRate(text: string, where: string): number | undefined {
  if (text.trim().toLowerCase() === "unlimited") return undefined;
  const [, digits, unit] = /^(\d+(?:\.\d+)?) ?([kKmMgG]i?|)B?(?:\/s)?$/.exec(text.trim()) ?? [];
  const bytesPerSecond = digits === undefined ? NaN : Math.round(Number(digits) * unitBytes[unit!.toLowerCase()]!);
  const hint = "Write bytes a second like 500k, 20M or 1.5MB/s, or unlimited";
  if (Number.isNaN(bytesPerSecond)) {
    throw new UsageError(`Cannot read ${where}: ${JSON.stringify(text)} is no rate`, { hint });
  }
  if (bytesPerSecond < rateMin) throw new UsageError(`Cannot read ${where}: ${text} is less than 1 kB/s`, { hint });
  if (bytesPerSecond > rateMax) throw new UsageError(`Cannot read ${where}: ${text} is more than 1 TB/s`, { hint });
  return bytesPerSecond;
}

/**
 * Parses a size: `500k`, `20M`, `1.5GB`, `1MiB`, in bytes.
 * @param where What it is for, as the message names it.
 * @throws {UsageError} If it is none.
 */
export function parseSize(text: string, where: string): number {
  const [, digits, unit] = /^(\d+(?:\.\d+)?) ?([kKmMgGtT]i?|)B?$/.exec(text.trim()) ?? [];
  const bytes = digits === undefined ? NaN : Math.round(Number(digits) * unitBytes[unit!.toLowerCase()]!);
  if (Number.isSafeInteger(bytes)) return bytes;
  throw new UsageError(`Cannot read ${JSON.stringify(where)}: ${JSON.stringify(text)} is no size`, {
    hint: "Write it like 500k, 20M or 1.5GB",
  });
}

/** Formats a size: `1.5 MB`. */
export function formatSize(bytes: number): string {
  return formatBytes(bytes);
}

/** Formats a rate: `1.5 MB/s`. */
export function formatRate(bytesPerSecond: number): string {
  return `${formatBytes(bytesPerSecond)}/s`;
}

/** Formats a duration by its two largest parts: `0.4 s`, `3.2 s`, `17 s`, `2m 5s`, `3h 10m`. */
export function formatDuration(ms: number): string {
  if (ms < 9_950) return `${(ms / 1000).toFixed(1)} s`;
  if (ms < 59_500) return `${Math.round(ms / 1000)} s`;
  return formatMs(Math.round(ms / 1000) * 1000, { ignoreZero: true }).split(" ").slice(0, 2).join(" ");
}

/** Formats how long ago an instant was: `just now`, `3 min ago`. A clock that is behind reads as `just now`. */
export function formatAgo(atMs: number, nowMs: number): string {
  const seconds = (nowMs - atMs) / 1000;
  if (seconds < 10) return "just now";
  if (seconds < 60) return `${Math.floor(seconds)} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ago`;
  const days = Math.floor(seconds / 86_400);
  return days === 1 ? "1 day ago" : `${days} days ago`;
}
