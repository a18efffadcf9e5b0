import { assertEquals, assertThrows } from "@std/assert";
import { ProtocolError, ShoalError } from "../../lib/core/errors.ts";
import { contentIdFrom } from "../../lib/core/ids.ts";
import { limits } from "../../lib/core/limits.ts";
import { RequestQueue } from "../../lib/transfer/request_queue.ts";

const contentBytes = 1024 * limits.pieceBytesMin;
const upTo = (count: number, from = 0) => Array.from({ length: count }, (_, i) => from + i);

Deno.test("what is asked for ahead is bounded, and served in the order of asking", async () => {
  const queue = new RequestQueue(contentBytes);
  queue.addLeaves(upTo(limits.leavesMax));
  assertThrows(() => queue.addLeaves([limits.leavesMax]), ProtocolError, "more asked ahead than allowed");
  const contents = [7, 8].map((byte) => ({ id: contentIdFrom(new Uint8Array(32).fill(byte)), bytes: 100 }));
  const grant = new ShoalError("denied", "no");
  const [seven, eight] = contents.map((content) => ({ content, grant }));
  assertThrows(() => new RequestQueue(contentBytes).addTake([0]), ProtocolError, "what no SET has named");
  queue.setTo(contents, grant);
  for (let i = 0; i < limits.takesMax; i += 2) queue.addTake([0, 1]);
  assertThrows(() => queue.addTake([0]), ProtocolError, "more asked ahead than allowed");
  for (const leavesOf of upTo(limits.leavesMax)) assertEquals(await queue.next(), { leavesOf });
  assertEquals(await queue.next(), seven);
  assertEquals(queue.nextTake(), eight);
  queue.taken(3);
  queue.addTake([1, 1]);
  assertThrows(() => queue.addTake([0]), ProtocolError);
});

Deno.test("hashes that were answered leave room for others, as long as there are pieces", async () => {
  const queue = new RequestQueue(contentBytes);
  for (let from = 0; from < 1024; from += limits.leavesMax) {
    queue.addLeaves(upTo(limits.leavesMax, from));
    for (let i = 0; i < limits.leavesMax; i++) await queue.next();
  }
  assertThrows(() => queue.addLeaves([0]), ProtocolError, "more pieces than there are");
});
