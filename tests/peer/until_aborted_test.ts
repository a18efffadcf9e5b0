import { assertEquals, assertRejects } from "@std/assert";
import { NetworkError, ShoalError } from "../../lib/core/errors.ts";
import { untilAborted } from "../../lib/peer/until_aborted.ts";

Deno.test("untilAborted() ends as its work does", async () => {
  const { signal } = new AbortController();
  assertEquals(await untilAborted(Promise.resolve(1), signal), 1);
  await assertRejects(() => untilAborted(Promise.reject(new NetworkError("lost")), signal), NetworkError, "lost");
});

Deno.test("untilAborted() does not wait on when its signal is aborted, before or meanwhile, and swallows how the work ends", async () => {
  const stop = new AbortController();
  const { promise: work, reject } = Promise.withResolvers<never>();
  const waiting = untilAborted(work, stop.signal);
  stop.abort();
  assertEquals((await assertRejects(() => waiting, ShoalError)).code, "interrupted");
  assertEquals((await assertRejects(() => untilAborted(work, stop.signal), ShoalError)).code, "interrupted");
  reject(new NetworkError("too late"));
});
