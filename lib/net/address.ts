/** address: how the platform's addresses and errors read everywhere else.  (pure) */

import type { Endpoint } from "../core/transport.ts";

/** Turns a platform address into an endpoint; IPv4 mapped into IPv6 (RFC 4291 §2.5.5.2) becomes IPv4. */
export function addressOf(address: Deno.NetAddr): Endpoint {
  const mapped = /^::ffff:(\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3})$/i.exec(address.hostname);
  return { ip: mapped?.[1] ?? address.hostname, port: address.port };
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
