/** version: what `--version` prints.  (pure) */

import { commit, version } from "../core/version.ts";

export interface VersionFacts {
  readonly program: "coordinator" | "peer";
  /** The protocol's version. */
  readonly protocol: number;
  /** As `2.9.6`. */
  readonly deno: string;
  /** As `x86_64-unknown-linux-gnu`. */
  readonly target: string;
}

/** One line of text, or of JSON. */
export function formatVersion(facts: VersionFacts, json: boolean): string {
  const { program, protocol, deno, target } = facts;
  if (json) {
    return JSON.stringify({ type: "version", v: 1, program, version, protocol, commit: commit ?? null, deno, target });
  }
  const origin = commit === undefined ? "from a source tree" : `commit ${commit}`;
  return `${program} ${version} (protocol ${protocol}, ${origin}, Deno ${deno}, ${target})`;
}
