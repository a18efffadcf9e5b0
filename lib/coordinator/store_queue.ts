/**
 * store_queue: brings the role's asks to the store and the answers back. Laws: 1) all writes that come while a group commits are the
 * next group, so a slow disk makes groups larger, not the queue longer;  2) so many searches are under way as
 * take little time together, one at least, so that whatever else is asked waits for no more than these;  3) every queue is bounded: over it the answer is `busy`, at once.
 */

import { fail } from "../core/errors.ts";
import { limits } from "../core/limits.ts";
import { TimeTally } from "./role/tallies.ts";
import { type StoreAnswer, type StoreAsk, type StoreOperation, storeWrites } from "./role/store_effects.ts";
import type { Store } from "./store/store.ts";
import type { Tracing } from "./tracing.ts";

type Answer = StoreAnswer<StoreOperation>;

interface Waiting {
  readonly token: number;
  readonly ask: StoreAsk;
}

/** What the queue does, for metrics. */
export interface StoreQueueFigures {
  /** What waits for its turn, or is under way. */
  readonly writesWaiting: number;
  readonly searchesWaiting: number;
  readonly readsUnderWay: number;
  /** What was answered `busy`, for a queue was full. */
  readonly refused: number;
  /** Writes that were committed, and the time of each group from the store's start on it to the disk. */
  readonly writes: number;
  readonly groupTimes: TimeTally;
  readonly searchTimes: TimeTally;
}

export interface StoreQueueOptions {
  readonly store: Store;
  /** Runs before an account is looked up: it may have to be registered first. */
  readonly settleAccount: (account: string) => Promise<void>;
  readonly answered: (token: number, answer: Answer) => void;
  readonly tracing: Tracing;
  /** Milliseconds, for how long things take; the machine's own clock unless told. */
  readonly now?: () => number;
}

/** What the searches that are under way may take together, in milliseconds. */
const searchesTogetherMs = 4;

export class StoreQueue {
  readonly #store: Store;
  readonly #settleAccount: (account: string) => Promise<void>;
  readonly #answered: (token: number, answer: Answer) => void;
  readonly #tracing: Tracing;
  readonly #now: () => number;
  readonly #groupTimes = TimeTally.ofRequests();
  readonly #searchTimes = TimeTally.ofRequests();
  #writes: Waiting[] = [];
  #committing = false;
  readonly #searches: Waiting[] = [];
  #searchesOut = 0;
  /** What a search takes, smoothed; at first as if it took all the time there is. */
  #searchMs = searchesTogetherMs;
  #reads = 0;
  #writesDone = 0;
  #refused = 0;
  #whenIdle: (() => void) | undefined;

  constructor({ store, settleAccount, answered, tracing, now = () => performance.now() }: StoreQueueOptions) {
    this.#now = now;
    this.#store = store;
    this.#settleAccount = settleAccount;
    this.#answered = answered;
    this.#tracing = tracing;
  }

  figures(): StoreQueueFigures {
    return {
      writesWaiting: this.#writes.length,
      searchesWaiting: this.#searches.length,
      readsUnderWay: this.#reads,
      refused: this.#refused,
      writes: this.#writesDone,
      groupTimes: this.#groupTimes,
      searchTimes: this.#searchTimes,
    };
  }

  /** Takes an ask; `answered` is called with its token, once, in a later turn. */
  push(token: number, ask: StoreAsk): void {
    if (storeWrites[ask.operation]) this.#pushWrite({ token, ask });
    else if (ask.operation === "search") this.#pushSearch({ token, ask });
    else this.#read({ token, ask });
  }

  /** Resolves once nothing waits for the store. */
  async idle(): Promise<void> {
    while (this.#committing || this.#searchesOut > 0 || this.#searches.length > 0 || this.#reads > 0) {
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
      const fromMs = performance.now();
      const endSpan = this.#tracing.begin("shoal.store.group", { "shoal.writes": group.length });
      const answers: readonly Answer[] = await this.#store.write(group.map(({ ask }) => ask));
      endSpan();
      this.#groupTimes.note(performance.now() - fromMs);
      this.#writesDone += group.length;
      for (const [i, { token }] of group.entries()) this.#answered(token, answers[i]!);
    }
    this.#committing = false;
    this.#whenIdle?.();
  }

  #pushSearch(search: Waiting): void {
    const known = this.#store.known?.(search.ask);
    if (known !== undefined) {
      this.#searchTimes.note(0);
      return queueMicrotask(() => this.#answered(search.token, known));
    }
    if (this.#searches.length >= limits.searchesMax) return this.#refuse(search.token);
    this.#searches.push(search);
    if (this.#searches.length === 1) queueMicrotask(() => this.#startSearches());
  }

  #startSearches(): void {
    const mayStart = () => this.#searchesOut === 0 || (this.#searchesOut + 1) * this.#searchMs <= searchesTogetherMs;
    while (this.#searches.length > 0 && mayStart()) this.#search(this.#searches.shift()!);
  }

  async #search({ token, ask }: Waiting): Promise<void> {
    const before = ++this.#searchesOut;
    const fromMs = this.#now();
    const endSpan = this.#tracing.begin("shoal.search");
    const answer = await this.#store.read(ask);
    endSpan();
    const tookMs = this.#now() - fromMs;
    this.#searchTimes.note(tookMs);
    // They are done one after the other: of the time until it is answered each has taken its share.
    this.#searchMs += (tookMs / Math.max(before, this.#searchesOut) - this.#searchMs) / 8;
    this.#searchesOut--;
    this.#answered(token, answer);
    this.#startSearches();
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
    this.#refused++;
    queueMicrotask(() => this.#answered(token, fail({ code: "busy" as const, text: "the coordinator is busy" })));
  }
}
