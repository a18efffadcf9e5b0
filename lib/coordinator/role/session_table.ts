/**
 * session_table: the sessions by id, by device, by device key and by account. Laws: 1) a device has one session;  2) when a limit is
 * reached, the session that has been away longest goes; one that is online never.  (pure)
 */

import type { ErrorCode } from "../../core/errors.ts";
import type { DeviceId } from "../../core/ids.ts";
import { limits } from "../../core/limits.ts";
import type { Session } from "./session.ts";

export class SessionTable {
  readonly #byId = new Map<bigint, Session>();
  readonly #byDevice = new Map<number, Session>();
  readonly #byDeviceId = new Map<DeviceId, readonly Session[]>();
  readonly #byAccount = new Map<string, readonly Session[]>();
  /** In the order in which they went away. */
  readonly #away = new Set<Session>();

  get size(): number {
    return this.#byId.size;
  }

  find(id: bigint): Session | undefined {
    return this.#byId.get(id);
  }

  findDevice(device: number): Session | undefined {
    return this.#byDevice.get(device);
  }

  /** The sessions that are there longest, up to a number. */
  first(count: number): Iterable<Session> {
    return this.#byId.values().take(count);
  }

  all(): Iterable<Session> {
    return this.#byId.values();
  }

  /** The sessions of an account, by its folded name. */
  ofAccount(foldedAccount: string): Iterable<Session> {
    return this.#byAccount.get(foldedAccount) ?? [];
  }

  /** The sessions of a device's key, one for each account that it belongs to. */
  ofDeviceId(deviceId: DeviceId): Iterable<Session> {
    return this.#byDeviceId.get(deviceId) ?? [];
  }

  /** The session that has to go so that this device can have one; undefined if none has to; the code of the limit if none can. */
  roomFor(foldedAccount: string, deviceId: DeviceId): Session | ErrorCode | undefined {
    const own = this.#byAccount.get(foldedAccount) ?? [];
    for (const session of own) if (session.deviceId === deviceId) return session;
    if (own.length >= limits.sessionsPerAccountMax) {
      for (const session of this.#away) if (own.includes(session)) return session;
      return "limit";
    }
    if (this.size < limits.sessionsMax) return undefined;
    for (const session of this.#away) return session;
    return "busy";
  }

  add(session: Session): void {
    this.#byId.set(session.id, session);
    this.#byDevice.set(session.device, session);
    addTo(this.#byAccount, session.foldedAccount, session);
    addTo(this.#byDeviceId, session.deviceId, session);
  }

  noteAway(session: Session, away: boolean): void {
    if (away) this.#away.add(session);
    else this.#away.delete(session);
  }

  remove(session: Session): void {
    this.#byId.delete(session.id);
    this.#away.delete(session);
    if (this.#byDevice.get(session.device) === session) this.#byDevice.delete(session.device);
    removeFrom(this.#byAccount, session.foldedAccount, session);
    removeFrom(this.#byDeviceId, session.deviceId, session);
  }
}

/** Arrays, for most devices have one session and no account many: a Set of one costs several times as much. */
function addTo<K>(index: Map<K, readonly Session[]>, key: K, session: Session): void {
  index.set(key, [...index.get(key) ?? [], session]);
}

function removeFrom<K>(index: Map<K, readonly Session[]>, key: K, session: Session): void {
  const others = (index.get(key) ?? []).filter((one) => one !== session);
  if (others.length === 0) index.delete(key);
  else index.set(key, others);
}
