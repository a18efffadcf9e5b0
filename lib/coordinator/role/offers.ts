/**
 * offers: which devices fetch a content now and serve the pieces that they have. Laws: 1) an offer ends limits.offerMs after it was last
 * renewed, and at once when its session is away, has left or ends, takes it back, or has the content whole;  2) bounded, in
 * all, of one session and of one content: above that the one renewed longest ago goes;  3) a repeat of an older request never
 * brings back an offer that a later one withdrew.  Spec: PROTOCOL.md "Partial holders".  (pure)
 */

import { type Content, contentKey } from "../../core/ids.ts";
import { limits } from "../../core/limits.ts";
import type { Session } from "./session.ts";

interface Offer {
  readonly session: Session;
  readonly key: string;
  readonly expiresAtMs: number;
}

export interface OffersBounds {
  readonly offersMax: number;
  readonly offersPerSessionMax: number;
  readonly offersPerContentMax: number;
}

export class Offers {
  readonly #bounds: OffersBounds;
  /** In the order of renewal, which is that of expiry; so are the other two. */
  readonly #all = new Set<Offer>();
  readonly #bySession = new Map<Session, Map<string, Offer>>();
  readonly #byContent = new Map<string, Map<Session, Offer>>();

  constructor(bounds: OffersBounds = limits) {
    this.#bounds = bounds;
  }

  get size(): number {
    return this.#all.size;
  }

  /** Takes what a request says: begins or renews an offer, or withdraws it. */
  told(session: Session, content: Content, offer: boolean, transaction: number, nowMs: number): void {
    if (!offer) {
      session.withdrawnTransaction = Math.max(session.withdrawnTransaction, transaction);
      this.withdraw(session, [content]);
    } else if (transaction > session.withdrawnTransaction) {
      this.#put({ session, key: contentKey(content), expiresAtMs: nowMs + limits.offerMs }, nowMs);
    }
  }

  /** Ends a session's offers of these contents. */
  withdraw(session: Session, contents: readonly Content[]): void {
    const own = this.#bySession.get(session);
    if (own === undefined) return;
    for (const content of contents) this.#drop(own.get(contentKey(content)));
  }

  /** Ends all offers of a session. */
  withdrawAll(session: Session): void {
    for (const offer of this.#bySession.get(session)?.values() ?? []) this.#drop(offer);
  }

  /** The sessions that offer a content. */
  of(content: Content, nowMs: number): readonly Session[] {
    this.#expire(nowMs);
    return [...this.#byContent.get(contentKey(content))?.keys() ?? []];
  }

  has(session: Session, content: Content, nowMs: number): boolean {
    return (this.#bySession.get(session)?.get(contentKey(content))?.expiresAtMs ?? 0) > nowMs;
  }

  #put(offer: Offer, nowMs: number): void {
    const { session, key } = offer;
    this.#drop(this.#bySession.get(session)?.get(key));
    this.#expire(nowMs);
    const own = this.#bySession.get(session) ?? new Map<string, Offer>();
    if (own.size >= this.#bounds.offersPerSessionMax) this.#drop(first(own.values()));
    const others = this.#byContent.get(key) ?? new Map<Session, Offer>();
    if (others.size >= this.#bounds.offersPerContentMax) this.#drop(first(others.values()));
    if (this.#all.size >= this.#bounds.offersMax) this.#drop(first(this.#all));
    this.#all.add(offer);
    this.#bySession.set(session, own.set(key, offer));
    this.#byContent.set(key, others.set(session, offer));
  }

  #expire(nowMs: number): void {
    for (const offer of this.#all) {
      if (offer.expiresAtMs > nowMs) return;
      this.#drop(offer);
    }
  }

  #drop(offer: Offer | undefined): void {
    if (offer === undefined) return;
    const { session, key } = offer;
    this.#all.delete(offer);
    const own = this.#bySession.get(session)!;
    own.delete(key);
    if (own.size === 0) this.#bySession.delete(session);
    const others = this.#byContent.get(key)!;
    others.delete(session);
    if (others.size === 0) this.#byContent.delete(key);
  }
}

function first<T>(values: Iterable<T>): T | undefined {
  for (const value of values) return value;
  return undefined;
}
