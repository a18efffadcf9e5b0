import { assertEquals, assertRejects } from "@std/assert";
import { NetworkError, ShoalError } from "../../lib/core/errors.ts";
import { limits } from "../../lib/core/limits.ts";
import type { ByteStream } from "../../lib/core/transport.ts";
import { Doors } from "../../lib/peer/doors.ts";
import { encodeFrame } from "../../lib/wire/frame.ts";

const challengeBytes = encodeFrame({ kind: "challenge", version: 1, nonce: new Uint8Array(32) }).length;
const placesMax = limits.dialsMax;

/** A holder that says what the test has it say. */
class FakeHolder {
  dialled = 0;
  isDown = false;
  readonly doors = new Doors(() => {
    this.dialled++;
    if (this.isDown) return Promise.reject(new NetworkError("refused"));
    const stream: ByteStream = {
      remote: undefined,
      read: (buffer) => Promise.resolve(buffer.length === 0 ? null : buffer.length),
      write: () => Promise.resolve(),
      close() {},
    };
    return Promise.resolve(stream);
  });

  dial(port = 4000, signal = new AbortController().signal): Promise<ByteStream> {
    const endpoint = { ip: "192.0.2.1", port };
    return this.doors.connect({ endpoint, certificate: new Uint8Array(1), timeoutMs: 1_000, signal });
  }
}

/** Lets everything that can happen now happen. */
async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}

Deno.test("connect() dials no more strangers at a holder than it takes, and the next when one has been met", async () => {
  const holder = new FakeHolder();
  const streams = await Promise.all(Array.from({ length: placesMax }, () => holder.dial()));
  const next = holder.dial();
  await settle();
  assertEquals(holder.dialled, placesMax);
  await streams[0]!.read(new Uint8Array(challengeBytes));
  await settle();
  assertEquals(holder.dialled, placesMax, "a challenge is for strangers too");
  await streams[0]!.read(new Uint8Array(1));
  await next;
  assertEquals(holder.dialled, placesMax + 1);
  // What is met already gives no second place back.
  streams[0]!.close();
  const another = holder.dial();
  await settle();
  assertEquals(holder.dialled, placesMax + 1);
  streams[1]!.close();
  await another;
});

Deno.test("connect() gives a place back at the end of the stream, at its closing and when the dial fails", async () => {
  const holder = new FakeHolder();
  holder.isDown = true;
  for (let i = 0; i < 2 * placesMax; i++) await assertRejects(() => holder.dial(), NetworkError);
  holder.isDown = false;
  for (let i = 0; i < 2 * placesMax; i++) (await holder.dial()).close();
  for (let i = 0; i < 2 * placesMax; i++) await (await holder.dial()).read(new Uint8Array(0));
  assertEquals(holder.dialled, 6 * placesMax);
});

Deno.test("connect() counts each holder apart", async () => {
  const holder = new FakeHolder();
  for (let port = 4000; port < 4000 + 2 * placesMax; port++) await holder.dial(port);
  assertEquals(holder.dialled, 2 * placesMax);
});

Deno.test("connect() ends waiting when its fetch is interrupted, and loses no place by it", async () => {
  const holder = new FakeHolder();
  const streams = await Promise.all(Array.from({ length: placesMax }, () => holder.dial()));
  const stop = new AbortController();
  const waiting = holder.dial(4000, stop.signal);
  await settle();
  stop.abort();
  assertEquals((await assertRejects(() => waiting, ShoalError)).code, "interrupted");
  // Interrupted before it came.
  assertEquals((await assertRejects(() => holder.dial(4000, stop.signal), ShoalError)).code, "interrupted");

  // Interrupted in the moment in which a place is handed over.
  const late = new AbortController();
  const handed = holder.dial(4000, late.signal);
  const behind = holder.dial();
  await settle();
  streams[0]!.close();
  late.abort();
  assertEquals((await assertRejects(() => handed, ShoalError)).code, "interrupted");
  await behind;
  assertEquals(holder.dialled, placesMax + 1);
});
