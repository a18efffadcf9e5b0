import { assertEquals, assertRejects } from "@std/assert";
import { ProtocolError } from "../../lib/core/errors.ts";
import { type Content, contentIdFrom, type DeviceId } from "../../lib/core/ids.ts";
import { report, tickets } from "../../lib/peer/tickets.ts";
import { holders } from "../../lib/peer/pages.ts";
import type { HolderEntry, MessageOf, Request } from "../../lib/wire/message.ts";

const deviceId = "ab".repeat(32) as DeviceId;

function contentOf(number: number): Content {
  return { id: contentIdFrom(new Uint8Array(32).fill(number)), bytes: number };
}

/** Answers TICKETS about at most `fits` contents: each ticket is its content's number, every third content is not there. */
class TicketControl {
  readonly fits: number;
  readonly asked: MessageOf<"tickets">[] = [];
  underWay = 0;
  mostUnderWay = 0;

  constructor(fits: number) {
    this.fits = fits;
  }

  // deno-lint-ignore no-explicit-any -- the caller's type is Control's.
  async request(request: any): Promise<any> {
    this.asked.push(request);
    this.mostUnderWay = Math.max(this.mostUnderWay, ++this.underWay);
    await Promise.resolve();
    this.underWay--;
    const wanted = (request as MessageOf<"tickets">).contents.slice(0, this.fits);
    return { kind: "ticketsAre", tickets: wanted.map(({ bytes }) => bytes % 3 === 0 ? null : new Uint8Array([bytes])) };
  }
}

Deno.test("tickets() gets one for each content in order, whatever an answer has room for", async () => {
  const contents = Array.from({ length: 200 }, (_, i) => contentOf(i + 1));
  const expected = contents.map(({ bytes }) => bytes % 3 === 0 ? null : new Uint8Array([bytes]));
  for (const fits of [1, 7, 9, 16, 32]) {
    const control = new TicketControl(fits);
    assertEquals(await tickets(control, deviceId, contents), expected);
    const asked = control.asked.reduce((sum, one) => sum + one.contents.length, 0);
    assertEquals(asked <= 200 + 16 * 16, true, "what was left over is asked once more, not all of it");
  }
  const control = new TicketControl(9);
  await tickets(control, deviceId, contents);
  assertEquals(control.asked.length, Math.ceil((200 - 16) / 9) + 2, "later questions ask for what an answer holds");
  assertEquals(control.mostUnderWay, 8);
  assertEquals(await tickets(control, deviceId, []), []);
});

Deno.test("tickets() ends on an answer that leads nowhere", async () => {
  await assertRejects(() => tickets(new TicketControl(0), deviceId, [contentOf(1)]), ProtocolError);
  // deno-lint-ignore no-explicit-any -- as above
  const control = { request: (): Promise<any> => Promise.resolve({ kind: "ticketsAre", tickets: [null, null] }) };
  await assertRejects(() => tickets(control, deviceId, [contentOf(1)]), ProtocolError);
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
  await report(control, { deviceId, ticket }, "slow");
  assertEquals(asked.at(-1), { kind: "report", deviceId, ticket, reason: "slow" });
});
