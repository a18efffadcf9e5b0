/**
 * worker_store: a store on a thread of its own, so that a commit that waits for the disk, or a search that compares names for 20 ms,
 * never keeps the coordinator from receiving: the kernel holds back 256 datagrams and drops the rest. Law: the worker's death
 * answers every call that waits. Its other end is store_worker.ts.
 */

import { type ErrorCode, fail, ShoalError } from "../../core/errors.ts";
import { startWorker } from "../../core/worker.ts";
import type { Role } from "../../wire/message.ts";
import type { StoreAnswer, StoreAsk } from "../role/store_effects.ts";
import { SearchCache } from "./search_cache.ts";
import type {
  NewInvite,
  Store,
  StoreBounds,
  StoredAccount,
  StoredGroup,
  StoredInvite,
  StoreFigures,
  StorePlace,
} from "./store.ts";

/** One call; those of one turn, or that came while the thread had enough to do, go to it together. The first one is `open`. */
export interface StoreCall {
  readonly call: number;
  readonly method: "open" | Exclude<keyof Store, symbol>;
  readonly parameters: readonly unknown[];
}

/** What comes back, together with others that were done by then: errors lose their class on the way between threads, so they travel as their parts. */
export type StoreReply =
  | { readonly call: number; readonly value: unknown }
  | {
    readonly call: number;
    readonly error: { readonly code: ErrorCode; readonly message: string; readonly hint: string | undefined };
  };

/**
 * Opens a store on a new thread.
 * @param onDeath Told once if the thread dies by itself: nothing can be stored from then on, so the process should end.
 * @throws {ShoalError} As `openStore`.
 */
export async function openWorkerStore(
  place: StorePlace,
  bounds: StoreBounds,
  onDeath: (reason: ShoalError) => void,
): Promise<Store> {
  const worker = startWorker(new URL("./store_worker.ts", import.meta.url));
  const store = new WorkerStore(worker, onDeath);
  await store.open(place, bounds);
  return store;
}

/**
 * With so many calls unanswered the thread has enough to do: those that come are held back, and go to it together. A message there and
 * back costs more than many a question.
 */
const callsOutMax = 4;

/** What changes nothing. */
const questions: ReadonlySet<StoreCall["method"]> = new Set<StoreCall["method"]>([
  "read",
  "figures",
  "listInvites",
  "findAccount",
  "listAccounts",
  "listGroups",
]);

interface Waiting {
  readonly isChange: boolean;
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

class WorkerStore implements Store {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  /** Of those that wait, what is not sent yet; in their order. */
  #unsent: StoreCall[] = [];
  #isSending = false;
  #calls = 0;
  readonly #searches = new SearchCache();
  #ended: ShoalError | undefined;

  constructor(worker: Worker, onDeath: (reason: ShoalError) => void) {
    this.#worker = worker;
    worker.onmessage = ({ data }: MessageEvent<readonly StoreReply[]>) => {
      for (const reply of data) this.#settle(reply);
      this.#send();
    };
    worker.onerror = (event) => {
      event.preventDefault();
      const reason = new ShoalError("io", `Cannot use the store: its thread died (${event.message})`);
      this.#end(reason);
      onDeath(reason);
    };
  }

  async open(place: StorePlace, bounds: StoreBounds): Promise<void> {
    const { sharesPerAccountMax, devicesPerAccountMax, searchCandidatesMax } = bounds;
    try {
      await this.#call("open", place, { sharesPerAccountMax, devicesPerAccountMax, searchCandidatesMax });
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
      const keep = this.#searches.asked(ask);
      const answer = await this.#call<StoreAnswer<A["operation"]>>("read", ask);
      keep(answer);
      return answer;
    } catch {
      return failed as StoreAnswer<A["operation"]>;
    }
  }

  known<A extends StoreAsk>(ask: A) {
    return this.#searches.find(ask) as StoreAnswer<A["operation"]> | undefined;
  }

  putAccount(name: string, record: string, options: { readonly overwrite: boolean; readonly nowMs: number }) {
    return this.#call<"added" | "kept" | "replaced" | "lookAlike">("putAccount", name, record, options);
  }

  removeAccount(name: string): Promise<boolean> {
    return this.#call("removeAccount", name);
  }

  setDisabled(name: string, disabled: boolean): Promise<boolean> {
    return this.#call("setDisabled", name, disabled);
  }

  setRole(name: string, role: Role): Promise<boolean> {
    return this.#call("setRole", name, role);
  }

  setLimits(name: string, limits: { readonly sharesMax: number | null; readonly rate: number | null }) {
    return this.#call<boolean>("setLimits", name, limits);
  }

  putInvites(invites: readonly NewInvite[], nowMs: number): Promise<void> {
    return this.#call("putInvites", invites, nowMs);
  }

  listInvites(): Promise<readonly StoredInvite[]> {
    return this.#call("listInvites");
  }

  revokeInvite(invite: number): Promise<boolean> {
    return this.#call("revokeInvite", invite);
  }

  findAccount(name: string): Promise<StoredAccount | undefined> {
    return this.#call("findAccount", name);
  }

  listAccounts(): Promise<readonly StoredAccount[]> {
    return this.#call("listAccounts");
  }

  createGroup(name: string, nowMs: number): Promise<boolean> {
    return this.#call("createGroup", name, nowMs);
  }

  deleteGroup(name: string): Promise<readonly string[] | undefined> {
    return this.#call("deleteGroup", name);
  }

  setGroupMember(group: string, account: string, isMember: boolean): Promise<boolean> {
    return this.#call("setGroupMember", group, account, isMember);
  }

  listGroups(): Promise<readonly StoredGroup[]> {
    return this.#call("listGroups");
  }

  claimKeys(mark: string): Promise<boolean> {
    return this.#call("claimKeys", mark);
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
    const isChange = !questions.has(method);
    if (isChange) this.#searches.change();
    return new Promise<T>((resolve, reject) => {
      this.#waiting.set(call, { isChange, resolve: resolve as (value: unknown) => void, reject });
      this.#unsent.push({ call, method, parameters });
      if (this.#isSending) return;
      this.#isSending = true;
      queueMicrotask(() => {
        this.#isSending = false;
        this.#send();
      });
    });
  }

  #send(): void {
    const calls = this.#unsent;
    const out = this.#waiting.size - calls.length;
    if (calls.length === 0 || out >= callsOutMax || this.#ended !== undefined) return;
    this.#unsent = [];
    this.#worker.postMessage(calls);
  }

  #settle(reply: StoreReply): void {
    const waiting = this.#waiting.get(reply.call);
    this.#waiting.delete(reply.call);
    if (waiting?.isChange) this.#searches.change();
    if ("value" in reply) waiting?.resolve(reply.value);
    else waiting?.reject(new ShoalError(reply.error.code, reply.error.message, hintOf(reply.error.hint)));
  }

  #end(reason: ShoalError): void {
    this.#ended ??= reason;
    this.#worker.terminate();
    for (const { reject } of this.#waiting.values()) reject(reason);
    this.#waiting.clear();
    this.#unsent = [];
  }
}

const failed = fail({ code: "io" as const, text: "the coordinator's store failed" });

function hintOf(hint: string | undefined) {
  return hint === undefined ? {} : { hint };
}
