/**
 * admin_http: the address at which machines ask how a coordinator is: /healthz, /readyz, /metrics. Laws: 1) it changes nothing: GET and
 * HEAD alone, no body is read;  2) metrics need the token, health tells a word;  3) a page of somebody else's that made a browser ask here
 * is refused by its Host;  4) everything that a client can take is bounded: connections, the size and the time of its request, the time it
 * reads the answer in. Node's server, since Deno.serve has none of these bounds (docs/adr/0022).  Spec: docs/operations.md.  (I/O: sockets)
 */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { isIP } from "node:net";
import type { AddressInfo } from "node:net";
import { NetworkError } from "../core/errors.ts";
import { type Endpoint, formatEndpoint } from "../core/transport.ts";
import type { AdminToken } from "./admin_token.ts";

const connectionsMax = 64;
const headerBytesMax = 8 * 1024;
/** How long a request may take to come, and its answer to be taken, in milliseconds; how often that is looked at. */
const requestMs = 5_000;
const answerMs = 10_000;
const lookEveryMs = 1_000;

/** What the server tells; all of it may change while it runs. */
export interface AdminPages {
  readonly token: AdminToken;
  /** Names by which it may be asked, beside IP addresses and localhost. */
  readonly names: readonly string[];
  /** Why it should get no new peers; undefined if it should. Never rejects. */
  whyNotReady(): Promise<string | undefined>;
  /** The metrics as Prometheus reads them. */
  metrics(): Promise<{ readonly type: string; readonly text: string }>;
}

/** A server that answers. */
export interface AdminHttp extends AsyncDisposable {
  readonly local: Endpoint;
}

interface Answer {
  readonly status: number;
  readonly text: string;
  readonly type?: string;
  readonly header?: readonly [name: string, value: string];
}

/**
 * Serves the pages until it is disposed.
 * @throws {NetworkError} If the address is not this machine's or the port is taken.
 */
export async function serveAdminHttp(
  listen: Endpoint,
  pages: AdminPages,
  onFault: (error: unknown) => void,
): Promise<AdminHttp> {
  const options = {
    maxHeaderSize: headerBytesMax,
    headersTimeout: requestMs,
    requestTimeout: requestMs,
    connectionsCheckingInterval: lookEveryMs,
  };
  const server = createServer(options, (request, response) => {
    answer(request, pages).catch((error: unknown): Answer => {
      onFault(error);
      return { status: 500, text: "the coordinator could not tell" };
    }).then((told) => send(response, told));
  });
  server.maxConnections = connectionsMax;
  server.setTimeout(answerMs, (socket) => socket.destroy());
  server.on("clientError", (_error, socket) => socket.destroy());
  await listening(server, listen);
  const { address, port } = server.address() as AddressInfo;
  return {
    local: { ip: address, port },
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

function listening(server: Server, { ip, port }: Endpoint): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (cause: NodeJS.ErrnoException) => {
      const why = cause.code === "EADDRINUSE" ? "the port is taken" : cause.message;
      reject(new NetworkError(`Cannot listen on HTTP ${formatEndpoint({ ip, port })}: ${why}`, { cause }));
    });
    server.listen(port, ip, () => resolve());
  });
}

async function answer({ method, url, headers }: IncomingMessage, pages: AdminPages): Promise<Answer> {
  if (!isOurs(headers.host, pages.names)) return { status: 421, text: "this is not the host that was asked for" };
  const path = url!.replace(/\?.*$/s, "");
  const page = path === "/healthz" || path === "/readyz" || path === "/metrics" ? path : undefined;
  if (page === undefined) return { status: 404, text: "there is nothing here" };
  if (method !== "GET" && method !== "HEAD") {
    return { status: 405, text: "this can only be read", header: ["allow", "GET, HEAD"] };
  }
  switch (page) {
    case "/healthz":
      return { status: 200, text: "alive" };
    case "/readyz": {
      const why = await pages.whyNotReady();
      return why === undefined ? { status: 200, text: "ready" } : { status: 503, text: why };
    }
    case "/metrics":
      if (!pages.token.isShownBy(headers.authorization)) {
        return { status: 401, text: "the token is missing or wrong", header: ["www-authenticate", "Bearer"] };
      }
      return { status: 200, ...await pages.metrics() };
  }
}

/** Tells whether a Host header names this server: an address, which no page of somebody else's has as its own, or a name of ours. */
function isOurs(host: string | undefined, names: readonly string[]): boolean {
  const found = /^(?:\[([^\]]*)\]|([^:]*))(?::\d+)?$/.exec(host ?? "");
  const bare = found?.[1] ?? found?.[2];
  if (bare === undefined) return false;
  return isIP(bare) !== 0 || bare.toLowerCase() === "localhost" || names.includes(bare.toLowerCase());
}

function send(response: ServerResponse, { status, text, type = "text/plain; charset=utf-8", header }: Answer): void {
  const bytes = new TextEncoder().encode(text.endsWith("\n") ? text : `${text}\n`);
  response.writeHead(status, {
    "content-type": type,
    "content-length": bytes.length,
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    // One request a connection: nobody waits behind somebody else's.
    "connection": "close",
    ...(header === undefined ? {} : { [header[0]]: header[1] }),
  });
  response.end(bytes);
}
