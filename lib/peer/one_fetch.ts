/** one_fetch: one download: what is wanted, how it stands, and the command that waits for it.  (pure) */

import { ShoalError } from "../core/errors.ts";
import { contentKey } from "../core/ids.ts";
import type { FetchPriority, PeerEvent, TransferEvent } from "./commands.ts";
import type { Waiter } from "./fetch_places.ts";
import type { FetchWish } from "./fetch_store.ts";

export type FetchState = "waiting" | "running" | "paused" | "done" | "failed" | "cancelled";

/** The command that waits for a fetch. */
export interface Watcher {
  readonly emit: (event: PeerEvent) => void;
  /** Of the whole command. */
  readonly patience: Patience;
  readonly settle: (error: unknown) => void;
}

/**
 * How long a command bears that nothing moves. Where one of its fetches has waited in vain for so long, the others only try, until
 * something moves: else a thousand files of a holder that is gone would wait for it one after the other.
 */
export class Patience {
  readonly #ms: number;
  #isOver = false;

  constructor(ms: number) {
    this.#ms = ms;
  }

  /** What a fetch that begins now may wait, in milliseconds. */
  get leftMs(): number {
    return this.#isOver ? 0 : this.#ms;
  }

  moved(): void {
    this.#isOver = false;
  }

  over(): void {
    this.#isOver = true;
  }
}

export class OneFetch implements Waiter {
  readonly number: number;
  wish: FetchWish;
  state: FetchState = "waiting";
  /** What it waits for, or why it failed. */
  why = "";
  doneBytes = 0;
  bytesPerSecond = 0;
  /** Whether the store has it. */
  isKept = false;
  watcher: Watcher | undefined;
  /** What runs, or is just being stopped. */
  run: { readonly controller: AbortController; readonly ended: Promise<void> } | undefined;

  constructor(number: number, wish: FetchWish) {
    this.number = number;
    this.wish = wish;
  }

  get priority(): FetchPriority {
    return this.wish.priority;
  }

  /** Two fetches with one key would write one file. */
  get key(): string {
    return keyOf(this.wish);
  }

  get isUnfinished(): boolean {
    return this.state === "waiting" || this.state === "running" || this.state === "paused";
  }
}

/** Two fetches with one key would write one file. */
export function keyOf({ folder, path, content }: FetchWish): string {
  return `${folder}\0${path}\0${contentKey(content)}`;
}

/** How a download stands, as the event that shows it; `place`: among those that wait for their turn. */
export function eventOf(one: OneFetch, place?: number): TransferEvent {
  const { number, wish: { name, content, priority }, doneBytes, bytesPerSecond, state, why } = one;
  return {
    type: "transfer",
    number,
    direction: "down",
    name,
    id: content.id,
    account: "",
    device: "",
    doneBytes,
    totalBytes: content.bytes,
    bytesPerSecond,
    state,
    priority,
    ...(place === undefined ? {} : { place }),
    ...(why === "" ? {} : { why }),
  };
}

/** The end of a command whose fetch was stopped. */
export function interrupted({ wish: { name } }: OneFetch): ShoalError {
  return new ShoalError("interrupted", `Cannot finish fetching ${JSON.stringify(name)}: it was interrupted`, {
    hint: "Run the same command again to go on from there",
  });
}

/** The refusal of a fetch that another command waits for. */
export function alreadyFetched({ number, wish: { name } }: OneFetch): ShoalError {
  return new ShoalError("exists", `Cannot fetch ${JSON.stringify(name)}: fetch ${number} is at it already`, {
    hint: "See it with: transfers",
  });
}
