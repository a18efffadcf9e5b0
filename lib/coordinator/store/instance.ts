/** instance: which of the coordinators on one database this is; another number at each start. */

import type { Instance } from "./store.ts";

/** Who uses a database from now on. @param address Where peers reach it, as `formatEndpoint` has it. */
export function newInstance(address: string | null): Instance {
  const [high, low] = crypto.getRandomValues(new Uint32Array(2));
  return { instance: high! * 2 ** 16 + (low! >>> 16) + 1, address };
}
