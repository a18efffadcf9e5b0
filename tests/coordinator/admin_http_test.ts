/** The admin address over real sockets on loopback. */

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { type AdminHttp, type AdminPages, serveAdminHttp } from "../../lib/coordinator/admin_http.ts";
import { AdminToken } from "../../lib/coordinator/admin_token.ts";
import { NetworkError } from "../../lib/core/errors.ts";
import { temporaryFolder } from "./temporary_folder.ts";

const token = "a token of twenty".replaceAll(" ", "-");

/** A server whose readiness and metrics the test sets. */
async function setUp(changes: Partial<AdminPages> = {}) {
  const folder = temporaryFolder();
  const path = `${folder.path}/token`;
  Deno.writeTextFileSync(path, `${token}\n`, { mode: 0o600 });
  const state = { whyNotReady: undefined as string | undefined, faults: [] as unknown[] };
  const pages: AdminPages = {
    token: AdminToken.open({ named: path, own: path, random: (size) => new Uint8Array(size) }),
    names: ["shoal.example"],
    whyNotReady: () => Promise.resolve(state.whyNotReady),
    metrics: () => Promise.resolve({ type: "text/plain; version=0.0.4", text: "shoal_up 1\n" }),
    ...changes,
  };
  const http = await serveAdminHttp({ ip: "127.0.0.1", port: 0 }, pages, (error) => state.faults.push(error));
  return {
    http,
    state,
    async [Symbol.asyncDispose]() {
      await http[Symbol.asyncDispose]();
      folder[Symbol.dispose]();
    },
  };
}

/** Sends what it is told, and reads until the server ends the connection. */
async function talk({ local }: AdminHttp, text: string): Promise<string> {
  using connection = await Deno.connect({ hostname: local.ip, port: local.port });
  await connection.write(new TextEncoder().encode(text)).catch(() => {});
  return await new Response(readAll(connection)).text();
}

function readAll(connection: Deno.Conn): ReadableStream<Uint8Array> {
  return new ReadableStream({
    async pull(controller) {
      const buffer = new Uint8Array(16_384);
      const count = await connection.read(buffer).catch(() => null);
      if (count === null) controller.close();
      else controller.enqueue(buffer.subarray(0, count));
    },
  });
}

function ask(http: AdminHttp, line: string, ...headers: readonly string[]): Promise<string> {
  const host = headers.some((one) => one.startsWith("Host:")) ? [] : ["Host: 127.0.0.1"];
  return talk(http, `${[`${line} HTTP/1.1`, ...host, ...headers].join("\r\n")}\r\n\r\n`);
}

const statusOf = (answer: string) => Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1]);
const bodyOf = (answer: string) => answer.split("\r\n\r\n")[1];

Deno.test("health needs no token, and readiness says why not", async () => {
  await using server = await setUp();
  const health = await ask(server.http, "GET /healthz");
  assertEquals([statusOf(health), bodyOf(health)], [200, "alive\n"]);
  assertEquals(bodyOf(await ask(server.http, "GET /readyz")), "ready\n");
  server.state.whyNotReady = "draining";
  const ready = await ask(server.http, "GET /readyz?verbose");
  assertEquals([statusOf(ready), bodyOf(ready)], [503, "draining\n"]);
  assertEquals(statusOf(await ask(server.http, "GET /healthz")), 200, "it is alive all the same");
});

Deno.test("metrics need the token, whole and alone", async () => {
  await using server = await setUp();
  const told = await ask(server.http, "GET /metrics", `Authorization: Bearer ${token}`);
  assertEquals([statusOf(told), bodyOf(told)], [200, "shoal_up 1\n"]);
  assertStringIncludes(told.toLowerCase(), "content-type: text/plain; version=0.0.4");
  const wrong = ["", `Basic ${token}`, token, "Bearer", `Bearer ${token}x`, `Bearer ${token.slice(1)}`, "Bearer x"];
  for (const value of wrong) {
    const refused = await ask(server.http, "GET /metrics", `Authorization: ${value}`);
    assertEquals(statusOf(refused), 401, value);
    assertStringIncludes(refused.toLowerCase(), "www-authenticate: bearer");
    assert(!refused.includes("shoal_up"));
  }
  assertEquals(statusOf(await ask(server.http, `GET /metrics?token=${token}`)), 401);
});

