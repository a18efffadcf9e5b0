/** error_event: writes an error as the event that reports it.  (pure) */

import type { ShoalError } from "../core/errors.ts";
import type { PeerEvent } from "./commands.ts";

export function errorEvent(error: ShoalError): PeerEvent & { type: "error" } {
  return { type: "error", code: error.code, message: error.message, hint: error.hint ?? "" };
}
