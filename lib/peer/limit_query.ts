/** limit_query: the command `limit`: shows and sets what transfers may use.  (pure over the parts of the peer) */

import { ShoalError } from "../core/errors.ts";
import type { Flow } from "../transfer/rate_limiter.ts";
import type { Bandwidth } from "./bandwidth.ts";
import type { Direction } from "./limit_schedule.ts";
import type { LimitChange, LimitEvent } from "./commands.ts";

/** One transfer that runs or waits, as far as limits go. */
export interface LimitedTransfer {
  readonly direction: Direction;
  readonly number: number;
  readonly name: string;
  /** Where its own limit is; a download's is known by its number alone. */
  readonly flow: Pick<Flow, "bytesPerSecond"> | undefined;
}

/** Does what was asked, and tells each limit that this concerns. @throws {ShoalError} `notFound`, if there is no such transfer. */
export function* limit(
  change: LimitChange | null,
  bandwidth: Bandwidth,
  transfers: readonly LimitedTransfer[],
): Generator<LimitEvent> {
  if (change === null) {
    yield limitOfAll(bandwidth, "up");
    yield limitOfAll(bandwidth, "down");
    for (const transfer of transfers) {
      if (ownLimit(bandwidth, transfer) !== undefined) yield limitOfOne(bandwidth, transfer);
    }
    return;
  }
  const { direction, number } = change;
  const bytesPerSecond = change.bytesPerSecond ?? undefined;
  if (number === null) {
    bandwidth.limit(direction, bytesPerSecond);
    yield limitOfAll(bandwidth, direction);
    return;
  }
  const transfer = transfers.find((one) => one.direction === direction && one.number === number);
  if (transfer === undefined) {
    const what = direction === "up" ? "upload" : "fetch";
    throw new ShoalError("notFound", `Cannot limit transfer ${number}: there is no such ${what}`, {
      hint: "See the numbers with: transfers",
    });
  }
  if (transfer.flow === undefined) bandwidth.limitDownload(number, bytesPerSecond);
  else transfer.flow.bytesPerSecond = bytesPerSecond;
  yield limitOfOne(bandwidth, transfer);
}

function limitOfAll(bandwidth: Bandwidth, direction: Direction): LimitEvent {
  const { bytesPerSecond, by, window } = bandwidth.inForce(direction);
  return {
    type: "limit",
    direction,
    number: null,
    name: "",
    bytesPerSecond: bytesPerSecond ?? null,
    by,
    window: window ?? "",
    lanUnlimited: bandwidth.lanUnlimited,
  };
}

function limitOfOne(bandwidth: Bandwidth, transfer: LimitedTransfer): LimitEvent {
  const { direction, number, name } = transfer;
  const bytesPerSecond = ownLimit(bandwidth, transfer) ?? null;
  return { type: "limit", direction, number, name, bytesPerSecond, by: "command", window: "", lanUnlimited: false };
}

function ownLimit(bandwidth: Bandwidth, { flow, number }: LimitedTransfer): number | undefined {
  return flow === undefined ? bandwidth.downLimit(number) : flow.bytesPerSecond;
}
