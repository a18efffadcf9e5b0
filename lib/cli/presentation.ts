/** presentation: how a run shows its events: as text or as JSON lines.  (pure: screen and clock are passed in) */

import type { EventSink } from "./event_sink.ts";
import { JsonLines } from "./json.ts";
import type { Screen } from "./screen.ts";

export interface PresentationOptions {
  readonly screen: Screen;
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

/** The one that was asked for. Tables and widths of characters (20 ms) are loaded for text alone. */
export async function presentationOf(json: boolean, options: PresentationOptions): Promise<Presentation> {
  return json ? jsonPresentation(options) : (await import("./text_presentation.ts")).textPresentation(options);
}

export function jsonPresentation({ screen, quiet, clock }: PresentationOptions): Presentation {
  const lines = new JsonLines(screen, clock, quiet);
  return { screen, json: true, open: () => lines };
}
