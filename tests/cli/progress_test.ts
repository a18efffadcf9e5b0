import { assert, assertEquals } from "@std/assert";
import { ProgressBoard } from "../../lib/cli/progress_board.ts";
import { formatLive, formatPlain, type Progress } from "../../lib/cli/progress_line.ts";
import { displayWidth } from "../../lib/cli/width.ts";
import type { PeerEvent } from "../../lib/peer/commands.ts";
import { MemoryScreen } from "./fakes.ts";

const progress: Progress = {
  name: "Photos/2026/Sommer in Größe.tar",
  activity: "fetch",
  doneBytes: 420e6,
  totalBytes: 1.05e9,
  bytesPerSecond: 35.2e6,
  holders: 2,
  path: "direct",
};

const event = (name: string, doneBytes: number, totalBytes = 100): Extract<PeerEvent, { type: "progress" }> => ({
  type: "progress",
  name,
  doneBytes,
  totalBytes,
});

Deno.test("formatLive() leaves out what matters least until the line fits", () => {
  assertEquals(formatLive(progress, 30), "Photos/2026/Somm…öße.tar   40%");
  assertEquals(formatLive(progress, 60), "Photos/20….tar   40%   420 MB/1.05 GB  35.2 MB/s  ETA 18 s");
  assertEquals(
    formatLive(progress, 80),
    "Photos/20….tar   40%   420 MB/1.05 GB  35.2 MB/s  ETA 18 s    2 holders   direct",
  );
  assertEquals(
    formatLive({ ...progress, name: "日本語の長い名前の映画.mp4", activity: "hash" }, 120),
    "hashing 日本語の長い名前の映画.mp4" +
      "        [####------]   40%   420 MB/1.05 GB  35.2 MB/s  ETA 18 s    2 holders   direct",
  );
});

Deno.test("formatLive() fits any width, whatever the numbers", () => {
  const extremes: readonly Partial<Progress>[] = [
    {},
    { doneBytes: 0, totalBytes: 0 },
    { doneBytes: 2 ** 44, totalBytes: 1 },
    { doneBytes: 0, totalBytes: 2 ** 44, bytesPerSecond: 0.5 },
    { bytesPerSecond: 1e15, name: "\x1b".repeat(300), holders: 1_000_000 },
  ];
  for (const extreme of extremes) {
    for (let width = 1; width <= 220; width += 3) {
      const line = formatLive({ ...progress, ...extreme }, width);
      assert(displayWidth(line) <= width, `${width}: ${line}`);
    }
  }
});

Deno.test("formatLive() says 100% only when all is there", () => {
  assert(formatLive({ ...progress, doneBytes: 999_999, totalBytes: 1_000_000 }, 30).endsWith(" 99%"));
  assert(formatLive({ ...progress, doneBytes: 5, totalBytes: 5 }, 30).endsWith(" 100%"));
  assert(formatLive({ ...progress, doneBytes: 0, totalBytes: 0 }, 30).endsWith(" 100%"));
});

Deno.test("formatPlain() is a sentence", () => {
  assertEquals(
    formatPlain(progress),
    "Photos/2026/Sommer in Größe.tar: 40%, 420 MB of 1.05 GB, 35.2 MB/s, ETA 18 s, 2 holders, direct",
  );
  assertEquals(
    formatPlain({ ...progress, bytesPerSecond: 0, holders: undefined, path: undefined, activity: "hash" }),
    "hashing Photos/2026/Sommer in Größe.tar: 40%, 420 MB of 1.05 GB",
  );
});

Deno.test("the progress of many files says how many of them are there, on any width", () => {
  const many: Progress = { ...progress, name: "photos\x1b", holders: undefined, path: undefined };
  const files = { done: 12, total: 2000 };
  assertEquals(
    formatPlain({ ...many, files }),
    "photos\\x1b (12/2000): 40%, 420 MB of 1.05 GB, 35.2 MB/s, ETA 18 s",
  );
  for (let width = 1; width <= 200; width++) assert(displayWidth(formatLive({ ...many, files }, width)) <= width);
});

Deno.test("the board draws one line a file and takes it away again", () => {
  const screen = new MemoryScreen(80, true);
  let nowMs = 0;
  const board = new ProgressBoard(screen, () => nowMs);
  const first = {};
  const second = {};
  board.update(first, event("a", 0));
  nowMs += 100;
  board.update(second, event("a", 50));
  assertEquals(screen.liveLines.map((line) => line.split(/ +/, 2)), [["a", "0%"], ["a", "50%"]]);
  board.remove(first, "a");
  assertEquals(screen.liveLines.length, 1);
  board.remove(second);
  assertEquals(screen.liveLines, []);
});

Deno.test("the board redraws at most ten times a second", () => {
  const screen = new MemoryScreen(80, true);
  let nowMs = 0;
  const board = new ProgressBoard(screen, () => nowMs);
  for (; nowMs < 2000; nowMs += 5) board.update(board, event("a", nowMs, 2000));
  assert(screen.liveCount <= 21, String(screen.liveCount));
  assert(screen.liveCount >= 19, String(screen.liveCount));
});

Deno.test("the board computes a rate where none is told", () => {
  const screen = new MemoryScreen(80, true);
  let nowMs = 0;
  const board = new ProgressBoard(screen, () => nowMs);
  board.update(board, event("a", 1_000_000, 4_000_000));
  nowMs = 1000;
  board.update(board, event("a", 2_000_000, 4_000_000));
  assert(screen.liveLines[0]!.includes("1 MB/s  ETA 2 s"), screen.liveLines[0]);
});

Deno.test("the board counts the files that have no room", () => {
  const screen = new MemoryScreen(80, true);
  const board = new ProgressBoard(screen, () => 0);
  for (let at = 0; at < 20; at++) board.update(board, event(`f${at}`, 1));
  assertEquals(screen.liveLines.length, 6);
  assertEquals(screen.liveLines.at(-1), "and 15 more");
});

Deno.test("where nothing can be drawn in place, a line comes at most every five seconds a file", () => {
  const screen = new MemoryScreen();
  let nowMs = 0;
  const board = new ProgressBoard(screen, () => nowMs);
  for (; nowMs <= 12_000; nowMs += 100) board.update(board, event("a", nowMs, 20_000));
  assertEquals(screen.noticeLines.map((line) => line.split(",")[0]), ["a: 25%", "a: 50%"]);
  board.remove(board);
  assertEquals(screen.liveCount, 0);
});
