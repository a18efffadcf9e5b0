/**
 * table: rows under headings, fitted to a terminal. Laws: 1) no line is wider than the width, which undefined makes
 * unlimited (a pipe, where nothing is cut);  2) first cells are shortened, then cut, then columns are left out, the least
 * important first.  (pure)
 */

import type { Paint } from "./palette.ts";
import { cutEnd, cutMiddle, displayWidth, padEnd, padStart } from "./width.ts";

export interface Column {
  readonly title: string;
  readonly align?: "right";
  /** Where a cell may be cut when there is no room; a column without it keeps its width. */
  readonly cut?: "middle" | "end";
  /** How a cell is written when there is no room for all of it, before anything is cut. */
  readonly short?: (text: string) => string;
  /** The column with the highest goes first when cutting is not enough; one without it stays. */
  readonly drop?: number;
}

/** Escaped text, and how to paint it. */
export interface Cell {
  readonly text: string;
  readonly paint?: Paint;
}

/** A column that is cut keeps at least this many columns, while others can be left out. */
const cutWidthMin = 12;
const gap = "  ";

/**
 * Formats rows, the first line being the headings.
 * @param width Columns of the terminal; undefined where there is none.
 */
export function formatTable(
  columns: readonly Column[],
  rows: readonly (readonly Cell[])[],
  width: number | undefined,
  heading: Paint,
): string[] {
  const fitted = fit(columns, rows, width ?? Infinity);
  const titles = columns.map(({ title }) => ({ text: title, paint: heading }));
  return [titles, ...rows].map((row) => formatRow(fitted, row, width ?? Infinity));
}

interface Fitted {
  readonly index: number;
  readonly column: Column;
  readonly shortened: boolean;
  width: number;
}

function fit(columns: readonly Column[], rows: readonly (readonly Cell[])[], limit: number): readonly Fitted[] {
  const measure = (shortened: boolean) =>
    columns.map((column, index): Fitted => ({
      index,
      column,
      shortened: shortened && column.short !== undefined,
      width: rows.reduce(
        (widest, row) => Math.max(widest, displayWidth(cellText(column, row[index]!.text, shortened))),
        displayWidth(column.title),
      ),
    }));
  let shown = measure(false);
  if (total(shown) > limit) shown = measure(true);
  for (;;) {
    shrink(shown, limit);
    if (total(shown) <= limit) return shown;
    const dropped = shown.filter(({ column }) => column.drop !== undefined)
      .sort((a, b) => b.column.drop! - a.column.drop!)[0];
    if (dropped === undefined) return shown;
    shown = measure(true).filter(({ index }) => index !== dropped.index && shown.some((one) => one.index === index));
  }
}

/** Takes columns from the widest cell that may be cut, one by one, as long as it keeps `cutWidthMin`. */
function shrink(shown: readonly Fitted[], limit: number): void {
  const cuttable = shown.filter(({ column }) => column.cut !== undefined);
  for (let over = total(shown) - limit; over > 0; over--) {
    const widest = cuttable.reduce<Fitted | undefined>(
      (a, b) => a === undefined || b.width > a.width ? b : a,
      undefined,
    );
    if (widest === undefined || widest.width <= cutWidthMin) return;
    widest.width--;
  }
}

function total(shown: readonly Fitted[]): number {
  return shown.reduce((sum, { width }) => sum + width, gap.length * (shown.length - 1));
}

function formatRow(shown: readonly Fitted[], row: readonly Cell[], limit: number): string {
  let left = limit;
  const cells: string[] = [];
  for (const [position, { index, column, shortened, width }] of shown.entries()) {
    const { text, paint } = row[index]!;
    const cut = column.cut === "middle" ? cutMiddle : cutEnd;
    const fitted = cutEnd(cut(cellText(column, text, shortened), width), left);
    const isLast = position === shown.length - 1;
    const padded = column.align === "right" ? padStart(fitted, width) : isLast ? fitted : padEnd(fitted, width);
    const room = cutEnd(padded, left);
    cells.push(paint === undefined ? room : paint(room));
    left -= displayWidth(room) + gap.length;
    if (left <= 0) break;
  }
  return cells.join(gap).trimEnd();
}

function cellText(column: Column, text: string, shortened: boolean): string {
  return shortened && column.short !== undefined ? column.short(text) : text;
}
