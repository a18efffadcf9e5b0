/**
 * password_prover: proves passwords on a thread that ends with the login, and with it the 64 MiB that argon2id takes: WebAssembly never
 * gives memory back. Laws: 1) a thread is there from when a login is prepared until its password is proved;  2) where none can be started the proof is made here,
 * and that memory stays;  3) nothing of a proof is kept.  The other end is password_worker.ts.  (I/O: threads)
 */

import { loadOpaque, type ProofStep, prove, type Proved } from "../session/opaque.ts";

export class PasswordProver implements Disposable {
  readonly #startThread: () => Worker;
  #thread: Thread | undefined;

  /** @param startThread Starts a worker that does the steps; it may throw. */
  constructor(startThread: () => Worker) {
    this.#startThread = startThread;
  }

  /** Starts the thread ahead of the first step: that takes 40 ms, in which the caller has other things to do. */
  prepare(): void {
    if (this.#thread?.isDead === false) return;
    try {
      this.#thread = new Thread(this.#startThread());
    } catch {
      this.#thread = undefined;
    }
  }

  /** Does a step of a login's proof, or of a registration. The last one ends the thread. */
  async prove(step: ProofStep): Promise<Proved> {
    this.prepare();
    const thread = this.#thread;
    if (thread === undefined) return await proveHere(step);
    try {
      return await thread.prove(step);
    } catch {
      return await proveHere(step);
    } finally {
      const isLast = step.kind === "finish" || step.kind === "newFinish";
      if (isLast && thread.isIdle) thread.end();
    }
  }

  /** Ends the thread; steps that are under way are never done. */
  [Symbol.dispose](): void {
    this.#thread?.end();
  }
}

async function proveHere(step: ProofStep): Promise<Proved> {
  await loadOpaque();
  return prove(step);
}

class Thread {
  readonly #worker: Worker;
  /** The steps under way, in order. */
  readonly #steps: PromiseWithResolvers<Proved>[] = [];
  isDead = false;

  constructor(worker: Worker) {
    this.#worker = worker;
    worker.onmessage = ({ data }: MessageEvent<Proved>) => this.#steps.shift()!.resolve(data);
    worker.onerror = (event) => {
      event.preventDefault();
      this.end();
      for (const { reject } of this.#steps.splice(0)) reject(event);
    };
  }

  get isIdle(): boolean {
    return this.#steps.length === 0;
  }

  async prove(step: ProofStep): Promise<Proved> {
    const proved = Promise.withResolvers<Proved>();
    this.#steps.push(proved);
    this.#worker.postMessage(step);
    return await proved.promise;
  }

  end(): void {
    if (this.isDead) return;
    this.isDead = true;
    this.#worker.terminate();
  }
}
