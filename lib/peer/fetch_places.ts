/**
 * fetch_places: how many fetches run at once, and who is next. Laws: 1) a higher priority goes first, and whoever came first among
 * equals;  2) a place that is given back goes to the next at once;  3) waiting ends with the signal.  (pure)
 */

import { ShoalError } from "../core/errors.ts";
import type { FetchPriority } from "./commands.ts";

/** From what goes first to what goes last. */
export const priorities = ["high", "normal", "low"] as const satisfies readonly FetchPriority[];

/** Who wants a place; its priority may change while it waits, by `reorder`. */
export interface Waiter {
  readonly priority: FetchPriority;
}

export class FetchPlaces {
  #free: number;
  /** Who waits, those of one priority in the order in which they came, each with what gives it its place. */
  readonly #waiting = new Map<FetchPriority, Map<Waiter, () => void>>(
    priorities.map((priority) => [priority, new Map()]),
  );

  constructor(count: number) {
    this.#free = count;
  }

  /** Waits for a place, which `giveBack` has to be called for. @throws {ShoalError} `interrupted`, if `signal` is aborted first. */
  async take(waiter: Waiter, signal: AbortSignal): Promise<void> {
    if (signal.aborted) throw interrupted();
    if (this.#free > 0) {
      this.#free--;
      return;
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const leave = () => {
      if (this.#queueOf(waiter)?.delete(waiter) === true) reject(interrupted());
    };
    this.#waiting.get(waiter.priority)!.set(waiter, resolve);
    signal.addEventListener("abort", leave, { once: true });
    try {
      await promise;
    } finally {
      signal.removeEventListener("abort", leave);
    }
  }

  /** Hands the place to the next. */
  giveBack(): void {
    for (const queue of this.#waiting.values()) {
      const [next] = queue;
      if (next === undefined) continue;
      queue.delete(next[0]);
      return next[1]();
    }
    this.#free++;
  }

  /** Whether somebody waits. */
  get isWanted(): boolean {
    return [...this.#waiting.values()].some((queue) => queue.size > 0);
  }

  /** Those who wait, the next one first. */
  *waiting(): Generator<Waiter> {
    for (const queue of this.#waiting.values()) yield* queue.keys();
  }

  /** Puts one whose priority has changed where it belongs: last among its equals. */
  reorder(waiter: Waiter): void {
    const queue = this.#queueOf(waiter);
    const proceed = queue?.get(waiter);
    if (queue === undefined || proceed === undefined) return;
    queue.delete(waiter);
    this.#waiting.get(waiter.priority)!.set(waiter, proceed);
  }

  #queueOf(waiter: Waiter): Map<Waiter, () => void> | undefined {
    return [...this.#waiting.values()].find((queue) => queue.has(waiter));
  }
}

function interrupted(): ShoalError {
  return new ShoalError("interrupted", "Interrupted while waiting for other fetches");
}
