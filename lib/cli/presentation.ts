/** presentation: how a run shows its events: as text or as JSON lines.  (pure: screen and clock are passed in) */

import type { EventSink } from "./event_sink.ts";
import { JsonLines } from "./json.ts";
import { ProgressBoard } from "./progress_board.ts";
import { TextRenderer } from "./render.ts";
import type { Screen } from "./screen.ts";

export interface PresentationOptions {
  readonly screen: Screen;
  readonly json: boolean;
  readonly quiet: boolean;
  readonly verbose: boolean;
  /** Milliseconds since 1970. */
  readonly clock: () => number;
}

export interface Presentation {
  readonly screen: Screen;
  readonly json: boolean;
  /** Opens the sink of one command. */
  readonly open: () => EventSink;
}

export function presentationOf(options: PresentationOptions): Presentation {
  const { screen, json, quiet, verbose, clock } = options;
  if (json) {
    const lines = new JsonLines(screen, clock, quiet);
    return { screen, json, open: () => lines };
  }
  const board = new ProgressBoard(screen, clock);
  return { screen, json, open: () => new TextRenderer({ screen, board, clock, quiet, verbose }) };
}
