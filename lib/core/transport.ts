/**
 * transport: the two shapes in which bytes come from outside. Everything above `net` is written against these, so the
 * same code runs over sockets, over a simulated network and over a pipe in memory.  (pure: interfaces alone)
 */

/** Where a datagram came from or goes to: a numeric IPv4 or IPv6 address, never a name, and a port 1–65535. */
export interface Endpoint {
  readonly ip: string;
  readonly port: number;
}

/** An unreliable, unordered way to send datagrams. */
export interface Datagrams {
  /** The real local address; the port is never 0. */
  readonly local: Endpoint;
  /**
   * Waits for the next datagram. The bytes are a view into the transport's one receive buffer, valid until the next call.
   * Returns undefined when the transport was closed; everyday errors (ICMP unreachable) are counted, not thrown.
   */
  receive(): Promise<{ readonly bytes: Uint8Array; readonly from: Endpoint } | undefined>;
  /** Sends one datagram, or drops it: a datagram that cannot be sent is lost like any other. The bytes may be reused after the promise settles. */
  send(bytes: Uint8Array, to: Endpoint): Promise<void>;
  close(): void;
}

/** A reliable, ordered stream of bytes both ways. One reader and one writer at a time. */
export interface ByteStream {
  /** Reads into `buffer`; returns the count (at least 1), or null at the end. @throws {NetworkError} If the stream broke. */
  read(buffer: Uint8Array): Promise<number | null>;
  /** Writes all of `bytes`. @throws {NetworkError} If the stream broke. */
  write(bytes: Uint8Array): Promise<void>;
  /** Ends both directions at once; pending reads and writes settle. Safe to call twice. */
  close(): void;
  /** The other side's address, for logs and rate limits; undefined where there is none (a pipe in memory). */
  readonly remote: Endpoint | undefined;
}

/** Formats an endpoint as people write it: `127.0.0.1:5000`, `[::1]:5000`. */
export function formatEndpoint(endpoint: Endpoint): string {
  return endpoint.ip.includes(":") ? `[${endpoint.ip}]:${endpoint.port}` : `${endpoint.ip}:${endpoint.port}`;
}

/** Reads what `formatEndpoint` wrote; undefined where it did not. */
export function parseEndpoint(text: string): Endpoint | undefined {
  const [, bracketed, bare, port] = /^(?:\[([0-9a-f:.%\w]+)\]|([0-9.]+)):(\d{1,5})$/i.exec(text) ?? [];
  const ip = bracketed ?? bare;
  return ip !== undefined && Number(port) >= 1 && Number(port) <= 65_535 ? { ip, port: Number(port) } : undefined;
}

/** Whether two endpoints are the same one. */
export function sameEndpoint(a: Endpoint, b: Endpoint): boolean {
  return a.port === b.port && a.ip === b.ip;
}

/** Tells whether an address is a loopback one (127.0.0.0/8, ::1, and 127/8 mapped into IPv6). */
export function isLoopback(ip: string): boolean {
  return ip === "::1" || /^(::ffff:)?127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/i.test(ip);
}
