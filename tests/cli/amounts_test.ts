import { assertEquals, assertThrows } from "@std/assert";
import { formatAgo, formatDuration, formatRate, formatSize, parseDurationMs } from "../../lib/cli/amounts.ts";
import { UsageError } from "../../lib/core/errors.ts";

Deno.test("parseDurationMs() reads what people write", () => {
  const cases = {
    "30s": 30_000,
    "5m": 300_000,
    "1.5h": 5_400_000,
    "500ms": 500,
    "90": 90_000,
    "2 m": 120_000,
    "7d": 604_800_000,
  };
  for (const [text, ms] of Object.entries(cases)) assertEquals(parseDurationMs(text, "--timeout"), ms);
});

Deno.test("parseDurationMs() refuses what is no duration, nothing, or over a week", () => {
  for (const text of ["", "s", "-1s", "0", "0.0001ms", "1w", "1e3s", "NaN", "8d", "99999999999999999999h"]) {
    const error = assertThrows(() => parseDurationMs(text, "--timeout"), UsageError, "--timeout");
    assertEquals(error.exitCode, 2);
  }
});

Deno.test("formatSize() and formatRate() use decimal units", () => {
  assertEquals(formatSize(1_500_000), "1.5 MB");
  assertEquals(formatSize(0), "0 B");
  assertEquals(formatSize(2 ** 44), "17.6 TB");
  assertEquals(formatRate(35_200_000), "35.2 MB/s");
});

Deno.test("formatDuration() names the two largest parts", () => {
  const cases: readonly (readonly [number, string])[] = [
    [0, "0.0 s"],
    [400, "0.4 s"],
    [9_949, "9.9 s"],
    [9_950, "10 s"],
    [59_499, "59 s"],
    [59_500, "1m"],
    [125_000, "2m 5s"],
    [3 * 3_600_000 + 61_000, "3h 1m"],
  ];
  for (const [ms, text] of cases) assertEquals(formatDuration(ms), text);
});

Deno.test("formatAgo() counts back from now, and takes a clock that is behind for now", () => {
  const now = 1_700_000_000_000;
  const cases: readonly (readonly [number, string])[] = [
    [-60_000, "just now"],
    [9_999, "just now"],
    [10_000, "10 s ago"],
    [60_000, "1 min ago"],
    [3_599_999, "59 min ago"],
    [86_400_000, "1 day ago"],
    [10 * 86_400_000, "10 days ago"],
  ];
  for (const [ms, text] of cases) assertEquals(formatAgo(now - ms, now), text);
});
