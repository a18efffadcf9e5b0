/**
 * width: how many columns text takes on a terminal, and text cut or padded to columns: wide characters take two,
 * combining ones none. Laws: 1) a character is never cut through;  2) what is cut shows that it is, by "…".  (pure)
 */

import stringWidth from "string-width";

const ascii = /^[\x20-\x7e]*$/;
const segmenter = new Intl.Segmenter("en", { granularity: "grapheme" });

/** Counts the columns that escaped text takes; colour codes take none. */
export function displayWidth(text: string): number {
  return ascii.test(text) ? text.length : stringWidth(text);
}

/** Cuts text to at most `columns`, at its end. */
export function cutEnd(text: string, columns: number): string {
  if (displayWidth(text) <= columns) return text;
  return columns < 1 ? "" : takeStart(graphemes(text), columns - 1) + "…";
}

/** Cuts text to at most `columns`, in its middle, so that a name keeps its extension. */
export function cutMiddle(text: string, columns: number): string {
  if (displayWidth(text) <= columns) return text;
  if (columns < 1) return "";
  const characters = graphemes(text);
  const tail = takeStart(characters.toReversed(), Math.floor((columns - 1) / 3), true);
  return takeStart(characters, columns - 1 - displayWidth(tail)) + "…" + tail;
}

/** Pads text with spaces at its end to `columns`. */
export function padEnd(text: string, columns: number): string {
  return text + " ".repeat(Math.max(0, columns - displayWidth(text)));
}

/** Pads text with spaces at its start to `columns`. */
export function padStart(text: string, columns: number): string {
  return " ".repeat(Math.max(0, columns - displayWidth(text))) + text;
}

function graphemes(text: string): string[] {
  return Array.from(segmenter.segment(text), ({ segment }) => segment);
}

/** Joins the first characters that fit; with `reversed` they come in reading order again. */
function takeStart(characters: readonly string[], columns: number, reversed = false): string {
  const taken: string[] = [];
  let left = columns;
  for (const character of characters) {
    left -= displayWidth(character);
    if (left < 0) break;
    taken.push(character);
  }
  return (reversed ? taken.reverse() : taken).join("");
}
