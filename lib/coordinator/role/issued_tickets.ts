/**
 * issued_tickets: which holders were named in tickets to which devices, so that REVOKE reaches them. Laws: 1) a pair is forgotten
 * when its last ticket has expired;  2) at most limits.ticketsRememberedMax pairs: above it the oldest is forgotten, whose
 * tickets then end by expiry alone.  (pure)
 */

import type { DeviceId } from "../../core/ids.ts";
import { limits } from "../../core/limits.ts";
import type { Session } from "./session.ts";

interface Issued {
  readonly foldedAccount: string;
  /** The row number of the device that may fetch. */
  readonly device: number;
  readonly deviceId: DeviceId;
  /** The holder's row number. */
  readonly holder: number;
  readonly expiresAtMs: number;
}

export class IssuedTickets {
  /** In the order of expiry: a pair that gets another ticket moves to the end. */
  readonly #issued = new Map<string, Issued>();

  /** Notes a ticket that lets a session's device fetch from a holder. */
  note({ device, deviceId, foldedAccount }: Session, holder: number, expiresAtMs: number, nowMs: number): void {
    const key = `${device}:${holder}`;
    this.#issued.delete(key);
    this.#issued.set(key, { foldedAccount, device, deviceId, holder, expiresAtMs });
    for (const [oldest, issued] of this.#issued) {
      if (issued.expiresAtMs > nowMs && this.#issued.size <= limits.ticketsRememberedMax) break;
      this.#issued.delete(oldest);
    }
  }

  /** Takes out an account's pairs, but for those of one device: the devices by holder. */
  takeAccount(foldedAccount: string, nowMs: number, but?: number): ReadonlyMap<number, readonly DeviceId[]> {
    return this.#take((issued) => issued.foldedAccount === foldedAccount && issued.device !== but, nowMs);
  }

  /** Takes out the pairs of several accounts, by their folded names, in one look at all. */
  takeAccounts(accounts: ReadonlySet<string>, nowMs: number): ReadonlyMap<number, readonly DeviceId[]> {
    return this.#take((issued) => accounts.has(issued.foldedAccount), nowMs);
  }

  /** Takes out the pairs of one device, by its row number. */
  takeDevice(device: number, nowMs: number): ReadonlyMap<number, readonly DeviceId[]> {
    return this.#take((issued) => issued.device === device, nowMs);
  }

  /** The devices, by their row numbers, that have a ticket for a holder. */
  devicesAt(holder: number, nowMs: number): readonly number[] {
    const devices: number[] = [];
    for (const issued of this.#issued.values()) {
      if (issued.holder === holder && issued.expiresAtMs > nowMs) devices.push(issued.device);
    }
    return devices;
  }

  /** Takes out the pairs of a holder with these devices. */
  takePairs(holder: number, devices: ReadonlySet<number>): readonly DeviceId[] {
    const taken: DeviceId[] = [];
    for (const device of devices) {
      const key = `${device}:${holder}`;
      const issued = this.#issued.get(key);
      if (issued !== undefined) taken.push(issued.deviceId);
      this.#issued.delete(key);
    }
    return taken;
  }

  #take(isMeant: (issued: Issued) => boolean, nowMs: number): ReadonlyMap<number, readonly DeviceId[]> {
    const byHolder = new Map<number, DeviceId[]>();
    for (const [key, issued] of this.#issued) {
      if (!isMeant(issued)) continue;
      this.#issued.delete(key);
      if (issued.expiresAtMs <= nowMs) continue;
      const devices = byHolder.get(issued.holder);
      if (devices === undefined) byHolder.set(issued.holder, [issued.deviceId]);
      else devices.push(issued.deviceId);
    }
    return byHolder;
  }
}
