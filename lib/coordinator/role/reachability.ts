/**
 * reachability: whether a device's TCP port can be reached from outside, found by dialling it back. Laws: 1) only the proven address of
 * the session is dialled, at a port of limits.probePortMin or above, with the device's certificate to meet;  2) one dial at a
 * time and one each limits.probeEveryMs a session, and limits.addressProbesPerSecond an address: nobody is made to knock at others' doors.
 * Spec: PROTOCOL.md "Reachability".  (pure)
 */

import { limits } from "../../core/limits.ts";
import type { AddressRates } from "./address_rates.ts";
import type { Outbox } from "./outbox.ts";
import { sameEndpoint } from "../../core/transport.ts";
import type { Session } from "./session.ts";

export class Reachability {
  readonly #outbox: Outbox;
  readonly #rates: AddressRates;
  readonly #onChange: (session: Session, nowMs: number) => void;

  /** @param onChange Told when a device can be reached, or at another place, or no longer. */
  constructor(outbox: Outbox, rates: AddressRates, onChange: (session: Session, nowMs: number) => void) {
    this.#outbox = outbox;
    this.#onChange = onChange;
    this.#rates = rates;
  }

  /** Notes the port that a device tells; another one than before is unknown until it was dialled. */
  announce(session: Session, tcpPort: number, nowMs: number): void {
    if (tcpPort !== session.tcpPort) {
      session.tcpPort = tcpPort;
      this.#forget(session, nowMs);
    }
    this.check(session, nowMs);
  }

  /** Notes that a device is at another host. */
  moved(session: Session, nowMs: number): void {
    this.#forget(session, nowMs);
    this.check(session, nowMs);
  }

  #forget(session: Session, nowMs: number): void {
    const wasReachable = session.reachable === "yes";
    session.reachable = "unknown";
    if (wasReachable) this.#onChange(session, nowMs);
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
    if (!this.#rates.spendProbe(session.placesIn(this.#rates), nowMs)) return; // The next STATUS tries again.
    const endpoint = { ip: session.endpoint.ip, port: session.tcpPort };
    session.probing = endpoint;
    session.probedAtMs = nowMs;
    this.#outbox.probe({ endpoint, certificate: session.certificate }, (reachable, probedAtMs) => {
      session.probing = undefined;
      // The device may have moved meanwhile; then this tells nothing, and the next STATUS dials again.
      if (sameEndpoint(endpoint, { ip: session.endpoint.ip, port: session.tcpPort })) {
        session.reachable = reachable ? "yes" : "no";
        if (reachable) this.#onChange(session, probedAtMs);
      }
      const waiters = session.probeWaiters ?? [];
      session.probeWaiters = undefined;
      for (const waiter of waiters) waiter();
    });
  }

  /** Calls once no dial to these sessions is under way; at once if none is. */
  whenSettled(sessions: readonly Session[], then: () => void): void {
    const probed = sessions.filter((session) => session.probing !== undefined);
    let open = probed.length;
    if (open === 0) then();
    for (const session of probed) (session.probeWaiters ??= []).push(() => --open === 0 && then());
  }
}
