/** A login's proof is made on a thread that ends with it, and without one where there is none. */

import { assert, assertEquals } from "@std/assert";
import { startWorker } from "../../lib/core/worker.ts";
import { PasswordProver } from "../../lib/peer/password_prover.ts";
import { acceptLogin, answerLogin, createServerSetup, loadOpaque, registerLocally } from "../../lib/session/opaque.ts";

await loadOpaque();
const account = "ada";
const password = "correct horse";
const serverSetup = createServerSetup();
const record = registerLocally({ password, serverSetup, account });

/** Counts the threads that there are. */
class Threads {
  alive = 0;
  started = 0;

  readonly start = (): Worker => {
    const worker = startWorker(new URL("../../lib/peer/password_worker.ts", import.meta.url));
    this.started++;
    this.alive++;
    const terminate = worker.terminate.bind(worker);
    worker.terminate = () => {
      this.alive--;
      terminate();
    };
    return worker;
  };
}

/** One login; whether both sides have the same session key. */
async function logIn(prover: PasswordProver, typed = password): Promise<boolean> {
  const started = await prover.prove({ kind: "start", password: typed });
  assert(started.kind === "start");
  const answered = answerLogin(serverSetup, account, record, started.ke1)!;
  const finished = await prover.prove({
    kind: "finish",
    password: typed,
    state: started.state,
    ke2: answered.ke2,
  });
  assert(finished.kind === "finish");
  if (finished.login === undefined) return false;
  assertEquals(finished.login.sessionKey, acceptLogin(answered.state, finished.login.ke3));
  return true;
}

Deno.test("PasswordProver proves on one thread, which ends with the login; the next login has another", async () => {
  const threads = new Threads();
  using prover = new PasswordProver(threads.start);
  prover.prepare();
  assertEquals([threads.alive, threads.started], [1, 1]);
  assert(await logIn(prover));
  assertEquals([threads.alive, threads.started], [0, 1]);
  assertEquals(await logIn(prover, "incorrect horse"), false);
  assertEquals([threads.alive, threads.started], [0, 2]);
});

Deno.test("PasswordProver lets a later login's step be done before it ends the thread of an earlier one", async () => {
  const threads = new Threads();
  using prover = new PasswordProver(threads.start);
  const started = await prover.prove({ kind: "start", password });
  assert(started.kind === "start");
  const { ke2 } = answerLogin(serverSetup, account, record, started.ke1)!;
  const [earlier, later] = await Promise.all([
    prover.prove({ kind: "finish", password, state: started.state, ke2 }),
    prover.prove({ kind: "start", password }),
  ]);
  assert(earlier.kind === "finish" && earlier.login !== undefined && later.kind === "start");
  assertEquals(threads.alive, 1);
});

Deno.test("PasswordProver proves without a thread where none can be started, and where it dies", async () => {
  using none = new PasswordProver(() => {
    throw new TypeError("no threads here");
  });
  assert(await logIn(none));
  const threads = new Threads();
  using dead = new PasswordProver(() => {
    const worker = threads.start();
    worker.postMessage = () => void worker.dispatchEvent(new ErrorEvent("error", { cancelable: true }));
    return worker;
  });
  assert(await logIn(dead));
  assertEquals(threads.alive, 0);
});

Deno.test("PasswordProver ends its thread where the login is never finished", async () => {
  const threads = new Threads();
  {
    using prover = new PasswordProver(threads.start);
    await prover.prove({ kind: "start", password });
    assertEquals(threads.alive, 1);
  }
  assertEquals(threads.alive, 0);
});
