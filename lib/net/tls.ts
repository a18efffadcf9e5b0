/**
 * tls: TLS 1.3 over TCP as core's ByteStream. Laws: 1) who dials accepts one certificate, the one it was given, and no other:
 * neither another key under the same name nor a public authority's;  2) who listens proves its key and learns nothing of the other
 * side: tickets say who that is;  3) a connection that breaks in its handshake is dropped, the listener goes on;  4) platform errors
 * become NetworkError here, once.  (I/O)
 */

import { type ErrorCode, NetworkError, ShoalError, TimeoutError } from "../core/errors.ts";
import { type ByteStream, type Endpoint, formatEndpoint } from "../core/transport.ts";
import { addressOf, reasonOf } from "./address.ts";
import { type CertificateKey, certificateName, certificatePem, privateKeyPem } from "./certificate.ts";

/** A pause after an accept that failed (descriptors used up), so that the loop does not spin, in milliseconds. */
const acceptPauseMs = 50;

export interface TlsListener {
  /** The real local address; the port is never 0. */
  readonly local: Endpoint;
  /**
   * Waits for the next connection; undefined once closed. The handshake happens with the first read or write and has no deadline of
   * its own: whoever waits for the first message bounds both.
   */
  accept(): Promise<ByteStream | undefined>;
  close(): void;
}

/**
 * Listens for TLS connections; port 0 picks a free one.
 * @throws {NetworkError} If the address is not this machine's or the port is taken.
 */
export function listenTls(
  { ip, port, certificate, key }: Endpoint & {
    /** DER. */
    readonly certificate: Uint8Array;
    readonly key: CertificateKey;
  },
): TlsListener {
  let listener: Deno.TlsListener;
  try {
    const identity = { cert: certificatePem(certificate), key: privateKeyPem(key) };
    listener = Deno.listenTls({ hostname: ip, port, ...identity });
  } catch (error) {
    throw new NetworkError(`Cannot listen on TCP ${formatEndpoint({ ip, port })}: ${reasonOf(error)}`, {
      cause: error,
    });
  }
  let closed = false;
  return {
    local: addressOf(listener.addr as Deno.NetAddr),
    async accept() {
      while (!closed) {
        try {
          return streamOver(await listener.accept());
        } catch (error) {
          if (closed || error instanceof Deno.errors.BadResource) break;
          await new Promise((resolve) => setTimeout(resolve, acceptPauseMs));
        }
      }
      return undefined;
    },
    close() {
      if (closed) return;
      closed = true;
      listener.close();
    },
  };
}

/**
 * Lets the TLS library gather its randomness (25 ms, once a process) on another thread: the first handshake would hold this one for as
 * long. Making a key is what it takes; nobody gets it.
 */
export async function prepareTls(): Promise<void> {
  await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, false, ["sign"]);
}

/**
 * Connects to a holder and completes the handshake, accepting its certificate (DER) and no other.
 * @throws {TimeoutError} If both are not done after `timeoutMs`.
 * @throws {NetworkError} If the endpoint refuses, is unreachable, or shows another certificate (code `untrusted`).
 * @throws {ShoalError} `interrupted` if `signal` is aborted.
 */
export async function connectTls(
  { endpoint, certificate, timeoutMs, signal }: {
    readonly endpoint: Endpoint;
    readonly certificate: Uint8Array;
    readonly timeoutMs: number;
    readonly signal?: AbortSignal;
  },
): Promise<ByteStream> {
  const where = formatEndpoint(endpoint);
  const stop = new AbortController();
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    stop.abort();
  }, timeoutMs);
  const interrupt = () => stop.abort();
  signal?.addEventListener("abort", interrupt, { once: true });
  if (signal?.aborted) stop.abort();

  let connection: Deno.Conn | undefined;
  const cut = () => {
    if (connection !== undefined) closeQuietly(connection);
  };
  stop.signal.addEventListener("abort", cut, { once: true });
  try {
    stop.signal.throwIfAborted();
    const tcp = await Deno.connect({ hostname: endpoint.ip, port: endpoint.port, signal: stop.signal });
    connection = tcp;
    stop.signal.throwIfAborted();
    tcp.setNoDelay(true);
    const caCerts = [certificatePem(certificate)];
    const tls = await Deno.startTls(tcp, { hostname: certificateName, caCerts });
    connection = tls;
    stop.signal.throwIfAborted();
    await tls.handshake();
    stop.signal.throwIfAborted();
    return streamOver(tls);
  } catch (error) {
    cut();
    if (timedOut) {
      throw new TimeoutError(`Cannot connect to ${where}: no answer in ${timeoutMs} ms`, timeoutMs, 1, {
        cause: error,
      });
    }
    if (signal?.aborted) {
      throw new ShoalError("interrupted", `Cannot connect to ${where}: interrupted`, { cause: error });
    }
    throw new NetworkError(`Cannot connect to ${where}: ${connectReason(error)}`, {
      cause: error,
      code: connectCode(error),
    });
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", interrupt);
    stop.signal.removeEventListener("abort", cut);
  }
}

/** The TLS library tells a certificate that it does not accept by text alone. */
function isOtherCertificate(error: unknown): boolean {
  return error instanceof Deno.errors.InvalidData && /certificate/i.test(error.message);
}

function connectCode(error: unknown): ErrorCode {
  return isOtherCertificate(error) ? "untrusted" : "unreachable";
}

function connectReason(error: unknown): string {
  return isOtherCertificate(error) ? "another device answers there" : reasonOf(error);
}

function closeQuietly(connection: Deno.Conn): void {
  try {
    connection.close();
  } catch {
    // Already closed, by the other of two ways to end it.
  }
}

/** A connection as a ByteStream. */
function streamOver(connection: Deno.Conn<Deno.NetAddr>): ByteStream {
  const remote = addressOf(connection.remoteAddr);
  let closed = false;
  const broken = (verb: string, error: unknown) =>
    new NetworkError(`Cannot ${verb} ${formatEndpoint(remote)}: ${reasonOf(error)}`, { cause: error });
  return {
    remote,
    async read(buffer) {
      try {
        return await connection.read(buffer);
      } catch (error) {
        throw broken("read from", error);
      }
    },
    async write(bytes) {
      try {
        for (let sent = 0; sent < bytes.length;) {
          sent += await connection.write(sent === 0 ? bytes : bytes.subarray(sent));
        }
      } catch (error) {
        throw broken("write to", error);
      }
    },
    close() {
      if (closed) return;
      closed = true;
      closeQuietly(connection);
    },
  };
}
