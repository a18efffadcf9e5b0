/**
 * worker_store: the SQLite store on a thread of its own, so that a commit that waits for the disk, or a search that reads for 20 ms,
 * never keeps the coordinator from receiving: the kernel holds back 256 datagrams and drops the rest. Laws: 1) calls are
 * answered in the order they were made;  2) the worker's death answers every call that waits. Its other end is sqlite_worker.ts.
 */

import { type ErrorCode, fail, ShoalError } from "../../core/errors.ts";
import { startWorker } from "../../core/worker.ts";
import type { StoreAnswer, StoreAsk } from "../role/store_effects.ts";
import type { Store, StoreBounds, StoredAccount, StoreFigures } from "./store.ts";

/** What goes to the worker. The first call is `open`. */
export interface StoreCall {
  readonly call: number;
  readonly method: "open" | Exclude<keyof Store, symbol>;
  readonly parameters: readonly unknown[];
}

/** What comes back: errors lose their class on the way between threads, so they travel as their parts. */
export type StoreReply =
  | { readonly call: number; readonly value: unknown }
  | {
    readonly call: number;
    readonly error: { readonly code: ErrorCode; readonly message: string; readonly hint: string | undefined };
  };

/**
 * Opens a database file on a new thread.
 * @param onDeath Told once if the thread dies by itself: nothing can be stored from then on, so the process should end.
 * @throws {ShoalError} As `openSqliteStore`.
 */
export async function openWorkerStore(
  path: string,
  bounds: StoreBounds,
  onDeath: (reason: ShoalError) => void,
): Promise<Store> {
  const worker = startWorker(new URL("./sqlite_worker.ts", import.meta.url));
  const store = new WorkerStore(worker, onDeath);
  await store.open(path, bounds);
  return store;
}

class WorkerStore implements Store {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, { resolve(value: unknown): void; reject(error: unknown): void }>();
  #calls = 0;
  #ended: ShoalError | undefined;

  constructor(worker: Worker, onDeath: (reason: ShoalError) => void) {
    this.#worker = worker;
    worker.onmessage = ({ data }: MessageEvent<StoreReply>) => {
      const waiting = this.#waiting.get(data.call);
      this.#waiting.delete(data.call);
      if ("value" in data) waiting?.resolve(data.value);
      else waiting?.reject(new ShoalError(data.error.code, data.error.message, hintOf(data.error.hint)));
    };
    worker.onerror = (event) => {
      event.preventDefault();
      const reason = new ShoalError("io", `Cannot use the store: its thread died (${event.message})`);
      this.#end(reason);
      onDeath(reason);
    };
  }

  async open(path: string, bounds: StoreBounds): Promise<void> {
    const { sharesPerAccountMax, devicesPerAccountMax, searchCandidatesMax } = bounds;
    try {
      await this.#call("open", path, { sharesPerAccountMax, devicesPerAccountMax, searchCandidatesMax });
    } catch (error) {
      this.#end(new ShoalError("io", "Cannot use the store: it did not open"));
      throw error;
    }
  }

  async write<const A extends readonly StoreAsk[]>(asks: A) {
    type Answers = { readonly [I in keyof A]: StoreAnswer<A[I]["operation"]> };
    try {
      return await this.#call<Answers>("write", asks);
    } catch {
      return asks.map(() => failed) as unknown as Answers;
    }
  }

  async read<A extends StoreAsk>(ask: A) {
    try {
      return await this.#call<StoreAnswer<A["operation"]>>("read", ask);
    } catch {
      return failed as StoreAnswer<A["operation"]>;
    }
  }

  putAccount(name: string, record: string, options: { readonly overwrite: boolean; readonly nowMs: number }) {
    return this.#call<"added" | "kept" | "replaced">("putAccount", name, record, options);
  }

  removeAccount(name: string): Promise<boolean> {
    return this.#call("removeAccount", name);
  }

  setDisabled(name: string, disabled: boolean): Promise<boolean> {
    return this.#call("setDisabled", name, disabled);
  }

  findAccount(name: string): Promise<StoredAccount | undefined> {
    return this.#call("findAccount", name);
  }

  listAccounts(): Promise<readonly StoredAccount[]> {
    return this.#call("listAccounts");
  }

  figures(): Promise<StoreFigures> {
    return this.#call("figures");
  }

  async close(): Promise<void> {
    if (this.#ended !== undefined) return;
    try {
      await this.#call("close");
    } finally {
      this.#end(new ShoalError("io", "Cannot use the store: it is closed"));
    }
  }

  #call<T>(method: StoreCall["method"], ...parameters: readonly unknown[]): Promise<T> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    const call = ++this.#calls;
    return new Promise<T>((resolve, reject) => {
      this.#waiting.set(call, { resolve: resolve as (value: unknown) => void, reject });
      this.#worker.postMessage({ call, method, parameters } satisfies StoreCall);
    });
  }

  #end(reason: ShoalError): void {
    this.#ended ??= reason;
    this.#worker.terminate();
    for (const { reject } of this.#waiting.values()) reject(reason);
    this.#waiting.clear();
  }
}

const failed = fail({ code: "io" as const, text: "the coordinator's store failed" });

function hintOf(hint: string | undefined) {
  return hint === undefined ? {} : { hint };
}
