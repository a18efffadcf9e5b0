/**
 * status_command: `coordinator status`, once or every second: the figures of the coordinator that runs, and from the second answer on what
 * changed a second. Law: rates come of the coordinator's own clock, so a slow answer makes them no higher.
 */

import type { CoordinatorStatus } from "./admin.ts";
import { openRunningAdmin } from "./admin.ts";
import { dataPaths } from "./data_folder.ts";

const everyMs = 1_000;

/** What of the figures counts up since the start. */
const counted = ["logins", "datagramsIn", "datagramsOut", "datagramsRefused", "storeWrites", "searches"] as const;

/** How many a second since the answer before. */
export type StatusRates = { readonly [K in typeof counted[number]]: number };

/** One answer; with its type also its line of JSON. */
export interface ToldStatus extends CoordinatorStatus {
  /** Undefined in the first answer. */
  readonly rates?: StatusRates;
}

/**
 * Asks a coordinator that runs how it is, again every second until `ended` settles; at least once.
 * @throws {NetworkError} If none runs with this data folder, or it goes away.
 */
export async function* watchStatus(dataFolder: string, ended: Promise<void> | undefined): AsyncGenerator<ToldStatus> {
  await using admin = await openRunningAdmin(dataPaths(dataFolder));
  let before: CoordinatorStatus | undefined;
  for (;;) {
    const status = await admin.ask({ kind: "status" });
    yield before === undefined ? status : { ...status, rates: ratesOf(before, status) };
    before = status;
    if (ended === undefined || await hasEnded(ended)) return;
  }
}

function ratesOf(before: CoordinatorStatus, after: CoordinatorStatus): StatusRates {
  const seconds = Math.max(1, after.uptimeMs - before.uptimeMs) / 1000;
  const rates = counted.map((name) => [name, Math.round((after[name] - before[name]) / seconds)]);
  return Object.fromEntries(rates) as unknown as StatusRates;
}

async function hasEnded(ended: Promise<void>): Promise<boolean> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const pause = new Promise<false>((resolve) => timer = setTimeout(() => resolve(false), everyMs));
  try {
    return await Promise.race([ended.then(() => true), pause]);
  } finally {
    clearTimeout(timer);
  }
}
