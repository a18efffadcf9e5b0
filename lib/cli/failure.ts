/** failure: what was thrown, as the error event that shows it.  (pure) */

import { errorCodes, ShoalError } from "../core/errors.ts";
import type { PeerEvent } from "../peer/commands.ts";
import { errorEvent } from "../peer/error_event.ts";

type ErrorEvent = Extract<PeerEvent, { type: "error" }>;

/** Makes the event; anything but a ShoalError is our own mistake and says so, without a stack. */
export function failureEvent(error: unknown): ErrorEvent {
  if (error instanceof ShoalError) return errorEvent(error);
  const message = error instanceof Error ? error.message : String(error);
  return {
    type: "error",
    code: "unknown",
    message: `Cannot go on: ${message}`,
    hint: "This is a mistake in the program; please report it",
  };
}

/** The exit code of an error. */
export function exitCodeOf(event: ErrorEvent): number {
  return errorCodes[event.code]?.exit ?? errorCodes.unknown.exit;
}
