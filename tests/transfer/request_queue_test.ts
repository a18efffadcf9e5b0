import { assertEquals, assertThrows } from "@std/assert";
import { ProtocolError } from "../../lib/core/errors.ts";
import { limits } from "../../lib/core/limits.ts";
import { RequestQueue } from "../../lib/transfer/request_queue.ts";

const contentBytes = 1024 * limits.pieceBytesMin;
const upTo = (count: number, from = 0) => Array.from({ length: count }, (_, i) => from + i);

Deno.test("what is asked for ahead is bounded, and served in the order of asking", async () => {
  const queue = new RequestQueue(contentBytes);
  queue.addLeaves(upTo(limits.leavesMax));
  assertThrows(() => queue.addLeaves([limits.leavesMax]), ProtocolError, "more asked ahead than allowed");
  const ticket = new Uint8Array([7]);
  for (let i = 0; i < limits.takesMax; i++) queue.addTake(ticket);
  assertThrows(() => queue.addTake(ticket), ProtocolError, "more asked ahead than allowed");
  for (const leavesOf of upTo(limits.leavesMax)) assertEquals(await queue.next(), { leavesOf });
  assertEquals(await queue.next(), { ticket });
  assertEquals(queue.nextTake(), ticket);
  queue.taken(2);
  for (let i = 0; i < 2; i++) queue.addTake(ticket);
  assertThrows(() => queue.addTake(ticket), ProtocolError);
});

Deno.test("hashes that were answered leave room for others, as long as there are pieces", async () => {
  const queue = new RequestQueue(contentBytes);
  for (let from = 0; from < 1024; from += limits.leavesMax) {
    queue.addLeaves(upTo(limits.leavesMax, from));
    for (let i = 0; i < limits.leavesMax; i++) await queue.next();
  }
  assertThrows(() => queue.addLeaves([0]), ProtocolError, "more pieces than there are");
});
