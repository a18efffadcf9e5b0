import { assertEquals, assertRejects } from "@std/assert";
import { NetworkError, RemoteError, ShoalError } from "../../lib/core/errors.ts";
import { deviceIdFrom } from "../../lib/core/ids.ts";
import { kib, limits } from "../../lib/core/limits.ts";
import type { ByteStream } from "../../lib/core/transport.ts";
import { type Listener, UploadServer } from "../../lib/transfer/upload_server.ts";
import type { UploadDeps } from "../../lib/transfer/upload.ts";
import { settle } from "./fake_timers.ts";
import { makePipe } from "./pipe.ts";
import {
  accountKey,
  identityOf,
  makeDeps,
  makeFile,
  makeTicket,
  MemoryLibrary,
  nowMs,
  otherKey,
  startDownload,
} from "./world.ts";

const file = makeFile(3 * 256 * kib);
const otherFile = makeFile(5, 2);

/** Connections that the test makes. */
class FakeListener implements Listener {
  readonly #waiting: ((stream: ByteStream | undefined) => void)[] = [];
  readonly #streams: (ByteStream | undefined)[] = [];

  /** Dials from an address; answers the dialling end. */
  dial(ip = "192.0.2.1"): ByteStream {
    const [near, far] = makePipe({ capacityBytes: 4096 });
    this.#give({ ...near, remote: { ip, port: 4000 } });
    return far;
  }

