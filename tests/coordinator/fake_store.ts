/** fake_store: a Store whose answers the test gives, and that remembers how it was asked. */

import { ok } from "../../lib/core/errors.ts";
import type { StoreAnswer, StoreAsk, StoreOperation } from "../../lib/coordinator/role/store_effects.ts";
import { searchFor } from "../../lib/wire/search_query.ts";
import type { Store } from "../../lib/coordinator/store/store.ts";

export class FakeStore {
  /** Groups of writes that were committed or wait to be, in order. */
  readonly groups: (readonly StoreAsk[])[] = [];
  readonly reads: StoreAsk[] = [];
  /** With true, writes and reads wait for `release`. */
  held = false;
  #waiting: (() => void)[] = [];

  /** Lets everything go on that waits. */
  release(): void {
    for (const go of this.#waiting.splice(0)) go();
  }

  async write(asks: readonly StoreAsk[]): Promise<readonly StoreAnswer<StoreOperation>[]> {
    this.groups.push(asks);
    await this.#hold();
    return asks.map(() => ok(null));
  }

  async read(ask: StoreAsk): Promise<StoreAnswer<StoreOperation>> {
    this.reads.push(ask);
    await this.#hold();
    return ok([]);
  }

  /** As the interface that the code under test takes; it calls nothing but `write` and `read`. */
  get store(): Store {
    return this as unknown as Store;
  }

  async #hold(): Promise<void> {
    if (this.held) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }
}

/** A write that tells itself from others by its device. */
export function writeAsk(device: number): StoreAsk {
  return { operation: "presence", ask: { device, online: true, nowMs: 1 } };
}

export const searchAsk: StoreAsk = {
  operation: "search",
  ask: { ...searchFor("substring", "x"), device: 1, after: null, limit: 1 },
};
export const listAsk: StoreAsk = { operation: "listPeers", ask: { after: 0, limit: 1 } };

/** Lets what is under way go on until it waits for something else than a turn of the loop. */
export async function turns(): Promise<void> {
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setTimeout(resolve));
}
