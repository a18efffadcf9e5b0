/**
 * worker: starts threads. Laws: 1) a worker's module is named relative to the one that starts it, `./x_worker.ts` beside it in the
 * source tree; a bundle has all its modules in one folder, as JavaScript;  2) where descriptors are used up none is started: Deno would
 * end the whole program.  (I/O: threads)
 */

import { storeErrorFrom } from "./errors.ts";

/** Descriptors that must be free: a thread takes six, and others may take some meanwhile. */
const descriptorsMin = 16;

/**
 * Starts a worker.
 * @param module `new URL("./x_worker.ts", import.meta.url)`.
 * @throws {StoreError} If there are too few descriptors for one.
 */
export function startWorker(module: URL): Worker {
  checkDescriptors();
  const isBundle = import.meta.url.endsWith(".js");
  return new Worker(isBundle ? module.href.replace(/\.ts$/, ".js") : module, { type: "module" });
}

function checkDescriptors(): void {
  const opened: Deno.FsFile[] = [];
  try {
    while (opened.length < descriptorsMin) opened.push(Deno.openSync(Deno.execPath()));
  } catch (error) {
    // An executable that was replaced, or that one may not read, says nothing of descriptors.
    if (error instanceof Error && /os error 2[34]\b/.test(error.message)) {
      throw storeErrorFrom(error, "start", "a thread");
    }
  } finally {
    for (const file of opened) file.close();
  }
}
