/** colors: text in colour, unless NO_COLOR is set or colour was switched off. */

import { inspect, stripVTControlCharacters } from "node:util";

let enabled = !Deno.noColor;

/** Switches colour on or off; NO_COLOR has the last word. */
export function setColorEnabled(value: boolean): void {
  if (!Deno.noColor) enabled = value;
}

/** Tells whether colour is on. */
export function getColorEnabled(): boolean {
  return enabled;
}

/** Takes terminal escape codes out of a text. */
export function stripAnsiCode(string: string): string {
  return stripVTControlCharacters(string);
}

/** Makes text bold. */
export function bold(str: string): string {
  return paint(str, "bold");
}

/** Makes text dim. */
export function dim(str: string): string {
  return paint(str, "dim");
}

/** Underlines text. */
export function underline(str: string): string {
  return paint(str, "underline");
}

/** Makes text red. */
export function red(str: string): string {
  return paint(str, "red");
}

/** Makes text green. */
export function green(str: string): string {
  return paint(str, "green");
}

/** Makes text yellow. */
export function yellow(str: string): string {
  return paint(str, "yellow");
}

/** Makes text blue. */
export function blue(str: string): string {
  return paint(str, "blue");
}

/** Makes text cyan. */
export function cyan(str: string): string {
  return paint(str, "cyan");
}

/** Makes text gray. */
export function gray(str: string): string {
  return paint(str, "gray");
}

/** Puts text between a style's codes; where an inner style ends, the outer one starts again. */
function paint(text: string, style: string): string {
  if (!enabled) return text;
  const [on, off] = inspect.colors[style]!;
  const start = `\x1b[${on}m`;
  const end = `\x1b[${off}m`;
  return start + text.replaceAll(end, start) + end;
}
