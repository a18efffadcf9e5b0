import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { NetworkError, ShoalError, TimeoutError } from "../../lib/core/errors.ts";
import type { ByteStream } from "../../lib/core/transport.ts";
import { makeCertificate } from "../../lib/net/certificate.ts";
import { connectTls, listenTls } from "../../lib/net/tls.ts";
import { signingKeyFrom } from "../../lib/session/device_key.ts";

const key = signingKeyFrom(new Uint8Array(32).fill(1));
const certificate = await makeCertificate(key);
const otherKey = signingKeyFrom(new Uint8Array(32).fill(2));
const otherCertificate = await makeCertificate(otherKey);
const anywhere = { ip: "127.0.0.1", port: 0 };
const timeoutMs = 20_000;

async function readAll(stream: ByteStream): Promise<number> {
  const buffer = new Uint8Array(65_536);
  let total = 0;
  for (let count = await stream.read(buffer); count !== null; count = await stream.read(buffer)) total += count;
  return total;
}

Deno.test("connectTls() and listenTls() carry bytes both ways, and a close lets what was written arrive", async () => {
  const listener = listenTls({ ...anywhere, certificate, key });
  const accepting = listener.accept().then(async (stream) => {
    const hello = new Uint8Array(3);
    assertEquals(await stream!.read(hello), 3);
    assertEquals([...hello], [1, 2, 3]);
    await stream!.write(new Uint8Array(1_000_000));
    stream!.close();
    stream!.close();
    assertEquals(stream!.remote?.ip, "127.0.0.1");
  });
  const stream = await connectTls({ endpoint: listener.local, certificate, timeoutMs });
  assertEquals(stream.remote, listener.local);
  await stream.write(new Uint8Array([1, 2, 3]));
  assertEquals(await readAll(stream), 1_000_000);
  await accepting;
  stream.close();
  listener.close();
  assertEquals(await listener.accept(), undefined);
});

Deno.test("connectTls() refuses another key under the same name, and the listener goes on", async () => {
  const listener = listenTls({ ...anywhere, certificate: otherCertificate, key: otherKey });
  const served = (async () => {
    const first = await listener.accept();
    await assertRejects(() => first!.read(new Uint8Array(1)), NetworkError);
    first!.close();
    const second = await listener.accept();
    await second!.write(new Uint8Array([9]));
    second!.close();
  })();
  const error = await assertRejects(
    () => connectTls({ endpoint: listener.local, certificate, timeoutMs }),
    NetworkError,
    "another device answers there",
  );
  assertEquals(error.code, "untrusted");
  const stream = await connectTls({ endpoint: listener.local, certificate: otherCertificate, timeoutMs });
  assertEquals(await readAll(stream), 1);
  stream.close();
  await served;
  listener.close();
});

Deno.test("junk instead of a handshake ends that connection alone", async () => {
  const listener = listenTls({ ...anywhere, certificate, key });
  const served = (async () => {
    const junk = await listener.accept();
    await assertRejects(() => junk!.read(new Uint8Array(1)), NetworkError);
    junk!.close();
    const good = await listener.accept();
    await good!.write(new Uint8Array([9]));
    good!.close();
  })();
  const raw = await Deno.connect({ hostname: "127.0.0.1", port: listener.local.port });
  await raw.write(new TextEncoder().encode("GET / HTTP/1.1\r\n\r\n"));
  const stream = await connectTls({ endpoint: listener.local, certificate, timeoutMs });
  assertEquals(await readAll(stream), 1);
  await served;
  raw.close();
  stream.close();
  listener.close();
});

Deno.test("connectTls() gives up on a side that never answers the handshake", async () => {
  using silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const endpoint = { ip: "127.0.0.1", port: (silent.addr as Deno.NetAddr).port };
  const error = await assertRejects(() => connectTls({ endpoint, certificate, timeoutMs: 20 }), TimeoutError, "20 ms");
  assertEquals([error.afterMs, error.attempts, error.code], [20, 1, "timeout"]);
});

Deno.test("connectTls() stops at once when it is interrupted, before and during", async () => {
  using silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const endpoint = { ip: "127.0.0.1", port: (silent.addr as Deno.NetAddr).port };
  const stop = new AbortController();
  const connecting = connectTls({ endpoint, certificate, timeoutMs, signal: stop.signal });
  const met = await silent.accept();
  stop.abort();
  assertEquals((await assertRejects(() => connecting, ShoalError)).code, "interrupted");
  const late = connectTls({ endpoint, certificate, timeoutMs, signal: stop.signal });
  assertEquals((await assertRejects(() => late, ShoalError)).code, "interrupted");
  met.close();
});

Deno.test("connectTls() says that nobody listens there", async () => {
  const listener = listenTls({ ...anywhere, certificate, key });
  const endpoint = listener.local;
  listener.close();
  const error = await assertRejects(() => connectTls({ endpoint, certificate, timeoutMs }), NetworkError, "refused");
  assert(error.retryable);
});

Deno.test("closing a stream settles its pending read", async () => {
  const listener = listenTls({ ...anywhere, certificate, key });
  const accepting = listener.accept();
  const stream = await connectTls({ endpoint: listener.local, certificate, timeoutMs });
  const pending = stream.read(new Uint8Array(1));
  stream.close();
  await assertRejects(() => pending, NetworkError);
  (await accepting)!.close();
  listener.close();
});

Deno.test("listenTls() says that a port is taken", () => {
  const listener = listenTls({ ...anywhere, certificate, key });
  assertThrows(() => listenTls({ ...listener.local, certificate, key }), NetworkError, "the port is taken");
  listener.close();
});
