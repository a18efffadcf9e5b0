/**
 * siblings: the other coordinators on the same store: which ones live, what they are told, and what is done with their news. Laws:
 * 1) what one coordinator does to an account, a device or a share holds at all of them;  2) news are acted on, never told on;
 * 3) after a gap in the news every session here is looked up again: nothing that was missed is kept;  4) alone, it tells nothing.
 * Spec: PROTOCOL.md "Several coordinators".  (pure)
 */

import { formatHex, parseHex } from "../../core/bytes.ts";
import type { Content, DeviceId } from "../../core/ids.ts";
import { limits } from "../../core/limits.ts";
import { type Endpoint, sameEndpoint } from "../../core/transport.ts";
import type { LiveCoordinator, News, ShareNews } from "./news.ts";
import type { Offers } from "./offers.ts";
import type { Outbox } from "./outbox.ts";
import type { Pushes } from "./pushes.ts";
import type { Session } from "./session.ts";
import type { SessionTable } from "./session_table.ts";
import type { StoreOperations } from "./store_effects.ts";

/** Sessions that are looked up at once after a gap. */
const checksAtOnce = 16;
/** Coordinators that CLOSE names (message.ts). */
const elsewhereMax = 4;

export interface SiblingsOptions {
  readonly outbox: Outbox;
  readonly sessions: SessionTable;
  readonly pushes: Pushes;
  readonly offers: Offers;
  /** Whether other coordinators may use the store. */
  readonly isShared: boolean;
  /** Ends a session whose account or device may no longer be here. */
  readonly endSession: (session: Session, code: "denied" | "disabled", nowMs: number) => void;
  readonly changeStanding: (change: Omit<News & { readonly kind: "standingChanged" }, "kind">, nowMs: number) => void;
}

export class Siblings {
  readonly #options: SiblingsOptions;
  #live: readonly LiveCoordinator[] = [];
  #endpoints: readonly Endpoint[] = [];
  #own: Endpoint | undefined;
  /** Those at which somebody waits for shares. */
  readonly #watching = new Set<number>();
  #isWatching = false;
  /** Sessions that are to be looked up. */
  #unchecked: Session[] = [];
  #checks = 0;

  constructor(options: SiblingsOptions) {
    this.#options = options;
  }

  /** Whether other coordinators may use the store. */
  get isShared(): boolean {
    return this.#options.isShared;
  }

