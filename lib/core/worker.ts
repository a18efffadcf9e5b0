/**
 * worker: starts threads. Law: a worker's module is named relative to the one that starts it, `./x_worker.ts` beside it in the
 * source tree; a bundle has all its modules in one folder, as JavaScript.  (I/O: threads)
 */

/** Starts a worker. @param module `new URL("./x_worker.ts", import.meta.url)`. */
export function startWorker(module: URL): Worker {
  const isBundle = import.meta.url.endsWith(".js");
  return new Worker(isBundle ? module.href.replace(/\.ts$/, ".js") : module, { type: "module" });
}