  accept(): Promise<ByteStream | undefined> {
    if (this.#streams.length > 0) return Promise.resolve(this.#streams.shift());
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  close(): void {
    this.#give(undefined);
  }

  #give(stream: ByteStream | undefined): void {
    const resolve = this.#waiting.shift();
    if (resolve === undefined) this.#streams.push(stream);
    else resolve(stream);
  }
}

function start(changes: Partial<UploadDeps> = {}) {
  const listener = new FakeListener();
  const deps = makeDeps(new MemoryLibrary(file, otherFile), changes);
  const reasons: unknown[] = [];
  const server = new UploadServer({ ...deps, listener, onEnd: (reason) => void reasons.push(reason) });
  return { listener, deps, server, reasons };
}

/** Whether the other side greets, or closes at once. */
async function isGreeted(stream: ByteStream): Promise<boolean> {
  return await stream.read(new Uint8Array(100)) !== null;
}

Deno.test("UploadServer serves several at once and shows them", async () => {
  const { listener, server, reasons } = start();
  const downloads = [startDownload(listener.dial(), file.content), startDownload(listener.dial(), otherFile.content)];
  await Promise.all(downloads.map(({ done }) => done));
  assertEquals(downloads.map((one) => one.sink().bytes), [file.bytes, otherFile.bytes]);
  await settle();
  assertEquals(server.uploads, []);
  assertEquals(reasons, [undefined, undefined]);
  await server.close();
});

Deno.test("UploadServer closes strangers above an eighth of its places of one address, and lets others in", async () => {
  const { listener, server } = start();
  const dials = [];
  for (let i = 0; i < limits.strangersPerAddressMax; i++) dials.push(listener.dial());
  for (const dial of dials) assertEquals(await isGreeted(dial), true);
  assertEquals(await isGreeted(listener.dial()), false);
  assertEquals(await isGreeted(listener.dial("192.0.2.2")), true);
  dials[0]!.close();
  await settle();
  assertEquals(await isGreeted(listener.dial()), true, "a place was given back");
  await server.close();
});

Deno.test("UploadServer counts a /64 as one address", async () => {
  const { listener, server } = start();
  const ips = ["2001:db8::1", "2001:db8:0:0:1::2", "2001:db8:0:0:ffff:1:2:3", "2001:db8::ffff:1:2:3"];
  for (let i = 0; i < limits.strangersPerAddressMax; i++) {
    assertEquals(await isGreeted(listener.dial(ips[i % ips.length]!)), true);
  }
  assertEquals(await isGreeted(listener.dial("2001:db8::9")), false);
  assertEquals(await isGreeted(listener.dial("2001:db8:0:1::1")), true);
  await server.close();
});

Deno.test("UploadServer bounds strangers in all, and forgets them after their time", async () => {
  const { listener, server, deps } = start();
  for (let i = 0; i < limits.strangersMax; i++) assertEquals(await isGreeted(listener.dial(`198.51.100.${i}`)), true);
  assertEquals(await isGreeted(listener.dial("203.0.113.1")), false);
  await deps.timers.advance(limits.transferHelloMs);
  assertEquals(await isGreeted(listener.dial("203.0.113.1")), true);
  await server.close();
});

Deno.test("whoever has proven itself is no stranger any more", async () => {
  const { listener, server } = start();
  const downloads = [];
  for (let i = 0; i < limits.strangersPerAddressMax + 4; i++) {
    const stop = new AbortController();
    const begun = Promise.withResolvers<void>();
    const never = new Promise<never>((_, reject) =>
      stop.signal.addEventListener("abort", () => reject(new NetworkError("stopped")))
    );
    const { done } = startDownload(listener.dial(), file.content, {
      begin: () => {
        begun.resolve();
        return never;
      },
    });
    await begun.promise;
    downloads.push({ stop, done });
  }
  assertEquals(server.uploads.length, downloads.length);
  for (const { stop, done } of downloads) {
    stop.abort();
    await assertRejects(() => done);
  }
  await server.close();
});

Deno.test("one account has a quarter of the uploads at the most, and is told that the holder is busy", async () => {
  const { listener, server, deps } = start();
  const hold = () => new Promise<never>(() => {});
  for (let i = 0; i < limits.uploadsPerAccountMax; i++) {
    startDownload(listener.dial(`198.51.100.${i}`), file.content, { begin: hold }).done.catch(() => {
      // It is cut in the end.
    });
    while (server.uploads.length <= i) await settle();
  }
  const over = startDownload(listener.dial(), file.content);
  const error = await assertRejects(() => over.done, RemoteError, "too many uploads to this account");
  assertEquals(error.code, "busy");
  const other = makeTicket(file.content, { account: "cleo", deviceId: deviceIdFrom(otherKey.publicKey) });
  const identity = identityOf(otherKey, accountKey, "cleo");
  const { done } = startDownload(listener.dial(), file.content, { identity, ticket: other });
  while (server.uploads.length <= limits.uploadsPerAccountMax) await settle();
  await deps.timers.advance(limits.uploadRestMs + limits.queuedEveryMs);
  await done;
  await server.close();
});

Deno.test("revoke() ends uploads of a content and to a device, at once, and no others", async () => {
  const { listener, server } = start();
  const other = { identity: identityOf(otherKey, accountKey) };
  const otherId = deviceIdFrom(otherKey.publicKey);
  const hold = () => new Promise<never>(() => {});
  const downloads = [
    startDownload(listener.dial(), file.content, { begin: hold }),
    startDownload(listener.dial(), otherFile.content, { begin: hold }),
    startDownload(listener.dial(), otherFile.content, {
      ...other,
      ticket: makeTicket(otherFile.content, { deviceId: otherId }),
      begin: hold,
    }),
  ];
  while (server.uploads.length < downloads.length) await settle();
  server.revoke({ contents: [{ id: file.content.id, bytes: 1 }], devices: [] });
  await settle();
  assertEquals(server.uploads.length, 3, "the same root with another size is another content");
  server.revoke({ contents: [file.content], devices: [] });
  await settle();
  assertEquals(server.uploads.map(({ content }) => content), [otherFile.content, otherFile.content]);
  server.revoke({ contents: [], devices: [otherId] });
  await settle();
  assertEquals(server.uploads.map(({ deviceId }) => deviceId === otherId), [false]);
  await server.close();
});

Deno.test("a ticket from before its device was revoked opens nothing, one from after does", async () => {
  let timeMs = nowMs;
  const { listener, server } = start({ coordinatorNowMs: () => timeMs });
  const ticketAt = (atMs: number) => makeTicket(file.content, { expiresAtMs: atMs + limits.ticketMs });
  const old = ticketAt(timeMs);
  timeMs += 1000;
  const upload = startDownload(listener.dial(), file.content, {
    ticket: old,
    begin: () => new Promise<never>(() => {}),
  });
  while (server.uploads.length < 1) await settle();
  server.revoke({ contents: [], devices: [server.uploads[0]!.deviceId] });
  await assertRejects(() => startDownload(listener.dial(), file.content, { ticket: old }).done, ShoalError, "revoked");
  timeMs += 1;
  await startDownload(listener.dial(), file.content, { ticket: ticketAt(timeMs) }).done;
  void upload;
  await server.close();
});

Deno.test("close() ends running uploads and strangers, and settles", async () => {
  const { listener, server, reasons } = start();
  const stranger = listener.dial();
  assertEquals(await isGreeted(stranger), true);
  startDownload(listener.dial(), file.content, { begin: () => new Promise<never>(() => {}) });
  while (server.uploads.length < 1) await settle();
  await server.close();
  assertEquals(reasons.map((reason) => (reason as ShoalError).code), ["interrupted", "interrupted"]);
  assertEquals(await stranger.read(new Uint8Array(1)), null);
});

Deno.test("a mistake of ours that one connection meets ends no other", async () => {
  let isBroken = true;
  const library = new MemoryLibrary(file);
  const { listener, server, reasons } = start({
    openContent(content) {
      if (isBroken) throw new TypeError("a mistake");
      return library.open(content);
    },
  });
  await assertRejects(() => startDownload(listener.dial(), file.content).done, NetworkError);
  isBroken = false;
  await startDownload(listener.dial(), file.content).done;
  await settle();
  assertEquals([reasons[0] instanceof TypeError, reasons[1]], [true, undefined] as never);
  await server.close();
});
