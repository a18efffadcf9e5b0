import { assertEquals } from "@std/assert";
import { AsyncQueue } from "../../lib/core/async_queue.ts";

Deno.test("AsyncQueue hands values over in order, and what is left after close, then the end", async () => {
  const queue = new AsyncQueue<number>();
  const reading = (async () => {
    const seen: number[] = [];
    for await (const value of queue) seen.push(value);
    return seen;
  })();
  queue.push(1);
  await Promise.resolve();
  queue.push(2);
  queue.push(3);
  queue.close();
  queue.push(4);
  assertEquals(await reading, [1, 2, 3]);
  assertEquals(await queue.next(), undefined);
});
