/** audience_words: for whom a share is, as people write it and read it. Law: what `formatAudience` writes, `parseAudience` reads.  (pure) */

import { UsageError } from "../core/errors.ts";
import { limits } from "../core/limits.ts";
import { type Audience, audienceBytes, sortedAudience } from "../core/audience.ts";

/**
 * Parses `everyone`, `me`, or names as in `group:friends,bob`.
 * @throws {UsageError} If it is none of these, or there are too many.
 */
export function parseAudience(text: string): Audience {
  if (text === "everyone") return null;
  if (text === "me") return [];
  const audience = sortedAudience(
    text.split(",").map((word) => {
      const [, group] = /^group:(.*)$/s.exec(word) ?? [];
      const name = group ?? word;
      if (name === "" || name === "everyone" || name === "me") {
        throw new UsageError(`Cannot share with ${JSON.stringify(text)}: it is no list of accounts and groups`, {
          hint: "Write --to everyone, --to me, or names as in --to group:friends,bob",
        });
      }
      return { kind: group === undefined ? "account" : "group", name } as const;
    }),
  );
  if (audience!.length > limits.audienceMembersMax || audienceBytes(audience) > limits.audienceBytesMax) {
    throw new UsageError(`Cannot share with so many: at most ${limits.audienceMembersMax} accounts and groups`, {
      hint: "Ask the operator of the coordinator for a group",
    });
  }
  return audience;
}

export function formatAudience(audience: Audience): string {
  if (audience === null) return "everyone";
  if (audience.length === 0) return "me";
  return audience.map(({ kind, name }) => kind === "group" ? `group:${name}` : name).join(",");
}
