/** text_presentation: how a run shows its events to a person.  (pure: screen and clock are passed in) */

import type { Presentation, PresentationOptions } from "./presentation.ts";
import { ProgressBoard } from "./progress_board.ts";
import { TextRenderer } from "./render.ts";

export function textPresentation({ screen, quiet, verbose, clock }: PresentationOptions): Presentation {
  const board = new ProgressBoard(screen, clock);
  return { screen, json: false, open: () => new TextRenderer({ screen, board, clock, quiet, verbose }) };
}
