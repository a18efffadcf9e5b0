/** random: the one shape of randomness; passed in, so that pure code can be replayed.  (pure: a type alone) */

import type { Bytes } from "../core/bytes.ts";

/** Returns `size` unpredictable bytes. Programs pass `crypto.getRandomValues`; simulations pass a seeded generator. */
export type Random = (size: number) => Bytes;
