/**
 * until_aborted: lets a person who stops a command go, though the coordinator has not answered yet. The work that is no longer waited
 * for ends by its own deadline, and nobody hears how.  (pure)
 */

import { ShoalError } from "../core/errors.ts";

/** Waits for work, at the longest until the signal is aborted. @throws {ShoalError} `interrupted` then. */
export async function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = () => reject(new ShoalError("interrupted", "Interrupted"));
  signal.addEventListener("abort", abort, { once: true });
  if (signal.aborted) abort();
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}
