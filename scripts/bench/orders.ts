/** orders: a load generator as a program of its own: a line of JSON on its input is an order, one on its output what came of it.  (I/O) */

import { TextLineStream } from "@std/streams";

/** Says that it is ready, follows one order after the other until there are no more, and ends the process. */
export async function followOrders<Order, Report extends object>(
  follow: (order: Order) => Promise<Report>,
): Promise<never> {
  console.log(JSON.stringify({ type: "ready", port: 0 }));
  const lines = Deno.stdin.readable.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream());
  for await (const line of lines) {
    try {
      console.log(JSON.stringify({ type: "done", ...await follow(JSON.parse(line) as Order) }));
    } catch (error) {
      console.log(JSON.stringify({ type: "failed", message: String(error instanceof Error ? error.stack : error) }));
    }
  }
  Deno.exit(0);
}
