/** store_worker: the thread behind worker_store.ts; its first call is `open`. (a worker's entry) */

import { ShoalError } from "../../core/errors.ts";
import { openStore } from "./open_store.ts";
import type { Store, StoreBounds, StorePlace } from "./store.ts";
import type { StoreCall, StoreReply } from "./worker_store.ts";

declare const self: {
  onmessage: (event: MessageEvent<readonly StoreCall[]>) => void;
  postMessage(replies: readonly StoreReply[]): void;
};

let store: Store | undefined;
/** What was done in this turn. */
let replies: StoreReply[] = [];

// SQLite works inside the turn that brings a call, so calls keep their order; the removal of an account alone takes many turns.
self.onmessage = ({ data }) => {
  for (const call of data) answer(call);
};

async function answer(call: StoreCall): Promise<void> {
  let reply: StoreReply;
  try {
    reply = { call: call.call, value: await run(call) };
  } catch (error) {
    const { code, message, hint } = error instanceof ShoalError ? error : new ShoalError("unknown", String(error));
    reply = { call: call.call, error: { code, message, hint } };
  }
  if (replies.push(reply) > 1) return;
  // Those that were done in the same turn come to here before the next microtask.
  queueMicrotask(() => {
    const done = replies;
    replies = [];
    self.postMessage(done);
  });
}

async function run({ method, parameters }: StoreCall): Promise<unknown> {
  if (method === "open") {
    store = await openStore(...parameters as [StorePlace, StoreBounds]);
    return;
  }
  const open = store!;
  // Both ends are compiled from one interface, so the parameters are the method's.
  return await (open[method] as (...parameters: readonly unknown[]) => Promise<unknown>).apply(open, [...parameters]);
}