Deno.test("everything else is not there, and nothing can be done but reading", async () => {
  await using server = await setUp();
  for (const path of ["/", "/metrics/", "/healthz/x", "//healthz", "/../healthz", "/etc/passwd", "*"]) {
    assertEquals(statusOf(await ask(server.http, `GET ${path}`)), 404, path);
  }
  for (const method of ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"]) {
    const refused = await ask(server.http, `${method} /healthz`, "Content-Length: 0");
    assertEquals(statusOf(refused), 405, method);
    assertStringIncludes(refused, "GET, HEAD");
  }
  const head = await ask(server.http, "HEAD /healthz");
  assertEquals([statusOf(head), bodyOf(head)], [200, ""]);
});

Deno.test("a page that a foreign name leads here gets nothing: the Host has to be an address or a name of ours", async () => {
  await using server = await setUp();
  const hosts = ["127.0.0.1:9464", "[::1]:9464", "localhost", "10.0.0.5", "SHOAL.example:9464"];
  for (const host of hosts) assertEquals(statusOf(await ask(server.http, "GET /healthz", `Host: ${host}`)), 200, host);
  for (
    const host of ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:9464", "x y", ":80", "[evil]"]
  ) {
    const refused = await ask(server.http, "GET /metrics", `Host: ${host}`, `Authorization: Bearer ${token}`);
    assertEquals(statusOf(refused), 421, host);
  }
  assertEquals(statusOf(await talk(server.http, "GET /healthz HTTP/1.0\r\n\r\n")), 421, "none at all");
});

Deno.test("a header that is too large, and what is no HTTP, end the connection; others are answered on", async () => {
  await using server = await setUp();
  for (
    const junk of [
      `GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ${"x".repeat(10_000)}\r\n\r\n`,
      "\x16\x03\x01\0\0\r\n\r\n",
    ]
  ) {
    assertEquals(statusOf(await talk(server.http, junk)) === 200, false);
  }
  assertEquals(statusOf(await ask(server.http, "GET /healthz")), 200);
});

Deno.test("who connects and says nothing holds nothing up, and there are no more connections than the bound", async () => {
  await using server = await setUp();
  const { local } = server.http;
  const idle: Deno.Conn[] = [];
  for (let i = 0; i < 32; i++) idle.push(await Deno.connect({ hostname: local.ip, port: local.port }));
  for (const one of idle) await one.write(new TextEncoder().encode("GET /metrics HTTP/1.1\r\nHost: "));
  assertEquals(statusOf(await ask(server.http, "GET /healthz")), 200);
  for (let i = idle.length; i < 64; i++) idle.push(await Deno.connect({ hostname: local.ip, port: local.port }));
  // Its place is beyond the bound: it is closed without an answer.
  assertEquals(await ask(server.http, "GET /healthz"), "");
  for (const one of idle.splice(0)) one.close();
});

Deno.test("a mistake behind a page is an answer and a line in the log, without its words", async () => {
  await using server = await setUp({ metrics: () => Promise.reject(new TypeError("inner words")) });
  const answer = await ask(server.http, "GET /metrics", `Authorization: Bearer ${token}`);
  assertEquals([statusOf(answer), answer.includes("inner words"), server.state.faults.length], [500, false, 1]);
});

Deno.test("serveAdminHttp() says that a port is taken", async () => {
  await using server = await setUp();
  await assertRejects(
    () => serveAdminHttp(server.http.local, {} as AdminPages, () => {}),
    NetworkError,
    "the port is taken",
  );
});