  /** How many live, this one too. */
  get count(): number {
    return Math.max(1, this.#live.length);
  }

  /** Where a peer may log in, as many as it is told; each peer has them in an order of its own. */
  endpointsFor({ device }: Session): readonly Endpoint[] {
    return rotated(this.#endpoints, device, limits.coordinatorsMax);
  }

  /** Where a peer is to go when this one stops. */
  elsewhereFor({ device }: Session): readonly Endpoint[] {
    const own = this.#own;
    const others = own === undefined ? this.#endpoints : this.#endpoints.filter((one) => !sameEndpoint(one, own));
    return rotated(others, device, elsewhereMax);
  }

  /** Takes which coordinators live. @param own Where this one says that peers reach it. */
  takeLive(live: readonly LiveCoordinator[], own: Endpoint | undefined): void {
    this.#live = live;
    this.#own = own;
    // One that was killed and started again is there twice for a while.
    const endpoints = live.map(({ endpoint }) => endpoint).filter((endpoint) => endpoint !== null);
    this.#endpoints = endpoints.filter((one, i) => endpoints.findIndex((other) => sameEndpoint(one, other)) === i);
    const instances = new Set(live.map(({ instance }) => instance));
    for (const one of this.#watching) if (!instances.has(one)) this.#watching.delete(one);
    this.#check();
  }

  /** This coordinator hears the others from now on. */
  joined(): void {
    this.tell({ kind: "here", watches: this.#isWatching, asks: true });
  }

  tell(news: News): void {
    if (this.isShared) this.#options.outbox.tell(news);
  }

  /** Says whether anybody here waits for shares, when that has changed. */
  noteWatching(isWatching: boolean): void {
    if (isWatching === this.#isWatching) return;
    this.#isWatching = isWatching;
    this.tell({ kind: "here", watches: isWatching, asks: false });
  }

  takeHere(from: number, { watches, asks }: News & { readonly kind: "here" }): void {
    if (watches) this.#watching.add(from);
    else this.#watching.delete(from);
    if (asks) this.tell({ kind: "here", watches: this.#isWatching, asks: false });
  }

  /** Tells of shares, where anybody waits for some. */
  shared(sharer: Session, shares: readonly ShareNews[]): void {
    if (this.#watching.size === 0 || shares.length === 0) return;
    this.tell({ kind: "shared", device: sharer.device, account: sharer.foldedAccount, shares });
  }

  /** Has a holder, wherever it is, end its uploads to these devices. */
  revokeDevices(holder: number, devices: readonly DeviceId[], nowMs: number): void {
    const session = this.#options.sessions.findDevice(holder);
    if (session !== undefined) this.#options.pushes.revokeDevices(session, devices, nowMs);
    if (session?.state !== "online") this.tell({ kind: "revoked", holder, devices });
  }

  /** Takes what a holder that is here is to end. */
  takeRevoked({ holder, devices }: News & { readonly kind: "revoked" }, nowMs: number): void {
    const session = this.#options.sessions.findDevice(holder);
    if (session !== undefined) this.#options.pushes.revokeDevices(session, devices, nowMs);
  }

  /** Notes that shares of a device were removed by somebody else of its account, and tells it, wherever it is. */
  listChanged(
    { device, shareDigest, ended }: {
      readonly device: number;
      readonly shareDigest: Uint8Array;
      readonly ended: readonly Content[];
    },
    asker: Session,
    nowMs: number,
  ): void {
    const isHere = this.#endShares(device, shareDigest, ended, asker, nowMs);
    if (!isHere) this.tell({ kind: "listChanged", device, shareDigest: formatHex(shareDigest), ended });
  }

  takeListChanged({ device, shareDigest, ended }: News & { readonly kind: "listChanged" }, nowMs: number): void {
    const digest = parseHex(shareDigest);
    if (digest !== undefined) this.#endShares(device, digest, ended, undefined, nowMs);
  }

  /** Looks up every session: some news were missed. */
  recheck(): void {
    this.#unchecked = [...this.#options.sessions.all()];
    this.#check();
  }

  #endShares(
    device: number,
    shareDigest: Uint8Array,
    ended: readonly Content[],
    asker: Session | undefined,
    nowMs: number,
  ): boolean {
    const { sessions, offers, pushes } = this.#options;
    const session = sessions.findDevice(device);
    if (session === undefined) return false;
    session.noteShares(shareDigest);
    offers.withdraw(session, ended);
    // A device that is away sees on its return that the lists differ.
    if (session !== asker && session.state === "online") pushes.revokeContents(session, ended, nowMs);
    return session.state === "online";
  }

  #check(): void {
    while (this.#checks < checksAtOnce) {
      const session = this.#unchecked.pop();
      if (session === undefined) return;
      if (session.state !== "ended") this.#checkOne(session);
    }
  }

  #checkOne(session: Session): void {
    const { outbox } = this.#options;
    const { foldedAccount: account, deviceId } = session;
    this.#checks++;
    outbox.store("credential", { account, deviceId }, (found) => {
      outbox.store("account", { account }, (known, nowMs) => {
        this.#checks--;
        if (found.ok && known.ok) {
          this.#compare(session, found.value, known.value, nowMs);
          this.#check();
        } else {
          // The store is busy or away: again with what is told next of the living.
          this.#unchecked.push(session);
        }
      });
    });
  }

  #compare(
    session: Session,
    { record, disabled, loginKey }: StoreOperations["credential"]["answer"],
    known: StoreOperations["account"]["answer"],
    nowMs: number,
  ): void {
    const { endSession, changeStanding } = this.#options;
    if (session.state === "ended") return;
    if (disabled) endSession(session, "disabled", nowMs);
    else if (record === null || loginKey === null || known === undefined) endSession(session, "denied", nowMs);
    // Who may not share by now, and could not before, has nothing new to hear.
    else if (known.role !== "readOnly" || known.role !== session.standing.role) {
      changeStanding({ account: session.foldedAccount, role: known.role, rate: known.rate }, nowMs);
    }
  }
}

/** Up to `count` of them, beginning at another one for each number. */
function rotated(endpoints: readonly Endpoint[], by: number, count: number): readonly Endpoint[] {
  if (endpoints.length === 0) return endpoints;
  const at = by % endpoints.length;
  return [...endpoints.slice(at), ...endpoints.slice(0, at)].slice(0, count);
}
