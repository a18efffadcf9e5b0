/** version: which one of the programs this is, as --version and logs tell it.  (pure) */

export const version = "0.1.0";

/** The one version of the protocol that this code speaks. */
export const protocolVersion = 2;

/** scripts/ship/bundle.ts writes the commit in its place. */
const commitMark = "@commit@";

/** The commit that this was built from, with `-changed` behind it if the tree was not clean; undefined in a source tree. */
export const commit: string | undefined = commitMark.startsWith("@") ? undefined : commitMark;
