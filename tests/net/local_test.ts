import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { NetworkError } from "../../lib/core/errors.ts";
import { connectLocal, listenLocal } from "../../lib/net/local.ts";

function socketPath(): { readonly path: string } & Disposable {
  const folder = Deno.makeTempDirSync();
  return { path: `${folder}/socket`, [Symbol.dispose]: () => Deno.removeSync(folder, { recursive: true }) };
}

Deno.test("a local connection carries lines both ways, of any text, and ends", async () => {
  using place = socketPath();
  const listener = listenLocal(place.path);
  assertEquals(Deno.statSync(place.path).mode! & 0o777, 0o600);
  const connection = await connectLocal(place.path);
  const served = (await listener.accept())!;
  const lines = ["", "{}", "Grüße, 世界", "x".repeat(300_000)];
  await Promise.all([
    (async () => {
      for (const line of lines) assertEquals(await served.readLine(), line);
      await served.writeLine("done");
      served.close();
    })(),
    ...lines.map((line) => connection.writeLine(line)),
  ]);
  assertEquals(await connection.readLine(), "done");
  assertEquals(await connection.readLine(), undefined);
  connection.close();
  listener.close();
  assertEquals(await listener.accept(), undefined);
  assertThrows(() => Deno.statSync(place.path), Deno.errors.NotFound);
});

Deno.test("listenLocal() takes over the socket of a dead owner", async () => {
  using place = socketPath();
  // A socket file that nobody listens on is what SIGKILL leaves behind; any file at the path stands for it.
  Deno.writeTextFileSync(place.path, "");
  const listener = listenLocal(place.path);
  const connection = await connectLocal(place.path);
  (await listener.accept())!.close();
  assertEquals(await connection.readLine(), undefined);
  connection.close();
  listener.close();
});

Deno.test("a line that is too long ends the connection instead of filling memory", async () => {
  using place = socketPath();
  const listener = listenLocal(place.path);
  const raw = await Deno.connect({ transport: "unix", path: place.path });
  const served = (await listener.accept())!;
  const writing = (async () => {
    const junk = new Uint8Array(256 * 1024).fill(65);
    for (let i = 0; i < 64; i++) await raw.write(junk);
  })();
  assertEquals(await served.readLine(), undefined);
  await assertRejects(() => writing);
  raw.close();
  listener.close();
});

Deno.test("connectLocal() says that nobody owns the home", async () => {
  using place = socketPath();
  await assertRejects(() => connectLocal(place.path), NetworkError, "Cannot connect to");
});

Deno.test("writeLine() refuses a text that would be two lines", async () => {
  using place = socketPath();
  const listener = listenLocal(place.path);
  const connection = await connectLocal(place.path);
  assertThrows(() => void connection.writeLine("a\nb"), RangeError);
  connection.close();
  (await listener.accept())!.close();
  listener.close();
});
