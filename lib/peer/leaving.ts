/**
 * leaving: why a command is stopped when its program ends. What it was fetching goes on by itself at the next start; what a person
 * stopped waits for that person.  (pure)
 */

import { ShoalError } from "../core/errors.ts";

/** The reason to abort commands with. */
export const leaving: ShoalError = new ShoalError("interrupted", "Interrupted: this program ends");
