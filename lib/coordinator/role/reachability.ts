/**
 * reachability: whether a device's TCP port can be reached from outside, found by dialling it back. Laws: 1) only the proven address of
 * the session is dialled, at a port of limits.probePortMin or above, with the device's certificate to meet;  2) one dial at a
 * time and one each limits.probeEveryMs a session: nobody is made to knock at others' doors.
 * Spec: PROTOCOL.md "Reachability".  (pure)
 */

import { limits } from "../../core/limits.ts";
import type { Outbox } from "./outbox.ts";
import { sameEndpoint } from "./address.ts";
import type { Session } from "./session.ts";

export class Reachability {
  readonly #outbox: Outbox;

  constructor(outbox: Outbox) {
    this.#outbox = outbox;
  }

  /** Notes the port that a device tells; another one than before is unknown until it was dialled. */
  announce(session: Session, tcpPort: number, nowMs: number): void {
    if (tcpPort !== session.tcpPort) {
      session.tcpPort = tcpPort;
      session.reachable = "unknown";
    }
    this.check(session, nowMs);
  }

  /** Dials if that is due: where it is unknown, and again a while after it failed. */
  check(session: Session, nowMs: number): void {
    if (session.reachable === "yes" || session.tcpPort === 0 || session.probing !== undefined) return;
    if (session.tcpPort < limits.probePortMin) {
      session.reachable = "no";
      return;
    }
    const pauseMs = session.reachable === "no" ? limits.probeAgainMs : limits.probeEveryMs;
    if (nowMs < session.probedAtMs + pauseMs) return;
    const endpoint = { ip: session.endpoint.ip, port: session.tcpPort };
    session.probing = endpoint;
    session.probedAtMs = nowMs;
    this.#outbox.probe({ endpoint, certificate: session.certificate }, (reachable) => {
      session.probing = undefined;
      // The device may have moved meanwhile; then this tells nothing, and the next STATUS dials again.
      if (sameEndpoint(endpoint, { ip: session.endpoint.ip, port: session.tcpPort })) {
        session.reachable = reachable ? "yes" : "no";
      }
      for (const waiter of session.probeWaiters.splice(0)) waiter();
    });
  }

  /** Calls once no dial to these sessions is under way; at once if none is. */
  whenSettled(sessions: readonly Session[], then: () => void): void {
    const probed = sessions.filter((session) => session.probing !== undefined);
    let open = probed.length;
    if (open === 0) then();
    for (const session of probed) session.probeWaiters.push(() => --open === 0 && then());
  }
}
