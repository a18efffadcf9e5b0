/** sqlite_worker: the thread behind worker_store.ts; its first call is `open`. (a worker's entry) */

import { ShoalError } from "../../core/errors.ts";
import { openSqliteStore } from "./sqlite_store.ts";
import type { Store, StoreBounds } from "./store.ts";
import type { StoreCall, StoreReply } from "./worker_store.ts";

declare const self: { onmessage: (event: MessageEvent<StoreCall>) => void; postMessage(reply: StoreReply): void };

let store: Store | undefined;

// The engine works inside the turn that brings a call, so calls keep their order; the removal of an account alone takes many turns.
self.onmessage = async ({ data }) => {
  try {
    self.postMessage({ call: data.call, value: await run(data) });
  } catch (error) {
    const { code, message, hint } = error instanceof ShoalError ? error : new ShoalError("unknown", String(error));
    self.postMessage({ call: data.call, error: { code, message, hint } });
  }
};

async function run({ method, parameters }: StoreCall): Promise<unknown> {
  if (method === "open") {
    store = openSqliteStore(...parameters as [string, StoreBounds]);
    return;
  }
  const open = store!;
  // Both ends are compiled from one interface, so the parameters are the method's.
  return await (open[method] as (...parameters: readonly unknown[]) => Promise<unknown>).apply(open, [...parameters]);
}
