import { assertEquals, assertThrows } from "@std/assert";
import { format as formatBytes } from "@std/fmt/bytes";
import { bold, getColorEnabled, gray, green, red, setColorEnabled, stripAnsiCode } from "@std/fmt/colors";
import { format as formatDuration } from "@std/fmt/duration";

Deno.test("bytes.format() writes three digits in decimal units", () => {
  const table: [number, string][] = [
    [0, "0 B"],
    [1, "1 B"],
    [999, "999 B"],
    [1000, "1 kB"],
    [1337, "1.34 kB"],
    [999_999, "1000 kB"],
    [1e6, "1 MB"],
    [-2.5e9, "-2.5 GB"],
    [2 ** 53, "9.01 PB"],
  ];
  for (const [bytes, text] of table) assertEquals(formatBytes(bytes), text);
});

Deno.test("bytes.format() writes binary units on demand", () => {
  assertEquals([1023, 1024, 1536 * 1024].map((bytes) => formatBytes(bytes, { binary: true })), [
    "1020 B",
    "1 kiB",
    "1.5 MiB",
  ]);
});

Deno.test("bytes.format() refuses what is no size", () => {
  for (const bytes of [NaN, Infinity]) assertThrows(() => formatBytes(bytes), TypeError);
});

Deno.test("duration.format() writes each style", () => {
  assertEquals(formatDuration(99_674), "0d 0h 1m 39s 674ms 0µs 0ns");
  assertEquals(formatDuration(99_674, { ignoreZero: true }), "1m 39s 674ms");
  assertEquals(formatDuration(90_061_000, { style: "full", ignoreZero: true }), "1 day, 1 hour, 1 minute, 1 second");
  assertEquals(formatDuration(99_674, { style: "digital" }), "00:00:01:39:674:000:000");
  assertEquals(formatDuration(-60_000, { style: "digital", ignoreZero: true }), "00:00:01");
  assertEquals(formatDuration(1.5, { ignoreZero: true }), "1ms 500µs");
});

Deno.test("colors put text between codes, start again after an inner colour, and can be switched off", () => {
  const before = getColorEnabled();
  try {
    setColorEnabled(true);
    if (Deno.noColor) return assertEquals(red("x"), "x");
    assertEquals(red("x"), "\x1b[31mx\x1b[39m");
    assertEquals(gray("x"), "\x1b[90mx\x1b[39m");
    assertEquals(red(`a${green("b")}c`), "\x1b[31ma\x1b[32mb\x1b[31mc\x1b[39m");
    setColorEnabled(false);
    assertEquals(bold(red("x")), "x");
  } finally {
    setColorEnabled(before);
  }
});

Deno.test("stripAnsiCode() leaves the text alone", () => {
  assertEquals(stripAnsiCode("\x1b[1m\x1b[31mré\x1b[39m\x1b[22md"), "réd");
});
