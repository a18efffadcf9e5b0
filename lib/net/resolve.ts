/** resolve: a host's name to the numeric address that everything else uses.  (I/O: the system's resolver) */

import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { NetworkError } from "../core/errors.ts";

/** Resolves a name, as /etc/hosts and DNS have it; an address is answered as it is. @throws {NetworkError} If there is none. */
export async function resolveHost(host: string): Promise<string> {
  if (isIP(host) !== 0) return host;
  try {
    return (await lookup(host)).address;
  } catch (error) {
    throw new NetworkError(`Cannot find the address of ${host}`, { cause: error, hint: "Check the name" });
  }
}
