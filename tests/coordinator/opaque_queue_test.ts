import { assert, assertEquals } from "@std/assert";
import { formatBase64Url } from "../../lib/core/base64.ts";
import { limits } from "../../lib/core/limits.ts";
import { OpaqueQueue } from "../../lib/coordinator/opaque_queue.ts";
import type { Input } from "../../lib/coordinator/role/types.ts";
import {
  createServerSetup,
  finishLogin,
  finishRegistration,
  loadOpaque,
  registerLocally,
  startLogin,
  startRegistration,
} from "../../lib/session/opaque.ts";

const stretching = { iterations: 1, memory: 8, parallelism: 1 };
await loadOpaque();
const serverSetup = createServerSetup();

type Answer = Extract<Input, { kind: "opaqueStarted" | "opaqueFinished" | "opaqueRegistered" }>;

/** A queue, and a way to wait for its next answer. */
function setUp() {
  const answers: Answer[] = [];
  let wake = () => {};
  const queue = new OpaqueQueue(serverSetup, (answer) => {
    answers.push(answer);
    wake();
  });
  const until = async (count: number) => {
    while (answers.length < count) await new Promise<void>((resolve) => wake = resolve);
    return answers;
  };
  return { queue, answers, until };
}

Deno.test("OpaqueQueue takes a login through both steps, and refuses a wrong password", async () => {
  const record = registerLocally({ password: "right", serverSetup, account: "ada", stretching });
  const { queue, until } = setUp();
  const started = startLogin("right");
  queue.push({ kind: "opaqueStart", token: 1, account: "ADA", record, ke1: started.ke1 });
  const [first] = await until(1);
  assert(first?.kind === "opaqueStarted" && first.result.ok);
  const { ke2, state } = first.result.value;
  const finished = finishLogin("right", started.state, ke2, stretching)!;
  queue.push({ kind: "opaqueFinish", token: 2, state, ke3: finished.ke3 });
  queue.push({ kind: "opaqueFinish", token: 3, state, ke3: new Uint8Array(64) });
  const [, second, third] = await until(3);
  assert(second?.kind === "opaqueFinished" && second.result.ok);
  assertEquals([second.token, second.result.value], [2, finished.sessionKey]);
  assert(third?.kind === "opaqueFinished" && !third.result.ok);
  assertEquals([third.token, third.result.error.code], [3, "denied"]);
});

Deno.test("OpaqueQueue answers the registration of a password, under the account's fold, and refuses what is none", async () => {
  const { queue, until } = setUp();
  const { request, state } = startRegistration("right");
  queue.push({ kind: "opaqueRegister", token: 1, account: "ADA", request });
  queue.push({ kind: "opaqueRegister", token: 2, account: "ada", request: new Uint8Array(32) });
  const [first, junk] = await until(2);
  assert(first?.kind === "opaqueRegistered" && first.result.ok);
  assertEquals(junk!.result.ok, false);
  const { record } = finishRegistration("right", state, first.result.value, stretching)!;
  const started = startLogin("right");
  queue.push({ kind: "opaqueStart", token: 3, account: "ada", record: formatBase64Url(record), ke1: started.ke1 });
  const third = (await until(3))[2];
  assert(third?.kind === "opaqueStarted" && third.result.ok);
  assert(finishLogin("right", started.state, third.result.value.ke2, stretching) !== undefined);
});

Deno.test("OpaqueQueue answers junk with a refusal, and an unknown account as a known one", async () => {
  const { queue, until } = setUp();
  queue.push({ kind: "opaqueStart", token: 1, account: "x", record: null, ke1: new Uint8Array(96) });
  queue.push({ kind: "opaqueStart", token: 2, account: "x", record: null, ke1: startLogin("y").ke1 });
  const [junk, unknown] = await until(2);
  assertEquals(junk!.result.ok, false);
  assert(unknown?.kind === "opaqueStarted" && unknown.result.ok);
  assertEquals(unknown.result.value.ke2.length, 320);
});

Deno.test("OpaqueQueue answers busy over its limit, and every token once", async () => {
  const { queue, answers, until } = setUp();
  const ke3 = new Uint8Array(64);
  const count = limits.opaqueQueueMax + 2;
  for (let token = 0; token < count; token++) queue.push({ kind: "opaqueFinish", token, state: "", ke3 });
  await until(count);
  const busy = answers.filter(({ result }) => !result.ok && result.error.code === "busy").map(({ token }) => token);
  assertEquals(busy, [limits.opaqueQueueMax, limits.opaqueQueueMax + 1]);
  assertEquals(new Set(answers.map(({ token }) => token)).size, count);
});
