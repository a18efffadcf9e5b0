import { assert, assertEquals, assertThrows } from "@std/assert";
import { NetworkError } from "../../lib/core/errors.ts";
import { listenUdp } from "../../lib/net/udp.ts";

Deno.test("listenUdp() carries datagrams both ways and tells real ports", async () => {
  const a = listenUdp({ ip: "127.0.0.1", port: 0 });
  const b = listenUdp({ ip: "127.0.0.1", port: 0 });
  assert(a.local.port > 0 && b.local.port > 0);
  await a.send(new Uint8Array([1, 2, 3]), b.local);
  const got = await b.receive();
  assertEquals(got?.from, a.local);
  assertEquals([...got!.bytes], [1, 2, 3]);
  await b.send(new Uint8Array([4]), got!.from);
  assertEquals([...(await a.receive())!.bytes], [4]);
  a.close();
  b.close();
});

Deno.test("listenUdp() on a dual-stack socket tells IPv4 addresses as IPv4", async () => {
  const dual = listenUdp({ ip: "::", port: 0 });
  const four = listenUdp({ ip: "127.0.0.1", port: 0 });
  await four.send(new Uint8Array([1]), { ip: "127.0.0.1", port: dual.local.port });
  const got = await dual.receive();
  assertEquals(got?.from, four.local);
  await dual.send(new Uint8Array([2]), got!.from);
  assertEquals((await four.receive())?.from, { ip: "127.0.0.1", port: dual.local.port });
  dual.close();
  four.close();
});

Deno.test("listenUdp() shows that a datagram was longer than any legal one", async () => {
  const a = listenUdp({ ip: "127.0.0.1", port: 0 });
  const b = listenUdp({ ip: "127.0.0.1", port: 0 });
  await a.send(new Uint8Array(9000), b.local);
  assert((await b.receive())!.bytes.length > 1200);
  a.close();
  b.close();
});

Deno.test("a datagram that cannot be sent is lost and counted, and the socket goes on", async () => {
  const a = listenUdp({ ip: "127.0.0.1", port: 0 });
  const b = listenUdp({ ip: "127.0.0.1", port: 0 });
  await a.send(new Uint8Array(70_000), b.local);
  assertEquals(a.errorCount, 1);
  await a.send(new Uint8Array([7]), b.local);
  assertEquals([...(await b.receive())!.bytes], [7]);
  a.close();
  b.close();
});

Deno.test("close() settles a pending receive() with undefined, and twice is once", async () => {
  const socket = listenUdp({ ip: "127.0.0.1", port: 0 });
  const pending = socket.receive();
  socket.close();
  socket.close();
  assertEquals(await pending, undefined);
  assertEquals(await socket.receive(), undefined);
  await socket.send(new Uint8Array([1]), { ip: "127.0.0.1", port: 9 });
});

Deno.test("listenUdp() says that a port is taken", () => {
  const socket = listenUdp({ ip: "127.0.0.1", port: 0 });
  assertThrows(() => listenUdp(socket.local), NetworkError, "the port is taken");
  socket.close();
});
