/**
 * health: asks a coordinator that runs whether it serves: by its local socket, as an operator, and by UDP, as a peer. Laws: 1) healthy
 * is what answered both ways;  2) an answer repeats what was asked: a status is its own connection's, a COOKIE has our nonce;
 * 3) every wait has an end, so that a coordinator that hangs is told from one that is slow.  Spec: PROTOCOL.md "Login".  (I/O)
 */

import { bytesEqual } from "../core/bytes.ts";
import { TimeoutError } from "../core/errors.ts";
import { limits } from "../core/limits.ts";
import { type Endpoint, formatEndpoint } from "../core/transport.ts";
import { listenUdp } from "../net/udp.ts";
import type { Random } from "../session/random.ts";
import { decodeEnvelope, encodeHello, envelopeSizes } from "../wire/envelope.ts";
import { openRunningAdmin } from "./admin.ts";
import { dataPaths } from "./data_folder.ts";
import type { CommandLine } from "./user_command.ts";

/** How long each of the two answers is waited for, in milliseconds. */
const answerMs = 3_000;

export interface HealthOptions {
  readonly random: Random;
  /** How long each of the two answers is waited for, in milliseconds. */
  readonly waitMs?: number;
}

/**
 * Asks the coordinator of a data folder both ways.
 * @throws {NetworkError} If none runs.
 * @throws {TimeoutError} If one of the two does not answer; the message says which.
 */
export async function runHealthCommand(
  dataFolder: string,
  { random, waitMs = answerMs }: HealthOptions,
): Promise<readonly CommandLine[]> {
  const { address, port } = await askBySocket(dataFolder, waitMs);
  await askByUdp({ ip: reachable(address), port }, random, waitMs);
  return [{ type: "healthy", address, port }];
}

/** Asks for the status, which needs the store as well. */
async function askBySocket(dataFolder: string, waitMs: number) {
  await using admin = await openRunningAdmin(dataPaths(dataFolder));
  let timer: ReturnType<typeof setTimeout> | undefined;
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(noAnswer(`the coordinator of ${dataFolder}`, waitMs, 1)), waitMs);
  });
  try {
    return await Promise.race([admin.ask({ kind: "status" }), deadline]);
  } finally {
    clearTimeout(timer);
  }
}

/** Says HELLO, which costs the coordinator no state, until a COOKIE comes. */
async function askByUdp(to: Endpoint, random: Random, waitMs: number): Promise<void> {
  const nonce = random(envelopeSizes.nonce);
  // The address is this machine's own, whether it is loopback or not.
  const socket = listenUdp({ ip: to.ip, port: 0 });
  let sends = 0;
  const send = () => {
    sends++;
    void socket.send(encodeHello(nonce), to);
  };
  const repeating = setInterval(send, limits.retransmitFirstMs);
  const ending = setTimeout(() => socket.close(), waitMs);
  try {
    send();
    for (let got = await socket.receive(); got !== undefined; got = await socket.receive()) {
      const envelope = decodeEnvelope(got.bytes);
      if (envelope.ok && envelope.value.kind === "cookie" && bytesEqual(envelope.value.nonce, nonce)) return;
    }
  } finally {
    clearInterval(repeating);
    clearTimeout(ending);
    socket.close();
  }
  throw noAnswer(`the coordinator at UDP ${formatEndpoint(to)}`, waitMs, sends);
}

/** Where this machine reaches what listens at an address: a wildcard one is asked at loopback. */
function reachable(ip: string): string {
  return ip === "0.0.0.0" ? "127.0.0.1" : ip === "::" ? "::1" : ip;
}

function noAnswer(who: string, afterMs: number, attempts: number): TimeoutError {
  return new TimeoutError(`Cannot ask ${who}: no answer within ${afterMs / 1000} s`, afterMs, attempts, {
    hint: "It hangs or is overloaded: look at its log, and start it again if that lasts",
  });
}
