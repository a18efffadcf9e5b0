/**
 * outbox: the effects that an input caused, and what goes on when their answers come. Laws: 1) a token is used once;  2) effects leave
 * in the order in which they were caused.  (pure)
 */

import type { Bytes } from "../../core/bytes.ts";
import type { Result } from "../../core/errors.ts";
import type { Endpoint } from "../../core/transport.ts";
import type { News } from "./news.ts";
import {
  type StoreAnswer,
  type StoreAsk,
  type StoreOperation,
  type StoreOperations,
  type StoreRefusal,
  storeWrites,
} from "./store_effects.ts";
import type { Effect, LogEvent } from "./types.ts";

/** What goes on with an answer. */
type Then<T> = (answer: T, nowMs: number) => void;

/** Where a question waits for its answer. */
export type Queue = "opaque" | "writes" | "searches" | "reads" | "probes";

function queueOf(operation: StoreOperation): Queue {
  if (storeWrites[operation]) return "writes";
  return operation === "search" ? "searches" : "reads";
}

export class Outbox {
  #effects: Effect[] = [];
  #nextToken = 1;
  readonly #waiting = new Map<number, { readonly queue: Queue; readonly then: Then<never> }>();
  readonly #underWay: Record<Queue, number> = { opaque: 0, writes: 0, searches: 0, reads: 0, probes: 0 };

  /** Questions that are not answered yet. */
  get underWay(): Readonly<Record<Queue, number>> {
    return this.#underWay;
  }

  /** The effects since the last call. */
  take(): Effect[] {
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }

  send(to: Endpoint, bytes: Bytes): void {
    this.#effects.push({ kind: "send", to, bytes });
  }

  tell(news: News): void {
    this.#effects.push({ kind: "tell", news });
  }

  log(event: LogEvent): void {
    this.#effects.push({ kind: "log", event });
  }

  store<O extends StoreOperation>(operation: O, ask: StoreOperations[O]["ask"], then: Then<StoreAnswer<O>>): void {
    this.#effects.push({
      kind: "store",
      token: this.#expect(queueOf(operation), then),
      ask: { operation, ask } as StoreAsk,
    });
  }

  opaqueStart(
    ask: { readonly account: string; readonly record: string | null; readonly ke1: Bytes },
    then: Then<Result<{ readonly ke2: Bytes; readonly state: string }, StoreRefusal>>,
  ): void {
    this.#effects.push({ kind: "opaqueStart", token: this.#expect("opaque", then), ...ask });
  }

  opaqueFinish(
    ask: { readonly state: string; readonly ke3: Bytes },
    then: Then<Result<Bytes, StoreRefusal>>,
  ): void {
    this.#effects.push({ kind: "opaqueFinish", token: this.#expect("opaque", then), ...ask });
  }

  opaqueRegister(
    ask: { readonly account: string; readonly request: Bytes },
    then: Then<Result<Bytes, StoreRefusal>>,
  ): void {
    this.#effects.push({ kind: "opaqueRegister", token: this.#expect("opaque", then), ...ask });
  }

  probe(ask: { readonly endpoint: Endpoint; readonly certificate: Bytes }, then: Then<boolean>): void {
    this.#effects.push({ kind: "probe", token: this.#expect("probes", then), ...ask });
  }

  /** Goes on with the answer to a token; one that nobody waits for is dropped. */
  settle(token: number, answer: unknown, nowMs: number): void {
    const waiting = this.#waiting.get(token);
    if (waiting === undefined) return;
    this.#waiting.delete(token);
    this.#underWay[waiting.queue]--;
    waiting.then(answer as never, nowMs);
  }

  #expect<T>(queue: Queue, then: Then<T>): number {
    const token = this.#nextToken++;
    this.#waiting.set(token, { queue, then });
    this.#underWay[queue]++;
    return token;
  }
}
