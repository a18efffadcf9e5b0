/**
 * palette: colours by what they mean. Laws: 1) nothing is told by colour alone;  2) a stream that is no terminal gets none.
 * (pure)
 */

import { bold, dim, green, red, yellow } from "@std/fmt/colors";

/** Paints text that is already cut and padded. */
export type Paint = (text: string) => string;

export interface Palette {
  /** Done, online, trusted. */
  readonly good: Paint;
  /** Failed, refused, changed. */
  readonly bad: Paint;
  /** Waiting, worth a look. */
  readonly warn: Paint;
  /** Beside the point: ids, headings, devices that are away. */
  readonly dim: Paint;
  /** What the line is about. */
  readonly strong: Paint;
}

const colored: Palette = { good: green, bad: red, warn: yellow, dim, strong: bold };
const plain: Paint = (text) => text;
const colorless: Palette = { good: plain, bad: plain, warn: plain, dim: plain, strong: plain };

/** The palette of a stream. NO_COLOR has the last word in either case. */
export function paletteFor(useColor: boolean): Palette {
  return useColor ? colored : colorless;
}
