import { assert, assertEquals, assertGreaterOrEqual, assertLessOrEqual } from "@std/assert";
import { limits } from "../../lib/core/limits.ts";
import { Requests } from "../../lib/session/requests.ts";
import { decodeMessage, type Message } from "../../lib/wire/message.ts";

const leave: Message = { kind: "leave" };

function random(byte = 0) {
  return (size: number) => new Uint8Array(size).fill(byte);
}

function transactionsOf(payloads: readonly Uint8Array[]): number[] {
  return payloads.map((payload) => {
    const decoded = decodeMessage(payload);
    assert(decoded.ok);
    return decoded.value.transaction;
  });
}

/** The times at which a request that nobody answers is sent, looking every millisecond that it wants to be looked at. */
function sendTimes(requests: Requests, untilMs: number): number[] {
  const times: number[] = [];
  for (let nowMs = 0; nowMs < untilMs; nowMs = Math.max(nowMs + 1, requests.wakeAtMs(true))) {
    if (requests.due(nowMs).length > 0) times.push(nowMs);
    if (requests.expire(nowMs).length > 0) break;
  }
  return times;
}

Deno.test("Requests sends at once, then again after 300 ms doubling up to 1 s, and gives up at the deadline", () => {
  const requests = new Requests(random(), 1);
  requests.add(9, leave, 0);
  assertEquals(requests.wakeAtMs(true), 0);
  assertEquals(sendTimes(requests, 60_000), [
    0,
    300,
    900,
    1_900,
    2_900,
    3_900,
    4_900,
    5_900,
    6_900,
    7_900,
    8_900,
    9_900,
  ]);
  assertEquals(requests.size, 0);
  assertEquals(requests.wakeAtMs(true), Infinity);
});

Deno.test("Requests tells who is given up and how often it was sent", () => {
  const requests = new Requests(random(), 1);
  requests.add(9, leave, 0, 1_000);
  requests.due(0);
  requests.due(300);
  assertEquals(requests.expire(999), []);
  assertEquals(requests.expire(1_000), [{ handle: 9, sends: 2 }]);
  requests.add(8, leave, 1_000, 50);
  assertEquals(requests.expire(1_050), [{ handle: 8, sends: 0 }], "never sent");
});

Deno.test("Requests adds up to a quarter of jitter, never less than the time-out", () => {
  for (const byte of [0, 100, 255]) {
    const [, second] = sendTimes(withOne(byte), 2_000);
    assertGreaterOrEqual(second!, 300);
    assertLessOrEqual(second!, 375);
  }
  function withOne(byte: number): Requests {
    const requests = new Requests(random(byte), 1);
    requests.add(1, leave, 0);
    return requests;
  }
});

Deno.test("Requests learns the round trip from requests sent once, and from those alone (Karn)", () => {
  const requests = new Requests(random(), 1);
  requests.add(1, leave, 0);
  requests.due(0);
  requests.due(300);
  assertEquals(requests.settle(1, 310)?.handle, 1);
  assertEquals(requests.roundTripMs, 0, "ambiguous: it was sent twice");
  requests.add(2, leave, 1_000);
  requests.due(1_000);
  requests.settle(2, 1_040);
  assertEquals(requests.roundTripMs, 40);
  // RFC 6298: the next time-out is 40 + 4 × 20.
  requests.add(3, leave, 2_000);
  requests.due(2_000);
  assertEquals(requests.due(2_119), []);
  assertEquals(requests.due(2_120).length, 1);
});

Deno.test("Requests never repeats sooner than ten milliseconds, however fast the answers come", () => {
  const requests = new Requests(random(), 1);
  for (let i = 1; i <= 50; i++) {
    requests.add(i, leave, i);
    requests.due(i);
    requests.settle(i, i);
  }
  requests.add(99, leave, 1_000);
  requests.due(1_000);
  assertEquals(requests.due(1_000 + limits.retransmitMinMs - 1), []);
});

Deno.test("Requests keeps a request's transaction and payload however often it is sent", () => {
  const requests = new Requests(random(), 4);
  requests.add(1, leave, 0);
  const [first] = requests.due(0);
  const [again] = requests.due(300);
  assertEquals(again, first);
  assertEquals(transactionsOf([first!]), [4]);
});

Deno.test("Requests has at most limits.requestsInFlightMax out, the others follow in order", () => {
  const requests = new Requests(random(), 1);
  const all = limits.requestsInFlightMax + 3;
  for (let handle = 1; handle <= all; handle++) requests.add(handle, leave, 0);
  const sent = transactionsOf(requests.due(0));
  assertEquals(sent, Array.from({ length: limits.requestsInFlightMax }, (_, i) => i + 1));
  assertEquals(requests.size, all);
  assertEquals(requests.wakeAtMs(true) > 0, true, "nothing to send before an answer or a repeat");
  requests.settle(5, 1);
  assertEquals(transactionsOf(requests.due(1)), [limits.requestsInFlightMax + 1]);
});

Deno.test("Requests matches an answer once, and none that nobody asked for", () => {
  const requests = new Requests(random(), 1);
  requests.add(7, leave, 0);
  requests.due(0);
  assertEquals(requests.settle(2, 5), undefined);
  assertEquals(requests.settle(1, 5), { handle: 7, message: leave });
  assertEquals(requests.settle(1, 6), undefined);
});

Deno.test("Requests.restart() sends what was in flight again, first and in order, under the new session's numbers", () => {
  const requests = new Requests(random(), 1);
  for (let handle = 1; handle <= limits.requestsInFlightMax + 1; handle++) {
    requests.add(handle, { kind: "account", account: `a${handle}` }, 0);
  }
  requests.due(0);
  requests.settle(2, 10);
  requests.restart(50);
  const sent = requests.due(20);
  assertEquals(transactionsOf(sent)[0], 50);
  assertEquals(requests.settle(50, 30)?.handle, 1);
  assertEquals(requests.settle(51, 30)?.handle, 3);
  assertEquals(requests.settle(50 + limits.requestsInFlightMax - 1, 30)?.handle, limits.requestsInFlightMax + 1);
});

Deno.test("Requests.wakeAtMs() looks at deadlines alone while nothing can be sent", () => {
  const requests = new Requests(random(), 1);
  assertEquals(requests.wakeAtMs(true), Infinity);
  requests.add(1, leave, 0, 5_000);
  assertEquals(requests.wakeAtMs(false), 5_000);
  requests.due(0);
  assertEquals([requests.wakeAtMs(true), requests.wakeAtMs(false)], [300, 5_000]);
});

Deno.test("Requests.takeTransaction() shares the numbers of the requests", () => {
  const requests = new Requests(random(), 1);
  assertEquals(requests.takeTransaction(), 1);
  requests.add(1, leave, 0);
  assertEquals(transactionsOf(requests.due(0)), [2]);
  assertEquals(requests.takeTransaction(), 3);
});
