/**
 * group_name: which names a group may have. Law: as accounts: two names that a person cannot tell apart are never two groups; and a name is
 * one word of a list such as `group:friends,bob`.  (pure)
 */

import { UsageError } from "../core/errors.ts";
import { escapeName } from "../core/escape.ts";
import { parseAccountName } from "./account_name.ts";

/**
 * Reads a name for a new group.
 * @throws {UsageError} If no group may be called that.
 */
export function parseGroupName(text: string): string {
  if (/[,:]/.test(text)) {
    throw new UsageError(`Cannot call a group "${escapeName(text.slice(0, 80))}": it holds a comma or a colon`);
  }
  try {
    return parseAccountName(text);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    const message = error.message.replace("as an account name", "as the name of a group");
    throw new UsageError(message, { hint: "Choose letters and digits of one script, like friends or team.a" });
  }
}
