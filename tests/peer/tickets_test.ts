import { assertEquals, assertRejects } from "@std/assert";
import { ProtocolError } from "../../lib/core/errors.ts";
import { type Content, contentIdFrom, type DeviceId } from "../../lib/core/ids.ts";
import { report, setTicketFor } from "../../lib/peer/tickets.ts";
import { holders } from "../../lib/peer/pages.ts";
import type { HolderEntry, Request } from "../../lib/wire/message.ts";

const deviceId = "ab".repeat(32) as DeviceId;

function contentOf(number: number): Content {
  return { id: contentIdFrom(new Uint8Array(32).fill(number)), bytes: number };
}

Deno.test("setTicketFor() tells what the ticket covers, and ends on an answer that is not to the question", async () => {
  const ticket = new Uint8Array([1]);
  const asked: Request[] = [];
  const control = (answer: { readonly ticket: Uint8Array | null; readonly covered: number }) => ({
    // deno-lint-ignore no-explicit-any -- the caller's type is Control's.
    request(request: any): Promise<any> {
      asked.push(request);
      return Promise.resolve({ kind: "setTicketIs", ...answer });
    },
  });
  const contents = [contentOf(1), contentOf(2), contentOf(3)];
  const some = await setTicketFor(control({ ticket, covered: 0b101 }), deviceId, contents);
  assertEquals(asked, [{ kind: "setTicket", deviceId, contents }]);
  assertEquals(some.set, { ticket, contents: [contentOf(1), contentOf(3)] });
  assertEquals([0, 1, 2].map(some.isCovered), [true, false, true]);
  const none = await setTicketFor(control({ ticket: null, covered: 0 }), deviceId, contents);
  assertEquals([none.set, none.isCovered(0)], [undefined, false]);
  for (const wrong of [{ ticket, covered: 0 }, { ticket, covered: 0b1001 }, { ticket: null, covered: 1 }]) {
    await assertRejects(() => setTicketFor(control(wrong), deviceId, contents), ProtocolError);
  }
});

Deno.test("report() shows the holder's ticket, and holders() offers on every page", async () => {
  const asked: Request[] = [];
  const entry = (label: string) => ({ label }) as HolderEntry;
  const control = {
    // deno-lint-ignore no-explicit-any -- as above
    request: (request: any): Promise<any> => {
      asked.push(request);
      const cursor = asked.length < 2 ? new Uint8Array([1]) : new Uint8Array(0);
      return Promise.resolve({ kind: "holders", holders: [entry(`${asked.length}`)], cursor });
    },
  };
  const found: string[] = [];
  for await (const { label } of holders(control, contentOf(1), { offer: true })) found.push(label);
  assertEquals(found, ["1", "2"]);
  assertEquals(
    asked,
    [new Uint8Array(0), new Uint8Array([1])].map((cursor) => {
      return { kind: "locate", content: contentOf(1), offer: true, cursor };
    }),
  );
  const ticket = new Uint8Array([5]);
  await report(control, { deviceId, ticket }, "stalled");
  assertEquals(asked.at(-1), { kind: "report", deviceId, ticket, reason: "stalled" });
});
