import { assert, assertEquals } from "@std/assert";
import { type Column, formatTable } from "../../lib/cli/table.ts";
import { displayWidth } from "../../lib/cli/width.ts";

const columns: readonly Column[] = [
  { title: "NAME", cut: "middle" },
  { title: "SIZE", align: "right" },
  { title: "ID", short: (id) => id.slice(0, 4), drop: 1 },
];
const rows = [
  [{ text: "holiday in the mountains.mp4" }, { text: "1 GB" }, { text: "0123456789" }],
  [{ text: "日本.flac" }, { text: "31.2 MB" }, { text: "9876543210" }],
];
const plain = (text: string) => text;

Deno.test("formatTable() leaves a table whole that fits, and in a pipe", () => {
  const whole = [
    "NAME                             SIZE  ID",
    "holiday in the mountains.mp4     1 GB  0123456789",
    "日本.flac                     31.2 MB  9876543210",
  ];
  assertEquals(formatTable(columns, rows, undefined, plain), whole);
  assertEquals(formatTable(columns, rows, 49, plain), whole);
});

Deno.test("formatTable() shortens first, then cuts, then leaves columns out", () => {
  assertEquals(formatTable(columns, rows, 48, plain)[1], "holiday in the mountains.mp4     1 GB  0123");
  assertEquals(formatTable(columns, rows, 30, plain)[1], "holiday in….mp4     1 GB  0123");
  assertEquals(formatTable(columns, rows, 24, plain)[1], "holiday in….mp4     1 GB");
});

Deno.test("formatTable() is never wider than the terminal", () => {
  for (let width = 1; width <= 60; width++) {
    for (const line of formatTable(columns, rows, width, plain)) {
      assert(displayWidth(line) <= width, `${width}: ${line}`);
    }
  }
});

Deno.test("formatTable() paints after it padded, so that colours move nothing", () => {
  const red = (text: string) => `\x1b[31m${text}\x1b[39m`;
  const [heading, row] = formatTable(columns, [[{ text: "a", paint: red }, { text: "1 B" }, { text: "0" }]], 40, red);
  assertEquals(row, "\x1b[31ma   \x1b[39m   1 B  0");
  assertEquals(heading, "\x1b[31mNAME\x1b[39m  \x1b[31mSIZE\x1b[39m  \x1b[31mID\x1b[39m");
});
