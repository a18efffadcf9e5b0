/** json_line: one JSON object a line, which harms no terminal that shows it.  (pure) */

import { escapeJson } from "../core/escape.ts";

/** Formats a value as one line without its end. */
export function formatJsonLine(value: Readonly<Record<string, unknown>>): string {
  return escapeJson(JSON.stringify(value));
}
