import { assertEquals, assertRejects } from "@std/assert";
import { ProtocolError } from "../../lib/core/errors.ts";
import { type Content, contentIdFrom, type DeviceId } from "../../lib/core/ids.ts";
import { firstTickets, report } from "../../lib/peer/tickets.ts";
import { holders } from "../../lib/peer/pages.ts";
import type { HolderEntry, Request } from "../../lib/wire/message.ts";

const deviceId = "ab".repeat(32) as DeviceId;

function contentOf(number: number): Content {
  return { id: contentIdFrom(new Uint8Array(32).fill(number)), bytes: number };
}

Deno.test("firstTickets() answers for the first contents, and ends on an answer that leads nowhere", async () => {
  const ticket = new Uint8Array([1]);
  const asked: Request[] = [];
  const control = (tickets: readonly (Uint8Array | null)[]) => ({
    // deno-lint-ignore no-explicit-any -- the caller's type is Control's.
    request(request: any): Promise<any> {
      asked.push(request);
      return Promise.resolve({ kind: "ticketsAre", tickets });
    },
  });
  const contents = [contentOf(1), contentOf(2), contentOf(3)];
  assertEquals(await firstTickets(control([ticket, null]), deviceId, contents), [ticket, null]);
  assertEquals(asked, [{ kind: "tickets", deviceId, contents }]);
  for (const wrong of [[], [null, null, null, null]]) {
    await assertRejects(() => firstTickets(control(wrong), deviceId, contents), ProtocolError);
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
