/**
 * presence: who is online, away or gone. Laws: 1) a device is online while its authentic datagrams come, away after
 * limits.keepAliveMisses intervals of silence, and online again with the next one: the session's keys outlive the silence;
 * 2) LEAVE is away at once; whoever is not online offers nothing;  3) the store is told of every change, again and again if it is too busy to hear.
 * Spec: PROTOCOL.md "Presence and shares".  (pure)
 */

import { type ErrorCode, errorCodes } from "../../core/errors.ts";
import { limits } from "../../core/limits.ts";
import type { Endpoint } from "../../core/transport.ts";
import type { Offers } from "./offers.ts";
import type { Outbox } from "./outbox.ts";
import type { Pushes } from "./pushes.ts";
import type { Session } from "./session.ts";
import type { SessionTable } from "./session_table.ts";
import type { Timers } from "./timers.ts";
import type { Watches } from "./watches.ts";

/** Pause before the store is told again, in milliseconds. */
const tellAgainMs = 1_000;

export interface PresenceOptions {
  readonly outbox: Outbox;
  readonly sessions: SessionTable;
  readonly timers: Timers;
  readonly pushes: Pushes;
  readonly offers: Offers;
  readonly watches: Watches;
  readonly keepAliveMs: number;
  /** Whether other coordinators are to know where a device is reached. */
  readonly tellsPlaces: boolean;
}

export class Presence {
  readonly #outbox: Outbox;
  readonly #sessions: SessionTable;
  readonly #timers: Timers;
  readonly #pushes: Pushes;
  readonly #offers: Offers;
  readonly #watches: Watches;
  readonly #silenceMs: number;
  readonly #tellsPlaces: boolean;
  /** Devices whose presence the store was too busy to hear. */
  readonly #untold = new Map<number, boolean>();
  #tellAtMs = Infinity;

  constructor({ outbox, sessions, timers, pushes, offers, watches, keepAliveMs, tellsPlaces }: PresenceOptions) {
    this.#outbox = outbox;
    this.#sessions = sessions;
    this.#timers = timers;
    this.#pushes = pushes;
    this.#offers = offers;
    this.#watches = watches;
    this.#tellsPlaces = tellsPlaces;
    this.#silenceMs = keepAliveMs * limits.keepAliveMisses;
  }

  get wakeAtMs(): number {
    return Math.min(this.#timers.wakeAtMs, this.#tellAtMs);
  }

  /** Takes a new session in. */
  begin(session: Session, nowMs: number): void {
    this.#sessions.add(session);
    this.#tell(session.device, true, nowMs);
    this.#setTimer(session);
  }

  /** Notes an authentic datagram. */
  heard(session: Session, nowMs: number): void {
    session.heardAtMs = nowMs;
    if (session.state !== "away") return;
    session.state = "online";
    this.#sessions.noteAway(session, false);
    this.#tell(session.device, true, nowMs);
    this.#setTimer(session);
    this.#pushes.flush(session, nowMs);
  }

  /** Notes that a device is reached at another place than before, or not. */
  placeChanged(session: Session, nowMs: number): void {
    if (this.#tellsPlaces && session.state === "online") this.#tell(session.device, true, nowMs);
  }

  /** Logs a device out; the session lingers to repeat its answer. */
  leave(session: Session, nowMs: number): void {
    if (session.state === "online") this.#tell(session.device, false, nowMs);
    session.state = "left";
    this.#offers.withdrawAll(session);
    this.#watches.removeAll(session);
    session.leftAtMs = nowMs;
    this.#sessions.noteAway(session, true);
    this.#setTimer(session);
    this.#outbox.log({ event: "loggedOut", account: session.account, device: session.label });
  }

  /**
   * Ends a session and tells its device why, once. With `handOver` the device has another session already, and stays
   * what that one says; `elsewhere` is where it may log in instead.
   */
  end(
    session: Session,
    code: ErrorCode,
    nowMs: number,
    { handOver = false, elsewhere = [] }: { readonly handOver?: boolean; readonly elsewhere?: readonly Endpoint[] } =
      {},
  ): void {
    if (session.state !== "left") {
      session.send(this.#outbox, 0, { kind: "close", code: errorCodes[code].wire, elsewhere });
    }
    if (session.state === "online" && !handOver) this.#tell(session.device, false, nowMs);
    this.#drop(session);
  }

  /**
   * Ends a session for a newer one at another coordinator. What was told of this one may have come to the store after what was told
   * of that one, so it is taken back; then calls.
   */
  endElsewhere(session: Session, nowMs: number, then: () => void): void {
    const wasOnline = session.state === "online";
    this.end(session, "sessionEnded", nowMs, { handOver: true });
    if (wasOnline) this.#tell(session.device, false, nowMs, then);
  }

  /** Does what is due. */
  tick(nowMs: number): void {
    for (let due = this.#timers.takeDue(nowMs); due !== undefined; due = this.#timers.takeDue(nowMs)) {
      this.#advance(due, nowMs);
    }
    if (nowMs < this.#tellAtMs) return;
    const untold = [...this.#untold];
    this.#untold.clear();
    this.#tellAtMs = Infinity;
    for (const [device, online] of untold) this.#tell(device, online, nowMs);
  }

  #advance(session: Session, nowMs: number): void {
    // The code is not sessionEnded, which a peer reads as a newer login elsewhere: this one may log in again at once.
    if (nowMs >= session.endsAtMs) return this.end(session, "timeout", nowMs);
    if (session.state === "left" && nowMs >= session.leftAtMs + limits.leaveLingerMs) return this.#drop(session);
    if (session.state === "online" && nowMs >= session.heardAtMs + this.#silenceMs) {
      session.state = "away";
      this.#offers.withdrawAll(session);
      this.#sessions.noteAway(session, true);
      this.#tell(session.device, false, nowMs);
      this.#outbox.log({ event: "away", account: session.account, device: session.label });
    }
    this.#setTimer(session);
    this.#pushes.flush(session, nowMs);
  }

  /** Keep-alives do not touch the timer: it looks at `heardAtMs` when it fires. */
  #setTimer(session: Session): void {
    const silentAtMs = session.state === "online" ? session.heardAtMs + this.#silenceMs : Infinity;
    const droppedAtMs = session.state === "left" ? session.leftAtMs + limits.leaveLingerMs : Infinity;
    this.#timers.set(session, Math.min(silentAtMs, droppedAtMs, session.endsAtMs));
  }

  #drop(session: Session): void {
    session.state = "ended";
    this.#offers.withdrawAll(session);
    this.#watches.removeAll(session);
    this.#sessions.remove(session);
    this.#timers.set(session, Infinity);
  }

  #tell(device: number, online: boolean, nowMs: number, then = () => {}): void {
    this.#untold.delete(device);
    const at = online && this.#tellsPlaces ? this.#placeOf(device) : null;
    this.#outbox.store("presence", { device, online, at, nowMs }, (answer, answeredAtMs) => {
      then();
      if (answer.ok || (answer.error.code !== "busy" && answer.error.code !== "io")) return;
      const now = this.#sessions.findDevice(device)?.state === "online";
      this.#untold.set(device, now);
      this.#tellAtMs = Math.min(this.#tellAtMs, answeredAtMs + tellAgainMs);
    });
  }

  #placeOf(device: number): Endpoint | null {
    const session = this.#sessions.findDevice(device);
    return session?.reachable === "yes" ? { ip: session.endpoint.ip, port: session.tcpPort } : null;
  }
}
