/** address: where the coordinator is, as people write it: `5000`, `host:port`, `[IPv6]:port`.  (pure) */

import { UsageError } from "../core/errors.ts";

export interface CoordinatorAddress {
  /** A numeric address, or a name that is yet to be resolved. */
  readonly host: string;
  readonly port: number;
}

/** Where a coordinator is that only a port is given of. */
const thisMachine = "127.0.0.1";

/** Reads an address. @throws {UsageError} If it is none. */
export function parseCoordinatorAddress(text: string): CoordinatorAddress {
  const [, bracketed, name, digits] =
    /^(?:\[([0-9A-Fa-f:.]+(?:%[\w.-]+)?)\]:|([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9.])?):)?(\d{1,5})$/.exec(text) ??
      [];
  const port = Number(digits);
  if (digits === undefined || (bracketed !== undefined && !bracketed.includes(":"))) {
    throw new UsageError(`Cannot read the coordinator's address ${JSON.stringify(text)}`, { hint: hintFor(text) });
  }
  if (port < 1 || port > 65_535) {
    throw new UsageError(`Cannot read the coordinator's address ${JSON.stringify(text)}: ports are 1 to 65535`);
  }
  return { host: bracketed ?? name ?? thisMachine, port };
}

function hintFor(text: string): string {
  const bare = /^([0-9A-Fa-f:]+):(\d{1,5})$/.exec(text);
  if (bare !== null && bare[1]!.includes(":")) return `Did you mean [${bare[1]}]:${bare[2]}`;
  return "Write its port first (5000), or host:port, or [IPv6]:port; then options and a command";
}
