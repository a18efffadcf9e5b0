/**
 * progress_line: how far one file is, on one line: name, percent, done/total, rate, time left, holders, path. Law: it fits
 * its width; what matters least goes first, the name is cut before the figures are.  (pure)
 */

import { escapeName } from "../core/escape.ts";
import { formatDuration, formatRate, formatSize } from "./amounts.ts";
import { cutEnd, cutMiddle, displayWidth, padEnd, padStart } from "./width.ts";

/** How far a file is. */
export interface Progress {
  /** Raw, as the network has it. */
  readonly name: string;
  readonly activity: "fetch" | "hash";
  readonly doneBytes: number;
  readonly totalBytes: number;
  readonly bytesPerSecond: number;
  readonly holders: number | undefined;
  readonly path: string | undefined;
  /** Of many files as a whole. */
  readonly files?: { readonly done: number; readonly total: number } | undefined;
}

const gap = "  ";
const nameWidthMin = 12;
const barWidthMax = 30;

/** Formats the line that is drawn in place on a terminal of `width` columns. */
export function formatLive(progress: Progress, width: number): string {
  const name = nameOf(progress);
  // In order of importance; the columns of several lines stand under one another.
  const figures = [
    padStart(percent(progress), 4),
    padStart(amounts(progress), 15),
    padStart(rate(progress), 9),
    padEnd(timeLeft(progress), 10),
    padEnd(holders(progress), 10),
    padEnd(progress.path ?? "", 6),
  ];
  while (figures.length > 1 && joined(figures) + nameWidthMin > width) figures.pop();
  const free = width - joined(figures);
  const nameWidth = Math.max(1, Math.min(free, Math.max(24, Math.ceil(width / 3))));
  const barWidth = Math.min(barWidthMax, free - nameWidth - gap.length);
  const bar = barWidth >= 10 ? [formatBar(progress, barWidth)] : [];
  const shown = padEnd(cutMiddle(name, nameWidth), nameWidth);
  return cutEnd([shown, ...bar, ...figures].join(gap).trimEnd(), width);
}

/** Formats the sentence that a pipe or a log gets. */
export function formatPlain(progress: Progress): string {
  const facts = [
    `${formatSize(progress.doneBytes)} of ${formatSize(progress.totalBytes)}`,
    rate(progress),
    timeLeft(progress),
    holders(progress),
    progress.path ?? "",
  ];
  return `${nameOf(progress)}: ${percent(progress)}, ${facts.filter((fact) => fact !== "").join(", ")}`;
}

function nameOf({ activity, name, files }: Progress): string {
  if (files !== undefined) return `${escapeName(name)} (${files.done}/${files.total})`;
  return activity === "hash" ? `hashing ${escapeName(name)}` : escapeName(name);
}

/** Never 100 % before all is there. */
function percent({ doneBytes, totalBytes }: Progress): string {
  return `${Math.floor(fraction(doneBytes, totalBytes) * 100)}%`;
}

function amounts({ doneBytes, totalBytes }: Progress): string {
  return `${formatSize(doneBytes)}/${formatSize(totalBytes)}`;
}

/** Nothing while nothing has come yet. */
function rate({ bytesPerSecond }: Progress): string {
  return bytesPerSecond < 1 ? "" : formatRate(bytesPerSecond);
}

function timeLeft({ doneBytes, totalBytes, bytesPerSecond }: Progress): string {
  if (doneBytes >= totalBytes || bytesPerSecond < 1) return "";
  const seconds = Math.max(1, Math.round((totalBytes - doneBytes) / bytesPerSecond));
  return `ETA ${seconds < 60 ? `${seconds} s` : formatDuration(seconds * 1000)}`;
}

function holders({ holders }: Progress): string {
  return holders === undefined ? "" : holders === 1 ? "1 holder" : `${holders} holders`;
}

function formatBar({ doneBytes, totalBytes }: Progress, width: number): string {
  const inner = width - 2;
  const filled = Math.floor(fraction(doneBytes, totalBytes) * inner);
  return `[${"#".repeat(filled)}${"-".repeat(inner - filled)}]`;
}

function fraction(done: number, total: number): number {
  return total <= 0 ? 1 : Math.min(1, Math.max(0, done / total));
}

function joined(figures: readonly string[]): number {
  return figures.reduce((sum, figure) => sum + gap.length + displayWidth(figure), 0);
}
