/**
 * outbox: the effects that an input caused, and what goes on when their answers come. Laws: 1) a token is used once;  2) effects leave
 * in the order in which they were caused.  (pure)
 */

import type { Bytes } from "../../core/bytes.ts";
import type { Result } from "../../core/errors.ts";
import type { Endpoint } from "../../core/transport.ts";
import type { StoreAnswer, StoreAsk, StoreOperation, StoreOperations, StoreRefusal } from "./store_effects.ts";
import type { Effect, LogEvent } from "./types.ts";

/** What goes on with an answer. */
type Then<T> = (answer: T, nowMs: number) => void;

export class Outbox {
  #effects: Effect[] = [];
  #nextToken = 1;
  readonly #waiting = new Map<number, Then<never>>();

  /** The effects since the last call. */
  take(): Effect[] {
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }

  send(to: Endpoint, bytes: Bytes): void {
    this.#effects.push({ kind: "send", to, bytes });
  }

  log(event: LogEvent): void {
    this.#effects.push({ kind: "log", event });
  }

  store<O extends StoreOperation>(operation: O, ask: StoreOperations[O]["ask"], then: Then<StoreAnswer<O>>): void {
    this.#effects.push({ kind: "store", token: this.#expect(then), ask: { operation, ask } as StoreAsk });
  }

  opaqueStart(
    ask: { readonly account: string; readonly record: string | null; readonly ke1: Bytes },
    then: Then<Result<{ readonly ke2: Bytes; readonly state: string }, StoreRefusal>>,
  ): void {
    this.#effects.push({ kind: "opaqueStart", token: this.#expect(then), ...ask });
  }

  opaqueFinish(
    ask: { readonly state: string; readonly ke3: Bytes },
    then: Then<Result<Bytes, StoreRefusal>>,
  ): void {
    this.#effects.push({ kind: "opaqueFinish", token: this.#expect(then), ...ask });
  }

  probe(ask: { readonly endpoint: Endpoint; readonly certificate: Bytes }, then: Then<boolean>): void {
    this.#effects.push({ kind: "probe", token: this.#expect(then), ...ask });
  }

  /** Goes on with the answer to a token; one that nobody waits for is dropped. */
  settle(token: number, answer: unknown, nowMs: number): void {
    const then = this.#waiting.get(token);
    this.#waiting.delete(token);
    then?.(answer as never, nowMs);
  }

  #expect<T>(then: Then<T>): number {
    const token = this.#nextToken++;
    this.#waiting.set(token, then);
    return token;
  }
}
