/** address: how the platform's addresses and errors read everywhere else.  (pure) */

import { type Endpoint, isLoopback } from "../core/transport.ts";

/** Turns a platform address into an endpoint; IPv4 mapped into IPv6 (RFC 4291 §2.5.5.2) becomes IPv4. */
export function addressOf(address: Deno.NetAddr): Endpoint {
  // Looked at for each datagram, and nearly all are of IPv4.
  const mapped = !address.hostname.startsWith("::")
    ? null
    : /^::ffff:(\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3})$/i.exec(address.hostname);
  return { ip: mapped?.[1] ?? address.hostname, port: address.port };
}

/** Tells whether an address is of the own network: loopback, private (RFC 1918, RFC 4193) or link-local (RFC 3927, RFC 4291 §2.5.6). */
export function isOwnNetwork(ip: string): boolean {
  if (isLoopback(ip)) return true;
  const [a, b] = ip.replace(/^::ffff:/i, "").split(".").map(Number);
  if (b === undefined) return /^(f[cd][0-9a-f]{2}|fe[89ab][0-9a-f]):/i.test(ip);
  return a === 10 || (a === 172 && b >= 16 && b <= 31) || (a === 192 && b === 168) || (a === 169 && b === 254);
}

/** Says in few words why the network failed, without the platform's error numbers. */
export function reasonOf(error: unknown): string {
  if (error instanceof Deno.errors.ConnectionRefused) return "the connection was refused";
  if (error instanceof Deno.errors.ConnectionReset || error instanceof Deno.errors.BrokenPipe) {
    return "the connection was reset";
  }
  if (error instanceof Deno.errors.UnexpectedEof) return "the connection was cut";
  if (error instanceof Deno.errors.AddrInUse) return "the port is taken";
  if (error instanceof Deno.errors.AddrNotAvailable) return "the address is not one of this machine";
  if (error instanceof Deno.errors.Interrupted || error instanceof Deno.errors.BadResource) return "it was closed here";
  const text = error instanceof Error ? error.message : String(error);
  return text.replace(/ \(os error \d+\).*$/s, "");
}
