import { assert, assertEquals, assertRejects } from "@std/assert";
import { NetworkError } from "../../lib/core/errors.ts";
import { type Content, contentIdFrom, type DeviceId } from "../../lib/core/ids.ts";
import { limits } from "../../lib/core/limits.ts";
import { TicketLine } from "../../lib/peer/ticket_line.ts";
import type { MessageOf } from "../../lib/wire/message.ts";

const deviceId = "ab".repeat(32) as DeviceId;

interface Wish {
  readonly content: Content;
  readonly number: number;
}

const wishes = (count: number): Wish[] =>
  Array.from({ length: count }, (_, i) => ({
    number: i + 1,
    content: { id: contentIdFrom(new Uint8Array(32).fill(i % 256)), bytes: i + 1 },
  }));

/** Answers that every third content is not there; a ticket is the number of the question. */
class TicketControl {
  readonly asked: number[] = [];
  mostUnderWay = 0;
  failsAfter = Infinity;
  #underWay = 0;

  // deno-lint-ignore no-explicit-any -- the caller's type is Control's.
  async request(request: any): Promise<any> {
    const { contents } = request as MessageOf<"setTicket">;
    const number = this.asked.push(contents.length);
    this.mostUnderWay = Math.max(this.mostUnderWay, ++this.#underWay);
    await new Promise((resolve) => setTimeout(resolve, 0));
    this.#underWay--;
    if (number > this.failsAfter) throw new NetworkError("Cannot ask the coordinator: it is gone");
    const covered = contents.reduce((bits, { bytes }, place) => isThere(bytes) ? bits + 2 ** place : bits, 0);
    return { kind: "setTicketIs", ticket: covered === 0 ? null : new Uint8Array([number]), covered };
  }
}

function lineOver(control: TicketControl, all: Wish[], unwanted = new Set<number>()) {
  const none: number[] = [];
  const chosen: number[] = [];
  const line = new TicketLine<Wish>({
    control,
    deviceId,
    choose(count) {
      const some = all.splice(0, count);
      chosen.push(some.length);
      return some;
    },
    isWanted: ({ number }) => !unwanted.has(number),
    onNone: ({ number }) => none.push(number),
  });
  return { line, none, chosen };
}

async function takeAll(line: TicketLine<Wish>): Promise<number[]> {
  const taken: number[] = [];
  while (await line.more()) {
    const { wish, set, place, content } = line.peek()!;
    assertEquals([set.contents[place], content], [wish.content, wish.content]);
    taken.push(wish.number);
    line.shift();
  }
  return taken;
}

const isThere = (number: number) => number % 3 !== 0;
const inOrder = (numbers: readonly number[]) => [...numbers].sort((a, b) => a - b);

Deno.test("a line hands on each content that the device has, in the set that its ticket is for, and asks about each once", async () => {
  const numbers = wishes(700).map(({ number }) => number);
  const control = new TicketControl();
  const { line, none } = lineOver(control, wishes(700));
  assertEquals(inOrder(await takeAll(line)), numbers.filter(isThere));
  assertEquals(inOrder(none), numbers.filter((number) => !isThere(number)));
  assertEquals(control.mostUnderWay, 12);
  assertEquals(control.asked.reduce((sum, one) => sum + one, 0), 700);
  assert(control.asked.length <= 700 / limits.setMax + 6, `${control.asked.length} questions`);
  await line.close();
});

Deno.test("a line asks for few tickets ahead of who takes them", async () => {
  const control = new TicketControl();
  const { line } = lineOver(control, wishes(1000));
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setTimeout(resolve, 1));
  const asked = control.asked.reduce((sum, one) => sum + one, 0);
  assert(asked < 600, `${asked} of 1,000`);
  assertEquals((await takeAll(line)).length, 667);
  await line.close();
});

Deno.test("what is not wanted any more is passed over", async () => {
  const { line } = lineOver(new TicketControl(), wishes(20), new Set([1, 2, 4, 20]));
  assertEquals(
    inOrder(await takeAll(line)),
    wishes(20).map(({ number }) => number)
      .filter((number) => isThere(number) && ![1, 2, 4, 20].includes(number)),
  );
  await line.close();
});

Deno.test("a coordinator that gives no more tickets ends the line, after what is here already", async () => {
  const control = new TicketControl();
  control.failsAfter = 3;
  const { line } = lineOver(control, wishes(100));
  const taken: number[] = [];
  await assertRejects(async () => {
    while (await line.more()) {
      taken.push(line.peek()!.wish.number);
      line.shift();
    }
  }, NetworkError);
  assert(taken.length > 0);
  await line.close();
});

Deno.test("a line that is closed asks for nothing more, and has no question under way", async () => {
  const control = new TicketControl();
  const { line, chosen } = lineOver(control, wishes(1000));
  await line.close();
  const { length } = control.asked;
  line.peek();
  await new Promise((resolve) => setTimeout(resolve, 1));
  assertEquals([control.asked.length, chosen.length > 0], [length, true]);
});
