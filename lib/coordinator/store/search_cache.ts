/**
 * search_cache: first answers of searches that everybody is given alike, until something changes: many look for the same words. Laws:
 * 1) what is given from here is what the store would answer: an answer is kept only if nothing was changed since it was asked for, and
 * none outlives a change;  2) only what the store says is for all is kept, so it does not matter who asks;  3) answersMax are kept, the
 * oldest goes first.  (pure)
 */

import type { StoreAnswer, StoreAsk, StoreOperations } from "../role/store_effects.ts";

/** Each has a page of rows, of up to 1 KiB. */
const answersMax = 256;

type Answer = StoreAnswer<"search">;

export class SearchCache {
  /** The oldest first. */
  readonly #answers = new Map<string, Answer>();
  #changes = 0;

  /** Forgets all: to be called when a change is asked for, and when it is made. */
  change(): void {
    this.#changes++;
    this.#answers.clear();
  }

  /** The answer where it is kept. */
  find(ask: StoreAsk): Answer | undefined {
    return isFirstPage(ask) && this.#answers.size > 0 ? this.#answers.get(keyOf(ask.ask)) : undefined;
  }

  /** To be called when a search is asked for; what is returned takes its answer. */
  asked(ask: StoreAsk): (answer: StoreAnswer<StoreAsk["operation"]>) => void {
    const changes = this.#changes;
    return (answer) => {
      if (!isFirstPage(ask) || changes !== this.#changes || !answer.ok) return;
      const { value } = answer as Extract<Answer, { ok: true }>;
      if (!value.isForAll) return;
      if (this.#answers.size >= answersMax) this.#answers.delete(this.#answers.keys().next().value!);
      this.#answers.set(keyOf(ask.ask), answer as Answer);
    };
  }
}

function isFirstPage(ask: StoreAsk): ask is Extract<StoreAsk, { operation: "search" }> {
  return ask.operation === "search" && ask.ask.after === null;
}

/** All that an answer depends on but who asks. */
function keyOf({ query, order, descending, offline, limit }: StoreOperations["search"]["ask"]): string {
  return JSON.stringify([query, order, descending, offline, limit]);
}
