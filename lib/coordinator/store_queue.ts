/**
 * store_queue: brings the role's asks to the store and the answers back. Laws: 1) all writes that come while a group commits are the
 * next group, so a slow disk makes groups larger, not the queue longer;  2) searches run one at a time, so that
 * whatever else is asked waits for one at most;  3) every queue is bounded: over it the answer is `busy`, at once.
 */

import { fail } from "../core/errors.ts";
import { limits } from "../core/limits.ts";
import { type StoreAnswer, type StoreAsk, type StoreOperation, storeWrites } from "./role/store_effects.ts";
import type { Store } from "./store/store.ts";

type Answer = StoreAnswer<StoreOperation>;

interface Waiting {
  readonly token: number;
  readonly ask: StoreAsk;
}

export interface StoreQueueOptions {
  readonly store: Store;
  /** Runs before an account is looked up: it may have to be registered first. */
  readonly settleAccount: (account: string) => Promise<void>;
  readonly answered: (token: number, answer: Answer) => void;
}

export class StoreQueue {
  readonly #store: Store;
  readonly #settleAccount: (account: string) => Promise<void>;
  readonly #answered: (token: number, answer: Answer) => void;
  #writes: Waiting[] = [];
  #committing = false;
  readonly #searches: Waiting[] = [];
  #searching = false;
  #reads = 0;
  #whenIdle: (() => void) | undefined;

  constructor({ store, settleAccount, answered }: StoreQueueOptions) {
    this.#store = store;
    this.#settleAccount = settleAccount;
    this.#answered = answered;
  }

  /** Takes an ask; `answered` is called with its token, once, in a later turn. */
  push(token: number, ask: StoreAsk): void {
    if (storeWrites[ask.operation]) this.#pushWrite({ token, ask });
    else if (ask.operation === "search") this.#pushSearch({ token, ask });
    else this.#read({ token, ask });
  }

  /** Resolves once nothing waits for the store. */
  async idle(): Promise<void> {
    while (this.#committing || this.#searching || this.#reads > 0) {
      await new Promise<void>((resolve) => this.#whenIdle = resolve);
    }
  }

  #pushWrite(write: Waiting): void {
    if (this.#writes.length >= limits.storeWritesMax) return this.#refuse(write.token);
    this.#writes.push(write);
    if (this.#committing) return;
    this.#committing = true;
    queueMicrotask(() => this.#commit());
  }

  async #commit(): Promise<void> {
    while (this.#writes.length > 0) {
      const group = this.#writes.splice(0, limits.storeGroupMax);
      const answers: readonly Answer[] = await this.#store.write(group.map(({ ask }) => ask));
      for (const [i, { token }] of group.entries()) this.#answered(token, answers[i]!);
    }
    this.#committing = false;
    this.#whenIdle?.();
  }

  #pushSearch(search: Waiting): void {
    if (this.#searches.length >= limits.searchesMax) return this.#refuse(search.token);
    this.#searches.push(search);
    if (this.#searching) return;
    this.#searching = true;
    queueMicrotask(() => this.#search());
  }

  async #search(): Promise<void> {
    for (let next = this.#searches.shift(); next !== undefined; next = this.#searches.shift()) {
      this.#answered(next.token, await this.#store.read(next.ask));
    }
    this.#searching = false;
    this.#whenIdle?.();
  }

  async #read({ token, ask }: Waiting): Promise<void> {
    if (this.#reads >= limits.storeReadsMax) return this.#refuse(token);
    this.#reads++;
    const answer = await this.#answer(ask);
    this.#reads--;
    this.#answered(token, answer);
    this.#whenIdle?.();
  }

  async #answer(ask: StoreAsk): Promise<Answer> {
    if (ask.operation === "credential") {
      try {
        await this.#settleAccount(ask.ask.account);
      } catch {
        return fail({ code: "io" as const, text: "the coordinator's store failed" });
      }
    }
    return await this.#store.read(ask);
  }

  #refuse(token: number): void {
    queueMicrotask(() => this.#answered(token, fail({ code: "busy" as const, text: "the coordinator is busy" })));
  }
}
