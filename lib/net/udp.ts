/**
 * udp: one datagram socket as core's Datagrams. Laws: 1) one socket, one receive buffer of its own: what `receive` answers is
 * valid until the next call;  2) no everyday error ends it: a failed receive is counted, a failed send is a lost datagram;
 * 3) an IPv4 address that a dual-stack socket shows mapped into IPv6 is told as IPv4.  (I/O)
 */

import { NetworkError } from "../core/errors.ts";
import { limits } from "../core/limits.ts";
import { type Datagrams, type Endpoint, formatEndpoint } from "../core/transport.ts";
import { addressOf, reasonOf } from "./address.ts";

/**
 * The receive buffer. Longer datagrams are cut silently by the system, so it has room for more than any legal one: what fills it
 * past `limits.datagramBytesMax` is then seen to be too long.
 */
const receiveBytes = Math.max(2048, limits.datagramBytesMax * 2);

/** A UDP socket. */
export interface UdpSocket extends Datagrams {
  /** Receives that failed and datagrams that could not be sent since the start, for metrics. */
  readonly errorCount: number;
}

/**
 * Opens a UDP socket. `::` is dual-stack; port 0 picks a free one.
 * @throws {NetworkError} If the address is not this machine's or the port is taken.
 */
export function listenUdp({ ip, port }: Endpoint): UdpSocket {
  let socket: Deno.DatagramConn;
  try {
    socket = Deno.listenDatagram({ transport: "udp", hostname: ip, port });
  } catch (error) {
    throw new NetworkError(`Cannot listen on UDP ${formatEndpoint({ ip, port })}: ${reasonOf(error)}`, {
      cause: error,
    });
  }
  const local = addressOf(socket.addr as Deno.NetAddr);
  const buffer = new Uint8Array(receiveBytes);
  let closed = false;
  let errorCount = 0;

  return {
    local,
    get errorCount() {
      return errorCount;
    },
    async receive() {
      while (!closed) {
        try {
          const [bytes, from] = await socket.receive(buffer);
          return { bytes, from: addressOf(from as Deno.NetAddr) };
        } catch (error) {
          if (closed || error instanceof Deno.errors.BadResource) break;
          errorCount++;
        }
      }
      return undefined;
    },
    async send(bytes, to) {
      try {
        await socket.send(bytes, { transport: "udp", hostname: to.ip, port: to.port });
      } catch {
        // No route, a full send buffer, or closed meanwhile: lost like any other datagram.
        errorCount++;
      }
    },
    close() {
      if (closed) return;
      closed = true;
      socket.close();
    },
  };
}
