/**
 * pending_logins: logins between START and the first sealed datagram that opens. Laws: 1) bounded: strangers have three quarters of
 * limits.loginsPendingMax, devices that proved themselves the rest, so neither crowds out the other;  2) a full share loses the
 * oldest login of whoever has most (address block, or account of known devices): a flood pushes out itself first;  3) each ends
 * after limits.loginPendingMs.  (pure)
 */

import type { Bytes } from "../../core/bytes.ts";
import { formatHex } from "../../core/bytes.ts";
import type { DeviceId } from "../../core/ids.ts";
import { limits } from "../../core/limits.ts";
import type { Endpoint } from "../../core/transport.ts";
import type { SealedChannel } from "../../session/sealed_channel.ts";
import { FairTable } from "./fair_table.ts";
import type { Try } from "./try_buckets.ts";

/** How far a login has come. */
export type LoginStage =
  /** The store or OPAQUE is asked. */
  | { readonly kind: "asking" }
  | { readonly kind: "replied" }
  /** A FINISH is being checked, or its device enrolled; others wait. */
  | { readonly kind: "proving" }
  /** The password was right and the login is refused: what every FINISH is answered. */
  | { readonly kind: "refused"; readonly channel: SealedChannel; readonly payload: Bytes };

export interface PendingLogin {
  /** Of nonce and address: see `loginKey`. */
  readonly key: string;
  /** The account's name folded, and as it was sent. */
  readonly account: string;
  readonly typedAccount: string;
  readonly endpoint: Endpoint;
  readonly block: string;
  /** The whole START datagram: a repeat is told by it, the transcript begins with it. */
  readonly start: Bytes;
  readonly sessionId: bigint;
  /** The device that signed START; null if none did. */
  readonly deviceId: DeviceId | null;
  readonly expiresAtMs: number;
  stage: LoginStage;
  /** The whole REPLY datagram, and what OPAQUE needs to finish; empty while asking. */
  reply: Bytes;
  opaqueState: string;
  spent: Try | undefined;
  /** What the password is proved against. */
  record: string;
  disabled: boolean;
  finishes: number;
}

/** The name under which a repeated START finds its login. */
export function loginKey(from: Endpoint, nonce: Uint8Array): string {
  return `${formatHex(nonce)} ${from.port} ${from.ip}`;
}

export class PendingLogins {
  readonly #strangers = new FairTable<PendingLogin>(limits.loginsPendingMax * 3 / 4, (login) => login.block);
  readonly #known = new FairTable<PendingLogin>(limits.loginsPendingMax / 4, (login) => login.account);
  readonly #bySession = new Map<bigint, PendingLogin>();

  get size(): number {
    return this.#bySession.size;
  }

  /** When the next one ends; Infinity if there is none. */
  get wakeAtMs(): number {
    return Math.min(this.#strangers.oldest?.expiresAtMs ?? Infinity, this.#known.oldest?.expiresAtMs ?? Infinity);
  }

  find(key: string): PendingLogin | undefined {
    return this.#strangers.get(key) ?? this.#known.get(key);
  }

  findBySession(id: bigint): PendingLogin | undefined {
    return this.#bySession.get(id);
  }

  /** Tells whether a login is still pending: answers may come after its end. */
  has(login: PendingLogin): boolean {
    return this.#bySession.get(login.sessionId) === login;
  }

  /** Adds one among the strangers. */
  add(login: PendingLogin): void {
    this.#forget(this.#strangers.add(login));
    this.#bySession.set(login.sessionId, login);
  }

  /** Moves one to the known devices' share. */
  promote(login: PendingLogin): void {
    this.#strangers.delete(login);
    this.#forget(this.#known.add(login));
  }

  remove(login: PendingLogin): void {
    this.#strangers.delete(login);
    this.#known.delete(login);
    this.#bySession.delete(login.sessionId);
  }

  removeAccount(account: string): void {
    for (const login of this.#bySession.values()) if (login.account === account) this.remove(login);
  }

  /** Ends those whose time is over; tells which. */
  expire(nowMs: number): readonly PendingLogin[] {
    const expired: PendingLogin[] = [];
    for (const share of [this.#strangers, this.#known]) {
      for (let login = share.oldest; login !== undefined && login.expiresAtMs <= nowMs; login = share.oldest) {
        this.remove(login);
        expired.push(login);
      }
    }
    return expired;
  }

  #forget(evicted: PendingLogin | undefined): void {
    if (evicted !== undefined) this.#bySession.delete(evicted.sessionId);
  }
}
